"""Somebody's first day, typed as the guide says: from keys to a daemon that flies, and back.

Each step is a process of its own and is timed; the times are in the test's output (-s) and in `walk.txt` of its folder.
Once with a small wheelhouse that borrows this environment, once with our real wheel and all it needs.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.deploy.rig import HEIGHT, RAW_CAMERA, ROOT, WIDTH, Kit, config_text, fake_wheel
from tests.edge import fake_model

pytestmark = pytest.mark.packaging


@dataclass
class User:
    """Types commands and looks at the clock."""

    folder: Path
    times: list[tuple[str, float]] = field(default_factory=list)

    def types(self, *words: object, status: int = 0, timeout_s: float = 280) -> str:
        command = [sys.executable, "-m", "touchdown", *map(str, words)]
        began_s = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.note(f"touchdown {' '.join(map(str, words[:2]))}", time.monotonic() - began_s)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if status:
            assert 1 <= len(done.stderr.strip().splitlines()) <= 2, done.stderr
            print(f"{'':8}{done.stderr.strip()}")
            return done.stderr
        return done.stdout

    def note(self, step: str, seconds: float) -> None:
        self.times.append((step, seconds))
        print(f"{seconds:6.1f} s  {step}")
        table = "".join(f"{s:6.1f} s  {name}\n" for name, s in self.times)
        (self.folder / "walk.txt").write_text(table)

    @contextmanager
    def serving(self, current: Path, end: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        """The daemon as the unit starts it, until it says READY; then SIGTERM, as systemd does."""
        log = self.folder / "serve.log"
        address = self.folder / "notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, log.open("wb") as said:
            manager.bind(str(address))
            manager.settimeout(120)
            began_s = time.monotonic()
            process = subprocess.Popen(
                [str(current / "venv/bin/touchdown"), "edge", "serve", "--config", str(current / "edge.toml")],
                cwd=self.folder,
                env={**os.environ, "NOTIFY_SOCKET": str(address)},
                stderr=said,
            )
            try:
                while manager.recv(4000) != b"READY=1":
                    assert process.poll() is None, log.read_text()
                self.note("serve until READY", time.monotonic() - began_s)
                yield
                began_s = time.monotonic()
                process.send_signal(end)
                process.wait(timeout=30)
                self.note(f"{end.name} until the end", time.monotonic() - began_s)
                assert process.returncode in (0, -signal.SIGKILL), log.read_text()
            finally:
                process.kill()
                process.wait()

    def opens_the_page(self) -> None:
        """As a browser and Prometheus would."""
        lines = (self.folder / "serve.log").read_text().splitlines()
        page = next(line for line in lines if "preview at" in line).split("preview at ")[1]
        began_s = time.monotonic()
        with urllib.request.urlopen(page, timeout=60) as answer:
            assert b"<title>" in answer.read()
        self.note("open the page", time.monotonic() - began_s)
        for path, word in (("healthz", b'"ok": true'), ("metrics", b"touchdown_up 1.0")):
            with urllib.request.urlopen(page + path, timeout=60) as answer:
                assert word in answer.read(), path


def first_flight(folder: Path, wheels: Path) -> tuple[User, str]:
    """From keys to a daemon that flies; `wheels` is what `touchdown deploy wheels` collected. The configuration too."""
    user = User(folder)
    model = fake_model.save(folder / "colours.onnx")
    picture = folder / "ground.npy"
    np.save(picture, fake_model.photograph(WIDTH, HEIGHT))
    camera = [sys.executable, str(RAW_CAMERA), str(WIDTH), str(HEIGHT), "20"]
    source = "pipe:" + shlex.join([*camera, "--picture", str(picture)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        link = f"udpin:127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "edge.toml"
    text = config_text("none.onnx", folder / "events.jsonl", source, link)
    text += '[preview]\nlisten = "127.0.0.1:0"\n'
    config.write_text(text)

    user.types("deploy", "keygen", "--out", "fleet.key")
    common = ("--config", "edge.toml", "--key", "fleet.key")
    said = user.types("deploy", "bundle", "--model", "nope.onnx", *common, "--out", "a.tar.zst", status=2)
    assert "model nope.onnx does not exist" in said
    user.types("deploy", "bundle", "--model", model, *common, "--wheels", wheels, "--out", "a.tar.zst")
    root = folder / "root"
    to = ("--root", root, "--etc", folder / "etc", "--service", "none")
    said = user.types("deploy", "install", "a.tar.zst", *to, status=2)
    assert "no trusted key: copy the .pub file" in said and not root.exists()
    (folder / "etc" / "touchdown" / "keys").mkdir(parents=True)
    shutil.copy(folder / "fleet.key.pub", folder / "etc" / "touchdown" / "keys")
    user.types("deploy", "install", "a.tar.zst", *to)
    with user.serving(root / "current"):
        user.opens_the_page()
    return user, text


def walk(folder: Path, wheels: Path) -> User:
    """The whole way: a first flight, a crash, a torn bundle, a second release, and back."""
    user, text = first_flight(folder, wheels)
    model, config, root = folder / "colours.onnx", folder / "edge.toml", folder / "root"
    common = ("--config", "edge.toml", "--key", "fleet.key")
    to = ("--root", root, "--etc", folder / "etc", "--service", "none")
    current = root / "current"
    first = current.readlink().name
    with user.serving(current, signal.SIGKILL):  # a crash, or the power
        pass
    with user.serving(current):
        user.opens_the_page()
    assert any(json.loads(line)["event"] == "ready" for line in (folder / "events.jsonl").read_text().splitlines())

    config.write_text(text + "[decision]\nvehicle_radius_m = 0.7\n")
    user.types("deploy", "bundle", "--model", model, *common, "--wheels", wheels, "--out", "b.tar.zst")
    shutil.copy(folder / "b.tar.zst", folder / "torn.tar.zst")
    os.truncate(folder / "torn.tar.zst", 100_000)
    said = user.types("deploy", "install", "torn.tar.zst", *to, status=2)
    assert "is truncated" in said and current.readlink().name == first
    with user.serving(current):  # the installer does not disturb what flies
        user.types("deploy", "install", "b.tar.zst", *to)
        assert current.readlink().name != first
    with user.serving(current):
        pass
    user.types("deploy", "rollback", "--root", root, "--service", "none")
    assert current.readlink().name == first
    listed = user.types("deploy", "list", "--root", root)
    assert f"* {first}" in listed and "rejected" in listed
    with user.serving(current):
        pass
    stops = [seconds for step, seconds in user.times if step.startswith("SIGTERM")]
    assert len(stops) == 5
    return user


@pytest.mark.timeout(900)
def test_the_first_day_with_a_small_wheelhouse(tmp_path: Path) -> None:
    fake_wheel(tmp_path / "wheels")
    user = walk(tmp_path, tmp_path / "wheels")
    assert len(user.times) >= 18


@pytest.mark.timeout(1500)
def test_the_first_day_with_our_wheel_and_all_it_needs(tmp_path: Path, kit: Kit) -> None:
    """The wheel is built from what is committed or about to be, as in tests/packaging."""
    source = tmp_path / "source"
    listed = (
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        )
        .stdout.decode()
        .split("\0")
    )
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/", "models/")):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    user = User(tmp_path)
    user.types("deploy", "wheels", "--project", "source", "--out", "wheels", timeout_s=900)
    first_flight(tmp_path, tmp_path / "wheels")
    release = (tmp_path / "root" / "current").resolve()
    where = subprocess.run(
        [
            str(release / "venv/bin/python"),
            "-I",
            "-c",
            "import deploy, edge, sys; print(edge.__file__); assert 'torch' not in sys.modules",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
    ).stdout
    assert where.startswith(str(release)), "the release runs its own software"
    again = subprocess.run(
        [str(release / "venv/bin/touchdown"), "deploy", "list", "--root", str(tmp_path / "root")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert "healthy" in again.stdout, "and installs the next one"
