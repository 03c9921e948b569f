"""Traps of those who move, and of those who do not when they should."""

from __future__ import annotations

import math

import numpy as np

from sim.world.actors import Actor, AnyActor, Timetable, visit
from sim.world.adversarial.stage import Stage
from sim.world.adversarial.trap import Expect, Made, Trap, zone
from sim.world.grid import Spot


def _standing(north_m: float, east_m: float, style: int, heading_rad: float = 0.0) -> Actor:
    return Actor("person", ((north_m, east_m),), 0.0, 0.0, heading_rad, style)


def _lawn_full_of_people() -> Made:
    """Somebody every four metres: no place is 4.5 m from all of them."""
    stage = Stage.of(31)
    stage.lawn(0, 0, 34, 34)
    people = []
    for i, north in enumerate(np.arange(-16.0, 17.0, 4.0)):
        for j, east in enumerate(np.arange(-16.0, 17.0, 4.0)):
            n, e = float(north) + stage.between(-0.7, 0.7), float(east) + stage.between(-0.7, 0.7)
            people.append(_standing(n, e, 100 * i + j, stage.between(0, 6.2)))
    stage.wood()
    return stage.finish("lawn-full-of-people", actors=tuple(people))


def _picnic_beside_the_site() -> Made:
    """The large lawn is full; the small one beside it is empty."""
    stage = Stage.of(32)
    stage.lawn(-6, 0, 26, 30)
    stage.lawn(26, 16, 13, 13, "meadow")
    people = []
    for i in range(40):
        n, e = stage.between(-18, 6), stage.between(-14, 14)
        people.append(_standing(n, e, i, stage.between(0, 6.2)))
    stage.wood()
    lawn = Spot(-6, 0).corners(26, 30)
    return stage.finish("picnic-beside-the-site", zone("the picnic", lawn), actors=tuple(people))


def _person_standing_still() -> Made:
    stage = Stage.of(33)
    stage.lawn(0, 0, 26, 26)
    stage.wood()
    return stage.finish("person-standing-still", actors=(_standing(0.5, -0.5, 7, 1.0),))


def _person_in_the_dark() -> Made:
    stage = Stage.of(34)
    stage.lawn(0, 0, 26, 26, "meadow")
    stage.wood()
    person = _standing(-1.0, 1.5, 12, 2.0)
    return stage.finish("person-in-the-dark", actors=(person,), light="dusk")


def _leaves_and_returns() -> Made:
    """On the nearer lawn at first, gone from 10 s to 34 s, and back for good."""
    stage = Stage.of(35)
    stage.lawn(0, 0, 15, 15)
    stage.lawn(24, -16, 12, 12)
    stage.wood()
    person = visit(
        "person", (0.0, 0.0), 0.0, from_rad=math.pi, walk_m=13.0, speed_mps=1.3, stay_s=10.0, returns_s=34.0, style=5
    )
    return stage.finish("leaves-and-returns", actors=(person,))


def _runs_into_the_site() -> Made:
    """A child runs to the middle of the nearer lawn as the vehicle comes down."""
    stage = Stage.of(36)
    stage.lawn(0, 0, 17, 17, "mown")
    stage.lawn(-24, 18, 12, 12)
    stage.wood()
    child = visit("person", (0.0, 0.0), 24.0, from_rad=-0.6, walk_m=30.0, speed_mps=3.2, style=9)
    return stage.finish("runs-into-the-site", actors=(child,))


def _gathering() -> Made:
    """The lawn shrinks as people come, one every two seconds; the yard stays empty."""
    stage = Stage.of(37)
    stage.lawn(0, 0, 30, 30)
    stage.lawn(-6, 31, 13, 12, "gravel")
    stage.wood()
    people: list[AnyActor] = []
    places = [(n, e) for n in np.arange(-13.5, 14, 4.5) for e in np.arange(-13.5, 14, 4.5)]
    for i, k in enumerate(stage.rng.permutation(len(places))):
        n, e = (float(x) + stage.between(-0.6, 0.6) for x in places[int(k)])
        people.append(visit("person", (n, e), 2.0 + 1.2 * i, from_rad=math.pi, walk_m=34.0, speed_mps=1.5, style=i))
    return stage.finish("gathering", actors=tuple(people))


def _moving_crowd() -> Made:
    """A procession crosses the only lawn for the first minute and a half."""
    stage = Stage.of(38)
    stage.lawn(0, 0, 24, 60)
    stage.wood()
    people: list[AnyActor] = []
    for i in range(45):
        n, start_s = stage.between(-11, 11), -26.0 + i * 0.8
        ends = ((n, -45.0), (n + stage.between(-2, 2), 45.0))
        people.append(Timetable("person", (start_s, start_s + 90 / 1.2), ends, style=i))
    return stage.finish("moving-crowd", actors=tuple(people))


