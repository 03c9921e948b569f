"""Where things land in the picture, by hand: not with the homography that production uses.

The camera is 640x480 with 70 degrees across, so f = 320 / tan(35 deg) = 457.0 px and the middle of the picture is
(319.5, 239.5).
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from landing.camera import CameraModel, Mount
from landing.errors import InvalidValueError
from landing.geometry import quaternion_from_euler
from landing.taxonomy import Taxonomy
from landing.types import Pose
from sim.camera import Motion, render
from sim.camera.effects import Effects
from sim.camera.render import BEYOND_BGR, SKY_BGR
from sim.world import Actor, World, procedural
from sim.world.photograph import Photograph

CAMERA = CameraModel.from_hfov(640, 480, 70.0)
F = 320 / math.tan(math.radians(35))
TAXONOMY = Taxonomy.load("synthetic")
RED, BLUE = (0, 0, 255), (255, 0, 0)


WHOLE = Photograph(1201, 1201, True, "given")


def marked_world(marks: dict[tuple[float, float], tuple[int, int, int]], **kwargs) -> World:
    """A grey plane of 60 m at 5 cm with discs of radius 0.3 m."""
    image = np.full((1201, 1201, 3), 128, np.uint8)
    labels = np.full((1201, 1201), 2, np.uint8)
    for (north, east), color in marks.items():
        centre = (round(600 + east * 20), round(600 - north * 20))
        cv2.circle(image, centre, 6, color, -1)
        cv2.circle(labels, centre, 6, (7 if color == RED else 5,), -1)
    return World("marks", image, labels, 0.05, TAXONOMY, (600.0, 600.0), **kwargs)


def pose(height_m: float, roll=0.0, pitch=0.0, yaw=0.0, north=0.0, east=0.0) -> Pose:
    attitude = quaternion_from_euler(*(math.radians(a) for a in (roll, pitch, yaw)))
    return Pose(0, attitude, (north, east, -height_m))


def place_of(image: np.ndarray, color: tuple[int, int, int]) -> tuple[float, float]:
    away = np.abs(image.astype(int) - color).sum(axis=2)
    rows, columns = np.nonzero(away < 200)
    assert len(rows) > 5, "the mark is not in the picture"
    return float(columns.mean()), float(rows.mean())


def test_north_is_up_and_east_is_right_when_level_and_heading_north():
    world = marked_world({(4.0, 0.0): RED, (0.0, 3.0): BLUE})
    image, labels = render(world, CAMERA, pose(12.0), 0.0)
    assert place_of(image, RED) == pytest.approx((319.5, 239.5 - F * 4 / 12), abs=0.7)
    assert place_of(image, BLUE) == pytest.approx((319.5 + F * 3 / 12, 239.5), abs=0.7)
    assert labels is not None
    rows, columns = np.nonzero(labels == 7)
    assert (columns.mean(), rows.mean()) == pytest.approx(place_of(image, RED), abs=0.7)


def test_heading_east_turns_the_picture():
    # Heading east, the picture's top is east and its right is south: north is on the left.
    world = marked_world({(4.0, 0.0): RED, (0.0, 3.0): BLUE})
    image, _ = render(world, CAMERA, pose(12.0, yaw=90), 0.0)
    assert place_of(image, RED) == pytest.approx((319.5 - F * 4 / 12, 239.5), abs=0.7)
    assert place_of(image, BLUE) == pytest.approx((319.5, 239.5 - F * 3 / 12), abs=0.7)


def test_nose_up_looks_ahead():
    # The ray to the nadir is 15 degrees behind the axis: below the middle of the picture.
    world = marked_world({(0.0, 0.0): RED, (12 * math.tan(math.radians(15)), 0.0): BLUE})
    image, _ = render(world, CAMERA, pose(12.0, pitch=15), 0.0)
    below = F * math.tan(math.radians(15))
    assert place_of(image, RED) == pytest.approx((319.5, 239.5 + below), abs=1.5)
    assert place_of(image, BLUE) == pytest.approx((319.5, 239.5), abs=1.0)


def test_right_side_down_looks_left():
    # Rolled right by 20 degrees the camera's axis swings out to the left, so the nadir appears on the right, and the
    # middle shows ground to the west.
    world = marked_world({(0.0, 0.0): RED, (0.0, -12 * math.tan(math.radians(20))): BLUE})
    image, _ = render(world, CAMERA, pose(12.0, roll=20), 0.0)
    right = F * math.tan(math.radians(20))
    assert place_of(image, RED) == pytest.approx((319.5 + right, 239.5), abs=1.5)
    assert place_of(image, BLUE) == pytest.approx((319.5, 239.5), abs=1.0)


def test_tilt_and_heading_together_by_rotating_vectors():
    roll, pitch, yaw = (math.radians(a) for a in (8.0, -11.0, 130.0))
    cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
    cy, sy = math.cos(yaw), math.sin(yaw)
    turn_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    turn_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    turn_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    vehicle = np.array([2.0, -1.0, -14.0])
    mark = np.array([5.0, 1.0, 0.0])
    forward, right, down = (turn_z @ turn_y @ turn_x).T @ (mark - vehicle)
    expected = (319.5 + F * right / down, 239.5 - F * forward / down)
    world = marked_world({(5.0, 1.0): RED})
    image, _ = render(world, CAMERA, pose(14.0, 8.0, -11.0, 130.0, 2.0, -1.0), 0.0)
    assert place_of(image, RED) == pytest.approx(expected, abs=1.0)


def test_picture_is_not_mirrored():
    # North red, east blue, seen from above: turning from red to blue is clockwise, whatever yaw.
    world = marked_world({(3.0, 0.0): RED, (0.0, 3.0): BLUE})
    for yaw in range(0, 360, 45):
        image, _ = render(world, CAMERA, pose(12.0, yaw=yaw), 0.0)
        (u1, v1), (u2, v2) = place_of(image, RED), place_of(image, BLUE)
        a, b = (u1 - 319.5, v1 - 239.5), (u2 - 319.5, v2 - 239.5)
        assert a[0] * b[1] - a[1] * b[0] > 0  # clockwise with v down


def test_camera_offset_moves_the_view():
    camera = replace(CAMERA, mount=Mount(offset_frd_m=(1.0, 0.0, 0.0)))
    world = marked_world({(1.0, 0.0): RED})
    image, _ = render(world, camera, pose(12.0), 0.0)
    assert place_of(image, RED) == pytest.approx((319.5, 239.5), abs=0.7)


def test_distortion_bends_outwards_by_the_formula():
    k1 = 0.1
    camera = replace(CAMERA, distortion=(k1, 0.0, 0.0, 0.0, 0.0))
    world = marked_world({(3.0, 4.0): RED})
    image, labels = render(world, camera, pose(12.0), 0.0)
    x, y = 4 / 12, -3 / 12
    bend = 1 + k1 * (x * x + y * y)
    expected = (319.5 + F * x * bend, 239.5 + F * y * bend)
    assert place_of(image, RED) == pytest.approx(expected, abs=0.8)
    assert labels is not None
    rows, columns = np.nonzero(labels == 7)
    assert (columns.mean(), rows.mean()) == pytest.approx(expected, abs=0.8)


def test_sky_is_above_the_horizon_and_unknown():
    # Looking level: a camera that looks along the body sees the horizon in the middle row.
    camera = CameraModel.from_hfov(640, 480, 70.0, Mount(pitch_deg=0.0))
    world = marked_world({}, photograph=WHOLE)
    image, labels = render(world, camera, pose(5.0), 0.0)
    assert labels is not None
    assert (image[:238] == SKY_BGR).all()
    assert (labels[:238] == 255).all()
    assert (labels[330:] == 2).all()
    assert not (image == BEYOND_BGR).all(axis=2).any()
    # Rolled right, the horizon falls on the left: sky reaches lower there.
    _, rolled = render(world, camera, pose(5.0, roll=20), 0.0)
    assert rolled is not None
    dip = 220 * math.tan(math.radians(20))
    assert rolled[round(239.5 + dip) - 4, 100] == 255
    assert rolled[round(239.5 + dip) + 110, 100] == 2
    assert rolled[round(239.5 - dip) - 4, 539] == 255
    assert rolled[round(239.5 - dip) + 110, 539] == 2


def test_ground_outside_is_unknown_or_mirrored():
    still = pose(20.0, north=29.0)
    image, labels = render(marked_world({}), CAMERA, still, 0.0)
    assert labels is not None
    assert tuple(image[2, 320]) == BEYOND_BGR
    assert labels[2, 320] == 255
    assert labels[477, 320] == 2
    image, labels = render(marked_world({}, photograph=WHOLE), CAMERA, still, 0.0)
    assert labels is not None
    assert (image == 128).all()
    assert labels[2, 320] == 255, "what a mirrored picture shows is not known"


def test_fine_pattern_does_not_alias_from_high_up():
    image = np.zeros((1200, 1200, 3), np.uint8)
    image[::2] = 255  # stripes of one cell: nothing but grey from 60 m
    world = World(
        "stripes", image, np.full((1200, 1200), 1, np.uint8), 0.05, TAXONOMY, (599.5, 599.5), photograph=WHOLE
    )
    for height_m, yaw in ((40, 0), (60, 10), (60, 45)):
        seen, _ = render(world, CAMERA, pose(height_m, yaw=yaw), 0.0)
        assert seen.mean() == pytest.approx(127.5, abs=2)
        assert seen.std() < 6


def test_large_areas_keep_their_mean_brightness_at_every_height():
    world = procedural(2, size_m=60, gsd_m=0.1)
    half = 120
    means = []
    for height_m in (3.0, 6.0, 12.0):
        image, _ = render(replace(world, actors=()), CAMERA, pose(height_m), 0.0)
        span = round(half * 3 / height_m)
        means.append(image[240 - span : 240 + span, 320 - span : 320 + span].mean())
    assert max(means) - min(means) < 4


def test_close_up_shows_texture_beyond_the_resolution_of_the_world():
    world = procedural(2, size_m=60, gsd_m=0.1)
    plain = replace(world, detail_seed=None, actors=())
    near = pose(2.0, north=3.0)

    def sharpness(image: np.ndarray) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_64F).std())

    detailed, _ = render(replace(world, actors=()), CAMERA, near, 0.0)
    assert sharpness(detailed) > 2 * sharpness(render(plain, CAMERA, near, 0.0)[0])


def test_person_is_drawn_where_it_stands_and_labelled():
    walker = Actor("person", ((2.0, -1.0), (2.0, 3.0)), speed_mps=1.0)
    world = marked_world({}, actors=(walker,))
    for t_s, east in ((0.0, -1.0), (2.0, 1.0)):
        image, labels = render(world, CAMERA, pose(15.0, north=2.0, east=east), t_s)
        assert labels is not None
        rows, columns = np.nonzero(labels == 10)
        assert (columns.mean(), rows.mean()) == pytest.approx((319.5, 239.5), abs=4)
        area_m2 = len(rows) * (15 / F) ** 2
        assert 0.08 < area_m2 < 0.5
        assert np.abs(image[labels == 10].astype(int) - 128).mean() > 15


def test_standing_person_leans_outwards():
    world = marked_world({}, actors=(Actor("person", ((0.0, 4.0),)),))
    _, labels = render(world, CAMERA, pose(8.0), 0.0)
    _, columns = np.nonzero(labels == 10)
    feet = 319.5 + F * 4 / 8
    head = 319.5 + F * 4 / (8 - 1.72)
    assert columns.max() == pytest.approx(head + 8, abs=12)
    assert columns.min() > feet - 25


def test_labels_follow_the_picture():
    # A world whose picture is the colours of its labels: they must agree away from edges.
    labels = procedural(6, size_m=60, gsd_m=0.1).labels
    palette = TAXONOMY.palette_bgr
    world = World(
        "twin", palette[labels], labels, 0.1, TAXONOMY, ((labels.shape[1] - 1) / 2, (labels.shape[0] - 1) / 2)
    )
    image, seen = render(world, CAMERA, pose(12.0, 6, -8, 33), 0.0)
    assert seen is not None
    known = seen != 255
    off = np.abs(image.astype(int) - palette[seen]).sum(axis=2) > 60
    assert off[known].mean() < 0.06
    inner = cv2.erode((~off).astype(np.uint8), np.ones((9, 9)))
    assert inner[known].mean() > 0.5


def test_camera_on_the_ground_still_sees_ground():
    world = marked_world({})
    for down in (0.0, 0.4):
        image, labels = render(world, CAMERA, Pose(0, (1, 0, 0, 0), (0.0, 0.0, down)), 0.0)
        assert labels is not None
        assert (labels == 2).all()
        assert image.std() < 2


def test_pose_without_position_is_refused():
    with pytest.raises(InvalidValueError, match="position"):
        render(marked_world({}), CAMERA, Pose(0, (1, 0, 0, 0)), 0.0)


# --- effects -----------------------------------------------------------------------------------


def test_same_seed_and_time_give_the_same_frame():
    world = procedural(1, size_m=40, gsd_m=0.1)
    effects = Effects(
        seed=3,
        noise_sd=5,
        exposure_s=0.01,
        exposure_wobble=0.1,
        vignetting=0.2,
        lens_blur_px=0.7,
        white_balance=(1.1, 1.0, 0.9),
    )
    motion = Motion((2.0, 1.0, 0.0), (0.1, 0.2, 0.0))
    a, _ = render(world, CAMERA, pose(9.0), 2.5, effects, motion=motion)
    b, _ = render(world, CAMERA, pose(9.0), 2.5, effects, motion=motion)
    c, _ = render(world, CAMERA, pose(9.0), 2.6, effects, motion=motion)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_noise_has_the_strength_asked_for():
    image, _ = render(marked_world({}), CAMERA, pose(10.0), 0.0, Effects(noise_sd=6.0))
    assert image.std() == pytest.approx(6.0, rel=0.05)
    assert image.mean() == pytest.approx(128, abs=0.3)


def test_gain_white_balance_and_vignetting():
    effects = Effects(gain=0.5, white_balance=(1.2, 1.0, 0.8), vignetting=0.4)
    image, _ = render(marked_world({}), CAMERA, pose(10.0), 0.0, effects)
    assert image[240, 320] == pytest.approx(np.array([51, 64, 77]), abs=2)
    assert image[0, 0] == pytest.approx(np.array([51, 64, 77]) * 0.6, abs=2)


def test_motion_blur_runs_along_the_motion():
    # 6 m/s east at 12 m for 20 ms: 4.6 px to the side, none up or down.
    world = marked_world({(0.0, 0.0): RED})
    effects = Effects(exposure_s=0.05)
    still, _ = render(world, CAMERA, pose(12.0), 0.0, effects)
    moved, _ = render(world, CAMERA, pose(12.0), 0.0, effects, motion=Motion((0.0, 6.0, 0.0)))

    def widths(image: np.ndarray) -> tuple[float, float]:
        rows, columns = np.nonzero(image[..., 1].astype(int) < 100)
        return float(columns.std()), float(rows.std())

    assert widths(moved)[0] > widths(still)[0] + 0.5
    assert widths(moved)[1] < widths(still)[1] + 0.3
    turned, _ = render(world, CAMERA, pose(12.0), 0.0, effects, motion=Motion(rates_frd_radps=(0.0, 0.5, 0.0)))
    assert widths(turned)[1] > widths(still)[1] + 0.5


def test_dropped_frames_are_the_share_asked_for():
    effects = Effects(seed=1, dropped=0.3)
    lost = [effects.drops(i) for i in range(2000)]
    assert np.mean(lost) == pytest.approx(0.3, abs=0.04)
    assert lost == [effects.drops(i) for i in range(2000)]
    assert not any(Effects().drops(i) for i in range(50))


@pytest.mark.parametrize("wrong", [{"noise_sd": -1}, {"dropped": 2}, {"gain": 0}, {"seed": -1}])
def test_effects_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        Effects(**wrong)
