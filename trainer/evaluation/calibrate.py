"""Gives a checkpoint its temperature and operating point, and its figures on val and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from landing.spec import OperatingPoint
from trainer.checkpoint import Checkpoint
from trainer.data.samples import LabeledSet, UnknownPolicy
from trainer.data.splits import Split
from trainer.evaluation.measure import EvaluationSet, SiteAssumptions, fit_calibration, measure, require_same_classes
from trainer.evaluation.predictor import Predictor, choose_device
from trainer.evaluation.scoring import CheckpointScores, score
from trainer.evaluation.thresholds import Targets
from trainer.evaluation.view import assumed_view
from trainer.progress import say


def calibrate_checkpoint(
    checkpoint_path: str | Path,
    data: LabeledSet,
    split: Split,
    device: str | torch.device = "auto",
    *,
    parts: Sequence[str] = ("val", "test"),
    unknown: UnknownPolicy = "refuse",
    precision: str = "float32",
    split_column: str = "",
    ground: SiteAssumptions | None = None,
    targets: Targets | None = None,
    output: str | Path | None = None,
) -> Checkpoint:
    """Calibrates a checkpoint on val, measures it, and rewrites it with what was found.

    The file is replaced whole or not at all; its weights stay as they are.

    Args:
        checkpoint_path: Of this trainer.
        data: The pictures, of the checkpoint's classes.
        split: Its parts. `val` chooses; `test` is measured once with what val chose.
        device: "auto", or where to compute.
        parts: What to measure; a part without pictures is passed over.
        unknown: What becomes of label values that the taxonomy does not know.
        precision: "float32", or "bfloat16" for the network.
        split_column: For the record.
        ground: How sites are judged; by default as the data set's pictures are taken to be.
        targets: Of the operating point.
        output: Write here instead of over the checkpoint.

    Returns:
        The checkpoint as written: `metrics` has "temperature", "operating", and the measured parts.

    Raises:
        DataError: The labels are of other classes, or a picture cannot be read.
        ModelError: The checkpoint is not usable.
    """
    checkpoint = Checkpoint.load(checkpoint_path)
    require_same_classes(checkpoint, data)
    where = device if isinstance(device, torch.device) else choose_device(device)
    predictor = Predictor(checkpoint, where, precision)
    ground = ground or SiteAssumptions(assumed_view(checkpoint.taxonomy))
    of_part = {
        part: EvaluationSet(data, samples, unknown, part, split.describe(), split_column)
        for part, samples in (("val", split.val), ("test", split.test))
    }
    calibration, on_val = fit_calibration(predictor, of_part["val"], ground, targets)
    operating = calibration.operating
    say(f"temperature {calibration.temperature:g}; {describe(operating)}")
    metrics: dict[str, Any] = {
        **checkpoint.metrics,
        "temperature": calibration.temperature,
        "operating": operating.model_dump(mode="json"),
    }
    for part in parts:
        pictures = of_part[part]
        if not pictures.samples:
            continue
        measured = on_val if part == "val" else measure(predictor, pictures, calibration.temperature, ground)
        metrics[part] = summary(score(checkpoint, measured, pictures, calibration))
    finished = replace(checkpoint, metrics=metrics)
    finished.save(output or checkpoint_path)
    return finished


def summary(found: CheckpointScores) -> dict[str, Any]:
    """The figures a checkpoint keeps of a part: `Scores`, and those at the operating point."""
    column = found.column
    sites = column["sites"]["operating"]
    extra = {f"{role}_recall_operating": r["operating"] for role, r in column["recall"].items()}
    extra |= {f"false_safe_operating_{name}": v for name, v in column["false_safe"].items()}
    extra |= {f"ece_{name}": r["ece"] for name, r in column["reliability"].items()}
    for name in ("false_safe", "abstain"):
        extra[f"site_{name}"] = sites[name]["share"] if sites[name] else None
    extra |= {f"sites_{k}": sites[k] for k in ("pictures", "sites", "with_hazard", "missed")}
    return found.scores.to_mapping() | extra


def describe(operating: OperatingPoint) -> str:
    """An operating point in one or more lines, with what it could not reach."""
    names = ("landable", "obstacle", "water", "person", "vehicle")
    text = "thresholds " + ", ".join(f"{n} {getattr(operating, n):.3g}" for n in names)
    text += f", chosen on {operating.chosen_on}"
    return "\n  cannot be met: ".join([text, *operating.unmet])
