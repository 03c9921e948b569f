"""Nodes of a graph that may be quantised: those of the network, not those that decide on its logits."""

from __future__ import annotations

from pathlib import Path

import onnx

from export.trt.prepare import fold_stored_casts
from export.trt.quantized import is_quantized
from landing.errors import ModelError

WEIGHTED = ("Conv", "Gemm", "MatMul", "ConvTranspose")


def plain(model: onnx.ModelProto, source: Path) -> onnx.ModelProto:
    """The graph with weights in float32.

    Raises:
        ModelError: It is quantised already.
    """
    if is_quantized(model):
        raise ModelError(f"model {source} is quantised already; give the one it was made from")
    fold_stored_casts(model)
    return model


def network_nodes(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """Names of the network's weighted layers, and of all its nodes that may be quantised.

    Left out are what comes before the first convolution, the layer that gives the logits, and all that follows it.
    """
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    logits = _logits(graph, made_by)
    inside = _ancestors(logits, made_by)
    last = made_by.get(logits)
    while last is not None and last.op_type not in WEIGHTED:
        last = made_by.get(last.input[0])
    weighted = [
        node
        for node in graph.node
        if node.name in inside and node.op_type in WEIGHTED and node is not last and node.input[1] in constants
    ]
    before: set[str] = set()
    if weighted:
        before = _ancestors(weighted[0].input[0], made_by)
    behind = _descendants(last.output[0], graph) if last is not None else set()
    names = {node.name for node in weighted}
    others = [
        node.name
        for node in graph.node
        if node.name in inside and node.op_type not in WEIGHTED and node.name not in before and node.name not in behind
    ]
    return [n.name for n in weighted], [n for n in others if n not in names]


def _logits(graph: onnx.GraphProto, made_by: dict[str, onnx.NodeProto]) -> str:
    """The tensor whose greatest channel is the class."""
    name = str(graph.output[0].name)
    while name in made_by:
        node = made_by[name]
        name = str(node.input[0])
        if node.op_type == "ArgMax":
            break
    return name


def _ancestors(name: str, made_by: dict[str, onnx.NodeProto]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        node = made_by.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return found


def _descendants(name: str, graph: onnx.GraphProto) -> set[str]:
    tensors, found = {name}, set()
    for node in graph.node:  # in order of computation
        if tensors & set(node.input):
            found.add(node.name)
            tensors.update(node.output)
    return found
