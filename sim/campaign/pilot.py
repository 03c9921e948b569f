"""The pilot of a campaign: lands when the daemon tracks a site, takes over when it must.

With the smallest authority, `advise`, a pilot stops a descent whose site is lost (see SAFETY.md). With `guard` the
daemon does that itself; the pilot lets it, and gives the landing up when it has come to an end of what it may do. A
pilot who has hovered in vain goes down once, to half the height, and looks again from nearer: what is a smear from 80 m
is a lawn from 40.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from landing.authority import AuthorityState
from landing.director import DirectorState
from sim.vehicle.autopilot import Mode

STEADY_S = 1.0
"""A site must have been tracked for so long before the pilot trusts it with a landing."""

HOLD_PATIENCE_S = 1.5
"""How long the pilot lets a descent go on without a site."""

TAKEOVER_ABOVE_M = 3.0
"""Lower than this the pilot lets the landing finish."""

SEARCH_S = 25.0
"""So long the pilot hovers without a site before looking from nearer, and then before giving up."""

NEARER_M = 15.0
"""The pilot goes no lower than this to look again: trees and masts stand there."""

WORTH_GOING_M = 5.0
"""Less than this nearer shows nothing new."""

ARRIVED_M = 1.0


@dataclass(frozen=True)
class GoDown:
    """The vehicle is sent straight down.

    Attributes:
        by_m: So far.
    """

    by_m: float


class Phase(str, Enum):
    """What the pilot is doing."""

    HOVER = "hover"
    LANDING = "landing"
    GIVEN_UP = "given-up"


class Pilot:
    """Steps at the control rate; time is an argument.

    Args:
        search_s: So long it hovers without a site before it does something else.
        nearer_m: No lower than this it goes to look again; not at all where that is no nearer.

    Attributes:
        phase: What it is doing.
        manual_takeovers: How often it stopped a descent.
    """

    def __init__(self, search_s: float = SEARCH_S, nearer_m: float = NEARER_M) -> None:
        self._search_s = search_s
        self._nearer_m = nearer_m
        self._looks_from_m: float | None = None
        self.phase = Phase.HOVER
        self.manual_takeovers = 0
        self._since_s = 0.0
        self._steady_since_s: float | None = None
        self._lost_since_s: float | None = None

    def step(
        self, t_s: float, state: DirectorState, authority: AuthorityState, mode: Mode, height_m: float
    ) -> Mode | GoDown | None:
        """The mode to switch to or where to go now, or None.

        Args:
            t_s: Since the start.
            state: What the daemon says.
            authority: What it does by itself.
            mode: Of the vehicle.
            height_m: As seen from the ground.
        """
        if self.phase is Phase.HOVER:
            return self._hover(t_s, state, height_m)
        if self.phase is Phase.GIVEN_UP:
            return None
        if authority is AuthorityState.ENDED and mode is not Mode.LAND:
            self.phase = Phase.GIVEN_UP  # it holds and asks to be taken over
            return None
        if authority in (AuthorityState.OFF, AuthorityState.READY, AuthorityState.ENDED):
            return self._watch(t_s, state, height_m)
        return None

    def _hover(self, t_s: float, state: DirectorState, height_m: float) -> Mode | GoDown | None:
        if state is not DirectorState.TRACK:
            self._steady_since_s = None
        elif self._steady_since_s is None:
            self._steady_since_s = t_s
        elif t_s - self._steady_since_s >= STEADY_S:
            self.phase, self._lost_since_s = Phase.LANDING, None
            return Mode.LAND
        on_the_way = self._looks_from_m is not None and height_m > self._looks_from_m + ARRIVED_M
        if on_the_way:
            self._since_s = t_s
        if t_s - self._since_s <= self._search_s:
            return None
        to_m = max(height_m / 2, self._nearer_m)
        if self._looks_from_m is None and to_m <= height_m - WORTH_GOING_M:
            self._looks_from_m, self._since_s = to_m, t_s
            return GoDown(height_m - to_m)
        self.phase = Phase.GIVEN_UP
        return None

    def _watch(self, t_s: float, state: DirectorState, height_m: float) -> Mode | None:
        lost = state in (DirectorState.HOLD, DirectorState.ABORT)
        if not lost or height_m <= TAKEOVER_ABOVE_M:
            self._lost_since_s = None
            return None
        if self._lost_since_s is None:
            self._lost_since_s = t_s
        if t_s - self._lost_since_s <= HOLD_PATIENCE_S:
            return None
        self.manual_takeovers += 1
        self.phase, self._since_s, self._steady_since_s = Phase.HOVER, t_s, None
        return Mode.GUIDED
