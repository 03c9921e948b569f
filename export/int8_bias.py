"""Biases of quantised convolutions, corrected for what the rounding of their weights changes in the mean.

A channel's mean moves by the mean of its input times the rounding, most where a channel has few weights. Both are
known, so its bias takes the shift back (Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
Correction, ICCV 2019, section 4.2; with means of pictures in place of those of batch normalisation).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from export.runtime import open_session
from landing.types import ByteArray

Means = Mapping[str, npt.NDArray[np.float64]]
"""Mean of each channel, by the name of a tensor (1, C, H, W)."""


def convolutions(model: onnx.ModelProto, names: Collection[str]) -> list[onnx.NodeProto]:
    """Those of the named nodes that convolve with weights and a bias of their own."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.name in names
        and node.op_type == "Conv"
        and len(node.input) == 3
        and constants.issuperset(node.input[1:])
    ]


def channel_means(model: onnx.ModelProto, tensors: Collection[str], pictures: Iterable[ByteArray]) -> Means:
    """Means of tensors (1, C, H, W) over pictures, uint8 (H, W, 3) of the input's size."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    del probed.graph.output[:]
    names = list(dict.fromkeys(tensors))
    for number, name in enumerate(names):
        mean = f"touchdown.mean{number}"
        probed.graph.node.append(helper.make_node("GlobalAveragePool", [name], [mean]))
        probed.graph.output.append(helper.make_tensor_value_info(mean, onnx.TensorProto.FLOAT, None))
    session = open_session(probed)
    (image,) = session.get_inputs()
    sums, count = [np.zeros(0)] * len(names), 0
    for picture in pictures:
        found = [value.reshape(-1).astype(np.float64) for value in session.run(None, {image.name: picture})]
        sums = [one + other for one, other in zip(sums, found, strict=True)] if count else found
        count += 1
    return {name: total / count for name, total in zip(names, sums, strict=True)}


def shifts_of(model: onnx.ModelProto, quantised: onnx.ModelProto, names: Collection[str], means: Means) -> Means:
    """Shift of each output channel of the named convolutions by rounded weights, by the name of the node.

    Args:
        model: In float.
        quantised: The same with its weights in 8 bits, as Q/DQ.
        names: Nodes to correct.
        means: Of the inputs of `convolutions`.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    rounded = _rounded_weights(quantised)
    shifts = {}
    for node in convolutions(model, names):
        if node.name not in rounded:
            continue
        lost = numpy_helper.to_array(weights[node.input[1]]).astype(np.float64) - rounded[node.name]
        groups = next((one.i for one in node.attribute if one.name == "group"), 1)
        sums = lost.sum(axis=(2, 3)).reshape(groups, -1, lost.shape[1])
        shifts[node.name] = np.einsum("goi,gi->go", sums, means[node.input[0]].reshape(groups, -1)).reshape(-1)
    return shifts


def correct_biases(model: onnx.ModelProto, names: Collection[str], shifts: Means) -> None:
    """Adds the shifts to the biases of the named convolutions; each gets a bias of its own."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in convolutions(model, names):
        if node.name in shifts:
            bias = numpy_helper.to_array(stored[node.input[2]]) + shifts[node.name]
            node.input[2] = f"{node.name}.corrected"
            model.graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), node.input[2]))
    read = {name for node in model.graph.node for name in node.input}
    for tensor in [one for one in model.graph.initializer if one.name not in read]:
        model.graph.initializer.remove(tensor)


def _rounded_weights(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.float64]]:
    """Weights of quantised convolutions, as their 8 bits and scales give them, by the name of the node."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    made = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    found = {}
    for node in model.graph.node:
        back = made.get(node.input[1]) if node.op_type == "Conv" else None
        if back is not None and back.input[0] in stored:
            values = numpy_helper.to_array(stored[back.input[0]]).astype(np.float64)
            scale = numpy_helper.to_array(stored[back.input[1]]).astype(np.float64)
            found[node.name] = values * scale.reshape(-1, *[1] * (values.ndim - 1))
    return found
