"""Contract of every camera of the daemon."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy.typing as npt

from landing.camera import CameraModel
from landing.errors import CameraError, InvalidValueError
from landing.problems import Problem
from landing.relief.depth_image import DepthFrame
from landing.types import Frame


class EndOfStream(Exception):
    """A recording has been played to its end. Live cameras never end; they fail."""


class CameraTimeout(CameraError):
    """No new frame came within the time that was given; a later one may."""

    problem = Problem.CAMERA_SILENT


@dataclass(frozen=True)
class CameraRequest:
    """Settings asked of a camera.

    Attributes:
        source: URI, see `edge.cameras.open_camera`.
        width_px, height_px: Picture size; None takes what the source has (recordings only).
        fps: Frame rate; None takes what the source has.
        realtime: Recordings are paced like a live camera and skip frames when read too slowly. Otherwise every frame is
            given, as fast as it is taken, stamped with media time.
        loop: A recording starts again at its end.
        latency_ns: Known time from exposure to arrival; taken off the time of arrival.
        lens: Lens that the pictures are decided with; a source that tells its own must agree with it.
        depth: It gives depth images, for `Camera.grab_depth`, and no pictures.
    """

    source: str
    width_px: int | None = None
    height_px: int | None = None
    fps: float | None = None
    realtime: bool = True
    loop: bool = False
    latency_ns: int = 0
    lens: CameraModel | None = None
    depth: bool = False


@dataclass(frozen=True)
class CameraInfo:
    """Settings of an open camera, read back from it.

    Attributes:
        source: Its URI.
        width_px, height_px: Picture size.
        fps: Frame rate the source states; None when it does not.
        detail: Driver, codec or command, for people.
        frames: Frames of a recording, as its file states them; None of a live camera.
    """

    source: str
    width_px: int
    height_px: int
    fps: float | None
    detail: str
    frames: int | None = None


@dataclass(frozen=True)
class Grabbed:
    """A picture as a source hands it over.

    Attributes:
        image_bgr: uint8 (H, W, 3); of a source of depth uint16 or float32 (H, W).
        arrived_at_ns: Monotonic time of arrival, or media time of a replay.
        index: Counts pictures of the source since it was opened; a gap is a dropped picture.
    """

    image_bgr: npt.NDArray[Any]
    arrived_at_ns: int
    index: int


class Camera(ABC):
    """A source of frames: `open`, `grab` again and again, `close`; then it may be opened again.

    The public methods check the order of calls and stamp frames; sources fill in `_open`, `_grab` and `_close`. One
    thread uses a camera at a time.
    """

    def __init__(self, request: CameraRequest) -> None:
        self.request = request
        self._info: CameraInfo | None = None
        self._next_id = 0
        self._first_id = 0

    @property
    def info(self) -> CameraInfo:
        """Settings that were read back.

        Raises:
            CameraError: It is not open.
        """
        if self._info is None:
            raise CameraError(f"camera {self.request.source} is not open")
        return self._info

    @property
    def is_open(self) -> bool:
        """True when frames can be grabbed."""
        return self._info is not None

    @property
    def dropped(self) -> int:
        """Frames the source delivered since it was opened that nobody grabbed in time."""
        return 0

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pictures of a folder that could not be read so far, each with the reason."""
        return ()

    def open(self) -> None:
        """Opens the source; a half-open one is cleaned up before the error is raised.

        Raises:
            CameraError: It cannot be opened, refuses what was asked or is open already.
        """
        if self._info is not None:
            raise CameraError(f"camera {self.request.source} is already open")
        opened = False
        try:
            self._info = self._open()
            self._first_id = self._next_id
            opened = True
        finally:
            if not opened:
                self._close()

    def grab(self, timeout_s: float) -> Frame:
        """The next frame, the newest one of a live source.

        Raises:
            CameraTimeout: None came within `timeout_s`.
            CameraError: The source has failed, or gives another size than it was opened with; close it, it may be
                opened again.
            EndOfStream: A recording is over.
        """
        info = self.info
        grabbed, frame_id, captured_at_ns = self._numbered(timeout_s)
        try:
            frame = Frame(grabbed.image_bgr, frame_id, captured_at_ns)
        except InvalidValueError as error:
            raise CameraError(f"camera {info.source}: {error}") from error
        if (frame.width_px, frame.height_px) != (info.width_px, info.height_px):
            raise CameraError(
                f"camera {info.source}: a picture of {frame.width_px}x{frame.height_px} px came, it was opened with "
                f"{info.width_px}x{info.height_px}",
                Problem.CAMERA_OTHER,
            )
        return frame

    def grab_depth(self, timeout_s: float) -> DepthFrame:
        """The next depth image of a source that was asked for depth; raises as `grab` does."""
        grabbed, frame_id, captured_at_ns = self._numbered(timeout_s)
        return DepthFrame(grabbed.image_bgr, frame_id, captured_at_ns)

    def _numbered(self, timeout_s: float) -> tuple[Grabbed, int, int]:
        """Return the next picture, its number, and the time of its capture."""
        if self._info is None:
            raise CameraError(f"camera {self.request.source} is not open")
        grabbed = self._grab(timeout_s)
        frame_id = self._first_id + grabbed.index
        self._next_id = frame_id + 1
        return grabbed, frame_id, grabbed.arrived_at_ns - self.request.latency_ns

    def close(self) -> None:
        """Releases everything. Harmless when it is not open."""
        self._info = None
        self._close()

    def __enter__(self) -> Camera:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _open(self) -> CameraInfo:
        """Opens the source and reads back what it delivers."""

    @abstractmethod
    def _grab(self, timeout_s: float) -> Grabbed:
        """The next picture, with the time taken right after it arrived."""

    @abstractmethod
    def _close(self) -> None:
        """Releases whatever `_open` took, even half of it."""


class Pacer:
    """Paces the pictures of a recording: at its frame rate, or at once.

    Args:
        fps: Frame rate of the recording, Hz.
        realtime: Whether to wait for the wall; otherwise pictures carry media time.
    """

    def __init__(self, fps: float, realtime: bool) -> None:
        self.period_ns = round(1e9 / fps)
        self.realtime = realtime
        self._start_ns = time.monotonic_ns()

    def due_index(self) -> int:
        """Index of the picture that is on now, in a realtime recording."""
        return (time.monotonic_ns() - self._start_ns) // self.period_ns

    def wait(self, index: int, timeout_s: float) -> bool:
        """Waits until picture `index` is due; False when that is later than `timeout_s`."""
        if not self.realtime:
            return True
        left_s = (self._start_ns + index * self.period_ns - time.monotonic_ns()) / 1e9
        time.sleep(max(0.0, min(left_s, timeout_s)))
        return left_s <= timeout_s

    def stamp_ns(self, index: int) -> int:
        """Arrival time of a picture just taken: now, or its media time in a replay."""
        if self.realtime:
            return time.monotonic_ns()
        return self._start_ns + index * self.period_ns
