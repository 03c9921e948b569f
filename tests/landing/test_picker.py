from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from landing.choice.picker import (
    AGE_STEPS_S,
    Candidate,
    clean_regions,
    clearance_grid,
    distance_m,
    hazard_clearance_grid,
    pick,
)
from landing.decision_groups import HiddenHazard
from landing.ground.view import GroundView
from landing.settings import DecisionSettings
from landing.site import NoSite, NoSiteReason
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy

TAXONOMY = Taxonomy.load("synthetic")
SETTINGS = DecisionSettings(vehicle_radius_m=0.3, margin_m=0.3)
N = 48


def view_of(free, hazards=None, landable=None, known=None, unseen_s=None, visited=None) -> GroundView:
    n = free.shape[0]
    none = np.zeros_like(free)
    hazards = {role: (hazards or {}).get(role, none) for role in HAZARD_ROLES}
    for grid in hazards.values():
        free = free & ~grid
    return GroundView(
        cell_m=0.2,
        south_west_m=(-n * 0.1, -n * 0.1),
        ground_down_m=0.0,
        free=free,
        hazards=hazards,
        unseen_s=np.zeros(free.shape, np.float32) if unseen_s is None else unseen_s,
        landable=np.full(free.shape, 2.2, np.float32) if landable is None else landable,
        known=np.ones_like(free) if known is None else known,
        visited=none if visited is None else visited,
    )


def choose(view, vehicle=(0.0, 0.0), settings=SETTINGS):
    hazard_room = hazard_clearance_grid(view, TAXONOMY, settings)
    room = clearance_grid(view, hazard_room)
    regions = clean_regions(view, room, settings, vehicle)
    return pick(view, room, regions, settings, vehicle), room, regions


