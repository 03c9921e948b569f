"""Depth images on their way to the pipeline: looks wait until a frame asks for them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from landing.relief.depth import DepthLook
from landing.relief.depth_image import DepthCamera, DepthFrame, DepthLens

WAITING, SPACING_NS = 8, 150_000_000
"""Looks that wait, the oldest goes first; and the least time between two. A frame asks for looks of before the network
began with it: all that wait together must be older than that, however fast the sensor is."""


@dataclass
class DepthCounters:
    """Counts since the start."""

    frames: int = 0
    camera_failures: int = 0
    camera_reopened: int = 0


class DepthFeed:
    """Takes depth images from the capture thread and hands looks to the pipeline's; see `edge.capture.FrameSink`.

    Args:
        lens: Of the sensor.

    Attributes:
        counters: Since the start.
    """

    def __init__(self, lens: DepthLens) -> None:
        self.counters = DepthCounters()
        self._camera = DepthCamera(lens.camera, lens.settings)
        self._lock = threading.Lock()
        self._looks: deque[DepthLook] = deque(maxlen=WAITING)
        self._newest_ns: int | None = None

    def frame_arrived(self, frame: DepthFrame, now_ns: int, dropped_by_camera: int = 0) -> None:
        """Take an image that has just arrived."""
        self.counters.frames += 1
        if self._newest_ns is not None and 0 <= frame.captured_at_ns - self._newest_ns < SPACING_NS:
            return
        self._newest_ns = frame.captured_at_ns
        look = self._camera.look(frame.depth, frame.captured_at_ns)
        with self._lock:
            self._looks.append(look)

    def camera_failed(self, problem: str) -> None:
        """Note a failure of the sensor; looks that wait are forgotten."""
        self.counters.camera_failures += 1
        with self._lock:
            self._looks.clear()

    def take(self, until_ns: int) -> tuple[DepthLook, ...]:
        """Take the looks up to a monotonic time: see `landing.relief.depth.DepthSource`."""
        with self._lock:
            taken = tuple(look for look in self._looks if look.at_ns <= until_ns)
            kept = [look for look in self._looks if look.at_ns > until_ns]
            self._looks.clear()
            self._looks.extend(kept)
        return taken
