"""A marked pad: read in pictures, told from frauds, followed, and guarded by the map."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from landing.camera import CameraModel
from landing.choice.tracker import SiteTracker
from landing.decider import Decider
from landing.decision import Decision
from landing.estimator import EstimatorFrame, FrameShift
from landing.geometry import quaternion_from_euler
from landing.guidance.director import Director, DirectorInput
from landing.pad.fit import PadFix, fit
from landing.pad.tag import PadFinder, PadSettings, PadSighting, tag_dictionary
from landing.pad.track import PadState, PadTracker
from landing.settings import DecisionSettings, DirectorSettings
from landing.site import LandingSite, NoSite, Pad
from landing.types import Pose
from landing.vehicle import VehicleStatus
from tests.landing.worlds import GRASS, PERSON, ROOF, TAXONOMY, pose_at, seen

S = 1_000_000_000
CAMERA = CameraModel.from_hfov(640, 480, 80.0)
SMALL = CameraModel.from_hfov(160, 120, 80.0)
"""Of the maps that the decision gets: the same lens."""
PAD = PadSettings(dictionary="apriltag_36h11", id=7, edge_m=0.6)
MOVING = PAD.model_copy(update={"max_speed_mps": 1.0})
DECISION = DecisionSettings()


def corners_of(place=(0.0, 0.0, 0.0), edge_m=0.6, yaw_rad=0.3, upright=False):
    """The square's corners, NED: clockwise from above, or standing on its lower side."""
    ahead = np.array([math.cos(yaw_rad), math.sin(yaw_rad), 0.0])
    right = np.array([-math.sin(yaw_rad), math.cos(yaw_rad), 0.0])
    if upright:
        ahead = np.array([0.0, 0.0, -1.0])
    half = edge_m / 2
    return np.asarray(place) + half * np.array([ahead - right, ahead + right, right - ahead, -ahead - right])


def picture_of(pose, *tags, number=7, dictionary="apriltag_36h11", mirrored=False):
    """A picture of tags on grey grain."""
    rng = np.random.default_rng(5)
    image = rng.integers(100, 140, (480, 640), np.uint8)
    family = tag_dictionary(dictionary)
    cells = family.markerSize + 2
    drawn = cv2.copyMakeBorder(
        cv2.aruco.generateImageMarker(family, number, 20 * cells), *[20] * 4, cv2.BORDER_CONSTANT, value=230
    )
    drawn = drawn[:, ::-1] if mirrored else drawn
    side = drawn.shape[0]
    for corners in tags:
        middle = corners.mean(axis=0)
        outer = middle + (corners - middle) * (cells + 2) / cells
        there = CAMERA.pixel_from_ned(outer, pose).astype(np.float32)
        here = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32) - 0.5
        matrix = cv2.getPerspectiveTransform(here, there)
        big = cv2.warpPerspective(drawn, matrix, (640, 480), flags=cv2.INTER_AREA)
        mask = cv2.warpPerspective(np.full_like(drawn, 255), matrix, (640, 480))
        image = np.where(mask > 127, big, image)
    return cv2.cvtColor(image.astype(np.uint8), cv2.COLOR_GRAY2BGR)


def sighting_of(pose, place=(0.0, 0.0, 0.0), noise_px=0.0, rng=None, edge_m=0.6):
    """The corners as a picture would give them."""
    pixels = CAMERA.pixel_from_ned(corners_of(place, edge_m), pose)
    if noise_px:
        pixels = pixels + rng.normal(0.0, noise_px, pixels.shape)
    return PadSighting((tuple((float(u), float(v)) for u, v in pixels),))


# --- settings ---


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dictionary": "apriltag_36h11"}, "edge_m is missing"),
        ({"dictionary": "aruco_4x4_50", "id": 50, "edge_m": 0.5}, "tags 0 to 49"),
        ({"dictionary": "aruco_9x9_50", "edge_m": 0.5}, "dictionary"),
        ({"dictionary": "aruco_4x4_50", "edge_m": 0.5, "surface_m": 0.2}, "less than the tag"),
        ({"dictionary": "aruco_4x4_50", "edge_m": 0.5, "max_speed_mps": 1.5}, "max_speed_mps"),
    ],
)
def test_settings_that_no_pad_has_are_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        PadSettings.model_validate(values)


