"""Publishers of a ROS 2 graph that are broken, foreign or hostile: the camera fails with a reason, never otherwise."""

from __future__ import annotations

import dataclasses
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("cyclonedds", reason="needs the extra ros2")

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cameras import CameraRequest, CameraTimeout, make_camera
from edge.dds import messages as m
from edge.dds.cameras import lens_of, lens_problem
from edge.dds.graph import DAMAGED, RosNode, reliable
from edge.dds.pictures import bgr_of_compressed, bgr_of_image
from landing.camera import CameraModel
from landing.errors import CameraError, ConfigError, InvalidValueError, PictureError, TouchdownError
from tests.command import call
from tests.edge.test_ros2 import LOOPBACK

WIDTH, HEIGHT = 16, 12
PIXELS = np.arange(WIDTH * HEIGHT * 3, dtype=np.uint8).tobytes()
ZERO = [0.0] * 9


def image(stamp_ns: int | None = None, frame: str = "camera", **changes: Any) -> m.RosImage:
    stamp = m.RosTime(*divmod(time.time_ns() if stamp_ns is None else stamp_ns, 10**9))
    whole = m.RosImage(m.RosHeader(stamp, frame), HEIGHT, WIDTH, "bgr8", 0, WIDTH * 3, PIXELS)
    return dataclasses.replace(whole, **changes)


def raw(kind: Any, data: bytes) -> Any:
    """A message that is sent as these bytes."""
    sent = kind
    sent.serialize = lambda **_: data
    return sent


def camera_info(**changes: Any) -> m.RosCameraInfo:
    k = [20.0, 0.0, WIDTH / 2, 0.0, 20.0, HEIGHT / 2, 0.0, 0.0, 1.0]
    whole = m.RosCameraInfo(m.RosHeader(), HEIGHT, WIDTH, "plumb_bob", [0.0] * 5, k, ZERO, [0.0] * 12)
    return dataclasses.replace(whole, **changes)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[RosNode]:
    monkeypatch.setenv("CYCLONEDDS_URI", LOOPBACK)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 230))
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    made = RosNode("hostile")
    yield made
    made.close()


def failure(camera: Any, send: Callable[[], None]) -> str:
    """Text of the camera when it fails; pictures and silence before that are well."""
    until = time.monotonic() + 20.0
    with camera:
        while time.monotonic() < until:
            send()
            try:
                camera.grab(0.1)
            except CameraTimeout:
                continue
            except CameraError as error:
                return str(error)
    raise AssertionError("the camera did not fail")


def test_bytes_that_are_no_message_fail_the_camera_not_the_daemon(node: RosNode) -> None:
    send = node.writer("/cam/image_raw", m.RosImage, reliable())
    text = bytearray(image().serialize(use_version_2=False))
    text[16:20] = b"\xff\xfe\xfd\xfc"  # the frame's name: Cyclone DDS finds wrong sizes itself
    camera = make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT))
    said = failure(camera, lambda: send(raw(image(), bytes(text))))
    assert said.startswith("/cam/image_raw: a message cannot be read"), said


def test_a_damaged_calibration_fails_the_camera(node: RosNode) -> None:
    send, tell = (node.writer(f"/cam/{name}", kind, reliable()) for name, kind in KINDS)
    data = bytearray(camera_info().serialize(use_version_2=False))
    data[data.index(b"plumb_bob")] = 0xFF

    def both() -> None:
        tell(raw(camera_info(), bytes(data)))
        send(image())

    said = failure(make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT)), both)
    assert said.startswith("/cam/camera_info: a message cannot be read"), said


TOPIC = "/cam/image_raw"
KINDS = (("image_raw", m.RosImage), ("camera_info", m.RosCameraInfo))


def test_a_damaged_calibration_is_not_written(node: RosNode, tmp_path: Path) -> None:
    tell = node.writer("/cam/camera_info", m.RosCameraInfo, reliable())
    stop = threading.Event()

    def keep_telling() -> None:
        while not stop.wait(0.05):
            tell(camera_info(distortion_model="equidistant", d=[0.1, 0.0, 0.0, 0.0]))

    thread = threading.Thread(target=keep_telling)
    thread.start()
    try:
        done = call("ros2", "calibration", "/cam/image_raw", "--out", tmp_path / "lens.yaml", "--timeout", 15)
    finally:
        stop.set()
        thread.join()
    assert done.returncode == 2 and "'equidistant': expected plumb_bob" in done.stderr
    assert not (tmp_path / "lens.yaml").exists()


def test_two_publishers_of_one_topic_are_refused(node: RosNode, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node.writer("/cam/image_raw", m.RosImage, reliable())
    two = node.writer("/cam/image_raw", m.RosImage, reliable())
    senders = [one, two]

    def in_turn() -> None:
        senders.reverse()
        senders[0](image())

    said = failure(make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT)), in_turn)
    assert "has two publishers" in said, said


@pytest.mark.parametrize("step_ns", [0, -1_000_000])
def test_stamps_that_do_not_go_on_are_refused(node: RosNode, step_ns: int) -> None:
    send = node.writer("/cam/image_raw", m.RosImage, reliable())
    began_ns = time.time_ns()
    stamps = iter(range(10_000))
    said = failure(
        make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT)),
        lambda: send(image(began_ns + step_ns * next(stamps))),
    )
    assert "before the last picture's" in said or "behind" in said, said


def test_odd_stamps_names_and_sizes_fail_with_a_reason(node: RosNode) -> None:
    send = node.writer("/cam/image_raw", m.RosImage, reliable())
    cases = [
        (lambda: image(0), "behind"),
        (lambda: image(frame="x" * 2_000_000, width=8, step=24), "delivers 8x12 px"),
        (lambda: image(encoding="bayer_rggb8"), "bayer_rggb8"),
        (lambda: image(width=2**32 - 1, height=2**32 - 1), "delivers 4294967295x4294967295"),
        (lambda: image(width=0), "damaged"),
    ]
    for make, words in cases:
        said = failure(
            make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT)), lambda make=make: send(make())
        )
        assert words in said and len(said) < 300, said


