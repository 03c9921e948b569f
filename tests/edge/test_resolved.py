"""One value for what flies: `edge check` prints the very one that `edge serve` flies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge.check import check
from edge.config import EdgeConfig
from edge.parameters import LIMITS
from edge.resolved import ResolvedFlight, resolve_decision, resolve_flight
from landing.errors import ConfigError
from landing.model.operating import SETTING_OF
from landing.model.spec import OperatingPoint
from landing.settings import DecisionSection, DecisionSettings
from landing.taxonomy import Role, Taxonomy
from tests.command import run
from tests.edge import fake_model

WIDTH, HEIGHT = 160, 120
PLAIN = fake_model.spec_of(Taxonomy.load("synthetic"))
CAREFUL = PLAIN.model_copy(
    update={"operating": OperatingPoint(landable=0.923, obstacle=0.328, water=0.3, person=0.1, vehicle=0.249)}
)


def write_calibration(path: Path, focal_px: float) -> Path:
    """A ROS calibration with numbers that six digits do not hold."""
    path.write_text(
        f"image_width: {WIDTH}\nimage_height: {HEIGHT}\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
        f"  data: [{focal_px}, 0.0, 80.123456789, 0.0, {focal_px}, 60.0, 0.0, 0.0, 1.0]\n"
        "distortion_coefficients:\n  rows: 1\n  cols: 5\n"
        "  data: [-0.1, 0.02, 1.0e-7, 2.0e-9, 0.0]\n"
    )
    return path


def configuration(**sections: Any) -> EdgeConfig:
    """Of a file that says little."""
    camera = {"source": "images://x", "width_px": 640, "height_px": 480, "hfov_deg": 70}
    return EdgeConfig.model_validate(
        {
            "model": {"path": "m.onnx"},
            "camera": camera | sections.pop("camera", {}),
            "link": {"connection": "tcp:127.0.0.1:5760"} | sections.pop("link", {}),
            **sections,
        }
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        careful: fake_model.save(folder / f"{careful}.onnx", spec=CAREFUL if careful else PLAIN)
        for careful in (False, True)
    }


MATRIX = [
    # threshold written, point in the model, kept, gimbal, calibration: every pair of values is here
    (0, 0, 0, 0, 0),
    (0, 1, 1, 1, 1),
    (1, 0, 1, 0, 1),
    (1, 1, 0, 1, 0),
    (1, 1, 1, 0, 0),
    (0, 0, 1, 1, 0),
    (0, 1, 0, 0, 1),
    (1, 0, 0, 1, 1),
]


@pytest.mark.parametrize("case", MATRIX, ids=lambda c: "".join(map(str, c)))
def test_serve_flies_what_check_prints(tmp_path: Path, models: dict[bool, Path], case: Sequence[int]) -> None:
    written, careful, kept, gimbal, calibrated = map(bool, case)
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), fake_model.paint(WIDTH, HEIGHT))
    write_calibration(tmp_path / "lens.yaml", 123.456789012345)
    if kept:
        (tmp_path / "kept.json").write_text('{"TD_PERSON_P": 0.15, "TD_CONFIRM_S": 1.5}')
    port = 41_000 + int("".join(map(str, case)), 2)  # a link of its own: other cases run beside this one
    config = tmp_path / "edge.toml"
    config.write_text(
        f"[model]\npath = {json.dumps(str(models[careful]))}\nthreads = 1\n"
        f'[camera]\nsource = "images://pictures"\nwidth_px = {WIDTH}\nheight_px = {HEIGHT}\n'
        + ('calibration = "lens.yaml"\n' if calibrated else "hfov_deg = 70.1234567890123\n")
        + ('gimbal = "mavlink"\n' if gimbal else "")
        + f'[link]\nconnection = "udpout:127.0.0.1:{port}"\n[expert.link]\nparameters = "kept.json"\n'
        + '[expert.link.video]\nuri = "rtsp://pilot:secret@127.0.0.1/live"\n'
        + ("[expert.decision]\nperson_probability = 0.3\n" if written else "")
        + '[preview]\nlisten = "127.0.0.1:0"\n[log]\nevents = "events.jsonl"\n'
    )
    lines: list[str] = []
    assert check(config, camera=False, link=False, timeout_s=1, as_json=True, say=lines.append)
    printed = json.loads(lines[0])["flight"]

    served = run("edge", "serve", "--config", config, "--max-seconds", 0.3)
    assert served.returncode == 0, served.stderr
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    (flown,) = (e for e in events if e["event"] == "flight")
    text = canonical(flown["value"])
    assert text == canonical(printed["value"]) and "secret" not in text
    assert flown["sha256"] == printed["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert printed["text"] in served.stderr

    # And it is what was asked for.
    flight = ResolvedFlight.parse(flown["value"])
    assert flight.digest == flown["sha256"]
    person = 0.3 if written else 0.1 if careful else 0.2
    source = "config" if written else "model" if careful else "default"
    if kept and person > 0.15:
        person, source = 0.15, "TD_PERSON_P"
    by_role = {t.role: (t.value, t.source) for t in flight.thresholds}
    assert by_role[Role.PERSON] == (person, source)
    assert by_role[Role.LANDABLE] == ((0.923, "model") if careful else (0.5, "default"))
    for role, field in SETTING_OF.items():
        assert getattr(flight.decision, field) == by_role[role][0]
        assert flight.sources[f"decision.{field}"] == by_role[role][1]
    assert flight.director.confirm_s == (1.5 if kept else 1.0)
    assert flight.camera.mount.gimbal is flight.link.gimbal is gimbal
    assert flight.camera.mount.pitch_deg == (0.0 if gimbal else -90.0)
    assert flight.camera.has_distortion is calibrated


def canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def test_the_matrix_has_every_pair() -> None:
    for a in range(5):
        for b in range(a + 1, 5):
            assert len({(case[a], case[b]) for case in MATRIX}) == 4


def test_a_kept_threshold_never_makes_the_flight_laxer() -> None:
    """Stricter than the configuration is not enough: the model may be stricter still."""
    for written in (None, 0.05, 0.3):
        for spec in (PLAIN, CAREFUL):
            config = configuration(decision={"person_probability": written})
            bare = resolve_flight(config, spec, {})
            for value in (0.01, 0.07, 0.1, 0.15, 0.25, 0.5):
                flight = resolve_flight(config, spec, {"TD_PERSON_P": value})
                expected = min(value, bare.decision.person_probability)
                assert flight.decision.person_probability == expected
                named = flight.sources["decision.person_probability"] == "TD_PERSON_P"
                assert named is (expected < bare.decision.person_probability)
    # The thresholds of a frame are the model's; that of gathered evidence is another number.
    flight = resolve_flight(configuration(), CAREFUL, {"TD_LANDABLE_P": 0.85})
    assert flight.decision.landable_probability == 0.85
    assert flight.decision.frame_landable_probability == 0.923
    assert flight.sources["decision.landable_probability"] == "TD_LANDABLE_P"
    assert "landable 0.923 (model)" in flight.describe()
    assert "landable in all frames together 0.85 (TD_LANDABLE_P)" in flight.describe()


def test_nothing_hangs_on_whether_a_field_was_set() -> None:
    """A configuration that is dumped and read again, or copied, flies the same."""
    for gimbal in ("none", "mavlink"):
        for spec in (PLAIN, CAREFUL):
            config = configuration(camera={"gimbal": gimbal}, decision={"margin_m": 0.5})
            flight = resolve_flight(config, spec, {})
            for again in (
                EdgeConfig.model_validate(config.model_dump()),
                EdgeConfig.model_validate(config.model_dump(mode="json")),
                EdgeConfig.model_validate_json(config.model_dump_json()),
                EdgeConfig.model_validate(config.model_dump(exclude_unset=True)),
                EdgeConfig.model_validate(config.model_dump(exclude_none=True)),
                config.model_copy(deep=True),
            ):
                assert resolve_flight(again, spec, {}).canonical == flight.canonical
            assert flight.sources["decision.margin_m"] == "default"
            explicit = DecisionSettings().model_dump(exclude=set(SETTING_OF.values()))
            written = configuration(camera={"gimbal": gimbal}, decision=explicit)
            assert resolve_flight(written, spec, {}).canonical == flight.canonical


def test_every_limit_is_resolved_and_named() -> None:
    stricter = {
        "TD_RADIUS_M": 0.75,
        "TD_MARGIN_M": 0.625,
        "TD_MAX_DIST_M": 12.5,
        "TD_PERSON_P": 0.0625,
        "TD_LANDABLE_P": 0.875,
        "TD_CONFIRM_S": 2.5,
    }
    laxer = {
        "TD_RADIUS_M": 0.25,
        "TD_MARGIN_M": 0.125,
        "TD_MAX_DIST_M": 100.0,
        "TD_PERSON_P": 0.75,
        "TD_LANDABLE_P": 0.25,
        "TD_CONFIRM_S": 0.5,
    }
    assert {limit.name for limit in LIMITS} == set(stricter) == set(laxer)
    bare = resolve_flight(configuration(), CAREFUL, {})
    flight = resolve_flight(configuration(), CAREFUL, stricter)
    for limit in LIMITS:
        assert limit.of(flight) == stricter[limit.name]
        assert flight.sources[f"{limit.section}.{limit.field}"] == limit.name
    assert resolve_flight(configuration(), CAREFUL, laxer).canonical == bare.canonical


def test_kept_limits_that_do_not_fit_together_are_named() -> None:
    config = configuration(decision={"grid": {"cells": 64}}, expert={"link": {"parameters": "kept.json"}})
    with pytest.raises(ConfigError, match=r"kept\.json.*does not fit into the map"):
        resolve_flight(config, PLAIN, {"TD_RADIUS_M": 5.0, "TD_MARGIN_M": 4.0})


def test_look_and_campaign_resolve_by_the_same_rules() -> None:
    section = DecisionSection(vehicle_probability=0.4)
    flight = resolve_flight(configuration(decision=section.model_dump()), CAREFUL, {})
    decided = resolve_decision(section, CAREFUL)
    assert decided.decision == flight.decision and decided.thresholds == flight.thresholds
    assert decided.sources.items() <= flight.sources.items()
    assert decided.classes == flight.classes and decided.model == flight.model
    assert resolve_decision(DecisionSection(), None).decision == DecisionSettings()
