"""Time of day: position of the sun, colour and strength of its light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.world.actors import Sun

TimeOfDay = Literal["noon", "low", "overcast", "dusk"]


@dataclass(frozen=True)
class Daylight:
    """The light of a scene.

    Attributes:
        sun: Direction and strength of the shadows.
        sunlit_bgr: Gain of ground in the sun.
        shaded_bgr: Gain of ground that only the sky lights.
        lamps: Strength of street lamps against the brightest day, 0 by day.
        contrast: About a middle grey.
    """

    sun: Sun
    sunlit_bgr: tuple[float, float, float]
    shaded_bgr: tuple[float, float, float]
    lamps: float
    contrast: float


def daylight(rng: np.random.Generator, time_of_day: TimeOfDay) -> Daylight:
    """The light at a time of day, a little different for every seed.

    The colours follow black-body temperatures of some 3200 K (low sun) to 10 000 K (a clear sky after sunset) against a
    white balance for noon.
    """
    azimuth = float(rng.uniform(0, 2 * math.pi))
    swing = float(rng.uniform(-1, 1))
    if time_of_day == "noon":
        sun = Sun(azimuth, math.radians(rng.uniform(48, 66)), float(rng.uniform(0.42, 0.6)))
        gain = 1.02 + 0.1 * swing
        lit = (0.98 * gain, gain, 1.01 * gain)
        sky = (1.16, 1.0, 0.9)
    elif time_of_day == "low":
        sun = Sun(azimuth, math.radians(rng.uniform(22, 31)), float(rng.uniform(0.5, 0.62)))
        gain = 0.94 + 0.07 * swing
        lit = (0.86 * gain, 0.98 * gain, 1.07 * gain)
        sky = (1.24, 1.04, 0.9)
    elif time_of_day == "overcast":
        sun = Sun(azimuth, math.radians(60), 0.07)
        gain = 0.88 + 0.1 * swing
        lit = (1.04 * gain, 1.0 * gain, 0.97 * gain)
        sky = (1.0, 1.0, 1.0)
    else:
        sun = Sun(azimuth, math.radians(30), 0.05)
        gain = 0.5 + 0.12 * swing
        lit = (1.2 * gain, 1.0 * gain, 0.9 * gain)
        sky = (1.0, 1.0, 1.0)
    dark = 1.0 - sun.strength
    shaded = tuple(dark * a * b for a, b in zip(lit, sky, strict=True))
    strength = 1.0 if time_of_day == "dusk" else 0.0
    contrast = {"noon": 1.0, "low": 1.03, "overcast": 0.85, "dusk": 0.95}[time_of_day]
    b, g, r = shaded
    return Daylight(
        Sun(sun.azimuth_rad, sun.elevation_rad, sun.strength, daylight_bgr=lit), lit, (b, g, r), strength, contrast
    )