def test_no_pad_is_the_default():
    assert not PadSettings().enabled
    decision = Decider(DECISION, TAXONOMY, CAMERA, pad=PadSettings()).observe(
        seen(lambda n, e: np.full(n.shape, GRASS), pose_at(), SMALL), pose_at(), 0, None
    )
    assert decision.pad is None


# --- pictures ---


@pytest.mark.parametrize("dictionary", ["apriltag_36h11", "aruco_4x4_50", "aruco_6x6_250", "aruco_original"])
@pytest.mark.parametrize("tilt_deg", [(0, 0, 0), (8, -12, 130)])
def test_a_tag_is_read_and_lies_where_it_is(dictionary, tilt_deg):
    settings = PadSettings(dictionary=dictionary, id=7, edge_m=0.6)
    pose = pose_at(1.0, -1.5, 6.0, quaternion_from_euler(*map(math.radians, tilt_deg)))
    finder = PadFinder(settings)
    for _ in range(3):  # the whole picture, then around it
        sighting = finder.look(picture_of(pose, corners_of((0.4, -0.3, 0.0)), dictionary=dictionary))
        assert sighting is not None and len(sighting.tags) == 1
        fix = fit(sighting.tags[0], settings, CAMERA, pose, 0.0)
        assert isinstance(fix, PadFix), fix
        assert fix.position_ned_m == pytest.approx((0.4, -0.3, 0.0), abs=0.08)
        assert fix.error_px < 0.7


def test_another_number_and_a_mirrored_print_are_not_read():
    pose, finder = pose_at(height=4.0), PadFinder(PAD)
    assert finder.look(picture_of(pose, corners_of(), number=8)) is None
    assert finder.look(picture_of(pose, corners_of(), mirrored=True)) is None
    assert finder.look(picture_of(pose)) is None


def test_a_big_picture_is_searched_small_and_measured_whole():
    pose = pose_at(height=5.0)
    image = picture_of(pose, corners_of((0.5, 0.2, 0.0)))
    big = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    sighting = PadFinder(PAD).look(big)
    assert sighting is not None and len(sighting.tags) == 1
    fix = fit(sighting.tags[0], PAD, CAMERA.resized(2560, 1920), pose, 0.0)
    assert isinstance(fix, PadFix) and fix.position_ned_m == pytest.approx((0.5, 0.2, 0.0), abs=0.05)


# --- frauds ---


def test_a_second_tag_of_the_number_is_seen_though_the_first_is_known():
    pose, finder = pose_at(height=6.0), PadFinder(PAD)
    one, two = corners_of((1.0, 1.0, 0.0)), corners_of((-2.0, -2.5, 0.0))
    assert len(finder.look(picture_of(pose, one)).tags) == 1
    counts = [len(finder.look(picture_of(pose, one, two)).tags) for _ in range(6)]
    assert 2 in counts and counts[-1] == 2


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        (corners_of(edge_m=1.8), "wrong size"),  # a poster
        (corners_of(edge_m=0.2), "wrong size"),  # a leaflet
        (corners_of((0.0, 2.5, -1.3), edge_m=0.6, upright=True), "does not lie flat"),  # a shirt
        (corners_of()[::-1], "mirrored"),
    ],
)
def test_a_tag_that_cannot_be_the_pad_is_refused_in_words(corners, words):
    pose = pose_at(height=6.0)
    pixels = tuple((float(u), float(v)) for u, v in CAMERA.pixel_from_ned(corners, pose))
    answer = fit(pixels, PAD, CAMERA, pose, 0.0)
    assert isinstance(answer, str) and words in answer


def test_a_pad_on_a_trailer_is_no_wrong_size():
    pose = pose_at(height=5.0)
    answer = fit(sighting_of(pose, (0.0, 0.0, -0.8)).tags[0], PAD, CAMERA, pose, 0.0)
    assert isinstance(answer, PadFix) and answer.position_ned_m[2] == pytest.approx(-0.8, abs=0.02)


# --- the track ---


