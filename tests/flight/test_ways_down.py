"""Ways down other than LAND, on the stand-in: the director follows each, `guard` those that the autopilot flies."""

from __future__ import annotations

import math

import pytest

from firmware_bridge.dialect import mavlink
from landing.settings import AuthoritySettings
from sim.vehicle.autopilot import Mode
from sim.vehicle.autopilot.mission import StoredItem
from tests.flight.in_process import InProcessFlight
from tests.flight.test_guard import Intrusion

GUARD = AuthoritySettings(level="guard", begin_in_air=True)
MISSION = [
    StoredItem(mavlink.MAV_CMD_NAV_WAYPOINT, (10.0, 0.0, 14.0)),
    StoredItem(mavlink.MAV_CMD_DO_LAND_START),
    StoredItem(mavlink.MAV_CMD_NAV_WAYPOINT, (10.0, 4.0, 14.0)),
    StoredItem(mavlink.MAV_CMD_NAV_LAND, (10.0, 8.0, 0.0)),
]


def hovering(settings=GUARD, intrusion=None, height_m=14.0) -> InProcessFlight:
    flight = InProcessFlight(settings, height_m, **({"people": intrusion.people} if intrusion else {}))
    flight.autopilot.flight.mission.items = MISSION
    flight.run(lambda: flight.output is not None and flight.output.state.value == "track", 10)
    flight.run_for(2)
    return flight


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.AUTO_RTL])
def test_a_missions_landing_item_is_guarded_like_a_landing_by_hand(mode):
    intrusion = Intrusion(below_m=7.0, stay_s=4.0)
    flight = hovering(intrusion=intrusion)
    flight.switch(mode)
    flight.run(lambda: flight.authority == "guard", 60)
    assert flight.mode is mode and flight.autopilot.flight.mission.current == 4
    assert flight.commands == []  # nothing on the mission's way there
    intrusion.flight, intrusion.site = flight, flight.output.target.position_ned_m[:2]
    flight.run(lambda: flight.commands != [], 60)
    assert flight.commands[0]["command"] == "Hold" and 2.0 < flight.vehicle.height_m < 7.5
    flight.run(lambda: flight.mode is Mode.GUIDED, 0.3)
    if mode is Mode.AUTO_RTL:
        return  # how it goes on is not the mission's: the same from either mode
    flight.run(lambda: flight.landed or flight.authority == "ended", 150)
    assert flight.landed, flight.said
    (where,) = intrusion.people(flight.t_s)
    assert flight.distance_m(*where) > 4.0
    assert flight.mode is Mode.LAND
    said = [text for text in flight.said if "the mission ends at item 4" in text]
    assert len(said) == 1, flight.said


def test_the_operator_who_sends_the_mission_on_is_let_go():
    flight = hovering()
    flight.switch(Mode.AUTO)
    flight.run(lambda: flight.authority == "guard", 60)
    flight.autopilot.receive("pilot", mavlink.MAVLink_mission_set_current_message(1, 1, 1))
    flight.run(lambda: flight.authority == "ready", 6)
    flight.run_for(3)
    assert flight.commands == [] and flight.mode is Mode.AUTO


def test_the_last_leg_of_the_way_home_is_guarded_and_a_long_way_there_is_no_time_without_a_site():
    flight = hovering()
    flight.autopilot.vehicle.place(60.0, 0.0, 14.0, 0.0, flying=True)
    flight.run_for(2.0)
    flight.seeing = False  # nothing to be seen on the way
    flight.switch(Mode.RTL)
    flight.run_for(3.0)
    assert flight.output.state.value == "search"
    flight.run(lambda: flight.distance_m(0.0, 0.0) < 3.0, 60)
    flight.seeing = True
    flight.run(lambda: flight.authority == "guard", 60)
    assert flight.mode is Mode.RTL
    flight.run(lambda: flight.landed, 90)
    states = [e["to_state"] for e in flight.events if e["event"] == "transition"]
    assert "abort" not in states and "commit" in states


def test_a_pilot_who_sinks_in_loiter_hears_of_a_person_and_is_never_commanded():
    intrusion = Intrusion(below_m=13.0)
    flight = hovering(intrusion=intrusion)
    intrusion.flight, intrusion.site = flight, flight.output.target.position_ned_m[:2]
    flight.switch(Mode.LOITER)
    for _ in range(110):
        flight.sticks(throttle=1380)
        flight.run_for(0.1)
    said = [text for text in flight.said if text.startswith("Landing hold: person")]
    assert said, flight.said
    assert flight.commands == [] and flight.authority == "ready"
    assert flight.vehicle.height_m < 7.0 and flight.mode is Mode.LOITER
    for _ in range(50):  # the stick is let go: no landing any more
        flight.sticks(throttle=1500)
        flight.run_for(0.1)
    assert flight.output.state.value in ("search", "track", "confirm")


def test_in_advise_the_same_ways_down_get_targets_and_no_command():
    flight = hovering(AuthoritySettings())
    flight.switch(Mode.AUTO)
    flight.run(lambda: flight.output.state.value == "commit", 60)
    flight.run(lambda: flight.landed, 60)
    assert flight.commands == [] and math.isfinite(flight.distance_m(10.0, 8.0))
    assert flight.link.targets > 100
