"""A model that needs no training: every pixel is the class of the nearest palette colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from landing.model.artefact import GATE_KEY, GateReport
from landing.model.spec import METADATA_KEY, InputSpec, ModelSpec, OutputSpec
from landing.taxonomy import Taxonomy

SIDE_PX = 128
SPREAD = 30.0
"""Colour distance (0..255) over which the probability of a class falls."""
GRAIN = 4
"""Greatest deviation from the palette, grey levels: too little for another class."""


def spec_of(taxonomy: Taxonomy, width_px: int = SIDE_PX, height_px: int = SIDE_PX) -> ModelSpec:
    return ModelSpec(
        name="nearest-colour",
        architecture="none",
        input=InputSpec(width_px=width_px, height_px=height_px, mean_rgb=(0, 0, 0), std_rgb=(1, 1, 1)),
        outputs=OutputSpec(stride=1),
        taxonomy=taxonomy,
    )


def build(
    taxonomy: Taxonomy,
    spec: ModelSpec | None = None,
    *,
    width_px: int = SIDE_PX,
    height_px: int = SIDE_PX,
    describe: bool = True,
    drop_output: str | None = None,
) -> onnx.ModelProto:
    """score = 2 x.c - c.c per class (nearest colour wins), softmax, merge, bytes."""
    colours = taxonomy.palette_bgr[: len(taxonomy)].astype(np.float32)  # (K, 3)
    scale = np.float32(1.0 / (2 * SPREAD**2))
    constants: dict[str, npt.NDArray[np.generic]] = {
        "weights": (2 * colours.T * scale),
        "bias": -(colours**2).sum(1) * scale,
        "merge": taxonomy.merge_matrix.T.copy(),
        "bytes": np.array(255.0, np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "last": np.array([5], np.int64),
        "channel": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "weights"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=2, keepdims=0),
        helper.make_node("Cast", ["best"], ["class_id"], to=TensorProto.UINT8),
        helper.make_node("Softmax", ["scores"], ["p"], axis=2),
        helper.make_node("MatMul", ["p", "merge"], ["merged"]),
        helper.make_node("Mul", ["merged", "bytes"], ["scaled255"]),
        helper.make_node("Round", ["scaled255"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["planes"], to=TensorProto.UINT8),
        helper.make_node("Slice", ["planes", "first", "second", "channel"], ["landable3"]),
        helper.make_node("Squeeze", ["landable3", "channel"], ["landable"]),
        helper.make_node("Slice", ["planes", "second", "last", "channel"], ["hazards_last"]),
        helper.make_node("Transpose", ["hazards_last"], ["hazards"], perm=[2, 0, 1]),
    ]
    u8 = TensorProto.UINT8
    outputs = [
        helper.make_tensor_value_info("class_id", u8, [height_px, width_px]),
        helper.make_tensor_value_info("landable", u8, [height_px, width_px]),
        helper.make_tensor_value_info("hazards", u8, [4, height_px, width_px]),
    ]
    graph = helper.make_graph(
        nodes,
        "nearest_colour",
        [helper.make_tensor_value_info("image", u8, [height_px, width_px, 3])],
        [o for o in outputs if o.name != drop_output],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    if describe:
        spec = spec if spec is not None else spec_of(taxonomy, width_px, height_px)
        helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    return model


def save(path: Path, taxonomy_name: str = "synthetic", **options: object) -> Path:
    onnx.save(build(Taxonomy.load(taxonomy_name), **options), str(path))  # type: ignore[arg-type]
    return path


def with_gate(model: Path, path: Path, gate: GateReport | None, key: str = GATE_KEY) -> Path:
    """A copy of a model file that says what was proven of it."""
    copy = onnx.load(str(model))
    if gate is not None:
        copy.metadata_props.add(key=key, value=gate.to_json())
    onnx.save(copy, str(path))
    return path


def paint(
    width_px: int, height_px: int, *patches: tuple[str, tuple[int, int, int, int]], ground: str = "grass"
) -> npt.NDArray[np.uint8]:
    """A picture in palette colours: ground, then rectangles (class, (x, y, w, h))."""
    taxonomy = Taxonomy.load("synthetic")
    colour = {c.name: c.color_rgb[::-1] for c in taxonomy.classes}
    image = np.empty((height_px, width_px, 3), np.uint8)
    image[:] = colour[ground]
    for name, (x, y, w, h) in patches:
        image[y : y + h, x : x + w] = colour[name]
    return image


def photograph(
    width_px: int, height_px: int, *patches: tuple[str, tuple[int, int, int, int]], ground: str = "grass"
) -> npt.NDArray[np.uint8]:
    """A painting of `paint` with grain that a thumbnail shows, as ground has: without it it is blank or blurred."""
    image = paint(width_px, height_px, *patches, ground=ground)
    grain = np.random.default_rng(0).integers(-GRAIN, GRAIN + 1, (120, 160, 1)).astype(np.int16)
    rows, columns = np.arange(height_px) * 120 // height_px, np.arange(width_px) * 160 // width_px
    return np.clip(image + grain[rows[:, None], columns], 0, 255).astype(np.uint8)
