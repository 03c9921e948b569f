"""Where the vehicle was, and how it was turned, at the moment a frame was captured.

Attitude, local position and height arrive as separate messages at their own rates. Each is kept as a short track of
stamped samples; a pose is put together by interpolating every track at the asked moment. What a track cannot answer
honestly (a gap, a jump, silence) is None in the pose.

A pose names the local frame it is given in. An estimator reset moves that frame: by a known shift where the step is
plain, into another epoch where it is not.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from enum import Enum

from firmware_bridge.frame_history import FrameHistory
from firmware_bridge.gimbal import GimbalHistory
from firmware_bridge.rangefinders import Height, RangeHeights
from firmware_bridge.resets import (
    NS_PER_S,
    TILT_GAP_NS,
    Attitude,
    AttitudeInnovation,
    InnovationSum,
    Position,
    ResetLimits,
    ResetRule,
    attitude_innovation,
    beyond,
    position_innovation,
)
from firmware_bridge.track import Stamped, Track
from landing.estimator import EstimatorFrame, FrameShift
from landing.geometry import Quaternion, Vector, matrix_from_quaternion, multiplied, slerp
from landing.types import Pose

TOLD_NS = 500_000_000  # A step so near to the time at which the autopilot tells of a reset is that reset
STANDING_NS = NS_PER_S  # For so long after it was learnt the vehicle may still stand on the ground


class HeightSource(str, Enum):
    """Where the height above ground comes from.

    ``RANGEFINDER``: DISTANCE_SENSOR alone. ``LOCAL``: local position above the ground reference alone. ``AUTO``: the
    rangefinder, and the local position while that has nothing to say.
    """

    RANGEFINDER = "rangefinder"
    LOCAL = "local"
    AUTO = "auto"


@dataclass(frozen=True)
class PoseLimits:
    """How far the samples may be stretched."""

    keep_ns: int = 5 * NS_PER_S  # Age at which samples are forgotten
    attitude_gap_ns: int = 150_000_000  # Longest gap interpolated across
    attitude_ahead_ns: int = 60_000_000  # Longest extrapolation past the newest sample, at its body rates
    position_gap_ns: int = 400_000_000  # Longest gap interpolated across
    position_ahead_ns: int = 250_000_000  # Longest extrapolation, at the newest sample's velocity
    height_gap_ns: int = 500_000_000  # Longest gap interpolated across
    height_hold_ns: int = 500_000_000  # Longest hold of the last height, corrected by the vertical movement
    max_speed_m_s: float = 60.0  # A faster velocity is none
    max_height_rate_m_s: float = 25.0  # Two heights that imply more than this, and 2 m, are a jump
    max_tilt_rad: float = math.radians(45.0)  # Beyond this tilt a slant range says nothing of the height
    resets: ResetLimits = field(default_factory=ResetLimits)  # What counts as an estimator reset


class PoseHistory:
    """The last seconds of attitude, position and height; thread-safe, bounded.

    Samples carry the stamps of one source clock; ``rebase`` says how far that clock is from ours, so a better estimate
    of the offset moves the whole history at once and keeps its order. Everything that is asked or answered is in our
    monotonic time.

    Args:
        height_source: Where the height comes from.
        limits: How far samples may be stretched.
        rangefinder_offset_frd_m: Rangefinder from the body origin, body axes, m.
        ground_down_m: Down coordinate of the ground in the local frame (m), for the height from local position; None
            when it is not known (see ``learn_ground``).
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
        self._learnt_ns: int | None = None
        self._offset_ns = 0
        keep_ns = self._limits.keep_ns
        self._rule = ResetRule(self._limits.resets)
        self._attitudes: Track[Attitude] = Track(keep_ns, self._attitude_jumps, self._attitude_parted)
        self._positions: Track[Position] = Track(keep_ns, self._position_jumps, self._position_parted)
        self._heights = RangeHeights(keep_ns, self._limits.max_height_rate_m_s)
        self._creep = InnovationSum(self._limits.resets.creep_ns)
        self._heading_creep = InnovationSum(self._limits.resets.creep_ns)
        self._crept = 0
        self._settling: tuple[int, Vector] | None = None
        self._turned = AttitudeInnovation(0.0, 0.0, 0.0, 0.0)
        self._frames = FrameHistory()
        self._told_ns: int | None = None
        self._valid = True
        self._lock = threading.Lock()

    def rebase(self, offset_ns: int) -> None:
        """Set our monotonic time minus the time of the stamps (0 when they are the same)."""
        with self._lock:
            self._offset_ns = offset_ns

    def clear(self) -> None:
        """Forget all, as after a reboot of the autopilot. A learned ground is forgotten too.

        The local frame is another one from then on.
        """
        with self._lock:
            self._frames.begin_anew()
            self._valid = True
            self._told_ns = self._learnt_ns = self._settling = None
            self._creep.clear()
            self._heading_creep.clear()
            self._attitudes.clear()
            self._positions.clear()
            self._heights.clear()
            self._ground_m = self._configured_ground_m

    @property
    def position_resets(self) -> int:
        """How often the estimator's position has jumped since the start."""
        with self._lock:
            return self._positions.resets + self._crept

    @property
    def heading_resets(self) -> int:
        """How often the estimator's attitude has jumped since the start."""
        with self._lock:
            return self._attitudes.resets

    @property
    def frame(self) -> EstimatorFrame:
        """The local frame of the newest samples."""
        with self._lock:
            return self._frames.newest

    @property
    def height_problem(self) -> str | None:
        """Why no rangefinder that is heard can be believed, in words; None while one can."""
        with self._lock:
            return self._heights.problem

    @property
    def stuck_rangefinders(self) -> dict[int, float]:
        """Rangefinders left out since they do not follow the height, by id, with theirs, m."""
        with self._lock:
            return self._heights.stuck

    @property
    def ground_known(self) -> bool:
        """Whether a height from local position has its reference, configured or learned."""
        with self._lock:
            return self._ground_m is not None

    def add_attitude(self, at_ns: int, ned_from_frd: Quaternion, rates_frd_rad_s: Vector | None = None) -> bool:
        """Add an attitude; False when it is unusable (not finite, not unit, out of order, a jump).

        Args:
            at_ns: Stamp, source clock.
            ned_from_frd: Attitude quaternion (w, x, y, z).
            rates_frd_rad_s: Angular rates in body axes; None or not finite: not known.
        """
        norm = math.sqrt(sum(c * c for c in ned_from_frd)) if _finite(ned_from_frd) else 0.0
        if abs(norm - 1.0) > 0.02:
            return False
        w, x, y, z = (c / norm for c in ned_from_frd)
        if rates_frd_rad_s is not None and not _finite(rates_frd_rad_s):
            rates_frd_rad_s = None
        sample = Attitude.of(at_ns, (w, x, y, z), rates_frd_rad_s)
        with self._lock:
            before, resets = self._attitudes.newest, self._attitudes.resets
            taken = self._attitudes.add(sample)
            if taken and before is not None and resets == self._attitudes.resets:
                self._heading_crept(before, sample)
            return taken

    def add_position(self, at_ns: int, ned_m: Vector, velocity_ned_m_s: Vector | None = None) -> bool:
        """Add a local position; False when it is unusable.

        Args:
            at_ns: Stamp, source clock.
            ned_m: Position in the estimator's local frame, m.
            velocity_ned_m_s: Velocity, m/s; None or not finite forbids extrapolation.
        """
        if not _finite(ned_m):
            return False
        if velocity_ned_m_s is not None and not (
            _finite(velocity_ned_m_s) and math.hypot(*velocity_ned_m_s) <= self._limits.max_speed_m_s
        ):
            velocity_ned_m_s = None
        sample = Position(at_ns, ned_m, velocity_ned_m_s)
        with self._lock:
            before, resets = self._positions.newest, self._positions.resets
            taken = self._positions.add(sample)
            if taken and before is not None and resets == self._positions.resets:
                self._position_crept(before, sample)
            return taken

    def add_range(self, at_ns: int, slant_m: float, min_m: float, max_m: float, sensor: int = 0) -> bool:
        """Add a range along the body's down axis; False when it is unusable.

        The height of the body origin over flat ground is the down part, in NED, of the vector from the origin to the
        point hit: ``R[2] . (offset + (0, 0, slant))``; without an offset that is ``slant * cos(tilt)``.

        Args:
            at_ns: Stamp, source clock.
            slant_m: Measured range, m.
            min_m: Smallest range of the sensor; a reading at or under it is none.
            max_m: Largest range of the sensor; a reading at or over it is none.
            sensor: Id of the rangefinder.
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
        """Take the vehicle's present position as standing on the ground.

        For an autopilot that reports ON_GROUND while disarmed. A configured ground stays.
        """
        with self._lock:
            newest = self._positions.newest
            if self._configured_ground_m is None and newest is not None:
                self._ground_m = newest.ned_m[2]
                self._learnt_ns = newest.at_ns

    def told_of_reset(self) -> None:
        """Take the autopilot's own word that its estimator was reset about now.

        A step that is held back is believed at once, and small ones count until `TOLD_NS` from here. Where samples are
        missing around it the size is not known.
        """
        with self._lock:
            newest = self._positions.newest or self._attitudes.newest
            if newest is None:
                return
            self._told_ns = newest.at_ns
            self._attitudes.confirm()
            self._positions.confirm()

    def set_valid(self, valid: bool) -> None:
        """Take the estimator's own word for whether its position can be used.

        While it cannot poses have no position; when it can again its frame is another one.
        """
        with self._lock:
            if valid and not self._valid:
                newest = self._positions.newest
                self._move(None if newest is None else newest.at_ns, None)
            self._valid = valid

    def at(self, at_ns: int) -> Pose | None:
        """The pose at a moment, or None when nothing is known of it.

        Fields that cannot be told (no sample near enough) are None.
        """
        with self._lock:
            return self._pose(at_ns - self._offset_ns)

    def latest(self, now_ns: int) -> Pose | None:
        """The newest pose not after ``now_ns``, stamped with the true time of its attitude.

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
            position = self._position_at(at_ns) if self._valid else None
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
            return slerp(before.ned_from_frd, after.ned_from_frd, _fraction(before, after, at_ns))
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
        return self._position_between(before, after, at_ns)

    def _position_between(self, before: Position, after: Position | None, at_ns: int) -> Vector | None:
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
        # Down in the newest frame: the ground, and a height measured before, may be of another.
        down_m = None if position is None else self._frames.down_in_newest(position[2], at_ns)
        if self._height_source is not HeightSource.LOCAL:
            height_m = self._range_height_at(at_ns, down_m)
        if height_m is None and self._height_source is not HeightSource.RANGEFINDER:
            height_m = None if down_m is None or self._ground_m is None else self._ground_m - down_m
        return height_m

    def _range_height_at(self, at_ns: int, down_m: float | None) -> float | None:
        before, after = self._heights.around(at_ns)
        if before is None:
            return None
        if after is not None and after.at_ns - before.at_ns <= self._limits.height_gap_ns:
            fraction = _fraction(before, after, at_ns)
            return before.agl_m + fraction * (after.agl_m - before.agl_m)
        if at_ns - before.at_ns > self._limits.height_hold_ns:
            return None
        then = self._position_at(before.at_ns)
        then_m = None if then is None else self._frames.down_in_newest(then[2], before.at_ns)
        descended_m = 0.0 if down_m is None or then_m is None else down_m - then_m
        return before.agl_m - descended_m

    # --- the estimator's resets ---

    def _told(self, at_ns: int) -> bool:
        return self._told_ns is not None and abs(at_ns - self._told_ns) <= TOLD_NS

    def _attitude_jumps(self, a: Attitude, b: Attitude) -> bool:
        self._turned = attitude_innovation(a, b)
        return self._rule.attitude_jumps(self._turned, a, b, self._told(b.at_ns))

    def _position_jumps(self, a: Position, b: Position) -> bool:
        return self._rule.position_jumps(a, b, self._told(b.at_ns))

    def _attitude_parted(self, a: Attitude, b: Attitude) -> None:
        turn, limits = attitude_innovation(a, b), self._limits.resets
        gap_ns = b.at_ns - a.at_ns
        known = (
            a.rates_frd_rad_s is not None
            and b.rates_frd_rad_s is not None
            and turn.spread_rad <= limits.heading_rad
            and (turn.tilt_rad <= limits.tilt_rad or gap_ns > TILT_GAP_NS)
            and gap_ns <= limits.known_gap_ns
        )
        self._heading_creep.clear()
        self._move(b.at_ns, self._turn(turn.step_rad, b.at_ns) if known else None)

    def _turn(self, heading_rad: float, at_ns: int) -> FrameShift | None:
        """A turn about the vehicle, which has not turned; None where its place is not known.

        A gimbal's own estimator keeps its heading, so with one the turn says nothing of the camera.
        """
        before, after = self._positions.around(at_ns)
        if before is None or self._gimbal is not None:
            return None
        centre = self._position_between(before, after, at_ns)
        return None if centre is None else FrameShift.turn_about(heading_rad, centre)

    def _position_parted(self, a: Position, b: Position) -> None:
        known = self._rule.size_known(a, b)
        self._creep.clear()
        self._step(b.at_ns, position_innovation(a, b), known)
        if known:
            self._settling = (b.at_ns + self._limits.resets.settle_ns, (0.0, 0.0, 0.0))

    def _position_crept(self, a: Position, b: Position) -> None:
        left_m = position_innovation(a, b)
        total_m = self._creep.add(b.at_ns, left_m)
        if a.velocity_ned_m_s is None or b.velocity_ned_m_s is None:
            self._creep.clear()
        elif self._rule.creeps(total_m, a, b, self._told(b.at_ns)):
            # What the estimator takes over bit by bit goes into its velocity as well, so that the sum is but a part of
            # it.
            known = self._creep.is_one_step
            self._creep.clear()
            self._crept += 1
            self._step(b.at_ns, total_m, known)
        elif self._settling is not None:
            self._settle(b.at_ns, left_m, *self._settling)

    def _settle(self, at_ns: int, left_m: Vector, until_ns: int, total_m: Vector) -> None:
        """Gathers what is pulled in after a step, and moves the frame by it at the end."""
        x, y, z = (p + q for p, q in zip(total_m, left_m, strict=True))
        if at_ns < until_ns:
            self._settling = (until_ns, (x, y, z))
            return
        self._settling = None
        if math.hypot(x, y, z) > self._limits.resets.settled_m:
            self._creep.clear()
            self._step(at_ns, (x, y, z), known=True)

    def _heading_crept(self, a: Attitude, b: Attitude) -> None:
        turn = self._turned  # of a and b, which did not jump
        step_rad, spread_rad, _ = self._heading_creep.add(b.at_ns, (turn.step_rad, turn.spread_rad, 0.0))
        total_rad = beyond(step_rad, spread_rad)
        if a.rates_frd_rad_s is None or b.rates_frd_rad_s is None:
            self._heading_creep.clear()
        elif self._rule.heading_moved(total_rad, a, b, self._told(b.at_ns)):
            known = self._heading_creep.is_one_step
            self._heading_creep.clear()
            self._attitudes.resets += 1
            self._move(b.at_ns, self._turn(total_rad, b.at_ns) if known else None)

    def _step(self, at_ns: int, step_m: Vector, known: bool) -> None:
        """Moves the frame by a step of the position, and with it the ground below.

        A vehicle that stands on the ground learns it anew instead.
        """
        self._settling = None
        standing = self._learnt_ns is not None and at_ns - self._learnt_ns <= STANDING_NS
        if known and self._ground_m is not None and not standing:
            self._ground_m += step_m[2]
        elif abs(step_m[2]) > self._limits.resets.vertical_m:
            self._ground_m = None
        self._move(at_ns, FrameShift(0.0, step_m) if known else None)

    def _move(self, at_ns: int | None, shift: FrameShift | None) -> None:
        self._frames.move(at_ns, shift)
        self._heights.frame_moved()


def _finite(values: tuple[float, ...]) -> bool:
    return all(map(math.isfinite, values))


def _fraction(before: Stamped, after: Stamped, at_ns: int) -> float:
    return (at_ns - before.at_ns) / (after.at_ns - before.at_ns)


def _mixed(a: Vector, b: Vector, fraction: float) -> Vector:
    x, y, z = (p + fraction * (q - p) for p, q in zip(a, b, strict=True))
    return (x, y, z)


def _turned_by(ned_from_frd: Quaternion, rates_frd_rad_s: Vector, seconds: float) -> Quaternion:
    """Attitude after turning at constant body rates: ``q * exp(rates * t / 2)``."""
    rate = math.hypot(*rates_frd_rad_s)
    half_rad = rate * seconds / 2
    if half_rad < 1e-9:
        return ned_from_frd
    x, y, z = (math.sin(half_rad) * r / rate for r in rates_frd_rad_s)
    return multiplied(ned_from_frd, (math.cos(half_rad), x, y, z))
