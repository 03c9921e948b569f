"""One contract for every camera, then what is particular to each."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import cv2
import numpy as np
import pytest

from edge.cameras import Camera, CameraRequest, CameraTimeout, EndOfStream, make_camera
from edge.cameras.pipe import gstreamer_command
from edge.cameras.v4l2 import V4l2Camera
from edge.capture import CaptureLimits, CaptureLoop
from edge.flight_loop import FlightLoop, LoopSettings
from edge.sections.camera import CameraSection
from edge.worker import Worker
from landing.errors import CameraError
from landing.settings import AuthoritySettings, DirectorSettings
from landing.types import Frame
from tests.edge.test_daemon import wait_for

WIDTH, HEIGHT = 64, 48
RAW_CAMERA = Path(__file__).with_name("raw_camera.py")


def raw_command(*options: str, fps: float = 50, size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    words = [sys.executable, str(RAW_CAMERA), str(size[0]), str(size[1]), str(fps), *options]
    return "pipe:" + shlex.join(words)


def numbered(number: int) -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image[:, :, 1] = 40 + number
    return image


class FakeDevice:
    """Stands in for cv2.VideoCapture of one camera: 50 Hz, one size, can be unplugged."""

    def __init__(self, sizes: tuple[tuple[int, int], ...] = ((WIDTH, HEIGHT),)) -> None:
        self.sizes = sizes
        self.properties: dict[int, float] = {
            cv2.CAP_PROP_FRAME_WIDTH: sizes[0][0],
            cv2.CAP_PROP_FRAME_HEIGHT: sizes[0][1],
            cv2.CAP_PROP_FPS: 50.0,
        }
        self.unplugged = threading.Event()
        self.released = 0
        self.opened = True

    def isOpened(self) -> bool:
        return self.opened

    def set(self, key: int, value: float) -> bool:
        if key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            known = {s[0] if key == cv2.CAP_PROP_FRAME_WIDTH else s[1] for s in self.sizes}
            if value not in known:
                return False
        self.properties[key] = value
        return True

    def get(self, key: int) -> float:
        return self.properties.get(key, 0.0)

    def grab(self) -> bool:
        time.sleep(0.02)
        return not self.unplugged.is_set()

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, numbered(0)

    def release(self) -> None:
        self.released += 1


def write_video(path: Path, frames: int = 200, fps: float = 50.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(numbered(number % 200))
    writer.release()
    return path


def write_pictures(folder: Path, count: int = 200) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:04d}.png"), numbered(number % 200))
    return folder


KINDS = ("file", "images", "pipe", "v4l2")


@pytest.fixture(params=KINDS)
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Camera:
    kind = request.param
    size = {"width_px": WIDTH, "height_px": HEIGHT, "fps": 50.0}
    if kind == "file":
        return make_camera(CameraRequest(f"file://{write_video(tmp_path / 'a.avi')}", **size))
    if kind == "images":
        return make_camera(CameraRequest(f"images://{write_pictures(tmp_path / 'p')}", **size))
    if kind == "pipe":
        return make_camera(CameraRequest(raw_command(), **size))
    return V4l2Camera(CameraRequest("v4l2:///dev/video0", **size), "/dev/video0", lambda _: FakeDevice())


class TestContract:
    def test_frames_have_the_size_that_info_tells(self, camera: Camera) -> None:
        with camera:
            frame = camera.grab(5.0)
            assert (camera.info.width_px, camera.info.height_px) == (WIDTH, HEIGHT)
            assert frame.image_bgr.shape == (HEIGHT, WIDTH, 3)
            assert frame.image_bgr.dtype == np.uint8

    def test_stamps_are_monotonic_and_not_in_the_future(self, camera: Camera) -> None:
        before_ns = time.monotonic_ns()
        with camera:
            frames = [camera.grab(5.0) for _ in range(5)]
        stamps = [f.captured_at_ns for f in frames]
        assert stamps == sorted(stamps)
        assert before_ns < stamps[0] and stamps[-1] <= time.monotonic_ns()
        ids = [f.frame_id for f in frames]
        assert ids == sorted(set(ids))

    def test_latency_is_taken_off_the_stamp(self, camera: Camera) -> None:
        object.__setattr__(camera.request, "latency_ns", 10**9)
        with camera:
            assert camera.grab(5.0).captured_at_ns < time.monotonic_ns() - 900_000_000

    def test_a_slow_reader_gets_new_frames_and_gaps_in_the_ids(self, camera: Camera) -> None:
        with camera:
            first = camera.grab(5.0)
            time.sleep(0.4)
            camera.grab(5.0)
            frame = camera.grab(5.0)
            if camera.request.source.startswith("images://"):
                return  # a folder waits for its reader
            assert frame.frame_id - first.frame_id > 5
            assert camera.dropped > 3

    def test_it_can_be_opened_again(self, camera: Camera) -> None:
        ids = []
        for _ in range(2):
            with camera:
                ids.append(camera.grab(5.0).frame_id)
            assert not camera.is_open
        assert ids[1] > ids[0]

    def test_order_of_calls_is_checked(self, camera: Camera) -> None:
        with pytest.raises(CameraError, match="not open"):
            camera.grab(0.1)
        camera.close()
        with camera, pytest.raises(CameraError, match="already open"):
            camera.open()
        camera.close()

    def test_grab_keeps_its_timeout(self, camera: Camera) -> None:
        with camera:
            camera.grab(5.0)
            started = time.monotonic()
            with contextlib.suppress(CameraTimeout):
                camera.grab(0.001)
            assert time.monotonic() - started < 1.0

    def test_close_is_quick_and_ends_its_threads(self, camera: Camera) -> None:
        with camera:
            camera.grab(5.0)
            started = time.monotonic()
        assert time.monotonic() - started < 1.5
        time.sleep(0.15)
        assert not [t for t in threading.enumerate() if t.name.startswith("camera")]


BAD_SOURCES: list[tuple[str, dict[str, object], str]] = [
    ("usb:0", {}, "expected one of v4l2://"),
    ("file://missing.mp4", {}, "does not exist"),
    ("images://missing", {}, "does not exist"),
    ("v4l2:///dev/video99", {"width_px": 64, "height_px": 48}, "does not exist"),
    ("pipe:", {"width_px": 64, "height_px": 48}, "names no command"),
    ("pipe:'unclosed", {"width_px": 64, "height_px": 48}, "No closing quotation"),
    ("pipe:cat /dev/zero", {}, "camera.width_px and camera.height_px"),
    ("pipe:no-such-program-here x", {"width_px": 64, "height_px": 48}, "not an executable"),
    ("csi://front", {"width_px": 64, "height_px": 48}, "expected csi:// and a number"),
    ("csi://0", {"width_px": 66, "height_px": 48}, "multiple of 4"),
    ("rtsp://host/x", {}, "needs camera.width_px"),
    ("pipe:cat \0", {"width_px": 64, "height_px": 48}, "null byte"),
]


@pytest.mark.parametrize(("source", "size", "words"), BAD_SOURCES)
def test_a_bad_source_is_said_in_one_line(source: str, size: dict[str, int], words: str, tmp_path: Path) -> None:
    with pytest.raises(CameraError) as caught:
        make_camera(CameraRequest(source, **size), tmp_path).open()
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_a_jetsons_camera_prints_gets_not_between_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nvarguscamerasrc uses printf: its lines come when 4 kB are together, and every later frame was shifted."""
    code = (
        "import os, sys, time\n"
        "assert sys.argv[-2:] == ['fd=3', 'sync=false']\n"
        "for k in range(1, 9):\n"
        "    print('GST_ARGUS: Available Sensor modes', flush=True)\n"
        f"    os.write(3, bytes([k]) * {WIDTH * HEIGHT * 3})\n"
        "print('Error generated. No cameras available', file=sys.stderr)\n"
        "print('GST_ARGUS: Cleaning up', flush=True)\n"
        "time.sleep(1)\n"  # a reader that the machine keeps waiting finds a picture yet
    )
    program = tmp_path / "gst-launch-1.0"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with make_camera(CameraRequest("csi://0", WIDTH, HEIGHT)) as camera:
        picture = camera.grab(20).image_bgr
        assert picture[0, 0, 0] in range(1, 9) and (picture == picture[0, 0, 0]).all()
        with pytest.raises(CameraError, match=r"'gst-launch-1\.0' ended .* after 8 frames: .* No cameras available"):
            while True:
                camera.grab(20)


