"""Confidence in sites: discs judged by labels, the curve, its error on other scenes, and the file that keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.look.looker import Looker
from edge.look.options import LookOptions
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.ground.merge import segmentation_from_labels
from landing.model.artefact import GATE_KEY, GateReport
from landing.model.confidence import SiteConfidence
from landing.model.spec import METADATA_KEY, ModelSpec
from landing.settings import DecisionSection, DecisionSettings
from landing.taxonomy import Taxonomy
from tests.command import call
from tests.edge import fake_model
from trainer.data.samples import IGNORE
from trainer.evaluation.confidence import (
    LEAST_SITES,
    JudgedSite,
    check_curve,
    check_left_out,
    fit_confidence,
    fit_steps,
    judged_sites,
)
from trainer.evaluation.results import _site_ece
from trainer.evaluation.view import AssumedView, assumed_view

TAXONOMY = Taxonomy.load("synthetic")
GRASS, TREE = (next(c.id for c in TAXONOMY.classes if c.name == name) for name in ("grass", "tree"))
VIEW = AssumedView(10.0, 80.0, "made up")
SETTINGS = DecisionSettings()


def drawn(seed: int, scenes: int = 30, each: int = 40, power: float = 2.0) -> list[JudgedSite]:
    """Sites that are safe with the probability score ** power."""
    rng = np.random.default_rng(seed)
    scores = rng.random(scenes * each)
    return [
        JudgedSite(float(s), bool(rng.random() < s**power), str(k // each), 9.0) for k, s in enumerate(scores.tolist())
    ]


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), min_size=1, max_size=400))
@settings(max_examples=60, deadline=None)
def test_the_curve_rises_in_steps_of_enough_sites(sites: list[tuple[int, bool]]) -> None:
    scores, safe = np.array([s / 255 for s, _ in sites]), np.array([b for _, b in sites])
    steps = fit_steps(scores, safe)
    curve = SiteConfidence(steps=steps, disc_m=1.0, disc_px=9.0, pictures=1, scenes=1)  # checks that it rises
    assert sum(s.sites for s in steps) == len(sites) and sum(s.safe for s in steps) == int(safe.sum())
    assert all(s.sites >= LEAST_SITES for s in steps) or len(steps) == 1
    for step, after in zip(steps, (*steps[1:], None), strict=True):
        here = (scores >= step.score_from) & (scores < (2.0 if after is None else after.score_from))
        assert (int(here.sum()), int(safe[here].sum())) == (step.sites, step.safe)
        assert curve.at(float(scores[here][0])).sites == step.sites


def test_the_error_on_other_scenes_is_small_for_what_is_honest_and_large_for_what_is_not() -> None:
    sites = drawn(1)
    curve = fit_confidence(sites, 30, "drawn", 1.0)
    check = check_left_out(sites)
    assert curve is not None and check is not None and curve.ece is not None
    assert curve.ece == pytest.approx(check.ece, abs=1e-5) and check.ece <= 0.05
    assert check.ece_interval[0] <= check.ece_interval[1] <= 0.08
    assert sum(b["sites"] for b in check.bins) == len(sites)
    for score in (0.2, 0.5, 0.9):
        assert curve.at(score).share == pytest.approx(score**2, abs=0.12)
    worse = check_curve(curve, drawn(2, power=6.0))
    assert worse is not None and worse.ece > 0.15


def test_few_scenes_say_nothing_of_the_error() -> None:
    sites = drawn(3, scenes=4)
    curve = fit_confidence(sites, 4, "drawn", 1.0)
    assert curve is not None and curve.ece is None and curve.ece_interval is None
    assert check_left_out(sites) is None
    assert fit_confidence([], 4, "drawn", 1.0) is None


def test_one_scene_has_no_interval_over_scenes() -> None:
    """Drawing one scene again and again gave "1.5 to 1.5 %", as if nothing were more certain."""
    curve = fit_confidence(drawn(3), 30, "drawn", 1.0)
    assert curve is not None
    check = check_curve(curve, drawn(4, scenes=1))
    assert check is not None and check.ece_interval is None
    assert "(of one scene;" in _site_ece({"site_confidence": vars(check)})
    several = check_curve(curve, drawn(4, scenes=2))
    assert several is not None and several.ece_interval is not None
    assert " to " in _site_ece({"site_confidence": vars(several)})


def test_discs_lie_beside_each_other_and_are_judged_by_the_labels() -> None:
    labels = np.full((240, 320), GRASS, np.uint8)
    labels[:, 200:] = TREE
    seen = segmentation_from_labels(labels, TAXONOMY)
    found = judged_sites(seen, labels, TAXONOMY, VIEW, SETTINGS, "a")
    # 16.8 m x 12.6 m of ground: discs of 2 m across, packed at least as well as a quarter of them.
    assert 15 <= len(found) <= 45
    assert {s.safe for s in found if s.score == 1.0} == {True}
    assert {s.safe for s in found if s.score < 0.5} == {False}
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    # Labels that the network did not see, and ground that nobody labelled.
    wrong = judged_sites(seen, np.full_like(labels, TREE), TAXONOMY, VIEW, SETTINGS, "a")
    assert len(wrong) == len(found) and not any(s.safe for s in wrong)
    assert judged_sites(seen, np.full_like(labels, IGNORE), TAXONOMY, VIEW, SETTINGS, "a") == []
    big = DecisionSettings(vehicle_radius_m=8.0)
    assert judged_sites(seen, labels, TAXONOMY, VIEW, big, "a") == []


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of six worlds: grass with trees, some of them painted like grass, so that the network is wrong."""
    root = tmp_path_factory.mktemp("drawn")
    (root / "images").mkdir()
    (root / "labels").mkdir()
    (root / "taxonomy.toml").write_text(Taxonomy.builtin_toml("synthetic"))
    rng, grain = np.random.default_rng(0), np.random.default_rng(1)
    for world in range(6):
        for number in range(2):
            labels = np.full((120, 160), GRASS, np.uint8)
            shown = labels.copy()
            for k in range(9):
                top, left = int(rng.integers(0, 108)), int(rng.integers(0, 148))
                labels[top : top + 12, left : left + 12] = TREE
                shown[top : top + 12, left : left + 12] = TREE if k < 6 else GRASS
            image = cv2.GaussianBlur(TAXONOMY.palette_bgr[shown].astype(np.float32), (0, 0), 2.0)
            image = np.clip(
                image + grain.integers(-8, 9, (120, 160, 1)), 0, 255
            )  # without it the picture is a blurred one
            name = f"{1000 + world}_{number:02d}"
            cv2.imwrite(str(root / "images" / f"{name}.png"), image.astype(np.uint8))
            cv2.imwrite(str(root / "labels" / f"{name}.png"), labels)
    return root


