"""A hovering autopilot, a cable, a camera and the ordinary daemon; each can be made to fail."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from edge.keys import to_file
from landing.taxonomy import Taxonomy
from sim.flight.daemon import toml_value
from sim.vehicle.autopilot import Mode
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.home import Home
from sim.vehicle.processes import start_process, stop_process
from sim.vehicle.standin import PLND_PARAMETERS
from sim.world import World, save_world
from tests.faults.wire import UdpWire, Wire

WIDTH, HEIGHT, FPS = 64, 48, 10
HERE = Path(__file__).parent
START_S = 60.0


class Bench:
    """Everything around one daemon. Started by `with`.

    Args:
        folder: For configuration, orders and logs.
        model: That sees palette colours.
        settings: Further configuration, by section.
        inside: Run the daemon with a fault inside (`tests.faults.daemon`).
        environment: Added to the daemon's.
        before: Words before the daemon's command, e.g. of a tool that changes its clock.
        preexec: Called in the daemon's process before it begins.
        size: Of the camera's pictures, px.
        fps: Of the camera, Hz.
        patch: Rows and columns of the picture that show grass, all else roof; None shows grass everywhere but for a car
            in a corner.
        udp: The daemon waits on a UDP port, instead of connecting by TCP.
        height_m: Where the vehicle hovers.
        follow: The camera shows the ground below the vehicle, patches of several kinds. Otherwise it shows one picture,
            wherever the vehicle is.
    """

    def __init__(
        self,
        folder: Path,
        model: Path,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        inside: bool = False,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        preexec: Callable[[], None] | None = None,
        size: tuple[int, int] = (WIDTH, HEIGHT),
        fps: float = FPS,
        patch: tuple[slice, slice] | None = None,
        udp: bool = False,
        height_m: float = 30.0,
        follow: bool = False,
    ) -> None:
        self.folder = folder
        self._settings = settings or {}
        self._inside = inside
        self._environment = {**os.environ, **(environment or {})}
        self._before = before
        self._preexec = preexec
        self._size = size
        self._fps = fps
        self._patch = patch
        self._udp = udp
        self._height_m = height_m
        self._follow = follow
        self._stack = ExitStack()
        self.camera_order = folder / "camera-order"
        self.daemon_order = folder / "daemon-order"
        self.frames_log = folder / "frames.log"
        self.model = folder / f"model{model.suffix}"
        self.model.write_bytes(model.read_bytes())
        self.starts = 0
        self.since_ns = 0

    def __enter__(self) -> Bench:
        try:
            self.order_camera("good")
            self.order_daemon("good")
            self._start_autopilot()
            self.wire = (UdpWire if self._udp else Wire)(self._ports[0])
            self.wire.start()
            self._stack.callback(self.wire.close)
            self._write_config()
            self.start_daemon()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- orders ---

    def order_camera(self, word: str) -> None:
        """See `tests.faults.camera`."""
        _write(self.camera_order, word)

    def order_daemon(self, word: str) -> None:
        """See `tests.faults.daemon`."""
        _write(self.daemon_order, word)

    def descend(self) -> None:
        """The autopilot begins to land, so that the vehicle moves."""
        with GroundStation(f"tcp:127.0.0.1:{self._ports[1]}", Home()) as station:
            station.wait_for_autopilot(START_S)
            station.set_mode(Mode.LAND)

    # --- the autopilot ---

    def _start_autopilot(self, ports: Sequence[int] = (0, 0, 0)) -> None:
        command = [sys.executable, "-m", "sim.vehicle.autopilot", "--airborne", str(self._height_m)]
        for port in ports:
            command += ["--link", f"tcp:127.0.0.1:{port}"]
        for name, value in PLND_PARAMETERS.items():
            command += ["--param", f"{name}={value}"]
        log = self.folder / "autopilot.log"
        self.autopilot = start_process(command, log, self._stack, stdout=subprocess.PIPE)
        assert self.autopilot.stdout is not None
        ready, _, _ = select.select([self.autopilot.stdout], [], [], START_S)
        assert ready, log.read_text()
        links = json.loads(self.autopilot.stdout.readline())["links"]
        self._ports = [int(link.rsplit(":", 1)[1]) for link in links]

    def kill_autopilot(self) -> None:
        """As by a crash or a loose plug of its power."""
        self.autopilot.kill()
        self.autopilot.wait()

    def restart_autopilot(self) -> None:
        """It boots anew, in the air again as far as this bench is concerned."""
        self._start_autopilot(self._ports)

    # --- the daemon ---

    def _write_config(self) -> None:
        taxonomy = Taxonomy.load("synthetic")
        ids = {c.name: c.id for c in taxonomy.classes}
        width, height = self._size
        grass, palette = ids["grass"], taxonomy.palette_bgr
        picture = np.full((height, width, 3), palette[grass], np.uint8)
        if self._patch is None:
            picture[: height // 5, : width // 6] = palette[ids["car"]]
        else:
            picture[:] = palette[ids["roof"]]
            picture[self._patch] = palette[grass]
        np.save(self.folder / "picture.npy", picture)
        camera = [
            sys.executable,
            str(HERE / "camera.py"),
            str(width),
            str(height),
            str(self._fps),
            str(self.folder / "picture.npy"),
            str(self.camera_order),
            str(self.frames_log),
        ]
        if self._follow:
            save_world(_patches(taxonomy), self.folder / "world")
            camera += [
                sys.executable,
                "-m",
                "sim.camera.process",
                "--painted",
                "--world",
                str(self.folder / "world"),
                "--width",
                str(width),
                "--height",
                str(height),
                "--fps",
                str(self._fps),
                "--autopilot",
                f"tcp:127.0.0.1:{self._ports[2]}",
            ]
        sections: dict[str, dict[str, Any]] = {
            "model": {"path": self.model, "threads": 1},
            "camera": {
                "source": "pipe:" + " ".join(camera),
                "width_px": width,
                "height_px": height,
                "fps": self._fps,
                "hfov_deg": 70.0,
            },
            "link": {"connection": self.wire.connection},
            "log": {"events": "events.jsonl"},
            "preview": {"listen": "127.0.0.1:0"},
            "recorder": {"segment_s": 2.0, "free_mb": 0.0},
        }
        for name, values in self._settings.items():
            sections.setdefault(name, {}).update(values)
        lines: list[str] = []
        for name, values in to_file(sections).items():
            lines += [f"[{name}]", *(f"{key} = {toml_value(v)}" for key, v in values.items())]
        (self.folder / "edge.toml").write_text("\n".join(lines) + "\n", "utf-8")

    def start_daemon(self) -> None:
        """Starts it, as its service manager would after it ended."""
        config = str(self.folder / "edge.toml")
        words = [sys.executable, "-m", "touchdown", "edge", "serve", "--config", config]
        if self._inside:
            words = [sys.executable, "-m", "tests.faults.daemon", str(self.daemon_order), "serve", "--config", config]
        self.starts += 1
        log = self._stack.enter_context((self.folder / "daemon.log").open("ab"))
        self.daemon = subprocess.Popen(
            [*self._before, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=self._environment,
            cwd=HERE.parents[1],
            preexec_fn=self._preexec,
        )
        self._stack.callback(stop_process, self.daemon)

    def signal_daemon(self, number: signal.Signals) -> None:
        """To the daemon alone, not to its camera."""
        self.daemon.send_signal(number)

    # --- what is seen ---

    def stop_daemon(self) -> None:
        """As its service manager does."""
        self.daemon.terminate()
        self.daemon.wait(10.0)

    @property
    def last_frame_ns(self) -> int:
        """When the camera began to write its last good frame."""
        text = self.frames_log.read_text("ascii").splitlines() if self.frames_log.exists() else []
        return int(text[-1]) if text else 0

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The daemon's events since the test began, of one name or all."""
        path = self.folder / "events.jsonl"
        if not path.exists():
            return []
        whole = path.read_bytes()
        lines = [json.loads(line) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]
        return [e for e in lines if e["mono_ns"] >= self.since_ns and (not name or e["event"] == name)]

    def targets_after(self, at_ns: int) -> int:
        """How many targets passed after a time."""
        return sum(seen.at_ns > at_ns for seen in self.wire.targets)

    def wait_for_targets(self, count: int = 20, timeout_s: float = START_S) -> float:
        """Until so many more targets have passed.

        Returns:
            Seconds from now to the first of them.
        """
        started_ns = time.monotonic_ns()
        wait_for(lambda: self.targets_after(started_ns) >= count, timeout_s, self.said)
        first = next(seen.at_ns for seen in self.wire.targets if seen.at_ns > started_ns)
        return (first - started_ns) * 1e-9

    @property
    def preview_port(self) -> int:
        """Where the live page of the daemon is."""
        lines = (self.folder / "daemon.log").read_text("utf-8").splitlines()
        page = next(line for line in reversed(lines) if "preview at" in line)
        return int(page.rsplit(":", 1)[1].rstrip("/ "))

    def said(self) -> str:
        """The end of the daemon's log, for failures."""
        return (self.folder / "daemon.log").read_text("utf-8")[-3000:]

    def times_said(self, words: str) -> int:
        """How often words are in the daemon's whole log."""
        return (self.folder / "daemon.log").read_text("utf-8").count(words)


def wait_for(what: Callable[[], Any], timeout_s: float, explain: Callable[[], str]) -> None:
    """Until something holds.

    Raises:
        AssertionError: It does not come in time.
    """
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, f"it did not come in {timeout_s:g} s:\n{explain()}"
        time.sleep(0.02)


def _patches(taxonomy: Taxonomy) -> World:
    """A square of 80 m: patches of 1 m of landable ground, so that the picture shows motion."""
    ids = [c.id for c in taxonomy.classes if c.name in ("grass", "gravel", "dirt", "paved")]
    kinds = np.random.default_rng(0).choice(np.array(ids, np.uint8), (80, 80))
    labels = kinds.repeat(5, axis=0).repeat(5, axis=1)
    return World("patches", taxonomy.palette_bgr[labels], labels, 0.2, taxonomy, (200, 200))


def _write(path: Path, word: str) -> None:
    """Whole or not at all: somebody reads it all the time."""
    draft = path.with_suffix(".new")
    draft.write_text(word, "ascii")
    draft.replace(path)
