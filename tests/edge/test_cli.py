"""The commands as a user runs them, in processes of their own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.command import ROOT, call, run
from tests.edge import fake_model

RAW_CAMERA = Path(__file__).with_name("raw_camera.py")
WIDTH, HEIGHT = 160, 120


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(folder: Path, model: Path, source: str = "", connection: str = "") -> Path:
    picture = folder / "ground.npy"
    np.save(picture, fake_model.photograph(WIDTH, HEIGHT))
    words = [sys.executable, str(RAW_CAMERA), str(WIDTH), str(HEIGHT), "20"]
    source = source or "pipe:" + shlex.join([*words, "--picture", str(picture)])
    path = folder / "edge.toml"
    path.write_text(
        f"[model]\npath = {json.dumps(str(model))}\nthreads = 1\n"
        f"[camera]\nsource = {json.dumps(source)}\nwidth_px = {WIDTH}\nheight_px = {HEIGHT}\n"
        "fps = 20\nhfov_deg = 70\n"
        f"[link]\nconnection = {json.dumps(connection or f'udpin:127.0.0.1:{free_port()}')}\n"
        '[log]\nevents = "events.jsonl"\n'
    )
    return path


def events_of(folder: Path) -> list[dict[str, object]]:
    path = folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_cleanly_and_soon(tmp_path: Path, model_path: Path, number: int) -> None:
    config = write_config(tmp_path, model_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        process = subprocess.Popen(
            [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(config)],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while manager.recv(4000) != b"READY=1":
                pass
            started = time.monotonic()
            process.send_signal(number)
            _, log = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert time.monotonic() - started < 4.0  # 0.3 s where the processor is free
    events = events_of(tmp_path)
    names = [e["event"] for e in events]
    assert names[:3] == ["start", "model", "link"] and names[-1] == "stop"
    assert events[-1]["reason"] == signal.Signals(number).name
    assert int(str(events[-1]["decisions"])) > 0
    # Nobody flies: there is no pose, so there is no site, and it says so.
    assert next(e for e in events if e["event"] == "no-site")["reason"] == "no-pose"
    assert "Traceback" not in log


def test_serve_exit_codes(tmp_path: Path, model_path: Path) -> None:
    config = write_config(tmp_path, model_path)
    text = config.read_text()
    cases = [
        (text.replace("hfov_deg = 70", "hfov_deg = 400"), 78, "camera.hfov_deg = 400"),
        (text + "[helath]\n", 78, "did you mean 'health'"),
        (text.replace("nearest-colour.onnx", "other.onnx"), 2, "other.onnx does not exist"),
        (text.replace("pipe:", "images://none;"), 2, "does not exist"),
    ]
    for changed, code, words in cases:
        config.write_text(changed)
        result = call("edge", "serve", "--config", config)
        assert result.returncode == code, result.stderr
        assert words in result.stderr and "Traceback" not in result.stderr
        errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
        assert len(errors) == 1
    assert events_of(tmp_path)[-1]["event"] == "failed"


def test_a_bug_ends_the_process_with_a_traceback(tmp_path: Path, model_path: Path) -> None:
    config = write_config(tmp_path, model_path)
    code = (
        "import sys, edge.pipeline\n"
        "def broken(self, *arguments): raise ZeroDivisionError('bug')\n"
        "edge.pipeline.Pipeline.step = broken\n"
        f"sys.argv = ['touchdown', 'edge', 'serve', '--config', {str(config)!r}]\n"
        "from touchdown.cli import main\nmain()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1
    assert "ZeroDivisionError: bug" in result.stderr
    events = events_of(tmp_path)
    assert [e["event"] for e in events[-2:]] == ["stop", "crash"]
    assert "in broken" in str(events[-1]["error"])


def test_serve_stops_by_itself(tmp_path: Path, model_path: Path) -> None:
    config = write_config(tmp_path, model_path)
    result = run("edge", "serve", "--config", config, "--max-seconds", 1)
    assert result.returncode == 0
    assert events_of(tmp_path)[-1]["reason"] == "--max-seconds 1"


def test_check_says_what_is_well_and_what_is_not(tmp_path: Path, model_path: Path) -> None:
    config = write_config(tmp_path, model_path)
    result = call("edge", "check", "--config", config, "--timeout", 1)
    lines = result.stdout.splitlines()
    assert result.returncode == 2
    assert [line.split(":")[0] for line in lines] == [
        "ok   config",
        "warn calibration",
        "ok   authority",
        "ok   model",
        "ok   flight",
        "warn scale",
        "ok   camera",
        "FAIL link",
    ]
    assert "advise" in lines[2] and "commands nothing" in lines[2]
    assert "nearest-colour, 14 classes of synthetic, 128x128" in lines[3]
    assert "touchdown export range" in lines[5]
    assert "160x120" in lines[6] and "Hz" in lines[6]
    assert "nothing comes" in lines[7]
    result = call("edge", "check", "-c", config, "--skip-link", "--skip-camera", "--json")
    assert result.returncode == 0
    report = json.loads(result.stdout)
    assert report["ok"] and report["model"]["frame_ms"] > 0
    assert report["link"] == {"ok": True, "text": "skipped"}


def test_check_warns_of_a_machine_or_camera_that_is_too_slow(tmp_path: Path, model_path: Path) -> None:
    config = write_config(tmp_path, model_path)
    text = config.read_text().replace(" 20 --picture", " 5 --picture").replace("fps = 20", "fps = 5")
    for setting, cause, remedy in (
        ("max_decision_age_s = 0.0001", "inference", "export int8"),
        ("max_decision_age_s = 0.2", "camera gives", "raise camera.fps"),
    ):
        config.write_text(f"{text}\n[expert.director]\n{setting}\n")
        result = call("edge", "check", "--config", config, "--skip-link")
        (line,) = (one for one in result.stdout.splitlines() if one.startswith("warn speed"))
        assert result.returncode == 0 and "too slow: " in line
        assert cause in line and remedy in line and "max_decision_age_s (0." in line
        report = json.loads(call("edge", "check", "-c", config, "--skip-link", "--json").stdout)
        assert report["ok"] and report["speed"]["warning"]


def test_check_of_a_bad_camera_and_config(tmp_path: Path, model_path: Path) -> None:
    command = shlex.join([sys.executable, "-c", "import sys; sys.exit('no sensor')"])
    config = write_config(tmp_path, model_path, "pipe:" + command)
    result = call("edge", "check", "--config", config, "--skip-link")
    assert result.returncode == 2
    assert "FAIL camera" in result.stdout and "exit code 1" in result.stdout
    assert "no sensor" in result.stdout
    config.write_text("[model]\n")
    result = call("edge", "check", "--config", config, "--json")
    assert result.returncode == 78 and json.loads(result.stdout)["ok"] is False
    assert "is missing" in result.stderr


def test_check_prints_an_example(tmp_path: Path) -> None:
    result = call("edge", "check", "--print-default")
    assert result.returncode == 0 and "[camera]" in result.stdout
    assert call("edge", "check").returncode == 2
    result = call("edge", "check", "--print-keys")
    assert "vehicle_radius_m = 0.5  # radius of the circle" in result.stdout
    assert "(above 0, to 10)" in result.stdout and "[camera.mount]" in result.stdout


def test_look(tmp_path: Path, model_path: Path) -> None:
    import cv2

    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), fake_model.photograph(320, 240))
    words = ("edge", "look", picture, "--model", model_path, "--hfov-deg", 60, "--assume-nadir")
    result = call(*words, "--height-agl-m", 12, "--profile", "--out", tmp_path / "o")
    assert result.returncode == 0, result.stderr
    assert "a.png: site" in result.stdout and "looked at 1: 1 with a site" in result.stdout
    assert "inference" in result.stdout and (tmp_path / "o" / "a.look.jpg").exists()
    result = call(*words, "--height-agl-m", 12, "--json", "--no-pictures")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0]["site"]["clearance_m"] > 1 and lines[1]["summary"]["sites"] == 1
    result = call(*words, "--no-pictures")
    assert result.returncode == 2 and "--height-agl-m" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_is_quick_and_imports_little() -> None:
    code = (
        "import sys\nfrom touchdown.cli import cli\n"
        "try: cli(['edge', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'pydantic', 'pymavlink'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_daemon_imports_no_training_stack() -> None:
    code = (
        "import sys, edge.serve, edge.check, edge.look, edge.runtimes.onnxruntime\n"
        "assert not {'torch', 'onnx', 'trainer', 'export', 'sim'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_folder_that_cannot_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", "/proc/none"):
        done = call("sim", "campaign", "--scenes", 1, "--out", out)
        assert done.returncode == 2, done.stderr
        assert str(out) in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
