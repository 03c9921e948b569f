"""Sky in a picture whose pitch is not known: a view that shows it did not look straight down."""

from __future__ import annotations

import cv2
import numpy as np

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


def sky_fraction(image_bgr: ByteArray, turn_deg: int = 0) -> float:
    """Part of a picture that is sky, 0 to 1; 0 where no sky reaches across its top.

    Sky is bright, blue or grey, smooth, touches the top, and ends at a nearly straight edge with rougher ground below.
    A picture of a smooth bright roof or of water along the top may be taken for it.

    Args:
        image_bgr: uint8 (H, W, 3), as stored.
        turn_deg: Clockwise turn that a viewer makes before showing it, degrees.
    """
    upright = np.rot90(image_bgr, -turn_deg // 90)
    rows = max(16, round(WIDTH_PX * upright.shape[0] / upright.shape[1]))
    small = cv2.resize(np.ascontiguousarray(upright), (WIDTH_PX, rows), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = cv2.blur(grey, (5, 5))
    deviation = np.sqrt(np.maximum(cv2.blur(grey * grey, (5, 5)) - mean * mean, 0.0))
    hue, saturation, value = cv2.split(cv2.cvtColor(small, cv2.COLOR_BGR2HSV))
    blue = (hue >= 90) & (hue <= 130)
    candidate = (deviation < SMOOTH) & (value > DARKEST) & (blue | (saturation < 40))
    depth = np.where(candidate.all(axis=0), rows, np.argmin(candidate, axis=0))
    deep = depth >= LEAST_DEPTH * rows
    if deep.mean() < LEAST_COLUMNS or depth.sum() < LEAST_AREA * candidate.size or depth.min(initial=rows) == rows:
        return 0.0
    columns = np.flatnonzero(deep & (depth < rows))
    if len(columns) < WIDTH_PX // 4:
        return 0.0
    slope, offset = np.polyfit(columns, depth[columns], 1)
    if np.median(np.abs(depth[columns] - slope * columns - offset)) > MOST_ROUGH * rows:
        return 0.0
    above = np.arange(rows)[:, None] < depth[None, :]
    rough_above = float(np.median(deviation[above]))
    rough_below = float(np.median(deviation[~above]))
    if rough_below < LEAST_CONTRAST * max(rough_above, 0.5):
        return 0.0
    return float(above.mean())
