"""People and other hazards found one by one, as the landing decision sees them.

An instance is a connected patch (8 neighbours) of a role's true pixels. It counts as found at thresholds at which at
least half of it lies within `REACH_M` of ground that the drone would call that hazard: the clearance around that ground
covers it. The maps are those of flight, after its filters. A share of pixels says less: the rim of a person who is
found is lost, and a person of ten pixels who is missed does not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from landing.ground.merge import filtered
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray, Segmentation
from trainer.evaluation.rates import rate
from trainer.evaluation.view import AssumedView

REACH_M = 0.5
"""Width of a grown-up seen from above: what is called a hazard beside a part of an instance covers that part."""

LEAST_M2 = 0.15
"""Ground under a person from above: what is smaller is cut by the picture's edge, hidden in part, or a child."""

SPECK_M2 = 0.01
"""Smaller patches of labels are slips of the brush."""

SIZES_M2 = (SPECK_M2, LEAST_M2, 0.5, 1.0, math.inf)
"""Bounds of the classes of size."""


@dataclass(frozen=True)
class Instance:
    """One patch of a hazard in the labels.

    Attributes:
        picture: Its name.
        role: Of the hazard.
        area_m2: Ground under it, m2.
        byte: Greatest probability byte of a threshold at which it is found; 0 if at none.
    """

    picture: str
    role: Role
    area_m2: float
    byte: int


def instances_of(
    name: str,
    segmentation: Segmentation,
    labels: ByteArray,
    taxonomy: Taxonomy,
    view: AssumedView,
    settings: DecisionSettings,
) -> list[Instance]:
    """Return the instances of all hazard roles in one picture.

    Args:
        name: Of the picture.
        segmentation: The network's maps.
        labels: True classes, uint8 (H, W), of the whole picture.
        taxonomy: Of the labels.
        view: Of the picture.
        settings: Filters of the decision.
    """
    rows, columns = segmentation.shape
    camera = view.camera(columns, rows)
    px_per_m = camera.fx / view.height_m
    planes = filtered(segmentation, px_per_m, settings.evidence).hazards
    m2_per_px = (view.height_m / view.camera(labels.shape[1], labels.shape[0]).fx) ** 2
    found: list[Instance] = []
    for role, plane in zip(HAZARD_ROLES, planes, strict=True):
        there = np.isin(labels, taxonomy.ids_of(role)).astype(np.uint8)
        if not there.any():
            continue
        covered = _widened(plane, REACH_M * px_per_m)
        for pixels in _patches(there):
            area_m2 = len(pixels[0]) * m2_per_px
            if area_m2 < SPECK_M2:
                continue
            at = (pixels[0] * rows // labels.shape[0], pixels[1] * columns // labels.shape[1])
            found.append(Instance(name, role, area_m2, _median(covered[at])))
    return found


def _widened(plane: ByteArray, radius_px: float) -> ByteArray:
    """Return the greatest byte in the disc around each pixel."""
    reach = math.floor(radius_px)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (y**2 + x**2 <= radius_px**2).astype(np.uint8)
    return np.asarray(cv2.dilate(plane, kernel), np.uint8)


def _patches(there: ByteArray) -> Iterable[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yields rows and columns of the pixels of each connected patch of a mask."""
    count, patches = cv2.connectedComponents(there, connectivity=8)
    rows, columns = np.nonzero(there)
    number = patches[rows, columns]
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(1, count + 1))
    for begin, end in pairwise(starts):
        part = order[begin:end]
        yield rows[part], columns[part]


def _median(values: ByteArray) -> int:
    """The greatest byte that at least half of the values reach."""
    return int(np.sort(values)[len(values) // 2])


def found_share(instances: Sequence[Instance], byte: int) -> float | None:
    """Share of the ground under instances that belongs to those found at a threshold byte; None without any."""
    total = sum(i.area_m2 for i in instances)
    return sum(i.area_m2 for i in instances if i.byte >= byte) / total if total else None


def found_by_size(instances: Sequence[Instance], byte: int) -> list[dict[str, Any]]:
    """Return instances and those found at a threshold byte, by class of size and of `LEAST_M2` and more, for JSON.

    Each share has its Wilson 95 % interval.
    """
    bounds = [*pairwise(SIZES_M2), (LEAST_M2, math.inf)]
    rows = []
    for least, below in bounds:
        there = [i for i in instances if least <= i.area_m2 < below]
        found = sum(i.byte >= byte for i in there)
        rows.append(
            {
                "from_m2": least,
                "below_m2": None if below == math.inf else below,
                "instances": len(there),
                "found": found,
                "share": rate(found, len(there)),
            }
        )
    return rows
