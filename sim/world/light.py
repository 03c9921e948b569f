"""Shadows, from the heights of trees and buildings."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sim.world.actors import Sun
from sim.world.texture import Field


def shadows(height_m: Field, gsd_m: float, sun: Sun) -> Field:
    """Shade of each cell, 0 to 1, by marching the heights."""
    dn, de = sun.shadow_ne
    half = cv2.resize(height_m, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST)
    gsd = gsd_m * height_m.shape[1] / half.shape[1]
    top = float(half.max())
    reach_m = top * math.hypot(dn, de)
    steps = max(1, min(96, math.ceil(reach_m / max(0.2, gsd))))
    roof = np.zeros_like(half)
    for i in range(1, steps + 1):
        drop = top * i / steps  # how far the ray has come down
        du, dv = round(de * drop / gsd), round(-dn * drop / gsd)
        _maximum_shifted(roof, half - np.float32(drop), du, dv)
    shade = (roof > half + 0.12).astype(np.float32)
    shade = cv2.resize(shade, height_m.shape[::-1], interpolation=cv2.INTER_LINEAR)
    soft: Field = cv2.GaussianBlur(shade, (0, 0), max(0.8, 0.07 / gsd_m))
    return soft


def _maximum_shifted(target: Field, source: Field, du: int, dv: int) -> None:
    rows, columns = target.shape
    if abs(du) >= columns or abs(dv) >= rows:
        return
    to = target[max(dv, 0) : rows + min(dv, 0), max(du, 0) : columns + min(du, 0)]
    fro = source[max(-dv, 0) : rows + min(-dv, 0), max(-du, 0) : columns + min(-du, 0)]
    np.maximum(to, fro, out=to)
