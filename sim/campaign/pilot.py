"""The pilot of a campaign: lands when the daemon tracks a site, takes over when it says hold.

This is what the smallest authority, `advise`, asks of a person (see SAFETY.md), with the patience
and the limits of `sim.flight`'s pilot.
"""

from __future__ import annotations

from enum import Enum

from landing.director import DirectorState
from sim.autopilot import Mode

STEADY_S = 1.0
"""A site must have been tracked for so long before the pilot trusts it with a landing."""

HOLD_PATIENCE_S = 1.5
"""How long the pilot lets a descent go on without a site."""

TAKE_OVER_ABOVE_M = 3.0
"""Lower than this the pilot lets the landing finish."""

SEARCH_S = 25.0
"""The pilot gives up hovering without a site after this time."""


class Phase(str, Enum):
    """What the pilot is doing."""

    HOVER = "hover"
    LANDING = "landing"
    GIVEN_UP = "given-up"


class Pilot:
    """Steps at the control rate; time is an argument.

    Attributes:
        phase: What it is doing.
        take_overs: How often it stopped a descent.
    """

    def __init__(self, search_s: float = SEARCH_S) -> None:
        self._search_s = search_s
        self.phase = Phase.HOVER
        self.take_overs = 0
        self._since_s = 0.0
        self._steady_since_s: float | None = None
        self._lost_since_s: float | None = None

    def step(self, t_s: float, state: DirectorState, height_m: float) -> Mode | None:
        """The mode to switch to now, or None.

        Args:
            t_s: Since the start.
            state: What the daemon says.
            height_m: As seen from the ground.
        """
        if self.phase is Phase.HOVER:
            return self._hover(t_s, state)
        if self.phase is Phase.LANDING:
            return self._watch(t_s, state, height_m)
        return None

    def _hover(self, t_s: float, state: DirectorState) -> Mode | None:
        if state is not DirectorState.TRACK:
            self._steady_since_s = None
        elif self._steady_since_s is None:
            self._steady_since_s = t_s
        elif t_s - self._steady_since_s >= STEADY_S:
            self.phase, self._lost_since_s = Phase.LANDING, None
            return Mode.LAND
        if t_s - self._since_s > self._search_s:
            self.phase = Phase.GIVEN_UP
        return None

    def _watch(self, t_s: float, state: DirectorState, height_m: float) -> Mode | None:
        lost = state in (DirectorState.HOLD, DirectorState.ABORT)
        if not lost or height_m <= TAKE_OVER_ABOVE_M:
            self._lost_since_s = None
            return None
        if self._lost_since_s is None:
            self._lost_since_s = t_s
        if t_s - self._lost_since_s <= HOLD_PATIENCE_S:
            return None
        self.take_overs += 1
        self.phase, self._since_s, self._steady_since_s = Phase.HOVER, t_s, None
        return Mode.GUIDED
