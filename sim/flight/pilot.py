"""The pilot of a simulated landing: an order follows from what the daemon says and where the vehicle is. Pure.

The pilot depends on the daemon's authority (see SAFETY.md). With `advise` it hovers until the daemon has tracked a site
for a second, switches to LAND, and takes over when the site is lost. With `guard` the daemon stops a bad landing
itself. Told to descend first, it lands, and goes on as long as the daemon says so. A pilot without a site may go down
once, to half the height, and look again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from landing.command.authority_io import AuthorityState
from landing.guidance.director import DirectorState

STEADY_S = 1.0
"""A site must have been tracked for so long before the pilot trusts it with a landing."""

HOLD_PATIENCE_S = 1.5
"""A descent may go on for so long without a site."""

TAKEOVER_ABOVE_M = 3.0
"""Lower than this the pilot lets the landing finish."""

HANDED_BACK_S = 5.0
"""A vehicle that a guarding daemon has left hovering for so long is the pilot's again."""

SEARCH_S = 25.0
"""The pilot hovers for so long without a site before looking from lower, and then before giving up."""

NEARER_M = 15.0
"""The pilot goes no lower than this to look again: trees and masts stand there."""

WORTH_GOING_M = 5.0
"""Less than this lower shows nothing new."""

ARRIVED_M = 1.0

NOT_IN_COMMAND = (AuthorityState.OFF, AuthorityState.READY, AuthorityState.HAND_BACK, AuthorityState.ENDED)
"""States of the authority in which the vehicle is the pilot's, see `landing.command.authority`."""


class ModeOrder(str, Enum):
    """A flight mode to switch to."""

    LAND = "land"
    HOVER = "hover"


@dataclass(frozen=True)
class GoDown:
    """An order to go straight down.

    Attributes:
        by_m: So far.
    """

    by_m: float


class Phase(str, Enum):
    """The pilot's present task."""

    HOVER = "hover"
    LANDING = "landing"
    GIVEN_UP = "given-up"


@dataclass(frozen=True)
class Seen:
    """All that a pilot knows at one moment.

    Attributes:
        t_s: Time.
        state: The director's.
        authority: The daemon's.
        hovering: The vehicle hovers instead of landing.
        height_m: Above the ground.
        descend_to_m: The daemon says to descend to this height first; None where it does not.
    """

    t_s: float
    state: DirectorState
    authority: AuthorityState
    hovering: bool
    height_m: float
    descend_to_m: float | None = None


class Pilot:
    """Steps at the control rate; time is an argument.

    Args:
        search_s: It hovers for so long without a site before it does something else.
        nearer_m: It goes down to look again, no lower than this; infinite: never.
        patience_s: A descent may go on for so long without a site; infinite: it never takes over.
        handed_back_s: It begins anew when a guarding daemon has left the vehicle hovering for so long; None: it gives
            up when the authority has ended.

    Attributes:
        phase: Its present task.
        manual_takeovers: Descents that it stopped.
    """

    def __init__(
        self,
        search_s: float = SEARCH_S,
        nearer_m: float = NEARER_M,
        patience_s: float = HOLD_PATIENCE_S,
        handed_back_s: float | None = None,
    ) -> None:
        self._search_s = search_s
        self._nearer_m = nearer_m
        self._patience_s = patience_s
        self._handed_back_s = handed_back_s
        self._goes_to_m: float | None = None
        self.phase = Phase.HOVER
        self.manual_takeovers = 0
        self._since_s = 0.0
        self._steady_since_s: float | None = None
        self._lost_since_s: float | None = None

    def hover(self, t_s: float) -> None:
        """Begin to look for a site."""
        self.phase, self._since_s, self._steady_since_s = Phase.HOVER, t_s, None

    def land(self) -> None:
        """Begin to land."""
        self.phase, self._lost_since_s = Phase.LANDING, None

    @property
    def tracks(self) -> bool:
        """A site is tracked now."""
        return self._steady_since_s is not None

    def step(self, seen: Seen) -> ModeOrder | GoDown | None:
        """Return the next order, or None."""
        if self.phase is Phase.HOVER:
            return self._look_for_site(seen)
        return self._watch(seen) if self.phase is Phase.LANDING else None

    def _look_for_site(self, seen: Seen) -> ModeOrder | GoDown | None:
        t_s, height_m = seen.t_s, seen.height_m
        if seen.descend_to_m is not None:  # the landing shows what is there from lower down
            self.land()
            return ModeOrder.LAND
        if seen.state is not DirectorState.TRACK:
            self._steady_since_s = None
        elif self._steady_since_s is None:
            self._steady_since_s = t_s
        elif t_s - self._steady_since_s >= STEADY_S:
            self.land()
            return ModeOrder.LAND
        if self._goes_to_m is not None and height_m > self._goes_to_m + ARRIVED_M:
            self._since_s = t_s  # on the way
        if t_s - self._since_s <= self._search_s:
            return None
        to_m = max(height_m / 2, self._nearer_m)
        if self._goes_to_m is None and to_m <= height_m - WORTH_GOING_M:
            self._goes_to_m, self._since_s = to_m, t_s
            return GoDown(height_m - to_m)
        self.phase = Phase.GIVEN_UP
        return None

    def _watch(self, seen: Seen) -> ModeOrder | None:
        """Follow a descent; HOVER to take over, or once the daemon has handed back."""
        if self._handed_back_s is not None:
            if self._lasts(seen.t_s, seen.hovering and seen.authority in NOT_IN_COMMAND, self._handed_back_s):
                self.hover(seen.t_s)
            return None
        if seen.authority is AuthorityState.ENDED and seen.hovering:
            self.phase = Phase.GIVEN_UP  # the daemon holds and asks to be taken over
            return None
        if seen.authority not in (AuthorityState.OFF, AuthorityState.READY, AuthorityState.ENDED):
            return None
        lost = seen.state in (DirectorState.HOLD, DirectorState.ABORT) and seen.height_m > TAKEOVER_ABOVE_M
        lost = lost and seen.descend_to_m is None
        if not self._lasts(seen.t_s, lost, self._patience_s):
            return None
        self.manual_takeovers += 1
        self.hover(seen.t_s)
        return ModeOrder.HOVER

    def _lasts(self, t_s: float, condition: bool, seconds: float) -> bool:
        if not condition:
            self._lost_since_s = None
            return False
        if self._lost_since_s is None:
            self._lost_since_s = t_s
        return t_s - self._lost_since_s > seconds and math.isfinite(seconds)


class Passenger(Pilot):
    """Nobody at the sticks: what lands the vehicle is its autopilot."""

    def step(self, seen: Seen) -> None:
        """See `Pilot.step`; gives no order."""
        if not seen.hovering:
            self.phase = Phase.LANDING
