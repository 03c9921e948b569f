"""Operators of a network held against what Hailo's Dataflow Compiler is publicly known to take, for each chip.

Its own list is in a guide for registered developers, which may not be passed on. So this one is of public records:

- Compiler 3 (Hailo-8, 8L): single operators compiled by release 3.32.0, https://github.com/SeSac01/- (docs/hardware);
  a network of Hailo's engineers by 3.27.0, https://github.com/guyp98/accelerated_features; the zoo's ESPCN.
- Compiler 5 (Hailo-10H, 15H): layers named in the scripts of the model zoo for release 5.2.0,
  https://github.com/hailo-ai/hailo_model_zoo (cfg/alls/generic and cfg/alls/hailo15h).
- Refusals: https://github.com/hailo-ai/hailo_model_zoo/issues/98 and 123,
  https://github.com/hailo-ai/Hailo-Application-Code-Examples/issues/364; what to do about them:
  https://community.hailo.ai/t/handling-unsupported-operations-with-onnxruntime/17956

What is not listed may still compile: it is named, and the compiler's parser has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from edge.runtimes.hailo_file import HailoChip
from landing.errors import ModelError

_EVERYWHERE = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Add", "Sub", "Mul", "Concat", "Slice", "Resize", "Relu", "LeakyRelu", "Sigmoid", "Clip", "DepthToSpace"),
    *("Identity", "Dropout", "Constant"),
)
_COMPILER_3 = (
    *("Div", "Tanh", "HardSwish", "HardSigmoid", "Elu", "PRelu", "LayerNormalization", "InstanceNormalization"),
    *("Pad", "Flatten", "Softmax", "ReduceL2", "Expand", "SpaceToDepth"),
)
_COMPILER_5 = ("ReduceMean",)
TAKEN: dict[HailoChip, frozenset[str]] = {
    "hailo8": frozenset((*_EVERYWHERE, *_COMPILER_3)),
    "hailo8l": frozenset((*_EVERYWHERE, *_COMPILER_3)),
    "hailo10h": frozenset((*_EVERYWHERE, *_COMPILER_5)),
    "hailo15h": frozenset((*_EVERYWHERE, *_COMPILER_5)),
}
"""Operators that are on record as compiled, by chip."""

_SHUFFLES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze")
_ROUND = "train and export a network without it"
_GROUPS = "train a network with batch normalisation, as `trainer fit --arch unet`"


@dataclass(frozen=True)
class NodeFinding:
    """A node that the compiler refuses, or is not known to take.

    Attributes:
        node: Its name, or that of its output.
        operator: Of ONNX.
        refused: On record as refused; False where no record is known.
        why: In words.
        remedy: Advice.
    """

    node: str
    operator: str
    refused: bool
    why: str
    remedy: str

    def describe(self) -> str:
        """One line."""
        word = "refused" if self.refused else "not on record"
        return f"{word}: {self.operator} {self.node!r}: {self.why}; {self.remedy}"


def findings(network: onnx.ModelProto, chip: HailoChip) -> list[NodeFinding]:
    """Nodes of a network that the compiler would refuse, or may."""
    shapes = shapes_of(network)
    norms = [node for node in network.graph.node if node.op_type == "InstanceNormalization"]
    ends = {name for node in norms for name in (node.input[0], node.output[0])}
    beside = [node for node in network.graph.node if node.op_type == "Reshape" and {*node.input, *node.output} & ends]
    return [
        found
        for node in network.graph.node
        if node not in beside
        for found in _judged(node, chip, shapes.get(node.output[0], ()))
    ]


def require_taken(found: list[NodeFinding], source: object, chip: HailoChip) -> None:
    """Refuses a network of which a node is on record as refused.

    Raises:
        ModelError: There is one; it names the first.
    """
    refused = [one for one in found if one.refused]
    if refused:
        more = f" and {len(refused) - 1} more nodes" if len(refused) > 1 else ""
        raise ModelError(f"model {source}: Hailo's compiler does not take it for {chip}: {refused[0].describe()}{more}")


def shapes_of(network: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Sides of the tensors between nodes, by name."""
    graph = onnx.shape_inference.infer_shapes(network).graph
    return {
        value.name: tuple(int(side.dim_value) for side in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def _judged(node: onnx.NodeProto, chip: HailoChip, shape: tuple[int, ...]) -> Iterator[NodeFinding]:
    name, kind = node.name or node.output[0], node.op_type
    if "quantize" in kind.lower() or kind.startswith("QLinear") or kind.endswith("Integer"):
        why, remedy = "the compiler quantises itself, of numbers in float", "give the float32 file"
        yield NodeFinding(name, kind, True, why, remedy)
    elif kind == "Gather":
        yield NodeFinding(name, kind, True, "picking by index has no layer", _ROUND)
    elif kind == "InstanceNormalization" and len(shape) != 4:
        yield NodeFinding(name, kind, False, "it normalises groups of channels", _GROUPS)
    elif kind in _SHUFFLES and len(shape) > 4:
        yield NodeFinding(name, kind, True, f"a tensor of {len(shape)} sides has no layer", _ROUND)
    elif kind in _SHUFFLES or kind not in TAKEN[chip]:
        remedy = f"ask the compiler's parser, and if it refuses, {_ROUND}"
        yield NodeFinding(name, kind, False, f"no public record of it for {chip}", remedy)
