"""Models for the TensorRT tests: a small network with our head, and quantised copies of models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from landing.model.spec import METADATA_KEY, InputSpec, ModelSpec, OutputSpec
from landing.taxonomy import Taxonomy

SIDE = 64
TAXONOMY = Taxonomy.load("synthetic")
SPEC = ModelSpec(
    name="small",
    architecture="two convolutions",
    input=InputSpec(width_px=SIDE, height_px=SIDE, mean_rgb=(0, 0, 0), std_rgb=(1, 1, 1)),
    outputs=OutputSpec(stride=1),
    taxonomy=TAXONOMY,
)


def small(path: Path, *, odd: bool = False, describe: bool = True) -> Path:
    """Two learned convolutions, the second's weights stored in float16, and our head.

    Args:
        path: To write to.
        odd: With an operator TensorRT does not have.
        describe: With a ModelSpec.
    """
    rng = np.random.default_rng(1)
    classes = len(TAXONOMY)
    merge = np.vstack([TAXONOMY.merge_matrix, np.ones((1, classes))])[:, :, None, None]
    arrays = {
        "w1": rng.normal(0, 0.01, (8, 3, 3, 3)).astype(np.float32),
        "b1": rng.normal(0, 0.1, 8).astype(np.float32),
        "w2_half": rng.normal(0, 0.5, (classes, 8, 1, 1)).astype(np.float16),
        "merge": merge.astype(np.float32),
        "axis0": np.array([0]),
        "axis1": np.array([1]),
        "five": np.array([5]),
        "six": np.array([6]),
        "one": np.array([1]),
        "zero": np.array(0),
        "bytes": np.array(255, np.float32),
    }
    node, u8 = helper.make_node, TensorProto.UINT8
    nodes = [
        node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        node("Transpose", ["x"], ["chw"], perm=[2, 0, 1]),
        node("Unsqueeze", ["chw", "axis0"], ["nchw"]),
        node("Conv", ["nchw", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"]),
        node("Cast", ["w2_half"], ["w2"], to=TensorProto.FLOAT),
        node("Conv", ["r1", "w2"], ["logits"], "last"),
        node("ArgMax", ["logits"], ["best"], axis=1, keepdims=0),
        node("Cast", ["best"], ["best_float"], to=TensorProto.FLOAT),
        node("Cast", ["best_float"], ["best_u8"], to=u8),
        node("Gather", ["best_u8", "zero"], ["class_id"], axis=0),
        node("ReduceMax", ["logits", "axis1"], ["most"], keepdims=1),
        node("Sub", ["logits", "most"], ["below"]),
        node("Exp", ["below"], ["e"]),
        node("Conv", ["e", "merge"], ["sums"]),
        node("Slice", ["sums", "axis0", "five", "axis1"], ["parts"]),
        node("Slice", ["sums", "five", "six", "axis1"], ["whole"]),
        node("Div", ["parts", "whole"], ["share"]),
        node("Mul", ["share", "bytes"], ["scaled"]),
        node("Round", ["scaled"], ["rounded"]),
        node("Cast", ["rounded"], ["u8"], to=u8),
        node("Gather", ["u8", "zero"], ["planes"], axis=0),
        node("Gather", ["planes", "zero"], ["landable"], axis=0),
        node("Slice", ["planes", "one", "five", "axis0"], ["hazards"]),
    ]
    if odd:
        nodes[4] = node("Det", ["c1"], ["det"], "the-odd-one")
        nodes.insert(5, node("Relu", ["c1"], ["r1"]))
    tensors = [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    outputs = [
        helper.make_tensor_value_info("class_id", u8, [SIDE, SIDE]),
        helper.make_tensor_value_info("landable", u8, [SIDE, SIDE]),
        helper.make_tensor_value_info("hazards", u8, [4, SIDE, SIDE]),
    ]
    if odd:
        outputs.append(helper.make_tensor_value_info("det", TensorProto.FLOAT, [1, 8]))
    image = helper.make_tensor_value_info("image", u8, [SIDE, SIDE, 3])
    graph = helper.make_graph(nodes, "small", [image], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if describe:
        helper.set_model_props(model, {METADATA_KEY: SPEC.to_json()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return path


class _Noise(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, shape: tuple[int, ...]) -> None:
        self._left = [np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)]

    def get_next(self) -> dict[str, object] | None:
        return {"image": self._left.pop()} if self._left else None


def quantized(source: Path, target: Path, *, for_tensorrt: bool = True) -> Path:
    """A Q/DQ copy of a model, calibrated on noise: for its form, not for its accuracy."""
    model = onnx.load(str(source))
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    sums = [n.name for n in model.graph.node if {"sums", "merge", "touchdown.merge"} & set(n.input)]
    named = target.with_suffix(".float.onnx")
    onnx.save(model, str(named))
    size = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    activation = QuantType.QInt8 if for_tensorrt else QuantType.QUInt8
    quantize_static(
        str(named),
        str(target),
        _Noise(tuple(size)),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=activation,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=sums,
        extra_options={"ActivationSymmetric": for_tensorrt, "WeightSymmetric": True, "QuantizeBias": not for_tensorrt},
    )
    named.unlink()
    return target
