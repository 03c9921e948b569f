"""Frames of a live camera or of a recording, by the same addresses as in `edge.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from edge.cameras import RECORDINGS, Camera, CameraRequest, EndOfStream, make_camera
from edge.cameras.bag import is_bag
from landing.errors import CameraError
from landing.reading import is_folder
from landing.types import Frame
from landing.values import number, path_of, whole

LEAST_FPS, MOST_FPS, LONGEST_S = 0.001, 10_000.0, 3600.0
MOST_SIDE_PX = 16384  # As in `edge.toml`


class FrameStream:
    """Frames one after another; use it with `with`. `open_stream` makes one."""

    def __init__(self, camera: Camera, live: bool, timeout_s: float) -> None:
        self._camera = camera
        self._timeout_s = timeout_s
        self.live = live
        """True for a camera, whose newest frame wins; False for a recording, of which every frame comes."""

    @property
    def width_px(self) -> int:
        """Columns of the pictures."""
        return self._camera.info.width_px

    @property
    def height_px(self) -> int:
        """Rows of the pictures."""
        return self._camera.info.height_px

    @property
    def fps(self) -> float | None:
        """Frame rate as the source states it, Hz; None where it does not."""
        return self._camera.info.fps

    def __iter__(self) -> Iterator[Frame]:
        """Give frames until the end of a recording.

        Raises:
            CameraError: The camera failed, or gave no frame in time.
        """
        while True:
            try:
                yield self._camera.grab(self._timeout_s)
            except EndOfStream:
                return

    def close(self) -> None:
        """Release the source."""
        self._camera.close()

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_stream(
    source: str | Path,
    *,
    width_px: int | None = None,
    height_px: int | None = None,
    fps: float | None = None,
    latency_s: float = 0.0,
    timeout_s: float = 5.0,
) -> FrameStream:
    """Open a camera or a recording.

    Args:
        source: A video file, a ROS 2 bag, a folder of pictures, or an address as `camera.source` in
            `edge.toml` has it, such as ``v4l2:///dev/video0``.
        width_px: Columns to ask for; a recording has its own.
        height_px: Rows to ask for.
        fps: Frame rate to ask for, Hz; None takes the source's own.
        latency_s: Known time from exposure to arrival, s; it is taken off the frames' times.
        timeout_s: Longest wait for a frame, s.

    Raises:
        CameraError: It cannot be opened, or does not deliver what was asked.
        InvalidValueError: A value is of another type.
    """
    path_of(source)
    for name, pixels in (("width_px", width_px), ("height_px", height_px)):
        if pixels is not None and not 1 <= whole(name, pixels) <= MOST_SIDE_PX:
            raise CameraError(f"{name} is {pixels}: expected 1 to {MOST_SIDE_PX}")
    for name, value, least, most in (
        ("fps", LEAST_FPS if fps is None else fps, LEAST_FPS, MOST_FPS),
        ("latency_s", latency_s, 0.0, LONGEST_S),
        ("timeout_s", timeout_s, 0.0, LONGEST_S),
    ):
        if not least <= number(name, value) <= most:
            raise CameraError(f"{name} is {value}: expected {least:g} to {most:g}")
    text = str(source)
    if "://" not in text and not text.startswith("pipe:"):
        path = Path(text)
        text = f"{'bag' if is_bag(path) else 'images' if is_folder(path) else 'file'}://{text}"
    live = not text.startswith(RECORDINGS)
    camera = make_camera(CameraRequest(text, width_px, height_px, fps, live, latency_ns=round(latency_s * 1e9)))
    camera.open()
    return FrameStream(camera, live, timeout_s)
