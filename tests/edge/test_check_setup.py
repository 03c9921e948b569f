"""Findings of `edge check` that would otherwise be met in flight, or at the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.check_setup import is_exchanged, kept, start, view
from edge.config import EdgeConfig, parse_config
from edge.parameters import read_kept
from edge.resolved import resolve_flight
from tests.command import call
from tests.edge.test_cli import HEIGHT, WIDTH, write_config


def config(folder: Path, **tables: dict[str, Any]) -> EdgeConfig:
    values: dict[str, dict[str, Any]] = {
        "model": {"path": "m.onnx"},
        "camera": {"source": "v4l2:///dev/video0", "width_px": 1280, "height_px": 720, "hfov_deg": 70.0},
        "link": {"connection": "tcp:127.0.0.1:5760"},
    }
    for name, table in tables.items():
        values.setdefault(name, {}).update(table)
    return parse_config(values, folder / "edge.toml")


@pytest.mark.parametrize(
    ("mount", "shown"),
    [
        ({}, True),
        ({"pitch_deg": -75.0, "yaw_deg": 180.0}, True),
        ({"pitch_deg": -60.0}, False),
        ({"pitch_deg": 0.0}, False),  # taken for straight down, as on a gimbal
        ({"pitch_deg": 90.0}, False),  # looks at the sky
        ({"pitch_deg": -1.5708}, False),  # radians
        ({"pitch_deg": 0.0, "roll_deg": 90.0}, False),
    ],
)
def test_a_camera_that_does_not_show_what_is_below_is_told(
    tmp_path: Path, mount: dict[str, float], shown: bool
) -> None:
    finding = view(config(tmp_path, camera={"mount": mount}).camera.model())
    assert (finding is None) is shown
    if finding is not None:
        assert not finding.ok and "pitch_deg = -90" in finding.text and finding.problem is not None


@pytest.mark.parametrize("seed", range(6))
def test_raw_pixels_with_width_and_height_exchanged_are_told(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (72, 128, 3), np.uint8)
    smooth = cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC)
    assert not is_exchanged(smooth)
    assert is_exchanged(smooth.reshape(1280, 720, 3))
    assert not is_exchanged(noise) and not is_exchanged(np.zeros_like(noise))
    stripes = np.repeat(np.arange(72, dtype=np.uint8)[:, None] % 2 * 200, 128, axis=1)  # a ploughed field
    assert not is_exchanged(np.repeat(stripes[..., None], 3, axis=2))


def test_the_command_fails_on_exchanged_width_and_height(tmp_path: Path, model_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
    path = write_config(tmp_path, model_path)
    np.save(tmp_path / "ground.npy", cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    right = f"width_px = {WIDTH}\nheight_px = {HEIGHT}"
    exchanged = f"width_px = {HEIGHT}\nheight_px = {WIDTH}"
    text = path.read_text()
    for shape, good in ((right, True), (exchanged, False)):
        path.write_text(text.replace(right, shape))
        result = call("edge", "check", "--config", path, "--skip-link")
        (line,) = (one for one in result.stdout.splitlines() if "camera:" in one)
        assert line.startswith("ok" if good else "FAIL"), line
        assert ("exchanged" in line) is not good


def test_a_gimbal_is_pointed_in_flight(tmp_path: Path) -> None:
    assert view(config(tmp_path, camera={"gimbal": "mavlink"}).camera.model()) is None


def test_what_a_ground_station_has_set_is_told_before_it_flies(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    one = config(tmp_path, expert={"link": {"parameters": "kept.json"}})
    assert kept(one, resolve_flight(one, None, {})) is None
    file.write_text('{"TD_RADIUS_M": 0.8, "TD_ENABLE": 1}')
    told = kept(one, resolve_flight(one, None, read_kept(file)))
    assert told is not None and told.ok and not told.warning and "TD_RADIUS_M = 0.8" in told.text
    file.write_text('{"TD_ENABLE": 0}')
    told = kept(one, resolve_flight(one, None, read_kept(file)))
    assert told is not None and told.warning and "TD_ENABLE = 0: no target" in told.text


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"link": {"signing_key": "none.key"}}, "none.key"),
        ({"preview": {"listen": "0.0.0.0:8650", "token_file": "none.token"}}, "none.token"),
        ({"preview": {"listen": "0.0.0.0:8650", "token_file": "short.token"}}, "5 characters"),
        ({"log": {"events": "file/events.jsonl"}}, "file is no folder"),
        ({"log": {"events": "."}}, "it is a folder"),
        ({"recorder": {"folder": "file/recordings"}}, "file is no folder"),
        ({"recorder": {"folder": "file"}}, "file is no folder"),
    ],
)
def test_what_serve_could_not_open_is_told(tmp_path: Path, tables: dict[str, dict[str, Any]], words: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "short.token").write_text("12345")
    (tmp_path / "short.token").chmod(0o600)
    finding = start(config(tmp_path, **tables))
    assert finding is not None and not finding.ok and words in finding.text and "\n" not in finding.text
    assert not (tmp_path / "recordings").exists(), "it looks and makes nothing"


def test_a_start_that_will_succeed_says_nothing(tmp_path: Path) -> None:
    new = {"log": {"events": "new/events.jsonl"}, "recorder": {"folder": "new/recordings"}}
    assert start(config(tmp_path, **new)) is None
    assert not (tmp_path / "new").exists()


def test_the_command_fails_on_them(tmp_path: Path, model_path: Path) -> None:
    path = write_config(tmp_path, model_path)
    path.write_text(path.read_text() + '[camera.mount]\npitch_deg = 0.0\n[recorder]\nfolder = "ground.npy"\n')
    result = call("edge", "check", "--config", path, "--skip-link", "--skip-camera", "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 2 and not report["ok"]
    assert report["view"]["code"] == "TD-407" and not report["start"]["ok"]
