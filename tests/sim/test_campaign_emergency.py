"""Campaigns of failsafe landings: nobody lands the vehicle but its autopilot."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.campaign.campaign import run_campaign
from sim.campaign.command import plan_from
from sim.campaign.emergency import EMERGENCIES, draw_emergency
from sim.campaign.scene import CampaignError
from sim.campaign.summary import words
from tests.sim.test_campaign_run import LOW_SEED, WORLD, plan


def test_a_failsafe_is_drawn_from_the_scene_alone() -> None:
    one, other = (draw_emergency((1, 2, 3), "battery") for _ in range(2))
    assert one == other != draw_emergency((1, 2, 4), "battery")
    for kind in EMERGENCIES:
        for number in range(50):
            drawn = draw_emergency((1, 2, number), kind)
            assert 0 < drawn.critical_s < drawn.left_s
            assert 0 <= drawn.battery.used_mah < drawn.capacity_mah
            assert 0 < drawn.parameters["BATT_CRT_MAH"] <= drawn.parameters["BATT_LOW_MAH"]


@pytest.mark.parametrize("level", ["advise", "guard"])
def test_both_kinds_land_without_a_pilot(level: str, tmp_path: Path) -> None:
    chosen = plan(policies=("touchdown",), emergencies=EMERGENCIES, authority={"failsafe": level})
    records, summary = run_campaign(chosen, tmp_path, "processes", 1)
    assert [r["emergency"]["kind"] for r in records] == list(EMERGENCIES)
    for record in records:
        assert record["touchdown"] is not None
        assert record["manual_takeovers"] == 0
        assert 5.0 <= record["emergency"]["came_s"] < record["seconds"]
        assert record["emergency"]["left_at_end_s"] > 0
        assert not record["emergency"]["held_too_long"]
    assert summary["touchdown"]["shares"]["held_too_long"]["of"] == 2
    assert "battery empty in the air 0/2" in words("touchdown", summary["touchdown"])
    if level == "advise":
        assert all(record["emergency"]["held_s"] == 0 for record in records)


def test_a_landing_by_a_pilot_has_no_failsafe(tmp_path: Path) -> None:
    records, summary = run_campaign(plan(scenes=1), tmp_path, "processes", 1)
    assert records[0]["emergency"] is None
    assert "held_too_long" not in summary["straight-down"]["shares"]


def test_kinds_are_checked() -> None:
    asked = {"policies": "touchdown", "worlds": WORLD, "scenes": 2, "seed": LOW_SEED, "split": "train"}
    assert plan_from(**asked, emergency="link").emergencies == ("link",)
    with pytest.raises(CampaignError, match="expected battery, link"):
        plan_from(**asked, emergency="fire")
    with pytest.raises(CampaignError, match="--runtime is of --segmentation model"):
        plan_from(**asked, runtime="openvino")
