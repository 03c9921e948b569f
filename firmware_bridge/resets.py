"""Estimator resets: steps between two samples that the vehicle's own velocity and rates deny.

What an estimator says of velocity and angular rate, integrated over the true time between two samples, predicts the
second from the first. What is left is the innovation. Its limits do not widen with the gap: a step is a step however
long nothing was heard.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from landing.geometry import Quaternion, Vector, down_of, heading_of, heading_rate_of

NS_PER_S = 1_000_000_000
TILT_GAP_NS = 120_000_000

OVERSHOOT = 0.4  # Between two samples a rate may exceed both by this part of their difference


@dataclass(frozen=True)
class ResetLimits:
    """Largest innovations of ordinary flight."""

    horizontal_m: float = 0.5  # Position, north and east together
    vertical_m: float = 0.3  # Down coordinate of the position
    heading_rad: float = math.radians(2.5)  # Heading
    tilt_rad: float = math.radians(25.0)  # Roll and pitch together, between samples at most `TILT_GAP_NS` apart
    stamp_error_s: float = 0.02  # Error of a time stamp; a moving vehicle adds so much of its way or turn
    told_share: float = 0.3  # Part of the limits that counts where the autopilot itself tells of a reset
    # The same for innovations that add up, where it counts its resets and tells of none: velocity and rates wander. PX4
    # 1.18's simulator: 0.51 m in 1 s in one second of twenty of a hover, in landings 1.0 m
    counted_share: float = 3.0
    unknown_speed_m_s: float = 25.0  # Speed allowed for where a sample comes without velocity
    unknown_rate_rad_s: float = math.radians(200.0)  # Rate allowed for where a sample comes without rates
    # A step together with a change of velocity beyond this much, and this much a second,
    # has no known size: the estimator had drifted before
    velocity_m_s: float = 0.5
    velocity_m_s2: float = 12.0
    # Innovations within this time add up: a step may be spread over some samples. Largest sums of ArduCopter 4.6.2's
    # simulator in 1 s of gusts: 0.29 m, 0.14 m down.
    creep_ns: int = 1_000_000_000
    known_gap_ns: int = 600_000_000  # After a longer gap the size of a step is not known
    settle_ns: int = 800_000_000  # For this time after a step the estimator still pulls the position in
    settled_m: float = 0.15  # A larger correction within this time moves the frame again


class Attitude(NamedTuple):
    """One attitude sample."""

    at_ns: int  # Stamp, source clock
    ned_from_frd: Quaternion  # Attitude quaternion (w, x, y, z)
    rates_frd_rad_s: Vector | None  # Angular rates in body axes; None where they are not known
    # Headings and their rates by both measures of `landing.geometry.heading_of`
    headings_rad: tuple[float, float]
    heading_rates_rad_s: tuple[float, float]
    down_frd: Vector  # The down axis in body axes

    @classmethod
    def of(cls, at_ns: int, ned_from_frd: Quaternion, rates_frd_rad_s: Vector | None) -> Attitude:
        """The sample, with what the comparison with its neighbours needs."""
        rates = (0.0, 0.0)
        if rates_frd_rad_s is not None:
            rates = heading_rate_of(ned_from_frd, rates_frd_rad_s)
        headings, down = heading_of(ned_from_frd), down_of(ned_from_frd)
        return cls(at_ns, ned_from_frd, rates_frd_rad_s, headings, rates, down)


class Position(NamedTuple):
    """One position sample."""

    at_ns: int  # Stamp, source clock
    ned_m: Vector  # In the estimator's local frame, m
    velocity_ned_m_s: Vector | None  # Velocity, m/s; None where it is not known


def position_innovation(a: Position, b: Position) -> Vector:
    """Return the movement from a to b less their mean velocity times the time, NED, m.

    The mean of both velocities is exact for a constant acceleration (trapezoidal rule).
    """
    if a.velocity_ned_m_s is None or b.velocity_ned_m_s is None:
        way = tuple(q - p for p, q in zip(a.ned_m, b.ned_m, strict=True))
        return (way[0], way[1], way[2])
    half_s = 0.5 * (b.at_ns - a.at_ns) / NS_PER_S
    (ax, ay, az), (avx, avy, avz) = a.ned_m, a.velocity_ned_m_s
    (bx, by, bz), (bvx, bvy, bvz) = b.ned_m, b.velocity_ned_m_s
    return (bx - ax - half_s * (avx + bvx), by - ay - half_s * (avy + bvy), bz - az - half_s * (avz + bvz))


class AttitudeInnovation(NamedTuple):
    """The innovation of an attitude."""

    # Part of the heading's turn that no rate between those of the two samples explains; 0 inside
    heading_rad: float
    step_rad: float  # Turn of the heading less the mean rate times the time: the size of a reset
    spread_rad: float  # Uncertainty of the step, since the rate changed
    tilt_rad: float  # Change of the tilt less the mean rates times the time


def attitude_innovation(a: Attitude, b: Attitude) -> AttitudeInnovation:
    """Return the turn from a to b less their mean rates times the time.

    The heading's is the smaller by its two measures.
    """
    seconds = (b.at_ns - a.at_ns) / NS_PER_S
    best: tuple[float, float, float] | None = None
    for before, after, first, last in zip(
        a.headings_rad, b.headings_rad, a.heading_rates_rad_s, b.heading_rates_rad_s, strict=True
    ):
        mean_rad = 0.5 * (first + last) * seconds
        spread_rad = (0.5 + OVERSHOOT) * abs(last - first) * seconds
        step_rad = math.remainder(after - before - mean_rad, 2.0 * math.pi)
        outside_rad = beyond(step_rad, spread_rad)
        if best is None or abs(outside_rad) < abs(best[0]):
            best = (outside_rad, step_rad, spread_rad)
    assert best is not None
    return AttitudeInnovation(*best, _lean(a, b, seconds))


def _lean(a: Attitude, b: Attitude, seconds: float) -> float:
    """The angle between the down axis of b and that of a turned at their mean rates, rad."""
    x, y, z = a.down_frd
    if a.rates_frd_rad_s is not None and b.rates_frd_rad_s is not None:
        half_s = 0.5 * seconds
        (ap, aq, ar), (bp, bq, br) = a.rates_frd_rad_s, b.rates_frd_rad_s
        p, q, r = half_s * (ap + bp), half_s * (aq + bq), half_s * (ar + br)
        x, y, z = x + y * r - z * q, y + z * p - x * r, z + x * q - y * p  # down x turn
    along = x * b.down_frd[0] + y * b.down_frd[1] + z * b.down_frd[2]
    return math.acos(max(-1.0, min(1.0, along / math.sqrt(x * x + y * y + z * z))))


def beyond(value: float, spread: float) -> float:
    """Return the part of a value outside of a band around zero, with its sign."""
    return math.copysign(max(0.0, abs(value) - spread), value)


class InnovationSum:
    """Sums the innovations of the last moments, so that a step in small parts is seen as one."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._parts: deque[tuple[int, Vector]] = deque()
        self._total: Vector = (0.0, 0.0, 0.0)

    def clear(self) -> None:
        """Begins anew."""
        self._parts.clear()
        self._total = (0.0, 0.0, 0.0)

    @property
    def is_one_step(self) -> bool:
        """Return whether one innovation makes up nearly all of the sum."""
        slack = 0.2 * math.hypot(*self._total)
        return any(math.dist(part, self._total) <= slack for _, part in self._parts)

    def add(self, at_ns: int, innovation: Vector) -> Vector:
        """Takes one innovation and returns the sum over the time kept."""
        parts, (x, y, z) = self._parts, self._total
        parts.append((at_ns, innovation))
        x, y, z = x + innovation[0], y + innovation[1], z + innovation[2]
        while at_ns - parts[0][0] > self._keep_ns:
            _, old = parts.popleft()
            x, y, z = x - old[0], y - old[1], z - old[2]
        self._total = (x, y, z)
        return self._total


