"""The simulator's labelled pictures, as the trainer reads them."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from sim.campaign.ranges import RANGES
from sim.dataset import DatasetPlan, random_effects, random_pose, spot_of_a_class, write_dataset
from sim.world import scene
from trainer.data.choice import open_and_split
from trainer.recipe import DataChoice

QUICK = "procedural?size_m=30&gsd_m=0.1"
SMALL = DatasetPlan(range(1000, 1004), frames_per_world=2, width_px=96, height_px=64, worlds=(QUICK,))


def test_rendered_worlds_are_read_and_split_by_world(tmp_path):
    assert list(write_dataset(SMALL, tmp_path / "synthetic")) == [1000, 1001, 1002, 1003]
    data, split = open_and_split(DataChoice(folders=(str(tmp_path / "synthetic"),)))
    assert data.taxonomy.name == "scenes"
    assert "CC0" in data.terms
    assert [s.group for s in split.train] == ["01000", "01000", "01001", "01001"]
    assert {s.group for s in split.val} == {"01002"}
    assert {s.group for s in split.test} == {"01003"}
    for sample in data.samples:
        image, labels = data.read(sample)
        assert image.shape == (64, 96, 3)
        assert len(np.unique(labels)) >= 1
        assert image.std() > 1


def test_the_same_plan_gives_the_same_files(tmp_path):
    plan = DatasetPlan(range(1000, 1003), 1, 64, 48, worlds=(QUICK,))
    for name in ("a", "b"):
        list(write_dataset(plan, tmp_path / name))
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_worlds_are_taken_in_turn_and_scenes_show_what_must_not_be_used(tmp_path):
    scenes = "scenes:hillside?size_m=40&gsd_m=0.4"
    plan = DatasetPlan(range(1000, 1004), 4, 64, 48, worlds=(QUICK, scenes), heights_m=(10, 30))
    list(write_dataset(plan, tmp_path))
    ids = {info.name: info.id for info in Taxonomy.load("scenes").classes}
    slopes = {}
    for seed in plan.seeds:
        labels = np.stack([cv2.imread(str(tmp_path / "labels" / f"{name}.png"), -1) for name in plan.names(seed)])
        assert {int(v) for v in np.unique(labels)} <= {*ids.values(), 255}
        slopes[seed] = float((labels == ids["slope"]).mean())
    assert slopes[1000] == slopes[1002] == 0.0
    assert min(slopes[1001], slopes[1003]) > 0.02


def test_some_worlds_are_overgrown_as_in_campaigns(tmp_path, monkeypatch):
    shares = {}
    for part, share in (("never", 0.0), ("always", 1.0)):
        monkeypatch.setattr("sim.dataset.OVERGROWN_SHARE", share)
        plan = DatasetPlan(range(1000, 1003), 2, 64, 48, worlds=(QUICK,), heights_m=(10, 30))
        list(write_dataset(plan, tmp_path / part))
        labels = [cv2.imread(str(path), -1) for path in (tmp_path / part / "labels").iterdir()]
        shares[part] = float((np.stack(labels) == 8).mean())  # bushes are labelled tree
    assert shares["always"] > shares["never"] + 0.05


def test_pictures_aimed_at_somebody_show_him_from_where_he_can_be_made_out():
    plan = DatasetPlan(range(1000, 1003), heights_m=(2.0, 100.0), tilt_deg=0.0, aim=1.0)
    world = scene(1000, family="plaza", size_m=60.0, gsd_m=0.5)
    rng = np.random.default_rng(4)
    for _ in range(30):
        pose = random_pose(plan, world, 5.0, rng)
        assert pose.position_ned_m is not None
        north_m, east_m, down_m = pose.position_ned_m
        assert 2.0 <= -down_m <= 35.0
        nearest = min(math.hypot(a.north_m - north_m, a.east_m - east_m) for a in world.actors_at(5.0))
        assert nearest <= 0.4 * math.sqrt(2) * -down_m + 1e-6
    unaimed = replace(plan, aim=0.0)
    heights = [-random_pose(unaimed, world, 5.0, rng).position_ned_m[2] for _ in range(200)]
    assert max(heights) > 70 and min(heights) < 4


def test_classes_are_aimed_at_alike_however_rare_they_are():
    labels = np.full((400, 400), 1, np.uint8)
    labels[150:170, 200:220] = 7  # a roof on a lawn: 0.25 % of it
    labels[:, :100] = 255
    world = replace(
        scene(1000, family="plaza", size_m=40.0, gsd_m=0.1), labels=labels, origin_px=(199.5, 199.5), actors=()
    )
    rng = np.random.default_rng(6)
    spots = [spot_of_a_class(world, rng) for _ in range(200)]
    found = [world.label_at(*spot) for spot in spots if spot is not None]
    assert len(found) == 200 and 60 <= found.count(7) <= 140 and found.count(1) == 200 - found.count(7)
    plan = DatasetPlan(range(1000, 1003), heights_m=(2.0, 4.0), aim=0.0, class_aim=1.0)
    near = sum(
        math.hypot(p[0] - 3.95, p[1] - 1.0) < 4.0
        for p in (random_pose(plan, world, 5.0, rng).position_ned_m for _ in range(100))
    )
    assert near > 25
    blank = replace(world, labels=np.full((400, 400), 255, np.uint8))
    assert spot_of_a_class(blank, rng) is None
    random_pose(plan, blank, 5.0, rng)


def test_the_camera_has_the_faults_of_a_campaigns():
    rng = np.random.default_rng(5)
    drawn = [random_effects(rng) for _ in range(200)]
    for name, unit, row in (
        ("gain", 1.0, "light"),
        ("noise_sd", 1.0, "noise_sd"),
        ("lens_blur_px", 1.0, "lens_blur_px"),
        ("exposure_s", 1e-3, "exposure_ms"),
    ):
        values = [getattr(effects, name) / unit for effects in drawn]
        low, high = RANGES[row].low, RANGES[row].high
        assert low <= min(values) < max(values) <= high
        assert max(values) - min(values) > 0.6 * (high - low)


@pytest.mark.parametrize("seeds", [range(19, 40), range(10_099, 10_120), range(20_000, 20_040), range(95_000, 95_040)])
def test_worlds_that_landings_or_networks_are_judged_on_are_refused(seeds):
    with pytest.raises(DataError, match=f"world seed {seeds.start} is one of those"):
        DatasetPlan(seeds)


def test_a_plan_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(DataError, match="leave nothing to train on"):
        DatasetPlan(range(1000, 1002))
    with pytest.raises(DataError, match="fields of view 90 to 60 degrees"):
        DatasetPlan(range(1000, 1010), hfov_deg=(90.0, 60.0))
    with pytest.raises(DataError, match="heights 0 to 5 m"):
        DatasetPlan(range(1000, 1010), heights_m=(0.0, 5.0))
    list(write_dataset(SMALL, tmp_path / "x"))
    with pytest.raises(DataError, match="already holds pictures"):
        list(write_dataset(SMALL, tmp_path / "x"))
