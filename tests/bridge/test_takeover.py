"""A failsafe of PX4's that a command of ours took over goes on to count, until another mode comes."""

from __future__ import annotations

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.vehicle import VehicleTracker, mode_number
from landing.vehicle import Autopilot

ACTIVE, CRITICAL = mavlink.MAV_STATE_ACTIVE, mavlink.MAV_STATE_CRITICAL


class Told:
    """A tracker, and what a PX4 tells it."""

    def __init__(self, autopilot: Autopilot = Autopilot.PX4) -> None:
        self.tracker = VehicleTracker()
        self._autopilot = autopilot
        self.now_ns = 0

    def mode(self, name: str, state: int = ACTIVE, *, armed: bool = True) -> bool:
        """Return True while a failsafe is in force by this heartbeat."""
        self.now_ns += 200_000_000
        main, sub = mode_number(self._autopilot, name)
        px4 = self._autopilot is Autopilot.PX4
        base = mavlink.MAV_MODE_FLAG_SAFETY_ARMED if armed else 0
        kind = mavlink.MAV_AUTOPILOT_PX4 if px4 else mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
        number = main << 16 | sub << 24 if px4 else main
        beat = mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_QUADROTOR, kind, base, number, state, 3)
        self.tracker.on_heartbeat(beat, self.now_ns)
        return self.tracker.status(self.now_ns).failsafe

    def ask(self) -> None:
        self.tracker.on_command(self.now_ns)


def taken_over() -> Told:
    told = Told()
    assert told.mode("AUTO.RTL", CRITICAL)
    told.ask()
    assert told.mode("AUTO.LOITER")
    return told


def test_it_goes_on_in_what_we_ask_for_though_the_heartbeat_does_not_tell_it():
    told = taken_over()
    assert told.mode("AUTO.LOITER")
    told.ask()
    assert told.mode("AUTO.PRECLAND")


@pytest.mark.parametrize("mode", ["AUTO.RTL", "AUTO.LAND", "POSCTL", "AUTO.MISSION"])
def test_it_ends_with_another_mode(mode):
    told = taken_over()
    assert not told.mode(mode)
    assert not told.mode("AUTO.LOITER")


def test_it_ends_on_the_ground_and_with_another_autopilot():
    assert not taken_over().mode("AUTO.PRECLAND", armed=False)
    told = taken_over()
    told.tracker.forget()
    assert not told.mode("AUTO.LOITER")


def test_a_failsafe_that_clears_by_itself_is_over():
    told = Told()
    assert told.mode("AUTO.LOITER", CRITICAL) and not told.mode("AUTO.LOITER")
    told.ask()
    assert not told.mode("AUTO.PRECLAND")


def test_the_next_failsafe_is_in_force_by_its_own_heartbeat():
    told = taken_over()
    assert told.mode("AUTO.LAND", CRITICAL) and not told.mode("AUTO.LAND")


def test_while_the_heartbeat_tells_it_the_mode_is_the_failsafes():
    told = taken_over()
    status = told.tracker.status
    assert not status(told.now_ns).failsafe_mode
    told.mode("AUTO.LOITER", CRITICAL)
    assert status(told.now_ns).failsafe_mode
    told.mode("AUTO.RTL", CRITICAL)
    assert status(told.now_ns).failsafe_mode and status(told.now_ns).failsafe
    told.mode("POSCTL")
    assert not status(told.now_ns).failsafe_mode and not status(told.now_ns).failsafe


@pytest.mark.parametrize("autopilot", [Autopilot.PX4, Autopilot.ARDUPILOT])
def test_px4_does_not_tell_of_a_critical_battery_in_a_precision_landing(autopilot):
    px4 = autopilot is Autopilot.PX4
    told = Told(autopilot)
    states = mavlink.MAV_BATTERY_CHARGE_STATE_LOW, mavlink.MAV_BATTERY_CHARGE_STATE_CRITICAL
    for state in states:
        report = mavlink.MAVLink_battery_status_message(0, 0, 1, 0, [0] * 10, -1, -1, -1, 6, 0, state)
        told.tracker.handlers["BATTERY_STATUS"](report, told.now_ns)
        assert told.mode("AUTO.PRECLAND" if px4 else "LAND") is (px4 and state == states[1])


def test_ardupilot_tells_its_failsafes_in_every_mode():
    told = Told(Autopilot.ARDUPILOT)
    assert told.mode("RTL", CRITICAL)
    assert not told.tracker.status(told.now_ns).failsafe_mode
    told.ask()
    assert not told.mode("GUIDED")


def test_what_px4_does_next_about_a_failsafe_that_was_taken_over_does_not_end_it():
    told = taken_over()
    assert told.mode("AUTO.RTL", CRITICAL) and told.mode("AUTO.LOITER")
