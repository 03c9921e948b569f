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


def charge_surface(score_m: GridOfFloat, quality: GridOfFloat, cell_m: float, radius_m: float, cost_m: float) -> None:
    """Takes off each place's score, in place, the cost of the landable ground that lies around it.

    Args:
        score_m: Of each cell, m, shape (n, n).
        quality: See `GroundView.quality`.
        cell_m: Side of a cell, m.
        radius_m: How far off the vehicle may come to stand, itself included, m.
        cost_m: Of one step of preference, m.
    """
    side = 2 * _reach(radius_m, cell_m) + 1
    known = (quality > 0.0).view(np.uint8).astype(np.float32)
    size = (side, side)
    total, count = (
        cv2.boxFilter(g, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT) for g in (quality, known)
    )
    # Half a cell that is not known decides where nothing is, and nowhere else: such a place is the last choice.
    mean = cv2.divide(total, cv2.max(count, 0.5))
    cv2.addWeighted(score_m, 1.0, mean, cost_m, -cost_m * LAST_PREFERENCE, dst=score_m)


def _reach(radius_m: float, cell_m: float) -> int:
    """Whole cells from a cell's centre within a distance."""
    return math.floor(radius_m / cell_m)


def _under(view: GroundView, cell: tuple[int, int], radius_m: float) -> GridOfFloat | None:
    """Qualities of the landable ground around a cell, at least one; None where all such ground is alike."""
    if view.quality is None:
        return None
    reach = _reach(radius_m, view.cell_m)
    top, left = max(0, cell[0] - reach), max(0, cell[1] - reach)
    part = view.quality[top : cell[0] + reach + 1, left : cell[1] + reach + 1]
    known = part[part > 0.0]
    return known if known.size else np.zeros(1, np.float32)


def mean_quality(view: GroundView, cell: tuple[int, int], radius_m: float) -> float | None:
    """Return the mean quality of the ground at a site; None where all landable ground is alike.

    Args:
        view: The map.
        cell: Row and column of the site.
        radius_m: Of the vehicle and its margin, m.
    """
    under = _under(view, cell, radius_m)
    return None if under is None else float(under.mean())


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
    preference = LAST_PREFERENCE + 1 - float(np.partition(under, number)[number])
    return surfaces[min(surfaces, key=lambda known: (abs(known - preference), -known))]
