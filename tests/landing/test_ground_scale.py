from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from landing.camera import CameraModel, Mount
from landing.decider import Decider
from landing.geometry import quaternion_from_euler
from landing.ground.scale import IN_USE, GroundScale, axis_down, metres_down
from landing.model.spec import GroundRange
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from tests.landing.worlds import CAMERA, GRASS, PERSON, TAXONOMY, pose_at, seen

S = 1_000_000_000
INPUT_WH = (160, 160)
KNOWN = GroundRange(finest_mm=20.0, coarsest_mm=200.0, source="test")
SCALE = GroundScale.of(KNOWN, INPUT_WH, CAMERA)
HIGHEST_M = SCALE.heights_m()[1]


def lawn(north, east):
    return np.full(north.shape, GRASS)


def look(decider, height, number=0, *, labels=lawn, reading_m=None, attitude=(1.0, 0.0, 0.0, 0.0)):
    at_ns = number * S // 10
    pose = pose_at(height=height, attitude=attitude, at_ns=at_ns)
    segmentation = seen(labels, pose, at_ns=at_ns)
    if reading_m is not None:
        pose = replace(pose, height_agl_m=reading_m)
    return decider.observe(segmentation, pose, at_ns)


def decider(scale=SCALE, **settings):
    return Decider(DecisionSettings(**settings), TAXONOMY, CAMERA, scale=scale)


@pytest.mark.parametrize("size_px", [(320, 240), (1920, 1080), (400, 900)])
@pytest.mark.parametrize("input_wh", [(768, 512), (512, 512)])
def test_a_pixel_is_as_wide_as_the_ground_between_two_of_them(size_px, input_wh):
    camera = CameraModel.from_hfov(*size_px, 70.0)
    scale = GroundScale.of(KNOWN, input_wh, camera)
    fit = min(input_wh[0] / size_px[0], input_wh[1] / size_px[1], 1.0)
    middle = np.array([[camera.cx - 0.5 / fit, camera.cy], [camera.cx + 0.5 / fit, camera.cy]])
    left, right = camera.ground_from_pixel(middle, pose_at(height=25.0), 0.0)
    assert scale.pixel_mm(25.0) == pytest.approx(1000 * math.dist(left, right))
    assert scale.heights_m()[1] == pytest.approx(25.0 * KNOWN.coarsest_mm / scale.pixel_mm(25.0))


def test_enlarging_a_small_picture_shows_nothing_new():
    small, large = (GroundScale.of(KNOWN, INPUT_WH, CameraModel.from_hfov(n, n, 70.0)) for n in (40, 160))
    assert small.heights_m() == pytest.approx((large.heights_m()[0], large.heights_m()[1] / 4))
    assert small.too_fine(large.heights_m()[0] * 0.9) == large.too_fine(large.heights_m()[0] * 0.9) is not None
    assert small.too_fine(large.heights_m()[0] * 1.1) is None


def test_an_oblique_camera_looks_from_farther():
    oblique = replace(CAMERA, mount=Mount(pitch_deg=-45.0))
    assert axis_down(oblique) == pytest.approx(math.sqrt(0.5)) == axis_down(oblique, pose_at())
    assert axis_down(CAMERA, pose_at(attitude=quaternion_from_euler(0, math.radians(60), 0))) == pytest.approx(0.5)
    assert axis_down(replace(CAMERA, mount=Mount.on_gimbal(pitch_deg=-20.0))) == 1.0
    assert axis_down(replace(CAMERA, mount=Mount(pitch_deg=30.0))) > 0
    tilted = decider()
    high = look(tilted, HIGHEST_M * 0.98, attitude=quaternion_from_euler(0.0, math.radians(15), 0.0)).selection
    assert isinstance(high, NoSite) and high.reason is NoSiteReason.TOO_HIGH


@pytest.mark.parametrize("factor", [1.01, 2.0, 3.0])
def test_too_high_the_answer_is_to_descend(factor):
    answer = look(decider(), HIGHEST_M * factor).selection
    assert isinstance(answer, NoSite) and answer.reason is NoSiteReason.TOO_HIGH
    assert answer.descend_to_m == pytest.approx(HIGHEST_M)
    assert answer.detail.startswith(f"descend to {metres_down(HIGHEST_M)} m first: a pixel shows ")
    assert answer.detail.endswith("the model was trained for 20 to 200 mm")


