"""``pipe:COMMAND``: any program that writes raw frames to its standard output.

The command runs without a shell. It writes frames of width x height x 3 bytes, BGR, or of width x height x 2 bytes of
depth, little-endian, row by row without padding, and nothing else. The simulator's camera, CSI cameras and network
streams (both through GStreamer) all come this way, so none of them needs a special build of OpenCV.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.cameras.contract import Camera, CameraInfo, CameraRequest, Grabbed
from edge.cameras.live import NewestReader
from landing.errors import CameraError
from landing.problems import Problem
from landing.redaction import redact, secrets_in

POLL_S = 0.1
"""Period in which a waiting reader checks for the end, s."""

END_TIMEOUT_S = 0.4
"""Time between SIGTERM and SIGKILL, s."""

WITHIN_FRAME_NS = 250_000_000
"""A frame whose bytes stop for so long is a torn one. What comes after it would be taken for its rest, and every later
frame for one that begins in the middle: only a new start puts that right."""

STALLED_NS, CATCHING_UP_NS = 300_000_000, 150_000_000
"""A reader that comes to its pipe later than this got no time meanwhile: what waited there, and behind it in the
command, may be as old. Frames that begin within the second time are not handed on. Boards that other work keeps busy
come 200 ms late again and again, and would lose a fifth of their frames."""

PIPE_BYTES = 1 << 20
LINE_BYTES = 500
LONGEST_LINE_BYTES = 20_000

PACKAGE_OF = {
    "rtspsrc": "gstreamer1.0-plugins-good",
    "decodebin": "gstreamer1.0-plugins-base",
    "videoscale": "gstreamer1.0-plugins-base",
    "videoconvert": "gstreamer1.0-plugins-base",
    "libcamerasrc": "gstreamer1.0-libcamera",
    "nvarguscamerasrc": "nvidia-l4t-gstreamer, on a Jetson alone",
}
"""Packages of the elements that cameras come through."""
BESIDE = 'exec "$@" 3>&1 1>&2'
"""Runs a command whose frames come by descriptor 3: nvarguscamerasrc prints to standard output, and one line among the
frames would shift every later one."""

CHATTER = ("GST_ARGUS:", "CONSUMER:")
"""Beginnings of lines that nvarguscamerasrc prints when all is well."""

_NO_ELEMENT = re.compile(r'no element "(\w+)"')
_NO_ADDRESS = re.compile(r"[\s\"'\\\\]")


class PipeCamera(Camera):
    """Runs a command and reads its frames; the newest wins, so it never lags behind.

    A frame is stamped when its first byte arrives: that is after its exposure, whatever happens on the way of the rest.
    Where this process got no time it is not known when that was, and frames that waited are left out.

    Args:
        request: Size and rate.
        command: Its words.
        beside: The command writes its frames to descriptor 3, and words to standard output.
    """

    def __init__(self, request: CameraRequest, command: list[str], beside: bool = False) -> None:
        super().__init__(request)
        if not command:
            raise CameraError("camera.source 'pipe:' names no command: expected pipe:COMMAND")
        if request.width_px is None or request.height_px is None:
            raise CameraError(
                f"camera.source {request.source}: raw frames do not say their size, so "
                "camera.width_px and camera.height_px must"
            )
        self.command = command
        self._run = ["sh", "-c", BESIDE, "sh", *command] if beside else command
        self._secrets = secrets_in(shlex.join(command))
        size = (request.height_px, request.width_px)
        self._empty: npt.NDArray[Any] = np.empty(size, "<u2") if request.depth else np.empty((*size, 3), np.uint8)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: NewestReader | None = None
        self._index = 0
        self._overtaken = 0
        self._looked_ns = self._known_from_ns = 0
        self._stderr_tail: deque[str] = deque(maxlen=20)
        self._stderr_thread: threading.Thread | None = None
        self._closing = threading.Event()

    @property
    def dropped(self) -> int:
        """Frames replaced by newer ones."""
        return self._overtaken + (self._reader.dropped if self._reader else 0)

    def _open(self) -> CameraInfo:
        program = self.command[0]
        if shutil.which(program) is None:
            hint = " (Debian, Ubuntu: gstreamer1.0-tools)" if program == "gst-launch-1.0" else ""
            raise CameraError(f"camera command {program!r} is not an executable on PATH{hint}: check camera.source")
        self._closing = threading.Event()
        self._stderr_tail.clear()
        try:
            # Its own process group, so that closing ends its children as well.
            self._process = subprocess.Popen(
                self._run,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # a word with a null byte is a ValueError
            raise CameraError(f"camera command {shlex.join(self.command)}: {error}") from error
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # only fewer system calls
            fcntl.fcntl(self._process.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._stderr_thread = threading.Thread(
            target=self._keep_stderr, args=(self._process, self._closing), name="camera stderr", daemon=True
        )
        self._stderr_thread.start()
        self._index = self._overtaken = 0
        self._looked_ns, self._known_from_ns = time.monotonic_ns(), 0
        process, closing = self._process, self._closing
        self._reader = NewestReader(program, lambda: self._read_next(process, closing))
        height_px, width_px = self._empty.shape[:2]
        detail = f"command, pid {process.pid}"
        return CameraInfo(self.request.source, width_px, height_px, self.request.fps, detail)

    def _read_next(self, process: subprocess.Popen[bytes], closing: threading.Event) -> Grabbed | None:
        """The next frame; of several that wait in the pipe, the last.

        A process that got no time for a moment finds several there. Stamped as they are read, the others would look
        younger than they are.
        """
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        image = np.empty_like(self._empty)
        room = image.data.cast("B")
        behind: int | None = None
        while True:
            first_byte_ns = self._fill(descriptor, room, process, closing)
            if first_byte_ns is None:
                return None
            self._index += 1
            if behind is None:  # once: a source that is always ahead would never be caught up with
                behind = _bytes_waiting(descriptor) // len(room)
            if behind <= 0 and first_byte_ns >= self._known_from_ns:
                return Grabbed(image, first_byte_ns, self._index - 1)
            behind -= 1
            self._overtaken += 1

    def _fill(
        self, descriptor: int, room: memoryview, process: subprocess.Popen[bytes], closing: threading.Event
    ) -> int | None:
        """Reads a whole frame; when its first byte came, monotonic ns, or None when closing."""
        filled = 0
        first_byte_ns = last_byte_ns = 0
        while filled < len(room):
            ready, _, _ = select.select([descriptor], [], [], POLL_S)
            self._look()
            if closing.is_set():
                return None
            if not ready:
                if filled and time.monotonic_ns() - last_byte_ns > WITHIN_FRAME_NS:
                    hint = "" if self._index else ": is the size right?"
                    raise CameraError(
                        f"camera command {self.command[0]!r} stopped within a frame ({filled} of "
                        f"{len(room)} bytes) after {self._index} frames{hint}",
                        Problem.CAMERA_SILENT,
                    )
                continue
            count = os.readv(descriptor, [room[filled:]])
            if count == 0:
                raise CameraError(self._death(process, filled), Problem.CAMERA_SILENT)
            last_byte_ns = self._look()
            if filled == 0:
                first_byte_ns = last_byte_ns
            filled += count
        return first_byte_ns

    def _look(self) -> int:
        """Note that the pipe is looked at; monotonic ns."""
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns > STALLED_NS:
            self._known_from_ns = now_ns + CATCHING_UP_NS
        self._looked_ns = now_ns
        return now_ns

    def _death(self, process: subprocess.Popen[bytes], filled: int) -> str:
        """Say in one line why the command's output ended."""
        try:
            code = process.wait(END_TIMEOUT_S)
            how = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
        except subprocess.TimeoutExpired:
            how = "closed its standard output"
        if self._stderr_thread is not None:
            self._stderr_thread.join(0.3)
        last = self._stderr_tail[-1] if self._stderr_tail else "it printed no error"
        absent = _NO_ELEMENT.search(last)
        if absent is not None and absent[1] in PACKAGE_OF:
            last += f" (Debian, Ubuntu: {PACKAGE_OF[absent[1]]})"
        height_px, width_px = self._empty.shape[:2]
        pixel = self._empty.nbytes // (height_px * width_px)
        size = f"{width_px}x{height_px}x{pixel} bytes"
        within = f" within a frame ({filled} of {size}: is the size right?)" if filled else ""
        return f"camera command {self.command[0]!r} {how} after {self._index} frames{within}: {last}"

    def _keep_stderr(self, process: subprocess.Popen[bytes], closing: threading.Event) -> None:
        """Keeps the last lines, however much is written and with whatever line ends."""
        assert process.stderr is not None
        descriptor = process.stderr.fileno()
        partial = b""
        while not closing.is_set():
            ready, _, _ = select.select([descriptor], [], [], POLL_S)
            if not ready:
                continue
            data = os.read(descriptor, 4096)
            *lines, partial = re.split(rb"[\r\n]+", partial + (data or b"\n"))
            partial = partial[-LONGEST_LINE_BYTES:]
            for line in lines:
                # Before it is cut: half a secret would not be known as one.
                text = redact(line.decode("utf-8", "replace"), self._secrets).strip()[:LINE_BYTES]
                if text and not text.startswith(CHATTER):
                    self._stderr_tail.append(text)
            if not data:
                return

    def _grab(self, timeout_s: float) -> Grabbed:
        if self._reader is None:
            raise CameraError(f"camera command {self.command[0]!r} is not running")
        return self._reader.newest(timeout_s)

    def _close(self) -> None:
        self._closing.set()
        process, self._process = self._process, None
        reader, self._reader = self._reader, None
        if process is not None:
            end_group(process)
        if reader is not None:
            reader.close()
        stderr_thread, self._stderr_thread = self._stderr_thread, None
        if stderr_thread is not None:
            stderr_thread.join(3 * POLL_S)
        if process is not None and process.stdout is not None and process.stderr is not None:
            # Never closed under a thread that still reads: the number may be another file by then.
            if reader is None or not reader.alive:
                process.stdout.close()
            if stderr_thread is None or not stderr_thread.is_alive():
                process.stderr.close()


