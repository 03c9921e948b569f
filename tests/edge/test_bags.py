"""ROS 2 bags, made here with rosbags, are recordings: cameras, streams, and `edge look` with their poses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs the extra ros2")

from rosbags import rosbag2
from rosbags.typesys import Stores, get_typestore

import touchdown
from edge.cameras import CameraRequest, CameraTimeout, EndOfStream, make_camera
from landing.errors import CameraError, TouchdownError
from tests.command import call
from tests.edge import fake_model

WIDTH, HEIGHT, COUNT = 320, 240, 20
HEIGHT_M, PX_PER_M = 20.0, 10.0
STORE = get_typestore(Stores.ROS2_JAZZY)
T = STORE.types


def stamped(at_ns: int, frame: str = "map") -> Any:
    return T["std_msgs/msg/Header"](T["builtin_interfaces/msg/Time"](at_ns // 10**9, at_ns % 10**9), frame)


def pose(at_ns: int, north_m: float) -> Any:
    """A vehicle that heads north, level, in ROS's axes: a quarter turn to the left from east."""
    half = math.sqrt(0.5)
    place = T["geometry_msgs/msg/Point"](0.0, north_m, HEIGHT_M)
    turned = T["geometry_msgs/msg/Quaternion"](0.0, 0.0, half, half)
    return T["geometry_msgs/msg/PoseStamped"](stamped(at_ns), T["geometry_msgs/msg/Pose"](place, turned))


def image(at_ns: int, picture: np.ndarray, compressed: bool) -> Any:
    if compressed:
        data = cv2.imencode(".png", picture)[1].ravel()
        return T["sensor_msgs/msg/CompressedImage"](stamped(at_ns, "camera"), "png", data)
    return T["sensor_msgs/msg/Image"](
        stamped(at_ns, "camera"), HEIGHT, WIDTH, "bgr8", 0, WIDTH * 3, np.ascontiguousarray(picture).ravel()
    )


def camera_info(at_ns: int) -> Any:
    fx = PX_PER_M * HEIGHT_M
    k = np.array([fx, 0, WIDTH / 2, 0, fx, HEIGHT / 2, 0, 0, 1], np.float64)
    roi = T["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return T["sensor_msgs/msg/CameraInfo"](
        stamped(at_ns), HEIGHT, WIDTH, "plumb_bob", np.zeros(5), k, np.eye(3).ravel(), np.zeros(12), 0, 0, roi
    )


def write_bag(
    folder: Path,
    plugin: str,
    *,
    compressed: bool = False,
    poses: tuple[str, ...] = ("/mavros/local_position/pose",),
    speed_m_s: float = 1.0,
    topics: tuple[str, ...] = ("/cam/image_raw",),
) -> Path:
    """A flight to the north at 10 Hz over grass with a car that lies still on the ground."""
    ground = fake_model.paint(WIDTH, HEIGHT + 40, ("car", (20, 40, 60, 60)))
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    storage = rosbag2.StoragePlugin.MCAP if plugin == "mcap" else rosbag2.StoragePlugin.SQLITE3
    with rosbag2.Writer(folder, version=9, storage_plugin=storage) as bag:

        def add(topic: str, kind: str) -> Any:
            return bag.add_connection(topic, kind, typestore=STORE)

        pictures = [add(topic, kind) for topic in topics]
        placed = [add(topic, "geometry_msgs/msg/PoseStamped") for topic in poses]
        info = add("/cam/camera_info", "sensor_msgs/msg/CameraInfo")
        for number in range(COUNT):
            at_ns = 1_700_000_000_000_000_000 + number * 100_000_000
            row = 40 - round(number * 0.1 * speed_m_s * PX_PER_M)
            written = image(at_ns, ground[row : row + HEIGHT], compressed)
            for one in pictures:
                bag.write(one, at_ns, STORE.serialize_cdr(written, kind))
            for one in placed:
                message = pose(at_ns - 20_000_000, (number * 0.1 - 0.02) * speed_m_s)
                bag.write(one, at_ns, STORE.serialize_cdr(message, "geometry_msgs/msg/PoseStamped"))
            bag.write(info, at_ns, STORE.serialize_cdr(camera_info(at_ns), "sensor_msgs/msg/CameraInfo"))
    return folder


def look(model: Path, bag: Path, *more: object) -> tuple[Any, list[dict[str, Any]]]:
    done = call("edge", "look", bag, "--model", model, "--assume-nadir", "--json", *more)
    return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(("plugin", "compressed"), [("mcap", False), ("sqlite3", True)])
