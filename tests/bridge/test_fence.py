"""Which modes the geofence began, by the order in which modes and breaches are told."""

from __future__ import annotations

import pytest

from firmware_bridge.clock import ClockMap
from firmware_bridge.dialect import mavlink
from firmware_bridge.fence import EARLY_NS, HEARD_NS, LATE_NS, SILENT_WITHIN_NS, TOLD_WITHIN_NS, FenceWatch
from firmware_bridge.vehicle import VehicleTracker

S = 1_000_000_000
MS = 1_000_000
RTL, LAND, LOITER, GUIDED = 6, 9, 5, 4


class Told:
    """A tracker, and what an ArduCopter tells it."""

    def __init__(self, *, fenced: bool = True, clock: bool = False) -> None:
        self.clock = ClockMap()
        if clock:
            self.clock.update(0, 0)  # its boot clock is ours
        self.tracker = VehicleTracker(clock=self.clock)
        self.mode(LAND, 0)
        if fenced:
            self.fence(0, 0)

    def mode(self, number: int, at_ns: int, *, armed: bool = True) -> None:
        base = mavlink.MAV_MODE_FLAG_SAFETY_ARMED if armed else 0
        kind, ardupilot = mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
        beat = mavlink.MAVLink_heartbeat_message(kind, ardupilot, base, number, mavlink.MAV_STATE_ACTIVE, 3)
        self.tracker.on_heartbeat(beat, at_ns)

    def fence(self, count: int, at_ns: int, *, outside: bool = False, breach_ns: int = 0) -> None:
        message = mavlink.MAVLink_fence_status_message(int(outside), count, 0, breach_ns // MS, 0)
        self.tracker.handlers["FENCE_STATUS"](message, at_ns)

    def judged(self, at_ns: int) -> str:
        status = self.tracker.status(at_ns)
        return "open" if status.fence_open else "fence" if status.failsafe else "pilot"


def test_the_mode_first_and_the_breach_behind_it():
    told = Told()
    told.mode(RTL, S)
    assert told.judged(S) == "open"
    told.fence(1, S + 1, outside=True)
    assert told.judged(S + 1) == "fence"
    told.fence(1, 9 * S)  # inside again, on the way home
    assert told.judged(9 * S) == "fence"


def test_the_breach_first_and_the_mode_behind_it():
    told = Told()
    told.fence(1, S, outside=True)
    assert told.judged(S) == "pilot"
    told.mode(RTL, S + 1)
    assert told.judged(S + 1) == "fence"


def test_a_mode_without_a_breach_is_the_pilots_from_the_next_report_on():
    told = Told()
    told.mode(RTL, S)
    told.fence(0, S + S // 2)
    assert told.judged(S + S // 2) == "pilot"


def test_a_pilot_who_flies_home_from_outside_of_a_fence_that_was_breached_before_is_the_pilot():
    told = Told()
    told.fence(1, S, outside=True)
    told.mode(RTL, 5 * S)
    told.fence(1, 5 * S + 1, outside=True)
    assert told.judged(5 * S + 1) == "pilot"


def test_a_report_that_does_not_come_is_not_waited_for_long():
    told = Told()
    told.mode(RTL, S)
    assert told.judged(S + TOLD_WITHIN_NS) == "open" and told.judged(S + TOLD_WITHIN_NS + 1) == "pilot"
    without = Told(fenced=False)
    without.mode(RTL, S)
    assert without.judged(S + SILENT_WITHIN_NS) == "open" and without.judged(S + SILENT_WITHIN_NS + 1) == "pilot"
    off = Told()
    off.mode(RTL, HEARD_NS + S)
    assert off.judged(HEARD_NS + S + SILENT_WITHIN_NS + 1) == "pilot"


def test_a_fence_that_is_on_and_breached_at_once_is_believed():
    told = Told(fenced=False)
    told.mode(RTL, S)
    told.fence(1, S + 1, outside=True)
    assert told.judged(S + 1) == "fence"


@pytest.mark.parametrize(
    ("mode_ns", "whose"),
    [
        (-EARLY_NS - MS, "pilot"),  # home by the pilot's word, and over the fence on the way
        (-EARLY_NS, "fence"),
        (0, "fence"),
        (LATE_NS, "fence"),
        (LATE_NS + MS, "pilot"),  # a breach that is only reported, and a pilot who reacts to it
    ],
)
@pytest.mark.parametrize("lost", [False, True])
def test_the_breachs_own_time_tells_the_pilots_way_home_from_the_fences(mode_ns, whose, lost):
    told, breach_ns = Told(clock=True), 5 * S
    report_ns = breach_ns + (S // 2 if lost else 20 * MS)  # the first report, or the next where it was lost
    mode_ns += breach_ns
    told.fence(0, 4 * S)
    for at_ns in sorted((mode_ns, report_ns)):
        if at_ns == mode_ns:
            told.mode(RTL, mode_ns)
        else:
            told.fence(1, report_ns, outside=True, breach_ns=breach_ns)
    told.fence(1, 6 * S, outside=True, breach_ns=breach_ns)
    assert told.judged(6 * S) == whose


def test_modes_that_no_fence_begins_are_never_open():
    told = Told()
    for number in (LOITER, GUIDED, 0):
        told.fence(number + 1, S, outside=True)
        told.mode(number, S + 1)
        assert told.judged(S + 1) == "pilot"


def test_what_the_fence_began_outlasts_our_own_modes_and_ends_with_another():
    told = Told()
    told.mode(RTL, S)
    told.fence(1, S, outside=True)
    told.tracker.fence.on_command(10 * S)
    told.mode(GUIDED, 11 * S)
    assert told.judged(40 * S) == "fence"
    told.tracker.fence.on_command(40 * S)
    told.mode(LAND, 41 * S)
    assert told.judged(41 * S) == "fence"
    told.mode(GUIDED, 50 * S)  # nobody of ours
    assert told.judged(50 * S) == "pilot"


def test_it_ends_on_the_ground_and_with_another_autopilot():
    told = Told()
    told.mode(RTL, S)
    told.fence(1, S, outside=True)
    told.mode(RTL, 2 * S, armed=False)
    told.mode(RTL, 3 * S)
    assert told.judged(3 * S) == "pilot"
    told.mode(LAND, 4 * S)
    told.fence(2, 4 * S, outside=True)
    told.tracker.forget()
    assert told.tracker.fence.acted is False and FenceWatch().acted is False


def test_the_fence_that_acts_right_after_a_command_of_ours_is_the_fence():
    told = Told()
    told.tracker.fence.on_command(S)
    told.mode(RTL, S + 1)
    assert told.judged(S + 1) == "open"
    told.fence(1, S + 2, outside=True)
    assert told.judged(S + 2) == "fence"


def test_a_mode_of_ours_closes_the_question_of_the_one_before():
    told = Told()
    told.mode(RTL, S)
    told.tracker.fence.on_command(S + 1)
    told.mode(GUIDED, S + 2)
    assert told.judged(S + 2) == "pilot"


@pytest.mark.parametrize(("mode_ns", "whose"), [(-900 * MS, "fence"), (900 * MS, "fence"), (1100 * MS, "pilot")])
def test_without_its_own_time_a_breach_counts_by_its_report(mode_ns, whose):
    told, breach_ns = Told(), 10 * S
    if mode_ns < 0:
        told.mode(RTL, breach_ns + mode_ns)
    told.fence(1, breach_ns, outside=True)
    if mode_ns > 0:
        told.mode(RTL, breach_ns + mode_ns)
    assert told.judged(breach_ns + max(0, mode_ns) + 2 * S) == whose


def test_a_count_that_began_anew_with_the_autopilot_hides_no_breach():
    told = Told()
    told.fence(3, S)
    told.fence(1, 60 * S, outside=True)  # it has started anew meanwhile, and no report came in between
    told.mode(RTL, 60 * S + 1)
    assert told.judged(60 * S + 1) == "fence"
