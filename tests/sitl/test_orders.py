"""Holds and flights that the authority asks for, each alone, on the real autopilots; and the switch that ends them.

A landing of the contract asks for a flight only where something comes in its way. Here a link without a daemon asks, so
that each order is flown, also by a computer that falls silent on the way.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from edge.parameters import ENABLE
from firmware_bridge.dialect import mavlink
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from firmware_bridge.parameters import OwnParameter, ParameterKind, Writable
from firmware_bridge.settings import LinkSettings
from landing.command.orders import AnswerKind, CommandRequest, FlightCommand, FlyTo, Hold
from landing.geometry import heading_of
from landing.types import Pose
from landing.vehicle import FLIGHT_MODES
from sim.vehicle.autopilot_process import AutopilotProcess, StartConditions
from sim.vehicle.autopilots import make_autopilot
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from sim.vehicle.sitl.namespace import loopback_only

pytestmark = [pytest.mark.sitl, pytest.mark.timeout(900)]

HEIGHT_M = 15.0
AWAY_M, DOWN_M = 12.0, 2.0
"""Of a flight: to the side, and down on the way."""

ARRIVES_M, ARRIVES_S = 1.0, 30.0
KEEPS_RAD = math.radians(10.0)
"""The nose of a vehicle that flies with a heading asked for; it leans, and PX4's estimate wanders."""

KNOWN_S, ANSWERS_S, SETTLES_S, SWITCHES_S = 60.0, 5.0, 4.0, 5.0
OURS = 191


class Switch:
    """A `firmware_bridge.parameters.ParameterTable` of one."""

    parameters: Sequence[OwnParameter] = (
        OwnParameter(ENABLE, ParameterKind.INT32, "the switch", "", 0, 1, 1, Writable.ALWAYS),
    )

    def __init__(self) -> None:
        self.value = 1.0

    def get(self, name: str) -> float:
        """The present value."""
        return self.value

    def set(self, name: str, value: float, source: str) -> None:
        """Take a value."""
        self.value = value


class Vehicle:
    """An autopilot that hovers in our hold, with a link that may command it."""

    def __init__(self, station: GroundStation, link: FlightLink, switch: Switch) -> None:
        self.station = station
        self.link = link
        self.switch = switch
        self._beat_s = -math.inf
        self._number = 0
        deadline_s = time.monotonic() + KNOWN_S
        while self.link.global_fix() is None or not self.link.vehicle(time.monotonic_ns()).mode:
            assert time.monotonic() < deadline_s, self.link.status(time.monotonic_ns())
            self.poll()
        self.hold = FLIGHT_MODES[self.link.vehicle(time.monotonic_ns()).autopilot].hold

    def poll(self) -> None:
        """A moment; our heartbeat once a second."""
        if time.monotonic() - self._beat_s >= 1.0:
            self._beat_s = time.monotonic()
            self.link.send_heartbeat(HealthState.OK)
        self.station.poll(0.02)

    @property
    def pose(self) -> Pose:
        """The newest pose, whole."""
        deadline_s = time.monotonic() + ANSWERS_S
        while True:
            pose = self.link.latest_pose(time.monotonic_ns())
            if pose is not None and pose.position_ned_m is not None and pose.ned_from_frd is not None:
                return pose
            assert time.monotonic() < deadline_s, pose
            self.poll()

    def ask(self, command: FlightCommand) -> None:
        """Ask, and wait until it is accepted."""
        self._number += 1
        assert self.link.command(CommandRequest(self._number, command)).sent
        deadline_s = time.monotonic() + ANSWERS_S
        while True:
            self.poll()
            for answer in self.link.take_answers():
                assert answer.number != self._number or answer.kind is AnswerKind.ACCEPTED, answer
                if answer.number == self._number:
                    return
            assert time.monotonic() < deadline_s, "no answer"

    def aside(self, from_deg: float = 90.0) -> FlyTo:
        """A flight to the side of the nose and down, with the nose kept where it is."""
        pose = self.pose
        assert pose.position_ned_m is not None
        north_m, east_m, down_m = pose.position_ned_m
        heading_rad = heading_rad_of(pose)
        way_rad = heading_rad + math.radians(from_deg)
        to = (north_m + AWAY_M * math.cos(way_rad), east_m + AWAY_M * math.sin(way_rad), down_m + DOWN_M)
        return FlyTo(to, heading_rad, pose.frame)

    def away_m(self, flight: FlyTo) -> float:
        """Distance of the vehicle from the end of a flight, m."""
        position_ned_m = self.pose.position_ned_m
        assert position_ned_m is not None
        return math.dist(position_ned_m, flight.position_ned_m)

    def follow(self, flight: FlyTo, until_m: float = ARRIVES_M) -> float:
        """Wait until it is so near the end; return by how much its nose left the heading meanwhile, rad."""
        deadline_s, most_rad = time.monotonic() + ARRIVES_S, 0.0
        assert flight.heading_rad is not None
        while self.away_m(flight) > until_m:
            assert time.monotonic() < deadline_s, f"{self.away_m(flight):.1f} m away still"
            most_rad = max(most_rad, between(heading_rad_of(self.pose), flight.heading_rad))
            self.poll()
        return most_rad

    def settle(self, seconds: float = SETTLES_S) -> None:
        """Let a time pass."""
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            self.poll()


