"""`deploy first-day`: what a newcomer does with a new board, on a root of the board's system, each step timed.

From the wheels to a daemon that serves its page, and back: as docs/operate/deploy.md says, typed by this. There is no
systemd, camera or serial port in a root. So the units are left out, a program shows the daemon pictures, and the link
is on the network. All else is the board's own: Python, wheels, installer, runtimes and the answers to test pictures.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2

from deploy.board_root import PYTHON, BoardRoot, Running, emulator
from deploy.configuration import CALIBRATION, MODEL_PATH, TAXONOMY, Key, check_text, with_values
from deploy.errors import InstallError
from deploy.layout import FLIGHT_CONFIG, VENV_FOLDER
from deploy.selftest import generated_pictures
from landing.distribution import DISTRIBUTION
from landing.errors import last_lines
from landing.progress import Progress

ROOT = "/opt/touchdown"
CURRENT = f"{ROOT}/current"
BOOTSTRAP = f"{ROOT}/bootstrap"
CONFIG = "/root/first-day.toml"
CAMERA = 'while cat /root/ground.bgr; do sleep "$1"; done'
"""A camera for `pipe:`: a meadow. A shell, because an emulated Python starts more slowly than a frame may take."""

_CAMERA_HZ = 10.0
"""Rate of a camera whose configuration names none."""

_PATIENT = "\n[expert.health]\nhang_timeout_ms = 60000\n"
"""For an emulated board: it decides on a frame in tens of seconds, which else counts as hanging."""

_HALF = "half.tar.zst"
_LONGEST_S = 3600.0
"""Of a step: an emulated processor takes minutes for what takes seconds on the board."""


@dataclass(frozen=True)
class DayRequest:
    """A first day.

    Attributes:
        system: Root folder of the board's system.
        disk: Folder for all that the day writes.
        bundles: Installed one after the other; at the end the last but one flies again.
        wheels: What `deploy wheels` collected, for the first software on the board.
        trusted_key: Public key that signed the bundles.
        link: Connection of the autopilot or its stand-in; one where nobody answers by default.
    """

    system: Path
    disk: Path
    bundles: tuple[Path, ...]
    wheels: Path
    trusted_key: Path
    link: str = ""


@dataclass(frozen=True)
class DayStep:
    """A step: what was typed or done, seconds by the clock and of the processor, and the first line it said."""

    name: str
    wall_s: float
    cpu_s: float
    said: str


@dataclass
class FirstDay:
    """The day so far; `emulator` runs the programs where the board's processor is another one than this machine's."""

    request: DayRequest
    board: BoardRoot
    processor: str
    python: str
    say: Callable[[str], None]
    steps: list[DayStep] = field(default_factory=list)

    @cached_property
    def emulator(self) -> str:
        """Program that stands in for the board's processor, with its version; empty for this machine's own."""
        return emulator(self.processor)

    def figures(self) -> dict[str, Any]:
        """Board and steps, as JSON can hold them."""
        return {
            "processor": self.processor,
            "python": self.python,
            "emulated": bool(self.emulator),
            "emulator": self.emulator,
            "steps": [asdict(step) for step in self.steps],
        }

    def note(self, name: str, wall_s: float, cpu_s: float, said: str = "") -> None:
        """Keeps a step and says it."""
        self.steps.append(DayStep(name, round(wall_s, 1), round(cpu_s, 1), said))
        self.say(f"{wall_s:8.1f} s {cpu_s:8.1f} s of processor  {name}{said and f': {said}'}")

    def types(self, name: str, *command: str, refused: bool = False) -> str:
        """Runs a command on the board; returns what it printed.

        Raises:
            InstallError: It fails, or is not refused where it must be.
        """
        with Progress(name):
            done = self.board.run(command, _LONGEST_S)
        if (done.status != 0) != refused:
            raise InstallError(f"first day: {name}: exit status {done.status}: {last_lines(done.err or done.out)}")
        lines = (done.err if refused else done.out).strip().splitlines()
        self.note(name, done.wall_s, done.cpu_s, lines[0] if lines else "")
        return done.out


def first_day(request: DayRequest, say: Callable[[str], None]) -> FirstDay:
    """Lives a first day; the disk keeps what it wrote.

    Raises:
        TouchdownError: A step fails; says which and why.
    """
    board = BoardRoot.prepare(request.system, request.disk)
    day = FirstDay(request, board, *board.machine(), say)
    how = f"emulated by {day.emulator}: seconds are not the board's" if day.emulator else "this machine's own processor"
    say(f"a board with {day.processor} and Python {day.python}, {how}")
    home = request.disk / "home"
    shutil.copytree(request.wheels, home / "wheels")
    shutil.copy(request.trusted_key, home / "fleet.key.pub")
    _bootstrap(day)
    for number, bundle in enumerate(request.bundles):
        _install(day, bundle, first=number == 0)
        serve(day, crash=number == 0)
    if len(request.bundles) > 1:
        before = _flying(day)
        day.types("deploy rollback", f"{BOOTSTRAP}/bin/touchdown", "deploy", "rollback", "--service", "none")
        if _flying(day) == before:
            raise InstallError(f"first day: deploy rollback left {before} flying")
    day.types("deploy list", f"{BOOTSTRAP}/bin/touchdown", "deploy", "list")
    return day


def _bootstrap(day: FirstDay) -> None:
    """The first software on the board: it installs bundles."""
    day.types("python3 -m venv", PYTHON, "-m", "venv", BOOTSTRAP)
    pip = (f"{BOOTSTRAP}/bin/pip", "install", "--quiet", "--no-compile", "--no-index", "--find-links", "wheels")
    day.types("pip install", *pip, f"{DISTRIBUTION}[deploy]")
    day.types("touchdown --version", f"{BOOTSTRAP}/bin/touchdown", "--version")


def _install(day: FirstDay, bundle: Path, first: bool) -> None:
    """A bundle; at first without its key, and half of it, which must be refused."""
    home = day.request.disk / "home"
    shutil.copy(bundle, home / bundle.name)
    words = [f"{BOOTSTRAP}/bin/touchdown", "deploy", "install", "--service", "none"]
    trusting = [*words, "--trusted-key", "fleet.key.pub"]
    if first:
        day.types("deploy install without a trusted key: refused", *words, bundle.name, refused=True)
        shutil.copy(bundle, home / _HALF)
        os.truncate(home / _HALF, bundle.stat().st_size // 2)
        day.types("deploy install of half a bundle: refused", *trusting, _HALF, refused=True)
    said = day.types(f"deploy install {bundle.name}", *trusting, bundle.name)
    for line in said.splitlines():
        if "self-test" in line:
            day.say(f"{'':9}{line.strip()}")


def serve(day: FirstDay, crash: bool) -> None:
    """Checks what flies, serves with it until READY, opens the page, and ends it in order; after a crash, if asked for.

    Raises:
        InstallError: It ends, is not ready in time, or its page is not there.
    """
    port = configure(day)
    touchdown = f"{CURRENT}/{VENV_FOLDER}/bin/touchdown"
    options = [] if day.request.link else ["--skip-link"]
    day.types("edge check", touchdown, "edge", "check", "--config", CONFIG, "--skip-camera", *options)
    for how in (*([signal.SIGKILL] if crash else []), signal.SIGTERM):
        log = day.request.disk / "home" / "serve.log"
        address = day.request.disk / "run" / "notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(address))
            command = [touchdown, "edge", "serve", "--config", CONFIG]
            with day.board.running(command, log, {"NOTIFY_SOCKET": "/run/notify"}) as daemon:
                _wait_ready(day, manager, daemon, log)
                _open_page(day, port)
                began_s = time.monotonic()
                status = daemon.end(how)
                day.note(f"{how.name} until the end", time.monotonic() - began_s, 0.0, f"exit status {status}")
                if how == signal.SIGTERM:
                    require_order(day, status, log.read_text())


def require_order(day: FirstDay, status: int, said: str) -> None:
    """Refuses an end out of order; only an emulated board's decision may outlast what the daemon waits for.

    Raises:
        InstallError: It ended otherwise.
    """
    if status and not (day.emulator and "threads that do not stop: pipeline" in said):
        raise InstallError(f"first day: edge serve ended with {status}: {last_lines(said)}")


def _wait_ready(day: FirstDay, manager: socket.socket, daemon: Running, log: Path) -> None:
    manager.settimeout(1.0)
    while True:
        if daemon.process.poll() is not None:
            raise InstallError(f"first day: edge serve ended before READY: {last_lines(log.read_text())}")
        if time.monotonic() - daemon.began_s > _LONGEST_S:
            raise InstallError(
                f"first day: edge serve is not READY after {_LONGEST_S:g} s: {last_lines(log.read_text())}"
            )
        try:
            if b"READY=1" in manager.recv(4000):
                break
        except TimeoutError:
            continue
    day.note("edge serve until READY", time.monotonic() - daemon.began_s, daemon.cpu_s())


def _open_page(day: FirstDay, port: int) -> None:
    """As a browser and Prometheus would, from this workstation."""
    for path, word in (("", b"<title>"), ("healthz", b'"ok": true'), ("metrics", b"touchdown_up 1.0")):
        began_s = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=120) as answer:
            if word not in answer.read():
                raise InstallError(f"first day: /{path} of the daemon holds no {word.decode()}")
        day.note(f"open /{path}", time.monotonic() - began_s, 0.0)


def configure(day: FirstDay) -> int:
    """Writes the configuration that flies with a camera and a link that a root has; returns the page's port."""
    disk = day.request.disk
    release = disk / "opt" / "touchdown" / "releases" / _flying(day)
    text = (release / FLIGHT_CONFIG).read_text("utf-8")
    config = check_text(text, release)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    camera = config.camera
    pause_s = 1 / (camera.fps or _CAMERA_HZ)
    values: dict[Key, str] = {
        ("camera", "source"): f"pipe:/bin/sh /root/camera.sh {pause_s:g}",
        ("link", "connection"): day.request.link or f"udpin:127.0.0.1:{port}",
        ("log", "events"): "/var/log/touchdown/events.jsonl",
        ("preview", "listen"): f"127.0.0.1:{port}",
        MODEL_PATH: _on_board(config.model.path, release),
    }
    if camera.calibration is not None:
        values[CALIBRATION] = _on_board(camera.calibration, release)
    taxonomy = config.model.taxonomy
    if taxonomy is not None and Path(taxonomy).is_relative_to(release):
        values[TAXONOMY] = _on_board(Path(taxonomy), release)
    for section in ("log", "preview"):
        text += "" if f"[{section}]" in text else f"\n[{section}]\n"
    if day.emulator and "[expert.health]" not in text:
        text += _PATIENT
    home = disk / "home"
    (home / Path(CONFIG).name).write_text(with_values(text, values, release / FLIGHT_CONFIG))
    (home / "camera.sh").write_text(CAMERA)
    meadow = cv2.resize(generated_pictures()["meadow"], (camera.width_px, camera.height_px))
    (home / "ground.bgr").write_bytes(meadow.tobytes())
    return port


def _on_board(path: Path, release: Path) -> str:
    """A path within a release here, as the board sees it."""
    return f"{CURRENT}/{path.relative_to(release)}"


def _flying(day: FirstDay) -> str:
    """Name of the release that flies."""
    return (day.request.disk / "opt" / "touchdown" / "current").readlink().name
