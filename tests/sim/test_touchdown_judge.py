"""A single flight's touchdown has the verdict that a campaign gives it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from sim.campaign.score import _judge
from sim.campaign.trace import Flown
from sim.flight.daemon import DaemonEvents
from sim.flight.fly import _complete
from sim.flight.plan import FlightPlan, FlightResult, TrackPoint
from sim.vehicle.ground_station import TruthSample
from sim.world import Actor, World, parse_world_spec

TAXONOMY = Taxonomy.load("synthetic")
GRASS, ROOF = 1, 7


def drawn(*actors: Actor) -> World:
    """40 m of grass, a roof from 10 m east on."""
    labels = np.full((200, 200), GRASS, np.uint8)
    labels[:, 150:] = ROOF
    picture = np.zeros((200, 200, 3), np.uint8)
    return World("drawn", picture, labels, 0.2, TAXONOMY, (99.5, 99.5), actors)


def flown(world: World, at: tuple[float, float], spec: str, folder: Path) -> FlightResult:
    result = FlightResult(world.name, 0, "landed")
    track = [TruthSample(10.0, *at, 0.0)]
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
