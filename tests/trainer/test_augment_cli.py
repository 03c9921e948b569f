"""`trainer augment` on tiny data: what it writes, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from landing.errors import DataError, InvalidValueError, TouchdownError
from landing.taxonomy import Taxonomy
from tests.trainer import fake_data
from trainer.cli import cli
from trainer.data.samples import read_image

SMALL = ("--input", "60x40", "--rows", "2", "--columns", "2", "--frames", "3")


def augment(*arguments: object) -> str:
    words = ["augment", *SMALL, *(str(a) for a in arguments)]
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def cell(grid: np.ndarray, row: int, column: int) -> np.ndarray:
    return grid[row * 44 : row * 44 + 40, column * 64 : column * 64 + 60]


@pytest.mark.parametrize("make", [fake_data.folder, fake_data.aeroscapes, fake_data.semantic_drone])
def test_grid_and_animation_are_written(tmp_path, make):
    printed = augment("--data", make(tmp_path / "set"), "--out", tmp_path / "new" / "out")
    grid = np.asarray(Image.open(tmp_path / "new" / "out" / "augment.png"))
    assert grid.shape[1] > 5 * 64  # the last column is the legend
    with Image.open(tmp_path / "new" / "out" / "augment.gif") as animation:
        assert animation.n_frames == 3
        assert animation.size == (124, 40)
    assert "2 pictures" in printed


def test_rows_hold_the_original_then_copies_with_their_labels(tmp_path):
    data = fake_data.folder(tmp_path / "set")
    still = [
        "--zoom",
        "1,1",
        "--turn-deg",
        0,
        "--perspective-deg",
        0,
        "--light",
        0,
        "--shadow",
        0,
        "--haze",
        0,
        "--motion-blur",
        0,
        "--faults",
        0,
    ]
    augment("--data", data, "--out", tmp_path / "out", "--input", "96x64", "--seed", 3, *still)
    grid = np.asarray(Image.open(tmp_path / "out" / "augment.png"))
    original, copy, labelled = (grid[:64, i * 100 : i * 100 + 96].astype(int) for i in range(3))
    np.testing.assert_array_equal(original, read_image(data / "images/1000_00.jpg")[..., ::-1])
    labels = fake_data.picture(Taxonomy.load(data / "taxonomy.toml"), 0)[1]
    colours = Taxonomy.load(data / "taxonomy.toml").palette_bgr[np.unique(labels)][:, ::-1]
    # What the labels add is their own colours: (labelled - 0.55 * copy) / 0.45 is in the palette.
    added = ((labelled - 0.55 * copy) / 0.45).reshape(-1, 1, 3)
    known = np.abs(added - colours).max(2).min(1) <= 3
    padding = (copy == 127).all(2) & (labelled == 127).all(2)
    assert (known | padding.ravel()).mean() > 0.98  # all but edges that rounding moves


def test_the_same_seed_gives_the_same_files(tmp_path):
    data = fake_data.folder(tmp_path / "set")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        augment("--data", data, "--out", tmp_path / name, "--seed", seed)
    for file in ("augment.png", "augment.gif"):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b != c


def test_only_training_pictures_are_shown(tmp_path):
    data = fake_data.folder(tmp_path / "set")  # worlds 1000 to 1002 train
    printed = augment("--data", data, "--out", tmp_path / "out", "--rows", 50)
    assert "9 pictures" in printed
    assert "1003" not in printed
    assert "1004" not in printed
    printed = augment("--data", data, "--out", tmp_path / "out", "--train", "1001", "--val", "1000")
    assert "1001_00" in printed
    assert "1000" not in printed


def test_one_picture_is_enough(tmp_path):
    data = fake_data.folder(tmp_path / "set", split=False)
    for file in [*(data / "images").iterdir(), *(data / "labels").iterdir()]:
        if file.stem != "1000_00":
            file.unlink()
    assert "1 pictures (1000_00)" in augment("--data", data, "--out", tmp_path / "out")


def refused(*arguments: object, error: type[TouchdownError]) -> str:
    words = ["augment", *SMALL, *(str(a) for a in arguments)]
    with pytest.raises(error) as caught:
        CliRunner().invoke(cli, words, catch_exceptions=False)
    return str(caught.value)


def test_what_cannot_be_is_said(tmp_path):
    data = fake_data.folder(tmp_path / "set")
    out = ("--out", tmp_path / "out")
    message = refused("--data", data, *out, "--zoom", "2,1", error=InvalidValueError)
    assert message.startswith("--zoom 2.0,1.0: ")
    message = refused("--data", data, *out, "--light", "9", error=InvalidValueError)
    assert message.startswith("--light 9")
    message = refused("--data", tmp_path / "nowhere", *out, error=DataError)
    assert "nowhere" in message
    (tmp_path / "file").write_text("")
    message = refused("--data", data, "--out", tmp_path / "file", error=InvalidValueError)
    assert "output folder" in message
    shutil.copy(data / "split.csv", tmp_path / "other.csv")
    text = (tmp_path / "other.csv").read_text().replace(",train", ",test")
    (data / "split.csv").write_text(text)
    refused("--data", data, *out, error=DataError)


def test_its_help_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None\nfrom trainer.cli import cli\ncli(['augment', '--help'])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_it_shows_people_and_ground_sizes_as_fit_makes_them(tmp_path):
    data = fake_data.semantic_drone(tmp_path / "set")
    plain = ("--data", data, "--seed", 1)
    augment(*plain, "--out", tmp_path / "a")
    augment(*plain, "--people", 1, "--ground-mm", "100,200", "--out", tmp_path / "b")
    first, second = (np.asarray(Image.open(tmp_path / name / "augment.png")) for name in "ab")
    assert (cell(first, 0, 1) != cell(second, 0, 1)).any()
