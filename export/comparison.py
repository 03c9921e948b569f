"""Compares what two artefacts say of the same frames, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from export.limits import LIMITS, SAME_SITE_M, Kind
from export.options import HEIGHT_AGL_M, HFOV_DEG
from landing.camera import CameraModel
from landing.decider import Decider
from landing.model.artefact import GateReport
from landing.model.operating import thresholds_in_force
from landing.model.spec import ModelSpec
from landing.reading import sha256_of
from landing.settings import DecisionSection, DecisionSettings
from landing.site import LandingSite
from landing.taxonomy import HAZARD_ROLES, Taxonomy
from landing.types import ByteArray, Pose, Segmentation
from trainer.metrics import Scores

Mask = npt.NDArray[np.bool_]
LEVEL = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Side:
    """Settings and taxonomy that one of the two flies with by default; bytes from which a plane counts."""

    settings: DecisionSettings
    taxonomy: Taxonomy
    landable: int
    hazards: tuple[int, ...]

    @classmethod
    def of(cls, spec: ModelSpec) -> Side:
        """Return those of a model: its own thresholds, clearances and preferences."""
        settings = thresholds_in_force(DecisionSection(), spec.operating)[0].single_look()
        hazards = tuple(math.ceil(settings.hazard_thresholds[role] * 255) for role in HAZARD_ROLES)
        return cls(settings, spec.taxonomy, math.ceil(settings.landable_probability * 255), hazards)

    def safe(self, seen: Segmentation) -> Mask:
        """Pixels that one frame takes for landable: landable enough, and no hazard at its own."""
        safe: Mask = seen.landable >= self.landable
        for plane, threshold in zip(seen.hazards, self.hazards, strict=True):
            safe &= plane < threshold
        return safe


class Comparison:
    """Counts over frames. A is the reference, B is judged; both have the same classes and roles.

    Each decides by its own thresholds, clearances and preferences, as it flies.

    Args:
        spec: Of A.
        height_agl_m: Height of the level camera that the sites are chosen from.
        hfov_deg: Its horizontal field of view.
        judged: Of B; A's where None.
    """

    def __init__(
        self,
        spec: ModelSpec,
        height_agl_m: float = HEIGHT_AGL_M,
        hfov_deg: float = HFOV_DEG,
        judged: ModelSpec | None = None,
    ) -> None:
        self.taxonomy = spec.taxonomy
        self._sides = (Side.of(spec), Side.of(judged or spec))
        self._view = (height_agl_m, hfov_deg)
        self.frames = self.labelled = 0
        self._worst = 0
        self._steps = self._values = self._pixels = 0
        self._other_class = self._flips = self._lost = 0
        self._other_site = self._only_b = self._only_a = 0
        classes = len(self.taxonomy)
        self._confusion = np.zeros((2, classes, classes), np.int64)
        self._of_role = np.zeros(len(HAZARD_ROLES), np.int64)
        self._recalled = np.zeros((2, len(HAZARD_ROLES)), np.int64)
        self._truly_bad = 0
        self._false_safe = [0, 0]

    def add(self, a: Segmentation, b: Segmentation, labels: ByteArray | None, image_wh: tuple[int, int]) -> None:
        """Takes A's and B's maps of a frame, its label map of that size (or None), and the picture's size."""
        self._sites(a, b, image_wh)
        a, b = _same_size(a, b)
        planes_a, planes_b = _planes(a), _planes(b)
        steps = np.abs(planes_a.astype(np.int16) - planes_b)
        self.frames += 1
        self._worst = max(self._worst, int(steps.max()))
        self._steps += int(steps.sum(dtype=np.int64))
        self._values += steps.size
        self._pixels += a.class_id.size
        self._other_class += int(np.count_nonzero(a.class_id != b.class_id))
        safe_a, safe_b = (side.safe(seen) for side, seen in zip(self._sides, (a, b), strict=True))
        self._flips += int(np.count_nonzero(~safe_a & safe_b))
        self._lost += int(np.count_nonzero(safe_a & ~safe_b))
        if labels is not None:
            self._judge((a, b), (safe_a, safe_b), labels)

    def _judge(self, seen: tuple[Segmentation, Segmentation], safe: tuple[Mask, Mask], labels: ByteArray) -> None:
        rows, columns = seen[0].shape
        truth = cv2.resize(labels, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
        classes = len(self.taxonomy)
        known = truth < classes
        self.labelled += 1
        bad = np.zeros(truth.shape, np.bool_)
        for r, role in enumerate(HAZARD_ROLES):
            here = np.isin(truth, self.taxonomy.ids_of(role)) & known
            bad |= here
            self._of_role[r] += int(np.count_nonzero(here))
            for i, one in enumerate(seen):
                found = one.hazards[r] >= self._sides[i].hazards[r]
                self._recalled[i, r] += int(np.count_nonzero(found & here))
        self._truly_bad += int(np.count_nonzero(bad))
        for i, one in enumerate(seen):
            pairs = truth[known].astype(np.int64) * classes + np.minimum(one.class_id[known], classes - 1)
            self._confusion[i] += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
            self._false_safe[i] += int(np.count_nonzero(safe[i] & bad))

    def _sites(self, a: Segmentation, b: Segmentation, image_wh: tuple[int, int]) -> None:
        height_m, hfov_deg = self._view
        camera = CameraModel.from_hfov(*image_wh, hfov_deg)
        pose = Pose(0, LEVEL, (0.0, 0.0, -height_m), height_m)
        chosen = []
        for side, seen in zip(self._sides, (a, b), strict=True):
            decider = Decider(side.settings, side.taxonomy, camera)
            once = Segmentation(seen.class_id, seen.landable, seen.hazards, 0)
            selection = decider.observe(once, pose, 0).selection
            chosen.append(selection if isinstance(selection, LandingSite) else None)
        one, other = chosen
        self._only_b += one is None and other is not None
        self._only_a += one is not None and other is None
        same = one is other is None or (
            one is not None
            and other is not None
            and math.dist(one.position_ned_m[:2], other.position_ned_m[:2]) <= SAME_SITE_M
        )
        self._other_site += not same

    def measured(self) -> dict[str, float | None]:
        """The result, by the names of `Limits` and more; None where it cannot be known."""
        frames, pixels = max(1, self.frames), max(1, self._pixels)
        found: dict[str, float | None] = {
            "max_difference": self._worst / 255,
            "mean_difference": self._steps / max(1, self._values) / 255,
            "class_disagreement": self._other_class / pixels,
            "false_safe_flips": self._flips / pixels,
            "lost_landable": self._lost / pixels,
            "site_differs": self._other_site / frames,
            "site_only_in_b": self._only_b / frames,
            "site_only_in_a": self._only_a / frames,
            "miou_a": None,
            "miou_b": None,
            "miou_drop": None,
            "hazard_recall_drop": None,
            "false_safe_a": None,
            "false_safe_b": None,
        }
        if self.labelled:
            scores = (Scores.of(matrix, self.taxonomy, self.labelled) for matrix in self._confusion)
            miou = [one.miou_in_truth for one in scores]
            found.update(miou_a=miou[0], miou_b=miou[1], miou_drop=miou[0] - miou[1])
            bad = max(1, self._truly_bad)
            found.update(false_safe_a=self._false_safe[0] / bad)
            found.update(false_safe_b=self._false_safe[1] / bad)
            drops = dict(self._recall_drops())
            found.update({f"recall_drop_{role}": drop for role, drop in drops.items()})
            found["hazard_recall_drop"] = max(drops.values(), default=None)
        return found

    def _recall_drops(self) -> Iterator[tuple[str, float]]:
        for r, role in enumerate(HAZARD_ROLES):
            if self._of_role[r]:
                lost = int(self._recalled[0, r]) - int(self._recalled[1, r])
                yield role.value, lost / int(self._of_role[r])


def report_of(comparison: Comparison, kind: Kind, against: Path, **facts: Any) -> GateReport:
    """Judges a comparison by the table of limits; `facts` are the report's other fields."""
    measured = comparison.measured()
    failures = LIMITS[kind].failures(measured)
    return GateReport(
        passed=not failures,
        against_sha256=sha256_of(against),
        against=against.name,
        frames=comparison.frames,
        labelled_frames=comparison.labelled,
        thresholds=dict(LIMITS[kind]),
        measured=measured,
        failures=failures,
        **facts,
    )


def same_meaning(a: Taxonomy, b: Taxonomy) -> bool:
    """Return True for two taxonomies with the same classes in the same roles."""
    return [(c.name, c.role) for c in a.classes] == [(c.name, c.role) for c in b.classes]


def _planes(seen: Segmentation) -> ByteArray:
    return np.concatenate([seen.landable[None], seen.hazards])


def _same_size(a: Segmentation, b: Segmentation) -> tuple[Segmentation, Segmentation]:
    """Both at the finer one's size, by repetition: an output pixel stands for its square."""
    if a.shape == b.shape:
        return a, b
    rows, columns = max(a.shape, b.shape)

    def scaled(plane: ByteArray) -> ByteArray:
        resized = cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
        return np.asarray(resized, np.uint8)

    def fitted(seen: Segmentation) -> Segmentation:
        if seen.shape == (rows, columns):
            return seen
        hazards = np.stack([scaled(plane) for plane in seen.hazards])
        return Segmentation(scaled(seen.class_id), scaled(seen.landable), hazards, seen.captured_at_ns)

    return fitted(a), fitted(b)
