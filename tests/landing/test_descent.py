"""What changes with the height: where a site may be, what it must keep, how it is followed down."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.camera import CameraModel
from landing.choice.picker import (
    Candidate,
    LostPlace,
    clean_regions,
    clearance_grid,
    hazard_clearance_grid,
    pick,
    score_grid,
)
from landing.decider import Decider
from landing.decision_groups import Grid, StandingClearance, UnsafeMemory
from landing.errors import InvalidValueError
from landing.ground.map import GroundMap
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.taxonomy import HAZARD_ROLES, Role
from tests.landing.test_picker import N, blobs, choose, view_of
from tests.landing.worlds import CAMERA, GRASS, PERSON, ROOF, TAXONOMY, WATER, pose_at, seen

S = 1_000_000_000
SETTINGS = DecisionSettings()


def everywhere(label):
    return lambda n, e: np.full(n.shape, label)


def disc(north, east, radius, inside=GRASS, outside=ROOF):
    return lambda n, e: np.where(np.hypot(n - north, e - east) < radius, inside, outside)


def look(decider, labels_at, height, at_ns, camera=CAMERA):
    pose = pose_at(height=height, at_ns=at_ns)
    return decider.observe(seen(labels_at, pose, camera, at_ns), pose, at_ns + S // 20)


def looks(decider, labels_at, height, count, start_ns=0):
    decision = None
    for k in range(count):
        decision = look(decider, labels_at, height, start_ns + k * S // 10)
    assert decision is not None
    return decision


def test_cells_stay_fine_enough_from_any_height():
    wide = CameraModel.from_hfov(160, 120, 95.0)
    ground = GroundMap(SETTINGS, TAXONOMY)
    pose = pose_at(height=100.0)
    ground.update(seen(everywhere(GRASS), pose, wide), wide, pose, 0.0)
    view = ground.view(0)
    assert view is not None and view.cell_m <= 0.4
    rows, columns = view.free.shape
    assert min(rows, columns) * view.cell_m >= 2 * SETTINGS.max_distance_m


def picked(view, height_m, vehicle=(0.0, 0.0), chosen=SETTINGS):
    room = clearance_grid(view, hazard_clearance_grid(view, TAXONOMY, chosen))
    regions = clean_regions(view, room, chosen, vehicle)
    return pick(view, room, regions, chosen, vehicle, height_m)


def two_lawns():
    """A small one around (-2, 0), radius 2.2 m, and a large one around (16, 0)."""
    free = np.zeros((240, 240), bool)
    rows, columns = np.indices(free.shape)
    north, east = (rows - 119.5) * 0.2, (columns - 119.5) * 0.2
    free |= np.hypot(north + 2, east) < 2.2
    free |= np.hypot(north - 14, east) < 8
    return view_of(free)


def test_more_room_is_worth_a_way_from_high_up_but_out_of_reach_from_low_down():
    high = picked(two_lawns(), 40.0)
    assert isinstance(high, Candidate) and high.north_m > 5
    low = picked(two_lawns(), 2.0)
    assert isinstance(low, Candidate) and low.north_m < 0


def test_what_is_out_of_reach_is_no_site():
    free = np.zeros((240, 240), bool)
    free[200:, :] = True
    best = picked(view_of(free), 3.0)
    assert isinstance(best, NoSite) and best.reason is NoSiteReason.TOO_SMALL
    assert "farther than 9 m" in best.detail
    assert isinstance(picked(view_of(free), 30.0), Candidate)


def test_of_two_alike_places_the_one_where_nobody_was_lately_is_worth_more():
    free = np.zeros((N, N), np.bool_)
    free[4:20, 4:20] = free[4:20, 28:44] = True  # two squares of 3.2 m, west and east
    visited = np.zeros((N, N), np.bool_)  # south-west corner first: rows go north
    west = picked(view_of(free, visited=visited), 12.0, (-2.0, -0.3))
    visited[12, 6] = True
    east = picked(view_of(free, visited=visited), 12.0, (-2.0, -0.3))
    assert isinstance(west, Candidate) and isinstance(east, Candidate)
    assert west.east_m < 0.0 < east.east_m


def test_of_two_alike_places_the_one_where_no_site_was_lost_is_worth_more():
    free = np.zeros((N, N), np.bool_)
    free[4:20, 4:20] = free[4:20, 28:44] = True
    view = view_of(free)
    room = clearance_grid(view, hazard_clearance_grid(view, TAXONOMY, SETTINGS))
    regions, vehicle = clean_regions(view, room, SETTINGS, (-2.0, -0.3)), (-2.0, -0.3)
    west = pick(view, room, regions, SETTINGS, vehicle, 12.0)
    assert isinstance(west, Candidate) and west.east_m < 0.0
    lost = LostPlace(west.north_m, west.east_m, reach_m=4.0)
    worth = score_grid(view, room, SETTINGS, vehicle, 12.0, [lost])
    east = pick(view, room, regions, SETTINGS, vehicle, 12.0, worth)
    assert isinstance(east, Candidate) and east.east_m > 0.0
    # Lost from so high that both were in the doubtful part of the picture: no reason for either.
    wide = lost._replace(north_m=west.north_m, east_m=0.0, reach_m=20.0)
    worth = score_grid(view, room, SETTINGS, vehicle, 12.0, [wide])
    again = pick(view, room, regions, SETTINGS, vehicle, 12.0, worth)
    assert isinstance(again, Candidate) and again.east_m < 0.0


def two_places(north, roof_at_first):
    """Grass around (0, 0) and around (north, 0); at the first a roof, seen only from low down."""

    def labels(n, e):
        grass = (np.hypot(n, e) < 3.0) | (np.hypot(n - north, e) < 3.0)
        roof = (np.hypot(n, e) < 1.5) if roof_at_first else np.zeros(n.shape, bool)
        return np.where(grass & ~roof, GRASS, ROOF)

    return labels


def test_a_site_lost_to_its_ground_is_not_gone_back_to_where_there_is_another():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    first = looks(decider, two_places(12.0, False), 14.0, 30).selection
    assert isinstance(first, LandingSite) and first.position_ned_m[0] < 4.0
    lost = looks(decider, two_places(12.0, True), 7.0, 60, 4 * S).selection
    assert isinstance(lost, NoSite)
    again = looks(decider, two_places(12.0, False), 20.0, 100, 12 * S).selection
    assert isinstance(again, LandingSite) and again.position_ned_m[0] > 8.0
    # Not for ever, and it is part of what a recording is decided again from.
    other = Decider(SETTINGS, TAXONOMY, CAMERA)
    other.load_state_dict(decider.state_dict())
    places = [d._tracker.lost_places(22 * S) for d in (decider, other)]
    assert len(places[0]) == 1 and places[0] == places[1]
    assert decider._tracker.lost_places(round((SETTINGS.blacklist.memory_s + 12) * S)) == []


@pytest.mark.parametrize(("height_m", "reach_m"), [(5.0, 5.0), (14.0, 11.2)])
def test_the_higher_a_site_is_lost_the_wider_the_doubtful_ground_around_it(height_m, reach_m):
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    assert isinstance(looks(decider, disc(0, 0, 3.0), height_m, 30).selection, LandingSite)
    assert isinstance(looks(decider, everywhere(ROOF), height_m, 80, 4 * S).selection, NoSite)
    (place,) = decider._tracker.lost_places(12 * S)
    assert place.reach_m == pytest.approx(reach_m, abs=0.1)


def test_a_site_that_somebody_came_to_is_as_good_as_before_when_they_have_gone():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    looks(decider, everywhere(GRASS), 8.0, 30)
    assert isinstance(looks(decider, everywhere(PERSON), 8.0, 10, 4 * S).selection, NoSite)
    assert decider._tracker.lost_places(6 * S) == []


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), height_m=st.floats(0, 100), role=st.sampled_from(HAZARD_ROLES), share=st.floats(0, 1)
)
def test_more_hazard_is_never_worth_more_whatever_the_height(seed, height_m, role, share):
    free = blobs(seed, 0.8)
    extra = np.random.default_rng(seed).random((N, N)) < 0.02
    grids = []
    for view in (view_of(free), view_of(free, {role: extra})):
        hazard_room = hazard_clearance_grid(view, TAXONOMY, SETTINGS, standing_share=share)
        room = clearance_grid(view, hazard_room)
        grids.append(score_grid(view, room, SETTINGS, (0.0, 0.0), height_m))
    assert (grids[1] <= grids[0] + 1e-6).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), height_m=st.floats(0, 100))
def test_a_site_from_any_height_lies_on_clean_ground_with_room_for_the_vehicle(seed, height_m):
    chosen = SETTINGS.model_copy(update={"vehicle_radius_m": 0.3, "margin_m": 0.3})
    view = view_of(blobs(seed, 0.85))
    best = picked(view, height_m, chosen=chosen)
    if isinstance(best, NoSite):
        return
    assert best.clearance_m >= chosen.required_radius_m + chosen.new_site_margin_m - 1e-6
    cell = view.cell_of(best.north_m, best.east_m)
    assert cell is not None and view.free[cell]


def test_without_a_height_the_largest_region_wins_as_ever():
    best, _, _ = choose(two_lawns(), settings=SETTINGS)
    assert isinstance(best, Candidate) and best.north_m > 5


def test_the_clearance_of_what_stands_grows_to_its_whole_on_the_way_down():
    shares = [SETTINGS.standing_clearance.share(h) for h in (0.0, 6.0, 12.0, 18.0, 100.0)]
    assert shares == [1.0, 1.0, 0.5, 0.0, 0.0]
    lawn = disc(0, 0, 2.15)  # wide enough for the vehicle, not for the clearance of 1 m as well
    high = looks(Decider(SETTINGS, TAXONOMY, CAMERA), lawn, 35.0, 15).selection
    assert isinstance(high, LandingSite)
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    looks(decider, lawn, 35.0, 15)
    at_ns, height = 2 * S, 35.0
    while height > SETTINGS.standing_clearance.near_height_m:
        height -= 0.3
        at_ns += S // 5
        last = look(decider, lawn, height, at_ns)
    assert isinstance(last.selection, NoSite)


def test_people_keep_their_whole_clearance_from_high_up():
    def labels(n, e):
        return np.where(np.hypot(n, e) < 0.8, PERSON, disc(0, 0, 4.5)(n, e))

    assert isinstance(looks(Decider(SETTINGS, TAXONOMY, CAMERA), labels, 35.0, 15).selection, NoSite)


def test_one_wrong_look_at_the_ground_does_not_end_a_site_but_half_a_second_does():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    before = looks(decider, everywhere(GRASS), 9.0, 30).selection
    assert isinstance(before, LandingSite)
    for k in range(2):
        decision = look(decider, everywhere(ROOF), 9.0, 3 * S + k * S // 10)
        assert isinstance(decision.selection, LandingSite)
    later = looks(decider, everywhere(ROOF), 9.0, 40, 3 * S + 2 * S // 10)
    assert isinstance(later.selection, NoSite)


def test_a_site_moves_over_to_better_ground_close_by_and_stays_confirmed():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    before = looks(decider, disc(0, 0, 5.0), 15.0, 15).selection
    assert isinstance(before, LandingSite)
    north = before.position_ned_m[0]

    def half_gone(n, e):
        return np.where(n > north + 2.0, ROOF, disc(0, 0, 5.0)(n, e))

    sites = []
    for k in range(60):
        sites.append(look(decider, half_gone, 13.0, 2 * S + k * S // 10).selection)
    assert all(isinstance(site, LandingSite) for site in sites)
    after = sites[-1]
    assert after.position_ned_m[0] < north - 0.3
    assert after.first_seen_ns == before.first_seen_ns


def test_a_site_does_not_move_aside_for_a_person():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    before = looks(decider, everywhere(GRASS), 15.0, 15).selection
    assert isinstance(before, LandingSite)
    north, east, _ = before.position_ned_m

    def person(n, e):
        return np.where(np.hypot(n - north - 4.6, e - east) < 0.4, PERSON, GRASS)

    decision = look(decider, person, 15.0, 2 * S)
    assert decision.intruder is not None
    assert isinstance(decision.selection, LandingSite)
    assert decision.selection.position_ned_m[:2] == before.position_ned_m[:2]


def walking(decider, start_m, speed_mps, seconds, height=12.0):
    """Someone on the way north of the site; distances and what was told, frame by frame."""
    told = []
    for k in range(int(seconds * 10)):
        away = start_m + speed_mps * k / 10

        def person(n, e, away=away):
            return np.where((abs(n - away) < 0.3) & (abs(e) < 0.3), PERSON, GRASS)

        told.append((away, look(decider, person, height, 5 * S + k * S // 10).intruder))
    return told


def decider_with_site():
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    site = looks(decider, everywhere(GRASS), 12.0, 30).selection
    assert isinstance(site, LandingSite) and math.hypot(*site.position_ned_m[:2]) < 0.5
    return decider


def test_who_walks_towards_the_site_is_told_before_coming_too_close():
    told = walking(decider_with_site(), 8.4, -1.3, 3.0)
    first = next(away for away, intruder in told if intruder is not None)
    keep_m = TAXONOMY.clearance_of(Role.PERSON) + SETTINGS.required_radius_m
    assert first > keep_m + 0.5
    assert first < keep_m + 1.3 * SETTINGS.approach.within_s + 1.0


@pytest.mark.parametrize("speed_mps", [0.0, 0.8, -0.2])
def test_who_stands_or_goes_away_beyond_the_clearance_is_nobody_at_the_site(speed_mps):
    told = walking(decider_with_site(), 6.2, speed_mps, 2.0)
    assert all(intruder is None for _, intruder in told)


def test_people_seen_from_low_down_are_not_forgotten_where_nobody_could_be_seen():
    camera = CameraModel.from_hfov(80, 60, 80.0)

    def with_person(n, e):
        return np.where((abs(n) < 0.4) & (abs(e) < 0.4), PERSON, GRASS)

    def person_there(decider):
        view = decider.last_view
        assert view is not None
        near = [view.cell_of(n, e) for n in (-0.2, 0.2) for e in (-0.2, 0.2)]
        return any(view.hazards[Role.PERSON][cell] for cell in near if cell is not None)

    decider = Decider(SETTINGS, TAXONOMY, camera)
    for k in range(10):
        look(decider, with_person, 12.0, k * S // 10, camera)
    assert person_there(decider)
    for k in range(8):  # 80 px over 100 m: a person is less than a pixel
        look(decider, everywhere(GRASS), 60.0, S + k * S // 10, camera)
    assert person_there(decider)
    for k in range(8):  # from low down again, where they would be seen: they have gone
        look(decider, everywhere(GRASS), 8.0, 2 * S + k * S // 10, camera)
    assert not person_there(decider)


def committed(labels):
    """Whether a site on grass, followed down to 2.5 m, outlives something else shown there."""
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)
    for k in range(60):
        look(decider, everywhere(GRASS), 6.0 - 0.06 * k, k * S // 10)
    site = looks(decider, labels, 2.4, 30, 6 * S).selection
    return isinstance(site, LandingSite) and site.first_seen_ns < 6 * S


def test_committed_only_what_stands_where_the_vehicle_would_ends_the_site():
    assert committed(lambda n, e: np.where(abs(n) > 1.2, ROOF, GRASS))
    assert not committed(disc(0, 0, 0.6, inside=WATER, outside=GRASS))
    assert not committed(disc(0.8, 0, 0.4, inside=PERSON, outside=GRASS))


def test_an_approach_is_part_of_what_is_remembered():
    def person(k):
        return lambda n, e: np.where((abs(n - 7.6 + 0.13 * k) < 0.3) & (abs(e) < 0.3), PERSON, GRASS)

    one = decider_with_site()
    for k in range(4):
        look(one, person(k), 12.0, 5 * S + k * S // 10)
    other = Decider(SETTINGS, TAXONOMY, CAMERA)
    other.load_state_dict(one.state_dict())
    told = False
    for k in range(4, 16):
        a = look(one, person(k), 12.0, 5 * S + k * S // 10)
        b = look(other, person(k), 12.0, 5 * S + k * S // 10)
        assert replace(a, timings_ms={}) == replace(b, timings_ms={})
        told = told or a.intruder is not None
    assert told


def test_heights_must_be_in_order():
    with pytest.raises(ValueError, match="near_height_m"):
        StandingClearance(near_height_m=30.0, far_height_m=20.0)
    with pytest.raises(InvalidValueError):
        Decider(SETTINGS, TAXONOMY, CAMERA).load_state_dict(
            Decider(SETTINGS.model_copy(update={"grid": Grid(cells=128)}), TAXONOMY, CAMERA).state_dict()
        )


def gathered(ground, label, height, from_s, for_s, north=0.0):
    """The view after frames at 5 Hz that show one class everywhere."""
    at_ns = 0
    for k in range(round(5 * for_s)):
        at_ns = round((from_s + k / 5) * S)
        pose = pose_at(north=north, height=height, at_ns=at_ns)
        ground.update(seen(everywhere(label), pose, CAMERA, at_ns), CAMERA, pose, 0.0)
    view = ground.view(at_ns)
    assert view is not None
    return view


def is_free(view, north=0.0, east=0.0):
    cell = view.cell_of(north, east)
    assert cell is not None
    return bool(view.free[cell])


def test_ground_that_was_bad_from_nearer_is_not_good_because_it_looks_so_from_farther():
    ground = GroundMap(SETTINGS, TAXONOMY)
    assert is_free(gathered(ground, GRASS, 24.0, 0, 8))
    # On the way down and up again, by steps of less than a fifth: the nearest is what counts.
    for number, height in enumerate((14.0, 12.0, 14.0, 16.5, 19.5)):
        assert not is_free(gathered(ground, ROOF, height, 8 + 3 * number, 3))
    high = gathered(ground, GRASS, 24.0, 23, 8, north=1.0)
    assert not is_free(high) and is_free(high, north=11.0)  # which was not in view from 12 m
    # From as near as it was bad it may be good after all.
    assert is_free(gathered(ground, GRASS, 12.0, 31, 8))
    assert is_free(gathered(ground, GRASS, 24.0, 39, 3))


def test_ground_that_was_bad_from_nearer_is_forgiven_in_time_and_remembered_in_recordings():
    settings = SETTINGS.model_copy(update={"unsafe_memory": UnsafeMemory(memory_s=30.0)})
    ground = GroundMap(settings, TAXONOMY)
    gathered(ground, ROOF, 10.0, 0, 4)
    assert not is_free(gathered(ground, GRASS, 20.0, 4, 20))
    other = GroundMap(settings, TAXONOMY)
    other.load_state_dict(ground.state_dict())
    assert not is_free(gathered(other, GRASS, 20.0, 24, 1))
    assert is_free(gathered(ground, GRASS, 20.0, 24, 12))


def test_people_who_were_seen_from_nearer_do_not_make_the_ground_bad():
    ground = GroundMap(SETTINGS, TAXONOMY)
    gathered(ground, GRASS, 12.0, 0, 6)
    assert not is_free(gathered(ground, PERSON, 12.0, 6, 6))
    assert not np.isfinite(ground._bad_from_m[ground._seen > 0]).any()
    # They have gone: at once there is ground again that can be judged.
    gathered(ground, GRASS, 12.0, 12, 0.4)
    assert is_free(gathered(ground, GRASS, 24.0, 12.4, 12))
