"""Surface of a place: what it costs as a site by the preferences of a taxonomy, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from landing.ground_view import GridOfFloat, GroundView
from landing.taxonomy import LAST_PREFERENCE, Surface

BYTES_A_STEP = 50.0
"""A step of preference, where qualities are summed up as bytes."""

TOLD_SHARE = 0.1
"""The worst surface of so much of a site's ground gives it its name."""


def mean_around(quality: GridOfFloat, cell_m: float, radius_m: float) -> GridOfFloat:
    """Return the mean quality of the landable ground around each cell, shape (n, n); 0 where there is none.

    Args:
        quality: See `GroundView.quality`, shape (n, n).
        cell_m: Side of a cell, m.
        radius_m: How far around a cell counts, m.
    """
    side = 2 * _reach(radius_m, cell_m) + 1
    bytes_ = cv2.convertScaleAbs(quality, alpha=BYTES_A_STEP)
    known = cv2.compare(bytes_, 0.0, cv2.CMP_GT)
    size, beyond = (side, side), cv2.BORDER_CONSTANT
    total, count = (cv2.boxFilter(g, cv2.CV_32F, size, normalize=False, borderType=beyond) for g in (bytes_, known))
    return np.asarray(cv2.divide(total, cv2.max(count, 1.0), scale=255.0 / BYTES_A_STEP), np.float32)


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
