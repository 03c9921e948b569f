"""Layouts with parts, folder pairs, several sources at once, and splits as files."""

from __future__ import annotations

import shlex

import cv2
import numpy as np
import pytest

from landing.errors import DataError
from landing.taxonomy import Role, Taxonomy
from tests.trainer import fake_data
from tests.trainer.tiny import run
from trainer.data.choice import open_and_split, open_data
from trainer.data.layouts import open_pair, open_set
from trainer.data.merge import role_ids
from trainer.data.prepared import prepare
from trainer.data.samples import IGNORE
from trainer.data.store import open_or_prepare
from trainer.recipe import DataChoice, Recipe


def choice(*folders, **more) -> DataChoice:
    return DataChoice(folders=tuple(map(str, folders)), **more)


def test_uavid_keeps_its_parts_and_its_unlabelled_test_part_is_no_error(tmp_path):
    data, split = open_and_split(choice(fake_data.uavid(tmp_path / "uavid")))
    assert {s.group for s in split.train} == {"seq1", "seq2"}
    assert {s.group for s in split.val} == {"seq16", "seq17"}
    assert split.test == ()
    assert "CC BY-NC-SA" in data.terms
    (tmp_path / "uavid" / "train" / "seq2" / "Labels" / "000100.png").unlink()
    with pytest.raises(DataError, match=r"picture without label map: 1, the first is train/seq2/Images/000100.jpg"):
        open_set(tmp_path / "uavid")


def test_vdd_keeps_its_parts_and_takes_colours_too(tmp_path):
    root = fake_data.vdd(tmp_path / "vdd")
    data, split = open_and_split(choice(root))
    assert [s.name for s in split.test] == ["test-DJI_0000", "test-DJI_0001", "test-DJI_0002"]
    ids = data.read(split.test[0])[1]
    for sample in data.samples:
        stored = cv2.imread(str(sample.label), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(sample.label), data.taxonomy.palette_bgr[stored])
    coloured = open_set(root)
    np.testing.assert_array_equal(coloured.read(coloured.samples[0])[1], ids)


def test_only_surely_landable_classes_are_landable():
    for name, landable in (("uavid", ["road"]), ("vdd", ["road"])):
        taxonomy = Taxonomy.load(name)
        assert [c.name for c in taxonomy.classes if c.role is Role.LANDABLE] == landable


@pytest.mark.parametrize("palette", [False, True])
def test_any_two_folders_with_a_taxonomy(tmp_path, palette):
    root = fake_data.folder(tmp_path / "set")
    taxonomy = Taxonomy.load(root / "taxonomy.toml")
    expected = open_set(root).read(open_set(root).samples[0])[1]
    (root / "images").rename(tmp_path / "photos")
    (root / "labels").rename(tmp_path / "masks")
    if palette:
        for path in (tmp_path / "masks").iterdir():
            ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(path), taxonomy.palette_bgr[ids])
    pair = {"images": str(tmp_path / "photos"), "labels": str(tmp_path / "masks")}
    data, split = open_and_split(choice(**pair, taxonomy=str(root / "taxonomy.toml")))
    assert len(data.samples) == 15
    assert (len(split.train), len(split.val)) == (10, 5)
    np.testing.assert_array_equal(data.read(data.samples[0])[1], expected)
    with pytest.raises(DataError, match="go together"):
        open_and_split(choice(**pair))
    with pytest.raises(DataError, match="no data: give --data"):
        open_and_split(choice())
    with pytest.raises(DataError, match="does not exist"):
        open_pair(tmp_path / "photos", tmp_path / "nowhere", "roles")


