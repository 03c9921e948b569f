"""The camera's own faults: motion blur and defocus, sensor noise, JPEG."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.types import ByteArray

_LONGEST_BLUR = 0.02
"""Motion during the exposure, as a share of the width; 10 m/s, 20 m high, at 1/50 s make 0.7 %."""

_GRAIN_SIDE = 1024
_GAMMA = 2.2
_TOE = 0.005
"""Linear light below which the tone curve is straight."""


def blurred(image: ByteArray, motion: float, defocus: float, rng: np.random.Generator) -> ByteArray:
    """Return a picture blurred by movement and by a lens out of focus, each with its probability."""
    if rng.random() < motion:
        length_px = max(2.0, rng.uniform(0.004, _LONGEST_BLUR) * image.shape[1])
        kernel = motion_kernel(length_px, rng.uniform(0, math.pi))
        image = np.asarray(cv2.filter2D(image, -1, kernel), dtype=np.uint8)
    if rng.random() < defocus:
        # A Gaussian, not the lens's disc: at these widths nobody can tell, and it is separable.
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8)), dtype=np.uint8)
    return image


def motion_kernel(length_px: float, angle: float) -> npt.NDArray[np.float32]:
    """Return a straight line of a length and direction (radians) as a kernel of sum 1, odd square."""
    side = 2 * math.ceil(length_px / 2) + 1
    fraction_bits = 4
    half = length_px / 2 * np.array([math.cos(angle), math.sin(angle)])
    ends = np.rint((side // 2 + np.array([-half, half])) * (1 << fraction_bits)).astype(int)
    line = np.zeros((side, side), np.uint8)
    cv2.line(line, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 255, 1, cv2.LINE_AA, fraction_bits)
    return np.asarray(line / line.sum(dtype=np.float64), dtype=np.float32)


def recorded(image: ByteArray, probability: float, rng: np.random.Generator) -> ByteArray:
    """Return a picture with sensor noise and JPEG artefacts, each with the same probability."""
    if rng.random() < probability:
        image = noisy(image, rng.uniform(0.005, 0.06), rng.uniform(0.0005, 0.006), rng)
    if rng.random() < probability:
        quality = int(rng.integers(25, 85))
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)
    return image


def noisy(image: ByteArray, shot: float, read: float, rng: np.random.Generator) -> ByteArray:
    """Return a picture with photon and read noise, after the camera's tone curve.

    In linear light L the variance is `shot`^2 L + `read`^2, both as shares of full scale. The curve v = L^(1/2.2)
    flattens the first to the same in light and dark, and lifts the second in the shadows.
    """
    height, width = image.shape[:2]
    linear = (np.arange(256) / 255) ** _GAMMA
    # Real curves start with a straight piece, or black would be all noise.
    slope = np.maximum(linear, _TOE) ** (1 / _GAMMA - 1) / _GAMMA
    deviation = 255 * slope * np.sqrt(shot**2 * linear + read**2)
    tables = deviation.astype(np.float32).reshape(256, 1)
    grain = _grain(height, width)
    corners = rng.integers(0, _GRAIN_SIDE + 1, (4, 2)).tolist()
    windows = [grain[top : top + height, left : left + width] for top, left in corners]
    # Denoising in the camera leaves more grain in brightness than in colour.
    coloured = cv2.merge([0.85 * windows[0] + 0.5 * w for w in windows[1:]])
    noise = cv2.multiply(cv2.LUT(image, tables), coloured)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), dtype=np.uint8)


@lru_cache(maxsize=2)
def _grain(height: int, width: int) -> npt.NDArray[np.float32]:
    """Unit noise a little larger than a picture, smoothed as a colour filter array smooths it.

    Always the same, cut at a random place: drawing it anew costs more than the rest.
    """
    shape = height + _GRAIN_SIDE, width + _GRAIN_SIDE
    grain = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.6), dtype=np.float32)
    return np.asarray(grain / grain.std(), dtype=np.float32)
