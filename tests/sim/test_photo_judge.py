"""Judgement of a touchdown near the edge of a photograph: what is known counts before what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from landing.settings import DecisionSettings
from landing.taxonomy import Role, Taxonomy
from sim.campaign.score import _judge
from sim.campaign.trace import Flown
from sim.flight.photo_judge import known_bad
from sim.flight.plan import TrackPoint
from sim.world import World
from sim.world.actors import Timetable
from sim.world.photograph import Photograph

TAXONOMY = Taxonomy.load("aeroscapes")
GRASS, WATER, PERSON = (TAXONOMY.ids_of(role)[0] for role in (Role.LANDABLE, Role.OBSTACLE, Role.PERSON))
GSD_M = 0.05
EDGE_M = 2.5  # East edge of the picture
PLACE = (0.0, 2.3)


def world_of(inside: int = GRASS, beyond: int = GRASS, labelled: bool = True) -> World:
    """A photograph of 5 m: grass, with `inside` on its last 0.5 m to the east, and `beyond` behind its edge."""
    labels = np.full((200, 200), GRASS, np.uint8)
    easts = (np.arange(200) - 99.5) * GSD_M
    labels[:, (easts > 2.0) & (easts <= EDGE_M)] = inside
    labels[:, easts > EDGE_M] = beyond
    if not labelled:
        labels[:] = TAXONOMY.ignore_index
    picture = np.zeros((200, 200, 3), np.uint8)
    world = World("photo", picture, labels, GSD_M, TAXONOMY, (99.5, 99.5))
    return replace(world, photograph=Photograph(100, 100, labelled, "given"))


def standing(kind: str, north_m: float, east_m: float) -> Timetable:
    return Timetable(kind, (0.0, 100.0), ((north_m, north_m), (east_m, east_m)))


@pytest.mark.parametrize(
    ("world", "verdict"),
    [
        (world_of(), "landed-unjudged"),
        (world_of(beyond=WATER), "landed-unjudged"),
        (world_of(beyond=PERSON), "landed-unjudged"),
        (world_of(inside=WATER), "landed-unsafe"),
        (world_of(inside=PERSON), "landed-unsafe"),
        (world_of(inside=TAXONOMY.ignore_index), "landed-unjudged"),
        (world_of().with_actors(standing("person", 0.0, 3.5)), "landed-unsafe"),
        (world_of(labelled=False), "landed-unjudged"),
        (world_of(labelled=False).with_actors(standing("person", 1.0, 2.3)), "landed-unsafe"),
        (world_of(labelled=False).with_actors(standing("person", 9.0, 2.3)), "landed-unjudged"),
    ],
)
def test_what_is_known_to_be_bad_is_unsafe_though_the_rest_is_unknown(world: World, verdict: str) -> None:
    flown = Flown("landed", "", 10.0)
    flown.track.append(TrackPoint(10.0, *PLACE, 0.0, "landed", None))
    record: dict = {}
    _judge(record, world, flown, DecisionSettings())
    assert record["verdict"] == verdict, record["reason"]
    assert known_bad(world, PLACE, DecisionSettings().vehicle_radius_m, 10.0) is (verdict == "landed-unsafe")
    assert not known_bad(replace(world, photograph=None), PLACE, 0.5, 10.0)
