"""Figures of one checkpoint on one part of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from landing.model.confidence import SiteConfidence
from landing.model.operating import thresholds_in_force
from landing.model.spec import OperatingPoint
from landing.settings import DecisionSection
from landing.taxonomy import HAZARD_ROLES, Role
from trainer.checkpoint import Checkpoint
from trainer.data.known_layouts import LABEL_NOTES
from trainer.evaluation.confidence import check_curve, check_left_out
from trainer.evaluation.curves import by_person, by_width, hazards_found, held_classes
from trainer.evaluation.measure import Calibration, EvaluationSet, Measurement
from trainer.evaluation.pixel_counts import PixelCounts, byte_of, mean_iou
from trainer.evaluation.results import Column
from trainer.evaluation.sites import SiteCount
from trainer.evaluation.thresholds import false_safe_shares, landable_candidates
from trainer.metrics import Scores

_BOOTSTRAP = 1000


@dataclass(frozen=True)
class Judged:
    """Facts of a model that is judged.

    Attributes:
        architecture, input_wh, epoch, trained_on, recipe: As it says of itself; epoch 0 where it does not say.
        confidence: Its own curve; None without one.
    """

    architecture: str
    input_wh: tuple[int, int]
    epoch: int
    trained_on: str
    recipe: str
    confidence: SiteConfidence | None

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> Judged:
        """Return those of a checkpoint."""
        return cls(
            checkpoint.model.architecture,
            checkpoint.model.input_wh,
            checkpoint.epoch,
            checkpoint.provenance.get("trained_on", ""),
            checkpoint.provenance.get("recipe", ""),
            stored_confidence(checkpoint),
        )


def score(model: Judged, measured: Measurement, pictures: EvaluationSet, calibration: Calibration) -> Column:
    """Return a column of `results.json`: the figures of a measurement at the thresholds that fly by default."""
    tally = measured.tally
    settings, thresholds = thresholds_in_force(DecisionSection(), calibration.operating)
    hazards = {role: t.value for t in thresholds for role in HAZARD_ROLES if t.role is role}
    landable = settings.frame_landable_probability
    scores = Scores.of(tally.matrix, tally.taxonomy, len(tally.pictures))
    return {
        "architecture": model.architecture,
        "input": list(model.input_wh),
        "epoch": model.epoch,
        "trained_on": model.trained_on,
        "recipe": model.recipe,
        "terms": pictures.data.terms,
        "data": pictures.data.name,
        "part": pictures.part,
        "split": pictures.split,
        "split_column": pictures.split_column,
        "label_notes": LABEL_NOTES.get(measured.book.taxonomy.name, {}),
        "classes": [{"name": c.name, "role": c.role.value, "color": _hex(c.color_rgb)} for c in tally.taxonomy.classes],
        "scores": scores.to_mapping(),
        "miou_interval": interval(tally),
        "confusion": tally.matrix.tolist(),
        "temperature": calibration.temperature,
        "nll": list(calibration.nll),
        "operating": calibration.operating.model_dump(mode="json"),
        "thresholds": {t.role.value: {"value": t.value, "source": t.source, "asked": t.asked} for t in thresholds},
        "recall": {
            role.value: {
                "pixels": tally.pixels_of(role),
                "argmax": scores.role_recall[role.value],
                "operating": tally.recall(role, hazards[role]),
            }
            for role in HAZARD_ROLES
        },
        "false_safe": false_safe(tally, hazards, landable),
        "reliability": {name: r.to_mapping() for name, r in measured.reliability.items()},
        "site_confidence": _confidence_check(model.confidence, measured, pictures.part),
        **_site_figures(measured, hazards, landable),
    }


def _confidence_check(curve: SiteConfidence | None, measured: Measurement, part: str) -> Column | None:
    """Check the confidence in sites: the model's curve, or on val, where that was made, curves of other scenes."""
    check = check_left_out(measured.judged) if part == "val" or curve is None else check_curve(curve, measured.judged)
    return None if check is None else vars(check)


def _site_figures(measured: Measurement, hazards: Mapping[Role, float], landable: float) -> Column:
    """Return sites over thresholds and widths, the decision on each picture at those in force, and hazards found."""
    book = measured.book
    (outcomes,) = book.outcomes(hazards, [landable])
    outcome_of = {outcome.name: outcome for outcome in outcomes}
    pictures = []
    for picture in measured.tally.pictures:
        outcome = outcome_of[picture.name]
        pictures.append(
            {
                "name": picture.name,
                "group": picture.group,
                "miou": round(picture.miou, 4),
                "site": vars(outcome.disc) if outcome.disc else None,
                "truth_has_site": outcome.truth_has_site,
            }
        )
    sites = {
        "view": book.view.describe(),
        "across_m": round(book.view.across_m, 2),
        "span_m": book.view.span_m,
        "disc_m": book.settings.required_radius_m,
        "operating": SiteCount.of(landable, outcomes).to_mapping(),
        "curve": [count.to_mapping() for count in book.counts(hazards, landable_candidates())],
        "by_width": by_width(book, hazards, landable),
        "by_person": by_person(book, hazards, landable),
        "held": held_classes(book.taxonomy, outcomes),
    }
    return {"sites": sites, "found": hazards_found(book, hazards), "pictures": pictures}


def false_safe(tally: PixelCounts, hazards: Mapping[Role, float], landable: float) -> dict[str, float | None]:
    """Shares of pixels called free: of all that are not landable, of hazards, and by role."""

    def share(roles: Sequence[Role]) -> float | None:
        if not any(tally.pixels_of(role) for role in roles):
            return None
        return float(false_safe_shares(tally, hazards, roles)[byte_of(landable)])

    shares = {"all": share((*HAZARD_ROLES, Role.IGNORE)), "hazards": share(HAZARD_ROLES)}
    return shares | {role.value: share((role,)) for role in (*HAZARD_ROLES, Role.IGNORE)}


def interval(tally: PixelCounts, seed: int = 0) -> list[float] | None:
    """95 % bootstrap interval of mIoU over groups; None with fewer than two groups."""
    groups = sorted({p.group for p in tally.pictures})
    if len(groups) < 2:
        return None
    by_group = np.stack(
        [sum((p.matrix for p in tally.pictures if p.group == g), start=0 * tally.matrix) for g in groups]
    )
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(groups), [1 / len(groups)] * len(groups), size=_BOOTSTRAP)
    drawn = [mean_iou(np.tensordot(w, by_group, 1)) for w in weights]
    return [round(float(v), 4) for v in np.percentile(drawn, (2.5, 97.5))]


def stored_calibration(checkpoint: Checkpoint) -> Calibration | None:
    """Return the calibration that a checkpoint carries, or None."""
    kept, temperature = checkpoint.metrics.get("operating"), checkpoint.metrics.get("temperature")
    if not kept or not temperature:
        return None
    operating = OperatingPoint.model_validate(kept)
    return Calibration(float(temperature), operating)


def stored_confidence(checkpoint: Checkpoint) -> SiteConfidence | None:
    """Return the curve that a checkpoint carries, or None."""
    kept = checkpoint.metrics.get("site_confidence")
    return SiteConfidence.model_validate(kept) if kept else None


def _hex(color_rgb: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in color_rgb)