def heading_rad_of(pose: Pose) -> float:
    """The yaw angle."""
    assert pose.ned_from_frd is not None
    return heading_of(pose.ned_from_frd)[0]


def between(one_rad: float, other_rad: float) -> float:
    """The angle between two headings."""
    return abs(math.remainder(one_rad - other_rad, math.tau))


@pytest.fixture(scope="module", params=list(SIMULATORS))
def hovering(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[AutopilotProcess, GroundStation]]:
    """An autopilot in the air, in our hold."""
    kind: str = request.param
    try:
        find_simulator(kind)
    except MissingSimulatorError as error:
        if os.environ.get(SIMULATORS[kind].variable):
            raise
        pytest.skip(str(error))
    with ExitStack() as stack:
        stack.enter_context(loopback_only())
        autopilot = make_autopilot(kind, StartConditions((0.0, 0.0), HEIGHT_M, 0.0), tmp_path_factory.mktemp(kind))
        autopilot.start(stack)
        station = stack.enter_context(GroundStation(autopilot.links.pilot, autopilot.home))
        autopilot.hover(station)
        station.watch()
        yield autopilot, station


@pytest.fixture
def vehicle(hovering: tuple[AutopilotProcess, GroundStation]) -> Iterator[Vehicle]:
    """The same with a new link for each test."""
    autopilot, station = hovering
    switch = Switch()
    with FlightLink(LinkSettings(autopilot.links.daemon, commands=True), None, switch) as link:
        yield Vehicle(station, link, switch)


def test_a_flight_to_the_side_keeps_the_nose_where_it_is(vehicle: Vehicle) -> None:
    vehicle.ask(Hold())
    flight = vehicle.aside()
    vehicle.ask(flight)
    assert vehicle.follow(flight) < KEEPS_RAD
    vehicle.settle()
    assert vehicle.away_m(flight) < ARRIVES_M and vehicle.station.mode_name == vehicle.hold


def test_a_heading_that_is_asked_for_is_turned_to(vehicle: Vehicle) -> None:
    vehicle.ask(Hold())
    there = vehicle.aside(-90.0)
    assert there.heading_rad is not None
    flight = FlyTo(there.position_ned_m, there.heading_rad + math.radians(120.0), there.frame)
    vehicle.ask(flight)
    vehicle.follow(flight)
    vehicle.settle()
    assert between(heading_rad_of(vehicle.pose), there.heading_rad + math.radians(120.0)) < KEEPS_RAD
    assert vehicle.away_m(flight) < ARRIVES_M


def test_a_flight_that_is_asked_for_again_on_the_way_goes_on(vehicle: Vehicle) -> None:
    """As after a step of the local frame."""
    vehicle.ask(Hold())
    flight = vehicle.aside()
    vehicle.ask(flight)
    for share in (0.8, 0.5):
        assert vehicle.follow(flight, share * AWAY_M) < KEEPS_RAD
        vehicle.ask(flight)
    assert vehicle.follow(flight) < KEEPS_RAD


def test_a_hold_stops_a_flight_on_its_way(vehicle: Vehicle) -> None:
    """ArduPilot's GUIDED goes on to where it was sent: a place right here stops it."""
    vehicle.ask(Hold())
    flight = vehicle.aside(-90.0)
    vehicle.ask(flight)
    vehicle.follow(flight, 0.7 * AWAY_M)
    here = vehicle.pose
    assert here.position_ned_m is not None
    stop = FlyTo(here.position_ned_m, flight.heading_rad, here.frame)
    vehicle.ask(stop)
    vehicle.settle(6.0)
    assert vehicle.away_m(stop) < 2.0 < vehicle.away_m(flight)


def test_a_ground_station_switches_it_off_and_on_in_flight(vehicle: Vehicle) -> None:
    """Through the autopilot, which passes it on to us."""
    for value in (0.0, 1.0):
        deadline_s = time.monotonic() + SWITCHES_S
        while vehicle.switch.value != value:
            assert time.monotonic() < deadline_s, f"{ENABLE} = {value:g} does not come through the autopilot"
            vehicle.station.send(
                mavlink.MAVLink_param_set_message(1, OURS, ENABLE.encode(), value, mavlink.MAV_PARAM_TYPE_REAL32)
            )
            vehicle.settle(0.5)
    assert vehicle.station.mode_name == vehicle.hold


def test_a_link_that_is_lost_on_the_way_leaves_it_there(vehicle: Vehicle) -> None:
    vehicle.ask(Hold())
    flight = vehicle.aside()
    vehicle.ask(flight)
    vehicle.follow(flight, 0.8 * AWAY_M)
    vehicle.link.close()
    station = vehicle.station
    deadline_s = time.monotonic() + ARRIVES_S
    while station.mode_name == vehicle.hold and time.monotonic() < deadline_s:
        station.poll(0.05)
    last = station.estimates[-1]
    assert station.armed and station.mode_name == vehicle.hold
    assert math.dist((last.north_m, last.east_m, last.down_m), flight.position_ned_m) < ARRIVES_M
