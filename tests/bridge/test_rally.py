"""Rally points: the pilot's stay, ours are remembered and replaced, and RTL flies to them."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.session import Session, tool_settings
from firmware_bridge.rally import ACCEPTED, NO_SPACE, RallyError, RallyPoint, read_rally, without, write_rally
from firmware_bridge.rally_command import RallyOptions, RallyReport, publish
from firmware_bridge.rally_memory import RallyMemory
from landing.choice.site_list import ListedSite, features
from landing.errors import DataError
from landing.globe import GlobalPlace
from sim.vehicle.autopilot import AutopilotConfig, Mode, StandInAutopilot
from sim.vehicle.autopilot.rally import MOST_POINTS, RALLY, StoredPoint
from sim.vehicle.home import Home
from tests.bridge.stand_in import stand_in
from tests.command import call

HOME = Home()
PLACE = GlobalPlace(HOME.lat_deg, HOME.lon_deg, HOME.alt_m)
PILOTS = [StoredPoint(-353_600_000, 1_491_600_000, 40), StoredPoint(-353_610_000, 1_491_610_000, 25)]


def sites(count=3, north_m=40.0):
    return tuple(ListedSite(PLACE.moved(north_m * (n + 1), 0.0, 4.0), 9.0 - n, 5) for n in range(count))


@contextmanager
def flown(*points, **config):
    with stand_in(airborne_height_m=20.0, **config) as (address, autopilot):
        for number, point in enumerate(points):
            autopilot.flight.rally.set(number, point)
        with Session(tool_settings(address)) as session:
            session.connect()
            yield session, autopilot.flight.rally


def options(folder: Path, **more) -> RallyOptions:
    return RallyOptions(memory=folder / "rally.json", **more)


def test_the_pilots_points_stay_and_an_update_replaces_only_ours(tmp_path):
    with flown(*PILOTS) as (session, rally):
        first = publish(session, sites(3), options(tmp_path))
        assert first.written and len(first.ours) == 3 and len(first.pilots) == 2
        assert rally.points[:2] == PILOTS and len(rally.points) == 5
        # The widest first; 4 m above home's ground, and 15 m above that.
        assert rally.points[2].above_home_m == 19
        away_m = HOME.ned_from_global(rally.points[2].latitude_e7 * 1e-7, rally.points[2].longitude_e7 * 1e-7)
        assert away_m == (pytest.approx(40.0, abs=0.2), pytest.approx(0.0, abs=0.1))
        # The pilot adds one of his own behind ours.
        rally.set(5, StoredPoint(-353_620_000, 1_491_620_000, 30))
        second = publish(session, sites(1, -60.0), options(tmp_path))
        assert len(second.pilots) == 3 and len(second.ours) == 1
        assert rally.points[:2] == PILOTS and rally.points[2].above_home_m == 30 and len(rally.points) == 4
        # One of ours that the pilot has raised is his from then on.
        rally.set(3, rally.points[3]._replace(above_home_m=80))
        third = publish(session, (), options(tmp_path, clear=True))
        assert len(third.pilots) == 4 and not third.ours and rally.points[3].above_home_m == 80


def test_without_sites_nothing_is_written_and_all_is_told(tmp_path):
    with flown(*PILOTS) as (session, rally):
        publish(session, sites(2), options(tmp_path))
        before = list(rally.points)
        told = publish(session, (), options(tmp_path))
        assert not told.written and len(told.ours) == 2 and len(told.pilots) == 2 and rally.points == before
        dry = publish(session, sites(1, 90.0), options(tmp_path, dry_run=True))
        assert not dry.written and rally.points == before
        # The memory is lost: then all are the pilot's.
        (tmp_path / "rally.json").unlink()
        told = publish(session, (), options(tmp_path))
        assert len(told.pilots) == 4 and not told.ours


def test_within_the_autopilots_room_the_pilot_comes_first(tmp_path):
    pilots = [StoredPoint(-353_600_000 - 1000 * n, 1_491_600_000, 40) for n in range(MOST_POINTS - 2)]
    with flown(*pilots) as (session, rally):
        report = publish(session, sites(5), options(tmp_path))
        assert len(report.ours) == 2 and report.left_out == 3
        assert rally.points[: len(pilots)] == pilots and len(rally.points) == MOST_POINTS
        assert "no room for 3 more" in "\n".join(report.lines())
        rally.truncate(0)
        for number in range(MOST_POINTS):
            rally.set(number, StoredPoint(-353_600_000 - 1000 * number, 1_491_600_000, 40))
        assert publish(session, sites(1), options(tmp_path)).left_out == 1


def test_an_upload_that_broke_off_is_mended_by_the_next_run(tmp_path):
    with flown(*PILOTS) as (session, rally):
        publish(session, sites(2), options(tmp_path))
        who = f"1:{session.identify().uid or 'unknown'}"
        memory = RallyMemory.load(tmp_path / "rally.json", who)
        pilots = read_rally(session)[:2]
        memory.save(memory.ours, pilots)  # as a run leaves it that is killed while it sends
        rally.truncate(0)
        report = publish(session, (), options(tmp_path))
        assert rally.points == PILOTS and "put back" in report.notes[0] and len(report.pilots) == 2
        assert RallyMemory.load(tmp_path / "rally.json", who).under_way == []


def test_the_autopilots_answers_are_told_in_words():
    with flown() as (session, rally):
        point = RallyPoint(-353_600_000, 1_491_600_000, 20.0)
        assert write_rally(session, [point] * (MOST_POINTS + 1)) == NO_SPACE and rally.points == []
        foreign = RallyPoint(-353_600_000, 1_491_600_000, 20.0, frame=mavlink.MAV_FRAME_GLOBAL)
        assert write_rally(session, [foreign]) == mavlink.MAV_MISSION_UNSUPPORTED_FRAME
        assert write_rally(session, [point]) == ACCEPTED and read_rally(session)[0].same_as(point)
        assert write_rally(session, []) == ACCEPTED and read_rally(session) == []


def test_somebody_elses_upload_is_not_disturbed():
    with stand_in(links=2, airborne_height_m=20.0) as (addresses, _), Session(tool_settings(addresses[0])) as session:
        session.connect()
        with Session(tool_settings(addresses[1], component_id=190)) as other:
            other.connect()
            other.send(mavlink.MAVLink_mission_count_message(1, 1, 2, RALLY))
            other.listen(0.5)
            with pytest.raises(RallyError, match="denied"):
                read_rally(session)


def test_a_damaged_memory_is_not_written_over(tmp_path):
    path = tmp_path / "rally.json"
    for text in ("{}", "[]", '{"format": 1, "vehicles": {"1:a": {"ours": [[1, 2]]}}}', "no json"):
        path.write_text(text)
        with pytest.raises(DataError, match="memory of rally points"):
            RallyMemory.load(path, "1:a")
        assert path.read_text() == text
    path.unlink()
    memory = RallyMemory.load(path, "1:a")
    point = RallyPoint(1, 2, 3.0, parameters=(math.nan, 0.0, 0.0, 0.0))
    memory.save([point])
    RallyMemory.load(path, "2:b").save([RallyPoint(4, 5, 6.0)])
    again = RallyMemory.load(path, "1:a").ours
    assert not without(again, [point]) and math.isnan(again[0].parameters[0])


def test_a_point_without_an_altitude_is_itself():
    strange = RallyPoint(1, 2, math.nan)
    assert strange.same_as(RallyPoint(1, 2, math.nan)) and not strange.same_as(RallyPoint(1, 2, 0.0))
    endless = RallyPoint(1, 2, math.inf)
    assert endless.same_as(RallyPoint(1, 2, math.inf)) and not endless.same_as(RallyPoint(1, 2, -math.inf))
    told = RallyReport((strange, endless), (), False).as_dict()
    assert [point["altitude_m"] for point in told["pilots"]] == [None, None]


def test_the_command_shows_writes_and_clears(tmp_path):
    listed = tmp_path / "sites.geojson"
    document = features(sites(2))
    document["features"][0]["properties"]["caution"] = "traffic\x1b[2Jmay come"
    listed.write_text(json.dumps(document))
    with stand_in(airborne_height_m=20.0) as (address, autopilot):
        autopilot.flight.rally.set(0, PILOTS[0])
        own = ["--link", address, "--memory", str(tmp_path / "rally.json")]
        done = call("bridge", "rally", str(listed), *own)
        assert done.returncode == 0, done.stderr
        assert "1 of the pilot's and 2 of ours; written and read back" in done.stdout
        assert "RALLY_LIMIT_KM is 0.3" in done.stdout and "may come" in done.stdout and "\x1b" not in done.stdout
        shown = json.loads(call("bridge", "rally", *own, "--json").stdout)
        assert len(shown["ours"]) == 2 and not shown["written"] and shown["pilots"][0]["altitude_m"] == 40
        assert "1 of the pilot's and 0 of ours" in call("bridge", "rally", *own, "--clear").stdout
        assert autopilot.flight.rally.points == PILOTS[:1]
    assert call("bridge", "rally", str(listed), *own, "--clear").returncode == 2
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    refused = call("bridge", "rally", str(tmp_path / "none.geojson"), *own)
    assert refused.returncode == 2 and "lists no site" in refused.stderr


def test_no_point_is_set_that_the_fence_of_altitude_keeps_rtl_below(tmp_path):
    hill = ListedSite(replace(PLACE.moved(60.0, 0.0), altitude_m=HOME.alt_m + 90.0), 9.0, 5)
    with flown() as (session, rally):
        with pytest.raises(RallyError, match="1 of 1 sites lie too high for the altitude fence"):
            publish(session, [hill], options(tmp_path))
        assert publish(session, [hill, *sites(1)], options(tmp_path)).ours and len(rally.points) == 1
    autopilot = StandInAutopilot(AutopilotConfig())
    assert autopilot.flight.rally.within_fence_m(105.0) == 105.0
    autopilot.parameters.set("FENCE_ENABLE", 1)
    assert autopilot.flight.rally.within_fence_m(105.0) == 98.0


def test_rtl_leads_to_the_nearest_point_within_the_limit():
    autopilot = StandInAutopilot(AutopilotConfig(airborne_height_m=20.0, start_n_m=100.0))
    place = PLACE.moved(80.0, 30.0)
    autopilot.flight.rally.set(0, StoredPoint(round(place.latitude_deg * 1e7), round(place.longitude_deg * 1e7), 35))
    autopilot.flight.set_mode(Mode.RTL)
    highest_m = 0.0
    for _ in range(90_00):
        autopilot.step(0.01)
        highest_m = max(highest_m, -autopilot.flight.estimate.d_m)
        if not autopilot.flight.armed:
            break
    est = autopilot.flight.estimate
    assert (est.n_m, est.e_m) == (pytest.approx(80.0, abs=2.0), pytest.approx(30.0, abs=2.0))
    assert 34.0 < highest_m < 37.0  # by the point, not by RTL_ALT's 15 m
    rally = autopilot.flight.rally
    assert rally.way_home(5.0, 0.0) == (0.0, 0.0, 0.0)  # home is nearer
    autopilot.parameters.set("RALLY_INCL_HOME", 0)
    assert rally.way_home(5.0, 0.0)[2] == 35.0
    assert rally.way_home(500.0, 0.0) == (0.0, 0.0, 0.0)  # none within 0.3 km
    autopilot.parameters.set("RALLY_LIMIT_KM", 0)
    assert rally.way_home(500.0, 0.0)[2] == 35.0
