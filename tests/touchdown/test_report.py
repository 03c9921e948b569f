"""`touchdown report`: what helps is in it, what is secret is not, and nothing that it reads can hurt it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from firmware_bridge.events import previous
from landing.distribution import VERSION
from tests.command import call
from touchdown.machine import hardware
from touchdown.report import LINE_CHARACTERS, PART_BYTES, Report, gather

PASSWORD, TOKEN, PHRASE = "hunter2%40hunter2", "t0kent0kent0kent0ken", "correct-horse-battery"
KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
CONFIG = f"""
# the password of the camera is {PHRASE}
[model]
path = "model.onnx"
[camera]
source = "rtsp://admin:{PASSWORD}@10.0.0.9:554/live?token={TOKEN}"
width_px = 640
height_px = 480
fps = 15
hfov_deg = 70.0
[link]
connection = "udpin:0.0.0.0:14550"
signing_key = "link.key"
[preview]
token_file = "token"
[log]
events = "log/events.jsonl"
"""


@pytest.fixture
def drone(tmp_path: Path) -> Path:
    """A folder as on a drone, whose log says secrets in many ways."""
    (tmp_path / "edge.toml").write_text(CONFIG)
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "link.key").write_text(KEY)
    (tmp_path / "log").mkdir()
    events = [
        {"event": "camera-failed", "text": "401 for admin:hunter2@hunter2", "at": "/home/alice/clip"},
        {"event": "asked", "text": f"somebody sent {TOKEN} and {KEY}"},
        {"event": "start", "config": {"password": PHRASE, "deep": [{"api_key": PHRASE}]}},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (tmp_path / "log" / "events.jsonl").write_text(lines)
    return tmp_path


def written(folder: Path, *words: object) -> str:
    done = call("report", "--out", folder / "report.txt", *words)
    assert done.returncode == 0, done.stderr
    assert "read it before you attach it" in done.stdout
    return (folder / "report.txt").read_text("utf-8")


def test_what_helps_is_in_it_and_no_secret(drone: Path) -> None:
    doctor = drone / "doctor.json"
    doctor.write_text(
        json.dumps({"status": "warning", "findings": [{"name": "RNGFND1", "text": f"password={PHRASE}"}]})
    )
    recording = drone / "recordings" / "2026" / "000.mcap"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"12345")
    text = written(drone, "-c", drone / "edge.toml", "--doctor", doctor)
    for wanted in (
        f"\ntouchdown {VERSION}\n",
        "onnxruntime ",
        "== machine ==",
        "\nvalid\n",
        "camera.fps = 15",
        'camera.source = "rtsp://10.0.0.9:554/live?token=***"',
        "model.onnx: SHA-256 9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4, 5 bytes",
        '"event":"camera-failed"',
        "/home/~/clip",
        'findings[0].name = "RNGFND1"',
        "2026/000.mcap: 5 bytes",
    ):
        assert wanted in text, wanted
    for secret in (PASSWORD, "hunter2", TOKEN, PHRASE, KEY, "alice"):
        assert secret not in text, secret


def test_a_bad_configuration_is_said_and_shows_no_line_of_it(drone: Path) -> None:
    config = drone / "edge.toml"
    config.write_text(CONFIG.replace("fps = 15", "fpss = 15"))
    text = written(drone, "-c", config)
    assert "error: config" in text and "fpss" in text
    config.write_text(CONFIG + f"\n[[[ {PHRASE}")
    text = written(drone, "-c", config, "--events", drone / "log" / "events.jsonl")
    assert "error: config" in text and PHRASE not in text and "hunter2" not in text


def test_hostile_files_cost_little_and_reach_no_terminal(drone: Path) -> None:
    log = drone / "log" / "events.jsonl"
    nested = '{"event":"x","a":' + "[" * 5000 + "]" * 5000 + "}"
    bad = [
        json.dumps({"event": "long", "text": "a://b:" * 20_000}),
        '{"event":"colour","text":"\\u001b[31mred\\u0007 \\ud800 \\u202e"}',
        "\x00\xff not json",
        '{"event":"number","value":' + "9" * 5000 + "}",
        nested,
        json.dumps({"event": "slow", "text": "a://b:" * (LINE_CHARACTERS // 6 - 20)}),
        '{"event":"last"}',
    ]
    log.write_text("\n".join(bad) + "\n", "utf-8")
    before = time.monotonic()
    text = written(drone, "-c", drone / "edge.toml")
    assert time.monotonic() - before < 20
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text and "\x00" not in text
    assert "\\u001b[31mred" in text and '"event":"last"' in text and "characters left out" in text
    assert len(text.encode()) < 2 * PART_BYTES


def test_the_last_events_are_kept_across_the_change_of_the_file(drone: Path) -> None:
    log = drone / "log" / "events.jsonl"
    previous(log).write_text("".join(f'{{"event":"old","n":{n}}}\n' for n in range(20_000)))
    log.write_text('{"event":"new"}\n')
    text = written(drone, "-c", drone / "edge.toml")
    assert "earlier lines left out" in text and '"n":19999}' in text and '"event":"new"' in text
    assert '"n":1}' not in text and len(text.encode()) < 2 * PART_BYTES


def test_a_part_that_cannot_be_read_says_why_and_stops_no_other(drone: Path) -> None:
    log = drone / "log" / "events.jsonl"
    log.unlink()
    os.mkfifo(log)
    (drone / "model.onnx").unlink()
    text = written(drone, "-c", drone / "edge.toml")
    assert "events.jsonl is a FIFO" in text and "model.onnx does not exist" in text and "== journal ==" in text


@pytest.mark.parametrize("option", ["--config", "--events", "--doctor"])
def test_a_file_that_was_named_must_be_there(tmp_path: Path, option: str) -> None:
    done = call("report", option, tmp_path / "none", "--out", tmp_path / "r.txt")
    assert done.returncode == 2 and "does not exist" in done.stderr and not (tmp_path / "r.txt").exists()


def test_without_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--config FILE names it" in written(tmp_path)


def test_the_board_is_named_and_its_owner_is_not(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano\0",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.0\nmore\n",
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
        "etc/hostname": "alices-drone\n",
        "proc/meminfo": "MemTotal:        8000000 kB\nMemAvailable:    4000000 kB\n",
        "sys/class/video4linux/video0/name": "imx219\n",
        "dev/ttyTHS1": "",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    text = "\n".join(hardware(tmp_path))
    for wanted in ("NVIDIA Jetson Orin Nano", "R36 (release)", "22.04.5", "7.6 GiB", "/dev/ttyTHS1", "imx219"):
        assert wanted in text, wanted
    assert "alices" not in text and "\0" not in text
    assert "alices" not in gather(None, None, None, tmp_path)


def test_a_line_is_cut_after_its_secrets_were_found() -> None:
    report = Report(frozenset())
    assert report.clean("x" * (LINE_CHARACTERS + 1)) == f"(a line of {LINE_CHARACTERS + 1} characters left out)"
    assert PHRASE not in report.clean("y" * (LINE_CHARACTERS - 100) + f" password={PHRASE}")
