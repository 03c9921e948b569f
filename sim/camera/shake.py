"""Attitude that the camera has and the autopilot does not know of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from landing.geometry import multiplied, quaternion_from_euler
from landing.types import Pose

CORRELATION_S = 0.3
"""The error forgets itself in this time: faster than a filter smooths, slower than a frame."""


@dataclass
class Shake:
    """A first-order Gauss-Markov error about the three body axes.

    Attributes:
        sd_deg: Standard deviation of each axis.
        seed: Same seed and same times, same error.
    """

    sd_deg: float
    seed: int
    _error_rad: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3), init=False)
    _at_ns: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, 29])

    def applied(self, pose: Pose) -> Pose:
        """The pose from which the camera really looks; called with rising times."""
        assert pose.ned_from_frd is not None
        dt_s = math.inf if self._at_ns is None else (pose.at_ns - self._at_ns) * 1e-9
        self._at_ns = pose.at_ns
        keep = math.exp(-max(dt_s, 0.0) / CORRELATION_S)
        fresh = self._rng.normal(0.0, math.radians(self.sd_deg), 3)
        self._error_rad = keep * self._error_rad + math.sqrt(1.0 - keep * keep) * fresh
        roll, pitch, yaw = (float(angle) for angle in self._error_rad)
        turned = multiplied(pose.ned_from_frd, quaternion_from_euler(roll, pitch, yaw))
        return replace(pose, ned_from_frd=turned)