def test_a_flight_is_looked_at_with_its_poses(tmp_path: Path, model_path: Path, plugin: str, compressed: bool) -> None:
    bag = write_bag(tmp_path / "flight", plugin, compressed=compressed)
    for path in (bag, next(bag.glob("*.mcap" if plugin == "mcap" else "*.db3"))):
        done, records = look(model_path, path)
        assert done.returncode == 0, done.stderr
        frames = [one for one in records if "name" in one]
        assert len(frames) == COUNT and frames[0]["height_agl_m"] == pytest.approx(HEIGHT_M)
        sites = [one["site"] for one in frames if "site" in one]
        assert len(sites) > 5
        # The vehicle flies north over a site that stays: it comes nearer by a metre a second.
        first, last = sites[-6], sites[-1]
        assert first["ahead_m"] - last["ahead_m"] == pytest.approx(0.5, abs=0.12)
        assert last["right_m"] > 0  # the car lies on the left


def test_a_bag_without_poses_hovers_at_the_height_that_is_given(tmp_path: Path, model_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", poses=(), speed_m_s=0.0)
    done, records = look(model_path, bag)
    assert done.returncode == 2 and "--height-agl-m" in done.stderr
    done, records = look(model_path, bag, "--height-agl-m", 20)
    assert done.returncode == 0, done.stderr
    assert sum("site" in one for one in records) > 5


def test_streams_and_cameras(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", topics=("/a/image", "/b/image"))
    with pytest.raises(TouchdownError, match="/a/image, /b/image: name one"):
        touchdown.open_stream(bag)
    with touchdown.open_stream(f"bag://{bag}?topic=/b/image") as stream:
        frames = list(stream)
    assert not stream.live and len(frames) == COUNT and frames[0].image_bgr.shape == (HEIGHT, WIDTH, 3)
    assert frames[1].captured_at_ns - frames[0].captured_at_ns == 100_000_000
    with make_camera(CameraRequest(f"bag://{bag}?topic=/a/image")) as camera:
        assert camera.info.frames == COUNT
        first = camera.grab(1.0)
        with pytest.raises(CameraTimeout):
            camera.grab(0.0)
        second = camera.grab(1.0)
        assert (second.captured_at_ns - first.captured_at_ns) * 1e-9 > 0.05
    with make_camera(CameraRequest(f"bag://{bag}?topic=/a/image", realtime=False, loop=True)) as camera:
        assert [camera.grab(1.0).frame_id for _ in range(COUNT + 3)][-1] == COUNT + 2
    with (
        make_camera(CameraRequest(f"bag://{bag}?topic=/a/image", realtime=False)) as camera,
        pytest.raises(EndOfStream),
    ):
        for _ in range(COUNT + 1):
            camera.grab(1.0)


def test_what_is_no_such_bag_is_refused_in_a_line(tmp_path: Path, model_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", poses=("/a/pose", "/b/pose"))
    done, _ = look(model_path, bag)
    assert done.returncode == 2 and "poses in /a/pose, /b/pose: expected one" in done.stderr
    with pytest.raises(CameraError, match="expected /cam/image_raw"):
        make_camera(CameraRequest(f"bag://{bag}?topic=/none")).open()
    with pytest.raises(CameraError, match="expected bag://"):
        make_camera(CameraRequest(f"bag://{bag}?x=1")).open()
    with pytest.raises(CameraError, match="ask for 64x64"):
        make_camera(CameraRequest(f"bag://{bag}", 64, 64)).open()


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
def test_damaged_bags_are_refused_or_end_early(tmp_path: Path, plugin: str) -> None:
    bag = write_bag(tmp_path / "flight", plugin, speed_m_s=0.0)
    (whole,) = [path for path in bag.iterdir() if path.suffix in (".mcap", ".db3")]
    data = whole.read_bytes()
    generator = np.random.default_rng(4)
    for case in range(12):
        cut = bytearray(data[: int(generator.integers(0, len(data)))] if case % 2 else data)
        for place in generator.integers(0, max(1, len(cut)), 40 if case % 2 == 0 else 0):
            cut[place] ^= 0x55
        part = tmp_path / f"{case}{whole.suffix}"
        part.write_bytes(cut)
        try:
            with touchdown.open_stream(part) as stream:
                assert len(list(stream)) <= COUNT
        except TouchdownError as error:
            assert str(error) and "\n" not in str(error)
