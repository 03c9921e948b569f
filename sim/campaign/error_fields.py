"""Gaussian fields from which the perception error model draws where a network does badly."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from sim.campaign.patches import REGION_TIMES

GROUND_SIDE = 512
TEXELS_PER_LENGTH = 4.0
FRAME_SIDE = 768

Field = npt.NDArray[np.float32]


def gaussian_field(side: int, length_px: float, seed: int, wrap: bool) -> Field:
    """White noise blurred to a correlation length (1/e), standard normal."""
    rng = np.random.default_rng([31, seed])
    noise = rng.standard_normal((side, side)).astype(np.float32)
    # Blurred by sigma, the correlation is exp(-d^2 / (4 sigma^2)): 1/e at d = 2 sigma.
    sigma = length_px / 2.0
    pad = math.ceil(4 * sigma) + 1 if wrap else 0
    padded = np.pad(noise, pad, mode="wrap") if pad else noise
    if sigma > 0.2:
        padded = np.asarray(cv2.GaussianBlur(padded, (0, 0), sigma), np.float32)
    field = padded[pad : pad + side, pad : pad + side]
    return np.ascontiguousarray((field - field.mean()) / field.std(), np.float32)


@lru_cache(maxsize=16)
def ground_tile(region_share: float) -> Field:
    """Patches and regions, standard normal."""
    patches = gaussian_field(GROUND_SIDE, TEXELS_PER_LENGTH, 1, wrap=True)
    regions = gaussian_field(GROUND_SIDE, REGION_TIMES * TEXELS_PER_LENGTH, 3, wrap=True)
    mixed = math.sqrt(1.0 - region_share) * patches + math.sqrt(region_share) * regions
    return np.ascontiguousarray(mixed, np.float32)


@lru_cache(maxsize=16)
def frame_bank(correlation_px: float) -> Field:
    """A field that is new with each frame: a part of it is drawn, standard normal."""
    return gaussian_field(FRAME_SIDE, correlation_px, 2, wrap=False)
