"""Sky in a picture whose pitch is not known: a view that shows it did not look straight down."""

from __future__ import annotations

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.ground.view import GridOfBool
from landing.types import ByteArray

WIDTH_PX = 128
SMOOTH = 9.0
"""Largest standard deviation of sky within 5 px of the small picture, grey levels; clouds stay below it."""

DARKEST = 90
LEAST_DEPTH = 0.05
LEAST_COLUMNS = 0.7
LEAST_AREA = 0.06
MOST_ROUGH = 0.12
"""Largest median distance of the lower edge from a straight line, part of the height; hills and trees stay below it."""

LEAST_CONTRAST = 2.0
"""Texture below the edge against that above it."""

DARKEST_ANYWHERE = 40
SMOOTH_ANYWHERE = 2.0
LEAST_AREA_ANYWHERE = 0.1
MOST_ROUGH_ANYWHERE = 0.06
LEAST_CONTRAST_ANYWHERE = 3.0
"""Of sky that may reach in from any side, dusk too: smoother, larger and straighter. With the rule for the top,
at most 2 of 161 real pictures from above are taken for sky, and 36 of 644 quarters of them."""


def sky_fraction(image_bgr: ByteArray, turn_deg: int = 0) -> float:
    """Part of a picture that is sky, 0 to 1; 0 where no sky reaches across one of its sides.

    Sky is smooth, bright, blue or grey, touches a side, and ends at a nearly straight edge with rougher ground beyond.
    Across another side than the top it must be smoother and end straighter. A picture of a smooth bright roof or of
    water along a side may be taken for it.

    Args:
        image_bgr: uint8 (H, W, 3), as stored.
        turn_deg: Clockwise turn that a viewer makes before showing it, degrees.
    """
    turns = [np.rot90(image_bgr, -turn_deg // 90 + turn) for turn in range(4)]
    return max(_across_the_top(turns[0]), *(_across_any_side(turn) for turn in turns))


def _across_the_top(upright: ByteArray) -> float:
    hsv, deviation = _small(upright)
    candidate = _colour_of_sky(hsv, DARKEST) & (deviation < SMOOTH)
    return _part(candidate, deviation, LEAST_AREA, MOST_ROUGH, LEAST_CONTRAST, SMOOTH)


def _across_any_side(turned: ByteArray) -> float:
    hsv, deviation = _small(turned)
    candidate = _colour_of_sky(hsv, DARKEST_ANYWHERE) & (deviation < SMOOTH)
    return _part(
        candidate, deviation, LEAST_AREA_ANYWHERE, MOST_ROUGH_ANYWHERE, LEAST_CONTRAST_ANYWHERE, SMOOTH_ANYWHERE
    )


def _small(turned: ByteArray) -> tuple[ByteArray, FloatArray]:
    """Hue, saturation and value of the small picture, and its deviation within 5 px, grey levels."""
    rows = max(16, round(WIDTH_PX * turned.shape[0] / turned.shape[1]))
    small = cv2.resize(np.ascontiguousarray(turned), (WIDTH_PX, rows), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = cv2.blur(grey, (5, 5))
    deviation = np.sqrt(np.maximum(cv2.blur(grey * grey, (5, 5)) - mean * mean, 0.0))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2HSV), np.uint8), np.asarray(deviation, np.float64)


def _colour_of_sky(hsv: ByteArray, darkest: int) -> GridOfBool:
    hue, saturation, value = (hsv[..., k] for k in range(3))
    return np.asarray((value > darkest) & (((hue >= 90) & (hue <= 130)) | (saturation < 40)), np.bool_)


def _part(
    candidate: GridOfBool,
    deviation: FloatArray,
    least_area: float,
    most_rough: float,
    least_contrast: float,
    smooth: float,
) -> float:
    """Part of the picture above the lower edge of what may be sky; 0 where that is none."""
    rows = len(candidate)
    depth = np.where(candidate.all(axis=0), rows, np.argmin(candidate, axis=0))
    deep = depth >= LEAST_DEPTH * rows
    if deep.mean() < LEAST_COLUMNS or depth.sum() < least_area * candidate.size or depth.min(initial=rows) == rows:
        return 0.0
    columns = np.flatnonzero(deep & (depth < rows))
    if len(columns) < WIDTH_PX // 4:
        return 0.0
    slope, offset = np.polyfit(columns, depth[columns], 1)
    if np.median(np.abs(depth[columns] - slope * columns - offset)) > most_rough * rows:
        return 0.0
    above = np.arange(rows)[:, None] < depth[None, :]
    rough_above = float(np.median(deviation[above]))
    if rough_above > smooth or float(np.median(deviation[~above])) < least_contrast * max(rough_above, 0.5):
        return 0.0
    return float(above.mean())
