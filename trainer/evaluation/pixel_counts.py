"""Pixel counts of a set of pictures, made in one pass without keeping a map.

Three small tables answer every question about thresholds afterwards: a confusion matrix per picture; per hazard role a
histogram of its 256 probability bytes over its true pixels; and joint counts of the few pixels that are not landable
but might be taken for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from landing.settings import FRAME_LANDABLE_LIMITS
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray
from trainer.data.samples import IGNORE
from trainer.metrics import Counts, confusion

LEAST_LANDABLE = round(FRAME_LANDABLE_LIMITS[0] * 255 + 0.5)
"""Least byte that any allowed threshold takes for landable (128)."""

ROLES = (Role.LANDABLE, *HAZARD_ROLES, Role.IGNORE)
_CODE = {role: code for code, role in enumerate(ROLES)}
_COMPACT_FROM = 1 << 22


def byte_of(threshold: float) -> int:
    """Least probability byte that counts as at or above a threshold."""
    return int(np.ceil(threshold * 255 - 1e-9))


def threshold_of(byte: int) -> float:
    """A threshold half a byte below a byte, so that rounding never decides."""
    return round((byte - 0.5) / 255, 4)


@dataclass
class PictureConfusion:
    """Confusion matrix (classes, classes) of one picture, its name and its group."""

    name: str
    group: str
    matrix: Counts

    @property
    def miou(self) -> float:
        """Mean IoU over the classes in its truth or prediction; 0 without labels."""
        return mean_iou(self.matrix)


def mean_iou(matrix: Counts) -> float:
    """Mean IoU over the classes in truth or prediction of a confusion matrix; 0 for an empty one."""
    right = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - right
    there = union > 0
    return float(np.mean(right[there] / union[there])) if there.any() else 0.0


@dataclass
class PixelCounts:
    """Counts of a set of pictures; call `add` for each picture.

    Attributes:
        role_bytes: Histogram of each hazard role's probability byte over its true pixels, shape (4, 256).
    """

    taxonomy: Taxonomy
    pictures: list[PictureConfusion] = field(default_factory=list)
    role_bytes: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(HAZARD_ROLES), 256), np.int64))
    _keys: list[npt.NDArray[np.int64]] = field(default_factory=list, repr=False)
    _counts: list[npt.NDArray[np.int64]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._role_lut = np.full(256, 255, np.uint8)
        for c in self.taxonomy.classes:
            self._role_lut[c.id] = _CODE[c.role]

    def add(self, name: str, group: str, labels: ByteArray, classes: ByteArray, planes: ByteArray) -> None:
        """Counts a picture.

        Args:
            name: Name of the sample.
            group: Its group.
            labels: True classes, uint8 (H, W), `IGNORE` where unlabelled.
            classes: Most probable classes, uint8 (H, W).
            planes: Probability x 255 of landable ground and each hazard role, uint8 (5, H, W).
        """
        matrix = confusion(labels, classes, len(self.taxonomy))
        self.pictures.append(PictureConfusion(name, group, matrix))
        roles = self._role_lut[labels]
        for k, role in enumerate(HAZARD_ROLES):
            there = roles == _CODE[role]
            if there.any():
                self.role_bytes[k] += np.bincount(planes[1 + k][there], minlength=256)
        suspect = (planes[0] >= LEAST_LANDABLE) & (labels != IGNORE)
        suspect &= roles != _CODE[Role.LANDABLE]
        if suspect.any():
            key = roles[suspect].astype(np.int64)
            for plane in planes:
                key = (key << 8) | plane[suspect]
            keys, counts = np.unique(key, return_counts=True)
            self._keys.append(keys)
            self._counts.append(counts.astype(np.int64))
            if sum(map(len, self._keys)) > _COMPACT_FROM:
                self._compact()

    def _compact(self) -> None:
        keys, place = np.unique(np.concatenate(self._keys), return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, place, np.concatenate(self._counts))
        self._keys, self._counts = [keys], [counts]

    @property
    def matrix(self) -> Counts:
        """Confusion matrix of all pictures, shape (classes, classes)."""
        size = len(self.taxonomy)
        total = np.zeros((size, size), np.int64)
        for picture in self.pictures:
            total += picture.matrix
        return total

    def pixels_of(self, role: Role) -> int:
        """Labelled pixels of a role."""
        return int(self.matrix[list(self.taxonomy.ids_of(role))].sum())

    def recall(self, role: Role, threshold: float) -> float | None:
        """Share of a hazard role's pixels whose probability of it reaches a threshold."""
        histogram = self.role_bytes[HAZARD_ROLES.index(role)]
        total = int(histogram.sum())
        return int(histogram[byte_of(threshold) :].sum()) / total if total else None

    def called_free(self, thresholds: Mapping[Role, float]) -> dict[Role, Counts]:
        """Pixels that are not landable, by true role, that the decision would call free.

        Free means: no hazard reaches its threshold, and landable ground reaches one.

        Returns:
            Counts per true role by threshold byte of landable ground, (257,). Entries below `LEAST_LANDABLE` repeat it.
        """
        found: dict[Role, Counts] = {r: np.zeros(257, np.int64) for r in ROLES[1:]}
        if not self._keys:
            return found
        self._compact()
        keys, counts = self._keys[0], self._counts[0]
        free = np.ones(len(keys), np.bool_)
        for k, role in enumerate(HAZARD_ROLES):
            shift = 8 * (len(HAZARD_ROLES) - 1 - k)
            free &= ((keys >> shift) & 255) < byte_of(thresholds[role])
        landable = (keys >> (8 * len(HAZARD_ROLES))) & 255
        true_role = keys >> (8 * (1 + len(HAZARD_ROLES)))
        for role, totals in found.items():
            mine = free & (true_role == _CODE[role])
            by_byte = np.bincount(landable[mine], weights=counts[mine], minlength=256)
            totals[:256] = np.cumsum(by_byte[::-1])[::-1].astype(np.int64)
        return found