def blobs(seed: int, free_share: float = 0.6) -> np.ndarray:
    """Random ground with structure at several scales."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.random((8, 8)), np.ones((6, 6)))
    fine = np.kron(rng.random((24, 24)), np.ones((2, 2)))
    return coarse + 0.3 * fine < np.quantile(coarse + 0.3 * fine, free_share)


def cells_touched(view: GroundView, north, east, radius):
    """Brute force: every cell whose square comes nearer to the point than the radius."""
    rows, columns = np.indices(view.free.shape)
    south = view.south_west_m[0] + rows * view.cell_m
    west = view.south_west_m[1] + columns * view.cell_m
    dn = np.maximum(np.maximum(south - north, north - south - view.cell_m), 0)
    de = np.maximum(np.maximum(west - east, east - west - view.cell_m), 0)
    return np.hypot(dn, de) < radius - 1e-5


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.3, 0.98), people=st.integers(0, 3))
def test_chosen_disc_holds_no_bad_cell_and_keeps_every_clearance(seed, share, people):
    rng = np.random.default_rng(seed)
    persons = np.zeros((N, N), bool)
    for r, c in rng.integers(0, N, (people, 2)):
        persons[r, c] = True
    view = view_of(blobs(seed, share), {Role.PERSON: persons})
    best, _, _ = choose(view)
    if isinstance(best, NoSite):
        return
    touched = cells_touched(view, best.north_m, best.east_m, best.clearance_m)
    assert touched.any()
    assert view.free[touched].all()
    assert best.clearance_m >= SETTINGS.required_radius_m
    # The disc also lies inside the map.
    half = N * 0.1
    assert max(abs(best.north_m), abs(best.east_m)) + best.clearance_m <= half + 1e-5
    with_person = best.clearance_m + TAXONOMY.clearance_of(Role.PERSON)
    assert not (cells_touched(view, best.north_m, best.east_m, with_person) & persons).any()


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    extra=hnp.arrays(bool, (N, N), elements=st.booleans(), fill=st.just(False)),
    role=st.sampled_from(HAZARD_ROLES),
)
def test_adding_hazard_never_adds_landable_ground(seed, extra, role):
    free = blobs(seed, 0.8)
    _, room_before, before = choose(view_of(free))
    _, room_after, after = choose(view_of(free, {role: extra}))
    assert (room_after <= room_before + 1e-6).all()
    assert not ((after.labels > 0) & (before.labels == 0)).any()
    assert after.areas_m2.sum() <= before.areas_m2.sum() + 1e-9


SYMMETRIES = {
    "mirror north-south": (lambda g: g[::-1], lambda n, e: (-n, e)),
    "mirror east-west": (lambda g: g[:, ::-1], lambda n, e: (n, -e)),
    "half turn": (lambda g: g[::-1, ::-1], lambda n, e: (-n, -e)),
    "transpose": (lambda g: g.T, lambda n, e: (e, n)),
    # rot90 turns row 0 (south) into column 0 (west): (n, e) -> (-e, n).
    "quarter turn": (lambda g: np.rot90(g), lambda n, e: (-e, n)),
}


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    share=st.floats(0.4, 0.95),
    name=st.sampled_from(sorted(SYMMETRIES)),
    vn=st.floats(-3, 3),
    ve=st.floats(-3, 3),
)
def test_mirrored_or_rotated_world_gives_the_mirrored_or_rotated_site(seed, share, name, vn, ve):
    turn_grid, turn_point = SYMMETRIES[name]
    free = blobs(seed, share)
    landable = np.random.default_rng(seed + 1).uniform(1.5, 4.5, free.shape).astype(np.float32)
    here, _, _ = choose(view_of(free, landable=landable), (vn, ve))
    turned = view_of(turn_grid(free).copy(), landable=turn_grid(landable).copy())
    there, _, _ = choose(turned, turn_point(vn, ve))
    if isinstance(here, NoSite):
        assert isinstance(there, NoSite)
        assert there.reason is here.reason
        return
    assert isinstance(there, Candidate)
    assert there.area_m2 == pytest.approx(here.area_m2)
    assert there.clearance_m == pytest.approx(here.clearance_m)
    np.testing.assert_allclose((there.north_m, there.east_m), turn_point(here.north_m, here.east_m), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(blocked=hnp.arrays(bool, (17, 17), elements=st.booleans()))
def test_distance_never_exceeds_the_true_one(blocked):
    got = distance_m(blocked, 0.2)
    framed = np.pad(blocked, 1, constant_values=True)
    bad_r, bad_c = np.nonzero(framed)
    for r in range(17):
        for c in range(17):
            dr = np.maximum(np.abs(bad_r - 1 - r) - 0.5, 0)
            dc = np.maximum(np.abs(bad_c - 1 - c) - 0.5, 0)
            assert got[r, c] <= np.hypot(dr, dc).min() * 0.2 + 1e-5


def test_largest_region_wins_over_the_nearer_one():
    free = np.zeros((N, N), bool)
    free[20:28, 20:28] = True  # below the vehicle, 1.6 m wide
    free[2:16, 30:46] = True  # larger
    best, _, _ = choose(view_of(free))
    assert isinstance(best, Candidate)
    assert best.north_m < -1 and best.east_m > 1


def test_a_thin_strip_does_not_win_by_its_length():
    free = np.zeros((N, N), bool)
    free[:, 2:5] = True  # 0.6 m wide, 9.6 m long: too thin for the vehicle
    free[10:22, 20:32] = True
    best, _, _ = choose(view_of(free))
    assert isinstance(best, Candidate)
    assert best.east_m > -1.0


def test_point_lies_inside_a_ring_not_at_its_centroid():
    r, c = np.indices((N, N)) - N / 2 + 0.5
    away = np.hypot(r, c)
    view = view_of((away > 8) & (away < 20))
    best, _, _ = choose(view)
    assert isinstance(best, Candidate)
    assert np.hypot(best.north_m, best.east_m) > 8 * 0.2


def test_hazards_out_of_view_grow():
    free = np.ones((N, N), bool)
    person = np.zeros((N, N), bool)
    person[0, 0] = True
    fresh = view_of(free, {Role.PERSON: person})
    old = view_of(free, {Role.PERSON: person}, unseen_s=np.full((N, N), 1.0, np.float32))
    room_fresh = hazard_clearance_grid(fresh, TAXONOMY, SETTINGS)
    room_old = hazard_clearance_grid(old, TAXONOMY, SETTINGS)
    assert (room_old < room_fresh).all()
    assert room_fresh.max() - room_old.max() == pytest.approx(SETTINGS.hidden_hazard.growth_limit_m)


@pytest.mark.parametrize("speed_mps", [0.0, 0.4, 1.5])
def test_who_is_out_of_view_may_have_gone_as_far_as_the_end_of_their_age_step(speed_mps):
    settings = SETTINGS.model_copy(update={"hidden_hazard": HiddenHazard(speed_mps=speed_mps)})
    rng = np.random.default_rng(8)
    ages_s = (0.0, 0.3, 0.5, 1.2, 2.9, 5.0, 7.9)
    unseen_s = np.zeros((N, N), np.float32)
    person, room = np.zeros((N, N), bool), np.full((N, N), np.inf)
    for age_s in ages_s:
        cell = tuple(rng.integers(0, N, 2))
        person[cell], unseen_s[cell] = True, age_s
        alone = np.zeros((N, N), bool)
        alone[cell] = True
        step_s = next((step for step in AGE_STEPS_S if age_s < step), AGE_STEPS_S[-1])
        moved_m = speed_mps * step_s if age_s >= AGE_STEPS_S[0] else 0.0
        moved_m = min(moved_m, settings.hidden_hazard.growth_limit_m)
        room = np.minimum(room, distance_m(alone, 0.2, False) - 4.0 - moved_m)
    view = view_of(np.ones((N, N), bool), {Role.PERSON: person}, unseen_s=unseen_s)
    np.testing.assert_allclose(hazard_clearance_grid(view, TAXONOMY, settings), room, atol=1e-5)


@pytest.mark.parametrize(
    ("free", "known", "reason"),
    [
        (np.zeros((N, N), bool), np.zeros((N, N), bool), NoSiteReason.GROUND_NOT_IN_VIEW),
        (np.zeros((N, N), bool), np.ones((N, N), bool), NoSiteReason.NOTHING_LANDABLE),
        (np.eye(N, dtype=bool), np.ones((N, N), bool), NoSiteReason.TOO_SMALL),
    ],
)
def test_refusals_name_their_reason(free, known, reason):
    best, _, _ = choose(view_of(free, known=known))
    assert isinstance(best, NoSite)
    assert best.reason is reason
    assert best.detail


def test_no_site_beyond_reach():
    settings_near = SETTINGS.model_copy(update={"max_distance_m": 1.0})
    assume_free = np.ones((N, N), bool)
    best, _, _ = choose(view_of(assume_free), (100.0, 0.0), settings_near)
    assert isinstance(best, NoSite)
    assert "farther than 1 m" in best.detail
    best, _, _ = choose(view_of(assume_free), (2.0, 0.0), settings_near)
    assert isinstance(best, Candidate)
    assert np.hypot(best.north_m - 2.0, best.east_m) <= 1.0
