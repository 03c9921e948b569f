"""Likeness of thumbnails: their fine structure, compared block by block and shifted against each other."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.geometry import FloatArray
from landing.types import ByteArray

Floats = npt.NDArray[np.float32]

BLOCKS = (8, 6)
"""Columns and rows of a picture's parts that are judged each."""

WINDOW_PX = 9
"""Structure finer than this is compared."""

GRAIN = 1.0
"""Structure of fewer grey steps than this counts less the smaller it is."""

FARTHEST_PX = 80
"""Shifts are tried up to here."""


def structure(grey: ByteArray) -> Floats:
    """Each pixel against its surroundings, by their contrast; float32 (h, w), about -3 to 3."""
    soft = cv2.blur(grey.astype(np.float32), (3, 3))
    window = (WINDOW_PX, WINDOW_PX)
    high = soft - cv2.blur(soft, window)
    spread = cv2.sqrt(cv2.blur(high * high, window))
    return np.asarray(high / (spread + GRAIN), np.float32)


def block_sums(values: Floats) -> FloatArray:
    """Means over the blocks of a picture, shape (rows, columns)."""
    return np.asarray(cv2.resize(values, BLOCKS, interpolation=cv2.INTER_AREA), np.float64)


def fitted(new: Floats, old: Floats, blocks: npt.NDArray[np.bool_], apart_px: float) -> tuple[float, float]:
    """Compare some blocks with an old picture that is shifted.

    Returns:
        Shift at which both fit best, px to a part of one, infinite where it is not below 1.5; and the greatest product
        at more than `apart_px`.
    """
    height, width = new.shape
    mask = cv2.resize(blocks.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    spectrum = cv2.mulSpectrums(cv2.dft(new * mask), cv2.dft(old), 0, conjB=True)
    surface = cv2.dft(spectrum, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)
    shift_px = _lengths_px(width, height)
    near = surface[np.ix_((-1, 0, 1), (-1, 0, 1))].astype(np.float64)
    beside = surface[(shift_px >= 1.5) & (shift_px < apart_px)].max(initial=0.0)
    apart = surface[(shift_px >= apart_px) & (shift_px <= FARTHEST_PX)].max(initial=0.0)
    off_px = math.hypot(_peak(near[1]), _peak(near[:, 1])) if beside <= near[1, 1] else math.inf
    pixels_of_a_block = width * height / blocks.size
    return off_px, float(apart) / pixels_of_a_block


def _peak(three: FloatArray) -> float:
    """Place of the summit of a parabola through values at -1, 0 and 1; infinite where the middle is not the highest."""
    left, middle, right = three.tolist()
    if middle < max(left, right) or left + right >= 2 * middle:
        return math.inf
    return float(0.5 * (left - right) / (left - 2 * middle + right))


@lru_cache(maxsize=1)
def _lengths_px(width: int, height: int) -> FloatArray:
    """Lengths of the shifts in a correlation surface, shape (height, width)."""
    x = np.minimum(np.arange(width), width - np.arange(width))
    y = np.minimum(np.arange(height), height - np.arange(height))
    lengths: FloatArray = np.hypot(x[None], y[:, None])
    return lengths
