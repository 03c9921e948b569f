"""Timetables and visits: where somebody is depends on the time alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landing.errors import InvalidValueError
from sim.world import MAX_DISTANCE_M, Actor, Timetable, World, load_world, save_world, visit
from sim.world.classes import scene_taxonomy

GRASS, PERSON = 1, 10


def lawn(*actors: object) -> World:
    labels = np.full((200, 200), GRASS, np.uint8)
    picture = np.zeros((200, 200, 3), np.uint8)
    return World("lawn", picture, labels, 0.1, scene_taxonomy(), (99.5, 99.5), actors)  # type: ignore[arg-type]


def test_a_visitor_arrives_stays_leaves_and_returns():
    person = visit("person", (2.0, 3.0), 10.0, from_rad=0.0, walk_m=7.0, speed_mps=1.4, stay_s=5.0, returns_s=40.0)
    assert (person.at(-100).north_m, person.at(-100).east_m) == pytest.approx((9.0, 3.0))
    assert person.at(7.5).north_m == pytest.approx(5.5)
    assert math.cos(person.at(7.5).heading_rad) == pytest.approx(-1.0)
    for t_s in (10.0, 12.0, 15.0, 40.0, 1000.0):
        assert (person.at(t_s).north_m, person.at(t_s).east_m) == pytest.approx((2.0, 3.0))
        assert person.at(t_s).stride_rad == 0.0 or t_s in (10.0, 15.0, 40.0)
    away = person.at(25.0)
    assert (away.north_m, away.east_m) == pytest.approx((9.0, 3.0))


def test_any_order_of_questions_gives_the_same_answers():
    person = visit("person", (0.0, 0.0), 5.0, from_rad=1.0, stay_s=3.0)
    times = [float(t) for t in np.linspace(-5, 60, 50)]
    forward = [person.at(t) for t in times]
    backward = [person.at(t) for t in reversed(times)]
    assert forward == backward[::-1]


def test_a_period_repeats_with_its_phase():
    car = Timetable("car", (0.0, 10.0), ((0.0, -50.0), (0.0, 50.0)), 25.0, phase_s=4.0)
    assert car.at(1.0).east_m == pytest.approx(0.0)
    assert car.at(26.0).east_m == pytest.approx(0.0)
    assert car.at(-24.0).east_m == pytest.approx(0.0)
    assert car.at(8.0).east_m == pytest.approx(50.0)
    assert car.at(1.0).heading_rad == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timetable("horse", (0.0,), ((0.0, 0.0),)),
        lambda: Timetable("person", (), ()),
        lambda: Timetable("person", (0.0, 1.0), ((0.0, 0.0),)),
        lambda: Timetable("person", (1.0, 0.0), ((0.0, 0.0), (1.0, 0.0))),
        lambda: Timetable("person", (0.0, 5.0), ((0.0, 0.0), (1.0, 0.0)), period_s=2.0),
        lambda: visit("person", (0, 0), 0.0, from_rad=0, speed_mps=0),
        lambda: visit("person", (0, 0), 0.0, from_rad=0, stay_s=5.0, returns_s=8.0),
    ],
)
def test_impossible_timetables_are_refused(make):
    with pytest.raises(InvalidValueError):
        make()


def test_further_actors_share_the_rasters_of_the_world():
    world = lawn()
    pyramid = world.label_pyramid
    fuller = world.with_actors(visit("person", (1.0, 1.0), 4.0, from_rad=0.0))
    assert fuller.labels is world.labels
    assert fuller.label_pyramid is pyramid
    assert world.actors == ()
    assert fuller.label_at(1.0, 1.0, 4.0) == PERSON
    assert fuller.label_at(1.0, 1.0, -60.0) == GRASS


def test_nearest_actor_is_measured_to_the_outline():
    world = lawn(visit("person", (0.0, 3.0), 0.0, from_rad=0.0), Timetable("car", (0.0,), ((0.0, -6.0),)))
    assert world.nearest_actor_m(0.0, 0.0, 5.0) == pytest.approx(2.75, abs=0.08)
    assert world.nearest_actor_m(0.0, 0.0, 5.0, "car") == pytest.approx(5.1, abs=0.02)
    assert world.nearest_actor_m(0.0, 3.0, 5.0) == 0.0
    assert lawn().nearest_actor_m(0.0, 0.0, 0.0) == MAX_DISTANCE_M


def test_timetables_survive_saving(tmp_path):
    actors = (
        visit("person", (1.0, 2.0), 3.0, from_rad=0.5, stay_s=4.0),
        Timetable("car", (0.0, 9.0), ((0.0, -5.0), (0.0, 5.0)), 12.0, 3.0, 0.1, 6),
    )
    save_world(lawn(*actors), tmp_path)
    assert load_world(tmp_path).actors == actors


def test_nobody_who_comes_near_is_left_out_of_those_near():
    rng = np.random.default_rng(3)
    actors = []
    for number in range(40):
        path = tuple((float(n), float(e)) for n, e in rng.uniform(-60, 60, (3, 2)))
        kind = "car" if number % 3 else "person"
        if number % 2:
            actors.append(Actor(kind, path, speed_mps=2.0, phase_s=number))
        else:
            actors.append(Timetable(kind, (0.0, 10.0, 30.0), path))
    world = lawn(*actors[:30]).with_actors(*actors[30:])
    for t_s in (0.0, 7.0, 25.0):
        for north_m, east_m in rng.uniform(-50, 50, (20, 2)):
            away_m = [state.distance_m(north_m, east_m) for state in world.actors_at(t_s)]
            assert world.nearest_actor_m(north_m, east_m, t_s) == pytest.approx(min(away_m))
            near = world.actors_near(north_m, east_m, 6.0, t_s)
            states = zip(world.actors_at(t_s), away_m, strict=True)
            assert all(state in near for state, m in states if m < 6.0)
            assert len(near) < len(actors)
