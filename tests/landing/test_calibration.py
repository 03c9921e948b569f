"""Calibration files: every damaged one is refused in bounded time, every valid one says what it said."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.calibration import numbers_of
from landing.camera import CameraModel
from landing.errors import ConfigError, InvalidValueError
from tests.landing.test_camera import ROS

MATRIX = "data: [500.5, 0, 320, 0, 501, 240, 0, 0, 1]"
LIST = "data:\n" + "".join(f"  - {v}\n" for v in (500.5, 0, 320, 0, 501, 240, 0, 0, 1))
EXPECTED = CameraModel(640, 480, 500.5, 501.0, 320.0, 240.0, (0.1, -0.2, 0.001, 0.002, 0.0))
MOST_S = 5.0

DAMAGED = {
    "empty": "",
    "binary": "".join(chr(1 + k % 127) for k in range(5000)),
    "cut in a list": ROS[: ROS.index("240")],
    "cut between lists": ROS[: ROS.index("distortion_model")],
    "cut list of lines": ROS.replace(MATRIX, LIST[: LIST.index("  - 501")]),
    "huge rows": ROS.replace("rows: 3", "rows: 100000000"),
    "negative size": ROS.replace("640", "-640"),
    "no whole size": ROS.replace("640", "640.5"),
    "size too large for a number": ROS.replace("640", "9" * 5000),
    "not a number": ROS.replace("500.5", ".nan"),
    "infinite": ROS.replace("500.5", ".inf"),
    "beyond a float": ROS.replace("500.5", "1e999"),
    "a word": ROS.replace("500.5", "wide"),
    "an anchor": ROS.replace("[500.5", "[&a 500.5"),
    "an alias": ROS.replace(MATRIX, "data: *other"),
    "base64": ROS.replace(MATRIX, 'data: "$base64$AAAA"'),
    "a list in the list": ROS.replace("[500.5, 0, 320", "[[500.5, 0, 320]"),
    "key twice": ROS + "image_width: 640\n",
    "data twice": ROS.replace(MATRIX, f"{MATRIX}\n  {MATRIX}"),
    "seven coefficients": ROS.replace("cols: 5", "cols: 7").replace("0.002, 0]", "0.002, 0, 1, 1]"),
    "xml": "<?xml version='1.0'?>\n<opencv_storage><image_width>640</image_width></opencv_storage>",
    "entities": "<!DOCTYPE a [<!ENTITY b 'bbbb'>]><a>&b;&b;</a>",
    "json without end": '{"image_width": 640, "camera_matrix": [1, 2',
    "deep json": '{"a":' * 50_000,
    "deep list": "image_width: " + "[" * 200_000,
    "deep lines": "- " * 100_000,
    "long number": "image_width: " + "9" * 200_000,
    "long key": "a" * 200_000 + ": 1",
    "many keys": "".join(f"k{k}: {k}\n" for k in range(20_000)),
    "many lines of one key": "camera_matrix:\n" + "\n" * 200_000,
    "too long": ROS + "#" * (1 << 20),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_calibration_is_refused_in_bounded_time(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(DAMAGED[kind])
    started = time.process_time()
    with pytest.raises(ConfigError, match=r"bad\.yaml: .*Expected a ROS camera_info"):
        CameraModel.from_calibration(path)
    assert time.process_time() - started < MOST_S


def test_a_file_of_a_hundred_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    with path.open("wb") as stream:
        stream.truncate(100 << 20)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        CameraModel.from_calibration(path)


@given(text=st.data())
@settings(max_examples=200, deadline=None)
def test_no_text_raises_anything_else(text: st.DataObject) -> None:
    at = text.draw(st.integers(0, len(ROS)))
    to = text.draw(st.integers(at, len(ROS)))
    noise = text.draw(
        st.text(max_size=8) | st.sampled_from(["[", "]", "{", "\t", "- ", "#", "&a", "!!", "data: ", "1e999"])
    )
    try:
        found = numbers_of(ROS[:at] + noise + ROS[to:])
    except InvalidValueError:
        return
    assert len(found["camera_matrix"]) == 9 and np.isfinite(found["camera_matrix"]).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t,
        lambda t: "%YAML:1.0\n---\n" + t,
        lambda t: t.replace("\n", "\r\n"),
        lambda t: "# from the bench\n" + t.replace("image_width: 640", "image_width: 640  # px"),
        lambda t: t.replace("\n  rows: 3\n  cols: 3\n  ", " {rows: 3, cols: 3, ").replace(
            "1]\ndistortion_model", "1]}\nd"
        ),
        lambda t: t.replace("[500.5, 0,", "[ 5.005e+02, 0.,\n      "),
        lambda t: t.replace("  " + MATRIX, "  " + LIST.replace("\n  ", "\n    ")),
        lambda t: t.replace("camera_matrix:", "camera_matrix: !!opencv-matrix").replace("cols: 3", "cols: 3\n  dt: d"),
    ],
)
def test_every_way_of_writing_it_gives_the_same_camera(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "good.yaml"
    path.write_bytes(change(ROS).encode())
    assert CameraModel.from_calibration(path) == EXPECTED


def test_opencv_writes_what_is_read(tmp_path: Path) -> None:
    for suffix in ("yaml", "json"):
        path = tmp_path / f"opencv.{suffix}"
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        storage.write("image_width", 640)
        storage.write("image_height", 480)
        storage.write("camera_matrix", EXPECTED.matrix)
        storage.write("distortion_coefficients", np.array([EXPECTED.distortion]))
        storage.release()
        assert CameraModel.from_calibration(path) == EXPECTED
    plain = {"image_width": 640, "image_height": 480, "camera_matrix": EXPECTED.matrix.ravel().tolist()}
    path.write_text(json.dumps({**plain, "distortion_coefficients": EXPECTED.distortion}))
    assert CameraModel.from_calibration(path) == EXPECTED
