"""Samples of the autopilot's estimator, and the resets of its local frame that they show.

A reset moves the local frame: by a known shift where the step is plain, into another epoch where it is not. The ground
below moves with the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from firmware_bridge.frame_history import FrameHistory
from firmware_bridge.rangefinders import RangeHeights
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
from firmware_bridge.track import StampedSample, Track
from landing.estimator import FrameShift
from landing.geometry import Vector

TOLD_NS = 500_000_000  # A step so near to the autopilot's own word of a reset is that reset
COUNTED_NS = NS_PER_S  # So long after a report of its count of resets the autopilot still counts
STANDING_NS = NS_PER_S  # For so long after the ground was learnt the vehicle may still stand on it


@dataclass(frozen=True)
class PoseLimits:
    """Limits of interpolation, extrapolation and plausibility."""

    keep_ns: int = 5 * NS_PER_S  # Age at which samples are forgotten
    attitude_gap_ns: int = 150_000_000  # Longest gap interpolated across
    attitude_ahead_ns: int = 60_000_000  # Longest extrapolation past the newest sample, at its body rates
    position_gap_ns: int = 400_000_000  # Longest gap interpolated across
    position_ahead_ns: int = 250_000_000  # Longest extrapolation, at the newest sample's velocity
    height_gap_ns: int = 500_000_000  # Longest gap interpolated across
    height_hold_ns: int = 500_000_000  # Longest hold of the last height, corrected by the vertical movement
    max_speed_m_s: float = 60.0  # A faster velocity is not valid
    max_height_rate_m_s: float = 25.0  # Two heights that imply more than this, and 2 m, are a jump
    max_tilt_rad: float = math.radians(45.0)  # Beyond this tilt a slant range gives no height
    resets: ResetLimits = field(default_factory=ResetLimits)


class EstimatorTracks:
    """Tracks of attitude, position and height in one source clock. Not thread-safe.

    Args:
        limits: Limits of the samples.
        ground_down_m: Configured down coordinate of the ground, m; None where it is learnt.
        own_heading: The camera turns with the vehicle; a gimbal's own estimator keeps its heading in a reset.

    Attributes:
        ground_m: Down coordinate of the ground in the newest frame, m; None where it is not known.
        valid: The estimator has a position.
    """

    def __init__(self, limits: PoseLimits, ground_down_m: float | None, own_heading: bool) -> None:
        self._limits = limits
        self._rule = ResetRule(limits.resets)
        self.attitudes: Track[Attitude] = Track(limits.keep_ns, self._attitude_jumps, self._attitude_parted)
        self.positions: Track[Position] = Track(limits.keep_ns, self._position_jumps, self._position_parted)
        self.heights = RangeHeights(limits.keep_ns, limits.max_height_rate_m_s)
        self.frames = FrameHistory()
        self.valid = True
        self._configured_ground_m = self.ground_m = ground_down_m
        self._own_heading = own_heading
        self._learnt_ns: int | None = None
        self._told_ns: int | None = None
        self._counted_ns: int | None = None
        self._drift = InnovationSum(limits.resets.creep_ns)
        self._heading_drift = InnovationSum(limits.resets.creep_ns)
        self._drift_resets = 0
        self._settling: tuple[int, Vector] | None = None
        self._turned = AttitudeInnovation(0.0, 0.0, 0.0, 0.0)

    @property
    def position_resets(self) -> int:
        """Number of jumps of the position since the start."""
        return self.positions.resets + self._drift_resets

    def clear(self) -> None:
        """Forget all samples and a learnt ground; the local frame is another one from then on."""
        self.frames.begin_anew()
        self.valid = True
        self._told_ns = self._counted_ns = self._learnt_ns = self._settling = None
        for part in (self._drift, self._heading_drift, self.attitudes, self.positions, self.heights):
            part.clear()
        self.ground_m = self._configured_ground_m

    def add_attitude(self, sample: Attitude) -> bool:
        """Take an attitude; False when it is out of order or held back as a jump."""
        before, resets = self.attitudes.newest, self.attitudes.resets
        taken = self.attitudes.add(sample)
        if taken and before is not None and resets == self.attitudes.resets:
            self._add_heading_drift(before, sample)
        return taken

    def add_position(self, sample: Position) -> bool:
        """Take a position; False when it is out of order or held back as a jump."""
        before, resets = self.positions.newest, self.positions.resets
        taken = self.positions.add(sample)
        if taken and before is not None and resets == self.positions.resets:
            self._add_drift(before, sample)
        return taken

    def learn_ground(self) -> None:
        """Take the present position as standing on the ground; a configured ground stays."""
        newest = self.positions.newest
        if self._configured_ground_m is None and newest is not None:
            self.ground_m = newest.ned_m[2]
            self._learnt_ns = newest.at_ns

    def told_of_reset(self) -> None:
        """Take the autopilot's own word that its estimator was reset about now."""
        newest = self.positions.newest or self.attitudes.newest
        if newest is None:
            return
        self._told_ns = newest.at_ns
        self.attitudes.confirm()
        self.positions.confirm()

    def counts_resets(self) -> None:
        """Take a report of the autopilot's count of its resets: what steps is told."""
        newest = self.positions.newest
        self._counted_ns = None if newest is None else newest.at_ns

    def set_valid(self, valid: bool) -> None:
        """Take the estimator's own word on its position; a position that returns is in another frame."""
        if valid and not self.valid:
            newest = self.positions.newest
            self._move(None if newest is None else newest.at_ns, None)
        self.valid = valid

    def position_between(self, before: Position, after: Position | None, at_ns: int) -> Vector | None:
        """Interpolate, or extrapolate from `before`; None across too long a gap. NED, m."""
        if after is not None and after.at_ns - before.at_ns <= self._limits.position_gap_ns:
            part = fraction(before, after, at_ns)
            (ax, ay, az), (bx, by, bz) = before.ned_m, after.ned_m
            return (ax + part * (bx - ax), ay + part * (by - ay), az + part * (bz - az))
        ahead_ns = at_ns - before.at_ns
        if ahead_ns == 0:
            return before.ned_m
        if before.velocity_ned_m_s is None or ahead_ns > self._limits.position_ahead_ns:
            return None
        seconds = ahead_ns / NS_PER_S
        (x, y, z), (vx, vy, vz) = before.ned_m, before.velocity_ned_m_s
        return (x + vx * seconds, y + vy * seconds, z + vz * seconds)

    def _told(self, at_ns: int) -> bool:
        return self._told_ns is not None and abs(at_ns - self._told_ns) <= TOLD_NS

    def _counted(self, at_ns: int) -> bool:
        return self._counted_ns is not None and at_ns - self._counted_ns <= COUNTED_NS

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
        self._heading_drift.clear()
        self._move(b.at_ns, self._turn_about_vehicle(turn.step_rad, b.at_ns) if known else None)

    def _turn_about_vehicle(self, heading_rad: float, at_ns: int) -> FrameShift | None:
        """Return a turn of the frame about the vehicle; None where its position is not known."""
        before, after = self.positions.around(at_ns)
        if before is None or not self._own_heading:
            return None
        centre = self.position_between(before, after, at_ns)
        return None if centre is None else FrameShift.turn_about(heading_rad, centre)

    def _position_parted(self, a: Position, b: Position) -> None:
        known = self._rule.size_known(a, b)
        self._drift.clear()
        self._step(b.at_ns, position_innovation(a, b), known)
        if known:
            self._settling = (b.at_ns + self._limits.resets.settle_ns, (0.0, 0.0, 0.0))

    def _add_drift(self, a: Position, b: Position) -> None:
        left_m = position_innovation(a, b)
        total_m = self._drift.add(b.at_ns, left_m)
        if a.velocity_ned_m_s is None or b.velocity_ned_m_s is None:
            self._drift.clear()
        elif self._rule.creeps(total_m, a, b, self._told(b.at_ns), self._counted(b.at_ns)):
            # A step taken over bit by bit goes into the velocity as well, so the sum is only a part of it.
            known = self._drift.is_one_step
            self._drift.clear()
            self._drift_resets += 1
            self._step(b.at_ns, total_m, known)
        elif self._settling is not None:
            self._settle(b.at_ns, left_m, *self._settling)

    def _settle(self, at_ns: int, left_m: Vector, until_ns: int, total_m: Vector) -> None:
        """Sum up the corrections after a step, and move the frame by them at the end."""
        x, y, z = (p + q for p, q in zip(total_m, left_m, strict=True))
        if at_ns < until_ns:
            self._settling = (until_ns, (x, y, z))
            return
        self._settling = None
        if math.hypot(x, y, z) > self._limits.resets.settled_m:
            self._drift.clear()
            self._step(at_ns, (x, y, z), known=True)

    def _add_heading_drift(self, a: Attitude, b: Attitude) -> None:
        turn = self._turned  # of a and b, which did not jump
        step_rad, spread_rad, _ = self._heading_drift.add(b.at_ns, (turn.step_rad, turn.spread_rad, 0.0))
        total_rad = beyond(step_rad, spread_rad)
        if a.rates_frd_rad_s is None or b.rates_frd_rad_s is None:
            self._heading_drift.clear()
        elif self._rule.heading_turns(total_rad, a, b, self._told(b.at_ns), self._counted(b.at_ns)):
            known = self._heading_drift.is_one_step
            self._heading_drift.clear()
            self.attitudes.resets += 1
            self._move(b.at_ns, self._turn_about_vehicle(total_rad, b.at_ns) if known else None)

    def _step(self, at_ns: int, step_m: Vector, known: bool) -> None:
        """Move the frame, and the ground with it; a vehicle on the ground learns the ground anew instead."""
        self._settling = None
        standing = self._learnt_ns is not None and at_ns - self._learnt_ns <= STANDING_NS
        if known and self.ground_m is not None and not standing:
            self.ground_m += step_m[2]
        elif abs(step_m[2]) > self._limits.resets.vertical_m:
            self.ground_m = None
        self._move(at_ns, FrameShift(0.0, step_m) if known else None)

    def _move(self, at_ns: int | None, shift: FrameShift | None) -> None:
        self.frames.move(at_ns, shift)
        self.heights.frame_moved()


def fraction(before: StampedSample, after: StampedSample, at_ns: int) -> float:
    """Place of a moment between two samples, 0 to 1."""
    return (at_ns - before.at_ns) / (after.at_ns - before.at_ns)