def follow(tracker, place_at, seconds, *, from_s=0.0, hz=5, height_m=6.0, noise_px=0.0, lost=lambda t: False):
    rng = np.random.default_rng(3)
    for k in range(1, round(seconds * hz) + 1):
        at_s = from_s + k / hz
        pose = pose_at(height=height_m, at_ns=round(at_s * S))
        sighting = None if lost(at_s) else sighting_of(pose, place_at(at_s), noise_px, rng)
        tracker.observe(sighting, pose, 0.0, pose.at_ns)


@pytest.mark.parametrize("speed_mps", [0.0, 0.5, 1.0])
def test_the_velocity_of_a_pad_is_measured(speed_mps):
    tracker = PadTracker(MOVING, DECISION, CAMERA)
    follow(tracker, lambda t: (speed_mps * t - 2.0, 0.5, 0.0), 4.0, noise_px=0.3)
    assert tracker.followed
    north_mps, east_mps = tracker.pad.velocity_ne_mps
    assert math.hypot(north_mps - speed_mps, east_mps) < 0.1
    ahead = tracker.place_ned_m(round(5.0 * S))
    assert ahead == pytest.approx((speed_mps * 5.0 - 2.0, 0.5, 0.0), abs=0.12)
    again = PadTracker(MOVING, DECISION, CAMERA)
    again.load_state_dict(tracker.state_dict())
    assert again.place_ned_m(5 * S) == ahead and again.report(4 * S) == tracker.report(4 * S)


def test_a_pad_that_moves_too_fast_is_not_used():
    for settings, speed_mps in ((MOVING, 1.8), (PAD, 0.6)):
        tracker = PadTracker(settings, DECISION, CAMERA)
        follow(tracker, lambda t, v=speed_mps: (v * t - 2.0, 0.5, 0.0), 3.0)
        assert not tracker.followed
        report = tracker.report(3 * S)
        assert report.state is PadState.REFUSED and "it moves too fast" in report.text


def test_one_bad_picture_of_a_followed_pad_is_forgiven_and_several_are_not():
    tracker = PadTracker(PAD, DECISION, CAMERA)
    follow(tracker, lambda t: (0.0, 0.0, 0.0), 2.0)
    pose = pose_at(height=6.0)
    one = sighting_of(pose).tags[0]
    for k in range(1, 4):
        tracker.observe(PadSighting((one, one)), pose, 0.0, 2 * S + k * S // 5)
        assert tracker.followed == (k < 3)
    assert tracker.report(3 * S).text == "Pad not used: several tags of its number are in the picture: 2"


def test_high_up_a_lost_pad_is_given_up_and_low_down_it_stands_for_a_time():
    high = PadTracker(MOVING, DECISION, CAMERA)
    follow(high, lambda t: (0.5 * t, 0.0, 0.0), 6.0, lost=lambda t: t > 3.0)
    assert not high.followed and high.report(6 * S).text == "Pad lost: looks for ground"
    low = PadTracker(MOVING, DECISION, CAMERA)
    follow(low, lambda t: (0.5 * t - 1.5, 0.0, 0.0), 5.8, height_m=3.0, lost=lambda t: t > 3.0)
    assert low.followed and low.blind_s(round(5.8 * S)) is None
    assert low.place_ned_m(round(5.8 * S))[0] == pytest.approx(1.4, abs=0.1)
    assert low.report(round(5.8 * S)).text == "Pad lost: lands where it was seen"
    assert low.blind_s(round(6.2 * S)) == pytest.approx(3.2)
    still = PadTracker(PAD, DECISION, CAMERA)
    follow(still, lambda t: (0.0, 0.0, 0.0), 8.0, height_m=3.0, lost=lambda t: t > 3.0)
    assert still.blind_s(8 * S) is None


def test_a_reset_of_the_estimator_moves_the_pad_with_its_ground():
    tracker = PadTracker(PAD, DECISION, CAMERA)
    follow(tracker, lambda t: (1.0, 0.0, 0.0), 2.0)
    tracker.moved(FrameShift(offset_ned_m=(5.0, -2.0, 1.0)))
    assert tracker.place_ned_m(2 * S) == pytest.approx((6.0, -2.0, 1.0), abs=0.05)


# --- beside the decision ---


def fly(decider, labels_at, from_s, seconds, *, place_at=lambda t: (3.0, 0.0, 0.0), height_m=8.0, sees=True):
    """Decide for a time at 5 Hz; the newest decision."""
    decision = None
    for k in range(1, round(seconds * 5) + 1):
        at_s = from_s + k / 5
        pose = pose_at(height=height_m, at_ns=round(at_s * S))
        segmentation = seen(lambda n, e, t=at_s: labels_at(n, e, t), pose, SMALL, pose.at_ns)
        sighting = sighting_of(pose, place_at(at_s)) if sees else None
        decision = decider.observe(segmentation, pose, pose.at_ns, sighting)
    return decision


def lawn(n, e, t):
    return np.full(n.shape, GRASS)


def lawn_with(label, place_at, radius_m):
    def labels_at(n, e, t):
        north, east = place_at(t)[:2]
        return np.where(np.hypot(n - north, e - east) <= radius_m, label, GRASS)

    return labels_at


def test_the_region_leads_until_the_tag_is_settled_and_then_the_pad_does():
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=PAD)
    region = fly(decider, lawn, 0.0, 2.0, sees=False).selection
    assert isinstance(region, LandingSite) and region.pad is None
    first = fly(decider, lawn, 2.0, 0.6).selection
    assert isinstance(first, LandingSite) and first.pad is None
    pad = fly(decider, lawn, 2.6, 1.0).selection
    assert isinstance(pad, LandingSite) and pad.pad is not None and pad.pad.tag == 7
    assert pad.position_ned_m == pytest.approx((3.0, 0.0, 0.0), abs=0.05) and pad.clearance_m > 1.0
    assert (pad.last_seen_ns - pad.first_seen_ns) >= S  # the director need not confirm it anew
    gone = fly(decider, lawn, 3.6, 3.0, sees=False)
    assert isinstance(gone.selection, LandingSite) and gone.selection.pad is None
    assert gone.pad is not None and gone.pad.state is PadState.LOST


