"""Estimator of the landing target: LANDING_TARGET in, an offset to fly out, by ArduCopter's rules.

Rules read in ArduPilot's documentation and source and checked against the recorded flights; the code is ours. What
matters to a companion: the frame is looked at only for positions (4.6), a position needs ``distance > 0``, an angle
needs a rangefinder or a distance, the Kalman estimator needs two seconds of messages with gaps of at most 500 ms, and
refusals are silent.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Any, NamedTuple

from firmware_bridge.dialect import mavlink
from landing.geometry import euler_from_quaternion
from sim.vehicle import Quaternion, rotate
from sim.vehicle.autopilot.parameters import ParametersInForce

INIT_TIME_MS = 2000
INIT_GAP_MAX_MS = 500
LOST_AFTER_MS = 2000
SIGHT_VALID_MS = 1000
FORGET_AFTER_MS = 180_000
FORGET_BEYOND_M = 30.0
_TYPE_MAVLINK = 1
_ORIENT_DOWN = 25
_OPTION_MOVING_TARGET = 1
# The real filter adds its process noise at 400 Hz; scaled so that ours is the same per second.
_REAL_LOOP_S = 1.0 / 400.0

Say = Callable[[int, str], None]


class FrameRules(Enum):
    """Frames that LANDING_TARGET may carry."""

    V4_6 = "4.6"
    """Frame read only with ``position_valid``; then it must be BODY_FRD."""
    V4_7 = "4.7"
    """Both forms; BODY_FRD or LOCAL_FRD (body yaw only, for stabilised gimbals)."""


class TargetState(Enum):
    """State of the target for the landing rules."""

    NEVER_SEEN = auto()
    OUT_OF_RANGE = auto()
    RECENTLY_LOST = auto()
    FOUND = auto()


class InertialSample(NamedTuple):
    """The vehicle's estimate at one step: attitude, velocity change and velocity (NED)."""

    q: Quaternion
    dv_n_mps: float
    dv_e_mps: float
    vn_mps: float
    ve_mps: float
    dt_s: float
    gyro_radps: float


class _AxisFilter:
    """Position and velocity of the target relative to the vehicle along one axis (Kalman)."""

    __slots__ = ("p00", "p01", "p11", "pos", "vel")

    def __init__(self) -> None:
        self.pos = self.vel = self.p00 = self.p01 = self.p11 = 0.0

    def start(self, pos: float, pos_var: float, vel: float, vel_var: float) -> None:
        self.pos, self.vel = pos, vel
        self.p00, self.p01, self.p11 = pos_var, 0.0, vel_var

    def predict(self, dt_s: float, dv: float, dv_var: float) -> None:
        self.pos += dt_s * self.vel
        self.vel += dv
        self.p00 += dt_s * (2.0 * self.p01 + dt_s * self.p11)
        self.p01 += dt_s * self.p11
        self.p11 += dv_var

    def surprise(self, pos: float, pos_var: float) -> float:
        """Innovation squared over its variance."""
        return (pos - self.pos) ** 2 / (self.p00 + pos_var)

    def correct(self, pos: float, pos_var: float) -> None:
        total = self.p00 + pos_var
        k0, k1 = self.p00 / total, self.p01 / total
        innovation = pos - self.pos
        self.pos += k0 * innovation
        self.vel += k1 * innovation
        self.p11 -= k1 * self.p01
        self.p00 *= pos_var / total
        self.p01 *= pos_var / total


@dataclass(frozen=True, slots=True)
class _LineOfSight:
    """Latest accepted LANDING_TARGET: direction, its frame and when it arrived."""

    direction: tuple[float, float, float]
    distance_m: float
    level_frame: bool
    at_ms: int


