"""Pictures of other classes that teach by role (`--also`)."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from landing.errors import DataError
from landing.taxonomy import Role, Taxonomy
from tests.trainer import fake_data
from tests.trainer.tiny import TINY, run
from trainer.checkpoint import Checkpoint
from trainer.data.choice import open_and_split
from trainer.data.roles import as_classes, role_label, to_role_labels
from trainer.data.samples import IGNORE
from trainer.recipe import DataChoice


def both(tmp_path, **more):
    main, other = fake_data.semantic_drone(tmp_path / "main"), fake_data.aeroscapes(tmp_path / "other")
    alone = DataChoice(folders=(str(main),), **more)
    return open_and_split(alone), open_and_split(alone.model_copy(update={"also": (str(other),)}))


def test_they_train_and_choose_nothing(tmp_path):
    (data, split), (taught, more) = both(tmp_path)
    assert (more.val, more.test) == (split.val, split.test)
    added = more.train[len(split.train) :]
    assert more.train[: len(split.train)] == split.train
    assert added and all(s.name.startswith("aeroscapes/") and s.group.startswith("aeroscapes/") for s in added)
    assert taught.taxonomy == data.taxonomy
    assert "CC BY-SA" in taught.terms and "TU Graz" in taught.terms and "by role aeroscapes" in taught.name


def test_their_labels_say_roles_and_the_others_stay(tmp_path):
    (data, split), (taught, more) = both(tmp_path)
    np.testing.assert_array_equal(taught.read(more.train[0])[1], data.read(split.train[0])[1])
    labels = taught.read(more.train[-1])[1]
    table = to_role_labels(Taxonomy.load("aeroscapes"), taught.taxonomy)
    assert set(np.unique(labels)) <= {*table[:12].tolist(), IGNORE}
    road, person, sky = table[10], table[1], table[11]
    assert road == role_label(taught.taxonomy, Role.LANDABLE)
    assert person == role_label(taught.taxonomy, Role.PERSON) >= len(taught.taxonomy)
    assert sky == IGNORE
    assert as_classes(taught.taxonomy)[person] == taught.taxonomy.ids_of(Role.PERSON)[0]
    assert taught.digest(more.train[-1]) != taught.digest(more.train[-2])


def test_a_role_without_a_class_is_not_taught():
    two = Taxonomy.parse(
        {
            "name": "two",
            "classes": [
                {"id": 0, "name": "flat", "color_rgb": (0, 0, 0), "role": "landable"},
                {"id": 1, "name": "rest", "color_rgb": (1, 1, 1), "role": "obstacle"},
            ],
        },
        "test",
    )
    table = to_role_labels(Taxonomy.load("aeroscapes"), two)
    assert table[1] == IGNORE and table[10] == role_label(two, Role.LANDABLE)


def test_only_the_training_part_of_their_own_split_teaches(tmp_path):
    other = fake_data.aeroscapes(tmp_path / "other")
    names = sorted(p.stem for p in other.rglob("*.jpg"))
    kept = names[0]
    (other / "split.csv").write_text("id,split\n" + "".join(f"{n},{'train' if n == kept else 'test'}\n" for n in names))
    main = fake_data.semantic_drone(tmp_path / "main")
    _, split = open_and_split(DataChoice(folders=(str(main),), also=(str(other),)))
    assert [s.name for s in split.train if "/" in s.name] == [f"aeroscapes/{kept}"]
    (other / "split.csv").write_text("id,split\n" + "".join(f"{n},test\n" for n in names))
    with pytest.raises(DataError, match="--also aeroscapes: its split has no training pictures"):
        open_and_split(DataChoice(folders=(str(main),), also=(str(other),)))


def test_a_run_learns_from_them_and_says_so(tmp_path):
    main, other = fake_data.folder(tmp_path / "main"), fake_data.aeroscapes(tmp_path / "other")
    out = tmp_path / "out"
    run("fit", "--data", main, "--also", other, *TINY, "--people", "1", "--stop-after", "1", "--out", out)
    run("fit", "--resume", out / "last.pt", "--stop-after", "3", "--out", out)
    best = Checkpoint.load(out / "best.pt")
    assert "by role aeroscapes" in best.provenance["trained_on"] and "--also other" in best.provenance["recipe"]
    curve = json.loads((out / "metrics.json").read_text())["curve"]
    assert [p["epoch"] for p in curve] == list(range(1, len(curve) + 1)) and len(curve) > 1
    assert all(a["cpu_h"] < b["cpu_h"] for a, b in pairwise(curve))
