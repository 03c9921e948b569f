"""A graph in float16, but for what turns the picture into numbers and numbers into a decision.

The convolutions between are where the time goes, and they lose nothing that matters. Before them, sums of pixel values;
after them, exponentials, their sums and quotients, rounding to 1/255 and comparisons between classes: small work that
float16 would make coarse.

ONNX Runtime's own converter is not used: it keeps single operators in float32 but puts their results through float16
one by one, so that what lies between two of them is rounded all the same (on the models shipped here and a picture of
noise, 13 % of the landable values change, by up to 2/255; with this module 1 to 9 %, by 1/255).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from landing.errors import ModelError

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
DECIDING = ("ArgMax", "Exp", "Softmax", "Sigmoid", "ReduceMax", "TopK")
ALWAYS_FLOAT32 = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that ONNX wants in float32 whatever the rest is: regions and scales."""

HALF_SCALES_OPSET = 19
"""The first in which a Q/DQ scale may be float16."""

_SMALLEST, _LARGEST = 5.97e-8, 65504.0


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its network in float16; inputs and outputs keep their types.

    Raises:
        ModelError: It has branches or loops.
    """
    if any(node.op_type in QUANTIZING for node in model.graph.node):
        model = onnx.version_converter.convert_version(model, HALF_SCALES_OPSET)
    for i, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{i}"  # unique, so that a node can be meant by its name
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            raise ModelError(
                f"the graph has a {node.op_type} with a graph inside; in float16 only plain graphs "
                "are taken. Use --precision fp32"
            )
    inferred = onnx.shape_inference.infer_shapes(model)
    _Halving(inferred, kept_in_float32(inferred)).rewrite()
    return inferred


@dataclass
class _Halving:
    """One pass over a graph, producers first, with a cast wherever float32 and float16 meet."""

    model: onnx.ModelProto
    kept: set[str]
    nodes: list[NodeProto] = field(default_factory=list)
    half: set[str] = field(default_factory=set)
    cast: dict[tuple[str, int], str] = field(default_factory=dict)

    def rewrite(self) -> None:
        graph = self.model.graph
        self.weights = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT}
        self.floats = {
            value.name
            for group in (graph.input, graph.output, graph.value_info)
            for value in group
            if value.type.tensor_type.elem_type == TensorProto.FLOAT
        }
        outputs = {output.name for output in graph.output}
        for node in graph.node:
            if node.name in self.kept:
                self._keep(node)
            else:
                self._halve(node, outputs)
        del graph.value_info[:]
        del graph.node[:]
        graph.node.extend(self.nodes)
        used = {name for node in self.nodes for name in node.input}
        stored = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(stored)

    def _keep(self, node: NodeProto) -> None:
        copy = copied(node)
        for i, name in enumerate(node.input):
            if name in self.half:
                copy.input[i] = self._as(name, TensorProto.FLOAT)
        self.nodes.append(copy)

    def _halve(self, node: NodeProto, outputs: set[str]) -> None:
        copy = copied(node)
        stays = ALWAYS_FLOAT32.get(node.op_type, ())
        for i, name in enumerate(node.input):
            if i in stays:
                if name in self.half:
                    copy.input[i] = self._as(name, TensorProto.FLOAT)
            elif name in self.weights:
                copy.input[i] = self._half_weight(name)
            elif name in self.floats and name not in self.half:
                copy.input[i] = self._as(name, TensorProto.FLOAT16)
        for attribute in copy.attribute:
            if node.op_type == "Cast" and attribute.name == "to":
                attribute.i = TensorProto.FLOAT16 if attribute.i == TensorProto.FLOAT else attribute.i
            elif attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(_rounded(attribute.t, attribute.t.name))
        self.nodes.append(copy)
        for i, name in enumerate(node.output):
            if name not in self.floats:
                continue
            if name in outputs:
                copy.output[i] = f"{name}.half"
                self.nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
            else:
                self.half.add(name)

    def _half_weight(self, name: str) -> str:
        key = (name, TensorProto.FLOAT16)
        if key not in self.cast:
            self.cast[key] = f"{name}.half"
            self.model.graph.initializer.append(_rounded(self.weights[name], f"{name}.half"))
        return self.cast[key]

    def _as(self, name: str, dtype: int) -> str:
        key = (name, dtype)
        if key not in self.cast:
            self.cast[key] = f"{name}.{'half' if dtype == TensorProto.FLOAT16 else 'single'}"
            self.nodes.append(helper.make_node("Cast", [name], [self.cast[key]], self.cast[key], to=dtype))
        return self.cast[key]


def _rounded(tensor: TensorProto, name: str) -> TensorProto:
    """In float16; what is too large becomes the largest, what is not 0 does not become 0."""
    values = numpy_helper.to_array(tensor)
    sizes = np.clip(np.abs(values), _SMALLEST, _LARGEST)
    kept = np.where((values == 0) | ~np.isfinite(values), values, np.copysign(sizes, values))
    return numpy_helper.from_array(kept.astype(np.float16), name)


def copied(node: NodeProto) -> NodeProto:
    """A copy of a node."""
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def kept_in_float32(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes before the first and after the last layer that was learned.

    A convolution whose weights are all 0 or 1 adds things up: it was not learned, but belongs to the decision. Logits
    may be enlarged in float16, which is what they come in.
    """
    nodes = list(model.graph.node)
    weights = {t.name: t for t in model.graph.initializer}
    learned = {node.name for node in nodes if _is_learned(node, weights)}
    after, before = _successors(nodes), _predecessors(nodes)
    image = {name for graph_input in model.graph.input for name in [graph_input.name]}
    has_learned_after = _reach(nodes[::-1], after, lambda n: n.name in learned)
    has_learned_before = _reach(nodes, before, lambda n: n.name in learned)
    sees_image = _reach(nodes, before, lambda n: bool(image & set(n.input)), own=True)
    decides_after = _reach(nodes[::-1], after, lambda n: n.op_type in DECIDING)
    kept = set()
    for node in nodes:
        name = node.name
        if name in learned or node.op_type in QUANTIZING:
            continue
        front = name in sees_image and name not in has_learned_before
        head = name in has_learned_before and name not in has_learned_after
        if head and node.op_type == "Resize" and name in decides_after:
            continue
        if front or head:
            kept.add(name)
    return kept


