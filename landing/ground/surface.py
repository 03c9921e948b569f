"""Surface of a place: what it costs as a site by the preferences of a taxonomy, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from landing.ground.shown_cells import ShownCells
from landing.ground.view import GridOfBool, GridOfFloat, GroundView
from landing.settings import DecisionSettings
from landing.taxonomy import LAST_PREFERENCE, Surface
from landing.types import ByteArray

BYTES_A_STEP = 50
"""A step of preference in qualities as bytes: a quarter of the memory to pass through, to a hundredth of a step."""

TOLD_SHARE = 0.1
"""The worst surface of so much of a site's ground gives it its name."""


def as_bytes(quality: GridOfFloat) -> ByteArray:
    """Return qualities in `BYTES_A_STEP`."""
    return np.asarray(cv2.convertScaleAbs(quality, alpha=BYTES_A_STEP), np.uint8)


def mean_around(quality: GridOfFloat, cell_m: float, radius_m: float) -> ByteArray:
    """Return the mean quality of the landable ground around each cell, as bytes, shape (n, n); 0 where there is none.

    Args:
        quality: Steps of each cell, 0 where not known, shape (n, n).
        cell_m: Side of a cell, m.
        radius_m: How far around a cell counts, m.
    """
    side = 2 * reach_cells(radius_m, cell_m) + 1
    known = as_bytes(quality)
    total = cv2.blur(known, (side, side), borderType=cv2.BORDER_CONSTANT)
    share = cv2.blur(cv2.compare(known, 0.0, cv2.CMP_GT), (side, side), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.divide(total, share, scale=255.0), np.uint8)


def add_surface_cost(score_m: GridOfFloat, quality_around: ByteArray, roomy: GridOfBool, cost_m: float) -> None:
    """Takes off each place's score, in place, the cost of its surface.

    A place without room counts no better than the worst surface of those that have room.

    Args:
        score_m: Of each cell, m, shape (n, n).
        quality_around: See `GroundView.quality_around`.
        roomy: True where there is room enough for a better surface to count, shape (n, n).
        cost_m: Of one step of preference, m.
    """
    known = cv2.bitwise_and(roomy.view(np.uint8), cv2.min(quality_around, 1.0))
    worst = cv2.minMaxLoc(quality_around, known)[0] if cv2.hasNonZero(known) else 0.0
    counted = cv2.copyTo(quality_around, roomy.view(np.uint8), cv2.min(quality_around, worst))
    steps = np.arange(256, dtype=np.float32) / np.float32(BYTES_A_STEP) - np.float32(LAST_PREFERENCE)
    cv2.add(score_m, cv2.LUT(counted, np.float32(cost_m) * steps), dst=score_m)


def add_qualities(
    cells: Mapping[str, npt.NDArray[Any]],
    qualities: ByteArray,
    part: ShownCells,
    cell_m: float,
    height_m: float,
    settings: DecisionSettings,
) -> None:
    """Add the surface in each cell's middle to the mean, in place; what is not landable says nothing.

    Args:
        cells: Layers `quality` and `quality_around`, shape (n, n).
        qualities: Of the mask's pixels, see `Taxonomy.quality_lut`.
        part: Of the map.
        cell_m: Side of a cell, m.
        height_m: Of the vehicle above the ground.
        settings: Weight of one look, and how far around a place counts in `quality_around`.
    """
    around_m = settings.required_radius_m + settings.score.clearance_per_height * height_m
    sampled = cv2.remap(qualities, part.u, part.v, cv2.INTER_NEAREST)  # 0 for cells that are not shown
    quality = cells["quality"]
    gathered = quality[part.window]
    cv2.copyTo(sampled.astype(np.float32), (gathered == 0.0).view(np.uint8), gathered)
    cv2.accumulateWeighted(sampled, gathered, settings.surface.gain, mask=sampled)
    # Only places so near to what is shown have another mean than before.
    reach = reach_cells(around_m, cell_m)
    inner, outer = ([grown(s, k * reach, len(quality)) for s in part.window] for k in (1, 2))
    mean = mean_around(quality[outer[0], outer[1]], cell_m, around_m)
    rows, columns = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
    cells["quality_around"][inner[0], inner[1]] = mean[rows, columns]


def grown(part: slice, by: int, cells: int) -> slice:
    """Widen a range of a grid's rows or columns on both sides, within the grid."""
    return slice(max(0, part.start - by), min(cells, part.stop + by))


def reach_cells(radius_m: float, cell_m: float) -> int:
    """Whole cells from a cell's centre within a distance."""
    return math.floor(radius_m / cell_m)


def _under(view: GroundView, cell: tuple[int, int], radius_m: float) -> ByteArray | None:
    """Qualities of the landable ground around a cell as bytes, at least one; None where all such ground is alike."""
    if view.quality is None:
        return None
    reach = reach_cells(radius_m, view.cell_m)
    top, left = max(0, cell[0] - reach), max(0, cell[1] - reach)
    part = view.quality[top : cell[0] + reach + 1, left : cell[1] + reach + 1]
    known = part[part > 0]
    return known if known.size else np.zeros(1, np.uint8)


def mean_quality(view: GroundView, cell: tuple[int, int], radius_m: float) -> float | None:
    """Return the mean quality of the ground at a site; None where all landable ground is alike.

    Args:
        view: The map.
        cell: Row and column of the site.
        radius_m: Of the vehicle and its margin, m.
    """
    under = _under(view, cell, radius_m)
    return None if under is None else float(under.mean()) / BYTES_A_STEP


def surface_at(
    view: GroundView, surfaces: Mapping[int, Surface], cell: tuple[int, int], radius_m: float
) -> Surface | None:
    """Return the surface that a site is told to lie on: the worst of `TOLD_SHARE` of its landable ground.

    Args:
        view: The map.
        surfaces: Of the taxonomy.
        cell: Row and column of the site.
        radius_m: Of the vehicle and its margin, m.

    Returns:
        None where the taxonomy knows no surfaces.
    """
    if not surfaces:
        return None
    under = _under(view, cell, radius_m)
    if under is None:
        return next(iter(surfaces.values()))
    number = int(TOLD_SHARE * under.size)
    preference = LAST_PREFERENCE + 1 - int(np.sort(under)[number]) / BYTES_A_STEP
    return surfaces[min(surfaces, key=lambda known: (abs(known - preference), -known))]
