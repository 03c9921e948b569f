"""`trainer evaluate`: several checkpoints on one part of one split, side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from landing.errors import DataError
from landing.progress import say
from landing.reading import sha256_of
from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from trainer.checkpoint import Checkpoint
from trainer.data.choice import open_and_split
from trainer.evaluation import report, results
from trainer.evaluation.frames import ReportFrame, chosen, draw
from trainer.evaluation.measure import EvaluationSet, SiteAssumptions, fit_calibration, measure, require_same_classes
from trainer.evaluation.predictor import Predictor, choose_device
from trainer.evaluation.results import Column
from trainer.evaluation.scoring import Judged, score, stored_calibration
from trainer.evaluation.seen import warnings_of
from trainer.evaluation.view import view_of
from trainer.recipe import DataChoice


def evaluate(
    paths: Sequence[Path],
    choice: DataChoice,
    out: Path,
    *,
    part: str = "test",
    device: str = "auto",
    precision: str = "float32",
    recalibrate: bool = False,
    height_m: float | None = None,
    hfov_deg: float | None = None,
    settings: DecisionSettings | None = None,
    also: Sequence[Path] = (),
) -> list[Column]:
    """Evaluates checkpoints on a part ("train", "val", "test", "all") and writes the report; returns its columns.

    `recalibrate` chooses temperature and thresholds on val even where a checkpoint has them. Without height and field
    of view, those assumed of the data set hold. `also` names earlier `results.json` to put beside.

    Raises:
        DataError: The part is empty, or of other classes than a checkpoint.
        ModelError: A checkpoint is not usable.
        FileError: The report cannot be written.
    """
    report.require_folder(out)
    earlier = [column for path in also for column in results.read_json(path)]
    data, split = open_and_split(choice)
    for line in data.remarks:
        say(line)
    loaded = [(path, Checkpoint.load(path)) for path in paths]
    for _path, checkpoint in loaded:  # all are looked at before any is measured
        require_same_classes(checkpoint, data)
    samples = data.samples if part == "all" else getattr(split, part)
    if not samples:
        raise DataError(f"the {part} part is empty ({split.describe()})")
    column_of_split = choice.split_column if choice.split_files else ""
    pictures, val = (
        EvaluationSet(data, part_samples, name, split.describe(), column_of_split)
        for name, part_samples in ((part, samples), ("val", split.val))
    )
    columns: list[Column] = []
    frames: dict[str, list[ReportFrame]] = {}
    truths: dict[tuple[str, float], bool] = {}
    where = choose_device(device)
    for (path, checkpoint), name in zip(loaded, _names(paths), strict=True):
        started = time.monotonic()
        say(f"{name}: {checkpoint.model.architecture}, {part} {len(samples)} pictures")
        view = view_of(data, data.samples, checkpoint.taxonomy, height_m, hfov_deg)
        ground = SiteAssumptions(view, settings or DecisionSettings(), truths)
        predictor = Predictor(checkpoint, where, precision)
        column = _scored(predictor, pictures, val, ground, recalibrate)
        column |= {
            "name": name,
            "id": f"{name} {part} {column_of_split}".strip(),
            "checkpoint": path.name,
            "sha256": sha256_of(path, "checkpoint"),
            "warnings": [
                *warnings_of(checkpoint.provenance, part, data.name, split, column_of_split),
                *_other_roles(checkpoint.taxonomy, data.taxonomy),
            ],
            "seconds": round(time.monotonic() - started, 1),
        }
        frames[column["id"]] = draw(predictor.classes, checkpoint.taxonomy, pictures, column, chosen(column))
        columns.append(column)
    made = {column["id"] for column in columns}
    columns = results.in_order([*columns, *(column for column in earlier if column["id"] not in made)])
    path = report.write(out, columns, frames)
    say(f"wrote {path}, {out / report.RESULTS}, {out / report.TABLES}")
    return columns


def _scored(
    predictor: Predictor, pictures: EvaluationSet, val: EvaluationSet, ground: SiteAssumptions, recalibrate: bool
) -> Column:
    """Figures on the pictures, at the stored calibration or at a new one from val."""
    calibration, measured = stored_calibration(predictor.checkpoint), None
    if calibration is None or recalibrate:
        calibration, measured = fit_calibration(predictor, val, ground)
    if measured is None or pictures.part != "val":
        measured = measure(predictor, pictures, calibration.temperature, ground)
    column = score(Judged.of_checkpoint(predictor.checkpoint), measured, pictures, calibration)
    return {**column, "calibrated_on": calibration.operating.chosen_on}


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names that tell the checkpoints apart: `run/best` or, in doubt, the whole path."""
    short = [f"{p.resolve().parent.name}/{p.stem}" for p in paths]
    return short if len(set(short)) == len(short) else [str(p) for p in paths]


def _other_roles(own: Taxonomy, labelled: Taxonomy) -> list[str]:
    if [c.role for c in own.classes] == [c.role for c in labelled.classes]:
        return []
    return ["the data gives some classes other roles; the checkpoint's own are used"]