def test_gstreamer_commands_end_in_raw_frames_beside_stdout() -> None:
    csi = gstreamer_command("csi://1", 1280, 720, 30)
    assert csi[:2] == ["gst-launch-1.0", "-q"]
    assert "sensor-id=1" in csi and "video/x-raw(memory:NVMM),width=1280,height=720,framerate=30/1" in csi
    assert csi[-4:] == ["!", "fdsink", "fd=3", "sync=false"]
    rtsp = gstreamer_command("rtsp://cam/live", 640, 480, None)
    assert "location=rtsp://cam/live" in rtsp
    (to_tcp_us,) = [int(word.removeprefix("timeout=")) for word in rtsp if word.startswith("timeout=")]
    assert to_tcp_us * 1e-3 < CameraSection.model_fields["start_timeout_ms"].default / 2
    assert "video/x-raw,format=BGR,width=640,height=480,pixel-aspect-ratio=1/1" in rtsp


def test_an_element_that_is_not_installed_names_its_package() -> None:
    said = 'WARNING: erroneous pipeline: no element "rtspsrc"'
    source = "pipe:" + shlex.join(["sh", "-c", f"echo {shlex.quote(said)} >&2"])
    wanted = pytest.raises(CameraError, match=r"Debian, Ubuntu: gstreamer1\.0-plugins-good")
    with make_camera(CameraRequest(source, WIDTH, HEIGHT)) as camera, wanted:
        camera.grab(20)


