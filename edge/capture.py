"""The capture thread: keeps a camera delivering into the landing loop, and reopens it when it fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from edge.cameras import Camera, CameraTimeout, EndOfStream
from edge.log import EventLog
from landing.errors import CameraError
from landing.problems import Problem

logger = logging.getLogger("edge.capture")

POLL_S = 0.1
"""Period at which a waiting loop looks for the end of the run."""

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 2.0
"""Back-off between attempts to open a camera: doubling from the first to the longest."""


@dataclass(frozen=True)
class CaptureLimits:
    """Times that a camera may take.

    Attributes:
        start_s: For the first frame after it was opened.
        stall_s: For the next one.
    """

    start_s: float
    stall_s: float


class CaptureCounters(Protocol):
    """Counts of a capture thread."""

    frames: int
    camera_failures: int
    camera_reopened: int


F_contra = TypeVar("F_contra", contravariant=True)


class FrameSink(Protocol[F_contra]):
    """Takes frames and failures: `edge.flight_loop.FlightLoop`, or `edge.depth_feed.DepthFeed`."""

    @property
    def counters(self) -> CaptureCounters:
        """Return the counts since the start."""

    def frame_arrived(self, frame: F_contra, now_ns: int, dropped_by_camera: int = 0) -> None:
        """Take a frame that has just arrived."""

    def camera_failed(self, problem: str) -> None:
        """Note a failure."""


class Numbered(Protocol):
    """A frame of a camera or of a depth sensor."""

    @property
    def frame_id(self) -> int:
        """Number of the frame."""


F = TypeVar("F", bound=Numbered)


class CaptureLoop(Generic[F]):
    """Owns the camera; `run` is the body of the capture thread.

    Args:
        camera: Not open yet.
        grab: Its method that gives the next frame, within a time in seconds.
        loop: Takes frames and failures.
        limits: A camera that is silent for longer has failed.
        events: Takes failures and reopenings.
        stop: Ends the loop.
        live: A camera that may come back. A recording that cannot be opened ends the process.
        name: First word of the events.
    """

    def __init__(
        self,
        camera: Camera,
        grab: Callable[[float], F],
        loop: FrameSink[F],
        limits: CaptureLimits,
        events: EventLog,
        stop: threading.Event,
        live: bool,
        name: str = "camera",
    ) -> None:
        self._camera = camera
        self._grab = grab
        self._name = name
        self._loop = loop
        self._limits = limits
        self._events = events
        self._stop = stop
        self._live = live
        self._counters = loop.counters
        self._dropped_before = 0
        self.ended: str | None = None
        """Reason why a recording is over; None while it plays."""

    def run(self) -> None:
        """Delivers frames until it is stopped or a recording ends.

        Raises:
            CameraError: A recording cannot be opened or has failed.
        """
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            frames_before = self._counters.frames
            try:
                self._camera.open()
                self._events.write(f"{self._name}-open", **vars(self._camera.info))
                self._deliver()
            except EndOfStream as end:
                self.ended = str(end)
                self._events.write(f"{self._name}-end", reason=str(end), skipped=self._camera.skipped)
                return
            except CameraError as error:
                if not self._live:
                    raise
                if self._counters.frames > frames_before:
                    wait_s = FIRST_WAIT_S
                self._failed(error, wait_s)
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            finally:
                self._dropped_before += self._camera.dropped
                self._camera.close()

    def _failed(self, error: CameraError, wait_s: float) -> None:
        self._loop.camera_failed(str(error))
        logger.warning("%s; opening it again in %.2f s", error, wait_s)
        attempt = self._counters.camera_failures
        self._events.write(f"{self._name}-failed", error=str(error), attempt=attempt, retry_in_s=wait_s)

    def _deliver(self) -> None:
        limit_s = self._limits.start_s
        since_ns = time.monotonic_ns()
        while not self._stop.is_set():
            try:
                frame = self._grab(POLL_S)
            except CameraTimeout:
                silent_s = (time.monotonic_ns() - since_ns) * 1e-9
                if silent_s > limit_s:
                    raise CameraError(
                        f"{self._name} stalled: no frame for {silent_s:.1f} s", Problem.CAMERA_SILENT
                    ) from None
                continue
            since_ns = time.monotonic_ns()
            if self._counters.camera_failures and limit_s == self._limits.start_s:
                self._counters.camera_reopened += 1
                self._events.write(f"{self._name}-back", frame_id=frame.frame_id)
            limit_s = self._limits.stall_s
            self._loop.frame_arrived(frame, since_ns, self._dropped_before + self._camera.dropped)
