"""A network in the words of Hailo's compiler: shuffles as one operator, the first subtraction and scale as a script."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.hailo.operators import shapes_of
from export.runtime import open_session, run_session
from landing.errors import ModelError

OPSET = 17
"""Newest that networks on record as compiled come near: theirs are 13 and 16."""

_SHUFFLES = ("Reshape", "Transpose")
_MODES = ("DCR", "CRD")


@dataclass(frozen=True)
class HailoNetwork:
    """A graph that takes ``(planes - mean) / scale``, and the two, of blue, green and red, which a script computes."""

    graph: onnx.ModelProto
    mean: tuple[float, ...]
    scale: tuple[float, ...]


def for_compiler(network: onnx.ModelProto, source: object) -> HailoNetwork:
    """Rewrites a network between planes and logits.

    Raises:
        ModelError: The rewritten one computes something else, or ONNX cannot convert it.
    """
    try:
        graph = onnx.version_converter.convert_version(network, OPSET)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"model {source}: ONNX does not convert its network to opset {OPSET}: {error}") from error
    graph.ir_version = 8
    _join_shuffles(graph)
    mean, scale = _take_front(graph)
    made = HailoNetwork(graph, tuple(map(float, mean)), tuple(map(float, scale)))
    _require_same(network, made, source)
    return made


def _join_shuffles(model: onnx.ModelProto) -> None:
    """Replace chains of reshapes and transpositions that do together what DepthToSpace does."""
    shapes = shapes_of(model)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for first in list(model.graph.node):
        if first.op_type not in _SHUFFLES or first not in list(model.graph.node):
            continue
        chain = [first]
        while len(after := readers.get(chain[-1].output[0], [])) == 1 and after[0].op_type in _SHUFFLES:
            chain.append(after[0])
        name, end = first.input[0], chain[-1].output[0]
        if (block := _block(shapes.get(name, ()), shapes.get(end, ()))) == 0:
            continue
        mode = _mode(model, name, end, shapes[name], block)
        if mode:
            joined = onnx.helper.make_node("DepthToSpace", [name], [end], first.name, blocksize=block, mode=mode)
            model.graph.node.insert(list(model.graph.node).index(first), joined)
            for node in chain:
                model.graph.node.remove(node)


def _block(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """Factor by which a tensor becomes wider and higher, if it may be DepthToSpace; else 0."""
    if len(before) != 4 or len(after) != 4 or min(*before, *after) < 1:
        return 0
    block = after[3] // before[3]
    grown = (before[0], before[1] // block**2, before[2] * block, before[3] * block) if block > 1 else ()
    return block if grown == after else 0


def _mode(model: onnx.ModelProto, name: str, end: str, shape: tuple[int, ...], block: int) -> str:
    """The mode of DepthToSpace that moves each number where a part of a graph does; empty if none."""
    part = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model)).extract_model([name], [end])
    numbers = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    (moved,) = run_session(open_session(part), [end], {name: numbers}, name)
    batch, depth, height, width = shape
    inner = depth // block**2
    sides = {"DCR": (block, block, inner), "CRD": (inner, block, block)}
    orders = {"DCR": (0, 3, 4, 1, 5, 2), "CRD": (0, 1, 4, 2, 5, 3)}
    for mode in _MODES:
        split = numbers.reshape(batch, *sides[mode], height, width).transpose(orders[mode])
        if np.array_equal(split.reshape(moved.shape), moved):
            return mode
    return ""


def _take_front(model: onnx.ModelProto) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Take leading nodes that shift or scale each colour out of a graph; mean and scale that do the same."""
    mean, scale = np.zeros(3), np.ones(3)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    while True:
        planes = model.graph.input[0].name
        readers = [node for node in model.graph.node if planes in node.input]
        if len(readers) != 1 or readers[0].op_type not in ("Sub", "Add", "Mul", "Div"):
            return mean, scale
        node = readers[0]
        value = constants.get(node.input[1]) if node.input[0] == planes else None
        if value is None or value.size not in (1, 3) or (value.size == 3 and value.shape[-3:] != (3, 1, 1)):
            return mean, scale
        number = np.broadcast_to(value.astype(np.float64).ravel(), 3)
        if node.op_type in ("Sub", "Add"):
            mean = mean + (number if node.op_type == "Sub" else -number) * scale
        else:
            scale = scale * (number if node.op_type == "Div" else 1.0 / number)
        model.graph.node.remove(node)
        model.graph.input[0].name = node.output[0]


def _require_same(network: onnx.ModelProto, made: HailoNetwork, source: object) -> None:
    planes, end = network.graph.input[0], network.graph.output[0].name
    shape = tuple(int(side.dim_value) for side in planes.type.tensor_type.shape.dim)
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    mean, scale = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (made.mean, made.scale))
    (expected,) = run_session(open_session(network), [end], {planes.name: picture}, planes.name)
    entry = made.graph.graph.input[0].name
    (found,) = run_session(open_session(made.graph), [end], {entry: (picture - mean) / scale}, entry)
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-3 * (1 + float(np.abs(expected).max()))):
        raise ModelError(f"model {source}: its network for Hailo's compiler computes something else. Fly the ONNX file")
