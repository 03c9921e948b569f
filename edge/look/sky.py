"""Sky in a picture whose pitch is not known: a view that shows it did not look straight down.

A horizon is a straight line at any tilt, with sky on one side of it. Many lines are tried. Each side of a line is
described by its texture and brightness, and one score says how much one side looks like sky and the other like ground.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from edge.look.photo import PhotoFacts
from edge.look.view import Given
from landing.geometry import FloatArray
from landing.picture.usable import STILL, fault, thumbnail
from landing.types import ByteArray

SIZE_PX = (160, 120)
CELLS = (32, 24)
"""Columns and rows of the parts that are judged."""

DIRECTIONS = 32
STEP = 0.2
"""Distance of neighbouring lines, quarters of the picture's width."""

LEAST_SIDE = 0.07
"""Smallest side of a line that is tried, part of the picture."""

FAINT = 0.5
"""Texture of fewer grey levels than this counts as none."""

MOST_APART = 3.0
"""Larger differences of the sides, in standard deviations, say no more."""

WEIGHTS = (2.0, 0.55, -6.5, 5.0)
SKY = 4.0
"""Weights and limit of the score, fitted to drawn and real pictures with a horizon and to pictures from above: of 472
of these 4 are taken for sky, and of 500 quarters of them 7 (`benchmarks/picture_checks.py` counts the former)."""


def sky_where_assumed(image_bgr: ByteArray, facts: PhotoFacts, given: Given) -> float:
    """Part of a picture, uint8 (H, W, 3), that is sky, 0 to 1; 0 where its pitch is known or its lens was covered.

    Args:
        image_bgr: The picture.
        facts: From its file.
        given: By the user.
    """
    assumed = given.assume_nadir and given.pitch_deg is None and facts.pitch_deg is None
    if not assumed or fault(thumbnail(image_bgr), STILL) is not None:
        return 0.0
    return sky_fraction(image_bgr)


def sky_fraction(image_bgr: ByteArray) -> float:
    """Part of a picture beyond the horizon that was found in it, 0 to 1; 0 without one.

    The score adds four numbers: how much coarser the texture of the ground is than that of the sky, and how much
    brighter the sky is, both in standard deviations within the sides; then how faint the sky's texture is at 1 px of
    160, and how strong at 5 px. Clouds are soft: much at 5 px, little at 1 px. A smooth bright roof, or water along a
    side, may be taken for sky. The whole sky without a horizon is not found.

    Args:
        image_bgr: uint8 (H, W, 3), turned in any way.
    """
    fine, coarse, bright = _cells(image_bgr)
    lines = _lines()
    share = lines.mean(axis=1)
    values = np.stack([fine, coarse, bright, coarse**2, bright**2], axis=1).astype(np.float32)
    beyond = lines @ values / (share * lines.shape[1])[:, None]
    before = (values.mean(axis=0) - share[:, None] * beyond) / (1.0 - share)[:, None]
    spread = share[:, None] * _variance(beyond) + (1.0 - share)[:, None] * _variance(before)
    apart = np.clip((before - beyond)[:, 1:3] / np.sqrt(spread + 1e-4), -MOST_APART, MOST_APART)
    score = np.column_stack([apart[:, 0], -apart[:, 1], beyond[:, 0], beyond[:, 1]]) @ np.array(WEIGHTS)
    best = int(np.argmax(score))
    return float(share[best]) if score[best] > SKY else 0.0


def _cells(image_bgr: ByteArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Texture at 1 px and at 5 px of the small picture, doublings of a grey level, and brightness, 0 to 1, by cell."""
    small = cv2.resize(np.ascontiguousarray(image_bgr), SIZE_PX, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    soft = cv2.blur(grey, (3, 3))
    bright = cv2.resize(small, CELLS, interpolation=cv2.INTER_AREA).max(axis=2) / 255.0
    return _texture(grey - soft), _texture(soft - cv2.blur(soft, (9, 9))), bright.ravel()


def _texture(band: FloatArray) -> FloatArray:
    energy = cv2.resize(band * band, CELLS, interpolation=cv2.INTER_AREA).ravel()
    texture: FloatArray = np.log2(np.sqrt(energy, dtype=np.float64) + FAINT)
    return texture


def _variance(means: FloatArray) -> FloatArray:
    """Variances of texture and brightness of means of (fine, coarse, bright, their squares), shape (lines, 2)."""
    variance: FloatArray = np.maximum(means[:, 3:5] - means[:, 1:3] ** 2, 0.0)
    return variance


@lru_cache(maxsize=1)
def _lines() -> FloatArray:
    """The cells beyond each line, 1 or 0, shape (lines, cells)."""
    columns, rows = CELLS
    x = ((np.arange(columns) + 0.5) / columns - 0.5) * 4.0
    y = ((np.arange(rows) + 0.5) / rows - 0.5) * 3.0
    masks = []
    for direction in range(DIRECTIONS):
        angle = 2.0 * math.pi * direction / DIRECTIONS
        across = (x[None] * math.cos(angle) + y[:, None] * math.sin(angle)).ravel()
        masks += [across > offset for offset in np.arange(-2.4, 2.5, STEP)]
    lines = np.array(masks, np.float32)
    share = lines.mean(axis=1)
    both: FloatArray = lines[(share >= LEAST_SIDE) & (share <= 1.0 - LEAST_SIDE)]
    return both
