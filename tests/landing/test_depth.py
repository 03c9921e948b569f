"""Depth sensors: what they show of the ground, and looks that are refused with their reason."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from landing.camera import CameraModel, Mount
from landing.decision_groups import ReliefSettings
from landing.errors import InvalidValueError
from landing.estimator import EstimatorFrame
from landing.geometry import FloatArray, quaternion_from_euler
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.relief.depth import MOST_POINTS, DepthGround, DepthLook, depth_ground
from landing.relief.depth_image import DepthCamera, DepthSettings
from landing.relief.parallax import Relief
from landing.relief.report import ReliefReport
from landing.types import Frame, Pose

HEIGHT_M, AT_NS = 10.0, 5_000_000_000
LEVEL = (1.0, 0.0, 0.0, 0.0)
POSE = Pose(AT_NS, LEVEL, (0.0, 0.0, -HEIGHT_M), HEIGHT_M)
CAMERA = CameraModel.from_hfov(160, 120, 75.0)


def ground(kind: str) -> FloatArray:
    """Points on the ground 10 m below, body FRD."""
    side = np.linspace(-6.0, 6.0, 49)
    north, east = (grid.ravel() for grid in np.meshgrid(side, side))
    height = np.zeros_like(north)
    if kind == "bank":
        height = math.tan(math.radians(15.0)) * east
    if kind == "box":
        height = np.where((np.abs(north - 2.0) < 0.6) & (np.abs(east) < 0.6), 0.8, 0.0)
    return np.column_stack([north, east, HEIGHT_M - height])


def look(points: FloatArray, at_ns: int = AT_NS) -> DepthLook:
    """Points with 3 cm of error."""
    return DepthLook("lidar", at_ns, points, np.full(len(points), 0.03))


def shown(kind: str) -> ReliefReport:
    """Relief after looks with errors of attitude, height and distance, over a vehicle that hovers."""
    rng = np.random.default_rng(4)
    relief = Relief(ReliefSettings(enabled=True))
    for number in range(8):
        q = quaternion_from_euler(*(math.radians(0.4) * rng.normal(size=3)))
        pose = Pose(AT_NS + number, q, (0.0, 0.0, -HEIGHT_M + 0.1 * rng.normal()), HEIGHT_M)
        points = ground(kind) * (1 + 0.004 * rng.normal(size=(49 * 49, 1)))
        seen = depth_ground(look(points, pose.at_ns), pose)
        assert isinstance(seen, DepthGround)
        relief.add_depth(seen, pose.at_ns)
    return relief.report()


def test_depth_tells_flat_ground_banks_and_things_from_a_hover() -> None:
    flat, bank, box = shown("flat"), shown("bank"), shown("box")
    assert flat.rough_m2 == 0 and flat.seen_m2 > 100
    assert 11 < bank.slope_deg < 19 and bank.mask((-3.0, -3.0), 0.5, (12, 12)).mean() > 0.9
    assert 0.4 < box.step_m < 0.9 and box.mask((1.5, -0.5), 0.5, (2, 2)).any()
    assert not box.mask((-4.0, -4.0), 0.5, (8, 16)).any()


POINTS = ground("flat")
REFUSED = {
    "not finite": (np.where(np.arange(len(POINTS))[:, None] % 4, np.nan, POINTS), POSE, "make no sense"),
    "infinite": (np.where(np.arange(len(POINTS))[:, None] % 4, np.inf, POINTS), POSE, "make no sense"),
    "upwards": (-POINTS, POSE, "does not see the ground"),
    "another unit": (POINTS * 1000.0, POSE, "most of its points make no sense"),
    "too long": (POINTS * 1.5, POSE, "below the ground"),
    "too short": (POINTS * 0.6, POSE, "contradicts the height, 6.0 m against 10.0 m"),
    "only far away and high": ((POINTS - [0, 0, 8.0])[: 49 * 12], POSE, "contradicts the height"),
    "nothing": (POINTS[:0], POSE, "no depth"),
    "no pose": (POINTS, None, "no pose"),
    "a pose of another time": (POINTS, replace(POSE, at_ns=AT_NS - 10**9), "no pose"),
    "no height": (POINTS, replace(POSE, height_agl_m=None), "no height"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_look_that_makes_no_sense_is_refused_with_its_reason(name: str) -> None:
    points, pose, reason = REFUSED[name]
    seen = depth_ground(look(np.asarray(points)), pose)
    assert isinstance(seen, str) and reason in seen


def test_looks_of_other_shapes_are_refused_at_the_door() -> None:
    for points, sd in ((np.zeros((4, 2)), np.ones(4)), (np.zeros((4, 3)), np.ones(3))):
        with pytest.raises(InvalidValueError):
            DepthLook("lidar", 0, points, sd)
    with pytest.raises(InvalidValueError):
        look(np.zeros((MOST_POINTS + 1, 3)))
    camera = DepthCamera(CAMERA, DepthSettings())
    for image in (np.zeros((120, 160), np.uint8), np.zeros((160, 120), np.uint16), np.zeros((120, 160, 3), np.uint16)):
        refused = camera.look(image, 0)  # type: ignore[arg-type]
        assert refused.refusal is not None and refused.points_m.shape == (0, 3)


def test_a_depth_image_gives_points_of_the_body() -> None:
    millimetres = np.full((120, 160), 10_000, np.uint16)
    millimetres[:, :40] = 0  # no depth there
    metres = millimetres.astype(np.float32) / 1000
    metres[0, 80:], metres[3, 80:] = np.nan, np.inf
    camera = DepthCamera(replace(CAMERA, mount=Mount(offset_frd_m=(0.1, 0.0, 0.2))), DepthSettings())
    told, floats = camera.look(millimetres, 7), camera.look(metres, 7)
    assert np.allclose(told.points_m[:, 2], 10.2) and told.at_ns == 7 and not told.gimbal
    assert told.points_m[:, 1].min() > -4.0 and len(floats.points_m) <= len(told.points_m) <= MOST_POINTS
    assert np.all(told.sd_m >= 0.2)
    negative = camera.look(-metres, 7)
    assert depth_ground(replace(negative, at_ns=AT_NS), POSE) == "most of its points make no sense"
    far = camera.look(np.full((120, 160), 60_000, np.uint16), AT_NS)
    assert depth_ground(far, POSE) == "no depth within its range"


def test_looks_of_other_times_and_frames_do_not_enter_the_relief() -> None:
    monitor = PictureMonitor(PictureSettings(check_motion=False), CAMERA, ReliefSettings(enabled=True))
    image = np.random.default_rng(1).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    assert monitor.refusal(Frame(image, 0, AT_NS), POSE) is None

    def pose_at(at_ns: int) -> Pose:
        return replace(POSE, at_ns=at_ns)

    old, ahead = look(POINTS, AT_NS - 2 * 10**9), look(POINTS, AT_NS + 10**8)
    texts = [taken.text for taken in monitor.take_depth([old, ahead], pose_at, AT_NS)]
    assert texts == ["lidar: it is 2.0 s old", "lidar: its time is ahead of ours"]
    moved = monitor.take_depth([look(POINTS)], lambda at_ns: replace(POSE, frame=EstimatorFrame(1)), AT_NS)
    assert moved[0].problem is not None and "frame" in moved[0].problem
    assert monitor.relief == ReliefReport()
    for number in range(4):
        taken = monitor.take_depth([look(POINTS, AT_NS + number)], pose_at, AT_NS + number)
        assert taken[0].problem is None and taken[0].text == f"lidar: {taken[0].points} points"
    assert monitor.relief is not None and monitor.relief.seen_m2 > 100
    assert PictureMonitor(PictureSettings(), CAMERA).take_depth([look(POINTS)], pose_at, AT_NS) == ()


def test_relief_of_before_a_step_that_no_vehicle_flies_is_forgotten() -> None:
    monitor = PictureMonitor(PictureSettings(check_motion=False), CAMERA, ReliefSettings(enabled=True))
    black = np.zeros((120, 160, 3), np.uint8)

    def flown(at_ns: int, north_m: float) -> float:
        pose = replace(POSE, at_ns=at_ns, position_ned_m=(north_m, 0.0, -HEIGHT_M))
        monitor.refusal(Frame(black, 0, at_ns), pose)
        assert monitor.relief is not None
        return monitor.relief.seen_m2

    flown(AT_NS, 0.0)
    for number in range(4):
        monitor.take_depth([look(POINTS, AT_NS + number)], lambda at_ns: replace(POSE, at_ns=at_ns), AT_NS + number)
    assert flown(AT_NS + 10**8, 3.0) > 100
    assert flown(AT_NS + 2 * 10**8, 12.0) == 0
    late = look(POINTS, AT_NS + 10**8)
    taken = monitor.take_depth([late], lambda at_ns: replace(POSE, at_ns=at_ns), AT_NS + 2 * 10**8)
    assert taken[0].problem is not None and "frame of the map" in taken[0].problem


def test_in_a_hover_ground_is_not_known_to_be_flat_for_ever_and_what_is_refused_stays_so() -> None:
    monitor = PictureMonitor(PictureSettings(check_motion=False), CAMERA, ReliefSettings(enabled=True))
    image = np.zeros((120, 160, 3), np.uint8)

    def told_after(seconds: float) -> tuple[float, float]:
        pose = replace(POSE, at_ns=AT_NS + round(seconds * 1e9))
        monitor.refusal(Frame(image, 0, pose.at_ns), pose)
        assert monitor.relief is not None
        return monitor.relief.seen_m2 - monitor.relief.rough_m2, monitor.relief.rough_m2

    told_after(0.0)
    for number in range(4):
        seen = look(ground("box"), AT_NS + number)
        monitor.take_depth([seen], lambda at_ns: replace(POSE, at_ns=at_ns), AT_NS + number)
    flat_m2, rough_m2 = told_after(1.0)
    assert flat_m2 > 100 and rough_m2 > 0 and told_after(55.0) == (flat_m2, rough_m2)
    assert told_after(65.0) == (0, rough_m2)
    again = look(ground("box"), AT_NS + 66 * 10**9)
    monitor.take_depth([again], lambda at_ns: replace(POSE, at_ns=at_ns), again.at_ns)
    assert told_after(66.1)[0] > 100


@pytest.mark.parametrize("wide_m", [1.0, 12.0])
def test_a_hole_or_a_ditch_is_refused_as_what_stands_is(wide_m: float) -> None:
    rng, relief = np.random.default_rng(8), Relief(ReliefSettings(enabled=True))
    for number in range(8):
        places = rng.uniform(-6.0, 6.0, (3000, 2))
        hole = (np.abs(places[:, 0]) < 0.5) & (np.abs(places[:, 1]) < wide_m / 2)
        down_m = np.where(hole, 0.8, 0.0) + 0.03 * rng.normal(size=3000)
        relief.add_depth(DepthGround(places, down_m, np.full(3000, 0.03**2), 0.0175**2), AT_NS + number)
    report = relief.report()
    assert report.mask((-0.5, -0.5), 0.5, (2, 2)).all() and 0.4 < report.step_m < 0.9
    assert "m tall or deep" in report.text and not report.mask((3.0, -5.0), 0.5, (4, 20)).any()
