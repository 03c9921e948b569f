"""Hours of hover faster than real time: does anything grow with frames, ticks, messages or files?

The parts of the daemon that keep something, in one process and with time as an argument: telemetry and pose history
(every byte of MAVLink packed and parsed), network, ground map, decision, director, health, event log, feed and history
of the page, recorder with its ring of files. What is not here are the threads and sockets around them;
`benchmarks.soak` measures those in real time.

To be quick the pictures are small and few. What the camera sees changes every five minutes, so that sites come and go,
targets begin and end, and events are written.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import resource
import sys
import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.allocator import give_back_free_memory, share_one_heap
from edge.blackbox.make import make_recorder
from edge.config import load_config
from edge.flight_loop import FlightLoop, LoopSettings
from edge.log import EventLog
from edge.pipeline import Pipeline, Step
from edge.resolved import resolve_flight
from edge.runtimes import load_runtime
from edge.web.feed import Feed
from edge.web.history import History
from edge.web.preview_frame import draw_preview
from edge.web.server import pack
from landing.picture.monitor import PictureMonitor
from landing.types import Frame
from sim.campaign.landing import link_faults, link_settings
from sim.campaign.ranges import draw_conditions
from sim.flight.link import InProcessLink
from sim.vehicle.autopilot import AutopilotConfig, Mode
from sim.vehicle.autopilot.core import TICK_MS, TICK_S, StandInAutopilot
from sim.vehicle.standin import PLND_PARAMETERS
from tests.edge import fake_model

WIDTH, HEIGHT = 160, 120
FPS = 2.0
CONTROL_MS, SECOND_MS, TRIM_MS, SCENE_MS = 50, 1000, 10_000, 300_000
SAMPLE_MS = 600_000
FRAME_AGE_NS = 60_000_000
WARM_UP_S = 1200.0
"""The longest window of anything that is kept: 300 s of history, 512 frames of latencies."""

MOST_WAITING_BYTES = 2_000_000
CONFIG = """
[model]
path = "palette.onnx"
threads = 1
[camera]
source = "pipe:true"
width_px = {width}
height_px = {height}
fps = {fps}
hfov_deg = 70.0
[link]
connection = "udpin:127.0.0.1:0"
[expert.director]
max_decision_age_s = 1.5
[expert.health]
min_rate_hz = 1.0
camera_timeout_ms = 1500
pipeline_timeout_ms = 1500
[expert.recorder]
budget_mb = 20.0
segment_s = 60.0
free_mb = 0.0
"""


@dataclass(frozen=True)
class SimulatedSample:
    """What there was at one moment of simulated time."""

    at_s: float
    resident_mb: float
    python_blocks: int
    python_objects: int
    threads: int
    descriptors: int
    log_mb: float
    disk_mb: float


class Hover:
    """The daemon's parts around a hovering stand-in.

    Args:
        folder: For configuration, log and recordings.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        fake_model.save(folder / "palette.onnx", width_px=WIDTH, height_px=HEIGHT)
        path = folder / "edge.toml"
        path.write_text(CONFIG.format(width=WIDTH, height=HEIGHT, fps=FPS), "utf-8")
        config = load_config(path)
        self._now_ns = self._started_ns = time.monotonic_ns()
        conditions, rng = draw_conditions((0, 0)), np.random.default_rng(0)
        self._autopilot = StandInAutopilot(
            AutopilotConfig(parameters=PLND_PARAMETERS, airborne_height_m=20.0, airborne_mode=Mode.GUIDED)
        )
        settings = link_settings(conditions, False)
        self._link = InProcessLink(self._autopilot, settings, link_faults(conditions), rng, self._started_ns)
        runtime = load_runtime(config.model.path, config.model.options)
        flight = resolve_flight(config, runtime.spec, {})
        self._settings, self._camera = flight.decision, flight.camera
        decider = flight.decider(self._camera, time.perf_counter_ns)
        self._pipeline = Pipeline(
            runtime,
            decider,
            self._camera,
            lambda: self._now_ns,
            time.perf_counter_ns,
            PictureMonitor(flight.picture, self._camera),
        )
        self.log = folder / "events.jsonl"
        self._events = EventLog(self.log)
        rules = LoopSettings(flight.director, flight.authority, flight.max_frame_age_ms, config.health)
        self._loop: FlightLoop[Frame] = FlightLoop(rules, self._pipeline, self._link, self._events, self._started_ns)
        self._feed = Feed(flight.director)
        self.history = History()
        self.recorder = make_recorder(config, runtime, decider, flight)
        self._events.listeners += [self._feed.on_event, self._record_event]
        self._scenes = _scenes()
        self._step: Step | None = None
        self.frames = self.ticks = 0

    @property
    def targets(self) -> int:
        """Landing targets that reached the autopilot."""
        return self._link.targets

    def advance(self, now_ms: int) -> None:
        """One tick of the autopilot, and what is due of everything else."""
        self._now_ns = self._started_ns + now_ms * 1_000_000
        self._autopilot.step(TICK_S)
        self._link.carry(self._now_ns)
        if now_ms % round(1000 / FPS) == 0 and now_ms:
            self._frame(now_ms)
        if now_ms % CONTROL_MS == 0:
            self._tick(now_ms)
        if now_ms % TRIM_MS == 0:
            give_back_free_memory()

    def _frame(self, now_ms: int) -> None:
        picture = self._scenes[now_ms // SCENE_MS % len(self._scenes)]
        frame = Frame(picture.copy(), self.frames, self._now_ns - FRAME_AGE_NS)
        self.frames += 1
        self._loop.frame_arrived(frame, self._now_ns)
        taken = self._loop.take_frame(self._now_ns)
        assert taken is frame
        self._step = self._loop.decide(frame, self._now_ns, self._link.pose_at)
        self._feed.on_step(self._step)
        self.recorder.on_step(self._step)
        while self.recorder.waiting_bytes > MOST_WAITING_BYTES:
            time.sleep(0.001)

    def _tick(self, now_ms: int) -> None:
        self.ticks += 1
        self._loop.tick(self._now_ns)
        status = self._loop.status()
        self._feed.on_status(status)
        self.recorder.on_status(status)
        if now_ms % SECOND_MS == 0 and self._step is not None:
            look = draw_preview(self._step, self._camera, self._settings, WIDTH, True)
            self.history.add(self._now_ns, pack(look))
            self._link.texts.clear()  # the stand-in's link keeps them for the campaign's report

    def _record_event(self, line: Any) -> None:
        self.recorder.on_event({**line, "mono_ns": self._now_ns})

    def sample(self) -> SimulatedSample:
        """What there is now."""
        gc.collect()
        give_back_free_memory()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return SimulatedSample(
            (self._now_ns - self._started_ns) * 1e-9,
            pages * resource.getpagesize() / 1e6,
            sys.getallocatedblocks(),
            len(gc.get_objects()),
            threading.active_count(),
            len(list(Path("/proc/self/fd").iterdir())),
            self.log.stat().st_size / 1e6,
            _disk_mb(self._folder / "recordings"),
        )


def _disk_mb(folder: Path) -> float:
    """Of all files, each once however many names it has."""
    sizes: dict[int, int] = {}
    for path in folder.rglob("*.mcap*"):
        with contextlib.suppress(OSError):  # renamed or removed at this moment
            found = path.stat()
            sizes[found.st_ino] = found.st_size
    return sum(sizes.values()) / 1e6


def _scenes() -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Grass with a car; the car elsewhere; water alone; somebody in the middle."""
    return [
        fake_model.paint(WIDTH, HEIGHT, ("car", (5, 5, 30, 20))),
        fake_model.paint(WIDTH, HEIGHT, ("car", (70, 50, 40, 30))),
        fake_model.paint(WIDTH, HEIGHT, ground="water"),
        fake_model.paint(WIDTH, HEIGHT, ("person", (60, 45, 20, 20))),
    ]


def simulate(hours: float, folder: Path) -> dict[str, Any]:
    """Hovers for so many simulated hours.

    Args:
        hours: Simulated.
        folder: For whatever is written.

    Returns:
        What was done, and slopes per simulated hour after the warm-up.
    """
    share_one_heap({})
    for name in ("edge", "firmware_bridge", "landing"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    started_s, cpu_s = time.monotonic(), time.process_time()
    hover = Hover(folder)
    samples: list[SimulatedSample] = []
    with hover.recorder:
        for now_ms in range(0, round(hours * 3_600_000) + 1, TICK_MS):
            hover.advance(now_ms)
            if now_ms and now_ms % SAMPLE_MS == 0:
                samples.append(hover.sample())
    took_s = time.monotonic() - started_s
    return {
        "simulated_hours": hours,
        "frames_per_s": FPS,
        "frame_px": [WIDTH, HEIGHT],
        "frames": hover.frames,
        "control_ticks": hover.ticks,
        "targets": hover.targets,
        "recorded": hover.recorder.counters.written,
        "not_recorded": hover.recorder.counters.dropped,
        "minutes": round(took_s / 60, 1),
        "cpu_minutes": round((time.process_time() - cpu_s) / 60, 1),
        "times_real_time": round(hours * 3600 / took_s, 1),
        **_slopes(samples),
        "columns": list(SimulatedSample.__annotations__),
        "samples": [[round(v, 2) for v in astuple(s)] for s in samples],
    }


def _slopes(samples: list[SimulatedSample]) -> dict[str, Any]:
    late = [s for s in samples if s.at_s > min(WARM_UP_S, samples[-1].at_s / 4)]
    at_h = [s.at_s / 3600 for s in late]
    per_hour = {
        name: round(float(np.polyfit(at_h, [getattr(s, name) for s in late], 1)[0]), 3)
        for name in ("resident_mb", "python_blocks", "python_objects", "threads", "descriptors", "log_mb", "disk_mb")
    }
    return {"growth_per_simulated_hour": per_hour}
