"""`export thresholds` and `export evaluate`: a finished model on labelled pictures, judged and given thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from landing.model.spec import METADATA_KEY, ModelSpec
from landing.taxonomy import Taxonomy
from tests.command import call
from tests.edge import fake_model

TAXONOMY = Taxonomy.load("synthetic")
GRASS, TREE, PERSON = (next(c.id for c in TAXONOMY.classes if c.name == name) for name in ("grass", "tree", "person"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of grass with trees and people, in the colours that the network knows; two are val."""
    root = tmp_path_factory.mktemp("drawn")
    (root / "images").mkdir()
    (root / "labels").mkdir()
    (root / "taxonomy.toml").write_text(Taxonomy.builtin_toml("synthetic"))
    (root / "split.csv").write_text("id,split\n1000_00,train\n1001_00,val\n1002_00,val\n")
    for number in range(3):
        labels = np.full((120, 160), GRASS, np.uint8)
        labels[:, : 20 + 10 * number] = TREE
        labels[90:102, 120:132] = PERSON
        image = cv2.GaussianBlur(TAXONOMY.palette_bgr[labels].astype(np.float32), (0, 0), 1.5)
        cv2.imwrite(str(root / "images" / f"100{number}_00.png"), image.astype(np.uint8))
        cv2.imwrite(str(root / "labels" / f"100{number}_00.png"), labels)
    return root


def test_a_finished_model_gets_thresholds_and_keeps_the_rest(pictures: Path, tmp_path: Path) -> None:
    plain = fake_model.save(tmp_path / "plain.onnx", width_px=160, height_px=128)
    model, report = tmp_path / "known.onnx", tmp_path / "report"
    done = call("export", "thresholds", plain, "--data", pictures, "-o", model, "--report", report)
    assert done.returncode == 0, done.stderr
    before, after = onnx.load(str(plain)), onnx.load(str(model))
    assert before.graph == after.graph
    told = {p.key: p.value for p in after.metadata_props}
    point = ModelSpec.from_json(told[METADATA_KEY], "x").operating
    assert point is not None and point.measured["people"] == point.measured["people_found"] == 2
    assert point.measured["sites_with_hazard"] == 0 and point.person <= 0.2
    columns = json.loads((report / "results.json").read_text())["columns"]
    assert [c["name"] for c in columns] == ["before", "after"]
    assert columns[1]["thresholds"]["person"]["value"] == point.person
    assert [row["width_m"] for row in columns[1]["sites"]["by_width"]][-1] > columns[1]["sites"]["across_m"]
    assert columns[1]["sites"]["operating"]["least_person_m"] > 2.0
    html = (report / "report.html").read_text("utf-8")
    assert all(title in html for title in ("By assumed width", "By threshold of people", "Nearest people"))
    assert call("export", "thresholds", tmp_path / "best.pt", "--data", pictures).returncode == 2
    assert call("export", "thresholds", plain, "--data", pictures, "--target", "dog=1").returncode == 2


def test_labels_of_other_classes_are_compared_by_role_and_what_discs_hold_is_named(
    pictures: Path, tmp_path: Path
) -> None:
    """The same ground with labels of AeroScapes: its lawn is called vegetation, an obstacle."""
    names = {c.name: c.id for c in Taxonomy.load("aeroscapes").classes}
    root = tmp_path / "aero"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "taxonomy.toml").write_text(Taxonomy.builtin_toml("aeroscapes"))
    for path in sorted((pictures / "images").iterdir()):
        (root / "images" / path.name).write_bytes(path.read_bytes())
        labels = cv2.imread(str(pictures / "labels" / path.name), cv2.IMREAD_UNCHANGED)
        other = np.where(labels == PERSON, names["person"], names["vegetation"]).astype(np.uint8)
        cv2.imwrite(str(root / "labels" / path.name), other)
    model = fake_model.save(tmp_path / "plain.onnx", width_px=160, height_px=128)
    out = tmp_path / "out"
    (root / "split.csv").write_bytes((pictures / "split.csv").read_bytes())
    flags = ("--absent-classes", "allow")
    done = call("export", "evaluate", model, "--data", root, "--out", out, *flags)
    assert done.returncode == 0, done.stderr
    (column,) = json.loads((out / "results.json").read_text())["columns"]
    sites = column["sites"]["operating"]
    assert sites["sites"] == sites["with_hazard"] > 0
    (held,) = column["sites"]["held"]
    assert (held["class"], held["role"], held["alone"]) == ("vegetation", "obstacle", sites["sites"])
    assert "hedges and trees alike as vegetation" in (out / "results.md").read_text("utf-8")
    assert len(column["classes"]) == 6
    assert any("val also chose" in warning for warning in column["warnings"])
