"""A model's own thresholds in the daemon: what flies, and that `edge check` says where from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.check import check
from edge.look.looker import Looker
from edge.look.options import LookOptions
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.model.spec import OperatingPoint
from landing.settings import DecisionSection
from landing.taxonomy import Taxonomy
from tests.edge import fake_model

POINT = OperatingPoint(landable=0.9, obstacle=0.2, water=0.25, person=0.7, vehicle=0.1)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = fake_model.spec_of(Taxonomy.load("synthetic")).model_copy(update={"operating": POINT})
    return fake_model.save(tmp_path_factory.mktemp("model") / "calibrated.onnx", spec=spec)


def checked(folder: Path, model: Path, decision: str) -> tuple[str, dict[str, dict[str, object]]]:
    config = folder / "edge.toml"
    config.write_text(
        f"[model]\npath = {json.dumps(str(model))}\nthreads = 1\n"
        '[camera]\nsource = "v4l2:///dev/video9"\nwidth_px = 160\nheight_px = 120\nhfov_deg = 70\n'
        f'[link]\nconnection = "udpin:127.0.0.1:14550"\n[expert.decision]\n{decision}\n'
    )
    lines: list[str] = []
    assert check(config, camera=False, link=False, timeout_s=1, as_json=True, say=lines.append)
    found = json.loads(lines[0])["flight"]
    thresholds = {t.pop("role"): t for t in found["value"]["thresholds"]}
    return found["text"], thresholds


def test_check_says_which_thresholds_fly_and_why(tmp_path: Path, calibrated: Path) -> None:
    text, thresholds = checked(tmp_path, calibrated, "vehicle_probability = 0.4")
    assert thresholds["landable"] == {"value": 0.9, "source": "model", "asked": None}
    assert thresholds["obstacle"]["value"] == 0.2
    assert thresholds["vehicle"] == {"value": 0.4, "source": "config", "asked": 0.1}
    # The model asks to overlook persons up to 0.7: only a configuration may say so.
    assert thresholds["person"] == {"value": 0.2, "source": "default", "asked": 0.7}
    assert "person 0.2 (default; the model asks for 0.7)" in text


def test_check_of_a_model_without_thresholds(tmp_path: Path) -> None:
    model = fake_model.save(tmp_path / "plain.onnx")
    _, thresholds = checked(tmp_path, model, "")
    assert {t["source"] for t in thresholds.values()} == {"default"}


def test_look_decides_with_the_models_thresholds(tmp_path: Path, calibrated: Path) -> None:
    import cv2

    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), fake_model.photograph(160, 120))
    said: list[str] = []
    options = LookOptions(
        calibrated, RuntimeOptions(threads=1), DecisionSection(), given=Given(12.0, 60.0, pitch_deg=-90.0)
    )
    looker = Looker(options, said.append, lambda _record: None)
    flies = looker.run([picture]).flies
    assert flies is not None and flies.decision.frame_landable_probability == 0.9
    assert any("landable 0.9 (model)" in line for line in said)
