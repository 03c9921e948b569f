from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from tests.trainer import fake_data
from trainer.data.known_layouts import sequence_of
from trainer.data.layouts import open_set
from trainer.data.samples import IGNORE, Sample
from trainer.data.splitfile import read_split_file
from trainer.data.splits import by_patterns, by_table, carve
from trainer.data.store import CENTRES_PER_CLASS, centres_of, shrink


@pytest.mark.parametrize(
    ("make", "taxonomy", "count"),
    [
        (fake_data.semantic_drone, "semantic-drone", 6),
        (fake_data.semantic_drone_low_res, "semantic-drone", 6),
        (fake_data.aeroscapes, "aeroscapes", 18),
        (lambda root: fake_data.aeroscapes(root, original=True), "aeroscapes", 18),
        (fake_data.folder, "toy", 15),
        (fake_data.uavid, "uavid", 12),
        (fake_data.vdd, "vdd", 9),
    ],
)
def test_every_layout_is_found_and_gives_class_ids(tmp_path, make, taxonomy, count):
    data = open_set(make(tmp_path / "set"))
    assert data.taxonomy.name == taxonomy
    assert len(data.samples) == count
    seed_of_first = 0
    image, labels = data.read(data.samples[0])
    expected = fake_data.picture(data.taxonomy, seed_of_first)
    assert image.shape == (64, 96, 3)
    assert image.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected[1])
    assert np.abs(image.astype(int) - expected[0]).mean() < 12


def test_terms_of_the_data_are_kept(tmp_path):
    assert "non-commercial" in open_set(fake_data.semantic_drone(tmp_path / "a")).terms
    root = fake_data.folder(tmp_path / "b")
    assert open_set(root).terms == ""
    (root / "TERMS.txt").write_text("CC0\n")
    assert open_set(root).terms == "CC0"


def test_a_palette_png_keeps_its_indices(tmp_path):
    root = fake_data.aeroscapes(tmp_path / "set", original=True)
    path = root / "SegmentationClass" / "001101_000.png"
    ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    indexed = Image.fromarray(ids, mode="P")
    indexed.putpalette(Taxonomy.load("aeroscapes").palette_bgr[:, ::-1].tobytes())
    indexed.save(path)
    data = open_set(root)
    np.testing.assert_array_equal(data.read(data.samples[0])[1], ids)


def test_unknown_ids_are_counted_or_ignored(tmp_path):
    data = open_set(fake_data.aeroscapes(tmp_path / "set"))
    labels = np.zeros((64, 96), dtype=np.uint8)
    labels[0, :5] = 77
    labels[1, :3] = 255
    cv2.imwrite(str(data.samples[0].label), labels)
    with pytest.raises(DataError, match=r"001101_000.png: 5 of 6144 pixels .* the first is 77"):
        data.read(data.samples[0])
    ignored = replace(data, unknown="ignore").read(data.samples[0])[1]
    assert (ignored[0, :5] == IGNORE).all()
    assert (ignored == IGNORE).sum() == 8


def test_unknown_colours_are_counted(tmp_path):
    data = open_set(fake_data.semantic_drone_low_res(tmp_path / "set"))
    path = data.samples[0].label
    stored = cv2.imread(str(path))
    stored[0, 0] = (3, 2, 1)
    cv2.imwrite(str(path), stored)
    with pytest.raises(DataError, match=r"1 of 6144 pixels have colours .* RGB \(1, 2, 3\)"):
        data.read(data.samples[0])


