"""Scores of a segmentation, from one confusion matrix over a whole set.

Not a mean over pictures: a picture without people says nothing of people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray
from trainer.data.samples import IGNORE
from trainer.recipe import Choice

Counts = npt.NDArray[np.int64]


def confusion(truth: ByteArray, predicted: ByteArray, classes: int) -> Counts:
    """Pixels by true class (row) and predicted class (column), shape (classes, classes).

    Pixels labelled `IGNORE` are left out.
    """
    valid = truth != IGNORE
    index = truth[valid].astype(np.int64) * classes + predicted[valid]
    return np.bincount(index, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Scores:
    """Scores of a model on a set; a rate is None if the set has nothing to rate.

    Attributes:
        miou: Mean IoU over classes in truth or prediction.
        miou_in_truth: Mean IoU over classes in the truth, the same for every checkpoint; checkpoints are compared by
            it.
        classes, classes_counted, classes_in_truth: Classes of the taxonomy, in truth or prediction, and in the truth.
        class_iou: IoU by class name; None for classes in neither truth nor prediction.
        accuracy: Share of labelled pixels of the right class.
        landable_iou: IoU of the landable role.
        person_recall, role_recall: Share of a role's pixels recognised as that role.
        hazard_recall: Share of hazard pixels recognised as any hazard.
        false_safe_rate, hazard_false_safe_rate, person_false_safe_rate: Share of pixels predicted landable, of those
            that are not landable, are hazards, and are people.
        pictures, pixels: Pictures and labelled pixels scored.
    """

    miou: float
    miou_in_truth: float
    classes: int
    classes_counted: int
    classes_in_truth: int
    class_iou: dict[str, float | None]
    accuracy: float
    landable_iou: float | None
    person_recall: float | None
    role_recall: dict[str, float | None]
    hazard_recall: float | None
    false_safe_rate: float | None
    hazard_false_safe_rate: float | None
    person_false_safe_rate: float | None
    pictures: int
    pixels: int

    @classmethod
    def of(cls, matrix: Counts, taxonomy: Taxonomy, pictures: int) -> Scores:
        """Return the scores of a confusion matrix."""
        right = np.diag(matrix)
        union = matrix.sum(0) + matrix.sum(1) - right
        iou = [int(r) / int(u) if u else None for r, u in zip(right, union, strict=True)]
        known = [v for v in iou if v is not None]
        there = [v for v, row in zip(iou, matrix, strict=True) if v is not None and row.any()]
        landable = _mask(taxonomy, Role.LANDABLE)
        person = _mask(taxonomy, Role.PERSON)
        hazard = _mask(taxonomy, *HAZARD_ROLES)
        both = matrix[np.ix_(landable, landable)].sum()
        either = matrix[landable].sum() + matrix[:, landable].sum() - both
        return cls(
            miou=float(np.mean(known)) if known else 0.0,
            miou_in_truth=float(np.mean(there)) if there else 0.0,
            classes=len(taxonomy),
            classes_counted=len(known),
            classes_in_truth=int(np.count_nonzero(matrix.any(axis=1))),
            class_iou={c.name: v for c, v in zip(taxonomy.classes, iou, strict=True)},
            accuracy=_rate(right.sum(), matrix.sum()) or 0.0,
            landable_iou=_rate(both, either),
            person_recall=_rate(matrix[np.ix_(person, person)].sum(), matrix[person].sum()),
            role_recall={role.value: _recall(matrix, taxonomy, role) for role in HAZARD_ROLES},
            hazard_recall=_rate(matrix[np.ix_(hazard, hazard)].sum(), matrix[hazard].sum()),
            false_safe_rate=_rate(matrix[np.ix_(~landable, landable)].sum(), matrix[~landable].sum()),
            hazard_false_safe_rate=_rate(matrix[np.ix_(hazard, landable)].sum(), matrix[hazard].sum()),
            person_false_safe_rate=_rate(matrix[np.ix_(person, landable)].sum(), matrix[person].sum()),
            pictures=pictures,
            pixels=int(matrix.sum()),
        )

    def chosen_by(self, what: Choice) -> float:
        """Return the score that chooses the best epoch: "miou", "person_recall", or "safety", mIoU less false-safe.

        Raises:
            DataError: The set has nothing to choose by: every epoch would be as good as the first.
        """
        if not self.pixels:
            raise DataError("no pixel of val is labelled, so no epoch can be chosen by it: give another val part")
        if what == "miou":
            return self.miou_in_truth
        score = self.person_recall if what == "person_recall" else self.hazard_false_safe_rate
        if score is None:
            shown = "person" if what == "person_recall" else "hazard"
            raise DataError(
                f"val shows no {shown}, so no epoch can be chosen by {what}: give another val part, or --choose-by miou"
            )
        return score if what == "person_recall" else self.miou_in_truth - score

    def to_mapping(self) -> dict[str, Any]:
        """Return all scores, for JSON."""
        return dict(self.__dict__)

    def rates(self) -> dict[str, float]:
        """Return the known single numbers by name."""
        return {name: value for name, value in self.__dict__.items() if isinstance(value, float)}


def _mask(taxonomy: Taxonomy, *roles: Role) -> npt.NDArray[np.bool_]:
    return np.array([c.role in roles for c in taxonomy.classes], dtype=np.bool_)


def _recall(matrix: Counts, taxonomy: Taxonomy, role: Role) -> float | None:
    mine = _mask(taxonomy, role)
    return _rate(matrix[np.ix_(mine, mine)].sum(), matrix[mine].sum())


def _rate(part: np.int64, whole: np.int64) -> float | None:
    return float(part) / float(whole) if whole else None
