"""The pilot of a simulated landing, and the faults that befall it.

What a pilot does depends on the daemon's authority (see SAFETY.md). With `advise` it hovers until the daemon has
tracked a site for a second, switches to LAND, and takes over when the site is lost. With `guard` it switches to LAND
and leaves the rest to the daemon; when that has handed back, hovering, it tries again. With `land` it orders that by a
change of mode, and only watches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from firmware_bridge.dialect import mavlink
from landing.authority_io import AuthorityState
from sim.camera.orders import Stall, Visit, give_order
from sim.flight.daemon import ORDERS, EventTail
from sim.flight.plan import Fault, FlightPlan, FlightResult, PlannedFault
from sim.flight.too_slow import too_slow
from sim.vehicle.autopilot_process import AutopilotProcess
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.processes import START_S, TooLateError
from sim.world import World

HOLD_PATIENCE_S = 1.5
"""How long the pilot lets the daemon be without a site before taking over."""

STEADY_S = 1.0
"""A site must have been tracked for so long before the pilot trusts it with a landing."""

TAKEOVER_ABOVE_M = 3.0
"""Lower than this the pilot lets the landing finish."""

HANDED_BACK_S = 5.0
"""A vehicle that a guarding daemon has left hovering for so long is the pilot's again."""

BUSY = tuple(
    state.value
    for state in AuthorityState
    if state not in (AuthorityState.OFF, AuthorityState.READY, AuthorityState.HAND_BACK, AuthorityState.ENDED)
)
"""States of the authority in which the daemon has the vehicle, see `landing.authority`."""

SAY_S, SAY_WALL_S = 5.0, 15.0
FOREVER_S = 3600.0
WALK_MPS = 1.4


class Daemon(Protocol):
    """The daemon as the pilot follows it.

    Attributes:
        tail: Its event log.
        killed: Whether it was.
    """

    tail: EventTail
    killed: bool

    def look(self) -> None:
        """Reads its newest events.

        Raises:
            FlightError: It has ended by itself.
        """

    def kill(self) -> None:
        """Ends it at once."""


class Cable(Protocol):
    """Between daemon and autopilot."""

    def cut(self) -> None:
        """From now on nothing passes."""

    def mend(self) -> None:
        """From now on everything passes again."""