def _bytes_waiting(descriptor: int) -> int:
    """Bytes that a pipe holds."""
    answer = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    return int(struct.unpack("i", answer)[0])


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that leads its own group, and the group: SIGTERM, then SIGKILL."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, ending)
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue
    # The leader may be gone while a child of it still holds the camera.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def gstreamer_command(source: str, width_px: int, height_px: int, fps: float | None) -> list[str]:
    """Return the ``gst-launch-1.0`` command for ``csi://N`` or an ``rtsp://`` address; frames come by descriptor 3.

    Raises:
        CameraError: The address is not one of these, or the width does not suit GStreamer.
    """
    if width_px % 4:
        raise CameraError(
            f"camera.width_px = {width_px}: GStreamer pads rows to 4 bytes, so the width of a "
            "csi:// or rtsp:// camera must be a multiple of 4"
        )
    size = given = f"width={width_px},height={height_px}"
    if source.startswith("csi://"):
        sensor = source.removeprefix("csi://")
        if not sensor.isdigit():
            raise CameraError(f"camera.source {source}: expected csi:// and a number, as csi://0")
        rate = f",framerate={round(fps)}/1" if fps else ""
        stages = [
            f"nvarguscamerasrc sensor-id={sensor}",
            f"video/x-raw(memory:NVMM),{size}{rate}",
            "nvvidconv",
            "video/x-raw,format=BGRx",
        ]
    else:
        if _NO_ADDRESS.search(source):  # it would be words of the pipeline
            raise CameraError(
                "camera.source rtsp://: an address holds no blank, quote or backslash; write them as %20, %22, %27, %5C"
            )
        # Where UDP does not come through it turns to TCP, by itself only when the start is given up.
        stages = [f"rtspsrc location={source} latency=100 timeout=2000000", "decodebin", "videoscale"]
        given = f"{size},pixel-aspect-ratio=1/1"  # borders for a stream of another shape: squeezed, it fits no lens
    stages += ["videoconvert", f"video/x-raw,format=BGR,{given}", "fdsink fd=3 sync=false"]
    words: list[str] = ["gst-launch-1.0", "-q"]
    for stage in stages:
        words += [*stage.split(), "!"]
    return words[:-1]
