"""Paint on the ground: lane lines and arrows, which do not matter for a landing."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from landing.types import ByteArray

_PAINTS_BGR = np.array([(245, 245, 245), (60, 200, 240), (50, 60, 200), (200, 120, 50)])
_SHARE_OF_PAINT = (0.5, 0.35, 0.08, 0.07)


def painted(image: ByteArray, ground: npt.NDArray[np.bool_], rng: np.random.Generator) -> ByteArray:
    """Return a picture with lines on some of its `ground`, bool (H, W); the labels stay, so that paint is no hazard."""
    height, width = ground.shape
    paint = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        start = rng.random(2) * (width, height)
        angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.8) * max(width, height)
        end = start + length * np.array([math.cos(angle), math.sin(angle)])
        thick = int(rng.integers(2, max(4, height // 20)))
        dashes = int(rng.integers(1, 6))
        for k in range(dashes):
            a = start + (end - start) * k / dashes
            b = start + (end - start) * (k + rng.uniform(0.4, 1.0)) / dashes
            ends = [(round(float(p[0])), round(float(p[1]))) for p in (a, b)]
            if rng.random() < 0.25:
                cv2.arrowedLine(paint, ends[0], ends[1], 255, thick, cv2.LINE_AA, 0, 0.3)
            else:
                cv2.line(paint, ends[0], ends[1], 255, thick, cv2.LINE_AA)
    colour = _PAINTS_BGR[int(rng.choice(4, p=_SHARE_OF_PAINT))] * rng.uniform(0.7, 1.0)
    worn = np.clip(rng.standard_normal((height // 4 + 1, width // 4 + 1)) * 0.4 + 1.0, 0, 1)
    share = cv2.resize(worn.astype(np.float32), (width, height))
    share *= (paint * ground) * np.float32(rng.uniform(0.5, 0.95) / 255)
    plane = np.full_like(image, np.rint(colour))
    return np.asarray(cv2.blendLinear(image, plane, 1 - share, share), dtype=np.uint8)