def test_a_compressed_picture_of_another_size_is_refused_by_its_header(node: RosNode) -> None:
    send = node.writer("/cam/image_raw/compressed", m.RosCompressedImage, reliable())
    bomb = cv2.imencode(".png", np.zeros((4000, 4000, 3), np.uint8))[1].tobytes()[:2000]  # its header, and no more
    request = CameraRequest("ros2://cam/image_raw/compressed", WIDTH, HEIGHT)
    said = failure(make_camera(request), lambda: send(m.RosCompressedImage(image().header, "png", bomb)))
    assert "delivers 4000x4000 px" in said, said


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    which=st.integers(0, 2),
    cut=st.floats(0.0, 1.0),
    changes=st.lists(st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 255)), max_size=5),
)
def test_no_bytes_raise_what_nobody_expects(which: int, cut: float, changes: list[tuple[float, int]]) -> None:
    picture = cv2.imencode(".bmp", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    message = (image(1), m.RosCompressedImage(m.RosHeader(), "bmp", picture), camera_info())[which]
    data = bytearray(message.serialize(use_version_2=False))
    for place, value in changes:
        data[int(place * len(data))] = value
    data = data[: math.ceil(cut * len(data))]
    try:
        read = type(message).deserialize(bytes(data))
    except DAMAGED:
        return
    try:
        if which == 2:
            lens_problem(read, TOPIC, CameraModel.from_hfov(WIDTH, HEIGHT, 60.0))
        else:
            (bgr_of_image, bgr_of_compressed)[which](read, "/t")
    except TouchdownError as error:
        assert str(error)


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuyv", "yuv422_yuy2"])
def test_pairs_of_pixels_need_even_rows(encoding: str) -> None:
    with pytest.raises(PictureError, match="pairs of pixels"):
        bgr_of_image(image(encoding=encoding, width=5, step=10), "/t")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": [math.nan] * 9}, "finite"),
        ({"k": [-20.0, *camera_info().k[1:]]}, "field of view"),
        ({"k": [20.0, 0.0, 8.0, 0.0, 0.0, 6.0, 0.0, 0.0, 1.0]}, "focal length"),
        ({"d": [math.inf]}, "finite"),
        ({"d": [0.0] * 5 + [0.1] * 3, "distortion_model": "rational_polynomial"}, "expected up to 5"),
        ({"d": [0.1, 0.0, 0.0, 0.0], "distortion_model": "equidistant"}, "expected plumb_bob"),
        ({"d": [0.0] * 4, "distortion_model": "equidistant"}, "expected plumb_bob"),  # bends with zeros too
        ({"roi": m.RosRegionOfInterest(0, 0, 6, 8)}, "a part of 8x6 px"),
        ({"width": 0}, "at least 1x1"),
    ],
)
def test_calibrations_that_are_no_lens_of_ours(changes: dict[str, Any], words: str) -> None:
    info = camera_info(**changes)
    with pytest.raises(InvalidValueError, match=words):
        lens_of(info, TOPIC)
    assert lens_problem(info, TOPIC, CameraModel(WIDTH, HEIGHT, 20.0, 20.0, 8.0, 6.0)) is not None


def test_a_lens_that_bends_otherwise_is_refused() -> None:
    straight = CameraModel(WIDTH, HEIGHT, 20.0, 20.0, 8.0, 6.0)
    assert lens_problem(camera_info(d=[0.01, 0.0, 0.0, 0.0, 0.0]), TOPIC, straight) is None
    assert "moves a corner" in (lens_problem(camera_info(d=[-0.3, 0.0, 0.0, 0.0, 0.0]), TOPIC, straight) or "")


def test_a_file_of_a_fisheye_is_refused(tmp_path: Path) -> None:
    lens = tmp_path / "lens.yaml"
    words = (
        "image_width: 640\nimage_height: 480\ndistortion_model: {}\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
        "  data: [500, 0, 320, 0, 500, 240, 0, 0, 1]\ndistortion_coefficients:\n  rows: 1\n  cols: 4\n  data: [{}]\n"
    )
    for bends in ("0.1, 0, 0, 0", "0, 0, 0, 0"):
        lens.write_text(words.format("equidistant", bends))
        with pytest.raises(ConfigError, match="'equidistant': expected plumb_bob"):
            CameraModel.from_calibration(lens)
    lens.write_text(words.format("plumb_bob", "0.1, 0, 0, 0"))
    assert CameraModel.from_calibration(lens).fx == 500.0


@pytest.mark.parametrize("name", ["image_rect", "image_rect_color", "image_rect/compressed", "rect/image"])
def test_rectified_pictures_have_the_lens_of_the_projection(name: str) -> None:
    p = [18.0, 0.0, 8.5, 0.0, 0.0, 19.0, 6.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    info, raw_lens = camera_info(d=[-0.3, 0.0, 0.0, 0.0, 0.0], p=p), lens_of(camera_info(), TOPIC)
    lens = lens_of(info, f"/cam/{name}")
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (18.0, 19.0, 8.5, 6.5) and not any(lens.distortion)
    assert lens_problem(info, f"/cam/{name}", lens) is None
    assert lens_problem(info, f"/cam/{name}", raw_lens) is not None
    assert any(lens_of(info, "/direct/image_raw").distortion)
    with pytest.raises(InvalidValueError, match="focal length"):
        lens_of(camera_info(), f"/cam/{name}")
