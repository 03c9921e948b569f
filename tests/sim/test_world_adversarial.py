"""Adversarial scenarios: each is what its story says, by the ground truth."""

from __future__ import annotations

import numpy as np
import pytest

from sim.world import (
    ADVERSARIAL,
    ExpectedOutcome,
    OracleVerdict,
    expand_world_spec,
    feasibility_oracle,
    parse_world_spec,
)

NEEDED = {
    "long-strip",
    "lawn-full-of-people",
    "pool-like-paving",
    "roof-like-field",
    "person-standing-still",
    "leaves-and-returns",
    "no-ground",
}


def test_the_set_has_what_was_asked_for_and_more():
    assert set(ADVERSARIAL) >= NEEDED
    assert len(ADVERSARIAL) >= 20
    assert len({scenario.story for scenario in ADVERSARIAL.values()}) == len(ADVERSARIAL)
    specs = expand_world_spec("adversarial:all")
    assert specs == tuple(f"adversarial:{name}" for name in ADVERSARIAL)
    assert expand_world_spec("worst:all") == specs
    assert expand_world_spec("adversarial:island") == ("adversarial:island",)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_trap_has_a_site_exactly_when_it_should_be_landed_on(name):
    scenario = ADVERSARIAL[name]
    world = scenario.build()
    found = feasibility_oracle(world, scenario.start_ne_m, scenario.reach_m, scenario.vehicle_radius_m)
    if scenario.expect is ExpectedOutcome.LAND:
        assert found.verdict is OracleVerdict.SITE
        assert found.best_ne_m is not None
        passed, why = scenario.evaluate(found.best_ne_m, 60.0, world)
        assert passed, why
        assert not scenario.evaluate(None, 60.0, world)[0]
    elif scenario.expect is ExpectedOutcome.NO_SITE:
        assert found.best_margin_m < 0
        assert found.verdict is not OracleVerdict.SITE
        assert scenario.evaluate(None, 60.0, world)[0]
        assert not scenario.evaluate((0.0, 0.0), 60.0, world)[0]
    else:
        assert scenario.evaluate(None, 60.0, world)[0]
    for bad in scenario.forbidden:
        middle = np.asarray(bad.outline_ne_m).mean(axis=0)
        passed, why = scenario.evaluate((float(middle[0]), float(middle[1])), 60.0, world)
        assert not passed
        assert bad.name in why or "person" in why or "no site" in why


def test_the_strip_is_the_largest_area_and_too_narrow():
    scenario = ADVERSARIAL["long-strip"]
    world = scenario.build()
    north, east = np.asarray(scenario.forbidden[0].outline_ne_m).T
    strip_m2 = np.ptp(north) * np.ptp(east)
    assert strip_m2 > 1.4 * 144
    assert world.landable_disc(-6.0, 0.0, 0.5).all_landable
    assert world.landable_disc(-6.0, 0.0, 0.5).hazard_m < 1.5


def test_landing_beside_somebody_fails():
    scenario = ADVERSARIAL["person-standing-still"]
    assert not scenario.evaluate((0.5, 1.0), 10.0)[0]
    assert "person" in scenario.evaluate((0.5, 1.0), 10.0)[1]
    assert scenario.evaluate((8.0, 8.0), 10.0)[0]


def test_somebody_leaves_and_returns():
    scenario = ADVERSARIAL["leaves-and-returns"]
    world = scenario.build()
    there = [world.nearest_actor_m(0.0, 0.0, t, "person") for t in (5.0, 22.0, 40.0)]
    assert there[0] == 0.0
    assert there[1] > 8.0
    assert there[2] == 0.0


def test_the_road_is_free_between_its_cars():
    world = ADVERSARIAL["periodic-traffic"].build()
    near = [world.nearest_actor_m(-4.0, 0.0, float(t), "car") for t in np.arange(0, 48, 0.5)]
    assert min(near) < 3.0
    assert max(near) > 25.0


def test_a_trap_is_a_world_specification():
    world = parse_world_spec("worst:island")
    assert world.name == "adversarial island"
    assert world.label_at(14.0, 11.0) == 1
    assert world.label_at(-30.0, -30.0) == 5