def _is_learned(node: NodeProto, weights: dict[str, TensorProto]) -> bool:
    if node.op_type not in LAYERS:
        return False
    stored = [weights[name] for name in node.input if name in weights]
    return not stored or not all(np.isin(numpy_helper.to_array(tensor), (0.0, 1.0)).all() for tensor in stored)


def _successors(nodes: list[NodeProto]) -> dict[str, list[NodeProto]]:
    takers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for tensor in node.input:
            takers.setdefault(tensor, []).append(node)
    return {n.name: [t for tensor in n.output for t in takers.get(tensor, [])] for n in nodes}


def _predecessors(nodes: list[NodeProto]) -> dict[str, list[NodeProto]]:
    makers = {tensor: node for node in nodes for tensor in node.output}
    return {n.name: [makers[tensor] for tensor in n.input if tensor in makers] for n in nodes}


def _reach(
    ordered: list[NodeProto],
    neighbours: dict[str, list[NodeProto]],
    what: Callable[[NodeProto], bool],
    own: bool = False,
) -> set[str]:
    """Names of nodes with one along `neighbours` for which `what` is true; `own`: a node counts itself.

    Neighbours come before the nodes whose neighbours they are.
    """
    found: set[str] = set()
    for node in ordered:
        if (own and what(node)) or any(n.name in found or what(n) for n in neighbours[node.name]):
            found.add(node.name)
    return found
