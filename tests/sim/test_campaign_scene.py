"""What is drawn follows from the seeds alone, and stays within the table."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import combinations

import numpy as np
import pytest

from sim.campaign.landing import autopilot_config
from sim.campaign.ranges import RANGES, SceneConditions, draw_conditions, stream
from sim.campaign.scene import SPLITS, CampaignError, draw_scene
from sim.world import ADVERSARIAL, SEEDS

WORLDS = ("procedural?gsd_m=0.2&size_m=60",)


def test_every_condition_is_a_row_of_the_table_and_stays_inside() -> None:
    assert [f.name for f in fields(SceneConditions)] == list(RANGES)
    for number in range(200):
        conditions = draw_conditions((1, 5, number))
        for name, row in RANGES.items():
            assert row.low <= getattr(conditions, name) <= row.high


def test_a_quantity_draws_from_a_stream_of_its_own() -> None:
    assert stream((1, 2, 3), "wind_mps").random() == stream((1, 2, 3), "wind_mps").random()
    names = {stream((1, 2, 3), name).random() for name in RANGES}
    assert len(names) == len(RANGES)


def test_scenes_do_not_depend_on_each_other_and_differ() -> None:
    alone = draw_scene(7, "train", 3, WORLDS)
    after_others = [draw_scene(k, "train", 3, WORLDS) for k in range(8)][7]
    assert alone == after_others
    assert len({draw_scene(k, "train", 3, WORLDS).conditions.height_m for k in range(50)}) == 50
    assert draw_scene(7, "val", 3, WORLDS).conditions != alone.conditions


def test_splits_never_share_a_world() -> None:
    seen = {
        split: {draw_scene(k, split, seed, WORLDS).world_seed for k in range(50) for seed in (0, 9)} for split in SPLITS
    }
    for split in SPLITS:
        assert len(seen[split]) > 25 and seen[split] <= set(SEEDS[split])
    for one, other in combinations(SPLITS, 2):
        assert not set(SEEDS[one]) & set(SEEDS[other])


def test_worlds_are_taken_in_turn() -> None:
    assert [draw_scene(k, "train", 1, ("a", "b")).world for k in range(4)] == ["a", "b", "a", "b"]


def test_intruders_come_in_about_their_share() -> None:
    plans = [draw_scene(k, "train", 1, WORLDS).intruder for k in range(400)]
    share = np.mean([p is not None for p in plans])
    assert 0.27 < share < 0.43
    assert {p.kind for p in plans if p is not None} == {"person", "car"}


def test_a_trap_is_begun_where_its_maker_says_and_nobody_is_sent_into_it() -> None:
    for name, scenario in ADVERSARIAL.items():
        scene = draw_scene(3, "train", 1, (f"worst:{name}",))
        assert scene.conditions.height_m == scenario.start_height_m
        assert scene.intruder is None


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(CampaignError, match="train, val, test"):
        draw_scene(0, "exam", 1, WORLDS)


def test_the_compass_of_a_scene_is_the_autopilots() -> None:
    drawn = [draw_scene(k, "train", 1, WORLDS) for k in range(40)]
    told = [autopilot_config(each, (0.0, 0.0), {}).errors.compass_rad for each in drawn]
    assert told == [math.radians(each.conditions.compass_deg) for each in drawn]
    assert min(told) < -0.04 and max(told) > 0.04