def test_a_finished_model_gets_its_confidence_and_look_prints_it(pictures: Path, tmp_path: Path) -> None:
    plain = fake_model.save(tmp_path / "plain.onnx", width_px=160, height_px=128)
    fake_model.with_gate(plain, plain, GateReport(passed=True, frames=3))
    model, report = tmp_path / "known.onnx", tmp_path / "report"
    done = call("export", "confidence", plain, "--data", pictures, "--part", "all", "-o", model, "--report", report)
    assert done.returncode == 0, done.stderr
    assert "safe in" in done.stdout and "12 pictures of 6 scenes" in done.stdout
    before, after = onnx.load(str(plain)), onnx.load(str(model))
    assert before.graph == after.graph
    told = {p.key: p.value for p in after.metadata_props}
    assert GateReport.from_json(told[GATE_KEY], "x").passed
    curve = ModelSpec.from_json(told[METADATA_KEY], "x").site_confidence
    assert curve is not None and curve.ece is not None and curve.ece <= 0.05
    assert curve.at(1.0).share < 0.97  # trees that look like grass
    assert curve.at(0.1).share < 0.1
    kept = json.loads((report / "site-confidence.json").read_text())
    assert kept["curve"]["steps"] == json.loads(curve.model_dump_json())["steps"]
    assert cv2.imread(str(report / "site-confidence.png")) is not None
    for path, printed in ((model, True), (plain, False)):
        said: list[str] = []
        records: list[dict[str, object]] = []
        view = assumed_view(TAXONOMY)
        placed = Given(assume_nadir=True, height_agl_m=view.height_m, hfov_deg=view.hfov_deg)
        picture = pictures / "images" / "1000_00.png"
        Looker(LookOptions(path, RuntimeOptions(), DecisionSection(), given=placed), said.append, records.append).run(
            [picture]
        )
        site = records[0]["site"]
        assert isinstance(site, dict)
        assert ("confidence" in site) is printed
        assert ("such sites" in said[-1]) is printed
    wider = call("export", "confidence", tmp_path / "best.pt", "--data", pictures)
    assert wider.returncode == 2 and "trainer calibrate" in wider.stderr