@pytest.mark.parametrize("image", ["blueos", "edge"])
def test_images_hold_what_network_cameras_need(image: str) -> None:
    """Their stream is RTSP (plugins-good) of H.264, whose parser and decoder are in plugins-bad."""
    text = (Path(__file__).parents[2] / "deploy" / "docker" / f"Dockerfile.{image}").read_text("utf-8")
    needed = {"tools", "plugins-base", "plugins-good", "plugins-bad"}
    assert needed <= set(re.findall(r"gstreamer1\.0-([a-z-]+)", text))


@pytest.mark.parametrize("address", ["rtsp://x ! filesink location=f", 'rtsp://x/"', "rtsp://x\\y", "rtsp://x\ty"])
def test_no_address_becomes_words_of_the_pipeline(address: str) -> None:
    with pytest.raises(CameraError, match="write them as %20"):
        gstreamer_command(address, 640, 480, None)


def test_of_frames_that_wait_in_the_pipe_the_last_is_taken() -> None:
    """A daemon that got no time for a moment must not take what waited for what is there now."""
    code = (
        "import os, time\n"
        f"frames = [bytes([k]) * {WIDTH * HEIGHT * 3} for k in range(8)]\n"
        "for burst in (frames[:5], frames[5:7], frames[7:]):\n"
        "    os.write(1, b''.join(burst))\n"
        "    time.sleep(1.0)\n"
        "time.sleep(60)\n"
    )
    source = "pipe:" + shlex.join([sys.executable, "-c", code])
    camera = make_camera(CameraRequest(source, WIDTH, HEIGHT))
    camera.open()
    try:
        frames = [camera.grab(20) for _ in range(3)]
        assert [int(f.image_bgr[0, 0, 0]) for f in frames] == [4, 6, 7]
        assert camera.dropped == 5
    finally:
        camera.close()


@pytest.mark.parametrize("size", [(320, 240), (640, 480)])
def test_after_a_moment_without_time_no_picture_is_taken_for_younger_than_it_is(size: tuple[int, int]) -> None:
    """Pictures wait in the pipe, and a part of one blocks the command: read later, they are as old as they are."""
    code = (
        "import os, time\n"
        "while True:\n"
        f"    left = memoryview(time.monotonic_ns().to_bytes(8, 'little') + bytes({size[0] * size[1] * 3 - 8}))\n"
        "    while left:\n"
        "        left = left[os.write(1, left):]\n"
        "    time.sleep(0.033)\n"
    )
    ages_ns = []
    with make_camera(CameraRequest("pipe:" + shlex.join([sys.executable, "-c", code]), *size)) as camera:
        for _ in range(3):
            for _ in range(8):
                frame = camera.grab(20)
                made_ns = int.from_bytes(frame.image_bgr.tobytes()[:8], "little")
                ages_ns.append(frame.captured_at_ns - made_ns)
            ctypes.PyDLL(None).usleep(700_000)  # holds Python's lock, so that no thread of ours goes on
    assert max(ages_ns) < 400_000_000


