"""Landing director: an explicit state machine with a reason for every step.

    SEARCH -> CONFIRM -> TRACK -> DESCEND -> COMMIT -> LANDED,  with HOLD and ABORT

A target is given only in TRACK, DESCEND and COMMIT, and only while every gate is open. A vehicle that is landing
without one is in HOLD or ABORT, so that the pilot hears of it; only where nothing but the next decision is late, the
state waits `LATE_S` for it. All time is an argument; the caller steps it at the rate at which targets are to be sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from landing.choice.way import Way
from landing.decision import Decision
from landing.guidance.gates import Gate, evidence_gates, height_above_m
from landing.pad.track import GONE_STATES
from landing.settings import DirectorSettings
from landing.site import GROUND_REASONS, Intruder, LandingSite, NoSite
from landing.types import LandingTarget, Pose
from landing.vehicle import VehicleStatus

LATE_S = 0.5
"""Extra time for a decision beyond its limit before the state changes, s. The target stops at the limit; one late frame
is no news for the pilot."""

AGAIN_S = 1.0
"""Time for which decisions must come in time again, once the state has changed because they did not: a machine at the
edge of its speed does not turn the state over with each decision."""

MIN_DOWN_M = 0.1
"""Least vertical distance put into a target."""


class DirectorState(str, Enum):
    """Stage of a landing."""

    SEARCH = "search"
    CONFIRM = "confirm"
    TRACK = "track"
    DESCEND = "descend"
    COMMIT = "commit"
    LANDED = "landed"
    HOLD = "hold"
    ABORT = "abort"


SENDING = (DirectorState.TRACK, DirectorState.DESCEND, DirectorState.COMMIT)
"""States in which a target is given."""

OF_THE_SITE = frozenset({"intruder", "site", "height", "evidence", "confirmed"})
"""Gates that ask for the site, and so not for the least bad ground."""

STAYS_M = 0.7
"""Height above `commit_height_m` up to which a landing stays in COMMIT: a vehicle that bobs there, over a plane of the
ground that settles, would tell the pilot of one state after another. What closes a gate depends on the height alone."""


@dataclass(frozen=True)
class DirectorInput:
    """Everything one step looks at.

    Attributes:
        now_ns: Monotonic time of the step.
        decision: The newest one, or None before the first.
        pose: The newest one, or None.
        vehicle: As last reported by the autopilot.
        slow: Why decisions are too slow, in words (`landing.guidance.speed`); None while they are not.
        gimbal: Why the camera cannot be landed by, in words (`landing.command.pointing`); None where it can.
    """

    now_ns: int
    decision: Decision | None
    pose: Pose | None
    vehicle: VehicleStatus
    slow: str | None = None
    gimbal: str | None = None


@dataclass(frozen=True)
class Transition:
    """One change of state, said once."""

    from_state: DirectorState
    to_state: DirectorState
    reason: str
    at_ns: int


@dataclass(frozen=True)
class DirectorOutput:
    """Result of a step.

    Attributes:
        state: After the step.
        reason: Why it is in that state, or which gate keeps the target back.
        target: To be sent now, or None.
        transitions: Changes of state in this step, in order.
        intruder: Who is at the site by the newest decision; then there is no target.
        descend_to_m: Height above ground below which frames are used, where the vehicle is above it; None otherwise.
        bad_ground: By the newest decision there is no site, and the ground is why.
        pad_gone: By the newest decision the pad that was followed is lost or not clear, and there is no site.
        aside_ned_m: Where a step to the side may end that shows the relief of the site; None where none is asked for.
        way: Ground below the straight way to the site, by a decision that is not too old.
        outlooks_ned_m: Places from where other ground is seen, by such a decision, the most promising first.
    """

    state: DirectorState
    reason: str
    target: LandingTarget | None
    transitions: tuple[Transition, ...]
    intruder: Intruder | None = None
    descend_to_m: float | None = None
    bad_ground: bool = False
    pad_gone: bool = False
    aside_ned_m: tuple[float, float, float] | None = None
    way: Way = Way.NOT_SEEN
    outlooks_ned_m: tuple[tuple[float, float, float], ...] = ()


class Director:
    """Steps the state machine. One owner; not shared between threads."""

    def __init__(self, settings: DirectorSettings) -> None:
        self._settings = settings
        self._state = DirectorState.SEARCH
        self._reason = "start"
        self._flying = False
        self._without_site_since_ns: int | None = None
        self._late_ns: int | None = None
        """Time at which decisions were last too late to send on, in a state that sends nothing because of it."""
        self._transitions: list[Transition] = []

    @property
    def state(self) -> DirectorState:
        """The present state."""
        return self._state

    def state_dict(self) -> dict[str, Any]:
        """All that the next step builds on, as plain values."""
        return {
            "state": self._state.value,
            "reason": self._reason,
            "flying": self._flying,
            "without_site_since_ns": self._without_site_since_ns,
            "late_ns": self._late_ns,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another director's `state_dict`."""
        self._state = DirectorState(state["state"])
        self._reason, self._flying = state["reason"], state["flying"]
        self._without_site_since_ns, self._late_ns = state["without_site_since_ns"], state["late_ns"]

    def step(self, inputs: DirectorInput) -> DirectorOutput:
        """Looks at the newest evidence and says what to send now."""
        self._transitions = []
        target = self._step(inputs)
        intruder = inputs.decision.intruder if inputs.decision is not None else None
        descend_to_m = self._descend_to_m(inputs)
        selection = None if inputs.decision is None else inputs.decision.selection
        bad = isinstance(selection, NoSite) and selection.reason in GROUND_REASONS
        pad = None if inputs.decision is None else inputs.decision.pad
        gone = bad and pad is not None and pad.state in GONE_STATES
        transitions = tuple(self._transitions)
        here = self._decision_here(inputs)
        return DirectorOutput(
            self._state,
            self._reason,
            target,
            transitions,
            intruder,
            descend_to_m,
            bad,
            gone,
            None if here is None else here.aside_ned_m,
            Way.NOT_SEEN if here is None else here.way,
            () if here is None else here.outlooks_ned_m,
        )

    def last_resort(self, inputs: DirectorInput) -> LandingTarget | None:
        """Return a target for a landing that goes on without one, on evidence that is no older than a site's.

        It lies on the least bad ground, else on a site that is not confirmed yet; None without either.
        """
        closed = {gate.name for gate in self._gates(inputs) if not gate.is_open}
        if inputs.decision is None or inputs.pose is None or inputs.vehicle.no_hover:
            return None
        here = inputs.decision.in_frame(inputs.pose.frame)
        if here is None:
            return None
        if here.last_resort is not None:
            place, seen_ns = here.last_resort.position_ned_m, here.evidence_at_ns
            site = LandingSite(place, 0.0, 0.0, seen_ns, seen_ns)
            return None if closed - OF_THE_SITE else _target(site, inputs.pose)
        selected = here.selection
        return _target(selected, inputs.pose) if isinstance(selected, LandingSite) and closed == {"confirmed"} else None

    def _step(self, inputs: DirectorInput) -> LandingTarget | None:
        vehicle, now_ns = inputs.vehicle, inputs.now_ns
        if not vehicle.link_alive:
            self._wait(inputs, "no heartbeat from the autopilot")
            return None
        if not vehicle.armed or vehicle.airborne is False:
            self._rest(inputs)
            return None
        self._flying = True
        if vehicle.no_hover:
            self._fly_past(inputs, vehicle.no_hover)
            return None
        if self._state is DirectorState.LANDED:
            self._enter(DirectorState.SEARCH, "airborne again", now_ns)
        if self._state is DirectorState.ABORT:
            if vehicle.landing and not vehicle.failsafe:
                return None  # given up for this landing: it is the pilot's
            if not vehicle.landing:
                self._enter(DirectorState.SEARCH, f"mode {vehicle.mode}", now_ns)
        closed = self._closed_gate(inputs)
        if closed is not None:
            assert closed.closed is not None
            if closed.name == "decision" and self._may_come_yet(inputs):
                self._reason = closed.closed
            else:
                late = closed.name in ("decision", "speed") and inputs.decision is not None
                self._late_ns = now_ns if late else None
                self._wait(inputs, closed.closed)
            return None
        if self._late_ns is not None and now_ns - self._late_ns < AGAIN_S * 1e9:
            self._wait(inputs, f"decisions come again, for less than {AGAIN_S:g} s")
            return None
        self._late_ns = None
        assert inputs.decision is not None and inputs.pose is not None
        here = inputs.decision.in_frame(inputs.pose.frame)
        # The gates are closed without a site in the pose's frame.
        assert here is not None and isinstance(here.selection, LandingSite)
        site = here.selection
        if (site.last_seen_ns - site.first_seen_ns) * 1e-9 < self._settings.confirm_s:
            self._confirm(inputs)
            return None
        self._without_site_since_ns = None
        state, reason = self._sending_state(inputs, site)
        self._enter(state, reason, now_ns)
        return _target(site, inputs.pose)

    def _rest(self, inputs: DirectorInput) -> None:
        """On the ground: landed when it was flying before, else waiting to be flown."""
        self._without_site_since_ns = None
        why = "on the ground" if inputs.vehicle.armed else "disarmed"
        if self._flying or self._state is DirectorState.LANDED:
            self._enter(DirectorState.LANDED, why, inputs.now_ns)
        else:
            self._enter(DirectorState.SEARCH, why, inputs.now_ns)
        self._flying = False

    def _fly_past(self, inputs: DirectorInput, why: str) -> None:
        """On the wing: nothing is sent, and no landing is given up for want of a site."""
        self._without_site_since_ns = None
        self._enter(DirectorState.SEARCH, why, inputs.now_ns)

    def _may_come_yet(self, inputs: DirectorInput) -> bool:
        """Return True while the next decision is no more than a little late."""
        if self._state not in SENDING or inputs.decision is None:
            return False
        age_s = (inputs.now_ns - inputs.decision.evidence_at_ns) * 1e-9
        return age_s <= self._settings.max_decision_age_s + LATE_S

    def _descend_to_m(self, inputs: DirectorInput) -> float | None:
        """The height above ground to go down to, by a decision that is not too old; None where none is asked for."""
        decision = inputs.decision
        if decision is None or not isinstance(decision.selection, NoSite):
            return None
        age_s = (inputs.now_ns - decision.evidence_at_ns) * 1e-9
        return decision.selection.descend_to_m if age_s <= self._settings.max_decision_age_s else None

    def _decision_here(self, inputs: DirectorInput) -> Decision | None:
        """The newest decision in the pose's frame; None where it is too old, or its places are not known there."""
        decision = inputs.decision
        if decision is None or inputs.pose is None:
            return None
        age_s = (inputs.now_ns - decision.evidence_at_ns) * 1e-9
        return decision.in_frame(inputs.pose.frame) if age_s <= self._settings.max_decision_age_s else None

    def _closed_gate(self, inputs: DirectorInput) -> Gate | None:
        """The first gate that keeps a target back; None when all are open.

        Whether the site is confirmed is not asked here: a site that is not yet is being confirmed.
        """
        return next((g for g in self._gates(inputs) if not g.is_open and g.name != "confirmed"), None)

    def _gates(self, inputs: DirectorInput) -> Iterator[Gate]:
        evidence = inputs.decision, inputs.pose
        hidden_s = inputs.vehicle.hidden_s
        return evidence_gates(inputs.now_ns, *evidence, self._settings, inputs.slow, inputs.gimbal, hidden_s)

    def _sending_state(self, inputs: DirectorInput, site: LandingSite) -> tuple[DirectorState, str]:
        assert inputs.pose is not None
        words = f"site {site.clearance_m:.1f} m clear, {site.area_m2:.0f} m2{site.on_words}"
        if not inputs.vehicle.landing:
            return DirectorState.TRACK, words
        height_m = height_above_m(inputs.pose, site)
        stays_m = STAYS_M if self._state is DirectorState.COMMIT else 0.0
        if height_m <= self._settings.commit_height_m + stays_m:
            return DirectorState.COMMIT, f"{height_m:.1f} m above the site{site.on_words}"
        return DirectorState.DESCEND, words

    def _confirm(self, inputs: DirectorInput) -> None:
        """A site, but not for long enough to be sent."""
        waiting = DirectorState.HOLD if inputs.vehicle.landing else DirectorState.CONFIRM
        what = "another site" if self._state in SENDING else "site found"
        if self._state is not waiting:
            self._enter(waiting, f"{what}, confirming", inputs.now_ns)
        self._give_up_in_time(inputs)

    def _wait(self, inputs: DirectorInput, why: str) -> None:
        """No target now: hold when the vehicle is landing all the same, search otherwise."""
        vehicle = inputs.vehicle
        if self._state is DirectorState.ABORT and not vehicle.failsafe:
            return
        was_landing = self._state in (DirectorState.DESCEND, DirectorState.COMMIT, DirectorState.HOLD)
        landing = vehicle.landing or (was_landing and not vehicle.link_alive)
        state = DirectorState.HOLD if landing else DirectorState.SEARCH
        self._enter(state, why, inputs.now_ns)
        self._give_up_in_time(inputs)

    def _give_up_in_time(self, inputs: DirectorInput) -> None:
        """Aborts a landing that has been without a site for too long; the way down to where one can be is no part.

        Nor is one of the autopilot's failsafes given up: it lands in any case, and there may be no pilot.
        """
        vehicle = inputs.vehicle
        goes_on = self._descend_to_m(inputs) is not None or vehicle.failsafe
        if goes_on or not (vehicle.landing and vehicle.link_alive):
            self._without_site_since_ns = None
            return
        if self._without_site_since_ns is None:
            self._without_site_since_ns = inputs.now_ns
        waited_s = (inputs.now_ns - self._without_site_since_ns) * 1e-9
        if waited_s > self._settings.hold_timeout_s:
            why = f"no site for {self._settings.hold_timeout_s:g} s while landing"
            if inputs.slow is not None:
                why = f"{inputs.slow}; {why}"
            self._enter(DirectorState.ABORT, why, inputs.now_ns)

    def _enter(self, state: DirectorState, reason: str, at_ns: int) -> None:
        """Changes state, once; the reason is kept up to date in any case."""
        if state is not self._state:
            self._transitions.append(Transition(self._state, state, reason, at_ns))
            self._state = state
        self._reason = reason


def _target(site: LandingSite, pose: Pose) -> LandingTarget:
    """The site as seen from the vehicle: NED offset turned into body axes, m."""
    assert pose.position_ned_m is not None
    place_ned_m = site.place_ned_m(pose.at_ns)  # a pad that moves is led, up to the moment of the pose
    offset_ned = np.asarray(place_ned_m) - np.asarray(pose.position_ned_m)
    # The last decimetres: the height is no better than this, and "above us" would mean nothing.
    offset_ned[2] = max(float(offset_ned[2]), MIN_DOWN_M)
    forward, right, down = (float(v) for v in pose.rotation_ned_from_frd.T @ offset_ned)
    velocity = (0.0, 0.0) if site.pad is None else site.pad.velocity_ne_mps
    return LandingTarget((forward, right, down), place_ned_m, site.last_seen_ns, pose.at_ns, velocity)
