"""Work of one inference (multiplications, bytes), and the limits of the machine.

The roofline: a network cannot run faster than its multiplications at the machine's peak rate, nor than its bytes at the
memory's peak rate (Williams et al. 2009). Both peaks are measured here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

_WIDTH = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2}
"""Bytes of an element, by ONNX data type."""

_FREE = {"Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Constant", "Shape"}
"""Kinds of node that move no data."""


@dataclass(frozen=True)
class Work:
    """Work of one inference.

    Attributes:
        gmac: Multiply-accumulates of convolutions and matrix products, in 1e9.
        gmac_int8: Those of them between quantised tensors.
        weight_bytes: Of all initialisers.
        activation_bytes: Of every node's output, each written and read once; a runtime that fuses nodes moves less.
    """

    gmac: float
    gmac_int8: float
    weight_bytes: int
    activation_bytes: int

    def describe(self) -> str:
        """For people."""
        int8 = f" ({self.gmac_int8:.2f} in 8 bits)" if self.gmac_int8 else ""
        return (
            f"{self.gmac:.2f} GMAC{int8}, {self.weight_bytes / 1e6:.1f} MB of weights, "
            f"{self.activation_bytes / 1e6:.0f} MB of activations if nothing is fused"
        )

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return dict(vars(self))


def work_of(model: onnx.ModelProto) -> Work:
    """Counts the work of a graph of static shapes."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = inferred.graph
    shapes = {t.name: list(t.dims) for t in graph.initializer}
    types = {t.name: t.data_type for t in graph.initializer}
    for info in [*graph.value_info, *graph.input, *graph.output]:
        tensor = info.type.tensor_type
        shapes[info.name] = [d.dim_value for d in tensor.shape.dim]
        types[info.name] = tensor.elem_type
    quantised = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    macs = macs_int8 = activation = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul", "ConvTranspose"):
            count = _macs(node, shapes)
            macs += count
            macs_int8 += count if all(name in quantised for name in node.input[:2]) else 0
        if node.op_type not in _FREE:
            for name in node.output:
                activation += 2 * _volume(shapes.get(name)) * _WIDTH.get(types.get(name, 1), 4)
    weights = sum(_volume(list(t.dims)) * _WIDTH.get(t.data_type, 4) for t in graph.initializer)
    return Work(macs / 1e9, macs_int8 / 1e9, weights, activation)


def _macs(node: Any, shapes: dict[str, list[int]]) -> int:
    out = _volume(shapes.get(node.output[0]))
    weights = shapes.get(node.input[1], [])
    if node.op_type == "Conv":
        return out * _volume(weights[1:])
    if node.op_type == "ConvTranspose":
        return _volume(shapes.get(node.input[0])) * _volume(weights[1:])
    first = shapes.get(node.input[0], [])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return out * (first[-2 if transposed else -1] if first else 0)


def _volume(shape: list[int] | None) -> int:
    size = 1
    for side in shape or [0]:
        size *= side
    return size


@dataclass(frozen=True)
class Peak:
    """Limits of the machine, measured with as many threads as the models run on.

    Attributes:
        gmac_per_s: float32 multiply-accumulates, of a large matrix product in ONNX Runtime.
        gmac_int8_per_s: Likewise uint8 by int8.
        gbyte_per_s: Bytes read and written by a large copy.
    """

    gmac_per_s: float
    gmac_int8_per_s: float
    gbyte_per_s: float

    def least_ms(self, work: Work) -> float:
        """The roofline: no less time than this, if weights and input are read from memory once."""
        compute = (work.gmac - work.gmac_int8) / self.gmac_per_s
        compute += work.gmac_int8 / self.gmac_int8_per_s
        memory = work.weight_bytes / 1e9 / self.gbyte_per_s
        return 1e3 * max(compute, memory)


class PeakMeter:
    """Measures the machine, a sample at a time. Other work only ever slows a sample, so the best one counts."""

    def __init__(self, threads: int) -> None:
        side = 1024
        rng = np.random.default_rng(0)
        floats = rng.random((side, side), dtype=np.float32)
        bytes_ = rng.integers(0, 255, (side, side), dtype=np.uint8)
        source = np.ones(64 * 2**20 // 4, np.float32)
        target = np.empty_like(source)
        self._tasks: dict[str, tuple[float, Callable[[], Any]]] = {
            "fp32": (side**3 / 1e9, _product("MatMul", floats, floats.copy(), threads)),
            "int8": (side**3 / 1e9, _product("MatMulInteger", bytes_, bytes_.astype(np.int8), threads)),
            "copy": (2 * source.nbytes / 1e9, lambda: np.copyto(target, source)),
        }
        self._best = dict.fromkeys(self._tasks, 0.0)
        for _, task in self._tasks.values():
            task()

    def sample(self) -> None:
        """One sample of each."""
        for name, (amount, task) in self._tasks.items():
            start = time.perf_counter()
            task()
            rate = amount / (time.perf_counter() - start)
            self._best[name] = max(self._best[name], rate)

    def peak(self) -> Peak:
        """The best so far."""
        return Peak(self._best["fp32"], self._best["int8"], self._best["copy"])


def _product(kind: str, first: Any, second: Any, threads: int) -> Callable[[], Any]:
    from export.runtime import open_session

    types = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int8): 3}
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(kind, ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", types[first.dtype], first.shape)],
        [helper.make_tensor_value_info("c", 1 if kind == "MatMul" else 6, first.shape)],
        [onnx.numpy_helper.from_array(second, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = open_session(model, threads)
    return lambda: session.run(None, {"a": first})
