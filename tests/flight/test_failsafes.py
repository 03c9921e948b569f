"""Failsafes of ArduCopter in the middle of a landing, on the stand-in: what the vehicle does, and what we do beside it.

`tests/sitl` flies the same on ArduPilot's own simulator.
"""

from __future__ import annotations

import pytest

from firmware_bridge.dialect import mavlink
from landing.settings import AuthoritySettings
from sim.vehicle.autopilot import Mode
from sim.vehicle.failsafes import ARDUPILOT_FAILSAFES, Failsafe
from tests.flight.in_process import InProcessFlight
from tests.flight.test_guard import GUARD, Intrusion, descending

IN_FAILSAFE = GUARD.model_copy(update={"failsafe": "guard"})
GROUND_STATION = 255


def hear_station(flight: InProcessFlight) -> None:
    """One heartbeat of the ground station, after which it is silent."""
    sender = mavlink.MAVLink(None, srcSystem=GROUND_STATION, srcComponent=190)
    beat = mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, 0, 3)
    flight.autopilot.receive("pilot", mavlink.MAVLink(None).decode(bytearray(beat.pack(sender))))


def fail(flight: InProcessFlight, failsafe: Failsafe) -> None:
    for name, value in {**ARDUPILOT_FAILSAFES[failsafe], "RTL_ALT": 1200}.items():
        flight.autopilot.parameters.set(name, value)


def landing(settings: AuthoritySettings, failsafe: Failsafe, intrusion: Intrusion | None = None) -> InProcessFlight:
    """A failsafe at 9 m, until the vehicle has acted on it."""
    flight = descending(settings, intrusion)
    flight.autopilot.parameters.in_force["BATT_MONITOR"] = 4
    hear_station(flight)
    flight.run(lambda: flight.vehicle.height_m < 9.0, 20)
    fail(flight, failsafe)
    return flight


def told(flight: InProcessFlight) -> list[tuple[str, str]]:
    return [(e["to_state"], e["reason"]) for e in flight.events if e["event"] == "authority"]


def breach(flight: InProcessFlight, failsafe: Failsafe) -> None:
    """Draw the fence so near that the vehicle is outside of it."""
    if failsafe is Failsafe.FENCE:
        flight.autopilot.parameters.set("FENCE_RADIUS", 0)


def end_breach(flight: InProcessFlight, failsafe: Failsafe) -> None:
    """Draw the fence far again, as if the vehicle had come back from beyond it."""
    if failsafe is Failsafe.FENCE:
        flight.run_for(0.5)
        flight.autopilot.parameters.set("FENCE_RADIUS", 300)


@pytest.mark.parametrize("failsafe", [Failsafe.RC_LOSS, Failsafe.GCS_LOSS, Failsafe.FENCE])
def test_the_way_home_of_a_failsafe_gets_targets_and_no_command(failsafe):
    flight = landing(GUARD, failsafe)
    breach(flight, failsafe)
    flight.run(lambda: flight.mode is Mode.RTL, 10)
    flight.run_for(1.0)
    assert told(flight)[-1] == ("ready", "the autopilot's own failsafe is in force")
    targets = flight.link.targets
    flight.run(lambda: flight.landed, 60)
    assert flight.commands == [] and flight.link.targets > targets + 100
    states = [e["to_state"] for e in flight.events if e["event"] == "transition"]
    assert "commit" in states and not any("the pilot has it" in text for text in flight.said)


def test_a_low_battery_that_lands_goes_on_to_the_site():
    flight = landing(GUARD, Failsafe.BATTERY_LOW)
    flight.run(lambda: flight.landed, 30)
    assert flight.commands == [] and flight.mode is Mode.LAND
    assert told(flight)[-1] == ("ready", "the autopilot's own failsafe is in force")


@pytest.mark.parametrize("fenced", [True, False])
def test_a_pilot_who_flies_home_is_not_taken_for_the_fence(fenced):
    flight = descending(GUARD)
    if fenced:
        flight.autopilot.parameters.set("FENCE_ENABLE", 1)
    flight.run(lambda: flight.vehicle.height_m < 9.0, 20)
    flight.switch(Mode.RTL)
    flight.run_for(1.2)
    assert told(flight)[-1] == ("ended", "the pilot has it: mode RTL, which was not ours")


@pytest.mark.parametrize("failsafe", [Failsafe.RC_LOSS, Failsafe.FENCE])
def test_with_guard_a_person_and_the_look_around_hold_the_last_leg_up(failsafe):
    intrusion = Intrusion(below_m=6.0, stay_s=3.0)
    flight = landing(IN_FAILSAFE, failsafe)
    breach(flight, failsafe)
    flight.run(lambda: flight.mode is Mode.RTL, 10)
    end_breach(flight, failsafe)
    flight.people, intrusion.flight = intrusion.people, flight
    flight.run(lambda: flight.authority == "guard" and flight.vehicle.height_m < 8.0, 60)
    assert flight.commands == [] and flight.mode is Mode.RTL
    intrusion.site = flight.output.target.position_ned_m[:2]
    flight.run(lambda: flight.landed or flight.authority == "ended", 90)
    assert flight.landed, flight.said
    states = told(flight)
    (held,) = [reason for state, reason in states if state == "hold"]
    assert held.startswith("person at the site; failsafe, at most ")
    assert any(state == "look" for state, _ in states)
    (where,) = intrusion.people(flight.t_s)
    assert flight.distance_m(*where) > 4.0


def test_with_guard_the_daemons_end_lets_a_landing_that_it_holds_up_go_on():
    flight = landing(IN_FAILSAFE, Failsafe.RC_LOSS)
    flight.run(lambda: flight.authority == "guard" and flight.vehicle.height_m < 8.0, 60)
    (north_m, east_m) = flight.output.target.position_ned_m[:2]
    flight.people = lambda t_s: [(north_m, east_m)]
    flight.run(lambda: flight.authority == "hold" and flight.mode is Mode.GUIDED, 20)
    assert flight.loop.holds_failsafe
    flight.leaving = True
    flight.run(lambda: not flight.loop.holds_failsafe, 2.5)
    assert flight.mode is Mode.LAND and told(flight)[-1] == ("ended", "lands without us")
