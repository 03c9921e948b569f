"""Worlds named on a command line: photos with labels, folders, and what is refused."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from landing.errors import DataError, TaxonomyError
from landing.taxonomy import Taxonomy
from sim.cli import cli
from sim.world import load_world, parse_world_spec, procedural, save_world
from sim.world.spec import expand_world_spec


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    labels = np.full((40, 60), 10, np.uint8)
    labels[:, :20] = 9
    labels[0, 0] = 255
    cv2.imwrite(str(tmp_path / "p.png"), image)
    cv2.imwrite(str(tmp_path / "l.png"), labels)
    return tmp_path / "p.png"


def test_photo_is_mirrored_and_its_labels_end_at_its_edge(picture: Path):
    labels = picture.with_name("l.png")
    world = parse_world_spec(f"photo:{picture}?gsd_m=0.1&labels={labels}&size_m=20")
    image = cv2.imread(str(picture))
    assert min(world.labels.shape) >= 200
    assert world.photograph is not None and world.photograph.labelled and world.judged
    assert world.known_extent_m == pytest.approx((-2.0, 2.0, -3.0, 3.0))
    assert world.holds(1.4, -2.4, 0.5) and not world.holds(1.6, 0.0, 0.5)
    u0, v0 = world.origin_px
    left, top = round(u0 - 29.5), round(v0 - 19.5)
    assert np.array_equal(world.ortho_bgr[top : top + 40, left : left + 60], image)
    # Mirrored about the left edge: the first columns repeat, reversed. What is there is not known.
    assert np.array_equal(world.ortho_bgr[top : top + 40, left - 60 : left], image[:, ::-1])
    assert world.label_at(0.0, -2.0) == 9
    assert world.label_at(0.0, -3.1) == 255
    assert world.label_at(2.1, 0.0) == 255
    assert world.landable_disc(0.0, 1.0, 0.5).all_landable
    assert not world.landable_disc(0.0, -2.0, 0.5).all_landable


def test_photo_without_labels_is_never_landable(picture: Path):
    world = parse_world_spec(f"photo:{picture}?gsd_m=0.1&size_m=20")
    assert np.all(world.labels == 255)
    assert not world.judged
    truth = world.landable_disc(0, 0, 1)
    assert truth.fraction_landable == 0.0
    assert truth.classes == ("unknown ground",)


def test_saved_world_comes_back_the_same(tmp_path: Path):
    world = procedural(4, size_m=30, gsd_m=0.1)
    save_world(world, tmp_path / "w")
    for spec in (str(tmp_path / "w"), f"folder:{tmp_path / 'w'}"):
        again = parse_world_spec(spec)
        assert np.array_equal(again.ortho_bgr, world.ortho_bgr)
        assert np.array_equal(again.labels, world.labels)
        assert again.actors == world.actors
        assert again.sun == world.sun
        assert again.taxonomy == world.taxonomy
        assert (again.gsd_m, again.origin_px, again.name) == (world.gsd_m, world.origin_px, world.name)


def test_procedural_spec_takes_its_own_seed_first():
    a = parse_world_spec("procedural?size_m=30&gsd_m=0.2", seed=5)
    b = parse_world_spec("procedural?seed=5&size_m=30&gsd_m=0.2", seed=9)
    c = parse_world_spec("procedural?size_m=30&gsd_m=0.2&layout=farm")
    assert np.array_equal(a.labels, b.labels)
    assert c.name.startswith("farm")


def test_a_fine_picture_gets_as_much_ground_around_it_as_fits(picture: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(import_module("sim.world.photo"), "MAX_SIDE_PX", 900)
    world = parse_world_spec(f"photo:{picture}?gsd_m=0.004")
    assert world.ortho_bgr.shape[:2] == (900, 900)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "expected procedural"),
        ("moonscape", "expected procedural"),
        ("photo:", "names no file"),
        ("photo:{dir}/none.png", "no such file"),
        ("photo:{dir}", "is a directory"),
        ("photo:{dir}/broken.png", "not a picture"),
        ("photo:{dir}/empty.png", "not a picture"),
        ("photo:{dir}/p.png?scale=2", "key 'scale' is unknown"),
        ("photo:{dir}/p.png?gsd_m=0.1&gsd_m=0.2", "given twice"),
        ("photo:{dir}/p.png", "its scale is not known"),
        ("photo:{dir}/p.png?gsd_m=fine", "expected a number"),
        ("photo:{dir}/p.png?gsd_m=nan", "expected 0.0005 to 1"),
        ("photo:{dir}/p.png?gsd_m=0.001&size_m=900", "smaller size_m"),
        ("photo:{dir}/p.png?gsd_m=0.1&labels={dir}/small.png", "must be of one size"),
        ("photo:{dir}/p.png?gsd_m=0.1&labels={dir}/p.png", "single-channel"),
        ("photo:{dir}/p.png?gsd_m=0.1&labels={dir}/strange.png", "value 77"),
        ("folder:{dir}/none", "world.json"),
        ("folder:{dir}", "world.json"),
        ("folder:{dir}?seed=1", "takes: none"),
        ("procedural?seed=1.5", "expected a whole number"),
        ("procedural?seed", "expected"),
    ],
)
def test_mistakes_are_named_in_a_line_or_two(picture: Path, spec: str, words: str):
    folder = picture.parent
    (folder / "broken.png").write_bytes(picture.read_bytes()[:50])
    (folder / "empty.png").write_bytes(b"")
    cv2.imwrite(str(folder / "small.png"), np.zeros((4, 4), np.uint8))
    cv2.imwrite(str(folder / "strange.png"), np.full((40, 60), 77, np.uint8))
    with pytest.raises(DataError, match=words) as caught:
        parse_world_spec(spec.format(dir=folder))
    assert len(str(caught.value).splitlines()) <= 2


def test_unknown_taxonomy(picture: Path):
    with pytest.raises(TaxonomyError, match="neither a file nor built in"):
        parse_world_spec(f"photo:{picture}?taxonomy=klingon")


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": "touchdown-world-1"}'])
def test_damaged_folder(tmp_path: Path, damage: str):
    save_world(procedural(4, size_m=30, gsd_m=0.2), tmp_path)
    (tmp_path / "world.json").write_text(damage, "utf-8")
    with pytest.raises(DataError, match="world folder"):
        load_world(tmp_path)


def test_labels_as_colours_of_another_taxonomy(picture: Path):
    taxonomy = Taxonomy.load("uavid")
    ids = np.zeros((40, 60), np.uint8)
    ids[:, 20:] = next(c.id for c in taxonomy.classes if c.name == "road")
    ids[30:, :] = next(c.id for c in taxonomy.classes if c.name == "tree")
    colours = taxonomy.palette_bgr[ids]
    colours[0, 0] = 255  # a white corner: not labelled
    cv2.imwrite(str(picture.with_name("c.png")), colours)
    spec = f"photo:{picture}?gsd_m=0.1&labels={picture.with_name('c.png')}&taxonomy=uavid&size_m=4"
    world = parse_world_spec(spec)
    expected = ids.copy()
    expected[0, 0] = taxonomy.ignore_index
    assert np.array_equal(world.labels, expected)
    assert world.landable_disc(0.0, 1.0, 0.4).all_landable
    colours[5, 5] = (1, 2, 3)
    cv2.imwrite(str(picture.with_name("c.png")), colours)
    with pytest.raises(DataError, match=r"colour \(3, 2, 1\) is of no class.*1 of 2400 px"):
        parse_world_spec(spec)


def test_sixteen_bit_labels_and_a_taxonomy_file(picture: Path):
    own = picture.with_name("own.toml")
    text = 'name = "own"\n'
    for i, (name, role) in enumerate((("turf", "landable"), ("pond", "water"))):
        text += f'[[classes]]\nid = {i}\nname = "{name}"\ncolor_rgb = [{i}, 9, 9]\nrole = "{role}"\n'
    own.write_text(text, "utf-8")
    labels = np.zeros((40, 60), np.uint16)
    labels[:, :30] = 1
    cv2.imwrite(str(picture.with_name("l16.png")), labels)
    world = parse_world_spec(f"photo:{picture}?gsd_m=0.1&labels={picture.with_name('l16.png')}&taxonomy={own}&size_m=4")
    assert world.taxonomy.name == "own"
    assert np.array_equal(world.labels, labels)
    assert world.landable_disc(0.0, -2.0, 0.5).classes == ("pond",)


def test_transparent_parts_of_an_orthophoto_are_unknown(picture: Path):
    image = np.full((40, 60, 4), 255, np.uint8)
    image[:, :15, 3] = 0
    cv2.imwrite(str(picture.with_name("o.png")), image)
    world = parse_world_spec(
        f"photo:{picture.with_name('o.png')}?gsd_m=0.1&labels={picture.with_name('l.png')}&size_m=4"
    )
    assert (world.labels[:, :15] == 255).all()
    assert (world.labels[1:, 15:20] == 9).all()


def test_sheet_of_worlds(tmp_path: Path):
    out = tmp_path / "sheets" / "w.png"
    arguments = ["world", "--spec", "scenes:park?size_m=30&gsd_m=0.2", "--seeds", "20000:20002"]
    run = CliRunner().invoke(cli, [*arguments, "--out", str(out), "--tile-px", "120", "--labels"])
    assert run.exit_code == 0, run.output
    assert "2 worlds" in run.output
    sheet = cv2.imread(str(out))
    assert sheet.shape[1] == 2 * (2 * 120 + 6 + 6)
    wrong = CliRunner().invoke(cli, [*arguments, "--out", str(tmp_path / "w.gif")])
    assert isinstance(wrong.exception, DataError)
    assert ".png or .jpg" in str(wrong.exception)


@pytest.mark.realdata
def test_real_frame_with_its_labels():
    root = Path(__file__).parents[2]
    data = Path(os.environ.get("TOUCHDOWN_DATA", root.parent / "shared" / "data")) / "aeroscapes"
    image = data / "images" / "001101_001.jpg"
    if not image.is_file():
        pytest.skip("no AeroScapes frames: set TOUCHDOWN_DATA")
    labels = data / "labels" / "001101_001.png"
    world = parse_world_spec(f"photo:{image}?gsd_m=0.0175&labels={labels}")
    south, north, west, east = world.extent_m
    assert north - south >= 60
    assert east - west >= 60
    assert world.taxonomy.name == "aeroscapes"
    assert world.taxonomy.landable_lut[world.labels].any()


def test_a_folder_of_photographs_leaves_hidden_files_out_and_pairs_label_maps_by_name(picture: Path) -> None:
    card, labels = picture.parent / "card", picture.parent / "labels"
    card.mkdir()
    labels.mkdir()
    for name in ("e[1].png", "f.png"):
        (card / name).write_bytes(picture.read_bytes())
        (card / f"._{name}").write_bytes(b"\0\5\x16\7 resource fork")
    (labels / "e[1].png").write_bytes(picture.with_name("l.png").read_bytes())
    (labels / "f.txt").write_text("no label map")
    labelled, plain = expand_world_spec(f"photo:{card}?gsd_m=0.1&labels={labels}")
    assert labelled.startswith(f"photo:{card / 'e[1].png'}?") and "labels" in labelled
    assert plain.startswith(f"photo:{card / 'f.png'}?") and "labels" not in plain
