from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from edge.check import _authority
from edge.config import EdgeConfig
from edge.control import Control
from edge.log import EventLog
from edge.resolved import ResolvedFlight, resolve_flight
from landing.decision import Decision
from landing.model.spec import GroundRange
from landing.settings import DirectorSettings
from landing.site import NoSite, NoSiteReason
from landing.taxonomy import Taxonomy
from landing.types import Pose
from landing.vehicle import Autopilot, VehicleStatus
from tests.command import call
from tests.edge import fake_model
from tests.edge.test_look import look, paint
from tests.edge.test_slow_machine import Wire

KNOWN = GroundRange(finest_mm=80.0, coarsest_mm=400.0, source="test")
"""At 70 degrees and 128 pixels: 7.3 to 36.6 m."""

S = 1_000_000_000
SPEC = fake_model.spec_of(Taxonomy.load("synthetic")).model_copy(update={"ground_range": KNOWN})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "known.onnx"
    onnx.save(fake_model.build(Taxonomy.load("synthetic"), SPEC), str(path))
    return path


def config(path: Path, model: Path, hfov_deg: float = 70.0, more: str = "") -> Path:
    path.write_text(
        f'[model]\npath = "{model}"\n[camera]\nsource = "images://."\nwidth_px = 640\nheight_px = 480\n'
        f'hfov_deg = {hfov_deg}\n[link]\nconnection = "udpin:127.0.0.1:0"\n{more}'
    )
    return path


@pytest.mark.parametrize(
    ("height_m", "answer"), [(30.0, None), (40.0, "too-high"), (60.0, "too-high"), (120.0, "too-high")]
)
def test_a_picture_from_too_high_is_answered_with_the_height_to_go_down_to(
    tmp_path: Path, model: Path, height_m: float, answer: str | None
) -> None:
    picture, out = paint(tmp_path / "lawn.png"), tmp_path / "out"
    summary, said, (record,) = look(model, picture, height_agl_m=height_m, hfov_deg=70.0, out=out, report=True)
    assert record["pixel_mm"] == pytest.approx(height_m * 1000 * 1.4004 / 128, rel=1e-3)
    if answer is None:
        assert "site" in record and summary.sites == 1
        return
    assert record["no_site"]["reason"] == answer and summary.reasons[answer] == 1
    assert record["no_site"]["descend_to_m"] == pytest.approx(36.56, abs=0.01)
    assert any("no site: too-high: descend to 36 m first: a pixel shows" in line for line in said)
    assert "descend to 36 m first" in (out / "report.html").read_text()


def test_a_picture_from_very_near_is_noted_and_decided_on(tmp_path: Path, model: Path) -> None:
    _, _, (record,) = look(model, paint(tmp_path / "lawn.png"), height_agl_m=5.0, hfov_deg=70.0)
    assert "site" in record and any("nearer than the 80 to 400 mm" in note for note in record["notes"])


def test_a_model_of_unknown_range_is_said_to_be_one(tmp_path: Path, model_path: Path) -> None:
    _, said, (record,) = look(model_path, paint(tmp_path / "lawn.png"), height_agl_m=100.0, hfov_deg=70.0)
    assert sum("touchdown export range" in line for line in said) == 1
    assert "pixel_mm" not in record and record.get("no_site", {}).get("reason") != "too-high"


def check(path: Path) -> tuple[int, dict[str, object]]:
    result = call("edge", "check", "--config", path, "--skip-link", "--skip-camera", "--json")
    return result.returncode, json.loads(result.stdout)["scale"]


def test_check_says_what_the_camera_means_for_the_model(tmp_path: Path, model: Path, model_path: Path) -> None:
    status, scale = check(config(tmp_path / "edge.toml", model))
    assert status == 0 and "between 7.3 and 36 m above ground" in str(scale["text"])
    assert "above 36 m the answer is 'descend to 36 m first'" in str(scale["text"])
    assert scale["warning"] and "decision.commit_height_m = 3.5 m lie below it" in str(scale["text"])
    status, scale = check(config(tmp_path / "edge.toml", model, hfov_deg=168.0, more='[authority]\nlevel = "land"\n'))
    assert status != 0 and "authority.look_height_m = 3.5 m" in str(scale["text"])
    assert "authority.start_height_m = 5 m lie above it" in str(scale["text"])
    status, scale = check(config(tmp_path / "edge.toml", model_path))
    assert status == 0 and scale["warning"] and "touchdown export range" in str(scale["text"])


VALUES: dict[str, Any] = {
    "model": {"path": "m.onnx"},
    "camera": {"source": "images://x", "width_px": 640, "height_px": 480, "hfov_deg": 90.0},
    "link": {"connection": "tcp:127.0.0.1:5760"},
}


def flight(hfov_deg: float, spec: object = SPEC) -> ResolvedFlight:
    values = {**VALUES, "camera": {**VALUES["camera"], "hfov_deg": hfov_deg}}
    return resolve_flight(EdgeConfig.model_validate(values), spec, {})  # type: ignore[arg-type]


def test_the_ceiling_that_is_told_is_the_one_that_flies() -> None:
    config = EdgeConfig.model_validate({**VALUES, "authority": {"level": "guard"}})
    told, unknown = _authority(config, [resolve_flight(config, SPEC, {})]), _authority(config, [])
    assert told.data["ceiling_m"] == pytest.approx(25.6) and "climbs to 25.6 m at most" in told.text
    assert unknown.data["ceiling_m"] == 30.0 and "climbs to" not in unknown.text


def test_what_flies_knows_the_range_and_climbs_no_higher() -> None:
    usual, wide = flight(70.0), flight(90.0)
    assert usual.authority.ceiling_m == 30.0 and usual.sources["authority.ceiling_m"] == "default"
    assert wide.authority.ceiling_m == pytest.approx(25.6) and wide.sources["authority.ceiling_m"] == "model"
    assert flight(165.0).authority.ceiling_m == wide.authority.clear_height_m
    again = ResolvedFlight.parse(json.loads(wide.canonical))
    assert again == wide and again.digest == wide.digest and again.scale(again.camera) == wide.scale(wide.camera)
    old = {k: v for k, v in wide.as_dict().items() if k not in ("ground_range", "input_px")}
    assert ResolvedFlight.parse(old).scale(wide.camera) is None  # a recording from before there were ranges
    assert "ground the model was trained for: 80 to 400 mm a pixel" in wide.describe()


def test_the_pilot_is_told_once(tmp_path: Path) -> None:
    wire = Wire()
    with EventLog(tmp_path / "events.jsonl") as events:
        control = Control(DirectorSettings(), wire, events)
        flying = VehicleStatus(True, Autopilot.ARDUPILOT, True, True, False, "LOITER")
        high = NoSite(NoSiteReason.TOO_HIGH, "descend to 36 m first: a pixel shows 700 mm of ground", 36.6)
        for tick in range(400):
            now_ns = tick * S // 20
            pose = Pose(now_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -64.0), 64.0)
            vehicle = flying if tick < 200 else VehicleStatus(True, Autopilot.ARDUPILOT, True, True, True, "LAND")
            control.tick(now_ns, Decision(high, now_ns, now_ns), pose, vehicle)
    about = [text for text in wire.texts if "descend" in text]
    assert about[0] == "Too high for a site: descend to 36 m" and len(about[0]) <= 50
    assert len(about) == 2 and about[1].startswith("Landing hold: too-high: descend to 36 m first")
    logged = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [e["reason"] for e in logged if e["event"] == "no-site"] == ["too-high"]
