"""The camera as a process, against a small fake autopilot on a loopback socket."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.dialect import mavlink
from landing.camera import CameraModel
from landing.errors import LinkError
from landing.geometry import quaternion_from_euler
from landing.types import Pose
from sim.camera import render
from sim.camera.truth_link import TruthLink, parse_address, truth_from_sim_state
from sim.vehicle.home import METRES_PER_DEGREE, Home
from sim.world import load_world, procedural, save_world

LAT, LON, ALT = -35.3632621, 149.1652374, 584.0
WIDTH, HEIGHT = 160, 120
FRAME_BYTES = WIDTH * HEIGHT * 3


def sim_state(north: float, east: float, down: float, yaw: float, **speeds: float):
    lat = LAT + north / METRES_PER_DEGREE
    lon = LON + east / (METRES_PER_DEGREE * math.cos(math.radians(LAT)))
    q = quaternion_from_euler(0.0, 0.0, yaw)
    v = [speeds.get(k, 0.0) for k in ("vn", "ve", "vd")]
    return mavlink.MAVLink_sim_state_message(
        *q, 0.0, 0.0, yaw, 0, 0, -9.8, 0, 0, 0, lat, lon, ALT - down, 0, 0, *v, round(lat * 1e7), round(lon * 1e7)
    )


class FakeAutopilot(threading.Thread):
    """Hovers at (3, -2, -9) heading east; silent but for HEARTBEAT until it is asked."""

    def __init__(self, origin: bool = True) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.address = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.origin = origin
        self.asked: dict[int, float] = {}
        self.ever_asked: set[int] = set()
        self.over = threading.Event()
        self.boot_ns = time.monotonic_ns() - 40_000_000_000

    def run(self) -> None:
        with self.listener:
            while not self.over.is_set():
                try:
                    client, _ = self.listener.accept()
                except TimeoutError:
                    continue
                with client:
                    try:
                        self.serve(client)
                    except OSError:
                        self.asked.clear()

    def serve(self, client: socket.socket) -> None:
        mav = mavlink.MAVLink(None, 1, 1)
        mav.robust_parsing = True
        client.settimeout(0.005)
        beat = 0.0
        while not self.over.is_set():
            try:
                data = client.recv(4096)
                if not data:
                    raise OSError("gone")
                for m in mav.parse_buffer(data) or ():
                    if m.get_type() == "COMMAND_LONG" and m.command == 511:
                        self.asked[int(m.param1)] = m.param2
                        self.ever_asked.add(int(m.param1))
            except TimeoutError:
                pass
            if time.monotonic() > beat:
                beat = time.monotonic() + 0.3
                client.sendall(mavlink.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(mav))
            boot_ms = (time.monotonic_ns() - self.boot_ns) // 1_000_000
            known = {
                mavlink.MAVLINK_MSG_ID_SIM_STATE: sim_state(3.0, -2.0, -9.0, math.pi / 2),
                mavlink.MAVLINK_MSG_ID_SYSTEM_TIME: mavlink.MAVLink_system_time_message(0, boot_ms),
            }
            if self.origin:
                known[mavlink.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN] = mavlink.MAVLink_gps_global_origin_message(
                    round(LAT * 1e7), round(LON * 1e7), round(ALT * 1e3), 0
                )
            for message_id in list(self.asked):
                if message_id in known and self.asked[message_id] > 0:
                    client.sendall(known[message_id].pack(mav))


@pytest.fixture
def autopilot() -> Iterator[FakeAutopilot]:
    fake = FakeAutopilot()
    fake.start()
    yield fake
    fake.over.set()
    fake.join(2)


@pytest.fixture(scope="module")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    save_world(procedural(6, size_m=40, gsd_m=0.1), folder)
    return folder


def start(world: Path | str, address: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sim.camera.process",
            "--world",
            str(world),
            "--autopilot",
            address,
            "--width",
            str(WIDTH),
            "--height",
            str(HEIGHT),
            "--fps",
            "20",
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def read_frame(process: subprocess.Popen[bytes]) -> np.ndarray:
    assert process.stdout is not None
    data = process.stdout.read(FRAME_BYTES)
    assert len(data) == FRAME_BYTES, process.stderr and process.stderr.read()
    return np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH, 3)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, err = process.communicate(timeout=15)
    return process.returncode, err.decode()


def test_frames_are_what_the_true_pose_sees_and_the_log_says_so(
    autopilot: FakeAutopilot, world_folder: Path, tmp_path: Path
):
    log = tmp_path / "truth.jsonl"
    process = start(world_folder, autopilot.address, "--truth-log", str(log))
    frames = [read_frame(process) for _ in range(5)]
    process.send_signal(signal.SIGTERM)
    code, err = finish(process)
    assert (code, "Traceback" in err) == (0, False), err
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    world, camera = load_world(world_folder), CameraModel.from_hfov(WIDTH, HEIGHT, 70.0)
    pose = Pose(0, quaternion_from_euler(0, 0, math.pi / 2), (3.0, -2.0, -9.0))
    for frame, row in zip(frames, rows, strict=False):
        assert row["position_ned_m"] == pytest.approx([3, -2, -9], abs=0.02)
        boot_s = (row["captured_ns"] - autopilot.boot_ns) * 1e-9
        assert row["t_s"] == pytest.approx(boot_s, abs=0.1)
        expected, _ = render(world, camera, pose, row["t_s"], labels=False)
        assert np.abs(frame.astype(int) - expected).mean() < 3
    steps = np.diff([row["captured_ns"] for row in rows]) * 1e-9
    assert np.median(steps) == pytest.approx(0.05, abs=0.03)
    assert {108, 2, 49} <= autopilot.ever_asked


def test_ends_when_the_reader_closes(autopilot: FakeAutopilot, world_folder: Path):
    process = start(world_folder, autopilot.address)
    read_frame(process)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(10) == 0
    assert "stdout was closed" in process.stderr.read().decode()
    process.stderr.close()


def test_ends_when_the_autopilot_goes(autopilot: FakeAutopilot, world_folder: Path):
    process = start(world_folder, autopilot.address)
    read_frame(process)
    autopilot.over.set()
    code, err = finish(process)
    assert code == 0
    assert "autopilot link" in err


def test_ends_with_its_parent(autopilot: FakeAutopilot, world_folder: Path, tmp_path: Path):
    # A parent that dies hard, while somebody else still holds the pipe open.
    code = (
        "import os, subprocess, sys\n"
        "p = subprocess.Popen(sys.argv[1:])\n"
        "print(p.pid, file=sys.stderr, flush=True)\n"
        "import time\n"
        "while os.fstat(1).st_size == 0: time.sleep(0.05)\n"  # it runs: frames come
        "os._exit(9)\n"
    )
    command = [
        sys.executable,
        "-m",
        "sim.camera.process",
        "--world",
        str(world_folder),
        "--autopilot",
        autopilot.address,
        "--width",
        "160",
        "--height",
        "120",
    ]
    with (tmp_path / "frames").open("wb") as frames:
        parent = subprocess.Popen(
            [sys.executable, "-c", code, *command], stdout=frames, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert parent.stderr is not None
        child = int(parent.stderr.readline())
        parent.wait(60)
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline and _runs(child):
            time.sleep(0.05)
        assert not _runs(child)
        parent.stderr.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--autopilot", "tcp:nowhere"), 2, "expected tcp:HOST:PORT"),
        (("--home", "1,2"), 2, "LAT,LON,ALT"),
        (("--world", "photo:/no/such.png"), 2, "no such file"),
        (("--hfov-deg", "190"), 2, "field of view"),
        (("--effect", "noise_sd=-3"), 2, "noise_sd"),
        (("--effect", "noise=3"), 2, "expected one of noise_sd"),
        (("--autopilot", "tcp:127.0.0.1:9", "--patience", "0.3"), 1, "tcp:127.0.0.1:9"),
    ],
)
def test_mistakes_are_one_line_and_nothing_on_stdout(world_folder: Path, options, code, words):
    process = start(world_folder, "tcp:127.0.0.1:9", *options)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err
    assert out == b""
    assert words in err.decode()
    assert "Traceback" not in err.decode()


# --- the link alone ------------------------------------------------------------------------------


def test_position_is_taken_about_the_home_from_the_integers():
    home = Home(LAT, LON, ALT)
    message = sim_state(12.0, -7.0, -20.0, 0.3, vn=1.0, ve=2.0, vd=-0.5)
    message.lat = message.lon = 0.0  # the floats are metres off anyway
    truth = truth_from_sim_state(message, home, 5)
    assert truth is not None
    assert truth.position_ned_m == pytest.approx((12.0, -7.0, -20.0), abs=0.02)
    later = truth.pose_at(5 + 100_000_000)
    assert later.position_ned_m == pytest.approx((12.1, -6.8, -20.05), abs=0.02)


def test_attitude_is_carried_on_by_the_turn_rates():
    message = sim_state(0, 0, -5, 0.2)
    message.zgyro = 1.0
    truth = truth_from_sim_state(message, Home(LAT, LON, ALT), 0)
    assert truth is not None
    expected = quaternion_from_euler(0, 0, 0.3)
    assert truth.pose_at(100_000_000).ned_from_frd == pytest.approx(expected, abs=1e-6)


def test_quaternion_that_contradicts_the_angles_is_left_alone():
    message = sim_state(0, 0, -5, 0.2)
    message.q1, message.q2, message.q3, message.q4 = 0.0, 1.0, 0.0, 0.0
    truth = truth_from_sim_state(message, Home(LAT, LON, ALT), 0)
    assert truth is not None
    assert truth.ned_from_frd == pytest.approx(quaternion_from_euler(0, 0, 0.2))
    message.vn = math.nan
    assert truth_from_sim_state(message, Home(LAT, LON, ALT), 0) is None


def test_waits_for_the_origin_unless_home_is_given():
    fake = FakeAutopilot(origin=False)
    fake.start()
    try:
        link = TruthLink(fake.address, None)
        link.start()
        time.sleep(0.6)
        assert link.truth() is None
        assert link.boot_time_s(time.monotonic_ns()) == pytest.approx(40, abs=5)
        link.stop()
        link.join(2)
        link = TruthLink(fake.address, Home(LAT, LON, ALT))
        link.start()
        deadline = time.monotonic() + 5
        while link.truth() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        truth = link.truth()
        assert truth is not None
        assert truth.position_ned_m == pytest.approx((3, -2, -9), abs=0.02)
        link.stop()
        link.join(2)
        assert link.ended == "stopped"
    finally:
        fake.over.set()
        fake.join(2)


def test_udp_is_listened_on_and_answered():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    link = TruthLink(f"udp:127.0.0.1:{port}", Home(LAT, LON, ALT))
    link.start()
    mav = mavlink.MAVLink(None, 1, 1)
    mav.robust_parsing = True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        asked: set[int] = set()
        deadline = time.monotonic() + 5
        while (link.truth() is None or 108 not in asked) and time.monotonic() < deadline:
            beat = mavlink.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(mav)
            sock.sendto(beat, ("127.0.0.1", port))
            try:
                for m in mav.parse_buffer(sock.recv(4096)) or ():
                    if m.get_type() == "COMMAND_LONG":
                        asked.add(int(m.param1))
            except (TimeoutError, ConnectionRefusedError):
                continue
            if 108 in asked:
                sock.sendto(sim_state(1, 2, -3, 0).pack(mav), ("127.0.0.1", port))
        time.sleep(0.3)
    truth = link.truth()
    link.stop()
    link.join(2)
    assert truth is not None
    assert truth.position_ned_m == pytest.approx((1, 2, -3), abs=0.02)


@pytest.mark.parametrize("text", ["", "tcp:", "tcp:host", "serial:/dev/tty", "udp:h:99999"])
def test_addresses_that_are_none(text: str):
    with pytest.raises(LinkError, match="expected tcp:HOST:PORT"):
        parse_address(text)