def test_bad_files_name_the_first_offender(tmp_path):
    root = fake_data.aeroscapes(tmp_path / "set")
    data = open_set(root)
    first = data.samples[0]
    first.image.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"001101_000\.jpg cannot be decoded"):
        data.read(first)
    cv2.imwrite(str(first.image), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(DataError, match=r"is 20x10 px but its label map 001101_000.png is 96x64"):
        data.read(first)
    first.label.write_bytes(b"no png")
    with pytest.raises(DataError, match=r"label map .* cannot be decoded"):
        data.read(first)
    first.label.unlink()
    with pytest.raises(DataError, match=r"picture without label map: 1, the first is images/001101_000.jpg"):
        open_set(root)


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        open_set(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no layout that is known"):
        open_set(tmp_path)
    with pytest.raises(DataError, match="is not of layout 'aeroscapes'"):
        open_set(tmp_path, "aeroscapes")
    root = fake_data.aeroscapes(tmp_path / "set")
    shutil.rmtree(root / "images")
    (root / "images").mkdir()
    with pytest.raises(DataError, match=r"no pictures: 1, .*set; put pictures"):
        open_set(root)


def test_split_file_puts_every_picture_in_its_part(tmp_path):
    data = open_set(fake_data.semantic_drone(tmp_path / "set"))
    table = tmp_path / "split.csv"
    table.write_text(
        "id,scene\n" + "".join(f"{i:03d},{part}\n" for i, part in enumerate(["train", "train", "val", "test", "train"]))
    )
    with pytest.raises(DataError, match=r"1 of 6 pictures are not in the split file.* 005"):
        by_table(data.samples, read_split_file(table, "scene").part_of)
    table.write_text(table.read_text() + "005,\n")
    split = by_table(data.samples, read_split_file(table, "scene").part_of)
    assert [s.name for s in split.train] == ["000", "001", "004"]
    assert [s.name for s in split.val] == ["002"]
    assert [s.name for s in split.test] == ["003"]
    assert split.unused == 1
    with pytest.raises(DataError, match="columns id, scene; expected 'id' and 'part'"):
        read_split_file(table, "part")
    table.write_text("id,scene\n000,maybe\n")
    with pytest.raises(DataError, match="'maybe' is unknown"):
        read_split_file(table, "scene")


def test_patterns_and_a_val_part_that_does_not_touch_training(tmp_path):
    data = open_set(fake_data.aeroscapes(tmp_path / "set", per_sequence=12))
    split = by_patterns(data.samples, train=["040001", "041007"], test=["001101"])
    assert {s.group for s in split.test} == {"001101"}
    assert len(split.test) == 12
    for group in ("040001", "041007"):
        train = [int(s.name[-3:]) for s in split.train if s.group == group]
        val = [int(s.name[-3:]) for s in split.val if s.group == group]
        assert val == [10, 11]
        assert min(val) - max(train) == 3
    again = by_patterns(data.samples, train=["040001", "041007"], test=["001101"])
    assert again == split
    with pytest.raises(DataError, match=r"--test '99' matches none of 36 pictures"):
        by_patterns(data.samples, test=["99"])
    with pytest.raises(DataError, match="both --val and --test"):
        by_patterns(data.samples, val=["001101"], test=["0011*"])


def test_many_groups_are_carved_whole(tmp_path):
    data = open_set(fake_data.folder(tmp_path / "set", worlds=12, split=False))
    kept, carved = carve(data.samples, 0.2)
    assert not {s.group for s in kept} & {s.group for s in carved}
    assert len(kept) + len(carved) == 36
    assert 6 <= len(carved) <= 9


def test_cache_shrinks_and_remembers_pixels_of_every_class(tmp_path):
    data = open_set(fake_data.folder(tmp_path / "set"))
    cached = fake_data.in_memory(data, (48, 48))
    assert len(cached) == 15
    assert cached[0].image.shape == (32, 48, 3)
    for item in cached:
        columns, rows, ids = item.centres.T
        assert item.centres.dtype == np.int32
        np.testing.assert_array_equal(item.labels[rows, columns], ids)
        np.testing.assert_array_equal(np.unique(ids), np.unique(item.labels))
        assert np.bincount(ids).max() <= CENTRES_PER_CLASS
    image, labels = fake_data.picture(data.taxonomy, 0)
    assert shrink(image, labels, (500, 500))[0] is image


def test_centres_spread_over_a_class_and_leave_out_what_is_unlabelled():
    labels = np.full((100, 50), IGNORE, np.uint8)
    labels[20:80] = 3
    labels[5, 7] = 0
    found = centres_of(labels)
    assert found[found[:, 2] == 0].tolist() == [[7, 5, 0]]
    field = found[found[:, 2] == 3]
    assert len(field) == CENTRES_PER_CLASS
    assert np.diff(field[:, 1]).max() <= 3
    assert (20 <= field[0, 1] <= 22) and (77 <= field[-1, 1] < 80)
    assert set(found[:, 2]) == {0, 3}
    assert centres_of(np.full((4, 4), IGNORE, np.uint8)).shape == (0, 3)


@pytest.mark.realdata
def test_real_aeroscapes_reads_whole(real_data: Path):
    data = open_set(real_data / "aeroscapes")
    assert len(data.samples) == 118
    for sample in data.samples[::30]:
        image, labels = data.read(sample)
        assert image.shape == (720, 1280, 3)
        assert set(np.unique(labels)) <= set(range(12))


@pytest.mark.parametrize(
    "pattern", ["frame{}", "{:06d}", "flight1-{:04d}", "DJI_{:04d}", "frame{:04d}_jpg.rf.a1b2", "still ({})"]
)
def test_frames_of_one_flight_are_one_group_whatever_their_names(pattern):
    names = sorted(pattern.format(i) for i in range(1, 41))
    samples = [Sample(n, sequence_of(n), Path(n), Path(n)) for n in names]
    assert len({s.group for s in samples}) == 1
    split = by_patterns(samples)
    last = {pattern.format(i) for i in range(35, 41)}
    assert {s.name for s in split.val} == last
    assert split.unused == 2
