"""A ROS 2 bag as a recording: decided on as `edge serve` would with a configuration, so that replay and mining read it.

The lens and the mount are the configuration's, the pictures, their times, the poses and the heights the bag's. Nothing
was sent in that flight, so the recording holds no ticks of the director.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from edge.blackbox.make import make_bag_recorder
from edge.blackbox.recorder import Recorder
from edge.cameras import EndOfStream, make_camera
from edge.config import EdgeConfig
from edge.look.bag import BagTelemetry
from edge.parameters import read_kept
from edge.pipeline import Pipeline
from edge.resolved import ResolvedFlight, resolve_flight
from edge.runtimes import Runtime
from landing.camera import CameraModel
from landing.errors import ConfigError, DataError
from landing.picture.monitor import PictureMonitor
from landing.progress import Progress
from landing.site import NoSite
from landing.types import Frame, Pose

GRAB_S = 10.0
WAITING_BYTES = 8_000_000
"""Bytes that may wait for the disk before the next picture is decided on."""

DISK_S = 600.0
"""A disk that takes nothing for so long is given up."""

LENS_OFF = 0.05
"""A focal length of the bag that differs by more from the configured one is told."""


@dataclass
class BagFlight:
    """Result of a bag that was decided on.

    Attributes:
        folder: Of the recording.
        flies: What it was decided with.
        decisions, sites: How many there are.
        reasons: Of the refusals.
        notes: What a reader should know of it, in lines.
    """

    folder: Path
    flies: ResolvedFlight
    decisions: int = 0
    sites: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def record_bag(path: Path, config: EdgeConfig, runtime: Runtime, out: Path) -> BagFlight:
    """Decides on each picture of a bag and writes the recording.

    Args:
        path: Of the bag.
        config: Whose lens, mount and settings decide.
        runtime: Its network, warmed up.
        out: Folder to write to; new or empty.

    Raises:
        ConfigError: The configuration has a gimbal, whose attitude no bag tells, or does not fit the network.
        DataError: The bag has no poses, or the folder cannot take the recording.
        CameraError: The bag cannot be read, or has pictures of another size.
        ModelError: The network does not run.
    """
    flies = resolve_flight(config, runtime.spec, read_kept(config.expert.link.parameters))
    if flies.camera.mount.gimbal:
        raise ConfigError(
            'camera.gimbal = "mavlink": a bag does not tell the attitude of a gimbal; expected a camera that is fixed '
            "to the vehicle"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is not empty: expected a new folder for the recording")
    telemetry = BagTelemetry(path)
    if not telemetry.has_positions:
        raise DataError(f"bag {path} has no poses: `touchdown edge look` decides on its pictures, with --height-m")
    decider = flies.decider(flies.camera, time.perf_counter_ns)
    monitor = PictureMonitor(flies.picture, flies.camera, flies.decision.relief)
    now_ns = 0
    pipeline = Pipeline(
        runtime, decider, flies.camera, lambda: now_ns, time.perf_counter_ns, monitor, flies.pad_finder()
    )
    recorder = make_bag_recorder(config, runtime, decider, flies, out)
    result = BagFlight(out, flies, notes=list(_notes(telemetry, flies.camera)))
    request = replace(config.camera.request(), source=f"bag://{path}", realtime=False, loop=False, latency_ns=0)
    with make_camera(request) as camera, recorder, Progress(f"deciding on {path.name}", camera.info.frames or 1) as bar:
        first_ns: int | None = None
        while (frame := _next(camera.grab)) is not None:
            now_ns = frame.captured_at_ns
            if first_ns is None:
                first_ns = now_ns
                recorder.keep(now_ns, "bag")
            step = pipeline.step(frame, partial(_same, telemetry.vehicle_pose((now_ns - first_ns) * 1e-9, now_ns)))
            recorder.on_step(step)
            _wait_for(recorder, out)
            result.decisions += 1
            selection = step.decision.selection
            if isinstance(selection, NoSite):
                result.reasons[selection.reason.value] += 1
            else:
                result.sites += 1
            bar.step()
        recorder.close(DISK_S)
        _wait_for(recorder, out, most_bytes=0)
    result.folder = next((out / "flights").iterdir(), out)
    return result


def _next(grab: Callable[[float], Frame]) -> Frame | None:
    """Return the next picture; None at the end."""
    try:
        return grab(GRAB_S)
    except EndOfStream:
        return None


def _same(pose: Pose | None, _at_ns: int) -> Pose | None:
    return pose


def _wait_for(recorder: Recorder, out: Path, most_bytes: int = WAITING_BYTES) -> None:
    """Let the disk follow: a recorder drops what it cannot take at once.

    Raises:
        DataError: Something was dropped or could not be written, or the disk takes nothing.
    """
    until_s = time.monotonic() + DISK_S
    counters = recorder.counters
    while recorder.waiting_bytes > most_bytes and not counters.dropped and time.monotonic() < until_s:
        time.sleep(0.005)
    if counters.dropped or counters.failures or recorder.waiting_bytes > most_bytes:
        raise DataError(f"{out} does not take the recording: the disk is full or too slow, or a picture is too large")


def _notes(telemetry: BagTelemetry, lens: CameraModel) -> Iterator[str]:
    if not telemetry.has_ranges:
        yield "heights are above the take-off: no range that looks down is in the bag"
    told = telemetry.lens
    if told is not None:
        focal_px = told.fx * lens.width_px / told.width_px
        if abs(focal_px / lens.fx - 1.0) > LENS_OFF:
            yield (
                f"the lens of the configuration has fx {lens.fx:.0f} px, {telemetry.info_topic} of the bag says "
                f"{focal_px:.0f} px: one of them is wrong"
            )
