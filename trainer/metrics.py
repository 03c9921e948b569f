"""Scores of a segmentation, all from one confusion matrix over a whole set.

One matrix per set, not a mean over pictures: a picture without persons says nothing of persons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray
from trainer.data.samples import IGNORE

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
    """What is said of a model on a set; rates are None where the set has nothing to rate.

    Attributes:
        miou: Mean IoU over the classes that occur in truth or prediction.
        miou_in_truth: Mean IoU over the classes that occur in the truth: the same classes for every checkpoint, so
            checkpoints are compared by it.
        classes: Classes of the taxonomy; none is left out because of what it means.
        classes_counted: Those in truth or prediction, over which `miou` is the mean.
        classes_in_truth: Those in the truth, over which `miou_in_truth` is.
        class_iou: IoU by class name; None for classes in neither truth nor prediction.
        accuracy: Share of labelled pixels of the right class.
        landable_iou: IoU of the landable role.
        person_recall: Share of pixels of persons recognised as role person.
        role_recall: By hazard role, share of its pixels recognised as that role.
        hazard_recall: Share of pixels of any hazard role recognised as some hazard.
        false_safe_rate: Share of labelled pixels that are not landable but predicted landable.
        hazard_false_safe_rate: Share of pixels of hazard roles predicted landable.
        person_false_safe_rate: Share of pixels of persons predicted landable.
        pictures: Pictures scored.
        pixels: Labelled pixels scored.
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
        """Scores of a confusion matrix, see `confusion`."""
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

    def to_mapping(self) -> dict[str, Any]:
        """For JSON; `class_iou` stays a mapping."""
        return dict(self.__dict__)

    def rates(self) -> dict[str, float]:
        """The single numbers that are known, by name."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if isinstance(value, float) and not isinstance(value, bool)
        }

    def table(self) -> str:
        """A table for people."""
        width = max(len(name) for name in self.class_iou)
        lines = [f"  {'class':<{width}}   IoU"]
        absent = []
        for name, value in self.class_iou.items():
            if value is None:
                absent.append(name)
            else:
                lines.append(f"  {name:<{width}}  {value:6.3f}")
        if absent:
            lines.append(f"  not in truth or prediction, left out: {', '.join(absent)}")
        lines.append(
            f"  {self.classes} classes, {self.classes_in_truth} of them in the truth, "
            f"{self.classes_counted} in truth or prediction"
        )
        for label, name in (
            ("mIoU", "miou"),
            ("mIoU of classes in truth", "miou_in_truth"),
            ("pixel accuracy", "accuracy"),
            ("landable IoU", "landable_iou"),
            ("person recall", "person_recall"),
            ("hazard recall", "hazard_recall"),
            ("false-safe rate", "false_safe_rate"),
            ("hazards called landable", "hazard_false_safe_rate"),
            ("persons called landable", "person_false_safe_rate"),
        ):
            value = getattr(self, name)
            text = "none in the set" if value is None else f"{value:.4f}"
            lines.append(f"  {label:<26}{text}")
        lines.append(f"  {self.pictures} pictures, {self.pixels} labelled pixels")
        return "\n".join(lines)


def _mask(taxonomy: Taxonomy, *roles: Role) -> npt.NDArray[np.bool_]:
    return np.array([c.role in roles for c in taxonomy.classes], dtype=np.bool_)


def _recall(matrix: Counts, taxonomy: Taxonomy, role: Role) -> float | None:
    mine = _mask(taxonomy, role)
    return _rate(matrix[np.ix_(mine, mine)].sum(), matrix[mine].sum())


def _rate(part: np.int64, whole: np.int64) -> float | None:
    return float(part) / float(whole) if whole else None
