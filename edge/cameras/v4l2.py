"""``v4l2:///dev/videoN``: a USB or other Video4Linux camera through OpenCV."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from edge.cameras.contract import Camera, CameraInfo, CameraRequest, Grabbed
from edge.cameras.live import NewestReader
from landing.errors import CameraError
from landing.problems import Problem

LONGEST_WAIT_NS = 10_000_000_000
"""A driver's stamp that is older is of another clock."""

LATEST = 100
"""Pictures whose way is compared."""

OpenDevice = Callable[[str], Any]
"""The one door to the driver: gives something with the methods of `cv2.VideoCapture`."""


def open_with_opencv(device: str) -> Any:
    """A `cv2.VideoCapture` of the Video4Linux backend."""
    return cv2.VideoCapture(device, cv2.CAP_V4L2)


class DriverStamps:
    """Times of arrival by the driver's stamps: a picture that waited for us in the driver has not come just now.

    Drivers stamp by the monotonic clock. The least that one of the latest took from its stamp to us is what the way
    takes; what another took beyond that, it waited. Where stamps are of another clock the time of the call counts.
    """

    def __init__(self) -> None:
        self._took_ns: deque[int] = deque(maxlen=LATEST)
        self._newest_ns = 0

    def arrived_at_ns(self, stamp_ms: float, now_ns: int) -> int:
        """Return when a picture arrived that was taken off the driver now; its stamp is 0 where there is none.

        It never lies before that of the picture before, whose way was not known as well yet.
        """
        self._newest_ns = max(self._newest_ns + 1, self._by_stamp_ns(stamp_ms, now_ns))
        return self._newest_ns

    def _by_stamp_ns(self, stamp_ms: float, now_ns: int) -> int:
        took_ns = now_ns - round(stamp_ms * 1e6)
        if stamp_ms <= 0 or not 0 <= took_ns <= LONGEST_WAIT_NS:
            return now_ns
        self._took_ns.append(took_ns)
        return now_ns - (took_ns - min(self._took_ns))


class V4l2Camera(Camera):
    """Asks the device for size and rate, reads back what it gives and refuses another size.

    Args:
        request: Size and rate to ask for.
        device: Path of the device node.
        open_device: The door to the driver; tests bring their own.
    """

    def __init__(self, request: CameraRequest, device: str, open_device: OpenDevice | None = None) -> None:
        super().__init__(request)
        self.device = device
        self._open_device = open_device
        self._capture: Any = None
        self._reader: NewestReader | None = None

    @property
    def dropped(self) -> int:
        """Frames replaced by newer ones."""
        return self._reader.dropped if self._reader else 0

    def _open(self) -> CameraInfo:
        if self._open_device is None and not Path(self.device).exists():
            raise CameraError(f"camera {self.device} does not exist; `ls /dev/video*` shows which do")
        capture = self._capture = (self._open_device or open_with_opencv)(self.device)
        if not capture.isOpened():
            raise CameraError(f"camera {self.device} cannot be opened: is it in use, or may you read it (group video)?")
        asked = (self.request.width_px, self.request.height_px)
        # The compressed format first: most USB cameras reach their rates only with it.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if asked[0] is not None and asked[1] is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, asked[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, asked[1])
        if self.request.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self.request.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        got = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        if asked != (None, None) and got != asked:
            raise CameraError(
                f"camera {self.device} refuses {asked[0]}x{asked[1]} px and gives "
                f"{got[0]}x{got[1]}: set camera.width_px and height_px to a size it has "
                "(`v4l2-ctl --list-formats-ext`)",
                Problem.CAMERA_OTHER,
            )
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        if self.request.fps is not None and fps > 0 and fps < 0.9 * self.request.fps:
            raise CameraError(
                f"camera {self.device} gives {fps:g} frames per second at {got[0]}x{got[1]}, "
                f"camera.fps asks for {self.request.fps:g}: lower the one or the other",
                Problem.CAMERA_OTHER,
            )
        # Bound to this capture: a thread left behind in the driver must not touch the next one.
        numbers, stamps = itertools.count(), DriverStamps()
        self._reader = NewestReader(
            self.device, lambda: self._read_next(capture, next(numbers), stamps), capture.release
        )
        return CameraInfo(self.request.source, *got, fps if fps > 0 else None, "Video4Linux")

    def _read_next(self, capture: Any, index: int, stamps: DriverStamps) -> Grabbed:
        # grab() alone takes the picture off the driver: stamp it before it is decompressed.
        if not capture.grab():
            raise CameraError(f"camera {self.device} stopped delivering: unplugged?", Problem.CAMERA_SILENT)
        now_ns = time.monotonic_ns()
        arrived_at_ns = stamps.arrived_at_ns(float(capture.get(cv2.CAP_PROP_POS_MSEC)), now_ns)
        ok, image = capture.retrieve()
        if not ok:
            raise CameraError(f"camera {self.device} delivered a frame that cannot be decoded")
        return Grabbed(image, arrived_at_ns, index)

    def _grab(self, timeout_s: float) -> Grabbed:
        if self._reader is None:
            raise CameraError(f"camera {self.device} is not open")
        return self._reader.newest(timeout_s)

    def _close(self) -> None:
        reader, self._reader = self._reader, None
        capture, self._capture = self._capture, None
        if reader is not None:
            reader.close()  # its thread releases the device when it is out of the driver
        elif capture is not None:
            capture.release()
