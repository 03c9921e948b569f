"""Watch for a vehicle that is flown away while it holds or flies on our word.

A ground station's "go to here" changes no mode: GUIDED and AUTO.LOITER are what we hold in. What tells of it is that
the vehicle goes where nobody of ours sent it. Pure: time is given.
"""

from __future__ import annotations

import math
from collections import deque

from landing.estimator import FrameShift

Position = tuple[float, float, float]

AWAY_M = 5.0
"""Gusts, and the end of a leg that is flown fast, take it less far from its place or its way."""

STANDS_M, STANDS_NS = 0.5, 2_000_000_000
"""It has stopped where it stays within so much for this time. Before that a hold may take it far: it was on its way.
Where it turns back to the place that it shot past it stands for a moment only."""

SHOOTS_NS, SHOOTS_STEPS = 6_000_000_000, 20
"""A fast vehicle that is sent elsewhere on its way shoots on for less than this, and turns anywhere up to where it was
sent before; steps in which that leg is looked through."""


class StrayWatch:
    """Keeps the place or the leg of a vehicle; one owner."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing of ours holds it or sends it anywhere."""
        self._recent: deque[tuple[int, Position]] = deque()
        self._from: Position | None = None
        self._to: Position | None = None
        self._shot: list[tuple[int, Position, Position]] = []

    @property
    def stands(self) -> bool:
        """Return True where it has stopped and holds."""
        return self._from is not None and self._to is None

    def moved(self, shift: FrameShift | None) -> None:
        """The local frame has moved; None: by an unknown step."""
        if shift is None:
            self.forget()
            return
        self._recent = deque((at_ns, shift.point(place)) for at_ns, place in self._recent)
        self._from = None if self._from is None else shift.point(self._from)
        self._to = None if self._to is None else shift.point(self._to)
        self._shot = [(at_ns, shift.point(start), shift.point(end)) for at_ns, start, end in self._shot]

    def sent(self, now_ns: int, here: Position, to: Position) -> None:
        """It is sent to a place: from where it stood, or, on a leg that is changed, from anywhere on the rest of that.

        Where it had not stopped its way is not known.
        """
        if to == self._to:
            return
        if self._to is not None and self._from is not None:
            self._shot = [leg for leg in self._shot if now_ns - leg[0] < SHOOTS_NS] + [(now_ns, here, self._to)]
        self._to = to
        self._recent.clear()

    def away_m(self, now_ns: int, here: Position, to: Position | None) -> float | None:
        """Return how far it is from where it should be, if that is too far; None where it is not, or nobody knows.

        Args:
            now_ns: Monotonic time.
            here: Position, m.
            to: Where it was sent, m; None where it holds.
        """
        if to is None:
            self._hold(now_ns, here)
        else:
            self.sent(now_ns, here, to)
        if self._from is None:
            return None
        starts = [place for _, start, end in self._shot for place in _along(start, end)] or [self._from]
        away_m = min(_from_leg_m(here, start, self._to or start) for start in starts)
        return away_m if away_m > AWAY_M else None

    def _hold(self, now_ns: int, here: Position) -> None:
        """It holds: its place is where it has stopped."""
        if self._to is not None:
            self.forget()
        if self._from is not None:
            return
        self._recent.append((now_ns, here))
        while len(self._recent) > 1 and now_ns - self._recent[1][0] >= STANDS_NS:
            self._recent.popleft()
        long_enough = now_ns - self._recent[0][0] >= STANDS_NS
        if long_enough and all(math.dist(there, here) < STANDS_M for _, there in self._recent):
            self._from = here


def _along(start: Position, end: Position) -> list[Position]:
    """Points of the line between two others."""
    shares = [k / SHOOTS_STEPS for k in range(SHOOTS_STEPS + 1)]
    (n, e, d), (to_n, to_e, to_d) = start, end
    return [(n + k * (to_n - n), e + k * (to_e - e), d + k * (to_d - d)) for k in shares]


def _from_leg_m(here: Position, start: Position, end: Position) -> float:
    """Distance of a point from the line between two others, m."""
    along = [b - a for a, b in zip(start, end, strict=True)]
    length2 = sum(a * a for a in along)
    share = 0.0
    if length2 > 0.0:
        share = sum(a * (p - q) for a, p, q in zip(along, here, start, strict=True)) / length2
    share = min(1.0, max(0.0, share))
    return math.dist(here, [a + share * d for a, d in zip(start, along, strict=True)])
