"""Segmentation networks as strangers export them: any order, rank, type and output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(
    path: Path,
    *,
    classes: int = 12,
    layout: str = "nchw",
    ends: str = "logits",
    rank: int = 4,
    dynamic: bool = False,
    elem: int = TensorProto.FLOAT,
    stride: int = 1,
    last: bool = False,
    opset: int = 18,
    size: tuple[int, int] = (48, 64),
    gain: float = 2.0,
) -> Path:
    """A 3x3 convolution with random weights; `size` is rows and columns."""
    rng = np.random.default_rng(classes)
    kind = {1: np.float32, 10: np.float16}[elem]
    weights = (rng.normal(size=(classes, 3, 3, 3)) * gain).astype(kind)
    nodes, at = [], "x"

    def then(op: str, *more: str, **attributes: object) -> None:
        nonlocal at
        nodes.append(helper.make_node(op, [at, *more], [f"t{len(nodes)}"], **attributes))
        at = f"t{len(nodes) - 1}"

    constants = [numpy_helper.from_array(weights, "w")]
    if rank == 3:
        constants.append(numpy_helper.from_array(np.array([0]), "zero"))
        then("Unsqueeze", "zero")
    if layout == "nhwc":
        then("Transpose", perm=[0, 3, 1, 2])
    then("Conv", "w", pads=[1, 1, 1, 1], strides=[stride, stride])
    if ends == "softmax":
        then("Softmax", axis=1)
    elif ends == "sigmoid":
        then("Sigmoid")
    elif ends == "labels":
        then("ArgMax", axis=1, keepdims=0)
    if last and ends != "labels":
        then("Transpose", perm=[0, 2, 3, 1])
    if rank == 3:
        then("Squeeze", "zero")
    nodes[-1].output[0] = "y"
    shape: list[object] = [1, 3, *size] if layout == "nchw" else [1, *size, 3]
    if dynamic:
        shape[0] = "batch"
        shape[2 if layout == "nchw" else 1], shape[3 if layout == "nchw" else 2] = "h", "w"
    if rank == 3:
        shape = shape[1:]
    axes = rank - (ends == "labels")
    out = TensorProto.INT64 if ends == "labels" else elem
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", elem, shape)],
        [helper.make_tensor_value_info("y", out, [f"d{i}" for i in range(axes)])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path
