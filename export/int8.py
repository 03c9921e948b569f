"""8-bit models: explicit Q/DQ, calibrated on training pictures, float where the gate needs it.

What is around the network (preprocessing, logits, merge) stays in float: there a step of 1/256 of the range is a
decision. Inside, the layers that hurt most are put back to float until the gate passes; if it never does, nothing is
written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from export.calibration import Chosen, choose, letterboxed, ranges_of
from export.comparison import Comparison, report_of
from export.files import MAX_IR_VERSION, describe, read_model, spec_of, write_model
from export.int8_nodes import WEIGHTED, network_nodes, plain
from export.options import HEIGHT_AGL_M, HFOV_DEG
from export.pictures import read_labels, read_picture
from export.runtime import open_session
from landing.artefact import GateReport
from landing.errors import InvalidValueError, ModelError
from landing.progress import tracked
from landing.reading import sha256_of
from landing.spec import Letterbox, ModelSpec
from landing.types import ByteArray, Segmentation

Target = Literal["cpu", "tensorrt"]
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
_OPTIONS: dict[Target, dict[str, Any]] = {
    "cpu": {},
    # TensorRT refuses zero points other than 0 and biases in int32.
    "tensorrt": {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
}


@dataclass(frozen=True)
class Int8Options:
    """Choices of a quantisation.

    Attributes:
        calibrate: Folder of pictures.
        target: Runtime it is made for.
        split, split_column: CSV that puts pictures into parts; only training pictures calibrate.
        labels: Folder of label maps, to judge by mIoU and recall too.
        gate_data: Folder of pictures to judge by, when not that of calibration.
        pictures, gate_pictures: At most so many calibrate, and judge.
        rank_pictures: So many rank the layers by what quantising each alone does.
        tries: At most so many models are judged.
        height_agl_m, hfov_deg: Of the camera the sites are chosen from.
    """

    calibrate: Path
    target: Target = "cpu"
    split: Path | None = None
    split_column: str = ""
    labels: Path | None = None
    gate_data: Path | None = None
    pictures: int = 64
    gate_pictures: int = 64
    rank_pictures: int = 2
    tries: int = 8
    height_agl_m: float = HEIGHT_AGL_M
    hfov_deg: float = HFOV_DEG


@dataclass
class Int8Report:
    """Result of a quantisation.

    Attributes:
        path: The file; None when the gate passed for no try and nothing was written.
        gate: Of the best try.
        layers: Weighted layers that could be quantised.
        in_float: Names of those that stayed in float, the most sensitive first.
        tried: Of each try: layers kept in float, and True if it passed.
        speedup: Times faster than float here, medians of runs in turn.
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
    if not output.parent.is_dir():
        raise InvalidValueError(f"folder {output.parent} does not exist")
    model = plain(read_model(source), source)
    spec = spec_of(model, source)
    chosen = choose(
        options.calibrate,
        options.split,
        options.split_column,
        options.pictures,
        options.gate_data,
        options.gate_pictures,
    )
    work = _Work(source, model, spec, options, chosen, say)
    say(f"{chosen.note}; {len(chosen.calibration)} calibrate, {len(chosen.gate)} judge")
    made, report = work.search()
    report.note = chosen.note
    if made is not None:
        named = spec.model_copy(update={"name": f"{spec.name}-int8"})
        describe(made, named)
        write_model(made, output)
        report.gate = report.gate.model_copy(update={"artefact_sha256": sha256_of(output)})
        describe(made, named, report.gate)
        write_model(made, output)
        report.path, report.spec = output, named
        report.speedup = _speedup(model, made, next(letterboxed(chosen.gate, spec)))
    return report


class _Work:
    """One model's quantisation: ranges once, then many models from them."""

    def __init__(
        self, source: Path, model: onnx.ModelProto, spec: ModelSpec, options: Int8Options, chosen: Chosen, say: Say
    ) -> None:
        self.source, self.model, self.spec = source, model, spec
        self.options, self.chosen, self.say = options, chosen, say
        for i, node in enumerate(model.graph.node):
            node.name = node.name or f"node{i}"
        self.model = onnx.shape_inference.infer_shapes(model)
        self.weighted, self.others = network_nodes(self.model)
        if not self.weighted:
            raise ModelError(f"model {source} has no layer with weights that could be quantised")
        self.ranges = ranges_of(self.model, spec, chosen.calibration, _KINDS[options.target], average=True)
        self.frames = [read_picture(path) for path in chosen.gate]
        self.expected = [self._seen(session, image) for session in [open_session(model)] for image in self.frames]

    def made(self, in_float: set[str], only: str | None = None) -> onnx.ModelProto:
        """The model with all but some weighted layers in 8 bits, or with one alone."""
        target = self.options.target
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        nodes = [only] if only else self._quantised(in_float)
        quantizer: Any = QDQQuantizer(
            copy,
            True,
            False,
            QuantType.QInt8,
            QuantType.QUInt8 if target == "cpu" else QuantType.QInt8,
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
            session = open_session(self.made(set(), only=name))
            total = 0.0
            for image, want in zip(self.frames[:few], self.expected, strict=False):
                have = self._seen(session, image)
                total += float(np.abs(have.hazards.astype(np.int16) - want.hazards).mean())
                total += float(np.abs(have.landable.astype(np.int16) - want.landable).mean())
            harm[name] = total
        return sorted(harm, key=lambda name: -harm[name])

    def judged(self, model: onnx.ModelProto) -> GateReport:
        """The gate's verdict on a model in memory."""
        session = open_session(model)
        options = self.options
        comparison = Comparison(self.spec, options.height_agl_m, options.hfov_deg)
        shown = zip(self.chosen.gate, self.frames, self.expected, strict=True)
        for path, image, want in tracked("judging", shown, len(self.frames)):
            labels = None
            if options.labels is not None:
                labels = read_labels(options.labels, path, self.spec.taxonomy)
            size = (image.shape[1], image.shape[0])
            comparison.add(want, self._seen(session, image), labels, size)
        return report_of(comparison, "quantised", self.source, runtimes=("onnxruntime", "onnxruntime"))

    def _seen(self, session: Any, image: ByteArray) -> Segmentation:
        box = Letterbox.fit((image.shape[1], image.shape[0]), self.spec)
        outputs = self.spec.outputs
        names = [outputs.class_id, outputs.landable, outputs.hazards]
        maps = session.run(names, {self.spec.input.name: box.apply(image)})
        class_id, landable, hazards = (box.crop(one) for one in maps)
        return Segmentation(class_id, landable, hazards)


def _speedup(float_model: onnx.ModelProto, int8_model: onnx.ModelProto, picture: ByteArray) -> float:
    """Times the quantised model is faster, both run in turn."""
    sessions = [open_session(model) for model in (float_model, int8_model)]
    times: list[list[float]] = [[], []]
    for round_ in range(12):
        for session, taken in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: picture})
            if round_ >= 2:
                taken.append(time.perf_counter() - start)
    return float(np.median(times[0]) / np.median(times[1]))
