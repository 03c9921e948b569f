"""Finished models judged on labelled pictures, and their thresholds chosen anew: the graph stays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnx

from edge.runtimes import load_runtime
from edge.runtimes.contract import Runtime
from export.files import (
    at_thresholds,
    describe,
    gate_of,
    read_model,
    redescribe,
    require_onnx,
    require_target,
    spec_of,
    write_model,
)
from landing.errors import DataError
from landing.model.operating import SETTING_OF
from landing.model.spec import ModelSpec, OperatingPoint
from landing.progress import say
from landing.reading import sha256_of
from landing.settings import DecisionSettings
from landing.types import ByteArray, Frame, Segmentation
from trainer.data.choice import open_and_split
from trainer.data.samples import LabeledSet, Sample
from trainer.data.splits import Split
from trainer.evaluation import report, results
from trainer.evaluation.frames import ReportFrame, chosen, draw
from trainer.evaluation.measure import Calibration, EvaluationSet, Measurement, SiteAssumptions, measure_maps
from trainer.evaluation.results import Column
from trainer.evaluation.scoring import Judged, score
from trainer.evaluation.seen import flattered, warnings_of
from trainer.evaluation.thresholds import Targets, choose
from trainer.evaluation.view import view_of
from trainer.recipe import DataChoice


@dataclass(frozen=True)
class JudgingGround:
    """Labelled pictures that finished models are judged on.

    Attributes:
        choice: The set and its split. The roles of its own classes say what is a hazard.
        part: Of the split, "train", "val", "test" or "all".
        height_m, hfov_deg: Of the camera; None for what the set states or what is assumed of it.
        settings: The vehicle's size.
    """

    choice: DataChoice
    part: str = "val"
    height_m: float | None = None
    hfov_deg: float | None = None
    settings: DecisionSettings = field(default_factory=DecisionSettings)

    def open(self) -> tuple[EvaluationSet, SiteAssumptions, Split]:
        """Return the pictures, the view of them, and the split that they are a part of.

        Raises:
            DataError: The set cannot be read, or the part is empty.
        """
        data, split = open_and_split(self.choice)
        column = self.choice.split_column if self.choice.split_files else ""
        samples = _samples(data, split, self.part)
        if not samples:
            raise DataError(f"the {self.part} part is empty ({split.describe()})")
        view = view_of(data, samples, data.taxonomy, self.height_m, self.hfov_deg)
        pictures = EvaluationSet(data, samples, self.part, split.describe(), column)
        return pictures, SiteAssumptions(view, self.settings), split


def _samples(data: LabeledSet, split: Split, part: str) -> tuple[Sample, ...]:
    found: tuple[Sample, ...] = data.samples if part == "all" else getattr(split, part)
    return found


class _Eyes:
    """A model on single pictures."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._frames = 0

    def look(self, image_bgr: ByteArray) -> Segmentation:
        """Return the maps of a picture."""
        self._frames += 1
        return self._runtime.segment(Frame(image_bgr, self._frames, self._frames))

    def classes(self, image_bgr: ByteArray, size_wh: tuple[int, int]) -> ByteArray:
        """Return the most probable classes at a size, uint8 (H, W)."""
        return np.asarray(
            cv2.resize(self.look(image_bgr).class_id, size_wh, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8
        )


@dataclass(frozen=True)
class _Looked:
    """A model, what it was measured to do, and how it is named in a report."""

    path: Path
    spec: ModelSpec
    measured: Measurement
    seconds: float

    def column(self, name: str, pictures: EvaluationSet, point: OperatingPoint | None) -> Column:
        """Return its figures at an operating point; at the defaults of flight without one."""
        calibration = Calibration(self.spec.temperature, point or _defaults())
        judged = Judged(
            self.spec.architecture,
            (self.spec.input.width_px, self.spec.input.height_px),
            0,
            self.spec.provenance.trained_on,
            self.spec.provenance.recipe,
            self.spec.site_confidence,
        )
        return {
            **score(judged, self.measured, pictures, calibration),
            "calibrated_on": point.chosen_on if point else "",
            "name": name,
            "id": f"{name} {pictures.part} {pictures.split_column}".strip(),
            "checkpoint": self.path.name,
            "sha256": sha256_of(self.path, "model"),
            "warnings": [],
            "seconds": self.seconds,
        }


def _defaults() -> OperatingPoint:
    settings = DecisionSettings()
    hazards = {role.value: value for role, value in settings.hazard_thresholds.items()}
    return OperatingPoint.model_validate({"landable": settings.frame_landable_probability, **hazards})


def evaluate_models(paths: Sequence[Path], ground: JudgingGround, out: Path) -> list[Column]:
    """Judge finished models at the thresholds they fly with, side by side, and write a report; returns its columns.

    Raises:
        ModelError: A file is no model of ours, or does not run.
        DataError: The set cannot be read, or the part is empty.
        TouchdownError: The report cannot be written.
    """
    report.require_folder(out)
    for path in paths:
        if path.suffix.lower() == ".onnx":
            read_model(path)
    pictures, assumptions, split = ground.open()
    columns: list[Column] = []
    frames: dict[str, list[ReportFrame]] = {}
    for path in paths:
        with load_runtime(path) as runtime:
            looked = _look(path, runtime, pictures, assumptions)
            column = looked.column(_name(path, paths), pictures, looked.spec.operating)
            origin = _origin(looked.spec)
            column["warnings"] = warnings_of(origin, ground.part, pictures.data.name, split, pictures.split_column)
            frames[column["id"]] = draw(_Eyes(runtime).classes, looked.spec.taxonomy, pictures, column, chosen(column))
        columns.append(column)
    report.write(out, columns, frames)
    return results.in_order(columns)


def _origin(spec: ModelSpec) -> dict[str, str]:
    return {"trained_on": spec.provenance.trained_on, "recipe": spec.provenance.recipe}


def _look(path: Path, runtime: Runtime, pictures: EvaluationSet, assumptions: SiteAssumptions) -> _Looked:
    started = time.monotonic()
    measured = measure_maps(_Eyes(runtime).look, runtime.spec.taxonomy, pictures, assumptions)
    return _Looked(path, runtime.spec, measured, round(time.monotonic() - started, 1))


def _name(path: Path, paths: Sequence[Path]) -> str:
    return path.stem if len({p.stem for p in paths}) == len(paths) else str(path)


def write_thresholds(
    source: Path, output: Path, ground: JudgingGround, targets: Targets, out: Path | None = None
) -> tuple[OperatingPoint, list[Column]]:
    """Choose a finished model's thresholds on labelled pictures and write it with them.

    Args:
        source: ONNX file of ours.
        output: File to write; the source itself is replaced whole or not at all. A gate that was passed at other
            thresholds is not kept.
        ground: Pictures that did not train it.
        targets: Wanted results.
        out: Folder for a report of the model before and after; None writes none.

    Returns:
        The operating point, and the report's columns, before and after; none without a report.

    Raises:
        ModelError: The file is no ONNX model of ours, or does not run.
        DataError: The set cannot be read, the part is empty, or has no labelled pixel.
        TouchdownError: A file cannot be written.
    """
    require_onnx(source, "thresholds")
    require_target(output)
    if out is not None:
        report.require_folder(out)
    model = read_model(source)
    spec = spec_of(model, source)
    pictures, assumptions, split = ground.open()
    if why := flattered(_origin(spec), ground.part, pictures.data.name, split, pictures.split_column):
        say(why)
    with load_runtime(source) as runtime:
        looked = _look(source, runtime, pictures, assumptions)
        if not looked.measured.tally.matrix.sum():
            raise DataError(f"no pixel of the {len(pictures.samples)} pictures of {ground.part} is labelled")
        words = f"{pictures.describe()}, {assumptions.view.across_m:.3g} m of ground across"
        point = choose(looked.measured.tally, looked.measured.book, words, targets)
        columns: list[Column] = []
        if out is not None:
            columns = [looked.column("before", pictures, spec.operating), looked.column("after", pictures, point)]
            frames = {c["id"]: draw(_Eyes(runtime).classes, spec.taxonomy, pictures, c, chosen(c)) for c in columns}
            report.write(out, columns, frames)
    _put(model, at_thresholds(spec, point), spec.operating, source)
    write_model(model, output)
    return point, columns


def _put(model: onnx.ModelProto, spec: ModelSpec, former: OperatingPoint | None, source: Path) -> None:
    """Describes a model anew; a gate that it passed at other thresholds is no proof of these, and is taken out."""
    chosen = spec.operating
    assert chosen is not None
    if former is not None and all(former.of_role(role) == chosen.of_role(role) for role in SETTING_OF):
        redescribe(model, spec)
        return
    if gate_of(model, source) is not None:  # a model that its gate refused was not loaded
        say("its gate was passed at the former thresholds: prove it again with `touchdown export verify`")
    describe(model, spec)
