"""8-bit models: explicit Q/DQ, calibrated on training pictures, biases corrected, float where the gate needs it.

What is around the network (preprocessing, logits, merge) stays in float: there a step of 1/256 of the range is a
decision. Inside, the layers that hurt most are put back to float until the gate passes; if it never does, nothing is
written.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from export.calibration import choose, letterboxed, ranges_of, truth_of
from export.comparison import Comparison, report_of
from export.files import MAX_IR_VERSION, describe, read_model, require_not_refused, require_target, spec_of, write_model
from export.int8_bias import Means, channel_means, convolutions, correct_biases, shifts_of
from export.int8_nodes import WEIGHTED, network_nodes, plain
from export.options import Calibrating
from export.pictures import read_picture, spread
from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.model.spec import ModelSpec
from landing.progress import tracked
from landing.types import ByteArray, Frame, Segmentation

Target = Literal["cpu", "openvino", "tensorrt"]
Say = Callable[[str], None]

_KINDS: dict[Target, list[str]] = {
    # What ONNX Runtime has 8-bit kernels for, so that a value seldom goes back to float between.
    "cpu": [
        *WEIGHTED,
        "Add",
        "Mul",
        "Concat",
        "Resize",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "Clip",
        "Relu",
        "Reshape",
        "Transpose",
    ],
    # TensorRT chooses by itself what runs between quantised convolutions.
    "tensorrt": [*WEIGHTED],
}
_KINDS["openvino"] = _KINDS["cpu"]
_OPTIONS: dict[Target, dict[str, Any]] = {
    "cpu": {},
    "openvino": {},
    # TensorRT refuses zero points other than 0 and biases in int32.
    "tensorrt": {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
}
_MEAN_PICTURES = 16
"""Pictures that tell the mean of each channel."""

_FLOAT32 = RuntimeOptions("onnxruntime")
_EIGHT_BITS: dict[Target, RuntimeOptions] = {
    "cpu": _FLOAT32,
    "openvino": RuntimeOptions("openvino", precision="fp32"),
    "tensorrt": _FLOAT32,
}
"""Runtime of a quantised model when it is judged."""


@dataclass(frozen=True)
class Int8Options(Calibrating):
    """Choices of a quantisation.

    Attributes:
        target: Runtime it is made for.
        rank_pictures: So many rank the layers by what quantising each alone does.
        tries: At most so many models are judged.
    """

    target: Target = "cpu"
    rank_pictures: int = 2
    tries: int = 8


@dataclass
class Int8Report:
    """Result of a quantisation.

    Attributes:
        path: The file; None when the gate passed for no try and nothing was written.
        gate: Of the best try.
        layers: Weighted layers that could be quantised.
        in_float: Names of those that stayed in float, the most sensitive first.
        tried: Of each try: layers kept in float, and True if it passed.
        speedup: Times faster than float in ONNX Runtime here, median of runs in turn, by CPU time.
        note: Which pictures were used.
    """

    path: Path | None
    spec: ModelSpec
    gate: GateReport
    layers: int
    in_float: tuple[str, ...]
    tried: list[tuple[int, bool]] = field(default_factory=list)
    speedup: float = 0.0
    note: str = ""


def quantise(source: Path, output: Path, options: Int8Options, say: Say) -> Int8Report:
    """Writes the fastest 8-bit model that passes the gate, or none.

    Raises:
        ModelError: The model is damaged, not of ours, quantised already, or without layers.
        DataError: No pictures to calibrate on or to judge by.
        TouchdownError: The file cannot be written.
    """
    require_target(output)
    work = Quantisation(source, options, say)
    spec, chosen = work.spec, work.chosen
    say(f"{chosen.note}; {len(chosen.calibration)} calibrate, {len(chosen.gate)} judge")
    made, report = work.search()
    report.note = chosen.note
    if made is not None:
        named = spec.model_copy(update={"name": f"{spec.name}-int8"})
        describe(made, named)
        judged = hashlib.sha256(made.SerializeToString()).hexdigest()
        report.gate = report.gate.model_copy(update={"artefact_sha256": judged})
        describe(made, named, report.gate)
        write_model(made, output)
        report.path, report.spec = output, named
        report.speedup = work.speedup(made)
    return report


class Quantisation:
    """One model's quantisation: ranges once, then many models from them."""

    def __init__(self, source: Path, options: Int8Options, say: Say) -> None:
        self.source, self.options, self.say = source, options, say
        model = plain(read_model(source), source)
        require_not_refused(model, source)
        self.spec = spec_of(model, source)
        self.chosen = chosen = choose(options)
        spec = self.spec
        self.truth = truth_of(options, chosen.gate, spec.taxonomy)
        for i, node in enumerate(model.graph.node):
            node.name = node.name or f"node{i}"
        self.model = onnx.shape_inference.infer_shapes(model)
        self.weighted, self.others = network_nodes(self.model)
        if not self.weighted:
            raise ModelError(f"model {source} has no layer with weights that could be quantised")
        self.runs = _EIGHT_BITS[options.target]
        self.ranges = ranges_of(self.model, spec, chosen.calibration, _KINDS[options.target], average=True)
        self.frames = [read_picture(path) for path in chosen.gate]
        inputs = [node.input[0] for node in convolutions(self.model, self.weighted)]
        means = channel_means(self.model, inputs, letterboxed(spread(chosen.calibration, _MEAN_PICTURES), spec))
        self.shifts: Means = {}
        self.shifts = shifts_of(self.model, self.made(set()), self.weighted, means)
        with self._running(self.model, _FLOAT32) as runtime:
            self.expected = [self._seen(runtime, image) for image in self.frames]

    def made(self, in_float: set[str], only: str | None = None) -> onnx.ModelProto:
        """The model with all but some weighted layers in 8 bits, or with one alone."""
        target = self.options.target
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        nodes = [only] if only else self._quantised(in_float)
        correct_biases(copy, nodes, self.shifts)
        quantizer: Any = QDQQuantizer(
            copy,
            True,
            False,
            QuantType.QInt8,
            QuantType.QInt8 if target == "tensorrt" else QuantType.QUInt8,
            self.ranges,
            nodes,
            [],
            _KINDS[target],
            dict(_OPTIONS[target]),
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        result: onnx.ModelProto = quantizer.model.model
        del result.graph.value_info[:]
        result.ir_version = min(result.ir_version, MAX_IR_VERSION)
        onnx.checker.check_model(result)
        return result

    def _quantised(self, in_float: set[str]) -> list[str]:
        """Names of the nodes to quantise.

        ONNX Runtime's quantiser takes out a Clip or Relu behind a quantised layer, since the range of its 8 bits clips
        too; it does so even where what follows stays in float and no 8 bits are in between. So a Clip or Relu counts
        only where all that reads it is quantised.
        """
        nodes = {n for n in self.weighted if n not in in_float} | set(self.others)
        for node in self.model.graph.node:
            readers = [n.name for n in self.model.graph.node if node.output[0] in n.input]
            if node.op_type in ("Clip", "Relu") and not nodes.issuperset(readers):
                nodes.discard(node.name)
        return [node.name for node in self.model.graph.node if node.name in nodes]

    def search(self) -> tuple[onnx.ModelProto | None, Int8Report]:
        """Fewest layers in float that pass: doubled until the gate passes, then halved back."""
        ranked: list[str] = []
        low, high, count = -1, len(self.weighted), 0
        tried: list[tuple[int, bool]] = []
        best: tuple[onnx.ModelProto, GateReport, int] | None = None
        nearest: tuple[GateReport, int] | None = None
        for _ in range(self.options.tries):
            if count and not ranked:
                ranked = self.ranking()
            model = self.made(set(ranked[:count]))
            gate = self.judged(model)
            tried.append((count, gate.passed))
            self.say(f"{count} of {len(self.weighted)} layers in float: {gate.describe()}")
            if gate.passed:
                best, high = (model, gate, count), count
            else:
                low = count
                if nearest is None or len(gate.failures) <= len(nearest[0].failures):
                    nearest = (gate, count)
            if best is not None and high - low <= 1:
                break
            count = max(1, count * 2) if best is None else (low + high) // 2
            if count >= len(self.weighted) or count in (c for c, _ in tried):
                break
        if best is None:
            assert nearest is not None
            kept = tuple(ranked[: nearest[1]])
            return None, Int8Report(None, self.spec, nearest[0], len(self.weighted), kept, tried)
        kept = tuple(ranked[: best[2]])
        return best[0], Int8Report(None, self.spec, best[1], len(self.weighted), kept, tried)

    def ranking(self) -> list[str]:
        """Weighted layers by what quantising each of them alone does to the maps, worst first."""
        few = max(1, self.options.rank_pictures)
        self.say(f"ranking {len(self.weighted)} layers")
        harm = {}
        for name in tracked("ranking layers", self.weighted, len(self.weighted)):
            total = 0.0
            with self._running(self.made(set(), only=name), self.runs) as runtime:
                for image, want in zip(self.frames[:few], self.expected, strict=False):
                    have = self._seen(runtime, image)
                    total += float(np.abs(have.hazards.astype(np.int16) - want.hazards).mean())
                    total += float(np.abs(have.landable.astype(np.int16) - want.landable).mean())
            harm[name] = total
        return sorted(harm, key=lambda name: -harm[name])

    def judged(self, model: onnx.ModelProto) -> GateReport:
        """The gate's verdict on a model in memory."""
        options = self.options
        comparison = Comparison(self.spec, options.height_agl_m, options.hfov_deg)
        shown = zip(self.chosen.gate, self.frames, self.expected, strict=True)
        with self._running(model, self.runs) as runtime:
            for path, image, want in tracked("judging", shown, len(self.frames)):
                labels = None if self.truth is None else self.truth.read(path)
                comparison.add(want, self._seen(runtime, image), labels, (image.shape[1], image.shape[0]))
        return report_of(comparison, "quantised", self.source, runtimes=(_FLOAT32.backend, runtime.backend))

    def speedup(self, model: onnx.ModelProto, rounds: int = 12) -> float:
        """Times the quantised model is faster than float32 in ONNX Runtime, both run in turn."""
        with ExitStack() as stack:
            ways = ((self.model, _FLOAT32), (model, self.runs))
            runtimes = [stack.enter_context(self._running(*way)) for way in ways]
            ratios = []
            for number in range(rounds):
                taken = []
                for runtime in runtimes:
                    start = time.process_time_ns()
                    self._seen(runtime, self.frames[0])
                    taken.append(time.process_time_ns() - start)
                if number >= 2:
                    ratios.append(taken[0] / taken[1])
        return statistics.median(ratios)

    @contextmanager
    def _running(self, model: onnx.ModelProto, options: RuntimeOptions) -> Iterator[Runtime]:
        """A graph in memory, in a runtime as it flies."""
        with tempfile.TemporaryDirectory(prefix="touchdown-int8-") as folder:
            path = Path(folder) / "model.onnx"
            described = onnx.ModelProto()
            described.CopyFrom(model)
            describe(described, self.spec)
            onnx.save(described, path)
            with load_runtime(path, options) as runtime:
                yield runtime

    @staticmethod
    def _seen(runtime: Runtime, image: ByteArray) -> Segmentation:
        return runtime.segment(Frame(image, 0, 0))
