"""Values of another type at the doors of the public API: numbers of NumPy count, all else is refused in a line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import touchdown
from tests.edge import fake_model
from tests.touchdown.test_api import CAMERA, CAR, HOVER, LAWN, LEVEL
from touchdown import CameraModel, Frame, Mount, Pose, Segmentation, TouchdownError

MAP = np.zeros((2, 2), np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_model.save(tmp_path_factory.mktemp("model") / "m.onnx")


@pytest.fixture(scope="module")
def model(path: Path):
    with touchdown.load_model(path) as loaded:
        yield loaded


def site_of(answer: touchdown.Answer) -> tuple[float, ...]:
    assert answer.site is not None
    return (*answer.site.position_ned_m, answer.site.clearance_m)


NUMPY: dict[str, Any] = {
    "float32 height": lambda: Pose(0, LEVEL, (0.0, 0.0, -20.0), np.float32(20.0)),
    "0-d height": lambda: Pose(0, LEVEL, (0.0, 0.0, -20.0), np.array(20.0)),
    "arrays": lambda: Pose(np.int64(0), np.array(LEVEL, np.float32), np.array([0, 0, -20], np.int16), 20),
}


@pytest.mark.parametrize("kind", NUMPY)
def test_numbers_of_numpy_are_numbers(kind: str, model) -> None:
    pose = NUMPY[kind]()
    assert pose == HOVER and type(pose.height_agl_m) is float and type(pose.at_ns) is int
    assert site_of(model.decide(LAWN, CAMERA, pose)) == site_of(model.decide(LAWN, CAMERA, HOVER))


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, 1)[:, ::2], lambda a: a[::-1][::-1]])
def test_the_layout_of_a_picture_does_not_count(layout, model) -> None:
    assert site_of(model.decide(layout(LAWN), CAMERA, HOVER)) == site_of(model.decide(LAWN, CAMERA, HOVER))


WRONG: dict[str, Any] = {
    "text as height": lambda: Pose(0, LEVEL, (0.0, 0.0, -20.0), "20"),
    "two heights": lambda: Pose(0, LEVEL, (0.0, 0.0, -20.0), np.array([20.0, 1.0])),
    "complex height": lambda: Pose(0, LEVEL, (0.0, 0.0, -20.0), 20 + 0j),
    "huge whole height": lambda: Pose(0, LEVEL, (0.0, 0.0, -20.0), 10**400),
    "attitude of texts": lambda: Pose(0, ("1", "0", "0", "0"), (0.0, 0.0, -20.0), 20.0),
    "a matrix as attitude": lambda: Pose(0, np.eye(4), (0.0, 0.0, -20.0), 20.0),
    "a number as attitude": lambda: Pose(0, 3, (0.0, 0.0, -20.0), 20.0),
    "nothing in a position": lambda: Pose(0, LEVEL, (0.0, None, -20.0), 20.0),
    "time of no clock": lambda: Pose(0.5, LEVEL),
    "frame of no estimator": lambda: Pose(0, LEVEL, frame="map"),
    "time of a frame": lambda: Frame(LAWN, 0, None),
    "masked picture": lambda: Frame(np.ma.masked_array(LAWN), 0, 0),
    "lists as maps": lambda: Segmentation([[1]], [[1]], [[1]]),
    "maps as floats": lambda: Segmentation(MAP.astype(float), MAP, np.zeros((4, 2, 2), np.uint8)),
    "mount of texts": lambda: Mount("down"),
    "mount without end": lambda: Mount(math.inf),
    "mount of no number": lambda: Mount(pitch_deg=math.nan),
    "half an offset": lambda: Mount(offset_frd_m=(1.0, 2.0)),
    "a lens of half pixels": lambda: CameraModel.from_hfov(320.5, 240, 70.0),
    "a lens of texts": lambda: CameraModel.from_hfov("320", "240", "70"),
    "a lens of nothing": lambda: CameraModel.from_hfov(None, None, None),
    "a lens resized to a text": lambda: CAMERA.resized("320", 240),
    "one coefficient": lambda: CameraModel(320, 240, 230.0, 230.0, 160.0, 120.0, (0.2,)),
    "no mount": lambda: CameraModel(320, 240, 230.0, 230.0, 160.0, 120.0, mount=None),
    "a stream of a number": lambda: touchdown.open_stream(5),
    "a stream of texts": lambda: touchdown.open_stream("pipe:cat /dev/zero", width_px="32", height_px=24),
    "a stream of no pixels": lambda: touchdown.open_stream("pipe:cat /dev/zero", width_px=0, height_px=24),
    "a stream beyond memory": lambda: touchdown.open_stream("pipe:cat /dev/zero", width_px=10**9, height_px=10**9),
    "a rate of texts": lambda: touchdown.open_stream("pipe:cat /dev/zero", width_px=32, height_px=24, fps="5"),
    "no timeout": lambda: touchdown.open_stream("pipe:cat /dev/zero", width_px=32, height_px=24, timeout_s=None),
    "a recording of nothing": lambda: touchdown.read_recording(),
    "a recording of bytes": lambda: touchdown.read_recording(b"flight"),
    "a model of nothing": lambda: touchdown.load_model(None),
}


@pytest.mark.parametrize("kind", WRONG)
def test_other_types_are_refused_in_a_line(kind: str) -> None:
    with pytest.raises(TouchdownError) as caught:
        WRONG[kind]()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "options", [{"threads": "2"}, {"threads": 1.5}, {"threads": None}, {"allow_failed_gate": "no"}, {"decision": [1]}]
)
def test_options_of_another_type_load_nothing(options: dict[str, Any], path: Path) -> None:
    with pytest.raises(TouchdownError, match=f"^{next(iter(options))} "):
        touchdown.load_model(path, **options)


def test_a_decision_asks_for_its_types(model) -> None:
    frame = Frame(LAWN, 0, 0)
    given = ((None, CAMERA, HOVER), (LAWN, None, HOVER), (LAWN, CAMERA, None), (LAWN, CAMERA, LEVEL))
    for image, camera, pose in given:
        with pytest.raises(TouchdownError):
            model.decide(image, camera, pose)
    for frames, camera, pose in (
        ([LAWN], CAMERA, HOVER),
        ([frame], None, HOVER),
        ([frame], CAMERA, None),
        ([frame], CAMERA, lambda at_ns: (0.0, 0.0, -20.0)),
    ):
        with pytest.raises(TouchdownError):
            list(model.follow(frames, camera, pose))


def test_a_frame_of_the_future_and_a_clock_of_no_number_give_no_site(model) -> None:
    lawn = fake_model.photograph(320, 240, CAR)
    frames = [Frame(lawn, i, 10**12 + i * 100_000_000) for i in range(3)]
    ahead = list(model.follow(frames, CAMERA, HOVER, clock_ns=lambda: 0))
    assert {answer.refusal and answer.refusal.reason.value for answer in ahead} == {"stale-frame"}
    assert "ahead of the clock" in ahead[0].text
    with pytest.raises(TouchdownError, match="clock_ns"):
        list(model.follow(frames, CAMERA, HOVER, clock_ns=lambda: math.nan))
