"""A single flight's touchdown has the verdict that a campaign gives it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from sim.campaign.score import _judge
from sim.campaign.trace import Flown
from sim.flight import fly
from sim.flight.daemon import DaemonEvents
from sim.flight.fly import _complete
from sim.flight.piloted import PilotedFlight
from sim.flight.plan import FlightPlan, FlightResult, TrackPoint
from sim.flight.touchdown_judge import met
from sim.vehicle import Vehicle
from sim.vehicle.autopilot_process import StartConditions
from sim.vehicle.ground_station import GroundStation, TruthSample
from sim.vehicle.home import Home
from sim.world import Actor, World, parse_world_spec
from sim.world.heights import with_heights

TAXONOMY = Taxonomy.load("synthetic")
GRASS, ROOF = 1, 7


def drawn(*actors: Actor) -> World:
    """40 m of grass, a roof from 10 m east on."""
    labels = np.full((200, 200), GRASS, np.uint8)
    labels[:, 150:] = ROOF
    picture = np.zeros((200, 200, 3), np.uint8)
    return World("drawn", picture, labels, 0.2, TAXONOMY, (99.5, 99.5), actors)


def flown(
    world: World,
    at: tuple[float, float],
    spec: str,
    folder: Path,
    track: list[TruthSample] | None = None,
    verdict: str = "landed",
) -> FlightResult:
    result = FlightResult(world.name, 0, verdict)
    track = track or [TruthSample(10.0, *at, 0.0)]
    station: Any = SimpleNamespace(origin_ne_m=None, track=track, touchdown_estimate=lambda: None)
    plan = FlightPlan(Path("model.onnx"), folder, world=spec)
    _complete(result, DaemonEvents(folder / "events.jsonl"), world, station, plan)
    return result


@pytest.mark.parametrize(
    ("person_east_m", "at_east_m", "verdict"),
    [(1.8, 0.0, "landed-unsafe"), (2.6, 0.0, "landed-safe"), (-9.0, 9.7, "landed-unsafe")],
)
def test_a_flight_is_judged_as_a_campaign_is(
    person_east_m: float, at_east_m: float, verdict: str, tmp_path: Path
) -> None:
    world, at = drawn(Actor("person", ((0.0, person_east_m),))), (0.0, at_east_m)
    result = flown(world, at, "drawn", tmp_path)
    record: dict[str, Any] = {}
    _judge(record, world, Flown("landed", "", 10.0, [TrackPoint(10.0, *at, 0.0)]), DecisionSettings())
    assert (result.verdict, result.reason) == (record["verdict"], record["reason"])
    assert (result.verdict, bool(result.reason)) == (verdict, verdict == "landed-unsafe")
    assert result.exit_status == int(verdict == "landed-unsafe")


def test_a_touchdown_that_fails_its_scenario_is_unsafe(tmp_path: Path) -> None:
    spec = "adversarial:courtyard-too-small"
    result = flown(parse_world_spec(spec, 0), (0.0, 0.0), spec, tmp_path)
    assert result.verdict == "landed-unsafe" and result.reason


def wall() -> World:
    """The drawn world with a wall of 6 m from 4 to 4.6 m east, far from its roof."""
    world = drawn()
    heights = np.zeros(world.labels.shape, np.float32)
    heights[:, 120:123] = 6.0
    return with_heights(world, heights)


def test_whoever_was_below_the_vehicle_on_its_last_metre_makes_a_landing_unsafe(tmp_path: Path) -> None:
    walker = Actor("person", ((0.0, -9.0), (0.0, 9.0)), 2.0)  # right below at 4.5 s, at 1 m; 6 m away at the touchdown
    world = drawn(walker)
    record: dict[str, Any] = {}
    track = [TrackPoint(0.1 * k, 0.0, 0.0, max(0.0, 3.25 - 0.05 * k)) for k in range(76)]
    assert world.landable_disc(0.0, 0.0, 0.5, 7.5).person_m > 5.0
    _judge(record, world, Flown("landed", "", 7.5, track), DecisionSettings())
    assert record["verdict"] == "landed-unsafe" and "person" in record["reason"]
    result = flown(world, (0.0, 0.0), "drawn", tmp_path, [TruthSample(m.t_s, 0.0, 0.0, m.height_m) for m in track])
    assert result.verdict == "landed-unsafe" and result.person_m == 0.0


def test_whoever_walks_up_before_the_motors_stop_makes_a_landing_unsafe() -> None:
    walker = Actor("person", ((0.0, -8.0), (0.0, 8.0)), 2.0)  # 4 m away at the touchdown at 2 s, there 2 s later
    track = [TrackPoint(0.1 * k, 0.0, 0.0, max(0.0, 1.0 - 0.05 * k)) for k in range(41)]
    touched = track[20]
    record: dict[str, Any] = {}
    _judge(record, drawn(walker), Flown("landed", "", 4.0, [*track, touched]), DecisionSettings())
    assert record["touchdown"]["t_s"] == touched.t_s
    assert record["verdict"] == "landed-unsafe" and record["touchdown"]["person_m"] < 0.5


def test_somebody_who_is_met_in_the_air_is_told_though_the_vehicle_climbs_away(tmp_path: Path) -> None:
    world = drawn(Actor("person", ((0.0, 0.3),)), Actor("car", ((8.0, 0.0),)))
    heights_m = [3.0, 2.0, 1.5, 2.0, 3.0]
    track = [TrackPoint(float(k), 0.0, 0.0, m) for k, m in enumerate(heights_m)]
    assert met(world, track, 0.5) == "met a person at 1.5 m"
    assert met(world, [replace(m, height_m=m.height_m + 0.3) for m in track], 0.5) == ""
    assert met(world, [replace(m, north_m=8.0) for m in track], 0.5) == ""
    assert met(world, [replace(m, north_m=8.0, height_m=1.4) for m in track], 0.5) == "met a car at 1.4 m"
    result = flown(world, (0.0, 0.0), "drawn", tmp_path, [TruthSample(m.t_s, 0.0, 0.0, m.height_m) for m in track])
    assert result.verdict == "landed-unsafe"
    away = flown(
        world, (0.0, 0.0), "drawn", tmp_path, [TruthSample(m.t_s, 0.0, 0.0, m.height_m) for m in track], "no-site"
    )
    assert (away.verdict, away.reason, away.exit_status) == ("struck", "met a person at 1.5 m", 1)


@pytest.mark.parametrize("climb_mps", [0.0, 1.0])
def test_a_wall_that_is_flown_into_is_met(climb_mps: float) -> None:
    world = wall()
    vehicle = Vehicle(ground_height_m=world.height_at)
    vehicle.place(0.0, 0.0, 3.0, 0.0, flying=True)
    track = []
    for step in range(500):
        vehicle.command(-vehicle.vn_mps, 2.0 * (3.0 - vehicle.ve_mps), -2.0 * (vehicle.vd_mps + climb_mps), 0.0)
        vehicle.step(0.01)
        if step % 10 == 0:
            track.append(TrackPoint(0.01 * step, vehicle.n_m, vehicle.e_m, vehicle.height_m))
    assert vehicle.e_m > 4.0
    assert met(world, track, 0.5).startswith("met what stands")
    assert met(world, [replace(m, height_m=m.height_m + 6.0, east_m=0.5 * m.east_m) for m in track], 0.5) == ""


def test_ground_that_stands_is_landed_on_without_being_met() -> None:
    world = wall()
    down = [TrackPoint(0.1 * k, 0.0, 4.2, 3.0 - 0.1 * k) for k in range(31)]
    assert met(world, down, 0.5) == ""
    assert met(world, [replace(m, east_m=3.0) for m in down], 0.5) == ""
    assert met(world, [replace(m, east_m=3.7) for m in down], 0.5) != ""


def test_a_single_flights_heights_count_from_home_and_are_judged_above_the_ground(tmp_path: Path) -> None:
    world = with_heights(drawn(Actor("person", ((0.0, 1.5),))), np.full((200, 200), 4.0, np.float32))
    down = [TruthSample(float(k), 0.0, -6.0 + k, 7.0 - k) for k in range(4)] + [TruthSample(9.0, 0.0, -3.0, 4.0)]
    assert flown(world, (0.0, -3.0), "drawn", tmp_path, down).verdict == "landed-safe"
    beside = [replace(sample, east_m=sample.east_m + 3.2) for sample in down]
    assert flown(world, (0.0, 0.2), "drawn", tmp_path, beside).verdict == "landed-unsafe"


def test_whoever_passes_a_vehicle_that_still_waits_for_its_climb_is_not_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = drawn(Actor("car", ((0.0, -8.0), (0.0, 8.0)), 2.0))
    heights_m = [0.1] * 8 + [5.0, 10.0, 15.0]
    station = GroundStation("tcp:127.0.0.1:1", Home())
    monkeypatch.setattr(station, "open", lambda: None)
    autopilot: Any = MagicMock(binds_everywhere=False)
    autopilot.hover = lambda to: to.track.extend(TruthSample(float(k), 0.0, 0.0, m) for k, m in enumerate(heights_m))
    for name, stands_in in (("make_autopilot", autopilot), ("GroundStation", station), ("DaemonProcess", None)):
        monkeypatch.setattr(fly, name, lambda *_, stands_in=stands_in: stands_in)
    monkeypatch.setattr(fly, "_write_config", lambda *_: tmp_path)
    plan = FlightPlan(Path("model.onnx"), tmp_path, world="drawn")
    with ExitStack() as stack:
        fly._as_processes(plan, StartConditions((0.0, 0.0), 15.0, 0.0), world, stack)
    assert [sample.height_m for sample in station.track] == [15.0]

    at = [(11.0, 15.0), (15.0, 8.0)]
    station.track.extend(TruthSample(t_s, 0.0, 0.0, height_m) for t_s, height_m in at)
    flight = PilotedFlight(
        plan, world, autopilot, station, MagicMock(), None, FlightResult("drawn", 0, ""), ExitStack(), print
    )
    monkeypatch.setattr(station, "watch", lambda: None)
    flight._restart_autopilot()
    assert [sample.height_m for sample in station.track] == [15.0, 15.0, 8.0, 15.0]
    assert flown(world, (0.0, 0.0), "drawn", tmp_path, station.track, "no-site").verdict == "no-site"


def test_the_words_of_the_last_metres_do_not_tell_the_height_of_now(tmp_path: Path) -> None:
    events = DaemonEvents(tmp_path / "events.jsonl")
    assert events.words == "search"
    for state, reason in (("track", "site 2.0 m clear"), ("commit", "3.5 m above the site")):
        events.events.append({"event": "transition", "to_state": state, "reason": reason})
    assert events.words == "commit since 3.5 m above the site"
    events.events.pop()
    assert events.words == "track, site 2.0 m clear"
