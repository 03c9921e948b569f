"""Nodes put before and after somebody else's segmentation graph, so that it flies as ours do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.retaxonomy import merge_sums
from landing.taxonomy import Taxonomy

FLOAT = TensorProto.FLOAT
MERGE_NAME = "touchdown.merge"


class Builder:
    """Collects nodes and constants, whose names start with a prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, name: str = "") -> str:
        """An initializer; its name."""
        name = name or f"{self.prefix}.c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def __call__(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node of one output; its name."""
        name = f"{self.prefix}.{len(self.nodes)}.{kind}"
        output = output or name
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        return output


def input_nodes(
    build: Builder,
    image: str,
    target: onnx.ValueInfoProto,
    *,
    channels_first: bool,
    swap_colours: bool,
    scale: npt.NDArray[np.float32],
    shift: npt.NDArray[np.float32],
) -> None:
    """From a uint8 BGR picture (H, W, 3) to a network's input, value x scale + shift per channel.

    `target` is that input, with or without a batch axis; scale and shift (3,) are in the order of its channels.
    """
    # Cast before the transpose: TensorRT does not transpose uint8.
    planes = build("Cast", image, to=FLOAT)
    axis, shape = 2, (1, 1, 3)
    if channels_first:
        planes = build("Transpose", planes, perm=[2, 0, 1])
        axis, shape = 0, (3, 1, 1)
    if swap_colours:
        planes = build("Gather", planes, build.constant(np.array([2, 1, 0])), axis=axis)
    if not np.all(scale == 1):
        planes = build("Mul", planes, build.constant(scale.reshape(shape)))
    if np.any(shift):
        planes = build("Add", planes, build.constant(shift.reshape(shape)))
    if len(target.type.tensor_type.shape.dim) == 4:
        planes = build("Unsqueeze", planes, build.constant(np.array([0])))
    build("Cast", planes, output=target.name, to=target.type.tensor_type.elem_type)


def scores_nodes(
    build: Builder, output: str, shape: Sequence[int], class_axis: int | None, size_hw: Sequence[int]
) -> str:
    """A network's output as float (1, K, h, w), resized to rows and columns; no class axis means one class."""
    scores = build("Cast", output, to=FLOAT)
    rest = [i for i, side in enumerate(shape) if i != class_axis]
    rows, columns = rest[-2:]
    if class_axis is None:
        scores = build("Reshape", scores, build.constant(np.array([1, 1, *shape_hw(shape)])))
    else:
        if (class_axis, rows, columns) != tuple(sorted((class_axis, rows, columns))):
            others = [i for i in range(len(shape)) if i not in (class_axis, rows, columns)]
            scores = build("Transpose", scores, perm=[*others, class_axis, rows, columns])
        wanted = [1, shape[class_axis], shape[rows], shape[columns]]
        scores = build("Reshape", scores, build.constant(np.array(wanted)))
    if list(size_hw) != [shape[rows], shape[columns]]:
        count = 1 if class_axis is None else shape[class_axis]
        sizes = build.constant(np.array([1, count, *size_hw]))
        mode = "nearest" if class_axis is None else "linear"
        extra = {"nearest_mode": "floor"} if mode == "nearest" else {}
        scores = build("Resize", scores, "", "", sizes, mode=mode, coordinate_transformation_mode="half_pixel", **extra)
    return scores


def shape_hw(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of an output without a class axis, whose other axes have length one."""
    sides = [side for side in shape if side != 1]
    return int(sides[0]), int(sides[1])


def output_nodes(
    build: Builder, scores: str, activation: str, taxonomy: Taxonomy, temperature: float, single: bool
) -> None:
    """From scores (1, K, h, w) to `class_id`, `landable` and `hazards`; see `export.reference.reference_maps`."""
    classes = len(taxonomy)
    if activation == "sigmoid-logits":
        if temperature != 1.0:
            scores = build("Mul", scores, build.constant(np.float32(1 / temperature)))
        scores, activation = build("Sigmoid", scores), "sigmoid"
    if single:
        other = build("Sub", build.constant(np.float32(1)), scores)
        scores = build("Concat", other, scores, axis=1)
    if activation == "labels":
        ids = build.constant(np.arange(classes, dtype=np.float32).reshape(1, classes, 1, 1))
        best = scores
        parts = build("Cast", build("Equal", build("Round", scores), ids), to=FLOAT)
    else:
        if activation == "softmax" and temperature != 1.0:
            # Logits up to a constant, which the softmax does not see.
            scores = build("Log", build("Max", scores, build.constant(np.float32(1e-9))))
            activation = "logits"
        if activation == "logits" and temperature != 1.0:
            scores = build("Mul", scores, build.constant(np.float32(1 / temperature)))
        best = build("Cast", build("ArgMax", scores, axis=1, keepdims=1), to=FLOAT)
        if activation == "logits":
            top = build("ReduceMax", scores, build.constant(np.array([1])), keepdims=1)
            parts = build("Exp", build("Sub", scores, top))
        else:
            parts = build("Max", scores, build.constant(np.float32(0)))
    sums = build("Conv", parts, build.constant(merge_sums(taxonomy), MERGE_NAME))
    first, last, end = (build.constant(np.array([i])) for i in (0, 5, 6))
    axis = build.constant(np.array([1]))
    merged = build("Slice", sums, first, last, axis)
    total = build("Slice", sums, last, end, axis)
    if activation != "logits":
        # What sums to less than one leaves the rest unknown, neither landable nor a hazard.
        total = build("Max", total, build.constant(np.float32(1)))
    share = build("Div", merged, total)
    scaled = build("Round", build("Mul", share, build.constant(np.float32(255))))
    bounded = build("Clip", scaled, build.constant(np.float32(0)), build.constant(np.float32(255)))
    # Cut first and cast last: TensorRT takes UINT8 for its outputs, not between. And from float32: it has no cast from
    # int64 to UINT8.
    planes = build("Squeeze", bounded, build.constant(np.array([0])))
    index0 = build.constant(np.array(0))
    one = build.constant(np.array([1]))
    parts_of = {
        "class_id": build("Squeeze", best, build.constant(np.array([0, 1]))),
        "landable": build("Gather", planes, index0, axis=0),
        "hazards": build("Slice", planes, one, last, first),
    }
    for name, plane in parts_of.items():
        build("Cast", plane, output=name, to=TensorProto.UINT8)
