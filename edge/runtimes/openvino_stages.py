"""The parts of a network that may be computed in bfloat16, and those that must not.

Rounded to 8 bits everywhere, the shipped FPN takes 0.48 % of pixels for landable that it did not take before. Most of
that comes from both ends: what the first layers round, every later one amplifies; and rounded logits tie, rounded
probabilities jump over the thresholds. So a model is cut in three: early layers and decision in float32, what lies
between in bfloat16.
"""

from __future__ import annotations

from typing import Any

from landing.model.spec import ModelSpec

EARLY_SHARE = 0.25
"""Of the layers with weights that stay in float32. Measured (`benchmarks/cpu_backends.py`): from here on more of them
change little, and they are the cheap ones."""

_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul", "ConvolutionBackpropData")
_FOLLOWERS = ("Add", "Clamp", "Relu", "Multiply", "Swish", "HSwish", "Sigmoid")
"""Nodes that a runtime fuses into the layer before, and so must not be cut off from it."""
_ARGMAX = "TopK"


def in_stages(module: Any, model: Any, spec: ModelSpec) -> list[tuple[Any, str]]:
    """Parts of a model, each with its precision; the outputs of one are the inputs of the next.

    Args:
        module: openvino.
        model: An ``openvino.Model``, taken apart by this.
        spec: What it says of itself.

    Returns:
        The model alone, in bfloat16, where it gives classes without logits.
    """
    logits = _logits(model, spec)
    if logits is None:
        return [(model, "bf16")]
    network, decision = _cut(module, model, [logits])
    early = _early(network)
    crossing = [
        output
        for node in network.get_ordered_ops()
        if node.get_friendly_name() in early and node.get_type_name() != "Constant"
        for output in node.outputs()
        if any(r.get_node().get_friendly_name() not in early for r in output.get_target_inputs())
    ]
    if not crossing or logits in crossing:
        return [(network, "bf16"), (decision, "f32")]
    first, rest = _cut(module, network, crossing, early)
    return [(first, "f32"), (rest, "bf16"), (decision, "f32")]


def _logits(model: Any, spec: ModelSpec) -> Any | None:
    """The tensor whose greatest channel is the class; None where there is none."""
    result = next(one for one in model.outputs if spec.outputs.class_id in one.get_names())
    node = result.get_node()
    while node.get_type_name() != _ARGMAX:
        if not node.inputs():
            return None
        node = node.input_value(0).get_node()
    return node.input_value(0)


def _early(network: Any) -> set[str]:
    """Names of the first layers with weights, of all before them, and of what is fused to them."""
    nodes = network.get_ordered_ops()
    weighted = [node for node in nodes if node.get_type_name() in _WEIGHTED]
    waiting = weighted[: round(EARLY_SHARE * len(weighted))]
    early: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in early:
            early.add(node.get_friendly_name())
            waiting += [value.get_node() for value in node.input_values()]
    for node in nodes:
        if node.get_type_name() not in _FOLLOWERS:
            continue
        sources = [value.get_node() for value in node.input_values()]
        constants = {s.get_friendly_name() for s in sources if s.get_type_name() == "Constant"}
        others = {s.get_friendly_name() for s in sources} - constants
        if others and others <= early:
            early |= constants | {node.get_friendly_name()}
    return early


def _cut(module: Any, model: Any, crossing: list[Any], before: set[str] | None = None) -> tuple[Any, Any]:
    """Two models in place of one.

    Args:
        module: openvino.
        model: To be cut.
        crossing: Outputs that go from the first part into the second.
        before: Names of the nodes of the first part; None where all that reads `crossing` is of the second.
    """
    fed = []
    for output in crossing:
        readers = [
            reader
            for reader in output.get_target_inputs()
            if before is None or reader.get_node().get_friendly_name() not in before
        ]
        door = module.opset8.parameter(output.get_shape(), output.get_element_type())
        for reader in readers:
            reader.replace_source_output(door.output(0))
        fed.append(door)
    first = module.Model(crossing, model.get_parameters(), "first")
    return first, module.Model(model.get_results(), fed, "second")
