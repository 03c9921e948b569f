"""Requires that a quantised graph is in the one form TensorRT takes.

TensorRT takes int8 activations and weights with zero points of 0, and biases in float. ONNX Runtime's default on a CPU
is uint8 activations with int32 biases, which it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

from export.trt.half import QUANTIZING
from landing.errors import ModelError

FOR_TENSORRT = "touchdown export int8 MODEL.onnx --calibrate FOLDER --for tensorrt"


def is_quantized(model: onnx.ModelProto) -> bool:
    """Return True for a graph with Q/DQ nodes or operators on integers."""
    return any(
        node.op_type in QUANTIZING or node.op_type.startswith(("QLinear", "ConvInteger")) for node in model.graph.node
    )


def require_symmetric(model: onnx.ModelProto, path: Path) -> None:
    """Refuses a graph that TensorRT would.

    Raises:
        ModelError: It is not quantised, or in another form; names the node.
    """
    if not is_quantized(model):
        raise ModelError(
            f"model {path} is not quantised, and TensorRT 11 quantises nothing by itself. First: `{FOR_TENSORRT}`"
        )
    problem = next(_problems(model), None)
    if problem is not None:
        raise ModelError(
            f"model {path} is quantised for a CPU ({problem}); TensorRT takes int8 with zero "
            f"points of 0 and biases in float. Quantise again: `{FOR_TENSORRT}`"
        )


def _problems(model: onnx.ModelProto) -> Iterator[str]:
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        where = f"{node.op_type} {node.name or node.output[0]}"
        if node.op_type not in QUANTIZING:
            if node.op_type.startswith(("QLinear", "ConvInteger", "MatMulInteger")):
                yield f"{where} computes on integers instead of Q/DQ pairs"
            continue
        values = stored.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if values is not None and values.data_type == TensorProto.INT32:
            yield f"{where} holds a bias in int32"
        yield from _zero_point_problems(node, stored, where)


def _zero_point_problems(node: NodeProto, stored: dict[str, TensorProto], where: str) -> Iterator[str]:
    name = node.input[2] if len(node.input) > 2 else ""
    if not name:
        # Without a zero point the type is uint8 unless the stored values say otherwise.
        values = stored.get(node.input[0])
        if values is None or values.data_type != TensorProto.INT8:
            yield f"{where} has no zero point, so its type is uint8"
        return
    zero = stored.get(name)
    if zero is None:
        yield f"{where} has a zero point that is computed"
    elif zero.data_type != TensorProto.INT8:
        yield f"{where} is {TensorProto.DataType.Name(zero.data_type).lower()}"
    elif np.any(numpy_helper.to_array(zero)):
        yield f"{where} has a zero point of {int(numpy_helper.to_array(zero).ravel()[0])}"
