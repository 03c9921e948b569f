"""Scenarios of people and cars that move, or that stand where the vehicle wants to land."""

from __future__ import annotations

import math

import numpy as np

from sim.world.actors import Timetable, visit
from sim.world.adversarial.scenario import ExpectedOutcome
from sim.world.adversarial.stage import Stage, scenario
from sim.world.grid import Spot


@scenario(31, "The only lawn has somebody standing every four metres.", ExpectedOutcome.NO_SITE)
def _lawn_full_of_people(stage: Stage) -> None:
    """No place is 4.5 m from all of them."""
    stage.lawn(0, 0, 34, 34)
    for i, north in enumerate(np.arange(-16.0, 17.0, 4.0)):
        for j, east in enumerate(np.arange(-16.0, 17.0, 4.0)):
            n, e = float(north) + stage.between(-0.7, 0.7), float(east) + stage.between(-0.7, 0.7)
            stage.person(n, e, 100 * i + j, stage.between(0, 6.2))
    stage.wood()


@scenario(32, "The large lawn is full of people, the small one is empty.")
def _picnic_beside_the_site(stage: Stage) -> None:
    stage.forbid("the picnic", stage.lawn(-6, 0, 26, 30))
    stage.lawn(26, 16, 13, 13, "meadow")
    for i in range(40):
        n, e = stage.between(-18, 6), stage.between(-14, 14)
        stage.person(n, e, i, stage.between(0, 6.2))
    stage.wood()


@scenario(33, "One person stands in the middle of the lawn and never moves.")
def _person_standing_still(stage: Stage) -> None:
    stage.lawn(0, 0, 26, 26)
    stage.wood()
    stage.person(0.5, -0.5, 7, 1.0)


@scenario(34, "One person stands in the middle of the lawn at dusk.", light="dusk")
def _person_in_the_dark(stage: Stage) -> None:
    stage.lawn(0, 0, 26, 26, "meadow")
    stage.wood()
    stage.person(-1.0, 1.5, 12, 2.0)


@scenario(35, "Somebody leaves the nearer lawn, and comes back under the vehicle.")
def _leaves_and_returns(stage: Stage) -> None:
    """On the nearer lawn at first, gone from 10 s to 34 s, and back for good."""
    stage.lawn(0, 0, 15, 15)
    stage.lawn(24, -16, 12, 12)
    stage.wood()
    way = {"from_rad": math.pi, "walk_m": 13.0, "speed_mps": 1.3, "stay_s": 10.0, "returns_s": 34.0}
    stage.actors.append(visit("person", (0.0, 0.0), 0.0, **way, style=5))


@scenario(36, "A child runs onto the site during the descent.")
def _runs_into_the_site(stage: Stage) -> None:
    """It runs to the middle of the nearer lawn."""
    stage.lawn(0, 0, 17, 17, "mown")
    stage.lawn(-24, 18, 12, 12)
    stage.wood()
    stage.actors.append(visit("person", (0.0, 0.0), 24.0, from_rad=-0.6, walk_m=30.0, speed_mps=3.2, style=9))


@scenario(37, "People gather on the large lawn until nothing of it is left.")
def _gathering(stage: Stage) -> None:
    """One comes every 1.2 seconds; the yard stays empty."""
    stage.lawn(0, 0, 30, 30)
    stage.lawn(-6, 31, 13, 12, "gravel")
    stage.wood()
    places = [(n, e) for n in np.arange(-13.5, 14, 4.5) for e in np.arange(-13.5, 14, 4.5)]
    for i, k in enumerate(stage.rng.permutation(len(places))):
        n, e = (float(x) + stage.between(-0.6, 0.6) for x in places[int(k)])
        come = visit("person", (n, e), 2.0 + 1.2 * i, from_rad=math.pi, walk_m=34.0, speed_mps=1.5, style=i)
        stage.actors.append(come)


@scenario(38, "A procession crosses the only lawn.", ExpectedOutcome.EITHER)
def _moving_crowd(stage: Stage) -> None:
    """It takes the first minute and a half."""
    stage.lawn(0, 0, 24, 60)
    stage.wood()
    for i in range(45):
        n, start_s = stage.between(-11, 11), -26.0 + i * 0.8
        ends = ((n, -45.0), (n + stage.between(-2, 2), 45.0))
        stage.actors.append(Timetable("person", (start_s, start_s + 90 / 1.2), ends, style=i))


@scenario(39, "A match is played on the only pitch.", ExpectedOutcome.EITHER)
def _players(stage: Stage) -> None:
    """Each place is free most of the time and never for long."""
    stage.lawn(0, 0, 30, 48, "turf")
    stage.outline(Spot(0, 0), 28, 46)
    stage.wood()
    for i in range(22):
        t_s, times, places = -stage.between(0, 5), [], []
        n, e = stage.between(-13, 13), stage.between(-21, 21)
        while t_s < 240:
            times.append(t_s)
            places.append((n, e))
            to_n, to_e = stage.between(-13, 13), stage.between(-21, 21)
            t_s += math.hypot(to_n - n, to_e - e) / stage.between(2.0, 5.0)
            n, e = to_n, to_e
        stage.actors.append(Timetable("person", tuple(times), tuple(places), style=i))


@scenario(40, "A wide paved road looks free between its lorries.")
def _periodic_traffic(stage: Stage) -> None:
    """A paved haul road, empty for 18 s of every 24; a clearing of 12 m off it."""
    stage.sketch.ribbon(np.array([[-4.0, -120.0], [-4.0, 120.0]]), 13.0, "asphalt")
    stage.forbid("the haul road", Spot(-4, 0).corners(13, 110))
    stage.lawn(18, 14, 12, 12)
    stage.wood()
    for side in (-1, 1):
        ends = ((-4.0 + side * 3.2, side * 70.0), (-4.0 + side * 3.2, -side * 70.0))
        for k in range(2):
            phase_s = 12.0 * (side > 0) + 1.8 * k
            stage.actors.append(Timetable("car", (0.0, 12.0), ends, 24.0, phase_s, 0.0, 40 + k))


@scenario(41, "A car comes home to the empty forecourt.")
def _car_comes_home(stage: Stage) -> None:
    """The car comes at 26 s."""
    stage.lawn(0, 0, 12, 12, "asphalt")
    stage.lawn(-2, -30, 4, 50, "asphalt")
    stage.lawn(22, 18, 12, 12)
    stage.wood()
    stage.actors.append(Timetable("car", (0.0, 20.0, 26.0), ((-2.0, -52.0), (-2.0, -30.0), (0.0, 0.0)), style=3))


@scenario(42, "Somebody walks round and round the only lawn.", ExpectedOutcome.EITHER)
def _walker_circles(stage: Stage) -> None:
    stage.lawn(0, 0, 20, 20)
    stage.wood()
    turn = np.linspace(0, 2 * math.pi, 33)
    ring = tuple((7.0 * math.cos(a), 7.0 * math.sin(a)) for a in turn)
    period_s = 2 * math.pi * 7.0 / 1.3
    times = tuple(float(t) for t in turn / (2 * math.pi) * period_s)
    stage.actors.append(Timetable("person", times, ring, period_s, style=2))
