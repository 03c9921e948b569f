"""Exposure and colour: the effects of the camera's automatics and of the time of day."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from landing.types import ByteArray

_LUMA_BGR = np.array([0.114, 0.587, 0.299])
_DISPLAY_GAMMA = 2.2


def relit(image: ByteArray, strength: float, rng: np.random.Generator) -> ByteArray:
    """Return a picture in other light: one colour matrix and one table per channel.

    At strength 1: exposure by 0.8 stops either way, contrast 30 %, gamma e**0.3, colour temperature 10 %, green-magenta
    4 %, saturation 40 %, hue 12 degrees.
    """
    if strength <= 0:
        return image
    exposure, contrast, gamma, warmth, green, colour, hue = rng.uniform(-strength, strength, 7)
    image = np.asarray(cv2.transform(image, _colour_matrix(1 + 0.4 * colour, 12 * hue)), np.uint8)
    ramp = np.linspace(0.0, 1.0, 256) * 2 ** (0.8 * exposure / _DISPLAY_GAMMA)
    tone = ramp ** math.exp(0.3 * gamma)
    # Contrast about the picture's own brightness: about mid-grey, dark ground would drown.
    middle = tone[round(float(np.mean(cv2.mean(image)[:3])))]
    tone = (tone - middle) * (1 + 0.3 * contrast) + middle
    cast = np.array([1 - 0.1 * warmth, 1 + 0.04 * green, 1 + 0.1 * warmth])
    table = np.clip(np.rint(tone[:, None] * cast * 255), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(256, 1, 3)), dtype=np.uint8)


def _colour_matrix(saturation: float, hue_deg: float) -> npt.NDArray[np.float64]:
    """Matrix (3, 3) that scales and turns colours about the grey axis."""
    grey = np.tile(_LUMA_BGR, (3, 1))
    turn = np.asarray(cv2.Rodrigues(np.full(3, math.radians(hue_deg) / math.sqrt(3)))[0])
    return np.asarray(grey + saturation * turn @ (np.eye(3) - grey))
