"""Pose of the vehicle at the moment a frame was captured.

Attitude, local position and height arrive as separate messages at their own rates. Each is kept as a short track of
stamped samples; a pose is put together by interpolating every track at the asked moment. A gap, a jump or silence gives
None in the pose. A pose names the local frame it is given in.
"""

from __future__ import annotations

import math
import threading
from enum import Enum

from firmware_bridge.estimator_tracks import EstimatorTracks, PoseLimits, fraction
from firmware_bridge.gimbal import GimbalHistory
from firmware_bridge.rangefinders import Height
from firmware_bridge.resets import NS_PER_S, Attitude, Position
from landing.estimator import EstimatorFrame
from landing.geometry import Quaternion, Vector, matrix_from_quaternion, multiplied, slerp
from landing.types import FARTHEST_M, Pose


class HeightSource(str, Enum):
    """Source of the height above ground."""

    RANGEFINDER = "rangefinder"  # DISTANCE_SENSOR alone
    LOCAL = "local"  # Local position above the ground reference alone
    AUTO = "auto"  # The rangefinder, and the local position while that gives no height


class PoseHistory:
    """The last seconds of attitude, position and height; thread-safe, bounded.

    Samples carry the stamps of one source clock. `rebase` tells the offset of that clock to ours, so a better estimate
    moves the whole history at once and keeps its order. Questions and answers are in our monotonic time.

    Args:
        rangefinder_offset_frd_m: Rangefinder from the body origin, body axes, m.
        ground_down_m: Down coordinate of the ground in the local frame, m; None learns it (see `learn_ground`).
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
        self._offset_ns = 0
        self._tracks = EstimatorTracks(self._limits, ground_down_m, own_heading=gimbal is None)
        self._attitudes, self._positions = self._tracks.attitudes, self._tracks.positions
        self._heights, self._frames = self._tracks.heights, self._tracks.frames
        self._lock = threading.Lock()

    def rebase(self, offset_ns: int) -> None:
        """Set our monotonic time minus the time of the stamps (0 when they are the same)."""
        with self._lock:
            self._offset_ns = offset_ns

    def clear(self) -> None:
        """Forget all, as after a reboot of the autopilot; the local frame is another one from then on."""
        with self._lock:
            self._tracks.clear()

    @property
    def position_resets(self) -> int:
        """Number of jumps of the estimator's position since the start."""
        with self._lock:
            return self._tracks.position_resets

    @property
    def heading_resets(self) -> int:
        """Number of jumps of the estimator's attitude since the start."""
        with self._lock:
            return self._attitudes.resets

    @property
    def frame(self) -> EstimatorFrame:
        """The local frame of the newest samples."""
        with self._lock:
            return self._frames.newest

    @property
    def height_problem(self) -> str | None:
        """Reason why no rangefinder heard can be believed, in words; None while one can."""
        with self._lock:
            return self._heights.problem

    @property
    def stuck_rangefinders(self) -> dict[int, float]:
        """Rangefinders left out because they do not follow the height: id to last height, m."""
        with self._lock:
            return self._heights.stuck

    @property
    def ground_known(self) -> bool:
        """Return whether a height from local position has its reference, configured or learnt."""
        with self._lock:
            return self._tracks.ground_m is not None

    def add_attitude(self, at_ns: int, ned_from_frd: Quaternion, rates_frd_rad_s: Vector | None = None) -> bool:
        """Add an attitude; False when it is unusable (not finite, not unit, out of order, a jump).

        The stamp is of the source clock, the quaternion (w, x, y, z) from FRD to NED. Rates are in body
        axes; None or not finite: not known.
        """
        w, x, y, z = ned_from_frd
        norm = math.sqrt(w * w + x * x + y * y + z * z)
        if not abs(norm - 1.0) <= 0.02:
            return False
        if rates_frd_rad_s is not None and not _finite(rates_frd_rad_s):
            rates_frd_rad_s = None
        sample = Attitude.of(at_ns, (w / norm, x / norm, y / norm, z / norm), rates_frd_rad_s)
        with self._lock:
            return self._tracks.add_attitude(sample)

    def add_position(self, at_ns: int, ned_m: Vector, velocity_ned_m_s: Vector | None = None) -> bool:
        """Add a local position, m; False when it is unusable (not finite, too far, out of order, a jump).

        The stamp is of the source clock. A velocity (m/s) that is None or not finite forbids extrapolation.
        """
        if not all(abs(c) <= FARTHEST_M / 2 for c in ned_m):  # half, so that an extrapolated pose is valid too
            return False
        if velocity_ned_m_s is not None and not (
            _finite(velocity_ned_m_s) and math.hypot(*velocity_ned_m_s) <= self._limits.max_speed_m_s
        ):
            velocity_ned_m_s = None
        with self._lock:
            return self._tracks.add_position(Position(at_ns, ned_m, velocity_ned_m_s))

    def add_range(self, at_ns: int, slant_m: float, min_m: float, max_m: float, sensor: int = 0) -> bool:
        """Add a range along the body's down axis, m; False when it is unusable.

        The height of the body origin over flat ground is the down part, in NED, of the vector from the
        origin to the point hit: ``R[2] . (offset + (0, 0, slant))``; without an offset that is ``slant * cos(tilt)``.
        A reading at or beyond the sensor's smallest or largest range is not valid.
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
            return self._heights.add(sensor, Height(at_ns, agl_m), self._position_at(at_ns))

    def learn_ground(self) -> None:
        """Take the present position as standing on the ground (ON_GROUND, disarmed); a configured ground stays."""
        with self._lock:
            self._tracks.learn_ground()

    def told_of_reset(self) -> None:
        """Take the autopilot's own word that its estimator was reset about now.

        A step that is held back is believed at once, and small ones count for a while. Where samples are missing around
        it the size is not known.
        """
        with self._lock:
            self._tracks.told_of_reset()

    def counts_resets(self) -> None:
        """Take a report of the autopilot's count of its resets: it takes no step bit by bit, untold."""
        with self._lock:
            self._tracks.counts_resets()

    def set_valid(self, valid: bool) -> None:
        """Take the estimator's own word whether its position can be used; while it cannot, poses have none."""
        with self._lock:
            self._tracks.set_valid(valid)

    def at(self, at_ns: int) -> Pose | None:
        """Return the pose at a moment, or None when nothing is known of it; unknown fields are None."""
        with self._lock:
            return self._pose(at_ns - self._offset_ns)

    def latest(self, now_ns: int) -> Pose | None:
        """Return the newest pose not after ``now_ns``, stamped with the true time of its attitude.

        Without an attitude the newest position's time is taken. An old pose stays old: its ``at_ns`` says so.
        """
        with self._lock:
            newest = self._attitudes.newest or self._positions.newest
            if newest is None:
                return None
            return self._pose(min(newest.at_ns, now_ns - self._offset_ns))

    def _pose(self, at_ns: int) -> Pose | None:
        frame, attitude, position = self._frames.at(at_ns), None, None
        if frame is not None:
            attitude = self._attitude_at(at_ns, self._limits.attitude_ahead_ns)
            position = self._position_at(at_ns) if self._tracks.valid else None
        height_m = self._height_at(at_ns, position)
        if attitude is None and position is None and height_m is None:
            return None
        ours_ns = at_ns + self._offset_ns
        pointing = None if self._gimbal is None else self._gimbal.at(ours_ns, attitude)
        frame = frame or self._frames.newest
        return Pose(ours_ns, attitude, position, height_m, pointing, frame)

    def _attitude_at(self, at_ns: int, longest_ahead_ns: int) -> Quaternion | None:
        before, after = self._attitudes.around(at_ns)
        if before is None:
            return None
        if after is not None and after.at_ns - before.at_ns <= self._limits.attitude_gap_ns:
            return slerp(before.ned_from_frd, after.ned_from_frd, fraction(before, after, at_ns))
        ahead_ns = at_ns - before.at_ns
        if ahead_ns > longest_ahead_ns or (after is None and self._attitudes.suspect is not None):
            return None
        if before.rates_frd_rad_s is None:
            return before.ned_from_frd
        return _turned_by(before.ned_from_frd, before.rates_frd_rad_s, ahead_ns / NS_PER_S)

    def _position_at(self, at_ns: int) -> Vector | None:
        before, after = self._positions.around(at_ns)
        if before is None or (after is None and self._positions.suspect is not None):
            return None
        return self._tracks.position_between(before, after, at_ns)

    def _height_at(self, at_ns: int, position: Vector | None) -> float | None:
        height_m: float | None = None
        # Down in the newest frame: the ground, and a height measured before, may be of another.
        down_m = None if position is None else self._frames.down_in_newest(position[2], at_ns)
        if self._height_source is not HeightSource.LOCAL:
            height_m = self._range_height_at(at_ns, down_m)
        if height_m is None and self._height_source is not HeightSource.RANGEFINDER:
            ground_m = self._tracks.ground_m
            height_m = None if down_m is None or ground_m is None else ground_m - down_m
        return height_m

    def _range_height_at(self, at_ns: int, down_m: float | None) -> float | None:
        before, after = self._heights.around(at_ns)
        if before is None:
            return None
        if after is not None and after.at_ns - before.at_ns <= self._limits.height_gap_ns:
            return before.agl_m + fraction(before, after, at_ns) * (after.agl_m - before.agl_m)
        if at_ns - before.at_ns > self._limits.height_hold_ns:
            return None
        then = self._position_at(before.at_ns)
        then_m = None if then is None else self._frames.down_in_newest(then[2], before.at_ns)
        descended_m = 0.0 if down_m is None or then_m is None else down_m - then_m
        return before.agl_m - descended_m


def _finite(values: tuple[float, ...]) -> bool:
    return all(map(math.isfinite, values))


def _turned_by(ned_from_frd: Quaternion, rates_frd_rad_s: Vector, seconds: float) -> Quaternion:
    """Attitude after turning at constant body rates: ``q * exp(rates * t / 2)``."""
    rate = math.hypot(*rates_frd_rad_s)
    half_rad = rate * seconds / 2
    if half_rad < 1e-9:
        return ned_from_frd
    x, y, z = (math.sin(half_rad) * r / rate for r in rates_frd_rad_s)
    return multiplied(ned_from_frd, (math.cos(half_rad), x, y, z))
