"""The one table of random quantities of a campaign, with their limits.

Each quantity is drawn from a random stream of its own, made from the scene and the quantity's name, so that a new row
never changes what the others drew.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Range:
    """One row.

    Attributes:
        low, high: Limits in the quantity's unit.
        law: ``uniform``; ``log`` (uniform in the logarithm); ``low`` (the minimum of two uniform
            draws: small values are the common ones).
        why: Origin of the limits.
    """

    low: float
    high: float
    law: str
    why: str

    def draw(self, rng: np.random.Generator) -> float:
        """A value of this row."""
        if self.law == "log":
            return float(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        if self.law == "low":
            return float(rng.uniform(self.low, self.high, 2).min())
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class SceneConditions:
    """Conditions of one landing. Every field is a row of `RANGES`; units are suffixes."""

    height_m: float
    yaw_deg: float
    wind_mps: float
    wind_from_deg: float
    gust_mps: float
    hfov_deg: float
    fps: float
    camera_delay_ms: float
    inference_ms: float
    dropped: float
    noise_sd: float
    lens_blur_px: float
    exposure_ms: float
    light: float
    vibration_deg: float
    mount_error_deg: float
    position_wander_m: float
    velocity_noise_mps: float
    attitude_noise_deg: float
    compass_deg: float
    height_bias_m: float
    range_scale: float
    range_noise_m: float
    range_dropped: float
    range_max_m: float
    link_delay_ms: float
    model_shift: float


RANGES: dict[str, Range] = {
    "height_m": Range(15.0, 100.0, "uniform", "start heights the issue asks for"),
    "yaw_deg": Range(0.0, 360.0, "uniform", "any heading"),
    "wind_mps": Range(0.0, 10.0, "low", "up to a fresh breeze, at 60 m; less near the ground"),
    "wind_from_deg": Range(0.0, 360.0, "uniform", "any direction"),
    "gust_mps": Range(0.0, 2.5, "low", "standard deviation of each component"),
    "hfov_deg": Range(55.0, 95.0, "uniform", "usual onboard cameras"),
    "fps": Range(10.0, 10.0, "uniform", "what the issue's reaction time is asked at"),
    "camera_delay_ms": Range(5.0, 40.0, "uniform", "exposure to stamp, unknown to the daemon"),
    "inference_ms": Range(25.0, 120.0, "log", "frame taken to decision, Orin to a busy Nano"),
    "dropped": Range(0.0, 0.10, "low", "share of the frames that never come"),
    "noise_sd": Range(1.0, 9.0, "low", "grey steps"),
    "lens_blur_px": Range(0.3, 1.8, "low", "focus of a cheap lens, at 640 px"),
    "exposure_ms": Range(1.0, 10.0, "log", "motion blur"),
    "light": Range(0.35, 1.1, "uniform", "gain: dusk to noon"),
    "vibration_deg": Range(0.0, 0.4, "low", "standard deviation of the camera against the body"),
    "mount_error_deg": Range(0.0, 1.2, "low", "constant misalignment after calibration by hand"),
    "position_wander_m": Range(0.0, 0.6, "low", "drift of the estimate, sd over 30 s, each axis"),
    "velocity_noise_mps": Range(0.0, 0.12, "low", "of the estimate"),
    "attitude_noise_deg": Range(0.1, 0.8, "low", "of the estimate"),
    "compass_deg": Range(-5.0, 5.0, "uniform", "heading against the truth, all flight: iron on board, declination"),
    "height_bias_m": Range(-1.0, 1.0, "uniform", "local height against the ground, no rangefinder"),
    "range_scale": Range(0.98, 1.02, "uniform", "rangefinder's scale error"),
    "range_noise_m": Range(0.01, 0.10, "low", "rangefinder's noise"),
    "range_dropped": Range(0.0, 0.08, "low", "readings that never come"),
    "range_max_m": Range(12.0, 120.0, "log", "reach of the rangefinder, TFmini to LW20"),
    "link_delay_ms": Range(3.0, 35.0, "log", "each way; jitters by as much again"),
    "model_shift": Range(-0.3, 0.5, "uniform", "network better or worse than measured, in probits"),
}


def stream(parts: Sequence[int], name: str) -> np.random.Generator:
    """The random stream of one purpose in one scene."""
    return np.random.default_rng([*parts, zlib.crc32(name.encode())])


def draw_conditions(parts: Sequence[int]) -> SceneConditions:
    """The conditions of the scene that `parts` identify."""
    return SceneConditions(**{f.name: RANGES[f.name].draw(stream(parts, f.name)) for f in fields(SceneConditions)})
