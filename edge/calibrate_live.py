"""`touchdown edge calibrate --live`: the same estimate from the running camera and the autopilot's link.

A thread takes pictures and poses, the main one estimates from what there is by then and says which motion is missing.
Nothing is decided, and no target is sent.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import Protocol

from edge.calibrate import FlightCalibration, FlightLooks
from edge.cameras import RECORDINGS, Camera, CameraTimeout, make_camera
from edge.claims import claims_of
from edge.config import EdgeConfig, load_config
from edge.resolved import ResolvedFlight, resolve_flight
from edge.worker import Worker
from firmware_bridge.claims import Claims
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from landing.camera import CameraModel
from landing.errors import CameraError, ConfigError
from landing.motion.calibration_result import CalibrationError, SetupCalibration
from landing.motion.looks import LookCollector
from landing.motion.self_calibration import LEAST_LOOKS
from landing.problems import Problem
from landing.types import Frame, Pose

BEHIND_NS = 400_000_000
"""A picture waits so long for the poses around its capture."""

POSE_PERIOD_NS = 50_000_000
"""Between two poses, as the black box has them."""

ESTIMATE_EVERY_S, GRAB_S, JOIN_S = 4.0, 0.1, 5.0


class PoseSource(Protocol):
    """Knows the poses of the last seconds, as `firmware_bridge.link.FlightLink` does."""

    def pose_at(self, at_ns: int) -> Pose | None:
        """Return the interpolated pose at a monotonic time."""


class LiveLooks:
    """Gathers looks while pictures come. One thread calls `take` and `advance`, any may read; time is an argument.

    Args:
        camera: Lens and mount as they are configured.
        poses: Of the vehicle.

    Attributes:
        lacking: Name of what the newest pose lacks; None when nothing.
    """

    def __init__(self, camera: CameraModel, poses: PoseSource) -> None:
        self.lacking: str | None = "pose"
        self._camera = camera
        self._poses = poses
        self._found = FlightLooks(camera)
        self._waiting: deque[Frame] = deque()
        self._next_ns: int | None = None
        self._lock = threading.Lock()

    def take(self, frame: Frame) -> None:
        """Takes a picture, in the order of time."""
        self._waiting.append(frame)

    def advance(self, now_ns: int) -> None:
        """Follows the ground through the pictures whose poses are known by now."""
        until_ns = now_ns - BEHIND_NS
        while self._waiting and self._waiting[0].captured_at_ns <= until_ns:
            frame = self._waiting.popleft()
            pose = self._poses.pose_at(frame.captured_at_ns)
            if pose is not None:
                with self._lock:
                    self._found.add_picture(frame.image_bgr, frame.captured_at_ns, pose)
        if self._next_ns is None:
            self._next_ns = until_ns
        while self._next_ns <= until_ns:
            self._add_pose(self._poses.pose_at(self._next_ns))
            self._next_ns += POSE_PERIOD_NS

    def _add_pose(self, pose: Pose | None) -> None:
        lacking = self._camera.missing_in(pose)
        self.lacking = "height above ground" if lacking is None and pose and pose.height_agl_m is None else lacking
        if pose is not None:
            with self._lock:
                self._found.add_pose(pose)

    def snapshot(self) -> LookCollector:
        """Looks and poses so far."""
        with self._lock:
            return self._found.most.snapshot()


def progress_words(
    passed_s: float, looks: LookCollector, found: SetupCalibration | str | None, lacking: str | None
) -> str:
    """Return what is known after so long, and what is missing.

    Args:
        passed_s: Since the begin.
        looks: So far.
        found: Estimate of them, or why there is none; None with too few of them.
        lacking: What poses lack.
    """
    begin = f"{passed_s:.0f} s, {len(looks.looks)} looks"
    if lacking is not None:
        return f"{begin}: no {lacking} from the autopilot"
    if found is None:
        return f"{begin} of at least {LEAST_LOOKS}: fly across, climb, descend and turn over textured ground"
    if isinstance(found, str):
        return f"{begin}: {found}"
    told = ", ".join(estimate.quantity.name for estimate in found.estimates if estimate.told) or "nothing"
    motions = "; ".join(dict.fromkeys(estimate.quantity.motion for estimate in found.missing))
    missing = ", ".join(estimate.quantity.name for estimate in found.missing)
    return f"{begin}: told {told}; missing {missing}: {motions}"


class LiveEstimate:
    """Estimates again and again, until all is told or time is over. No thread and no clock.

    Args:
        flight: Settings in force.
        day: UTC.
        looks: Gathered meanwhile.
    """

    def __init__(self, flight: ResolvedFlight, day: date, looks: LiveLooks) -> None:
        self._flight = flight
        self._day = day
        self._looks = looks

    def step(self, passed_s: float, over: bool) -> tuple[FlightCalibration | None, str]:
        """The result once all is told or time is over, and until then what is missing, in words.

        Raises:
            CalibrationError: Time is over, and the looks tell nothing.
        """
        looks = self._looks.snapshot()
        lacking = self._looks.lacking
        if not over and (lacking is not None or len(looks.looks) < LEAST_LOOKS):
            return None, progress_words(passed_s, looks, None, lacking)
        try:
            found = FlightCalibration(self._flight, self._day, looks)
        except CalibrationError as error:
            if over:
                raise
            return None, progress_words(passed_s, looks, str(error), None)
        if over or not found.result.missing:
            return found, ""
        return None, progress_words(passed_s, looks, found.result, None)


def calibrate_live(path: Path, max_seconds: float, say: Callable[[str], None]) -> FlightCalibration:
    """Calibrates from camera and link of a configuration.

    Args:
        path: Of the configuration.
        max_seconds: Ends with what is told by then.
        say: Takes progress in words.

    Raises:
        TouchdownError: Configuration, camera or link cannot be used, a daemon uses them, or nothing is told.
    """
    config = load_config(path)
    if config.camera.source.startswith(RECORDINGS):
        raise ConfigError(f"camera.source {config.camera.source} is a recording; --live needs a camera")
    flight = resolve_flight(config, None, {})
    with ExitStack() as stack:
        stack.enter_context(Claims()).take(claims_of(path, config))
        link = stack.enter_context(FlightLink(flight.link))
        looks, stop = LiveLooks(flight.camera, link), threading.Event()
        worker = Worker("calibrate", partial(_gather, config, make_camera(config.camera.request()), looks, link, stop))
        stack.callback(worker.join, JOIN_S)
        stack.callback(stop.set)
        worker.start()
        day = datetime.now(timezone.utc).date()  # noqa: TID251 - written beside the numbers
        estimate, begun = LiveEstimate(flight, day, looks), time.monotonic()
        while True:
            left_s = begun + max_seconds - time.monotonic()
            stop.wait(max(0.0, min(ESTIMATE_EVERY_S, left_s)))
            worker.check()
            passed_s = time.monotonic() - begun
            found, words = estimate.step(passed_s, over=passed_s >= max_seconds)
            if found is not None:
                return found
            say(words)


def _gather(config: EdgeConfig, camera: Camera, looks: LiveLooks, link: FlightLink, stop: threading.Event) -> None:
    """Body of the thread: pictures and poses until it is stopped.

    Raises:
        CameraError: It cannot be opened, or is silent for too long.
    """
    beat_s = 0.0
    limit_s = config.camera.start_timeout_ms * 1e-3
    with camera:
        heard_s = time.monotonic()
        while not stop.is_set():
            now_s = time.monotonic()
            if now_s >= beat_s:  # some autopilots and routers answer only to one who has spoken
                beat_s = now_s + 1.0
                link.send_heartbeat(HealthState.STANDBY)
            try:
                looks.take(camera.grab(GRAB_S))
                heard_s, limit_s = time.monotonic(), config.camera.stall_timeout_ms * 1e-3
            except CameraTimeout:
                if time.monotonic() - heard_s > limit_s:
                    silent = f"camera {config.camera.source} stalled: no frame for {limit_s:g} s"
                    raise CameraError(silent, Problem.CAMERA_SILENT) from None
            looks.advance(time.monotonic_ns())
