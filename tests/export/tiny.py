"""A small convolutional network as ONNX that flies, made without torch, and pictures for it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.import_onnx import import_onnx
from export.onnx_probe import ImportOptions

WIDTH, HEIGHT = 64, 48


def save(path: Path, seed: int = 0) -> Path:
    """Five layers: two with a clip behind, a depthwise one, a residual addition, the logits."""
    rng = np.random.default_rng(seed)
    shapes = {
        "a": (16, 3, 3, 3),
        "b": (16, 1, 3, 3),
        "c": (16, 16, 1, 1),
        "d": (16, 16, 3, 3),
        "logits": (12, 16, 1, 1),
    }
    constants = []
    for name, shape in shapes.items():
        weights = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        constants.append(numpy_helper.from_array(weights.astype(np.float32), f"{name}.w"))
        bias = rng.normal(size=shape[0]).astype(np.float32) * 0.1
        constants.append(numpy_helper.from_array(bias, f"{name}.b"))
    for name, value in (("low", 0.0), ("high", 6.0)):
        constants.append(numpy_helper.from_array(np.float32(value), name))

    def conv(name: str, source: str, pads: int, group: int = 1) -> onnx.NodeProto:
        inputs = [source, f"{name}.w", f"{name}.b"]
        return helper.make_node("Conv", inputs, [name], name=f"conv {name}", pads=[pads] * 4, group=group)

    nodes = [
        conv("a", "x", 1),
        helper.make_node("Clip", ["a", "low", "high"], ["a6"], name="clip a"),
        conv("b", "a6", 1, 16),
        helper.make_node("Clip", ["b", "low", "high"], ["b6"], name="clip b"),
        conv("c", "b6", 0),
        helper.make_node("Add", ["c", "a6"], ["sum"], name="add"),
        conv("d", "sum", 1),
        helper.make_node("Relu", ["d"], ["d0"], name="relu"),
        conv("logits", "d0", 0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 12, HEIGHT, WIDTH])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    foreign = path.with_suffix(".foreign")
    foreign.write_bytes(model.SerializeToString())
    import_onnx(foreign, path, ImportOptions("aeroscapes"))
    foreign.unlink()
    return path


def pictures(folder: Path, count: int = 12) -> Path:
    """Smooth random pictures, 000.png on."""
    folder.mkdir()
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i:03d}.png"), cv2.resize(noise, (WIDTH * 2, HEIGHT * 2)))
    return folder


def split(path: Path, parts: dict[int, str]) -> Path:
    lines = ["id,column", *(f"{i:03d},{part}" for i, part in parts.items())]
    path.write_text("\n".join(lines) + "\n")
    return path
