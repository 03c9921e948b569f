"""Ground across labelled pictures, and the range of scales that a run writes into its checkpoint."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landing.errors import DataError, InvalidValueError
from sim.dataset import DatasetPlan, write_dataset
from tests.trainer import fake_data
from tests.trainer.tiny import TINY, run
from trainer.checkpoint import Checkpoint
from trainer.data.choice import open_and_split
from trainer.data.ground import GroundWidth, range_of, zoom_of
from trainer.data.shards import write_shards
from trainer.recipe import DataChoice, Recipe, Variation
from trainer.scale import trained_range


def recipe(*folders, zoom=(0.5, 2.0), **choice):
    data = DataChoice(folders=tuple(map(str, folders)), **choice)
    return Recipe(data=data, variation=Variation(zoom=zoom), width_px=64, height_px=32)


def known(made, part="train"):
    data, split = open_and_split(made.data)
    return trained_range(made, data, getattr(split, part))


@pytest.mark.parametrize(
    ("size_wh", "shown_px"), [((640, 320), 64), ((96, 64), 48), ((32, 32), 32), ((6000, 3000), 64)]
)
def test_the_range_is_of_a_pixel_of_the_input(size_wh, shown_px):
    made = range_of([(GroundWidth(10.0, 40.0, "test"), size_wh)], (64, 32), Variation(zoom=(0.5, 2.0)), "pictures")
    assert made.finest_mm == pytest.approx(1000 * 10.0 / shown_px / 2.0)
    assert made.coarsest_mm == pytest.approx(1000 * 40.0 / shown_px / 0.5)
    assert made.source == "pictures: 10 to 40 m of ground across a picture (test), input 64x32, zoom 0.5 to 2"


def test_known_sets_say_their_ground_and_others_do_not(tmp_path):
    drone = known(recipe(fake_data.semantic_drone(tmp_path / "drone")))
    assert drone is not None and "whole cars in 25 of its pictures" in drone.source and "semantic-drone" in drone.source
    assert known(recipe(fake_data.aeroscapes(tmp_path / "aero"))) is not None
    own = fake_data.folder(tmp_path / "own")
    assert known(recipe(own)) is None
    given = known(recipe(own, ground_width_m=(12.0, 30.0)))
    assert given is not None and "12 to 30 m" in given.source and "--ground-width-m" in given.source
    assert known(recipe(tmp_path / "drone", own, taxonomy="roles")) is None  # of one source nobody knows it
    both = known(recipe(tmp_path / "drone", tmp_path / "aero", taxonomy="roles"))
    assert both is not None and "7 to 70 m" in both.source


def test_a_table_beside_the_pictures_says_it_for_each(tmp_path):
    own = fake_data.folder(tmp_path / "own")
    split = open_and_split(DataChoice(folders=(str(own),)))[1]
    rows = [f"{s.name},{10 + i}" for i, s in enumerate(split.train)]
    (own / "ground.csv").write_text("\n".join(["id,width_m", *rows]) + "\n")
    made = known(recipe(own))
    assert made is not None and f"10 to {9 + len(rows)} m" in made.source
    assert known(recipe(own), "val") is None  # the table lacks them
    write_shards(*open_and_split(DataChoice(folders=(str(own),))), tmp_path / "shards", (64, 64), threads=1)
    assert known(recipe(tmp_path / "shards")).source.partition(":")[2] == made.source.partition(":")[2]
    for text in (
        "id,width_m\na,wide\n",
        "id,width_m\na,-3\n",
        "id,width_m\na,nan\n",
        "name,m\na,3\n",
        "id,width_m\na\n",
    ):
        (own / "ground.csv").write_text(text)
        with pytest.raises(DataError, match=r"ground\.csv"):
            open_and_split(DataChoice(folders=(str(own),)))


def test_the_simulator_writes_the_exact_width(tmp_path):
    plan = DatasetPlan(
        range(1000, 1003),
        4,
        64,
        48,
        heights_m=(20, 20),
        hfov_deg=(60, 60),
        tilt_deg=0.0,
        aim=0.0,
        worlds=("procedural?size_m=30&gsd_m=0.1",),
    )
    list(write_dataset(plan, tmp_path))
    across_m = 2 * 20 * math.tan(math.radians(30))
    lines = (tmp_path / "ground.csv").read_text().splitlines()
    assert len(lines) == 13
    np.testing.assert_allclose([float(line.split(",")[1]) for line in lines[1:]], across_m, rtol=1e-3)
    made = known(recipe(tmp_path))
    assert made is not None and made.coarsest_mm == pytest.approx(1000 * across_m / 43 / 0.5, rel=0.01)


@pytest.mark.parametrize("width", [(), (1.0, 2.0, 3.0), (5.0, 2.0), (0.0, 2.0), (math.nan, 2.0), (1.0, math.inf)])
def test_widths_that_are_none(width):
    with pytest.raises(InvalidValueError, match="expected"):
        GroundWidth.given(width, "--ground-width-m")


@pytest.mark.parametrize(("heights", "fields"), [((10.0, 5.0), (70.0,)), ((10.0,), (180.0,)), ((), (70.0,))])
def test_views_that_are_none(heights, fields):
    with pytest.raises(InvalidValueError, match="expected"):
        GroundWidth.seen_from(heights, fields)


def test_fit_writes_the_range_into_the_checkpoint(toy, stopped, tmp_path):
    out = tmp_path / "run"
    printed = run("fit", "--data", toy, "--out", out, *TINY, "--epochs", "1", "--ground-width-m", "10,30")
    best = Checkpoint.load(out / "best.pt")
    assert best.ground_range is not None and best.ground_range.describe() in printed
    assert "--ground-width-m 10.0,30.0" in best.provenance["recipe"]
    assert Checkpoint.load(out / "last.pt").ground_range == best.ground_range
    assert Checkpoint.load(stopped / "last.pt").ground_range is None


@pytest.mark.parametrize(
    ("width_m", "zoom"),
    [
        ((16.0, 16.0), (2.5, 5.0)),  # 64 px show 250 mm each: 2.5 and 5 times as large at 100 and 50 mm
        ((8.0, 32.0), (2.5, 5.0)),  # the middle by ratio
        ((1.0, 1.0), (0.5, 0.5)),  # mostly padding otherwise
        ((400.0, 400.0), (20.0, 20.0)),  # a pixel of the picture is enlarged twice at most
    ],
)
def test_ground_sizes_choose_the_zoom_of_each_picture(width_m, zoom):
    asked = Variation(ground_mm=(50.0, 100.0))
    assert zoom_of(asked, GroundWidth(*width_m, "test"), (640, 320), (64, 32)) == pytest.approx(zoom)


def test_ground_sizes_need_the_ground_of_every_picture(tmp_path):
    with pytest.raises(InvalidValueError, match=r"give --ground-width-m LEAST,GREATEST, or a ground.csv"):
        zoom_of(Variation(ground_mm=(50.0, 100.0)), None, (640, 320), (64, 32))
    own = str(fake_data.folder(tmp_path / "own"))
    with pytest.raises(InvalidValueError, match="--ground-mm"):
        run("fit", "--data", own, *TINY, "--ground-mm", "50,100", "--out", tmp_path / "out")


def test_pictures_from_two_heights_are_shown_at_the_same_ground_size():
    """A set from 10 m and one from 40 m: after --ground-mm, an input pixel shows the same ground of both."""
    asked = Variation(ground_mm=(20.0, 20.0))
    shown = []
    for width_m in (10.0, 20.0):
        zoom, _ = zoom_of(asked, GroundWidth(width_m, width_m, "test"), (4000, 2000), (512, 256))
        shown.append(1000 * width_m / 512 / zoom)
    assert shown == pytest.approx([20.0, 20.0])
    made = range_of([(GroundWidth(10.0, 20.0, "test"), (4000, 2000))], (512, 256), asked, "pictures")
    assert "scaled to 20 to 20 mm a pixel" in made.source
    assert made.finest_mm < 20.0 < made.coarsest_mm  # the width is known between 10 and 20 m only
