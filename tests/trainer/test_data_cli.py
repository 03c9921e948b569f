"""`trainer data` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from landing.errors import DataError
from tests.trainer import fake_data
from trainer.data.choice import open_and_split
from trainer.data.layouts import open_set
from trainer.data.splits import assign
from trainer.data_cli import data
from trainer.recipe import DataChoice


def run(*arguments: object) -> str:
    result = CliRunner().invoke(data, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def umbrella(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from touchdown.cli import main; main()", "trainer", "data", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_prints_a_table_and_exits_by_what_it_finds(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    valid = umbrella("check", root)
    assert valid.returncode == 0, valid.stderr
    assert "15 pictures, taxonomy toy, labels by index; sizes 96x64 (15)" in valid.stdout
    assert valid.stdout.rstrip().endswith("valid")
    for path in sorted((root / "labels").iterdir())[:12]:
        path.unlink()
    broken = umbrella("check", root)
    assert broken.returncode == 2
    assert "picture without label map: 12; give it a label map" in broken.stdout
    assert "... and 2 more (--all)" in broken.stdout
    assert broken.stdout.count("images/") == 10
    found = json.loads(CliRunner().invoke(data, ["check", str(root), "--json"]).stdout)
    assert found[0]["counts"]["picture without label map"] == 12
    assert not found[0]["valid"]
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = umbrella("check", empty)
    assert nothing.returncode == 2
    assert "no layout that is known" in nothing.stderr
    assert "Traceback" not in nothing.stderr


def test_check_takes_several_folders_pairs_and_split_files(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    other = fake_data.aeroscapes(tmp_path / "aero")
    printed = run("check", root, other)
    assert "set: 15 pictures" in printed
    assert "aero: 18 pictures" in printed
    printed = run(
        "check", "--images", root / "images", "--labels", root / "labels", "--taxonomy", root / "taxonomy.toml"
    )
    assert "taxonomy toy" in printed
    table = tmp_path / "half.csv"
    table.write_text("id,split\n1000_00,train\n")
    result = CliRunner().invoke(data, ["check", str(root), "--split", str(table)])
    assert "not in the split: 14" in result.output


def test_split_keeps_scenes_whole_and_says_when_it_does_not(tmp_path):
    root = fake_data.folder(tmp_path / "set", worlds=12, split=False)
    out = tmp_path / "split.csv"
    printed = run("split", root, "--out", out, "--shares", "0.5,0.25,0.25")
    assert "leak" not in printed
    split = open_and_split(DataChoice(folders=(str(root),), split_files=(str(out),)))[1]
    assert (len(split.train), len(split.val), len(split.test)) == (18, 9, 9)
    parts = [{s.group for s in part} for part in (split.train, split.val, split.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    with pytest.raises(DataError, match="splits are not overwritten"):
        run("split", root, "--out", out)
    printed = run("split", root, "--out", tmp_path / "random.csv", "--random")
    assert "warning: a random split leaks" in printed
    first = run("split", root, "--out", tmp_path / "again.csv", "--shares", "0.5,0.25,0.25")
    assert (tmp_path / "again.csv").read_text() == out.read_text(), first


def test_split_takes_scenes_from_a_file(tmp_path):
    root = fake_data.semantic_drone(tmp_path / "drone", 12)
    scenes = tmp_path / "scenes.csv"
    scenes.write_text("id,scene_group\n" + "".join(f"{i:03d},{i % 4}\n" for i in range(12)))
    out = tmp_path / "split.csv"
    run("split", root, "--out", out, "--groups", scenes, "--shares", "0.5,0.25,0.25")
    rows = [line.split(",") for line in out.read_text().splitlines()[1:]]
    assert {row[2] for row in rows} == {"0", "1", "2", "3"}
    assert len({(row[1], row[2]) for row in rows}) == 4
    scenes.write_text("id,scene_group\n000,1\n")
    with pytest.raises(DataError, match="has no group for 11 pictures, as 001"):
        run("split", root, "--out", tmp_path / "x.csv", "--groups", scenes)


def test_every_part_gets_a_group_and_too_few_are_refused(tmp_path):
    data_set = open_set(fake_data.folder(tmp_path / "set", worlds=3, split=False))
    part_of = assign(data_set.samples, (0.98, 0.01, 0.01))
    assert set(part_of.values()) == {"train", "val", "test"}
    with pytest.raises(DataError, match=r"3 groups are too few|add up to 1"):
        assign(data_set.samples, (0.9, 0.2, 0.1))
    few = [s for s in data_set.samples if s.group != "1002"]
    with pytest.raises(DataError, match="2 groups are too few for 3 parts"):
        assign(few)
    assert set(assign(few, by_group=False).values()) == {"train", "val", "test"}


def test_prepare_writes_a_folder_that_opens_and_checks(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    out = tmp_path / "cache"
    assert "15 pictures of set up to 48x48" in run("prepare", root, "--out", out, "--size", "48x48")
    data_set, split = open_and_split(DataChoice(folders=(str(out),)))
    assert data_set.name == "cache"
    assert [len(part) for part in (split.train, split.val, split.test)] == [9, 3, 3]
    assert "valid" in run("check", out)
    run("prepare", root, "--out", out, "--size", "48x48")


def test_prepare_takes_one_picture_and_nothing_labelled(tmp_path):
    root = fake_data.folder(tmp_path / "set", worlds=2, per_world=1, split=False)
    for folder in ("images", "labels"):
        sorted((root / folder).iterdir())[1].unlink()
    run("prepare", root, "--out", tmp_path / "one", "--size", "48x48")
    assert len(open_set(tmp_path / "one").samples) == 1
    with pytest.raises(DataError, match="the val part is empty"):
        open_and_split(DataChoice(folders=(str(tmp_path / "one"),)))


def test_the_group_needs_no_torch():
    code = "import sys\nimport trainer.data_cli\nassert not {'torch', 'webdataset'} & set(sys.modules)\n"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True, cwd=Path.cwd())


def test_one_scene_can_go_to_training_whole(tmp_path):
    root = fake_data.folder(tmp_path / "set", worlds=1, split=False)
    with pytest.raises(DataError, match="--shares 1,0,0"):
        run("split", root, "--out", tmp_path / "split.csv")
    printed = run("split", root, "--out", tmp_path / "split.csv", "--shares", "1,0,0")
    assert "train 3 (1 groups), val 0 (0 groups), test 0 (0 groups)" in printed
