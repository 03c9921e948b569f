"""People and cars who come to the site are told ahead at the rates of small boards; those who stay away are not."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks.runner import RESULTS
from landing.choice.approach import DRIVERS_HZ, WALKERS_HZ, Approaches
from landing.settings import DecisionSettings
from landing.taxonomy import Role

S = 1_000_000_000
SETTINGS = DecisionSettings()
NEEDED_M = 0.8
STANDS_M = 0.1
"""Wavering of an outline, standard deviation."""


def told_s(role, start_m, speed_mps, hz, seed=0):
    """Time between the first look that tells an approach and the coming within the clearance; None: not before."""
    approaches, rng = Approaches(SETTINGS), np.random.default_rng(seed)
    for k in range(round(30 * hz)):
        room_m = start_m - speed_mps * k / hz + STANDS_M * rng.standard_normal()
        if room_m < NEEDED_M:
            return None
        if approaches.clearance_soon_m(role, room_m, round(k / hz * S)) < NEEDED_M:
            return (start_m - NEEDED_M) / speed_mps - k / hz
    return None


@pytest.mark.parametrize("hz", [3.0, 4.0, 5.0, 10.0, 30.0])
@pytest.mark.parametrize("speed_mps", [1.0, 1.4, 2.0])
def test_who_walks_to_the_site_is_told_a_second_ahead(hz, speed_mps):
    ahead_s = [told_s(Role.PERSON, 6.0, speed_mps, hz, seed) for seed in range(20)]
    assert all(s is not None and s > 1.0 for s in ahead_s)


@pytest.mark.parametrize("hz", [DRIVERS_HZ, 8.0, 10.0, 30.0])
def test_who_drives_to_the_site_is_told_by_the_third_look(hz):
    """At 10 m/s a car moves by 2 m between two looks at 5 a second."""
    assert all((told_s(Role.VEHICLE, 7.0, 10.0, hz, seed) or 0.0) > 0.15 for seed in range(20))
    assert all((told_s(Role.VEHICLE, 12.0, 10.0, 3.0, seed) or 0.0) > 0.15 for seed in range(20))


@pytest.mark.parametrize("hz", [2.0, 3.0, 5.0, 10.0])
def test_who_stands_beside_the_site_is_hardly_ever_told(hz):
    told = frames = 0
    for seed in range(20):
        approaches, rng = Approaches(SETTINGS), np.random.default_rng(seed)
        for k in range(round(20 * hz)):
            room_m = 2.0 + STANDS_M * rng.standard_normal()
            told += approaches.clearance_soon_m(Role.PERSON, room_m, round(k / hz * S)) < NEEDED_M
            frames += 1
    assert told <= 0.002 * frames


@pytest.mark.parametrize("hz", [3.0, 5.0, 10.0])
def test_another_nearest_person_is_no_approach_of_the_one_before(hz):
    approaches = Approaches(SETTINGS)
    for k in range(round(6 * hz)):
        room_m = 5.5 if k < 3 * hz else 2.6  # three metres nearer from one look to the next
        assert approaches.clearance_soon_m(Role.PERSON, room_m, round(k / hz * S)) == room_m


def test_with_less_than_two_looks_in_a_second_nothing_is_told():
    assert told_s(Role.PERSON, 12.0, 1.4, 1.2) is None and told_s(Role.PERSON, 12.0, 1.4, WALKERS_HZ) is not None


def test_nobody_and_two_looks_tell_nothing():
    approaches = Approaches(SETTINGS)
    assert approaches.clearance_soon_m(Role.PERSON, 5.0, 0) == 5.0
    assert approaches.clearance_soon_m(Role.PERSON, 4.4, S // 5) == 4.4
    assert approaches.clearance_soon_m(Role.PERSON, math.inf, 2 * S // 5) == math.inf
    assert approaches.clearance_soon_m(Role.PERSON, 3.8, 3 * S // 5) == 3.8
    assert approaches.clearance_soon_m(Role.PERSON, 3.8, 3 * S // 5) == 3.8
    assert approaches.clearance_soon_m(Role.PERSON, 3.8, 3 * S // 5) == 3.8  # three of one moment are one


def test_the_rates_that_are_named_are_those_of_the_measurement():
    rates = json.loads((RESULTS / "approach.json").read_text("utf-8"))["rates"]
    by_rate = {float(hz): figures for hz, figures in rates.items()}
    full, walks = by_rate[10.0], [name for name in by_rate[10.0] if name.startswith("walks")]

    def ahead(figures):
        return sum(figures[name]["told_ahead"] for name in walks)

    assert ahead(by_rate[WALKERS_HZ]) >= 0.6 * ahead(full) > 0
    car = "drives 10 m/s"
    assert by_rate[DRIVERS_HZ][car]["told_ahead"] >= 0.5 * full[car]["told_ahead"] > by_rate[3.0][car]["told_ahead"]
