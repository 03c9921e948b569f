"""The simulator's labelled pictures, as the trainer reads them."""

from __future__ import annotations

import numpy as np
import pytest

from landing.errors import DataError
from sim.dataset import DatasetPlan, write_dataset
from trainer.data.choice import open_and_split
from trainer.recipe import DataChoice

SMALL = DatasetPlan(
    range(1000, 1004), frames_per_world=2, width_px=96, height_px=64, world_size_m=30.0,
    world_gsd_m=0.1,
)  # fmt: skip


def test_rendered_worlds_are_read_and_split_by_world(tmp_path):
    assert list(write_dataset(SMALL, tmp_path / "synthetic")) == [1000, 1001, 1002, 1003]
    data, split = open_and_split(DataChoice(folders=(str(tmp_path / "synthetic"),)))
    assert data.taxonomy.name == "synthetic"
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
    plan = DatasetPlan(range(1000, 1003), 1, 64, 48, world_size_m=30.0, world_gsd_m=0.1)
    for name in ("a", "b"):
        list(write_dataset(plan, tmp_path / name))
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_worlds_that_landings_are_measured_on_are_refused(tmp_path):
    with pytest.raises(DataError, match="world seed 19 is one of 0 to 19"):
        DatasetPlan(range(19, 40))
    with pytest.raises(DataError, match="leave nothing to train on"):
        DatasetPlan(range(1000, 1002))
    list(write_dataset(SMALL, tmp_path / "x"))
    with pytest.raises(DataError, match="already holds pictures"):
        list(write_dataset(SMALL, tmp_path / "x"))