class Pilot:
    """Flies one plan from the hover to the ground; fills in the result as it goes.

    Args:
        plan: What to fly.
        world: Where; people who walk in are added to it.
        autopilot: Whose vehicle it is.
        station: The pilot's own link.
        daemon: Whose events it follows.
        cable: Between daemon and autopilot, when the plan cuts it.
        result: Takes verdict, times and what happened.
        stack: Ends what a fault starts.
        say: Told how the flight goes, every few seconds of it or of the watch on the wall.
    """

    def __init__(
        self,
        plan: FlightPlan,
        world: World,
        autopilot: AutopilotProcess,
        station: GroundStation,
        daemon: Daemon,
        cable: Cable | None,
        result: FlightResult,
        stack: ExitStack,
        say: Callable[[str], None],
    ) -> None:
        self.world = world
        self._plan = plan
        self._autopilot = autopilot
        self._station = station
        self._daemon = daemon
        self._cable = cable
        self._result = result
        self._stack = stack
        self._say = say
        self._said_s = (-math.inf, -math.inf)  # by the flight's clock, and by the wall's
        self._deadline_s = station.now_s + plan.timeout_s
        self._pending = list(plan.faults)
        self._mend_at_s = math.inf
        self._ordered_s: float | None = None
        self._height_due_s = 0.0

    def fly(self) -> None:
        """Until the vehicle is on the ground or the pilot gives up.

        Raises:
            FlightError: The daemon ended by itself, or the time is up.
        """
        self._station.watch()
        self._wait_for_daemon()
        if self._plan.authority == "land":
            self._autopilot.hand_over(self._station)
            self._ordered_s = self._station.boot_s
            self._finish(self._watch_landing(lambda: False))
            return
        takes_over = self._site_lost if self._plan.authority == "advise" else self._handed_back
        while self._hover_until_tracking():
            self._autopilot.order_landing(self._station)
            if self._ordered_s is None:
                self._ordered_s = self._station.boot_s
            if self._watch_landing(takes_over):
                self._finish(True)
                return
            if not self._autopilot.hovering(self._station):
                self._result.manual_takeovers += 1
                self._autopilot.order_hover(self._station)

    def _finish(self, landed: bool) -> None:
        if landed and self._ordered_s is not None:
            self._result.verdict = "landed"
            self._result.seconds = round(self._station.boot_s - self._ordered_s, 2)

    def _look(self) -> None:
        """One short wait for news."""
        self._station.poll(0.05)
        self._daemon.look()
        now_s = self._station.now_s
        if now_s > self._mend_at_s and self._cable is not None:
            self._mend_at_s = math.inf
            self._cable.mend()
        truth = self._station.truth
        wall_s = time.monotonic()
        due = now_s - self._said_s[0] >= SAY_S or wall_s - self._said_s[1] >= SAY_WALL_S
        if due and truth is not None:
            self._said_s = (now_s, wall_s)
            self._say(f"  {truth.boot_s:5.1f} s of flight, {truth.height_m:4.1f} m up: {self._daemon.tail.words}")
        if now_s > self._deadline_s:
            slow = too_slow(self._daemon.tail.events)
            why = f"; {slow}" if slow else ""
            raise TooLateError(f"not landed after {self._plan.timeout_s:g} s; see {self._plan.out}{why}")

    def _wait_for_daemon(self) -> None:
        deadline_s = self._station.now_s + START_S
        while self._daemon.tail.last("ready") is None:
            self._look()
            if self._station.now_s > deadline_s:
                raise TooLateError(f"edge serve was not ready in time; see {self._plan.out}")

    def _hover_until_tracking(self) -> bool:
        """True when it is time to land; False when the pilot gives up."""
        deadline_s = self._station.now_s + self._plan.search_s
        tracked_since_s: float | None = None
        while True:
            self._look()
            now_s = self._station.now_s
            if self._daemon.tail.state != "track":
                tracked_since_s = None
            elif tracked_since_s is None:
                tracked_since_s = now_s
            elif now_s - tracked_since_s >= STEADY_S:
                return True
            slow = self._plan.ends_when_slow and tracked_since_s is None and self._too_slow()
            if now_s > deadline_s or self._daemon.killed or slow:
                said = self._daemon.tail.last("no-site", "transition")
                words = f"{said.get('reason')}: {said.get('detail', '')}" if said else "no site"
                self._result.reason = words.strip(": ")
                if self._plan.lands_anyway:
                    return True
                self._result.verdict = "no-site"
                return False

    def _too_slow(self) -> bool:
        return too_slow(self._daemon.tail.events) is not None

    def _watch_landing(self, takes_over: Callable[[], bool]) -> bool:
        """True when it has landed; False when the pilot must take over."""
        self._lost_since_s = math.inf
        while not self._landed():
            self._look()
            self._note_height()
            if self._suffer() or takes_over():
                return False
        return True

    def _landed(self) -> bool:
        on_ground = self._station.landed_state == mavlink.MAV_LANDED_STATE_ON_GROUND
        return on_ground or not self._station.armed

    def _site_lost(self) -> bool:
        """Whether an advised pilot takes over: no site for a while, and height to do so."""
        truth = self._station.truth
        high = truth is not None and truth.height_m > TAKEOVER_ABOVE_M
        lost = self._daemon.tail.state in ("hold", "abort") and not self._plan.lands_anyway
        return self._lasts(lost and high and not self._daemon.killed, HOLD_PATIENCE_S)

    def _handed_back(self) -> bool:
        """Whether the guarding daemon has let go: it commands nothing, and the vehicle hovers."""
        hovering = self._autopilot.hovering(self._station)
        change = self._daemon.tail.last("authority")
        busy = change is not None and change["to_state"] in BUSY
        return self._lasts(hovering and not busy, HANDED_BACK_S)

    def _lasts(self, condition: bool, seconds: float) -> bool:
        now_s = self._station.now_s
        self._lost_since_s = min(self._lost_since_s, now_s) if condition else math.inf
        return now_s - self._lost_since_s > seconds

    def _note_height(self) -> None:
        truth = self._station.truth
        if truth is not None and truth.boot_s >= self._height_due_s:
            self._height_due_s = truth.boot_s + 1.0
            self._result.heights.append(round(truth.height_m, 2))

    # -- faults -------------------------------------------------------------------------------

    def _suffer(self) -> bool:
        """Lets those faults happen whose height is reached; whether the flight begins anew."""
        truth = self._station.truth
        for planned in tuple(self._pending):
            if truth is None or truth.height_m >= planned.below_m:
                continue
            if planned.fault is Fault.INTRUDER and self._daemon.tail.site is None:
                continue
            self._pending.remove(planned)
            self._result.happened.append(
                {
                    "fault": planned.fault.value,
                    "boot_s": self._station.boot_s,
                    "height_m": round(truth.height_m, 2),
                    "mono_ns": self._station.clock_ns(),
                }
            )
            self._happens(planned)
            if planned.fault is Fault.AUTOPILOT_RESTART:
                return True
        return False

    def _happens(self, planned: PlannedFault) -> None:
        for_s = FOREVER_S if planned.for_s is None else planned.for_s
        if planned.fault is Fault.INTRUDER:
            self._walk_in(planned)
        elif planned.fault is Fault.CAMERA_STALL:
            until_ns = self._station.clock_ns() + round(for_s * 1e9)
            give_order(self._plan.out / ORDERS, Stall(until_ns))
        elif planned.fault is Fault.DAEMON_KILL:
            self._daemon.kill()
        elif planned.fault is Fault.LINK_CUT:
            assert self._cable is not None
            self._cable.cut()
            self._mend_at_s = self._station.now_s + for_s
        else:
            self._restart_autopilot()

    def _walk_in(self, planned: PlannedFault) -> None:
        site = self._daemon.tail.site
        assert site is not None
        origin_n_m, origin_e_m = self._station.origin_ne_m or (0.0, 0.0)
        north_m, east_m, _ = site["position_ned_m"]
        order = Visit(
            (origin_n_m + north_m, origin_e_m + east_m),
            self._station.boot_s + planned.walk_m / WALK_MPS,
            math.radians(planned.from_deg),
            planned.walk_m,
            planned.for_s,
        )
        self.world = self.world.with_actors(order.actor())
        give_order(self._plan.out / ORDERS, order)

    def _restart_autopilot(self) -> None:
        self._autopilot.die()
        self._autopilot.start(self._stack)
        self._station.open()
        self._autopilot.hover(self._station)
        self._station.watch()
        self._ordered_s = None
        self._height_due_s = 0.0
