"""Calibration of a checkpoint file: temperature, operating point, confidence in sites and scores on val."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from landing.model.spec import OperatingPoint
from landing.progress import say
from trainer.checkpoint import Checkpoint
from trainer.data.samples import LabeledSet
from trainer.data.splits import Split
from trainer.evaluation.confidence import fit_confidence
from trainer.evaluation.measure import EvaluationSet, SiteAssumptions, fit_calibration, require_same_classes
from trainer.evaluation.predictor import Predictor, choose_device
from trainer.evaluation.results import Column
from trainer.evaluation.scoring import Judged, score
from trainer.evaluation.seen import flattered
from trainer.evaluation.thresholds import Targets
from trainer.evaluation.view import view_of


def calibrate_checkpoint(
    checkpoint_path: str | Path,
    data: LabeledSet,
    split: Split,
    device: str = "auto",
    *,
    precision: str = "float32",
    split_column: str = "",
    ground: SiteAssumptions | None = None,
    targets: Targets | None = None,
    output: str | Path | None = None,
) -> Checkpoint:
    """Calibrates a checkpoint on val, scores it there, and rewrites the file, or writes `output`.

    The file is replaced whole or not at all; its weights stay. Only `split.val` is read.

    Returns:
        The checkpoint as written: `metrics` has "temperature", "operating", "site_confidence" and "val".

    Raises:
        DataError: The labels are of other classes, or a picture cannot be read.
        ModelError: The checkpoint is not usable.
    """
    checkpoint = Checkpoint.load(checkpoint_path)
    require_same_classes(checkpoint, data)
    if why := flattered(checkpoint.provenance, "val", data.name, split, split_column):
        say(why)
    predictor = Predictor(checkpoint, choose_device(device), precision)
    val = EvaluationSet(data, split.val, "val", split.describe(), split_column)
    ground = ground or SiteAssumptions(view_of(data, split.val, checkpoint.taxonomy))
    calibration, measured = fit_calibration(predictor, val, ground, targets)
    say(f"temperature {calibration.temperature:g}; {describe(calibration.operating)}")
    confidence = fit_confidence(measured.judged, len(val.samples), val.describe(), ground.settings.required_radius_m)
    say(f"confidence in sites: {'no site to judge' if confidence is None else confidence.describe()}")
    metrics: dict[str, Any] = {
        **checkpoint.metrics,
        "temperature": calibration.temperature,
        "operating": calibration.operating.model_dump(mode="json"),
        "site_confidence": None if confidence is None else confidence.model_dump(mode="json"),
        "val": summary(score(Judged.of_checkpoint(checkpoint), measured, val, calibration)),
    }
    finished = replace(checkpoint, metrics=metrics)
    finished.save(output or checkpoint_path)
    return finished


def summary(column: Column) -> dict[str, Any]:
    """Return the figures that a checkpoint keeps: `Scores`, and those at the operating point."""
    sites = column["sites"]["operating"]
    extra = {f"{role}_recall_operating": r["operating"] for role, r in column["recall"].items()}
    extra |= {f"false_safe_operating_{name}": v for name, v in column["false_safe"].items()}
    extra |= {f"ece_{name}": r["ece"] for name, r in column["reliability"].items()}
    for name in ("false_safe", "abstain"):
        extra[f"site_{name}"] = sites[name]["share"] if sites[name] else None
    extra |= {f"sites_{k}": sites[k] for k in ("pictures", "sites", "with_hazard", "missed", "near_person")}
    extra |= {f"{role}_found": found["ground"] for role, found in column["found"].items()}
    return {**column["scores"], **extra}


def describe(operating: OperatingPoint) -> str:
    """Return an operating point as text, with the targets it misses."""
    names = ("landable", "obstacle", "water", "person", "vehicle")
    text = "thresholds " + ", ".join(f"{n} {getattr(operating, n):.3g}" for n in names)
    text += f", chosen on {operating.chosen_on}"
    return "\n  cannot be met: ".join([text, *operating.unmet])
