"""The stand-in's senses: a position estimate with seeded errors, a rangefinder with its delay, the pilot's sticks."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from landing.geometry import multiplied, quaternion_from_euler
from sim.vehicle import Quaternion, Vehicle
from sim.vehicle.autopilot.parameters import ParameterStore

Vector = tuple[float, float, float]

RANGEFINDER_PERIOD_MS = 50
RANGEFINDER_DELAY_MS = 100
"""Age of a reading when it is first used; from the recorded difference to the true height."""

WANDER_S, SMOOTH_S = 30.0, 5.0
SMOOTHED_SHARE = math.sqrt((WANDER_S + SMOOTH_S) / WANDER_S)
"""First-order noise of `WANDER_S` loses this much of its standard deviation when it is smoothed over `SMOOTH_S`."""

LEAN_S, HEADING_S = 0.2, 10.0

RANGEFINDER_GOOD_READINGS = 3
STICK_TIMEOUT_MS = 3000
RC_AT_REST_US = (1500, 1500, 1000, 1500)
"""Channels 1 to 4 of SITL while nobody moves them: the throttle lies at the bottom."""

_RNGFND_SITL = 100
_ORIENT_DOWN = 25


@dataclass(frozen=True)
class EstimatorErrors:
    """Errors of the estimate against the truth; all zero by default.

    Attributes:
        position_bias_ned_m: Constant offset of the estimate.
        position_wander_m: Standard deviation of a slow and smooth (30 s) wander of each component. What it adds within
            a second stays below what ArduCopter's own estimator does (0.29 m, 0.14 m down): more is a reset.
        attitude_noise_rad: Standard deviation of a fast (0.2 s) error of roll and pitch, and of a slow (10 s) one of
            yaw, since gyroscopes carry the heading from one second to the next.
        velocity_noise_mps: Standard deviation of white noise on each velocity component.
        compass_rad: Constant error of the heading, clockwise: what a compass that was calibrated by hand leaves.
        drift_mps: North and east of a drift of the estimate: its position moves, and its velocity tells of it.
        drift_begins_s: When it begins, since the boot.
    """

    position_bias_ned_m: Vector = (0.0, 0.0, 0.0)
    position_wander_m: float = 0.0
    attitude_noise_rad: float = 0.0
    velocity_noise_mps: float = 0.0
    compass_rad: float = 0.0
    drift_mps: tuple[float, float] = (0.0, 0.0)
    drift_begins_s: float = 0.0


class StateEstimate(NamedTuple):
    """Attitude, position and velocity (local NED) as the autopilot estimates them."""

    q: Quaternion
    n_m: float
    e_m: float
    d_m: float
    vn_mps: float
    ve_mps: float
    vd_mps: float


class StateEstimator:
    """Adds errors to the true state of a vehicle."""

    def __init__(self, vehicle: Vehicle, errors: EstimatorErrors, seed: int) -> None:
        self._vehicle = vehicle
        self._errors = errors
        self._random = random.Random(seed)
        self.boot()

    def boot(self) -> None:
        """Forget the errors so far."""
        self._pull = [0.0, 0.0, 0.0]
        self._wander = [0.0, 0.0, 0.0]
        self._lean, self._heading, self._t_s = [0.0, 0.0], [0.0], 0.0

    def estimate(self, dt_s: float) -> StateEstimate:
        """The estimate of the next step."""
        v, errors, gauss = self._vehicle, self._errors, self._random.gauss
        q = v.q
        vn, ve, vd = v.vn_mps, v.ve_mps, v.vd_mps
        if errors.position_wander_m > 0.0:
            self._advance(self._pull, SMOOTHED_SHARE * errors.position_wander_m, WANDER_S, dt_s)
            for i, pull in enumerate(self._pull):
                self._wander[i] += (pull - self._wander[i]) * dt_s / SMOOTH_S
        if errors.velocity_noise_mps > 0.0:
            noise = errors.velocity_noise_mps
            vn, ve, vd = vn + gauss(0, noise), ve + gauss(0, noise), vd + gauss(0, noise)
        if errors.attitude_noise_rad > 0.0:
            self._advance(self._lean, errors.attitude_noise_rad, LEAN_S, dt_s)
            self._advance(self._heading, errors.attitude_noise_rad, HEADING_S, dt_s)
            q = _tilted(q, self._lean[0], self._lean[1], self._heading[0])
        if errors.compass_rad:
            q = multiplied(quaternion_from_euler(0.0, 0.0, errors.compass_rad), q)
        self._t_s += dt_s
        drifted_s = max(0.0, self._t_s - errors.drift_begins_s)
        drift = (*(drifted_s * speed_mps for speed_mps in errors.drift_mps), 0.0)
        if drifted_s > 0.0:
            vn, ve = vn + errors.drift_mps[0], ve + errors.drift_mps[1]
        n_m, e_m, d_m = (
            true + bias + wander + drifted
            for true, bias, wander, drifted in zip(
                (v.n_m, v.e_m, v.d_m), errors.position_bias_ned_m, self._wander, drift, strict=True
            )
        )
        return StateEstimate(q, n_m, e_m, d_m, vn, ve, vd)

    def _advance(self, state: list[float], sd: float, time_s: float, dt_s: float) -> None:
        """Advance first-order Markov noise of a given standard deviation and correlation time."""
        kick = sd * math.sqrt(2.0 * dt_s / time_s)
        for i, value in enumerate(state):
            state[i] = value * (1.0 - dt_s / time_s) + kick * self._random.gauss(0.0, 1.0)


def _tilted(q: Quaternion, roll: float, pitch: float, yaw: float) -> Quaternion:
    """An attitude turned by small body-frame angles (radians)."""
    w, x, y, z = q
    hx, hy, hz = 0.5 * roll, 0.5 * pitch, 0.5 * yaw
    out = (
        w - x * hx - y * hy - z * hz,
        x + w * hx + y * hz - z * hy,
        y + w * hy - x * hz + z * hx,
        z + w * hz + x * hy - y * hx,
    )
    a, b, c, d = out
    norm = math.sqrt(a * a + b * b + c * c + d * d)
    return a / norm, b / norm, c / norm, d / norm


class Rangefinder:
    """A downward rangefinder, as SITL simulates it.

    Attributes:
        reading_m: Latest reading along the body; None while there is none in range.
    """

    def __init__(self, vehicle: Vehicle, parameters: ParameterStore) -> None:
        self._vehicle = vehicle
        self._p = parameters
        self.boot()

    def boot(self) -> None:
        """Forget all readings."""
        self.reading_m: float | None = None
        self.good = 0
        self._next_ms = 0
        self._heights_m: deque[float] = deque(maxlen=1 + RANGEFINDER_DELAY_MS // RANGEFINDER_PERIOD_MS)

    @property
    def fitted(self) -> bool:
        """True if one was set up at boot (SITL's type 100, looking down)."""
        return int(self._p["RNGFND1_TYPE"]) == _RNGFND_SITL and int(self._p["RNGFND1_ORIENT"]) == _ORIENT_DOWN

    @property
    def limits_cm(self) -> tuple[int, int]:
        """Nearest and farthest distance that it measures."""
        return max(int(self._p["RNGFND1_MIN_CM"]), 0), max(int(self._p["RNGFND1_MAX_CM"]), 0)

    def read(self, now_ms: int) -> None:
        """Take a reading if one is due."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + RANGEFINDER_PERIOD_MS
        self._heights_m.append(self._vehicle.height_m)
        cos_tilt = self._vehicle.cos_tilt
        reading = self._heights_m[0] / cos_tilt if cos_tilt > 0.05 else math.inf
        low_cm, high_cm = self.limits_cm
        if self.fitted and 0.01 * low_cm <= reading <= 0.01 * high_cm:
            self.reading_m = reading
            self.good = min(self.good + 1, RANGEFINDER_GOOD_READINGS)
        else:
            self.reading_m = None
            self.good = 0

    def height_m(self, q: Quaternion) -> float | None:
        """Height corrected for the tilt of an attitude; None without enough good readings."""
        if self.reading_m is None or self.good < RANGEFINDER_GOOD_READINGS:
            return None
        _, x, y, _ = q
        return self.reading_m * max(1.0 - 2.0 * (x * x + y * y), 0.707)


class PilotSticks:
    """RC_CHANNELS_OVERRIDE of a pilot; it lapses after `STICK_TIMEOUT_MS`."""

    def __init__(self) -> None:
        self._channels_us = RC_AT_REST_US
        self._right = self._forward = self._up = 0.0
        self._at_ms = -STICK_TIMEOUT_MS

    def override(self, channels_us: tuple[int, int, int, int], now_ms: int) -> None:
        """Take channels 1 to 4; 0 and 65535 leave the transmitter's."""
        kept = zip(channels_us, RC_AT_REST_US, strict=True)
        first, second, third, fourth = (rest if us in (0, 65535) else us for us, rest in kept)
        self._channels_us = (first, second, third, fourth)
        # Channel 1 is roll (right positive), 2 pitch (stick back positive).
        self._right, self._forward = _deflection(first), -_deflection(second)
        # A throttle that nobody moves lies at the bottom, and is no order to sink.
        self._up = 0.0 if channels_us[2] in (0, 65535) else _deflection(third)
        self._at_ms = now_ms

    def channels_us(self, now_ms: int) -> tuple[int, int, int, int]:
        """Channels 1 to 4 as RC_CHANNELS reports them."""
        return self._channels_us if now_ms - self._at_ms < STICK_TIMEOUT_MS else RC_AT_REST_US

    def up(self, now_ms: int) -> float:
        """Deflection of the throttle stick from its middle, -1 to 1; 0 while nobody moves it."""
        return 0.0 if now_ms - self._at_ms >= STICK_TIMEOUT_MS else self._up

    def north_east(self, now_ms: int, yaw_rad: float) -> tuple[float, float]:
        """Deflection of the roll and pitch stick, -1 to 1, turned to north and east."""
        if now_ms - self._at_ms >= STICK_TIMEOUT_MS:
            return 0.0, 0.0
        c, s = math.cos(yaw_rad), math.sin(yaw_rad)
        return c * self._forward - s * self._right, s * self._forward + c * self._right


def _deflection(pwm_us: int) -> float:
    value = (pwm_us - 1500) / 400.0
    return 0.0 if abs(value) < 0.05 else min(max(value, -1.0), 1.0)
