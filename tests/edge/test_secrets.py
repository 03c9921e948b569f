"""The real daemon with secrets in its configuration: nothing that it writes or serves has them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.blackbox.make import make_recorder
from edge.blackbox.records import to_json
from landing.decider import Decider
from tests.command import ROOT, call
from tests.edge.test_cli import free_port, write_config
from tests.edge.test_daemon import Rig
from tests.edge.test_web import get

PASSWORD = "hunter2%40hunter2"
BARE = "hunter2@hunter2"
TOKEN = "t0kent0kent0kent0ken"

# Says what real programs say when an address does not answer: the address, the word, the login.
FAILS = (
    "import sys, urllib.parse; url = sys.argv[1]; "
    "print('opening', url, file=sys.stderr); "
    "print('401 for', urllib.parse.unquote(url.split('//')[1].split('@')[0]), file=sys.stderr); "
    "sys.exit(3)"
)


def hold_nothing(text: bytes, where: object) -> None:
    for secret in (PASSWORD, BARE, TOKEN):
        assert secret.encode() not in text, (where, text[:2000])


@pytest.mark.parametrize("gstreamer", [False, True])
def test_no_secret_is_written_or_served(tmp_path: Path, model_path: Path, gstreamer: bool) -> None:
    address = f"rtsp://admin:{PASSWORD}@127.0.0.1:9/live?token={TOKEN}"
    program = tmp_path / "bin" / "gst-launch-1.0"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(FAILS)} {shlex.quote(address)} "$@"\n')
    program.chmod(0o755)
    source = address if gstreamer else f"pipe:{shlex.join([str(program), address])}"
    config = write_config(tmp_path, model_path, source)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    port = free_port()
    with config.open("a") as stream:
        stream.write('[expert.log]\nlevel = "debug"\n[expert.recorder]\nsegment_s = 1.0\n[preview]\n')
        stream.write(f'listen = "127.0.0.1:{port}"\ntoken_file = "token"\n')
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    served: list[bytes] = []
    with (tmp_path / "said.txt").open("wb") as said:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(config)],
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=said,
        )
        try:
            events = tmp_path / "events.jsonl"
            deadline = time.monotonic() + 120
            while not events.exists() or events.read_text().count("camera-failed") < 2:
                assert time.monotonic() < deadline and daemon.poll() is None
                time.sleep(0.1)
            opener = {"Authorization": f"Bearer {TOKEN}"}
            for path in ("/", "/healthz", "/readyz", "/metrics", "/history"):
                served.append(get(port, path, **opener)[1])
            for path in ("/nothing", f"/?token={TOKEN}x", "/healthz"):
                served.append(get(port, path)[1])
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(20) == 0
        finally:
            daemon.kill()
    checked = call("edge", "check", "--skip-link", "--json", "-c", config)
    plain = call("edge", "check", "--skip-link", "-c", config)
    bad = tmp_path / "bad.toml"
    bad.write_text(config.read_text().replace("fps = 20", "fpss = 20").replace('"pipe:', '"pype:'))
    refused = call("edge", "serve", "-c", bad)
    for result in (checked, plain, refused):
        hold_nothing((result.stdout + result.stderr).encode(), result.args)
        assert result.returncode != 0
    assert json.loads(checked.stdout)["camera"]["ok"] is False
    for text in served:
        hold_nothing(text, "served")
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    ours = [p for p in written if p not in (config, bad, token, program)]
    for path in ours:
        hold_nothing(path.read_bytes(), path)
    assert b"401 for ***" in (tmp_path / "said.txt").read_bytes()


def test_a_recording_holds_no_secret(tmp_path: Path, model_path: Path) -> None:
    source = f"pipe:program rtsp://admin:{PASSWORD}@host/x --token {TOKEN}"
    rig = Rig(tmp_path, model_path, source)
    flight = rig.flight
    decider = Decider(flight.decision, flight.classes, flight.camera, time.perf_counter_ns)
    recorder = make_recorder(rig.config, rig.runtime, decider, flight)
    start = to_json(recorder._start)
    hold_nothing(start, "the start of a recording")
    assert b"pipe:program rtsp://host/x --token ***" in start