class PrecisionLanding:
    """Estimator of the landing target.

    ``boot`` once, ``receive`` each LANDING_TARGET, ``update`` each step, then read ``state``, ``acquired``,
    ``target_ne_m`` and ``measured_down_m``.
    """

    def __init__(self, parameters: ParametersInForce, say: Say, frame_rules: FrameRules) -> None:
        self._p = parameters
        self._say = say
        self._frame_rules = frame_rules
        self.boot(0.01)

    def boot(self, loop_s: float) -> None:
        """Forget everything and read the boot-time parameters.

        Args:
            loop_s: Step with which ``update`` will be called.
        """
        self._running = int(self._p["PLND_TYPE"]) == _TYPE_MAVLINK
        lag_s = min(max(self._p["PLND_LAG"], 0.02), 0.25)
        self._history: deque[InertialSample] = deque(maxlen=max(round(lag_s / loop_s), 1))
        self.state = TargetState.NEVER_SEEN
        self._acquired = False
        self._initialised = False
        self._frame_text_sent = False
        self._outliers = 0
        self._now_ms = 0
        self._last_update_ms = -LOST_AFTER_MS
        self._init_ms = 0
        self._sight: _LineOfSight | None = None
        self._sight_new = False
        self._x, self._y = _AxisFilter(), _AxisFilter()
        self._raw = (0.0, 0.0, 0.0, 0.0)
        self._out = (0.0, 0.0, 0.0, 0.0)
        self._vehicle_ned = (0.0, 0.0, 0.0)
        self._vehicle_v = (0.0, 0.0)
        self.measured_down_m = 0.0
        self.last_valid_ms = 0
        self.last_target_ned = (0.0, 0.0, 0.0)
        self.last_vehicle_ned = (0.0, 0.0, 0.0)

    @property
    def enabled(self) -> bool:
        """PLND_ENABLED (takes effect at once)."""
        return self._p["PLND_ENABLED"] != 0

    def receive(self, message: Any, now_ms: int) -> None:
        """Take a LANDING_TARGET; what does not fit is dropped without a word, as in ArduPilot.

        Args:
            message: pymavlink LANDING_TARGET. ``position_valid`` is 0 where a MAVLink 1 sender has no such field.
            now_ms: Arrival time since boot; ``time_usec`` is not used.
        """
        if not self._running:
            return
        has_position = int(getattr(message, "position_valid", 0)) == 1
        level = False
        if self._frame_rules is FrameRules.V4_7:
            level = message.frame == mavlink.MAV_FRAME_LOCAL_FRD
            if not level and message.frame != mavlink.MAV_FRAME_BODY_FRD:
                self._complain_about_frame("Plnd: Frame not supported")
                return
        elif has_position and message.frame != mavlink.MAV_FRAME_BODY_FRD:
            self._complain_about_frame("Plnd: Frame not supported ")
            return
        distance_m = float(message.distance)
        if has_position:
            if not distance_m > 0.0:
                return
            direction = (message.x / distance_m, message.y / distance_m, message.z / distance_m)
        elif not (math.isfinite(message.angle_x) and math.isfinite(message.angle_y)):
            return
        else:
            x, y = -math.tan(message.angle_y), math.tan(message.angle_x)
            norm = math.sqrt(x * x + y * y + 1.0)
            direction = (x / norm, y / norm, 1.0 / norm)
        # The real one would take these in and lose its estimate; dropping them is the one mercy.
        if not all(map(math.isfinite, (*direction, distance_m))):
            return
        self._sight = _LineOfSight(direction, max(distance_m, 0.0), level, now_ms)
        self._sight_new = True

    def _complain_about_frame(self, text: str) -> None:
        if not self._frame_text_sent:
            self._frame_text_sent = True
            self._say(mavlink.MAV_SEVERITY_INFO, text)

    def update(
        self, now_ms: int, sample: InertialSample, vehicle_ned: tuple[float, float, float], rangefinder_m: float | None
    ) -> None:
        """One step.

        Args:
            now_ms: Time since boot.
            sample: The newest inertial estimate.
            vehicle_ned: Estimated position, local NED metres.
            rangefinder_m: Height by rangefinder, corrected for tilt; None without a valid one.
        """
        self._now_ms = now_ms
        if not self._running:
            return
        self._vehicle_ned = vehicle_ned
        self._vehicle_v = (sample.vn_mps, sample.ve_mps)
        self._history.append(sample)
        if self.enabled:
            if self._p["PLND_EST_TYPE"] == 0:
                self._run_raw(rangefinder_m)
            else:
                self._run_kalman(rangefinder_m)
        self._update_state(rangefinder_m)

    def acquired(self) -> bool:
        """True while the target may be flown to; says once that it got lost."""
        if self._now_ms - self._last_update_ms > LOST_AFTER_MS:
            if self._acquired:
                self._say(mavlink.MAV_SEVERITY_CRITICAL, "PrecLand: Target Lost")
            self._initialised = False
            self._acquired = False
        return self._acquired

    def target_ne_m(self) -> tuple[float, float]:
        """Estimated place of the target, local NE metres (meaningful while acquired)."""
        return self._vehicle_ned[0] + self._out[0], self._vehicle_ned[1] + self._out[1]

    def target_velocity_mps(self) -> tuple[float, float]:
        """Velocity of the target over ground; zero unless PLND_OPTIONS says it moves."""
        moving = int(self._p["PLND_OPTIONS"]) & _OPTION_MOVING_TARGET
        if not moving or self._p["PLND_EST_TYPE"] == 0:
            return 0.0, 0.0
        return self._out[2] + self._vehicle_v[0], self._out[3] + self._vehicle_v[1]

    def _run_raw(self, rangefinder_m: float | None) -> None:
        delayed = self._history[0]
        if self.acquired():
            pn, pe, _, _ = self._raw
            self._raw = (
                pn - delayed.vn_mps * delayed.dt_s,
                pe - delayed.ve_mps * delayed.dt_s,
                -delayed.vn_mps,
                -delayed.ve_mps,
            )
        measured = self._measure(rangefinder_m)
        if measured is not None:
            if not self._initialised:
                self._say(mavlink.MAV_SEVERITY_INFO, "PrecLand: Target Found")
                self._initialised = True
            self._raw = (measured[0], measured[1], -delayed.vn_mps, -delayed.ve_mps)
            self._last_update_ms = self._now_ms
            self._acquired = True
        if self.acquired():
            self._predict_to_now(*self._raw)

    def _run_kalman(self, rangefinder_m: float | None) -> None:
        delayed = self._history[0]
        if self.acquired() or self._initialised:
            noise = self._p["PLND_ACC_P_NSE"]
            variance = noise * noise * _REAL_LOOP_S * delayed.dt_s
            self._x.predict(delayed.dt_s, -delayed.dv_n_mps, variance)
            self._y.predict(delayed.dt_s, -delayed.dv_e_mps, variance)
        measured = self._measure(rangefinder_m)
        if measured is not None:
            north, east, down = measured
            variance = (down * (0.01 + 0.01 * delayed.gyro_radps) + 0.02) ** 2
            if not self._initialised:
                self._say(mavlink.MAV_SEVERITY_INFO, "PrecLand: Target Found")
                self._x.start(north, variance, -delayed.vn_mps, 4.0)
                self._y.start(east, variance, -delayed.ve_mps, 4.0)
                self._last_update_ms = self._init_ms = self._now_ms
                self._initialised = True
            else:
                worst = max(self._x.surprise(north, variance), self._y.surprise(east, variance))
                if worst < 3.0 or self._outliers >= 3:
                    self._outliers = 0
                    self._x.correct(north, variance)
                    self._y.correct(east, variance)
                    self._last_update_ms = self._now_ms
                else:
                    self._outliers += 1
        if self._initialised and not self.acquired():
            if self._now_ms - self._last_update_ms > INIT_GAP_MAX_MS:
                self._initialised = False
                self._say(mavlink.MAV_SEVERITY_CRITICAL, "PrecLand: Init Failed")
            elif self._now_ms - self._init_ms > INIT_TIME_MS:
                self._acquired = True
                self._say(mavlink.MAV_SEVERITY_INFO, "PrecLand: Init Complete")
        if self.acquired():
            self._predict_to_now(self._x.pos, self._y.pos, self._x.vel, self._y.vel)

    def _measure(self, rangefinder_m: float | None) -> tuple[float, float, float] | None:
        """Vector to the target in NED from a line of sight not used before, or None."""
        sight = self._sight
        if sight is None or not self._sight_new:
            return None
        if self._now_ms - sight.at_ms > SIGHT_VALID_MS:
            return None
        self._sight_new = False
        x, y, z = sight.direction
        align = math.radians(0.01 * self._p["PLND_YAW_ALIGN"])
        if align:
            c, s = math.cos(align), math.sin(align)
            x, y = c * x - s * y, s * x + c * y
        # Only the downward mounting is modelled; boot refuses nothing, the target is then unseen.
        if int(self._p["PLND_ORIENT"]) != _ORIENT_DOWN or z <= 0.0:
            return None
        height_valid = rangefinder_m is not None and rangefinder_m > 0.0
        if not (height_valid or sight.distance_m > 0.0):
            return None
        q = self._history[0].q
        if sight.level_frame:
            yaw = euler_from_quaternion(q)[2]
            c, s = math.cos(yaw), math.sin(yaw)
            n, e, d = c * x - s * y, s * x + c * y, z
        else:
            n, e, d = rotate(q, x, y, z)
        cam = rotate(q, self._p["PLND_CAM_POS_X"], self._p["PLND_CAM_POS_Y"], self._p["PLND_CAM_POS_Z"])
        if sight.distance_m > 0.0:
            reach_m = sight.distance_m
        else:
            assert rangefinder_m is not None
            axis = rotate(q, 0.0, 0.0, 1.0)
            cam_along = cam[0] * axis[0] + cam[1] * axis[1] + cam[2] * axis[2]
            along = n * axis[0] + e * axis[1] + d * axis[2]
            reach_m = max(rangefinder_m - abs(cam_along), 0.0) / max(abs(along), 1e-6)
        self.measured_down_m = d * reach_m + cam[2]
        self.last_vehicle_ned = self._vehicle_ned
        self.last_target_ned = (self.last_target_ned[0], self.last_target_ned[1], self._vehicle_ned[2])
        return n * reach_m + cam[0], e * reach_m + cam[1], self.measured_down_m

    def _predict_to_now(self, pn: float, pe: float, vn: float, ve: float) -> None:
        for sample in islice(self._history, 1, None):  # the oldest is already inside the estimate
            vn -= sample.dv_n_mps
            ve -= sample.dv_e_mps
            pn += vn * sample.dt_s
            pe += ve * sample.dt_s
        q = self._history[-1].q
        cam_x, cam_y = self._p["PLND_CAM_POS_X"], self._p["PLND_CAM_POS_Y"]
        ofs_x, ofs_y = 0.01 * self._p["PLND_LAND_OFS_X"], 0.01 * self._p["PLND_LAND_OFS_Y"]
        if cam_x or cam_y or ofs_x or ofs_y:
            shift = rotate(q, ofs_x - cam_x, ofs_y - cam_y, 0.0)
            pn, pe = pn + shift[0], pe + shift[1]
        self._out = (pn, pe, vn, ve)
        north, east = self.target_ne_m()
        self.last_target_ned = (north, east, self.last_target_ned[2])
        self.last_valid_ms = self._now_ms

    def _update_state(self, rangefinder_m: float | None) -> None:
        if self.acquired():
            self.state = TargetState.FOUND
            return
        if self.state in (TargetState.FOUND, TargetState.RECENTLY_LOST):
            self.state = TargetState.RECENTLY_LOST
        else:
            self.state = TargetState.NEVER_SEEN
        if not self._in_range(rangefinder_m):
            self.state = TargetState.OUT_OF_RANGE
            return
        if self.state is TargetState.RECENTLY_LOST:
            n, e, _ = self._vehicle_ned
            far = max(
                math.hypot(n - self.last_target_ned[0], e - self.last_target_ned[1]),
                math.hypot(n - self.last_vehicle_ned[0], e - self.last_vehicle_ned[1]),
            )
            if self._now_ms - self.last_valid_ms > FORGET_AFTER_MS or far > FORGET_BEYOND_M:
                self.state = TargetState.NEVER_SEEN

    def _in_range(self, rangefinder_m: float | None) -> bool:
        low, high = self._p["PLND_ALT_MIN"], self._p["PLND_ALT_MAX"]
        if low == 0.0 and high == 0.0:
            return True
        if rangefinder_m is None:
            return False
        return not ((high and rangefinder_m > high) or (low and rangefinder_m < low))