def test_above_all_heights_the_lower_limit_is_named_and_without_a_range_the_other():
    up = decider(max_height_m=30.0)
    answer = look(up, 31.0).selection
    assert isinstance(answer, NoSite) and answer.descend_to_m == pytest.approx(HIGHEST_M)
    answer = look(decider(None, max_height_m=30.0), 31.0).selection
    assert isinstance(answer, NoSite) and answer.reason is NoSiteReason.HEIGHT_OUT_OF_RANGE
    assert answer.descend_to_m == 30.0


def test_a_model_of_unknown_range_flies_as_before():
    one = decider(None)
    answer = [look(one, HIGHEST_M * 3, k) for k in range(20)][-1].selection
    assert isinstance(answer, LandingSite)


def test_at_the_limit_a_site_does_not_come_and_go():
    one = decider()
    assert isinstance(look(one, HIGHEST_M * 1.05).selection, NoSite)
    sites = [look(one, HIGHEST_M * 0.99, k).selection for k in range(1, 21)]
    assert isinstance(sites[-1], LandingSite)
    sites = [look(one, HIGHEST_M * (1.0 + 0.08 * math.sin(k)), k).selection for k in range(21, 60)]
    assert all(isinstance(site, LandingSite) for site in sites)
    gone = look(one, HIGHEST_M * IN_USE * 1.02, 60).selection
    assert isinstance(gone, NoSite) and gone.reason is NoSiteReason.TOO_HIGH
    again = look(one, HIGHEST_M * 1.05, 61).selection
    assert isinstance(again, NoSite) and again.reason is NoSiteReason.TOO_HIGH
    assert isinstance(look(one, HIGHEST_M * 0.99, 62).selection, LandingSite)  # the site was not forgotten


def test_nothing_is_drawn_on_the_map_from_too_high():
    one = decider()
    for k in range(20):
        look(one, HIGHEST_M * 2, k, labels=lambda n, e: np.full(n.shape, PERSON))
    assert one.ground_map.empty
    assert isinstance([look(one, HIGHEST_M * 0.9, k) for k in range(20, 40)][-1].selection, LandingSite)


def test_one_wrong_reading_of_the_rangefinder_ends_nothing():
    one = decider()
    for k in range(20):
        assert look(one, 8.0, k) is not None
    assert isinstance(look(one, 8.0, 20, reading_m=HIGHEST_M * 3).selection, LandingSite)
    sites = [look(one, 8.0, 21 + k, reading_m=HIGHEST_M * 3).selection for k in range(40)]
    assert isinstance(sites[-1], NoSite) and sites[-1].reason is NoSiteReason.TOO_HIGH  # the ground has moved away


def test_nearer_than_the_range_nothing_is_refused():
    far = GroundScale.of(GroundRange(finest_mm=190.0, coarsest_mm=200.0), INPUT_WH, CAMERA)
    one, answers = decider(far), []
    for number, height in enumerate(np.linspace(9.0, 2.0, 40)):
        answers.append(look(one, float(height), number).selection)
    assert all(isinstance(answer, LandingSite) for answer in answers[10:])
    note = far.too_fine(9.0)
    assert note is not None and note.endswith("nearer than the 190 to 200 mm the model was trained for")
    assert far.too_fine(far.heights_m()[0] * 1.01) is None


def test_a_state_goes_on_within_the_range():
    one, other = decider(), decider()
    look(one, HIGHEST_M * 0.99)
    other.load_state_dict(one.state_dict())
    assert look(one, HIGHEST_M * 1.05, 1) == look(other, HIGHEST_M * 1.05, 1)
    old = {key: value for key, value in one.state_dict().items() if key != "within_range"}
    other.load_state_dict(old)  # of a recording from before there were ranges
    assert look(other, HIGHEST_M * 1.05, 2).selection.reason is NoSiteReason.TOO_HIGH


@pytest.mark.parametrize("bad", [(0.0, 10.0), (-1.0, 10.0), (20.0, 10.0), (1.0, math.inf), (math.nan, 1.0)])
def test_ranges_that_are_none(bad):
    with pytest.raises(ValidationError):
        GroundRange(finest_mm=bad[0], coarsest_mm=bad[1])


def test_heights_to_descend_to_are_rounded_down():
    assert [metres_down(m) for m in (28.9, 10.0, 9.99, 0.36)] == ["28", "10", "9.9", "0.3"]