def test_a_person_on_the_pad_is_an_intruder_and_no_other_place_is_offered():
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=PAD)
    assert isinstance(fly(decider, lawn, 0.0, 2.0).selection, LandingSite)
    person = lawn_with(PERSON, lambda t: (3.0, 0.0), 0.3)
    on_it = fly(decider, person, 2.0, 1.2, sees=False)  # the tag is hidden
    assert on_it.intruder is not None and on_it.intruder.role.value == "person"
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=PAD)
    fly(decider, lawn, 0.0, 2.0)
    beside = fly(decider, lawn_with(PERSON, lambda t: (3.0, 1.2), 0.3), 2.0, 1.2)
    assert beside.intruder is not None
    assert isinstance(beside.selection, NoSite) and "pad 7" in beside.selection.detail


def test_an_obstacle_beside_the_pad_refuses_it_and_when_it_is_gone_the_pad_is_confirmed_anew():
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=PAD)
    fly(decider, lawn, 0.0, 2.0)
    blocked = fly(decider, lawn_with(ROOF, lambda t: (3.0, 1.2), 0.4), 2.0, 6.0)
    assert isinstance(blocked.selection, NoSite) and "pad 7" in blocked.selection.detail
    clear = fly(decider, lawn, 8.0, 12.0).selection
    assert isinstance(clear, LandingSite) and clear.first_seen_ns > 8 * S


@pytest.mark.parametrize("label", [PERSON, ROOF])
def test_what_the_network_takes_the_tag_for_does_not_count_while_it_is_read(label):
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=MOVING)
    way = lambda t: (0.5 * t - 1.0, 0.5, 0.0)  # noqa: E731
    decision = fly(decider, lawn_with(label, way, 0.45), 0.0, 5.0, place_at=way)
    assert isinstance(decision.selection, LandingSite) and decision.intruder is None
    assert decision.selection.pad is not None and decision.selection.pad.speed_mps == pytest.approx(0.5, abs=0.1)
    assert decision.pad is not None and decision.pad.text.startswith("Pad followed: it moves at 0.")


def test_low_down_a_moving_pad_out_of_sight_becomes_no_site():
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=MOVING)
    way = lambda t: (0.3 * t - 0.6, 0.0, 0.0)  # noqa: E731
    assert isinstance(fly(decider, lawn, 0.0, 3.0, place_at=way, height_m=3.0).selection, LandingSite)
    soon = fly(decider, lawn, 3.0, 2.0, height_m=3.0, sees=False)
    assert isinstance(soon.selection, LandingSite) and soon.selection.pad is not None
    late = fly(decider, lawn, 5.0, 2.0, height_m=3.0, sees=False)
    assert isinstance(late.selection, NoSite) and "pad 7 not seen for" in late.selection.detail