class StampingDevice(FakeDevice):
    """Keeps a picture of each 20 ms until it is taken, and stamps it, after 5 ms, by a clock that is off by so much."""

    def __init__(self, off_s: float) -> None:
        super().__init__()
        self.off_s = off_s
        self.made_s: list[float] = []
        self.held = threading.Event()

    def grab(self) -> bool:
        made_s = time.monotonic()
        time.sleep(0.02)
        if self.held.is_set():
            self.held.clear()
            time.sleep(0.6)  # this thread gets no time
        self.made_s.append(made_s)
        self.properties[cv2.CAP_PROP_POS_MSEC] = 1e3 * (made_s + 0.005 + self.off_s)
        return True


@pytest.mark.parametrize(("off_s", "latest_s"), [(0.0, 0.3), (1e9, 1.0), (-1e9, 1.0)])
def test_a_picture_that_waited_in_the_driver_is_as_old_as_it_is(off_s: float, latest_s: float) -> None:
    device, size = StampingDevice(off_s), {"width_px": WIDTH, "height_px": HEIGHT}
    with V4l2Camera(CameraRequest("v4l2:///dev/video0", **size), "/dev/video0", lambda _: device) as camera:
        for _ in range(5):
            camera.grab(5.0)
        device.held.set()
        before_ns = 0
        for _ in range(10):
            frame = camera.grab(5.0)
            assert before_ns < (before_ns := frame.captured_at_ns)
            assert 0.0 < frame.captured_at_ns * 1e-9 - device.made_s[frame.frame_id] < latest_s


def test_a_source_that_is_always_ahead_delivers_all_the_same() -> None:
    camera = make_camera(CameraRequest("pipe:cat /dev/zero", WIDTH, HEIGHT))
    camera.open()
    try:
        assert camera.grab(20).frame_id < camera.grab(20).frame_id
    finally:
        camera.close()


def test_gstreamer_writes_what_a_pipe_reads() -> None:
    if shutil.which("gst-launch-1.0") is None:
        pytest.skip("gst-launch-1.0 is not installed (gstreamer1.0-tools)")
    inspect = ["gst-inspect-1.0", "--exists", "videotestsrc"]
    if subprocess.run(inspect, check=False, timeout=30).returncode != 0:
        pytest.skip("GStreamer has no videotestsrc (gstreamer1.0-plugins-base)")
    caps = f"video/x-raw,format=BGR,width={WIDTH},height={HEIGHT},framerate=50/1"
    source = f"pipe:gst-launch-1.0 -q videotestsrc is-live=true ! {caps} ! fdsink fd=1"
    with make_camera(CameraRequest(source, WIDTH, HEIGHT)) as camera:
        assert camera.grab(10.0).image_bgr.std() > 10


def test_a_stream_of_another_shape_is_not_squeezed_into_the_configured_one() -> None:
    """A lens has one focal length: a picture of 16:9 made 4:3 would place sites wrong by a third in one direction."""
    if shutil.which("gst-launch-1.0") is None:
        pytest.skip("gst-launch-1.0 is not installed (gstreamer1.0-tools)")
    words = gstreamer_command("rtsp://cam/live", 64, 48, None)
    test = "videotestsrc pattern=white is-live=true ! video/x-raw,format=I420,width=128,height=72"
    sink = [word.replace("fd=3", "fd=1") for word in words[words.index("videoscale") :]]
    source = f"pipe:{shlex.join([*words[:2], *test.split(), '!', *sink])}"
    with make_camera(CameraRequest(source, 64, 48)) as camera:
        rows = camera.grab(20).image_bgr.mean(axis=(1, 2))
    assert (rows > 200).sum() == pytest.approx(36, abs=2) and rows[0] < 20 and rows[-1] < 20


