"""Evidence that must last before a site is given up or exchanged, at any rate of decisions."""

from __future__ import annotations

import numpy as np
import pytest

from landing.choice.picker import hazard_clearance_grid
from landing.choice.snapshot import snapshot
from landing.choice.tracker import MOVING_ROLES, SiteTracker
from landing.decider import Decider
from landing.settings import DecisionSettings
from landing.site import LandingSite
from landing.taxonomy import Role
from tests.landing.test_decider import walker
from tests.landing.test_picker import view_of
from tests.landing.worlds import CAMERA, GRASS, TAXONOMY, pose_at, seen

S = 1_000_000_000
SETTINGS = DecisionSettings()
CELL_M, N = 0.2, 200
HEIGHT_M = 12.0
SMALL, NORTH, SOUTH = (0.0, 2.0), (9.0, 5.0), (-9.0, 5.0)
"""Lawns: metres to the north of the vehicle, and radius."""


def shown(tracker, at_ns, *lawns):
    """The selection after a frame that shows these lawns."""
    rows, columns = np.indices((N, N))
    north, east = (rows - N / 2 + 0.5) * CELL_M, (columns - N / 2 + 0.5) * CELL_M
    free = np.zeros((N, N), bool)
    for north_m, radius_m in lawns:
        free |= np.hypot(north - north_m, east) < radius_m
    view = view_of(free)
    moving = {role: hazard_clearance_grid(view, TAXONOMY, SETTINGS, (role,)) for role in MOVING_ROLES}
    lost = tracker.lost_places(at_ns)
    return tracker.update(snapshot(view, None, TAXONOMY, SETTINGS, moving, (0.0, 0.0), HEIGHT_M, at_ns, lost))


@pytest.mark.parametrize("hz", [3, 5, 10])
def test_another_better_place_does_not_inherit_the_time_that_the_first_one_earned(hz):
    tracker = SiteTracker(SETTINGS, TAXONOMY.surfaces)
    assert isinstance(shown(tracker, 0, SMALL), LandingSite)
    came_ns, taken = None, None
    for k in range(1, 4 * hz + 1):
        at_ns = k * S // hz
        other = NORTH if at_ns < 1.3 * S else SOUTH
        came_ns = at_ns if came_ns is None and other is SOUTH else came_ns
        restarted = SiteTracker(SETTINGS, TAXONOMY.surfaces)
        restarted.load_state_dict(tracker.state_dict())
        site = shown(tracker, at_ns, SMALL, other)
        assert site == shown(restarted, at_ns, SMALL, other)
        assert isinstance(site, LandingSite)
        if abs(site.position_ned_m[0]) > 3.0:
            taken = at_ns
            break
    assert came_ns is not None and taken is not None
    assert taken - came_ns >= SETTINGS.switch.after_s * S and site.first_seen_ns == came_ns
    assert site.position_ned_m[0] < -3.0


def test_a_better_place_of_an_earlier_version_is_confirmed_anew():
    tracker = SiteTracker(SETTINGS, TAXONOMY.surfaces)
    shown(tracker, 0, SMALL)
    shown(tracker, S // 5, SMALL, NORTH)
    state = {k: v for k, v in tracker.state_dict().items() if k not in ("better_ne_m", "bad_looks")}
    older = SiteTracker(SETTINGS, TAXONOMY.surfaces)
    older.load_state_dict(state)
    site = shown(older, 23 * S // 10, SMALL, NORTH)
    assert isinstance(site, LandingSite) and abs(site.position_ned_m[0]) < 1.0


@pytest.mark.parametrize("hz", [2, 3, 4, 5, 10, 20])
def test_one_sure_wrong_frame_stops_the_target_and_keeps_the_site_at_any_rate(hz):
    decider = Decider(SETTINGS, TAXONOMY, CAMERA)

    def look(labels_at, at_ns):
        pose = pose_at(height=8.0, at_ns=at_ns)
        return decider.observe(seen(labels_at, pose, CAMERA, at_ns), pose, at_ns + S // 20)

    def grass(n, e):
        return np.full(n.shape, GRASS)

    for k in range(2 * hz + 4):
        site = look(grass, k * S // hz).selection
    assert isinstance(site, LandingSite)
    start_ns = (2 * hz + 4) * S // hz
    flash = look(walker(1.0), start_ns)
    assert flash.intruder is not None and flash.intruder.role is Role.PERSON
    for k in range(1, 5):
        later = look(grass, start_ns + k * S // hz)
        assert isinstance(later.selection, LandingSite)
        assert later.selection.position_ned_m[:2] == site.position_ned_m[:2]
    assert later.intruder is None


@pytest.mark.parametrize(("hz", "ends_it"), [(2, 3), (3, 3), (5, 3), (10, 4), (20, 6)])
def test_bad_ground_ends_the_site_by_its_third_frame_and_after_a_quarter_of_a_second(hz, ends_it):
    tracker = SiteTracker(SETTINGS, TAXONOMY.surfaces)
    assert isinstance(shown(tracker, 0, SMALL), LandingSite)
    frames = 1
    while frames < 20 and isinstance(shown(tracker, frames * S // hz), LandingSite):
        frames += 1
    assert frames == ends_it
