from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.camera import CameraModel
from landing.decider import Decider
from landing.errors import InvalidValueError
from landing.geometry import quaternion_from_euler
from landing.ground.map import GroundMap
from landing.ground.merge import remove_small_objects, smoothed
from landing.ground.plane import GroundPlane
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.taxonomy import Role
from landing.types import Frame, Pose, Segmentation
from tests.landing.worlds import CAMERA, GRASS, PERSON, ROOF, TAXONOMY, UNKNOWN, pose_at, seen

S = 1_000_000_000
SETTINGS = DecisionSettings()


def square_of_grass(north, east, half):
    """Roof everywhere but for one square of grass."""
    return lambda n, e: np.where((abs(n - north) <= half) & (abs(e - east) <= half), GRASS, ROOF)


def fly(decider, labels_at, poses):
    decision = None
    for pose in poses:
        segmentation = seen(labels_at, pose, at_ns=pose.at_ns)
        decision = decider.observe(segmentation, pose, pose.at_ns + S // 20)
    assert decision is not None
    return decision


def hovering(frames=10, start_ns=0, **kwargs):
    return [pose_at(at_ns=start_ns + k * S // 10, **kwargs) for k in range(frames)]


@pytest.mark.parametrize("yaw_deg", [0, 57, 180, 301])
@pytest.mark.parametrize("tilt", [(0, 0), (12, -9), (-20, 5)])
def test_finds_the_square_whatever_the_attitude(yaw_deg, tilt):
    attitude = quaternion_from_euler(*map(math.radians, (*tilt, yaw_deg)))
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    decision = fly(decider, square_of_grass(2.0, -3.0, 3.0), hovering(attitude=attitude))
    site = decision.selection
    assert isinstance(site, LandingSite), site
    # The whole square may not be in view when tilted: the site must lie well inside all the same.
    assert abs(site.position_ned_m[0] - 2.0) < 2.0 and abs(site.position_ned_m[1] + 3.0) < 2.0
    assert site.position_ned_m[2] == pytest.approx(0.0, abs=1e-6)
    assert site.clearance_m <= 3.0


def test_level_view_gives_the_centre_of_the_square():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    site = fly(decider, square_of_grass(1.5, -2.0, 3.0), hovering()).selection
    assert isinstance(site, LandingSite)
    np.testing.assert_allclose(site.position_ned_m, (1.5, -2.0, 0.0), atol=0.35)
    # 3 m to the roof, less what is asked of its clearance from 12 m, less the map's own caution.
    most_m = 3.0 - SETTINGS.standing_clearance.share(12.0) * TAXONOMY.clearance_of(Role.OBSTACLE)
    assert most_m - 0.6 < site.clearance_m <= most_m + SETTINGS.grid.cell_m / 2
    assert site.confidence is None  # no curve was given


def test_world_turned_by_a_quarter_turns_the_site():
    def turned(n, e):
        return square_of_grass(1.5, -2.0, 3.0)(e, -n)

    a = fly(Decider(SETTINGS, TAXONOMY, CAMERA), square_of_grass(1.5, -2.0, 3.0), hovering())
    attitude = quaternion_from_euler(0, 0, math.pi / 2)
    b = fly(Decider(SETTINGS, TAXONOMY, CAMERA), turned, hovering(attitude=attitude))
    assert isinstance(a.selection, LandingSite) and isinstance(b.selection, LandingSite)
    n, e, _ = a.selection.position_ned_m
    np.testing.assert_allclose(b.selection.position_ned_m, (-e, n, 0), atol=0.3)


def test_single_look_decides_from_one_picture():
    decider = Decider(SETTINGS.single_look(), TAXONOMY, CAMERA)
    decision = fly(decider, square_of_grass(0, 0, 4.0), hovering(1))
    assert isinstance(decision.selection, LandingSite)


def test_small_person_is_seen_from_high_up_and_kept_clear_of():
    def labels(n, e):
        return np.where(np.hypot(n - 1.0, e - 1.0) < 0.3, PERSON, GRASS)

    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    site = fly(decider, labels, hovering(height=25.0)).selection
    assert isinstance(site, LandingSite)
    away = math.hypot(site.position_ned_m[0] - 1.0, site.position_ned_m[1] - 1.0)
    assert away >= TAXONOMY.clearance_of(Role.PERSON) + SETTINGS.required_radius_m


def test_site_is_given_up_when_a_person_walks_onto_it():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    first = fly(decider, square_of_grass(0, 0, 3.0), hovering(10)).selection
    assert isinstance(first, LandingSite)

    def with_person(n, e):
        return np.where(np.hypot(n, e) < 0.4, PERSON, square_of_grass(0, 0, 3.0)(n, e))

    after = fly(decider, with_person, hovering(6, start_ns=S)).selection
    assert isinstance(after, NoSite)
    again = fly(decider, square_of_grass(0, 0, 3.0), hovering(30, start_ns=2 * S)).selection
    assert isinstance(again, LandingSite)
    assert again.first_seen_ns > S


def test_site_stays_while_the_vehicle_descends_on_it_and_survives_the_blind_end():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    sites, poses = [], []
    for k in range(130):
        height = max(0.3, 15.0 - k * 0.12)
        poses.append(pose_at(height=height, at_ns=k * S // 10))
    for pose in poses:
        decision = fly(decider, square_of_grass(0.5, 0.5, 3.0), [pose])
        sites.append(decision.selection)
    assert all(isinstance(site, LandingSite) for site in sites[3:])
    places = {tuple(np.round(site.position_ned_m[:2], 3)) for site in sites[3:]}
    assert len(places) == 1
    last = sites[-1]
    assert last.last_seen_ns < poses[-1].at_ns  # too low to see: the evidence grows old, and says so


@pytest.mark.parametrize("how", ["picture", "height"])
def test_a_person_in_the_last_frame_is_not_forgotten_while_blind_near_the_ground(how):
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)

    def somebody(n, e):
        return np.where(np.hypot(n - 0.3, e) < 0.3, PERSON, GRASS)

    def blind(at_ns):
        pose = pose_at(height=1.1, at_ns=at_ns)
        if how == "picture":
            return decider.refuse(NoSite(NoSiteReason.BAD_PICTURE, "blurred"), pose, at_ns, at_ns)
        pose = replace(pose, height_agl_m=None)
        return decider.observe(seen(somebody, pose_at(height=1.1, at_ns=at_ns), at_ns=at_ns), pose, at_ns)

    heights = [*np.linspace(8.0, 1.3, 50), *[1.1] * 5]
    fly(
        decider,
        lambda n, e: np.full(n.shape, GRASS),
        [pose_at(height=h, at_ns=k * S // 10) for k, h in enumerate(heights)],
    )
    assert isinstance(blind(6 * S).selection, LandingSite)
    assert fly(decider, somebody, [pose_at(height=1.1, at_ns=6 * S + S // 10)]).intruder is not None
    assert all(isinstance(blind(6 * S + k * S // 10).selection, NoSite) for k in range(2, 30))


def test_a_height_that_comes_again_as_another_one_is_not_believed_at_once():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    fly(decider, square_of_grass(0, 0, 30), hovering(20, height=25.0))
    up = [replace(pose_at(height=80.0, at_ns=2 * S + k * S), height_agl_m=None) for k in range(60)]
    fly(decider, square_of_grass(0, 0, 30), up)
    back = [replace(pose_at(height=25.0, at_ns=70 * S + k * S // 10), height_agl_m=13.0) for k in range(60)]
    decisions = [fly(decider, square_of_grass(0, 0, 30), [pose]) for pose in back]
    early = [d.selection for d in decisions[:20]]
    assert all(isinstance(s, NoSite) and s.reason is NoSiteReason.NO_HEIGHT for s in early)
    assert "another one" in early[0].detail
    site = decisions[-1].selection
    assert isinstance(site, LandingSite) and site.position_ned_m[2] == pytest.approx(-12.0, abs=0.1)


def test_unknown_ground_is_never_landable():
    decision = fly(Decider(SETTINGS, TAXONOMY, CAMERA), lambda n, e: np.full(n.shape, UNKNOWN), hovering())
    assert isinstance(decision.selection, NoSite)
    assert decision.selection.reason is NoSiteReason.NOTHING_LANDABLE


@pytest.mark.parametrize(
    ("pose", "reason"),
    [
        (None, NoSiteReason.NO_POSE),
        (Pose(0, None, (0, 0, -10), 10), NoSiteReason.NO_POSE),
        (Pose(0, (1, 0, 0, 0), None, 10), NoSiteReason.NO_POSE),
        (Pose(0, (1, 0, 0, 0), (0, 0, -10), None), NoSiteReason.NO_HEIGHT),
        (pose_at(height=0.0), NoSiteReason.HEIGHT_OUT_OF_RANGE),
        (pose_at(height=-3.0), NoSiteReason.HEIGHT_OUT_OF_RANGE),
        (pose_at(height=500.0), NoSiteReason.HEIGHT_OUT_OF_RANGE),
        (pose_at(attitude=quaternion_from_euler(0.9, 0, 0)), NoSiteReason.TILT_TOO_LARGE),
    ],
)
def test_missing_evidence_has_a_reason(pose, reason):
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    segmentation = seen(square_of_grass(0, 0, 5), pose_at())
    decision = decider.observe(segmentation, pose, 0)
    assert isinstance(decision.selection, NoSite)
    assert decision.selection.reason is reason


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_never_gets_into_a_pose(bad):
    with pytest.raises(InvalidValueError):
        Pose(0, (bad, 0, 0, 0))
    with pytest.raises(InvalidValueError):
        Pose(0, (1, 0, 0, 0), (0, bad, 0))
    with pytest.raises(InvalidValueError):
        Pose(0, (1, 0, 0, 0), (0, 0, 0), bad)
    with pytest.raises(InvalidValueError):
        Pose(0, (0, 0, 0, 0))


ANY = st.floats(allow_nan=True, allow_infinity=True)


def test_a_position_that_no_vehicle_has_gives_no_site_and_no_error():
    plane = np.zeros((8, 8), np.uint8)
    segmentation = Segmentation(plane, plane, np.stack([plane] * 4), 0)
    decision = Decider(SETTINGS, TAXONOMY, CAMERA).observe(
        segmentation, Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 3.6e307, 0.0), 1.0), 0
    )
    assert isinstance(decision.selection, NoSite) and "farther than 1e+07 m" in decision.selection.detail


@settings(max_examples=200, deadline=None)
@given(
    quaternion=st.one_of(st.none(), st.tuples(ANY, ANY, ANY, ANY), st.just((1.0, 0.0, 0.0, 0.0))),
    position=st.one_of(st.none(), st.tuples(ANY, ANY, ANY)),
    height=st.one_of(st.none(), ANY, st.floats(0, 150)),
    size=st.sampled_from([(1, 1), (1, 7), (3, 2), (24, 32)]),
    fill=st.integers(0, 255),
    at_ns=st.integers(-(2**62), 2**62),
)
def test_no_input_raises_anything_but_the_documented_error(quaternion, position, height, size, fill, at_ns):
    try:
        pose = Pose(at_ns, quaternion, position, height)
        plane = np.full(size, fill, np.uint8)
        segmentation = Segmentation(plane, plane, np.stack([plane] * 4), at_ns)
        decider = Decider(SETTINGS, TAXONOMY, CAMERA)
        for _ in range(2):
            decision = decider.observe(segmentation, pose, at_ns)
    except InvalidValueError:
        return
    assert isinstance(decision.selection, LandingSite | NoSite)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_frame_checks_its_picture(image):
    with pytest.raises(InvalidValueError):
        Frame(image, 0, 0)


def test_segmentation_checks_its_shapes():
    a, b = np.zeros((4, 5), np.uint8), np.zeros((4, 6), np.uint8)
    for args in [(a, b, np.stack([a] * 4)), (a, a, np.stack([a] * 3)), (a[:0], a[:0], a[None, :0])]:
        with pytest.raises(InvalidValueError):
            Segmentation(*args)


def test_forward_camera_uses_no_ground_beyond_its_reach():
    camera = CameraModel.from_hfov(160, 120, 80.0)
    tilted = quaternion_from_euler(0, math.radians(39), 0)
    ground = GroundMap(SETTINGS, TAXONOMY)
    pose = pose_at(attitude=tilted, height=10.0)
    grass = seen(lambda n, e: np.full(n.shape, GRASS), pose, camera)
    assert ground.update(grass, camera, pose, 0.0) > 0
    view = ground.view(0)
    assert view is not None
    rows, columns = np.nonzero(view.known)
    north = view.south_west_m[0] + (rows + 0.5) * view.cell_m
    east = view.south_west_m[1] + (columns + 0.5) * view.cell_m
    reach = 10.0 * math.tan(math.radians(SETTINGS.view.max_angle_deg))
    assert np.hypot(north, east).max() <= reach


def test_map_follows_the_vehicle_and_changes_scale():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    grass = square_of_grass(0.0, 0.0, 4.0)
    fly(decider, grass, hovering(5, height=80.0))
    assert decider.last_view is not None and decider.last_view.cell_m > 0.2
    poses = [pose_at(north=k * 0.3, height=80.0 - 6 * k, at_ns=(10 + k) * S // 10) for k in range(11)]
    decision = fly(decider, grass, poses)
    assert decider.last_view.cell_m == pytest.approx(0.2)
    assert isinstance(decision.selection, LandingSite)
    np.testing.assert_allclose(decision.selection.position_ned_m[:2], (0, 0), atol=1.5)


LEANING = quaternion_from_euler(math.radians(50), 0, 0)
UNUSABLE = {
    "no pose": None,
    "too high": pose_at(height=SETTINGS.max_height_m + 1, at_ns=S),
    "leaning": pose_at(attitude=LEANING, at_ns=S),
}


@pytest.mark.parametrize("why", ["bad picture", *UNUSABLE])
def test_a_decision_without_a_map_shows_none(why: str) -> None:
    """The map of an older frame, stamped as this one's, would be taken for what is there now."""
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    grass, pose = square_of_grass(0.0, 0.0, 4.0), pose_at(at_ns=S)
    fly(decider, grass, hovering(10))
    assert decider.last_view is not None and decider.last_clearance_m is not None
    if why == "bad picture":
        decision = decider.refuse(NoSite(NoSiteReason.BAD_PICTURE, "black"), pose, S, S)
    else:
        decision = decider.observe(seen(grass, pose, at_ns=S), UNUSABLE[why], S)
    assert isinstance(decision.selection, NoSite)
    assert decider.last_view is None and decider.last_clearance_m is None


def test_ground_not_seen_for_long_is_unknown():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    fly(decider, square_of_grass(0, 0, 4), hovering(10))
    view = decider.ground_map.view(int(S + (SETTINGS.grid.max_age_s + 0.1) * S))
    assert view is not None
    assert not view.free.any() and not view.known.any()


def test_plane_ignores_a_roof_that_passes_below_and_follows_new_ground():
    plane = GroundPlane()
    assert plane.update(0.0, 15.0, 0) == (0.0, False)
    for k in range(1, 10):
        assert plane.update(-4.0, 11.0, k * S // 10)[0] == pytest.approx(0.0)
    assert plane.update(0.02, 15.0, S)[1] is False
    for k in range(11, 40):
        down, other = plane.update(-4.0, 11.0, k * S // 10)
        if other:
            break
    assert other and down == -4.0


def test_noise_filter_drops_a_speck_but_keeps_a_person():
    landable = np.zeros((20, 20), np.uint8)
    hazards = np.zeros((4, 20, 20), np.uint8)
    hazards[2, 3, 3] = 255  # one pixel of noise
    hazards[2, 10:13, 10:13] = 255  # a person of 3 x 3 pixels
    out = smoothed(Segmentation(landable, landable, hazards), 3)
    assert out.hazards[2, 3, 3] < 0.2 * 255
    assert out.hazards[2, 11, 11] == 255
    tiny = np.zeros((1, 1), np.uint8)
    assert smoothed(Segmentation(tiny, tiny, np.zeros((4, 1, 1), np.uint8)), 9).shape == (1, 1)


def test_site_does_not_flap_between_two_nearly_equal_regions():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    places = set()
    for k in range(60):
        wobble = 0.2 if k % 2 else -0.2

        def labels(n, e, wobble=wobble):
            left = (abs(n) <= 3.0 + wobble) & (abs(e + 5) <= 3.0)
            right = (abs(n) <= 3.0 - wobble) & (abs(e - 5) <= 3.0)
            return np.where(left | right, GRASS, ROOF)

        site = fly(decider, labels, [pose_at(height=18.0, at_ns=k * S // 10)]).selection
        if isinstance(site, LandingSite):
            places.add(np.sign(site.position_ned_m[1]))
    assert len(places) == 1


def test_specks_go_but_people_stay_whatever_the_height():
    plane = np.zeros((40, 40), np.uint8)
    hazards = np.zeros((4, 40, 40), np.uint8)
    hazards[2, 5:7, 5:7] = 230  # 2 x 2 px
    hazards[2, 20:24, 20:25] = 60  # 4 x 5 px, faint
    hazards[0, 5:7, 30:32] = 255  # an obstacle may be thin: a post, a wire
    out = remove_small_objects(Segmentation(plane, plane, hazards), 3)
    assert not out.hazards[2, :10, :10].any()
    assert (out.hazards[2, 20:24, 20:25] == 60).all()
    assert (out.hazards[0] == hazards[0]).all()
    assert remove_small_objects(out, 1) is out

    def person(n, e):
        return np.where((abs(n - 1.0) < 0.18) & (abs(e - 1.0) < 0.25), PERSON, GRASS)

    for height in (4.0, 9.0, 15.0, 24.0):
        decider = Decider(SETTINGS, TAXONOMY, CAMERA)
        fly(decider, person, hovering(height=height))
        assert decider.last_view is not None
        cell = decider.last_view.cell_of(1.0, 1.0)
        assert cell is not None and decider.last_view.hazards[Role.PERSON][cell], height


def walker(east):
    """Grass with one person at (0, east)."""
    return lambda n, e: np.where((abs(n) < 0.25) & (abs(e - east) < 0.25), PERSON, GRASS)


def test_who_walks_into_the_site_is_told_by_the_first_frame_however_long_it_was_empty():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    before = fly(decider, lambda n, e: np.full(n.shape, GRASS), hovering(40, height=8.0))
    assert isinstance(before.selection, LandingSite) and before.intruder is None
    north, east, _ = before.selection.position_ned_m
    assert math.hypot(north, east) < 0.5
    after = fly(decider, walker(east + 4.0), [pose_at(height=8.0, at_ns=4 * S)])
    assert after.intruder is not None and after.intruder.role is Role.PERSON
    assert after.intruder.clearance_m < SETTINGS.required_radius_m
    # The site itself stays for `lost_after_s`: one wrong frame does not lead elsewhere.
    assert isinstance(after.selection, LandingSite)
    assert after.selection.position_ned_m[:2] == before.selection.position_ned_m[:2]


def test_a_single_wrong_frame_is_forgotten_in_three_and_keeps_the_site():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    grass = lambda n, e: np.full(n.shape, GRASS)  # noqa: E731
    site = fly(decider, grass, hovering(20, height=8.0)).selection
    assert isinstance(site, LandingSite)
    flash = fly(decider, walker(1.0), [pose_at(height=8.0, at_ns=2 * S)])
    assert flash.intruder is not None
    later = fly(decider, grass, hovering(3, start_ns=2 * S + S // 10, height=8.0))
    assert later.intruder is None and isinstance(later.selection, LandingSite)
    assert later.selection.position_ned_m[:2] == site.position_ned_m[:2]


def descended(labels_at, to_m, decider):
    """Flown down to a height over a site; the decisions, and the time of the last."""
    decision, at_ns = None, 0
    for k in range(60):
        at_ns = k * S // 10
        decision = fly(decider, labels_at, [pose_at(height=max(to_m, 6.0 - k * 0.1), at_ns=at_ns)])
    return decision, at_ns


@pytest.mark.parametrize("height_m", [1.1, 0.7, 0.4])
def test_too_low_to_judge_the_ground_people_are_still_seen(height_m):
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    grass = lambda n, e: np.full(n.shape, GRASS)  # noqa: E731
    before, at_ns = descended(grass, height_m, decider)
    assert isinstance(before.selection, LandingSite) and before.intruder is None
    poses = [pose_at(height=height_m, at_ns=at_ns + (k + 1) * S // 10) for k in range(5)]
    first = fly(decider, walker(0.2), poses[:1])
    assert first.intruder is not None and first.intruder.role is Role.PERSON
    assert isinstance(fly(decider, walker(0.2), poses[1:]).selection, NoSite)


def test_too_low_to_judge_the_ground_no_patch_of_it_ends_the_landing():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    grass = lambda n, e: np.full(n.shape, GRASS)  # noqa: E731
    before, at_ns = descended(grass, 1.0, decider)
    poses = hovering(20, start_ns=at_ns + S // 10, height=1.0)
    after = fly(decider, lambda n, e: np.full(n.shape, ROOF), poses)
    assert isinstance(after.selection, LandingSite)
    assert after.selection.position_ned_m == before.selection.position_ned_m
    # What is known of the ground grows old meanwhile, says so, and in the end does not hold.
    assert after.selection.last_seen_ns == before.selection.last_seen_ns
    late = hovering(160, start_ns=poses[-1].at_ns + S // 10, height=1.0)
    assert isinstance(fly(decider, grass, late).selection, NoSite)


@pytest.mark.parametrize("height_m", [2.5, 1.0, 0.5])
def test_who_is_below_is_told_low_down_though_the_site_is_lost(height_m):
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    roof = lambda n, e: np.full(n.shape, ROOF)  # noqa: E731
    lost = fly(decider, roof, hovering(20, height=height_m))
    assert isinstance(lost.selection, NoSite) and lost.intruder is None
    somebody = lambda n, e: np.where(walker(0.1)(n, e) == PERSON, PERSON, ROOF)  # noqa: E731
    after = fly(decider, somebody, hovering(1, start_ns=2 * S, height=height_m))
    assert isinstance(after.selection, NoSite)
    assert after.intruder is not None and after.intruder.role is Role.PERSON


@pytest.mark.parametrize(("height_m", "stopped"), [(3.2, True), (8.0, False)])
def test_who_is_below_a_low_vehicle_beside_its_site_is_told(height_m, stopped):
    """A mode that follows no target comes down where it is, whatever the site is."""
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    wide = square_of_grass(0.0, 9.0, 4.0)
    found = fly(decider, wide, hovering(20, height=12.0))
    assert isinstance(found.selection, LandingSite) and found.selection.position_ned_m[1] > 6.0
    people = lambda n, e: np.where(np.hypot(n, e) < 0.4, PERSON, wide(n, e))  # noqa: E731
    after = fly(decider, people, hovering(2, start_ns=3 * S, height=height_m))
    assert isinstance(after.selection, LandingSite)
    assert (after.intruder is not None) is stopped


def test_who_is_below_without_a_site_is_nobodys_business_higher_up():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    somebody = lambda n, e: np.where(walker(0.1)(n, e) == PERSON, PERSON, ROOF)  # noqa: E731
    after = fly(decider, somebody, hovering(20, height=6.0))
    assert isinstance(after.selection, NoSite) and after.intruder is None


def test_who_fills_the_picture_is_seen_in_parts():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    grass = lambda n, e: np.full(n.shape, GRASS)  # noqa: E731
    _, at_ns = descended(grass, 0.5, decider)
    # A hand's breadth of somebody: narrower than anybody is, and 25 pixels of the picture.
    part = lambda n, e: np.where((abs(n) < 0.05) & (abs(e) < 0.05), PERSON, GRASS)  # noqa: E731
    after = fly(decider, part, [pose_at(height=0.5, at_ns=at_ns + S // 10)])
    assert after.intruder is not None


def test_from_too_low_no_site_is_chosen():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    grass = lambda n, e: np.full(n.shape, GRASS)  # noqa: E731
    selection = fly(decider, grass, hovering(20, height=1.0)).selection
    assert isinstance(selection, NoSite)
    assert selection.reason is NoSiteReason.HEIGHT_OUT_OF_RANGE


def test_nobody_is_an_intruder_before_there_is_a_site_or_at_its_distance():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    poses = hovering(20, height=10.0)
    decisions = [fly(decider, walker(2.0), [pose]) for pose in poses]
    assert isinstance(decisions[-1].selection, LandingSite)
    assert all(d.intruder is None for d in decisions)