class TestVideo:
    def test_replay_gives_every_frame_with_media_time_then_ends(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.avi", frames=30, fps=10)
        camera = make_camera(CameraRequest(f"file://{path}", realtime=False))
        frames = []
        with camera, pytest.raises(EndOfStream, match="after 30 frames"):
            while True:
                frames.append(camera.grab(1.0))
        assert [f.frame_id for f in frames] == list(range(30))
        assert {b.captured_at_ns - a.captured_at_ns for a, b in itertools.pairwise(frames)} == {100_000_000}

    def test_it_can_loop(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.avi", frames=5)
        camera = make_camera(CameraRequest(f"file://{path}", realtime=False, loop=True))
        with camera:
            assert [camera.grab(1.0).frame_id for _ in range(12)] == list(range(12))

    def test_a_damaged_file_is_refused(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"not a video" * 100)
        with pytest.raises(CameraError, match="damaged or of an unknown kind"):
            make_camera(CameraRequest(f"file://{bad}")).open()

    def test_another_size_than_configured_is_refused(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.avi", frames=3)
        camera = make_camera(CameraRequest(f"file://{path}", 1280, 720))
        with pytest.raises(CameraError, match=r"delivers 64x48 px.*1280x720"):
            camera.open()
        assert not camera.is_open


class TestFolder:
    def test_corrupt_pictures_are_skipped_counted_and_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = write_pictures(tmp_path / "p", 4)
        (folder / "0001.png").write_bytes((folder / "0001.png").read_bytes()[:60])
        (folder / "0002.jpg").write_bytes(b"")
        cv2.imwrite(str(folder / "0005.jpg"), numbered(3))
        whole = (folder / "0005.jpg").read_bytes()
        (folder / "0006.jpg").write_bytes(whole[: len(whole) // 2])
        camera = make_camera(CameraRequest(f"images://{folder}", realtime=False))
        with camera:
            frames = []
            with pytest.raises(EndOfStream, match="after 4 pictures, 3 unreadable"):
                while True:
                    frames.append(camera.grab(1.0))
            assert len(camera.skipped) == 3
        assert len(frames) == 4
        assert "0001.png" in caplog.text and "truncated" in caplog.text

    def test_a_folder_without_one_readable_picture_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"no")
        with pytest.raises(CameraError, match="none of 1 pictures can be read"):
            make_camera(CameraRequest(f"images://{tmp_path}")).open()
        with pytest.raises(CameraError, match="holds no pictures"):
            (tmp_path / "empty").mkdir()
            make_camera(CameraRequest(f"images://{tmp_path / 'empty'}")).open()

    def test_pictures_of_different_sizes_are_no_camera(self, tmp_path: Path) -> None:
        folder = write_pictures(tmp_path / "p", 1)
        cv2.imwrite(str(folder / "9.png"), np.zeros((10, 10, 3), np.uint8))
        with make_camera(CameraRequest(f"images://{folder}", realtime=False)) as camera:
            camera.grab(1.0)
            with pytest.raises(CameraError, match="one camera has one size"):
                camera.grab(1.0)


class TestPipe:
    @staticmethod
    def make(*options: str, fps: float = 50) -> Camera:
        return make_camera(CameraRequest(raw_command(*options, fps=fps), WIDTH, HEIGHT))

    @staticmethod
    def drain(camera: Camera, timeout_s: float = 30.0) -> CameraError:
        with pytest.raises(CameraError) as caught:
            while True:
                camera.grab(timeout_s)
        return caught.value

    def test_a_command_that_dies_tells_its_exit_code_and_last_word(self) -> None:
        with self.make("--frames", "3", "--exit", "3", "--say", "sensor lost") as camera:
            error = self.drain(camera)
            text = "ended with exit code 3 after 3 frames: sensor lost"
            assert text in str(error) and not isinstance(error, CameraTimeout)
            with pytest.raises(CameraError, match="exit code 3"):
                camera.grab(0.1)

    def test_a_live_camera_that_ends_cleanly_has_failed_too(self) -> None:
        with self.make("--frames", "2") as camera:
            assert "exit code 0 after 2 frames" in str(self.drain(camera))

    def test_half_a_frame_hints_at_the_size(self) -> None:
        source = raw_command("--frames", "1", size=(WIDTH, HEIGHT // 2))
        with make_camera(CameraRequest(source, WIDTH, HEIGHT)) as camera:
            assert "is the size right?" in str(self.drain(camera))

    def test_a_command_that_stalls_times_out(self) -> None:
        with self.make("--stall-after", "2") as camera:
            error = self.drain(camera, 3.0)
            assert isinstance(error, CameraTimeout)

    def test_it_never_lags_behind_a_fast_writer(self) -> None:
        with self.make(fps=400) as camera:
            camera.grab(5.0)
            for _ in range(3):
                time.sleep(0.2)
                camera.grab(1.0)
                frame = camera.grab(1.0)
                assert time.monotonic_ns() - frame.captured_at_ns < 250_000_000

    def test_closing_ends_the_whole_process_group(self) -> None:
        camera = self.make("--child")
        with camera:
            camera.grab(5.0)
            deadline = time.monotonic() + 5
            while not camera._stderr_tail and time.monotonic() < deadline:  # type: ignore[attr-defined]
                time.sleep(0.02)
            child = int(camera._stderr_tail[0])  # type: ignore[attr-defined]
            os.kill(child, 0)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and _running(child):
            time.sleep(0.02)
        assert not _running(child)

    def test_a_command_that_ignores_sigterm_is_killed(self) -> None:
        camera = self.make("--deaf")
        with camera:
            camera.grab(5.0)
            process = camera._process  # type: ignore[attr-defined]
            started = time.monotonic()
        assert time.monotonic() - started < 1.5
        assert process.poll() == -9

    def test_a_chatty_command_does_not_fill_the_memory(self) -> None:
        code = "import sys; sys.stderr.write('x' * 3_000_000 + chr(13) + 'last word'); sys.exit(9)"
        source = "pipe:" + shlex.join([sys.executable, "-c", code])
        with make_camera(CameraRequest(source, WIDTH, HEIGHT)) as camera:
            assert str(self.drain(camera)).endswith("exit code 9 after 0 frames: last word")
            assert sum(map(len, camera._stderr_tail)) < 20_000  # type: ignore[attr-defined]

    def test_many_openings_leave_nothing_behind(self) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        camera = make_camera(CameraRequest("pipe:head -c 0 /dev/null", WIDTH, HEIGHT))
        for _ in range(20):
            with camera, pytest.raises(CameraError, match="exit code 0"):
                camera.grab(3.0)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class TestV4l2:
    @staticmethod
    def make(device: FakeDevice, **size: object) -> Camera:
        open_device: Callable[[str], FakeDevice] = lambda _: device  # noqa: E731
        return V4l2Camera(CameraRequest("v4l2:///dev/video0", **size), "/dev/video0", open_device)

    def test_a_size_that_the_device_refuses_is_an_error(self) -> None:
        device = FakeDevice()
        with pytest.raises(CameraError, match="refuses 1280x720 px and gives 64x48"):
            self.make(device, width_px=1280, height_px=720).open()
        assert device.released == 1

    def test_a_rate_that_the_device_refuses_is_an_error(self) -> None:
        device = FakeDevice()
        device.set = lambda key, value: False  # type: ignore[method-assign]
        with pytest.raises(CameraError, match=r"gives 50 frames per second.*asks for 120"):
            self.make(device, width_px=WIDTH, height_px=HEIGHT, fps=120.0).open()

    def test_a_device_that_does_not_open_is_released(self) -> None:
        device = FakeDevice()
        device.opened = False
        with pytest.raises(CameraError, match="cannot be opened: is it in use"):
            self.make(device).open()
        assert device.released == 1

    @pytest.mark.parametrize("shape", [(HEIGHT * 2, WIDTH, 3), (HEIGHT, WIDTH // 2, 3), (HEIGHT, WIDTH)])
    def test_a_picture_of_another_shape_opens_the_device_again(self, shape: tuple[int, ...]) -> None:
        """It must not reach the pipeline, where it would end the daemon in flight."""
        device, stop, events = FakeDevice(), threading.Event(), MagicMock()
        pictures = itertools.chain([numbered(0), np.zeros(shape, np.uint8)], itertools.repeat(numbered(1)))
        device.retrieve = lambda: (True, next(pictures))  # type: ignore[method-assign]
        loop: FlightLoop[Frame] = FlightLoop(
            LoopSettings(DirectorSettings(), AuthoritySettings()), MagicMock(), MagicMock(), events, 0
        )
        camera = self.make(device, width_px=WIDTH, height_px=HEIGHT)
        capture = CaptureLoop(camera, camera.grab, loop, CaptureLimits(5.0, 2.0), events, stop, live=True)
        worker = Worker("capture", capture.run)
        worker.start()
        wait_for(lambda: loop.counters.camera_reopened == 1)
        stop.set()
        assert worker.join(2.0)
        worker.check()
        assert loop.counters.camera_failures == 1 and device.released == 2
        frame = loop.mailbox.take()
        assert frame is not None and (frame.width_px, frame.height_px) == (WIDTH, HEIGHT)

    def test_unplugging_is_an_error_and_releases_the_device(self) -> None:
        device = FakeDevice()
        with self.make(device) as camera:
            camera.grab(2.0)
            device.unplugged.set()
            with pytest.raises(CameraError, match="unplugged"):
                while True:
                    camera.grab(2.0)
        assert device.released == 1
