from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.camera import CameraModel, Mount
from landing.errors import ConfigError, InvalidValueError
from landing.geometry import euler_from_quaternion, matrix_from_quaternion, quaternion_from_euler, slerp
from landing.types import Pose

LEVEL = (1.0, 0.0, 0.0, 0.0)
DISTORTED = CameraModel(640, 480, 480.0, 482.0, 322.0, 237.0, (-0.21, 0.06, 0.001, -0.0007, -0.006))
PLAIN = CameraModel.from_hfov(640, 480, 70.0)


@st.composite
def tilts(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """Attitudes of less than 40 degrees of tilt in any direction, any yaw."""
    tilt = draw(st.floats(0, math.radians(39.9)))
    axis = draw(st.floats(-math.pi, math.pi))
    yaw = draw(st.floats(-math.pi, math.pi))
    half = tilt / 2
    qt = (math.cos(half), math.sin(half) * math.cos(axis), math.sin(half) * math.sin(axis), 0.0)
    c, s = math.cos(yaw / 2), math.sin(yaw / 2)
    w, x, y, _ = qt
    return (c * w, c * x - s * y, c * y + s * x, s * w)


@settings(max_examples=200, deadline=None)
@given(
    attitude=tilts(),
    height_m=st.floats(1.0, 100.0),
    u=st.floats(0, 639),
    v=st.floats(0, 479),
    north=st.floats(-500, 500),
    down=st.floats(-30, 30),
    camera=st.sampled_from([PLAIN, DISTORTED]),
)
def test_ground_to_pixel_and_back_is_exact_to_a_millimetre(attitude, height_m, u, v, north, down, camera):
    pose = Pose(0, attitude, (north, -north / 3, down - height_m), height_m)
    points = camera.ground_from_pixel(np.array([[u, v]]), pose, down)
    if np.isnan(points).any() or np.abs(points).max() > 5000:
        return  # at or above the horizon
    # The tolerance in pixels that a millimetre on the ground is, is far above rounding.
    again = camera.pixel_from_ned(points, pose)
    back = camera.ground_from_pixel(again, pose, down)
    slant = np.linalg.norm(points[0] - np.array(pose.position_ned_m)) / height_m
    assert np.abs(back - points).max() < 1e-3 * max(1.0, (slant / 10) ** 2)


@settings(max_examples=100, deadline=None)
@given(attitude=tilts(), height_m=st.floats(2, 60), n=st.floats(-1, 1), e=st.floats(-1, 1))
def test_point_on_the_ground_round_trips(attitude, height_m, n, e):
    pose = Pose(0, attitude, (3.0, -2.0, -height_m), height_m)
    axis = pose.rotation_ned_from_frd[:, 2]
    centre = np.array([3.0, -2.0]) + axis[:2] / axis[2] * height_m
    point = np.array([[centre[0] + n * height_m * 0.3, centre[1] + e * height_m * 0.3, 0.0]])
    pixel = DISTORTED.pixel_from_ned(point, pose)
    back = DISTORTED.ground_from_pixel(pixel, pose, 0.0)
    assert np.abs(back - point).max() < 1e-3


def test_homography_agrees_with_the_projection_of_points():
    pose = Pose(0, quaternion_from_euler(0.2, -0.3, 1.1), (5.0, -7.0, -20.0), 20.0)
    points = np.array([[4.0, -6.0, 0.0], [9.0, -12.0, 0.0], [1.0, 2.0, 0.0]])
    h = PLAIN.pixel_from_ground_plane(pose, 0.0)
    flat = (h @ np.column_stack([points[:, :2], np.ones(3)]).T).T
    np.testing.assert_allclose(flat[:, :2] / flat[:, 2:], PLAIN.pixel_from_ned(points, pose), 1e-9)


@pytest.mark.parametrize(
    ("what", "attitude", "point", "du", "dv"),
    [
        # 45 degrees to a side: focal length = half the width = 100 px; from 10 m, 1 m is 10 px.
        ("north is up at yaw 0", (0, 0, 0), (1, 0, 0), 0, -10),
        ("east is right at yaw 0", (0, 0, 0), (0, 1, 0), 10, 0),
        ("facing east, east is up", (0, 0, 90), (0, 1, 0), 0, -10),
        ("facing east, north is left", (0, 0, 90), (1, 0, 0), -10, 0),
        ("facing south, north is down", (0, 0, 180), (1, 0, 0), 0, 10),
        # Nose up by atan(0.1): a nadir camera looks ahead, so the point below moves down in the picture (backwards).
        ("pitch up", (0, math.degrees(math.atan(0.1)), 0), (0, 0, 0), 0, 10),
        # Right side down: the camera looks to the left, so the point below moves right.
        ("roll right", (math.degrees(math.atan(0.1)), 0, 0), (0, 0, 0), 10, 0),
    ],
)
def test_signs_by_hand(what, attitude, point, du, dv):
    camera = CameraModel.from_hfov(200, 200, 90.0)
    pose = Pose(0, quaternion_from_euler(*map(math.radians, attitude)), (0, 0, -10), 10)
    pixel = camera.pixel_from_ned(np.array([point], float), pose)[0]
    np.testing.assert_allclose(pixel, [99.5 + du, 99.5 + dv], atol=1e-9, err_msg=what)


def test_forward_looking_mount_sees_the_horizon_in_the_middle():
    camera = CameraModel.from_hfov(200, 200, 90.0, Mount(pitch_deg=0.0))
    pose = Pose(0, LEVEL, (0, 0, -10), 10)
    pixel = camera.pixel_from_ned(np.array([[1e6, 0, -10.0], [10, 0, 0]]), pose)
    np.testing.assert_allclose(pixel, [[99.5, 99.5], [99.5, 199.5]], atol=1e-3)
    assert np.isnan(camera.ground_from_pixel(np.array([[99.5, 50.0]]), pose, 0.0)).all()


def test_mount_offset_moves_the_picture():
    camera = CameraModel.from_hfov(200, 200, 90.0, Mount(offset_frd_m=(1.0, 0.0, 0.0)))
    pose = Pose(0, quaternion_from_euler(0, 0, math.pi / 2), (0, 0, -10), 10)
    np.testing.assert_allclose(camera.centre_ned_m(pose), [0, 1, -10], atol=1e-12)


def test_points_behind_have_no_pixel():
    pose = Pose(0, LEVEL, (0, 0, -10), 10)
    assert np.isnan(PLAIN.pixel_from_ned(np.array([[0.0, 0.0, -20.0]]), pose)).all()


def test_resized_keeps_the_field_of_view():
    half = PLAIN.resized(320, 240)
    assert half.hfov_deg == pytest.approx(70.0)
    pose = Pose(0, LEVEL, (0, 0, -10), 10)
    full_px = PLAIN.pixel_from_ned(np.array([[1.0, 2.0, 0.0]]), pose)[0]
    half_px = half.pixel_from_ned(np.array([[1.0, 2.0, 0.0]]), pose)[0]
    np.testing.assert_allclose((full_px + 0.5) / 2 - 0.5, half_px)


@pytest.mark.parametrize("hfov", [0.0, -5.0, 180.0, 400.0, float("nan"), float("inf")])
def test_impossible_field_of_view_is_refused(hfov):
    with pytest.raises(InvalidValueError, match="field of view"):
        CameraModel.from_hfov(640, 480, hfov)


@pytest.mark.parametrize(("w", "h", "fx"), [(0, 480, 400), (640, 0, 400), (640, 480, float("nan"))])
def test_impossible_camera_is_refused(w, h, fx):
    with pytest.raises(InvalidValueError):
        CameraModel(w, h, fx, 400.0, 320.0, 240.0)


def test_one_pixel_camera_works():
    camera = CameraModel.from_hfov(1, 1, 60.0)
    pose = Pose(0, LEVEL, (0, 0, -10), 10)
    np.testing.assert_allclose(camera.ground_from_pixel(np.array([[0.0, 0.0]]), pose, 0.0), [[0, 0, 0]], atol=1e-9)


ROS = """image_width: 640
image_height: 480
camera_name: nadir
camera_matrix:
  rows: 3
  cols: 3
  data: [500.5, 0, 320, 0, 501, 240, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.001, 0.002, 0]
"""


def test_reads_ros_and_opencv_calibration(tmp_path):
    ros = tmp_path / "ros.yaml"
    ros.write_text(ROS)
    camera = CameraModel.from_calibration(ros)
    assert (camera.fx, camera.fy, camera.cx, camera.width_px) == (500.5, 501, 320, 640)
    assert camera.distortion == (0.1, -0.2, 0.001, 0.002, 0)
    import cv2

    path = tmp_path / "opencv.yaml"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.write("camera_matrix", camera.matrix)
    storage.write("distortion_coefficients", np.array([camera.distortion]))
    storage.release()
    assert CameraModel.from_calibration(path) == camera


@pytest.mark.parametrize("text", ["", "image_width: 640\n", "[[[", "\x00\x01", "a: {b"])
def test_broken_calibration_is_a_clear_error(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        CameraModel.from_calibration(path)
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        CameraModel.from_calibration(tmp_path / "none.yaml")


@given(tilts(), tilts(), st.floats(0, 1))
def test_slerp_stays_between(a, b, fraction):
    mixed = slerp(a, b, fraction)
    assert math.isclose(sum(c * c for c in mixed), 1.0, rel_tol=1e-9)

    def angle(p, q):
        return 2 * math.acos(min(1.0, abs(sum(x * y for x, y in zip(p, q, strict=True)))))

    assert angle(a, mixed) <= angle(a, b) + 1e-3
    assert abs(angle(a, mixed) - fraction * angle(a, b)) < 2e-2


@given(st.floats(-3, 3), st.floats(-1.5, 1.5), st.floats(-3, 3))
def test_euler_round_trip(roll, pitch, yaw):
    q = quaternion_from_euler(roll, pitch, yaw)
    np.testing.assert_allclose(
        matrix_from_quaternion(quaternion_from_euler(*euler_from_quaternion(q))), matrix_from_quaternion(q), atol=1e-6
    )