def test_what_is_remembered_decides_the_same():
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=MOVING)
    way = lambda t: (0.5 * t - 1.0, 0.5, 0.0)  # noqa: E731
    fly(decider, lawn, 0.0, 2.0, place_at=way)
    other = Decider(DECISION, TAXONOMY, CAMERA, pad=MOVING)
    other.load_state_dict(decider.state_dict())
    assert fly(decider, lawn, 2.0, 1.0, place_at=way) == fly(other, lawn, 2.0, 1.0, place_at=way)


def test_the_target_leads_a_moving_pad_to_the_moment_of_the_pose():
    decider = Decider(DECISION, TAXONOMY, CAMERA, pad=MOVING)
    decision = fly(decider, lawn, 0.0, 4.0, place_at=lambda t: (0.5 * t - 2.0, 0.5, 0.0))
    now_ns = round(4.3 * S)
    pose = Pose(now_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -8.0), 8.0)
    vehicle = VehicleStatus(link_alive=True, armed=True, airborne=True, landing=True, mode="LAND")
    output = Director(DirectorSettings()).step(DirectorInput(now_ns, decision, pose, vehicle))
    assert output.target is not None
    assert output.target.offset_frd_m == pytest.approx((0.15, 0.5, 8.0), abs=0.05)
    assert output.target.velocity_ne_mps == pytest.approx((0.5, 0.0), abs=0.05)
    assert "on pad 7" in output.reason


# --- frauds that come in turn ---


def test_two_tags_that_are_read_in_turn_are_never_followed():
    tracker, states = PadTracker(MOVING, DECISION, CAMERA), set()
    for k in range(60):
        place = (3.0 * (k % 2), 0.0, 0.0)
        pose = pose_at(1.5, 0.0, 10.0)
        tracker.observe(sighting_of(pose, place), pose, 0.0, k * S // 8)
        states.add(tracker.report(k * S // 8).state)
    assert states == {PadState.FOUND}


def test_one_wrong_reading_now_and_then_does_not_end_a_pad():
    tracker = PadTracker(PAD, DECISION, CAMERA)
    pose = pose_at(0.0, 0.0, 10.0)
    for k in range(80):
        tracker.observe(sighting_of(pose, (3.0 * (k % 8 == 7), 0.0, 0.0)), pose, 0.0, k * S // 8)
    assert tracker.followed


def test_corners_where_the_lens_is_not_known_are_no_pad():
    nothing = math.nan
    said = fit(((nothing, 1.0), (2.0, 3.0), (4.0, 5.0), (6.0, 7.0)), PAD, CAMERA, pose_at(), 0.0)
    assert said == "its tag lies where the lens is not known"


def test_a_picture_of_another_size_is_searched_anew():
    finder = PadFinder(PAD)
    whole = picture_of(pose_at(0.0, 0.0, 6.0), corners_of((1.5, 1.5, 0.0)))
    assert finder.look(whole) is not None
    assert finder.look(np.ascontiguousarray(whole[:100, :100])) is None
    assert finder.look(whole) is not None


def test_a_moving_pad_keeps_its_course_over_ground_when_the_local_frame_turns():
    east = LandingSite((4.0, 0.0, 0.0), 1.0, 1.0, 0, 0, pad=Pad(7, (0.0, 1.0)))
    before, turned = EstimatorFrame(), EstimatorFrame().moved(FrameShift(math.pi / 2, (1.0, 0.0, 0.0)))
    here = Decision(east, 0, 0, frame=before).in_frame(turned)
    assert here is not None and isinstance(here.selection, LandingSite)
    tracker = SiteTracker(DecisionSettings(), {})
    tracker.site = east
    tracker.moved(turned.shift)
    for site in (here.selection, tracker.site):
        assert site.position_ned_m == pytest.approx((1.0, 4.0, 0.0))
        assert site.pad is not None and site.pad.velocity_ne_mps == pytest.approx((-1.0, 0.0))