def _players() -> Made:
    """A match on the only pitch: each place is free most of the time and never for long."""
    stage = Stage.of(39)
    stage.lawn(0, 0, 30, 48, "turf")
    stage.outline(Spot(0, 0), 28, 46)
    stage.wood()
    people: list[AnyActor] = []
    for i in range(22):
        t_s, times, places = -stage.between(0, 5), [], []
        n, e = stage.between(-13, 13), stage.between(-21, 21)
        while t_s < 240:
            times.append(t_s)
            places.append((n, e))
            to_n, to_e = stage.between(-13, 13), stage.between(-21, 21)
            t_s += math.hypot(to_n - n, to_e - e) / stage.between(2.0, 5.0)
            n, e = to_n, to_e
        people.append(Timetable("person", tuple(times), tuple(places), style=i))
    return stage.finish("players", actors=tuple(people))


def _periodic_traffic() -> Made:
    """A paved haul road, empty for 18 s of every 24; a clearing of 12 m off it."""
    stage = Stage.of(40)
    path = np.array([[-4.0, -120.0], [-4.0, 120.0]])
    stage.sketch.ribbon(path, 13.0, "asphalt")
    stage.lawn(18, 14, 12, 12)
    stage.wood()
    cars = []
    for side in (-1, 1):
        ends = [(-4.0 + side * 3.2, side * 70.0), (-4.0 + side * 3.2, -side * 70.0)]
        for k in range(2):
            phase_s = 12.0 * (side > 0) + 1.8 * k
            cars.append(Timetable("car", (0.0, 12.0), tuple(ends), 24.0, phase_s, 0.0, 40 + k))
    road = Spot(-4, 0).corners(13, 110)
    return stage.finish("periodic-traffic", zone("the haul road", road), actors=tuple(cars))


def _car_comes_home() -> Made:
    """The empty forecourt is somebody's place: a car comes at 26 s."""
    stage = Stage.of(41)
    stage.lawn(0, 0, 12, 12, "asphalt")
    stage.lawn(-2, -30, 4, 50, "asphalt")
    stage.lawn(22, 18, 12, 12)
    stage.wood()
    car = Timetable("car", (0.0, 20.0, 26.0), ((-2.0, -52.0), (-2.0, -30.0), (0.0, 0.0)), style=3)
    return stage.finish("car-comes-home", actors=(car,))


def _walker_circles() -> Made:
    """Somebody walks round and round the only lawn, never off it."""
    stage = Stage.of(42)
    stage.lawn(0, 0, 20, 20)
    stage.wood()
    turn = np.linspace(0, 2 * math.pi, 33)
    ring = tuple((7.0 * math.cos(a), 7.0 * math.sin(a)) for a in turn)
    period_s = 2 * math.pi * 7.0 / 1.3
    times = tuple(float(t) for t in turn / (2 * math.pi) * period_s)
    walker = Timetable("person", times, ring, period_s, style=2)
    return stage.finish("walker-circles", actors=(walker,))


TRAPS = (
    Trap(
        "lawn-full-of-people",
        "The only lawn has somebody standing every four metres.",
        _lawn_full_of_people,
        Expect.ABSTAIN,
    ),
    Trap(
        "picnic-beside-the-site",
        "The large lawn is full of people, the small one is empty.",
        _picnic_beside_the_site,
        Expect.LAND,
    ),
    Trap(
        "person-standing-still",
        "One person stands in the middle of the lawn and never moves.",
        _person_standing_still,
        Expect.LAND,
    ),
    Trap(
        "person-in-the-dark", "One person stands in the middle of the lawn at dusk.", _person_in_the_dark, Expect.LAND
    ),
    Trap(
        "leaves-and-returns",
        "Somebody leaves the nearer lawn, and comes back under the vehicle.",
        _leaves_and_returns,
        Expect.LAND,
    ),
    Trap("runs-into-the-site", "A child runs onto the site during the descent.", _runs_into_the_site, Expect.LAND),
    Trap("gathering", "People gather on the large lawn until nothing of it is left.", _gathering, Expect.LAND),
    Trap("moving-crowd", "A procession crosses the only lawn.", _moving_crowd, Expect.EITHER),
    Trap("players", "A match is played on the only pitch.", _players, Expect.EITHER),
    Trap("periodic-traffic", "A wide paved road looks free between its lorries.", _periodic_traffic, Expect.LAND),
    Trap("car-comes-home", "A car comes home to the empty forecourt.", _car_comes_home, Expect.LAND),
    Trap("walker-circles", "Somebody walks round and round the only lawn.", _walker_circles, Expect.EITHER),
)
