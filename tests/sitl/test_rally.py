"""Known sites become rally points of a real autopilot, and its own RTL flies to the nearest one."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.session import Session, tool_settings
from firmware_bridge.rally import ACCEPTED, NO_SPACE, RallyPoint, read_rally, write_rally
from firmware_bridge.rally_command import RallyOptions, publish
from landing.choice.site_list import ListedSite
from landing.globe import GlobalPlace
from sim.vehicle.autopilot_process import StartConditions
from sim.vehicle.autopilots import make_autopilot
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from sim.vehicle.sitl.namespace import loopback_only

pytestmark = [pytest.mark.sitl, pytest.mark.timeout(900)]

HEIGHT_M = 20.0
START_NE_M, AWAY_NE_M, SITE_NE_M = (60.0, -25.0), (20.0, -25.0), (30.0, -30.0)
MISS_M = 3.0
"""Without a camera the autopilot comes down by its satellite receiver alone."""

LANDS_WITHIN_S = 400.0
SPEEDUP = 4.0
CHANGE_MODE = float(mavlink.MAV_DO_REPOSITION_FLAGS_CHANGE_MODE)
"""PX4 takes no flight without it."""

LOW = {"ardupilot": {}, "px4": {"RTL_RETURN_ALT": HEIGHT_M, "RTL_DESCEND_ALT": 10.0}}
"""Parameters of a short way home."""


def fly_to(session: Session, station: GroundStation, place: GlobalPlace) -> None:
    """Away from home, which is a rally point as well."""
    e7 = round(place.latitude_deg * 1e7), round(place.longitude_deg * 1e7)
    assert place.altitude_m is not None
    frame, above_sea_m = mavlink.MAV_FRAME_GLOBAL, place.altitude_m + HEIGHT_M
    to = session.connect()
    there = mavlink.MAVLink_command_int_message(
        to.system,
        to.component,
        frame,
        mavlink.MAV_CMD_DO_REPOSITION,
        0,
        0,
        -1.0,
        CHANGE_MODE,
        0.0,
        math.nan,
        *e7,
        above_sea_m,
    )
    assert session.ask(lambda: session.send(there), lambda m: m.get_type() == "COMMAND_ACK" or None)
    deadline_s = time.monotonic() + LANDS_WITHIN_S
    while station.truth is None or math.dist((station.truth.north_m, station.truth.east_m), AWAY_NE_M) > MISS_M:
        assert time.monotonic() < deadline_s, "it does not fly away from home"
        station.wait(0.5)


@pytest.mark.parametrize("kind", SIMULATORS)
def test_rtl_flies_to_a_site_and_the_pilots_points_stay(tmp_path: Path, kind: str) -> None:
    try:
        find_simulator(kind)
    except MissingSimulatorError as error:
        if os.environ.get(SIMULATORS[kind].variable):
            raise
        pytest.skip(str(error))
    conditions = StartConditions(START_NE_M, HEIGHT_M, 0.0, parameters=LOW[kind])
    autopilot = make_autopilot(kind, conditions, tmp_path)
    home = autopilot.home
    place = GlobalPlace(home.lat_deg, home.lon_deg, home.alt_m)
    with ExitStack() as stack:
        stack.enter_context(loopback_only())
        autopilot.start(stack)
        station = stack.enter_context(GroundStation(autopilot.links.pilot, autopilot.home))
        autopilot.hover(station)
        far = place.moved(2000.0, 900.0)
        pilots = RallyPoint(round(far.latitude_deg * 1e7), round(far.longitude_deg * 1e7), 60.0)
        sites = [ListedSite(place.moved(*SITE_NE_M), 6.0, 5), ListedSite(place.moved(SITE_NE_M[0], 70.0), 5.0, 5)]
        with Session(tool_settings(autopilot.links.daemon, component_id=190)) as ground:
            ground.connect()
            assert write_rally(ground, [pilots]) == ACCEPTED
            assert write_rally(ground, [pilots] * 240) == NO_SPACE
        with Session(tool_settings(autopilot.links.daemon)) as session:
            session.connect()
            options = RallyOptions(memory=tmp_path / "rally.json")
            first = publish(session, sites[1:], options)
            report = publish(session, sites, options)
            assert len(first.ours) == 1 and len(report.ours) == 2 and report.pilots[0].same_as(pilots)
            assert len(read_rally(session)) == 3
        if kind == "ardupilot":
            station.set_parameter("SIM_SPEEDUP", SPEEDUP)
        with Session(tool_settings(autopilot.links.daemon)) as session:
            session.connect()
            fly_to(session, station, place.moved(*AWAY_NE_M))
        station.command(mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH)
        deadline_s = time.monotonic() + LANDS_WITHIN_S
        while station.armed and time.monotonic() < deadline_s:
            station.wait(0.5)
        assert not station.armed, "it did not land"
        truth = station.truth
        assert truth is not None and math.dist((truth.north_m, truth.east_m), SITE_NE_M) < MISS_M
        with Session(tool_settings(autopilot.links.daemon)) as session:
            session.connect()
            left = publish(session, (), RallyOptions(memory=tmp_path / "rally.json", clear=True))
            assert not left.ours and len(left.pilots) == 1 and left.pilots[0].same_as(pilots)