def test_sources_with_the_same_classes_stay_as_they_are(tmp_path):
    one, two = (fake_data.folder(tmp_path / name) for name in ("one", "two"))
    (two / "TERMS.txt").write_text("CC0")
    data, split = open_and_split(choice(one, two))
    assert data.taxonomy.name == "toy"
    assert data.name == "one+two"
    assert data.terms == "one: terms not stated; two: CC0"
    assert [len(part) for part in (split.train, split.val, split.test)] == [18, 6, 6]
    assert {s.group for s in split.val} == {"one/1003", "two/1003"}
    source = open_set(two)
    sample = next(s for s in data.samples if s.name == "two/1001_02")
    original = next(s for s in source.samples if s.name == "1001_02")
    for mine, theirs in zip(data.read(sample), source.read(original), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_sources_with_different_classes_are_merged_by_role(tmp_path):
    toy, aero = fake_data.folder(tmp_path / "toy"), fake_data.aeroscapes(tmp_path / "aero")
    data, split = open_and_split(choice(toy, aero))
    assert data.taxonomy.name == "roles"
    assert "AeroScapes" in data.terms
    names = [c.name for c in data.taxonomy.classes]
    sample = next(s for s in data.samples if s.name == "aeroscapes/040001_003")
    source = open_set(aero)
    before = source.read(next(s for s in source.samples if s.name == "040001_003"))[1]
    after = data.read(sample)[1]
    for c in source.taxonomy.classes:
        expected = IGNORE if c.role is Role.IGNORE else names.index(c.role.value)
        assert (after[before == c.id] == expected).all()
    assert {s.name.split("/")[0] for s in split.val} == {"toy", "aeroscapes"}
    assert {s.name.split("/")[0] for s in split.test} == {"toy"}
    # The own split of toy is kept; aeroscapes, which has none, is cut without touching it.
    assert {s.group for s in split.val if s.name.startswith("toy")} == {"toy/1003"}
    stored = open_or_prepare(data, data.samples, (48, 48), tmp_path / "cache")
    assert {int(v) for item in stored for v in np.unique(item.labels)} <= {0, 1, 2, 3, 4, IGNORE}


def test_one_source_is_merged_by_role_when_asked(tmp_path):
    root = fake_data.semantic_drone(tmp_path / "drone")
    data = open_data(choice(root, taxonomy="roles"))
    assert data.taxonomy.name == "roles"
    assert data.samples[0].name == "000"
    plain = open_set(root)
    expected = role_ids(plain.taxonomy)[plain.read(plain.samples[0])[1]]
    np.testing.assert_array_equal(data.read(data.samples[0])[1], expected)
    assert data.digest(data.samples[0]) != plain.digest(plain.samples[0])


def test_two_folders_of_one_name_are_told_apart(tmp_path):
    one, two = (fake_data.folder(tmp_path / name / "set") for name in ("a", "b"))
    data = open_data(choice(one, two))
    assert {s.name.split("/")[0] for s in data.samples} == {"set", "set-2"}
    assert len({s.name for s in data.samples}) == 30


def test_each_source_has_its_split_file_or_one_has_all(tmp_path):
    one, two = (fake_data.folder(tmp_path / n, split=n == "two") for n in ("one", "two"))
    names = [s.name for s in open_set(one).samples]
    parts = ["train"] * 9 + ["val"] * 3 + ["test"] * 3
    table = tmp_path / "one.csv"
    table.write_text(
        "name,mine,scene_group\n"
        + "".join(f"{n},{p},{i % 5}\n" for i, (n, p) in enumerate(zip(names, parts, strict=True)))
    )
    data, split = open_and_split(choice(one, two, split_files=(f"one={table}",), split_column="mine"))
    assert [s.name for s in split.test][:3] == [f"one/{n}" for n in names[12:]]
    assert {s.group for s in split.train if s.name.startswith("one")} == {f"one/{i}" for i in range(5)}
    everything = tmp_path / "all.csv"
    everything.write_text(
        "id,split\n" + "".join(f"{s.name},{'val' if i % 2 else 'train'}\n" for i, s in enumerate(data.samples))
    )
    split = open_and_split(choice(one, two, split_files=(str(everything),)))[1]
    assert (len(split.train), len(split.val)) == (15, 15)
    with pytest.raises(DataError, match=r"30 of 30 pictures are not in the split file.* one/1000_00"):
        open_and_split(choice(one, two, split_files=(str(table),), split_column="mine"))
    with pytest.raises(DataError, match="no source is called 'three'; there are one, two"):
        open_and_split(choice(one, two, split_files=(f"three={table}",)))
    with pytest.raises(DataError, match="which source is it for"):
        open_and_split(choice(one, two, split_files=(str(everything), str(everything))))


def test_a_table_without_val_gets_one_cut_from_training(tmp_path):
    root = fake_data.folder(tmp_path / "set", worlds=10, split=False)
    data = open_set(root)
    table = tmp_path / "two.csv"
    table.write_text(
        "id,split,group\n"
        + "".join(f"{s.name},{'test' if s.group == '1000' else 'train'},{s.group}\n" for s in data.samples)
    )
    split = open_and_split(choice(root, split_files=(str(table),)))[1]
    assert {s.group for s in split.test} == {"1000"}
    assert split.val and not {s.group for s in split.val} & {s.group for s in split.train}


def test_a_picture_in_two_parts_is_refused(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    (root / "split.csv").write_text("id,split\n1000_00,train\n1000_00,test\n")
    with pytest.raises(DataError, match="1000_00 is in 'train' and in 'test'"):
        open_set(root)


def test_a_prepared_set_stands_for_its_source(tmp_path):
    root = fake_data.aeroscapes(tmp_path / "aero")
    source = open_set(root)
    expected = {item.name: item for item in fake_data.in_memory(source, (48, 48))}
    prepare(source, tmp_path / "copy", (48, 48))
    for path in root.rglob("*.*"):
        path.unlink()
    for path in (p for p in (tmp_path / "copy").rglob("*") if p.is_file()):
        assert str(tmp_path).encode() not in path.read_bytes()
    data, split = open_and_split(choice(tmp_path / "copy", test=("001101",)))
    assert (data.terms, data.taxonomy) == (source.terms, source.taxonomy)
    assert [(s.name, s.group) for s in data.samples] == [(s.name, s.group) for s in source.samples]
    assert {s.group for s in split.test} == {"001101"}
    for sample in data.samples:
        image, labels = data.read(sample)
        np.testing.assert_array_equal(image, expected[sample.name].image)
        np.testing.assert_array_equal(labels, expected[sample.name].labels)
    assert open_data(choice(tmp_path / "copy", taxonomy="roles")).taxonomy.name == "roles"


def test_several_sources_are_prepared_as_one(tmp_path):
    one, two = fake_data.folder(tmp_path / "one"), fake_data.folder(tmp_path / "two", split=False)
    data = open_data(choice(one, two))
    prepare(data, tmp_path / "copy", (48, 48))
    again = open_set(tmp_path / "copy")
    assert [s.name.replace("/", "-") for s in data.samples] == [s.name for s in again.samples]
    assert [s.group for s in data.samples] == [s.group for s in again.samples]
    assert {k.replace("/", "-"): v for k, v in data.own_split.items()}.items() <= again.own_split.items()


def test_a_prepared_set_keeps_the_ground_that_its_source_states(tmp_path):
    root, out = fake_data.folder(tmp_path / "set"), tmp_path / "copy"
    names = [s.name for s in open_set(root).samples]
    (root / "ground.csv").write_text("id,width_m\n" + "".join(f"{n},{10 + k / 3}\n" for k, n in enumerate(names)))
    data = open_set(root)
    prepare(data, out, (48, 48))
    again = open_set(out)
    widths = [[one.ground_width(s) for s in one.samples] for one in (data, again)]
    assert widths[0] == widths[1] and all(width is not None for width in widths[1])
    (root / "ground.csv").unlink()
    prepare(open_set(root), out, (48, 48))
    assert all(open_set(out).ground_width(s) is None for s in again.samples)


def test_what_a_copy_cannot_state_is_said(tmp_path):
    root = fake_data.semantic_drone(tmp_path / "drone")
    said = run("data", "prepare", root, "--out", tmp_path / "copy", "--size", "48x48")
    assert "--ground-width-m 15,29" in said


def test_a_prepared_set_is_brought_up_to_date_and_never_mixed_with_other_files(tmp_path, reads):
    root = fake_data.folder(tmp_path / "set")
    out = tmp_path / "copy"
    prepare(open_set(root), out, (48, 48))
    data = open_set(root)
    first, second, last = data.samples[0], data.samples[1], data.samples[-1]
    cv2.imwrite(str(first.label), np.full((64, 96), 2, np.uint8))
    (out / "labels" / f"{second.name}.png").unlink()  # as after a kill: the picture is there, its label map is not
    last.image.unlink()
    last.label.unlink()
    data = open_set(root)
    reads.clear()
    prepare(data, out, (48, 48))
    assert sorted(reads) == [first.name, second.name]
    again = open_set(out)
    assert (again.read(again.samples[0])[1] == 2).all()
    assert len(again.samples) == len(data.samples) == 14
    assert again.own_split == {s.name: data.own_split[s.name] for s in data.samples}
    with pytest.raises(DataError, match="holds other files"):
        prepare(data, root, (48, 48))


def test_the_recorded_command_can_be_typed_again(tmp_path):
    data = choice(tmp_path / "my farm's meadow", train=("*_01?",))
    command = Recipe(data=data).command()
    assert shlex.split(command)[3:5] == ["--data", "my farm's meadow"] and "--train '*_01?'" in command


def test_the_recorded_command_names_every_source_without_its_path(tmp_path):
    data = choice(tmp_path / "a", tmp_path / "b", split_files=(f"a={tmp_path}/x.csv",))
    assert Recipe(data=data).command() == ("touchdown trainer fit --data a --data b --input 512x512 --split a=x.csv")
