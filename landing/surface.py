"""Surface of a place: what it costs as a site by the preferences of a taxonomy, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from landing.ground_view import GridOfFloat, GroundView
from landing.taxonomy import LAST_PREFERENCE, Surface

TOLD_SHARE = 0.1
"""The worst surface of so much of a site's ground gives it its name."""


def _inner_cells(radius_m: float, cell_m: float) -> int:
    """Side of the largest square of cells within a disc around a cell's centre, odd."""
    return 2 * max(0, math.floor(radius_m / (cell_m * math.sqrt(2.0)) - 0.5)) + 1


def charge_surface(score_m: GridOfFloat, quality: GridOfFloat, cell_m: float, radius_m: float, cost_m: float) -> None:
    """Takes off each place's score, in place, the cost of the ground that the vehicle would stand on.

    Args:
        score_m: Of each cell, m, shape (n, n).
        quality: See `GroundView.quality`.
        cell_m: Side of a cell, m.
        radius_m: Of the vehicle and its margin, m.
        cost_m: Of one step of preference, m.
    """
    side = _inner_cells(radius_m, cell_m)
    mean = cv2.blur(quality, (side, side), borderType=cv2.BORDER_REPLICATE) if side > 1 else quality
    cv2.addWeighted(score_m, 1.0, mean, cost_m, -cost_m * LAST_PREFERENCE, dst=score_m)


def _under(view: GroundView, cell: tuple[int, int], radius_m: float) -> GridOfFloat | None:
    """Qualities of the ground under a vehicle at a cell; None where all landable ground is alike."""
    if view.quality is None:
        return None
    reach = _inner_cells(radius_m, view.cell_m) // 2
    top, left = max(0, cell[0] - reach), max(0, cell[1] - reach)
    return view.quality[top : cell[0] + reach + 1, left : cell[1] + reach + 1]


def mean_quality(view: GroundView, cell: tuple[int, int], radius_m: float) -> float | None:
    """Return the mean quality of the ground under a vehicle; None where all landable ground is alike."""
    under = _under(view, cell, radius_m)
    return None if under is None else float(under.mean())


def surface_at(
    view: GroundView, surfaces: Mapping[int, Surface], cell: tuple[int, int], radius_m: float
) -> Surface | None:
    """Return the surface that a site at a cell is told to lie on: the worst of `TOLD_SHARE` of it.

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
    preference = LAST_PREFERENCE + 1 - float(np.partition(under, number, axis=None)[number])
    return surfaces[min(surfaces, key=lambda known: (abs(known - preference), -known))]
