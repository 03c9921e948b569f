"""A piloted flight: carries out the pilot's orders for one plan, with the faults of the plan."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from edge.parameters import ENABLE
from firmware_bridge.dialect import mavlink
from landing.command.authority import HOLDS_IN, IN_THE_AIR
from landing.command.authority_io import AuthorityState
from landing.guidance.director import DirectorState
from sim.camera.orders import Stall, give_order
from sim.flight.daemon import ORDERS, DaemonEvents
from sim.flight.pilot import HANDED_BACK_S, HOLD_PATIENCE_S, ModeOrder, Phase, Pilot, Seen
from sim.flight.plan import Fault, FlightPlan, FlightResult, PlannedFault
from sim.flight.too_slow import too_slow
from sim.vehicle.autopilot_process import AutopilotProcess, fly_to_start
from sim.vehicle.failsafes import Failsafe
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.processes import START_S, FlightError, TooLateError
from sim.world import Timetable, World, visit
from sim.world.pad import GroundPad

SAY_S, SAY_WALL_S = 5.0, 15.0
FOREVER_S = 3600.0
WALK_MPS = 1.4
OURS, REAL32 = mavlink.MAV_COMP_ID_ONBOARD_COMPUTER, mavlink.MAV_PARAM_TYPE_REAL32
SWITCHES, SWITCH_S = 10, 0.3
RIDE_S = 300.0
"""Somebody on a pad who stays goes with it for so long."""


class FollowedDaemon(Protocol):
    """A daemon that a flight follows by its event log.

    Attributes:
        tail: Its event log.
        killed: It was, or was told to end.
    """

    tail: DaemonEvents
    killed: bool

    def read_events(self) -> None:
        """Read its newest events.

        Raises:
            FlightError: It has ended by itself.
        """

    def kill(self) -> None:
        """End it at once."""

    def end(self) -> None:
        """Tell it to end, and do not wait for it."""


class Cable(Protocol):
    """The connection between daemon and autopilot."""

    def cut(self) -> None:
        """Let nothing pass from now on."""

    def mend(self) -> None:
        """Let everything pass again."""


class PilotedFlight:
    """Flies one plan from the hover to the ground; fills in the result as it goes.

    Args:
        plan: To be flown.
        world: People who walk in are added to it.
        autopilot: Of the vehicle.
        station: The pilot's own link.
        daemon: Followed by its events.
        cable: Between daemon and autopilot, when the plan cuts it.
        result: Takes verdict, times and faults.
        stack: Ends processes that a fault starts.
        say: Told how the flight goes, every few seconds of it or of the watch on the wall.
    """

    def __init__(
        self,
        plan: FlightPlan,
        world: World,
        autopilot: AutopilotProcess,
        station: GroundStation,
        daemon: FollowedDaemon,
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
        self._deadline_s = station.now_s + plan.limit_s
        self._pending = list(plan.faults)
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._ordered_s: float | None = None
        self._height_due_s = 0.0
        alone = plan.ordered_by is not None
        patience_s = math.inf if plan.lands_anyway or alone else HOLD_PATIENCE_S
        handed_back_s = None if plan.authority == "advise" or alone else HANDED_BACK_S
        self._pilot = Pilot(plan.search_s, math.inf, patience_s, handed_back_s)

    def fly(self) -> None:
        """Fly until the vehicle is on the ground, handed back for good, the pilot gives up, or the time is up.

        Raises:
            FlightError: The daemon ended by itself, or was not ready in time.
        """
        pilot, orders_all = self._pilot, self._plan.authority == "land"
        self._station.watch()
        self._wait_for_daemon()
        if orders_all:
            self._autopilot.hand_over(self._station)
            self._ordered_s = self._station.boot_s
            pilot.land()
        else:
            pilot.hover(self._station.now_s)
        while pilot.phase is not Phase.GIVEN_UP:
            landing = pilot.phase is Phase.LANDING
            if landing and self._landed():
                self._finish()
                return
            self._look()
            if self._out_of_time() or self._handed_back():
                return
            begins_anew = False
            if landing:
                self._note_height()
                self._note_mode()
                begins_anew = self._suffer()
            if begins_anew and orders_all:
                return
            if begins_anew:
                self._take_over()
            elif not orders_all:
                self._obey()

    def _obey(self) -> None:
        """Carry out the pilot's next order."""
        pilot = self._pilot
        order = pilot.step(self._seen())
        if order is ModeOrder.LAND:
            self._order_landing()
        elif order is ModeOrder.HOVER:
            self._take_over()
        elif pilot.phase is Phase.GIVEN_UP or (pilot.phase is Phase.HOVER and self._hopeless()):
            said = self._daemon.tail.last("no-site", "transition")
            words = f"{said.get('reason')}: {said.get('detail', '')}" if said else "no site"
            self._result.reason = words.strip(": ")
            if self._plan.lands_anyway:
                pilot.land()
                self._order_landing()
            else:
                pilot.phase = Phase.GIVEN_UP
                self._result.verdict = "no-site"

    def _seen(self) -> Seen:
        tail, truth = self._daemon.tail, self._station.truth
        change = tail.last("authority")
        return Seen(
            self._station.now_s,
            DirectorState.SEARCH if self._daemon.killed else DirectorState(tail.state),
            AuthorityState.OFF if change is None else AuthorityState(change["to_state"]),
            self._autopilot.hovering(self._station),
            0.0 if truth is None else truth.height_m,
            tail.descend_to_m,
        )

    def _hopeless(self) -> bool:
        slow = self._plan.ends_when_slow and not self._pilot.tracks and too_slow(self._daemon.tail.events) is not None
        return self._daemon.killed or slow

    def _order_landing(self) -> None:
        if self._plan.ordered_by is None:
            self._autopilot.order_landing(self._station, self._plan.order)
        elif self._ordered_s is None:
            self._fail(self._plan.ordered_by)
        if self._ordered_s is None:
            self._ordered_s = self._station.boot_s

    def _take_over(self) -> None:
        if not self._autopilot.hovering(self._station):
            self._result.manual_takeovers += 1
            self._autopilot.order_hover(self._station)
        self._pilot.hover(self._station.now_s)

    def _finish(self) -> None:
        if self._ordered_s is not None:
            self._result.verdict = "landed"
            self._result.seconds = round(self._station.boot_s - self._ordered_s, 2)

    def _look(self) -> None:
        """Wait for news, shortly."""
        self._station.poll(0.05)
        self._daemon.read_events()
        now_s = self._station.now_s
        for one in [one for one in self._due if now_s > one[0]]:
            self._due.remove(one)
            one[1]()
        truth = self._station.truth
        wall_s = time.monotonic()
        due = now_s - self._said_s[0] >= SAY_S or wall_s - self._said_s[1] >= SAY_WALL_S
        if due and truth is not None:
            self._said_s = (now_s, wall_s)
            self._say(f"  {truth.boot_s:5.1f} s of flight, {truth.height_m:4.1f} m up: {self._daemon.tail.words}")

    def _out_of_time(self) -> bool:
        """Return True when the flight took too long; the result says so."""
        if self._station.now_s <= self._deadline_s:
            return False
        slow = too_slow(self._daemon.tail.events)
        self._result.verdict = "timeout"
        self._result.reason = f"not landed after {self._plan.limit_s:g} s" + (f"; {slow}" if slow else "")
        return True

    def _handed_back(self) -> bool:
        """Return True when the daemon has ended its tries and the vehicle hovers, for the pilot; the result says so."""
        change = self._daemon.tail.last("authority")
        if change is None or change["to_state"] != AuthorityState.ENDED.value or HOLDS_IN not in change["reason"]:
            return False
        if not self._autopilot.hovering(self._station):
            return False
        self._result.verdict, self._result.reason = "handed-back", change["reason"]
        if self._ordered_s is not None:
            self._result.seconds = round(self._station.boot_s - self._ordered_s, 2)
        return True

    def _wait_for_daemon(self) -> None:
        deadline_s = self._station.now_s + START_S
        while self._daemon.tail.last("ready") is None:
            self._look()
            if self._station.now_s > deadline_s:
                raise TooLateError(f"edge serve was not ready in time; see {self._plan.out}")

    def _landed(self) -> bool:
        on_ground = self._station.landed_state == mavlink.MAV_LANDED_STATE_ON_GROUND
        return on_ground or not self._station.armed

    def _note_height(self) -> None:
        truth = self._station.truth
        if truth is not None and truth.boot_s >= self._height_due_s:
            self._height_due_s = truth.boot_s + 1.0
            self._result.heights.append(round(truth.height_m, 2))
            battery = self._station.batteries.status(self._station.clock_ns())
            if battery is not None:
                height_m = round(truth.height_m, 2)
                told = (battery.left_s, battery.critical, battery.good)
                self._result.batteries.append((round(truth.boot_s, 1), height_m, *told))

    def _note_mode(self) -> None:
        modes, name = self._result.modes, self._station.mode_name
        if not modes or modes[-1][1] != name:
            modes.append((round(self._station.boot_s, 2), name))

    # -- faults --

    def _suffer(self) -> bool:
        """Let those faults happen whose height is reached; True when the flight begins anew."""
        truth = self._station.truth
        for planned in tuple(self._pending):
            if truth is None or truth.height_m >= planned.below_m:
                continue
            if planned.fault is Fault.INTRUDER and self._daemon.tail.site is None:
                continue
            if planned.fault is Fault.DAEMON_END and not self._held_up():
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

    def _held_up(self) -> bool:
        """Return True while the vehicle hovers on the daemon's word."""
        change = self._daemon.tail.last("authority")
        on_its_word = change is not None and AuthorityState(change["to_state"]) in IN_THE_AIR
        return on_its_word and self._autopilot.hovering(self._station)

    def _happens(self, planned: PlannedFault) -> None:
        for_s = FOREVER_S if planned.for_s is None else planned.for_s
        if planned.fault is Fault.INTRUDER:
            self._walk_in(planned)
        elif planned.fault is Fault.CAMERA_STALL:
            until_ns = self._station.clock_ns() + round(for_s * 1e9)
            give_order(self._plan.out / ORDERS, Stall(until_ns))
        elif planned.fault is Fault.DAEMON_KILL:
            self._daemon.kill()
        elif planned.fault is Fault.DAEMON_END:
            self._daemon.end()
        elif planned.fault is Fault.LINK_CUT:
            assert self._cable is not None
            self._cable.cut()
            self._due.append((self._station.now_s + for_s, self._cable.mend))
        elif planned.fault is Fault.SWITCHED_OFF:
            self._switch(0.0)
            self._due.append((self._station.now_s + for_s, partial(self._switch, 1.0)))
        elif planned.fault is Fault.AUTOPILOT_RESTART:
            self._restart_autopilot()
        else:
            self._fail(Failsafe(planned.fault.value))

    def _fail(self, failsafe: Failsafe) -> None:
        """Bring a failsafe of the autopilot about.

        Raises:
            FlightError: It is not known how on this autopilot.
        """
        if failsafe not in self._autopilot.failsafes:
            raise FlightError(f"{self._autopilot.name}: no {failsafe.value} is known here")
        for name, value in self._autopilot.failsafes[failsafe].items():
            self._station.set_parameter(name, value)
        self._station.silent = failsafe is Failsafe.GCS_LOSS

    def _switch(self, value: float) -> None:
        """Set the daemon's switch from the ground station, until its log tells of it.

        Raises:
            FlightError: The autopilot does not pass it on.
        """
        for _ in range(SWITCHES):
            to = self._station.system_id, OURS
            self._station.send(mavlink.MAVLink_param_set_message(*to, ENABLE.encode(), value, REAL32))
            self._station.wait(SWITCH_S)
            self._daemon.read_events()
            changed = self._daemon.tail.last("parameter")
            if changed is not None and changed["value"] == value:
                return
        raise FlightError(f"{ENABLE} = {value:g} does not come through {self._autopilot.name}")

    def _walk_in(self, planned: PlannedFault) -> None:
        site = self._daemon.tail.site
        assert site is not None
        origin_n_m, origin_e_m = self._station.origin_ne_m or (0.0, 0.0)
        north_m, east_m, _ = site["position_ned_m"]
        if self.world.pad is not None and site.get("pad") is not None:
            self._step_on(planned, self.world.pad)
            return
        walker = visit(
            "person",
            (origin_n_m + north_m, origin_e_m + east_m),
            self._station.boot_s + planned.walk_m / WALK_MPS,
            from_rad=math.radians(planned.from_deg),
            walk_m=planned.walk_m,
            stay_s=math.inf if planned.for_s is None else planned.for_s,
            style=3,
        )
        self._enter(walker)

    def _step_on(self, planned: PlannedFault, pad: GroundPad) -> None:
        """Somebody walks to where the pad will be, and stands on it as it goes."""
        stay_s = RIDE_S if planned.for_s is None else planned.for_s
        arrives_s = self._station.boot_s + planned.walk_m / WALK_MPS
        turn = math.radians(planned.from_deg)
        times = [arrives_s + step for step in range(math.ceil(stay_s) + 1)]
        places = [pad.at(t_s) for t_s in times]

        def away(place: tuple[float, float]) -> tuple[float, float]:
            return place[0] + planned.walk_m * math.cos(turn), place[1] + planned.walk_m * math.sin(turn)

        times = [self._station.boot_s, *times, times[-1] + planned.walk_m / WALK_MPS]
        places = [away(places[0]), *places, away(places[-1])]
        self._enter(Timetable("person", tuple(times), tuple(places), style=3))

    def _enter(self, walker: Timetable) -> None:
        self.world = self.world.with_actors(walker)
        give_order(self._plan.out / ORDERS, walker)

    def _restart_autopilot(self) -> None:
        self._autopilot.die()
        self._autopilot.start(self._stack)
        self._station.open()
        fly_to_start(self._autopilot, self._station)
        self._station.watch()
        self._ordered_s = None
        self._height_due_s = 0.0