class ResetRule:
    """Decides whether an innovation is a reset."""

    def __init__(self, limits: ResetLimits) -> None:
        self._limits = limits

    def position_jumps(self, a: Position, b: Position, told: bool = False) -> bool:
        """Return whether the local frame has moved between two positions.

        `told`: the autopilot tells of a reset at about this time.
        """
        seconds = (b.at_ns - a.at_ns) / NS_PER_S
        share = self._limits.told_share if told else 1.0
        return self._moved(position_innovation(a, b), *_speeds(a, b), seconds, share)

    def size_known(self, a: Position, b: Position) -> bool:
        """Return whether the innovation between two positions is the size of a step."""
        if a.velocity_ned_m_s is None or b.velocity_ned_m_s is None:
            return False
        gap_ns, limits = b.at_ns - a.at_ns, self._limits
        jerked_m_s = math.dist(a.velocity_ned_m_s, b.velocity_ned_m_s)
        allowed_m_s = limits.velocity_m_s + limits.velocity_m_s2 * gap_ns / NS_PER_S
        return gap_ns <= limits.known_gap_ns and jerked_m_s <= allowed_m_s

    def creeps(self, total_m: Vector, a: Position, b: Position, told: bool = False, counted: bool = False) -> bool:
        """Return whether innovations that add up to a total are a reset; a and b are the last two.

        `counted`: the autopilot counts its resets.
        """
        share = self._limits.told_share if told else self._limits.counted_share if counted else 1.0
        return self._moved(total_m, *_speeds(a, b), 0.0, share)

    def _moved(
        self, left_m: Vector, along_m_s: float | None, down_m_s: float | None, seconds: float, share: float
    ) -> bool:
        limits = self._limits
        if along_m_s is None or down_m_s is None:
            slack_m = down_slack_m = limits.unknown_speed_m_s * seconds
        else:
            slack_m = along_m_s * limits.stamp_error_s
            down_slack_m = down_m_s * limits.stamp_error_s
        return (
            math.hypot(left_m[0], left_m[1]) > share * limits.horizontal_m + slack_m
            or abs(left_m[2]) > share * limits.vertical_m + down_slack_m
        )

    def attitude_jumps(self, turn: AttitudeInnovation, a: Attitude, b: Attitude, told: bool = False) -> bool:
        """Return whether heading or tilt has been reset between two attitudes, turn being their own."""
        if self.heading_moved(turn.heading_rad, a, b, told):
            return True
        # A lean takes tenths of a second: over a longer gap rates say nothing of it.
        return b.at_ns - a.at_ns <= TILT_GAP_NS and turn.tilt_rad > self._limits.tilt_rad

    def heading_turns(self, total_rad: float, a: Attitude, b: Attitude, told: bool, counted: bool) -> bool:
        """Return whether heading innovations that add up to a total are a reset; a and b are the last two.

        `counted`: the autopilot counts its resets.
        """
        share = self._limits.counted_share if counted and not told else 1.0
        return self.heading_moved(total_rad / share, a, b, told)

    def heading_moved(self, heading_rad: float, a: Attitude, b: Attitude, told: bool = False) -> bool:
        """Return whether a heading innovation is a reset."""
        limits, share = self._limits, self._limits.told_share if told else 1.0
        if a.rates_frd_rad_s is None or b.rates_frd_rad_s is None:
            slack_rad = limits.unknown_rate_rad_s * (b.at_ns - a.at_ns) / NS_PER_S
        else:
            rate_rad_s = max(map(abs, (*a.heading_rates_rad_s, *b.heading_rates_rad_s)))
            slack_rad = rate_rad_s * limits.stamp_error_s
        return abs(heading_rad) > share * limits.heading_rad + slack_rad


def _speeds(a: Position, b: Position) -> tuple[float | None, float | None]:
    """Largest horizontal and vertical speed of two samples, m/s; None where one is not known."""
    if a.velocity_ned_m_s is None or b.velocity_ned_m_s is None:
        return None, None
    (an, ae, ad), (bn, be, bd) = a.velocity_ned_m_s, b.velocity_ned_m_s
    return max(math.hypot(an, ae), math.hypot(bn, be)), max(abs(ad), abs(bd))
