"""Depth images on their way: sources, the configuration, the feed, the record."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge.blackbox import views
from edge.cameras import CameraRequest, make_camera
from edge.config import parse_config
from edge.dds.pictures import depth_of_image
from edge.depth_feed import SPACING_NS, WAITING, DepthFeed
from edge.depth_watch import SILENT_NS, DepthWatch
from edge.log import EventLog
from edge.resolved import resolve_flight
from landing.camera import CameraModel
from landing.decision_groups import ReliefSettings
from landing.errors import CameraError, ConfigError, PictureError
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.relief.depth import DepthLook, DepthTaken
from landing.relief.depth_image import DepthFrame, DepthLens, DepthSettings

SIZE = (32, 24)
IMAGE = (np.arange(24 * 32, dtype=np.uint16) * 13 + 300).reshape(24, 32)
LENS = DepthLens(CameraModel.from_hfov(*SIZE, 70.0), DepthSettings())


def grabbed(source: str) -> Any:
    """The first depth image of a source."""
    with make_camera(CameraRequest(source, *SIZE, depth=True)) as camera:
        return camera.grab_depth(10.0).depth


def test_depth_comes_from_a_folder_and_from_a_command(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), IMAGE)
    np.save(tmp_path / "image.npy", IMAGE)
    script = tmp_path / "sensor.py"
    script.write_text(
        "import sys, time, numpy\n"
        f"data = numpy.load({str(tmp_path / 'image.npy')!r}).astype('<u2').tobytes()\n"
        "while True:\n    sys.stdout.buffer.write(data); sys.stdout.buffer.flush(); time.sleep(0.05)\n"
    )
    assert np.array_equal(grabbed(f"images://{tmp_path}"), IMAGE)
    assert np.array_equal(grabbed(f"pipe:{sys.executable} {script}"), IMAGE)


def test_what_is_no_depth_is_refused(tmp_path: Path) -> None:
    for name, image in (("colour", np.zeros((24, 32, 3), np.uint8)), ("byte", np.zeros((24, 32), np.uint8))):
        folder = tmp_path / name
        folder.mkdir()
        cv2.imwrite(str(folder / "1.png"), image)
        with pytest.raises(PictureError, match="16 bits"):
            grabbed(f"images://{folder}")
    for source in ("v4l2:///dev/video0", "csi://0", "file://clip.mp4"):
        with pytest.raises(CameraError, match=r"depth\.source"):
            make_camera(CameraRequest(source, *SIZE, depth=True))


def message(kind: str, image: Any, **other: Any) -> Any:
    """A sensor_msgs/Image."""
    fields = {"width": 32, "height": 24, "encoding": kind, "is_bigendian": 0, "step": image.strides[0], **other}
    return SimpleNamespace(data=image.tobytes(), **fields)


def test_ros_images_of_depth_are_read_and_others_refused() -> None:
    metres = IMAGE.astype(np.float32) / 1000
    assert np.array_equal(depth_of_image(message("16UC1", IMAGE), "/depth"), IMAGE)
    assert np.array_equal(depth_of_image(message("16UC1", IMAGE.astype(">u2"), is_bigendian=1), "/depth"), IMAGE)
    assert np.array_equal(depth_of_image(message("32FC1", metres), "/depth"), metres)
    for bad in (message("bgr8", IMAGE), message("16UC1", IMAGE, height=48), message("32FC1", IMAGE)):
        with pytest.raises(PictureError):
            depth_of_image(bad, "/depth")


BASE: dict[str, Any] = {
    "model": {"path": "m.onnx"},
    "camera": {"source": "images://p", "width_px": 640, "height_px": 480, "hfov_deg": 70.0},
    "link": {"connection": "udpin:127.0.0.1:14550"},
}
DEPTH = {"source": "images://d", "width_px": 32, "height_px": 24, "hfov_deg": 70.0}


def test_the_table_says_lens_and_errors_and_flies_as_written(tmp_path: Path) -> None:
    config = parse_config({**BASE, "depth": {**DEPTH, "max_m": 8.0}}, tmp_path / "edge.toml")
    flight = resolve_flight(config, None, {})
    assert flight.depth is not None and flight.depth.camera.width_px == 32 and flight.depth.settings.max_m == 8.0
    assert config.link_settings().depth and config.depth.source == f"images://{tmp_path}/d"
    request = config.depth.request()
    assert request is not None and request.depth
    none = resolve_flight(parse_config(BASE, tmp_path / "edge.toml"), None, {})
    assert none.depth is None and none.digest != flight.digest


@pytest.mark.parametrize(
    ("depth", "decision", "words"),
    [
        (DEPTH, {"relief": {"enabled": False}}, "decision.relief"),
        ({**DEPTH, "on_gimbal": True}, {}, "camera.gimbal"),
        ({"source": "images://d", "hfov_deg": 70.0}, {}, "depth.width_px"),
        ({k: v for k, v in DEPTH.items() if k != "hfov_deg"}, {}, "hfov_deg or calibration"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, depth: dict[str, Any], decision: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_config({**BASE, "decision": decision, "depth": depth}, tmp_path / "edge.toml")


def test_the_feed_keeps_the_newest_looks_until_their_time() -> None:
    feed, end_ns = DepthFeed(LENS), 100 * SPACING_NS
    for number in range(10):
        feed.frame_arrived(DepthFrame(IMAGE, number, number * SPACING_NS), 0)
    assert [look.at_ns // SPACING_NS for look in feed.take(3 * SPACING_NS)] == [2, 3] and WAITING == 8
    assert [look.at_ns // SPACING_NS for look in feed.take(end_ns)] == [4, 5, 6, 7, 8, 9]
    feed.frame_arrived(DepthFrame(IMAGE, 11, 11 * SPACING_NS), 0)
    feed.camera_failed("gone")
    assert feed.take(end_ns) == () and (feed.counters.frames, feed.counters.camera_failures) == (11, 1)


@pytest.mark.parametrize("network_s", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("fps", [5, 15, 30, 60])
def test_a_slow_network_still_gets_the_looks_of_a_fast_sensor(fps: int, network_s: float) -> None:
    feed, number, taken = DepthFeed(LENS), 0, 0
    for step in range(round(6.0 / network_s)):
        while number / fps <= (step + 1) * network_s:
            feed.frame_arrived(DepthFrame(IMAGE, number, round(number / fps * 1e9)), 0)
            number += 1
        taken += len(feed.take(round(step * network_s * 1e9)))
    assert taken >= 24


def test_an_image_of_another_shape_is_a_refused_look_and_the_sensor_goes_on() -> None:
    feed, events = DepthFeed(LENS), EventLog(None)
    told: list[Any] = []
    events.listeners.append(lambda line: told.append(line["problem"]))
    for number, image in enumerate((IMAGE[:12], IMAGE.astype(np.float64), IMAGE)):
        feed.frame_arrived(DepthFrame(image, number, number * SPACING_NS), 0)  # type: ignore[arg-type]
    looks = feed.take(10 * SPACING_NS)
    assert [look.refusal is None for look in looks] == [False, False, True] and len(looks[0].points_m) == 0
    monitor, watch = PictureMonitor(PictureSettings(), LENS.camera, ReliefSettings(enabled=True)), DepthWatch(events)
    watch.observe(monitor.take_depth(looks[:1], lambda _: None, 10), 10)
    assert told == ["uint16 of shape (12, 32), expected uint16 or float32 of (24, 32)"]
    assert views.points(looks[0], 0).data == b""


def test_a_sensor_is_told_when_it_is_refused_comes_back_and_falls_silent() -> None:
    events = EventLog(None)
    told: list[Any] = []
    events.listeners.append(lambda line: told.append((line["source"], line["problem"])))
    watch, look = DepthWatch(events), DepthLook("lidar", 0, np.zeros((1, 3)), np.ones(1))
    for now_ns, taken in ((0, (DepthTaken(look, 0, "it is 2.0 s old"),)), (1, (DepthTaken(look, 5),)), (2, ())):
        watch.observe(taken, now_ns)
    assert watch.text == "lidar: 5 points"
    watch.observe((), SILENT_NS + 2)
    assert watch.text == "lidar: silent"
    assert told == [("lidar", "it is 2.0 s old"), ("lidar", None), ("lidar", "silent")]


def test_the_record_shows_the_points_with_their_errors() -> None:
    look = DepthLook("lidar", 0, np.array([[1.0, 2.0, 3.0]]), np.array([0.5]))
    cloud = views.points(look, 0)
    assert np.frombuffer(cloud.data, "<f4").tolist() == [1.0, -2.0, -3.0, 0.5]
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "sd_m"] and cloud.frame_id == "body"
