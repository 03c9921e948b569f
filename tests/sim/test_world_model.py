"""The truth that landings are judged by, against brute force and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landing.errors import InvalidValueError
from landing.taxonomy import Taxonomy
from sim.world import Actor, World

TAXONOMY = Taxonomy.load("synthetic")
GRASS, PAVED, WATER, CAR, PERSON = 1, 2, 5, 9, 10


def flat_world(labels: np.ndarray, gsd_m: float = 0.1, actors: tuple[Actor, ...] = ()) -> World:
    rows, columns = labels.shape
    return World(
        "test", TAXONOMY.palette_bgr[labels], labels, gsd_m, TAXONOMY, ((columns - 1) / 2, (rows - 1) / 2), actors
    )


def test_north_is_up_and_east_is_right():
    labels = np.full((101, 201), GRASS, np.uint8)
    labels[0, 100] = PAVED  # top middle
    labels[50, 200] = WATER  # right middle
    world = flat_world(labels)
    assert world.label_at(5.0, 0.0) == PAVED
    assert world.label_at(0.0, 10.0) == WATER
    assert world.label_at(-5.0, 0.0) == GRASS
    assert world.label_at(5.2, 0.0) == 255
    assert world.extent_m == pytest.approx((-5.05, 5.05, -10.05, 10.05))


@pytest.mark.parametrize("seed", range(6))
def test_disc_truth_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    labels = np.full((120, 140), GRASS, np.uint8)
    for _ in range(6):
        r, c = rng.integers(0, 110, 2)
        labels[r : r + rng.integers(1, 12), c : c + rng.integers(1, 12)] = rng.choice([2, 5, 7, 10])
    world = flat_world(labels)
    north, east = (float(x) for x in rng.uniform(-3, 3, 2))
    radius = float(rng.uniform(0.4, 2.0))
    inside, to_bad, to_person = [], [], []
    for row in range(120):
        for column in range(140):
            n, e = (59.5 - row) * 0.1, (column - 69.5) * 0.1
            away = math.hypot(n - north, e - east)
            label = int(labels[row, column])
            if away <= radius:
                inside.append(label)
            if label not in (1, 2, 3, 4):
                to_bad.append(away)
            if label == PERSON:
                to_person.append(away)
    truth = world.landable_disc(north, east, radius)
    landable = [label in (1, 2, 3, 4) for label in inside]
    assert truth.fraction_landable == pytest.approx(np.mean(landable))
    assert truth.all_landable == all(landable)
    assert truth.classes == tuple(TAXONOMY.classes[i].name for i in sorted(set(inside)))
    assert truth.clearance_m == pytest.approx(min(to_bad, default=1000.0), abs=0.11)
    assert truth.person_m == pytest.approx(min(to_person, default=1000.0), abs=0.11)


def test_ground_outside_of_the_world_is_never_landable():
    world = flat_world(np.full((100, 100), GRASS, np.uint8))
    assert world.landable_disc(0, 0, 3).all_landable
    edge = world.landable_disc(4.5, 0, 1)
    assert not edge.all_landable
    assert "unknown ground" in edge.classes
    assert world.landable_disc(50, 50, 1).fraction_landable == 0.0


def test_a_standing_person_spoils_the_disc_and_is_measured_to_the_outline():
    person = Actor("person", ((0.0, 0.0),), heading_rad=0.0)
    world = flat_world(np.full((200, 200), GRASS, np.uint8), 0.05, (person,))
    # Facing north: 0.35 m from back to front, 0.5 m from shoulder to shoulder.
    assert world.label_at(0.0, 0.24) == PERSON
    assert world.label_at(0.24, 0.0) == GRASS
    truth = world.landable_disc(0.0, 2.0, 1.0)
    assert truth.all_landable
    assert truth.person_m == pytest.approx(1.75, abs=0.01)
    near = world.landable_disc(0.0, 1.0, 1.0)
    assert not near.all_landable
    assert near.classes == ("grass", "person")
    area = 1 - world.landable_disc(0.0, 0.0, 1.0).fraction_landable
    # The ellipse against the unit disc, and not more than the cells its outline touches.
    assert 0.25 * 0.175 * 0.98 < area < 0.275 * 0.2 * 1.02


def test_a_walker_goes_to_and_fro_at_its_speed():
    walker = Actor("person", ((0.0, 0.0), (0.0, 4.0)), speed_mps=1.0)
    there = walker.at(3.0)
    assert (there.north_m, there.east_m) == pytest.approx((0.0, 3.0))
    assert there.heading_rad == pytest.approx(math.pi / 2)
    back = walker.at(5.0)
    assert (back.north_m, back.east_m) == pytest.approx((0.0, 3.0))
    assert math.sin(back.heading_rad) == pytest.approx(-1.0)
    assert walker.at(8.0).east_m == pytest.approx(0.0)
    assert walker.at(1.5) == walker.at(1.5)
    world = flat_world(np.full((200, 200), GRASS, np.uint8), 0.05, (walker,))
    assert world.label_at(0.0, 3.0, t_s=3.0) == PERSON
    assert world.label_at(0.0, 3.0, t_s=0.0) == GRASS


def test_margin_subtracts_the_clearance_of_each_hazard():
    labels = np.full((200, 400), GRASS, np.uint8)
    labels[:, 0] = PERSON
    world = flat_world(labels)
    # 10 m from the person's column; a person asks for 4 m.
    assert world.margin_m[100, 100] == pytest.approx(6.0, abs=0.05)


def test_values_out_of_range_are_refused():
    labels = np.full((10, 10), GRASS, np.uint8)
    with pytest.raises(InvalidValueError, match="gsd_m"):
        flat_world(labels, 0.0)
    with pytest.raises(InvalidValueError, match="radius_m"):
        flat_world(labels).landable_disc(0, 0, 0)
    with pytest.raises(InvalidValueError, match="one size"):
        World("x", np.zeros((5, 5, 3), np.uint8), labels, 0.1, TAXONOMY, (0, 0))
    with pytest.raises(InvalidValueError, match="horse"):
        Actor("horse", ((0, 0),))
