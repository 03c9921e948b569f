"""A graph of ours in two: the network between planes and logits, for other runtimes, and what decides on the logits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.runtime import open_session, run_session
from landing.errors import ModelError
from landing.model.spec import ModelSpec
from landing.types import ByteArray

_FRONT_OPS = ("Cast", "Transpose", "Unsqueeze", "Gather", "Mul", "Add", "Sub", "Div")
"""Nodes that may lie between the picture and its planes: another order, and a scale and a shift for each colour."""

_FRONT = "touchdown.front"


@dataclass(frozen=True)
class CutModel:
    """A graph in two, and the shape of the network's input, (1, 3, H, W): the picture's planes, blue green red."""

    network: onnx.ModelProto
    decision: onnx.ModelProto
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Colours:
    """Planes of a network from those of the picture, blue green red: ``matrix`` (3, 3) times them, plus ``shift``."""

    matrix: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]

    @property
    def changes_nothing(self) -> bool:
        return bool(np.array_equal(self.matrix, np.eye(3)) and not self.shift.any())


def cut(model: onnx.ModelProto, spec: ModelSpec, source: Path, form: str) -> CutModel:
    """The network between planes and logits, and what follows the logits.

    Raises:
        ModelError: The graph has no such places, or more than the logits goes from the one part into the other.
    """
    folded = onnx.shape_inference.infer_shapes(_with_float_weights(model))
    shapes = {
        value.name: tuple(int(side.dim_value) for side in value.type.tensor_type.shape.dim)
        for value in folded.graph.value_info
    }
    planes = _planes(folded, spec, shapes)
    logits = _logits(folded, spec, shapes)
    if not planes or not logits:
        what = "a picture that goes into it as planes" if not planes else "logits that a class is chosen from"
        raise ModelError(f"model {source}: {form}'s form needs a network with {what}. Fly the ONNX file")
    outputs = [spec.outputs.class_id, spec.outputs.landable, spec.outputs.hazards]
    colours = _colours(folded, spec, planes, source, form)
    extractor = onnx.utils.Extractor(folded)
    try:
        network = extractor.extract_model([planes], [logits])
        decision = extractor.extract_model([logits], outputs)
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"model {source}: its graph cannot be cut at its logits {logits!r}. Fly the ONNX file"
        ) from error
    for part in (network, decision):
        del part.metadata_props[:]
    inside = {name for node in decision.graph.node for name in node.input}
    if spec.input.name in inside or not network.graph.node:
        raise ModelError(f"model {source}: more than its logits decides. Fly the ONNX file")
    if not colours.changes_nothing:
        _put_before(network, colours)
    return CutModel(network, decision, shapes[planes])


def _with_float_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with weights stored as they are computed with: casts of weights are done."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in copy.graph.initializer}
    nodes, done = [], set()
    for node in copy.graph.node:
        if node.op_type != "Cast" or node.input[0] not in weights:
            nodes.append(node)
            continue
        to = next(one.i for one in node.attribute if one.name == "to")
        values = numpy_helper.to_array(weights[node.input[0]]).astype(onnx.helper.tensor_dtype_to_np_dtype(to))
        copy.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        done.add(node.input[0])
    still = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in copy.graph.initializer if tensor.name not in done or tensor.name in still]
    del copy.graph.node[:], copy.graph.initializer[:]
    copy.graph.node.extend(nodes)
    copy.graph.initializer.extend(kept)
    return copy


def _planes(model: onnx.ModelProto, spec: ModelSpec, shapes: dict[str, tuple[int, ...]]) -> str:
    """The first tensor that is the picture as float (1, 3, H, W), its colours changed or not; empty without any."""
    name, turned, constants = spec.input.name, False, {tensor.name for tensor in model.graph.initializer}
    wanted = (1, 3, spec.input.height_px, spec.input.width_px)
    while True:
        readers = [node for node in model.graph.node if name in node.input]
        if len(readers) != 1 or readers[0].op_type not in _FRONT_OPS:
            return ""
        node = readers[0]
        if not constants.issuperset(other for other in node.input if other != name):
            return ""
        if node.op_type == "Transpose":
            turned = [list(one.ints) for one in node.attribute if one.name == "perm"] in ([[2, 0, 1]], [[0, 3, 1, 2]])
        name = node.output[0]
        if turned and shapes.get(name) == wanted:
            return str(name)


def _colours(model: onnx.ModelProto, spec: ModelSpec, planes: str, source: Path, form: str) -> _Colours:
    """Map from the picture's colours to the planes, told by what the nodes between the two compute.

    Raises:
        ModelError: They do more than that.
    """
    session = open_session(onnx.utils.Extractor(model).extract_model([spec.input.name], [planes]))
    size = (spec.input.height_px, spec.input.width_px, 3)

    def of(picture: ByteArray) -> npt.NDArray[np.float32]:
        found = run_session(session, [planes], {spec.input.name: picture}, spec.input.name)[0]
        values: npt.NDArray[np.float32] = np.asarray(found, np.float32)[0]
        return values

    shift = of(np.zeros(size, np.uint8))[:, 0, 0]
    columns = []
    for colour in range(3):
        only = np.zeros(size, np.uint8)
        only[..., colour] = 1
        columns.append(of(only)[:, 0, 0] - shift)
    colours = _Colours(np.stack(columns, 1), shift)
    picture = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    expected = np.einsum("ij,hwj->ihw", colours.matrix, picture.astype(np.float32)) + shift[:, None, None]
    if not np.allclose(of(picture), expected, rtol=1e-3, atol=1e-3 * (1 + float(np.abs(expected).max()))):
        raise ModelError(f"model {source}: {form}'s form needs a picture whose colours alone change. Fly the ONNX file")
    return colours


def _put_before(network: onnx.ModelProto, colours: _Colours) -> None:
    """Makes a network take the picture's own colours: a convolution of one pixel changes them."""
    graph = network.graph
    planes = graph.input[0].name
    weights = numpy_helper.from_array(colours.matrix.reshape(3, 3, 1, 1), f"{_FRONT}.weights")
    shift = numpy_helper.from_array(colours.shift, f"{_FRONT}.shift")
    graph.initializer.extend([weights, shift])
    front = onnx.helper.make_node("Conv", [_FRONT, weights.name, shift.name], [planes], name=f"{_FRONT}.conv")
    graph.node.insert(0, front)
    graph.input[0].name = _FRONT


def _logits(model: onnx.ModelProto, spec: ModelSpec, shapes: dict[str, tuple[int, ...]]) -> str:
    """The tensor whose greatest channel is the class; empty where there is none.

    Casts and reshapes that change nothing are left to the decision.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(spec.outputs.class_id)
    while node is not None and node.op_type != "ArgMax":
        node = makers.get(node.input[0]) if node.input else None
    name = str(node.input[0]) if node is not None else ""
    while name in makers and makers[name].op_type in ("Cast", "Reshape", "Identity"):
        before = str(makers[name].input[0])
        if shapes.get(before) != shapes.get(name) or before not in makers:
            break
        name = before
    return name
