"""Where the vehicle was, and how it was turned, at the moment a frame was captured.

Attitude, local position and height arrive as separate messages at their own rates. Each is kept
as a short track of stamped samples; a pose is put together by interpolating every track at the
asked moment. What a track cannot answer honestly (a gap, a jump, silence) is None in the pose.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from enum import Enum

from firmware_bridge.gimbal import GimbalHistory
from firmware_bridge.track import Stamped, Track
from landing.geometry import Quaternion, matrix_from_quaternion, slerp
from landing.types import Pose

NS_PER_S = 1_000_000_000
Vector = tuple[float, float, float]


class HeightSource(str, Enum):
    """Where the height above ground comes from.

    ``RANGEFINDER``: DISTANCE_SENSOR alone. ``LOCAL``: local position above the ground reference
    alone. ``AUTO``: the rangefinder, and the local position while that has nothing to say.
    """

    RANGEFINDER = "rangefinder"
    LOCAL = "local"
    AUTO = "auto"


@dataclass(frozen=True)
class PoseLimits:
    """How far the samples may be stretched.

    Attributes:
        keep_ns: Age at which samples are forgotten.
        attitude_gap_ns: Longest gap interpolated across.
        attitude_ahead_ns: Longest extrapolation past the newest sample, at its body rates.
        position_gap_ns: Longest gap interpolated across.
        position_ahead_ns: Longest extrapolation, at the newest sample's velocity.
        height_gap_ns: Longest gap interpolated across.
        height_hold_ns: Longest hold of the last height, corrected by the vertical movement.
        max_speed_m_s: Two positions that imply more than this are a jump (an estimator reset).
        max_speed_change_m_s: The same against the position expected from the velocity.
        max_rate_rad_s: Two attitudes that imply more than this are a jump.
        max_height_rate_m_s: Two heights that imply more than this, and 2 m, are a jump.
        max_tilt_rad: Beyond this tilt a slant range says nothing of the height.
    """

    keep_ns: int = 5 * NS_PER_S
    attitude_gap_ns: int = 150_000_000
    attitude_ahead_ns: int = 60_000_000
    position_gap_ns: int = 400_000_000
    position_ahead_ns: int = 250_000_000
    height_gap_ns: int = 500_000_000
    height_hold_ns: int = 500_000_000
    max_speed_m_s: float = 60.0
    max_speed_change_m_s: float = 20.0
    max_rate_rad_s: float = 30.0
    max_height_rate_m_s: float = 25.0
    max_tilt_rad: float = math.radians(45.0)


@dataclass(frozen=True)
class _Attitude:
    at_ns: int
    ned_from_frd: Quaternion
    rates_frd_rad_s: Vector


@dataclass(frozen=True)
class _Position:
    at_ns: int
    ned_m: Vector
    velocity_ned_m_s: Vector | None


@dataclass(frozen=True)
class _Height:
    at_ns: int
    agl_m: float


class PoseHistory:
    """The last seconds of attitude, position and height; thread-safe, bounded.

    Samples carry the stamps of one source clock; ``rebase`` says how far that clock is from ours,
    so a better estimate of the offset moves the whole history at once and keeps its order.
    Everything that is asked or answered is in our monotonic time.

    Args:
        height_source: Where the height comes from.
        limits: How far samples may be stretched.
        rangefinder_offset_frd_m: Rangefinder from the body origin, body axes, m.
        ground_down_m: Down coordinate of the ground in the local frame (m), for the height from
            local position; None when it is not known (see ``learn_ground``).
        gimbal: Of the gimbal that carries the camera, if one does.
    """

    def __init__(
        self,
        height_source: HeightSource = HeightSource.AUTO,
        limits: PoseLimits | None = None,
        rangefinder_offset_frd_m: Vector = (0.0, 0.0, 0.0),
        ground_down_m: float | None = None,
        gimbal: GimbalHistory | None = None,
    ) -> None:
        self._gimbal = gimbal
        self._limits = limits or PoseLimits()
        self._height_source = height_source
        self._rangefinder_offset_frd_m = rangefinder_offset_frd_m
        self._configured_ground_m = ground_down_m
        self._ground_m = ground_down_m
        self._offset_ns = 0
        keep_ns = self._limits.keep_ns
        self._attitudes: Track[_Attitude] = Track(keep_ns, self._attitude_jumps)
        self._positions: Track[_Position] = Track(keep_ns, self._position_jumps)
        self._heights: Track[_Height] = Track(keep_ns, self._height_jumps)
        self._lock = threading.Lock()

    def rebase(self, offset_ns: int) -> None:
        """Set our monotonic time minus the time of the stamps (0 when they are the same)."""
        with self._lock:
            self._offset_ns = offset_ns

    def clear(self) -> None:
        """Forget all, as after a reboot of the autopilot. A learned ground is forgotten too."""
        with self._lock:
            self._attitudes.clear()
            self._positions.clear()
            self._heights.clear()
            self._ground_m = self._configured_ground_m

    @property
    def position_resets(self) -> int:
        """How often the estimator's local frame has jumped since the start."""
        with self._lock:
            return self._positions.resets

    @property
    def ground_known(self) -> bool:
        """Whether a height from local position has its reference, configured or learned."""
        with self._lock:
            return self._ground_m is not None

    def add_attitude(
        self, at_ns: int, ned_from_frd: Quaternion, rates_frd_rad_s: Vector = (0.0, 0.0, 0.0)
    ) -> bool:
        """Add an attitude; False when it is unusable (not finite, not unit, out of order, a jump).

        Args:
            at_ns: Stamp, source clock.
            ned_from_frd: Attitude quaternion (w, x, y, z).
            rates_frd_rad_s: Angular rates in body axes; not finite counts as 0.
        """
        norm = math.sqrt(sum(c * c for c in ned_from_frd)) if _finite(ned_from_frd) else 0.0
        if abs(norm - 1.0) > 0.02:
            return False
        w, x, y, z = (c / norm for c in ned_from_frd)
        if not _finite(rates_frd_rad_s):
            rates_frd_rad_s = (0.0, 0.0, 0.0)
        with self._lock:
            return self._attitudes.add(_Attitude(at_ns, (w, x, y, z), rates_frd_rad_s))

    def add_position(
        self, at_ns: int, ned_m: Vector, velocity_ned_m_s: Vector | None = None
    ) -> bool:
        """Add a local position; False when it is unusable.

        Args:
            at_ns: Stamp, source clock.
            ned_m: Position in the estimator's local frame, m.
            velocity_ned_m_s: Velocity, m/s; None or not finite forbids extrapolation.
        """
        if not _finite(ned_m):
            return False
        if velocity_ned_m_s is not None and not (
            _finite(velocity_ned_m_s)
            and math.hypot(*velocity_ned_m_s) <= self._limits.max_speed_m_s
        ):
            velocity_ned_m_s = None
        with self._lock:
            return self._positions.add(_Position(at_ns, ned_m, velocity_ned_m_s))

    def add_range(self, at_ns: int, slant_m: float, min_m: float, max_m: float) -> bool:
        """Add a range along the body's down axis; False when it is unusable.

        The height of the body origin over flat ground is the down part, in NED, of the vector
        from the origin to the point hit: ``R[2] . (offset + (0, 0, slant))``; without an offset
        that is ``slant * cos(tilt)``.

        Args:
            at_ns: Stamp, source clock.
            slant_m: Measured range, m.
            min_m: Smallest range of the sensor; a reading at or under it is none.
            max_m: Largest range of the sensor; a reading at or over it is none.
        """
        if not _finite((slant_m, min_m, max_m)) or not max(0.0, min_m) < slant_m < max_m:
            return False
        with self._lock:
            # The cosine of the tilt forgives an older attitude than a direction on the ground does.
            attitude = self._attitude_at(at_ns, self._limits.attitude_gap_ns)
            if attitude is None:
                return False
            down_of_body = matrix_from_quaternion(attitude)[2]
            if down_of_body[2] < math.cos(self._limits.max_tilt_rad):
                return False
            x_m, y_m, z_m = self._rangefinder_offset_frd_m
            agl_m = float(down_of_body @ (x_m, y_m, z_m + slant_m))
            return self._heights.add(_Height(at_ns, agl_m))

    def learn_ground(self) -> None:
        """Take the vehicle's present position as standing on the ground.

        For an autopilot that reports ON_GROUND while disarmed. A configured ground stays.
        """
        with self._lock:
            newest = self._positions.newest
            if self._configured_ground_m is None and newest is not None:
                self._ground_m = newest.ned_m[2]

    def at(self, at_ns: int) -> Pose | None:
        """The pose at a moment, or None when nothing is known of it.

        Fields that cannot be told (no sample near enough) are None.
        """
        with self._lock:
            return self._pose(at_ns - self._offset_ns)

    def latest(self, now_ns: int) -> Pose | None:
        """The newest pose not after ``now_ns``, stamped with the true time of its attitude.

        Without an attitude the newest position's time is taken. An old pose stays old: its
        ``at_ns`` says so.
        """
        with self._lock:
            newest = self._attitudes.newest or self._positions.newest
            if newest is None:
                return None
            return self._pose(min(newest.at_ns, now_ns - self._offset_ns))

    def _pose(self, at_ns: int) -> Pose | None:
        attitude = self._attitude_at(at_ns, self._limits.attitude_ahead_ns)
        position = self._position_at(at_ns)
        height_m = self._height_at(at_ns, position)
        if attitude is None and position is None and height_m is None:
            return None
        ours_ns = at_ns + self._offset_ns
        pointing = None if self._gimbal is None else self._gimbal.at(ours_ns, attitude)
        return Pose(ours_ns, attitude, position, height_m, pointing)

    def _attitude_at(self, at_ns: int, longest_ahead_ns: int) -> Quaternion | None:
        before, after = self._attitudes.around(at_ns)
        if before is None:
            return None
        if after is not None and after.at_ns - before.at_ns <= self._limits.attitude_gap_ns:
            return slerp(before.ned_from_frd, after.ned_from_frd, _fraction(before, after, at_ns))
        ahead_ns = at_ns - before.at_ns
        if ahead_ns > longest_ahead_ns:
            return None
        return _turned(before.ned_from_frd, before.rates_frd_rad_s, ahead_ns / NS_PER_S)

    def _position_at(self, at_ns: int) -> Vector | None:
        before, after = self._positions.around(at_ns)
        if before is None:
            return None
        if after is not None and after.at_ns - before.at_ns <= self._limits.position_gap_ns:
            fraction = _fraction(before, after, at_ns)
            return _mixed(before.ned_m, after.ned_m, fraction)
        ahead_ns = at_ns - before.at_ns
        if ahead_ns == 0:
            return before.ned_m
        if before.velocity_ned_m_s is None or ahead_ns > self._limits.position_ahead_ns:
            return None
        seconds = ahead_ns / NS_PER_S
        (x, y, z), (vx, vy, vz) = before.ned_m, before.velocity_ned_m_s
        return (x + vx * seconds, y + vy * seconds, z + vz * seconds)

    def _height_at(self, at_ns: int, position: Vector | None) -> float | None:
        height_m: float | None = None
        if self._height_source is not HeightSource.LOCAL:
            height_m = self._range_height_at(at_ns, position)
        if height_m is None and self._height_source is not HeightSource.RANGEFINDER:
            height_m = self._local_height(position)
        return height_m

    def _local_height(self, position: Vector | None) -> float | None:
        if position is None or self._ground_m is None:
            return None
        return self._ground_m - position[2]

    def _range_height_at(self, at_ns: int, position: Vector | None) -> float | None:
        before, after = self._heights.around(at_ns)
        if before is None:
            return None
        if after is not None and after.at_ns - before.at_ns <= self._limits.height_gap_ns:
            fraction = _fraction(before, after, at_ns)
            return before.agl_m + fraction * (after.agl_m - before.agl_m)
        if at_ns - before.at_ns > self._limits.height_hold_ns:
            return None
        then = self._position_at(before.at_ns)
        descended_m = position[2] - then[2] if position and then else 0.0
        return before.agl_m - descended_m

    def _attitude_jumps(self, a: _Attitude, b: _Attitude) -> bool:
        dot = abs(sum(p * q for p, q in zip(a.ned_from_frd, b.ned_from_frd, strict=True)))
        angle_rad = 2 * math.acos(min(1.0, dot))
        # 0.2 rad: two samples of one millisecond apart may differ by their rounding and noise.
        return angle_rad > 0.2 + self._limits.max_rate_rad_s * (b.at_ns - a.at_ns) / NS_PER_S

    def _position_jumps(self, a: _Position, b: _Position) -> bool:
        seconds = (b.at_ns - a.at_ns) / NS_PER_S
        if a.velocity_ned_m_s is None:
            expected, speed_m_s = a.ned_m, self._limits.max_speed_m_s
        else:
            (x, y, z), (vx, vy, vz) = a.ned_m, a.velocity_ned_m_s
            expected = (x + vx * seconds, y + vy * seconds, z + vz * seconds)
            speed_m_s = self._limits.max_speed_change_m_s
        # 1 m: what an estimator may correct at once without it being another frame.
        return math.dist(expected, b.ned_m) > 1.0 + speed_m_s * seconds

    def _height_jumps(self, a: _Height, b: _Height) -> bool:
        allowed_m = 2.0 + self._limits.max_height_rate_m_s * (b.at_ns - a.at_ns) / NS_PER_S
        return abs(b.agl_m - a.agl_m) > allowed_m


def _finite(values: tuple[float, ...]) -> bool:
    return all(map(math.isfinite, values))


def _fraction(before: Stamped, after: Stamped, at_ns: int) -> float:
    return (at_ns - before.at_ns) / (after.at_ns - before.at_ns)


def _mixed(a: Vector, b: Vector, fraction: float) -> Vector:
    x, y, z = (p + fraction * (q - p) for p, q in zip(a, b, strict=True))
    return (x, y, z)


def _turned(ned_from_frd: Quaternion, rates_frd_rad_s: Vector, seconds: float) -> Quaternion:
    """Attitude after turning at constant body rates: ``q * exp(rates * t / 2)``."""
    rate = math.hypot(*rates_frd_rad_s)
    half_rad = rate * seconds / 2
    if half_rad < 1e-9:
        return ned_from_frd
    w2 = math.cos(half_rad)
    x2, y2, z2 = (math.sin(half_rad) * r / rate for r in rates_frd_rad_s)
    w, x, y, z = ned_from_frd
    return (
        w * w2 - x * x2 - y * y2 - z * z2,
        w * x2 + x * w2 + y * z2 - z * y2,
        w * y2 - x * z2 + y * w2 + z * x2,
        w * z2 + x * y2 - y * x2 + z * w2,
    )
