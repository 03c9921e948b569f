"""A moved local frame: map, plane, site and memory of people keep their ground, or begin anew."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.camera import CameraModel
from landing.decider import Decider
from landing.decision import Decision
from landing.decision_groups import Grid
from landing.estimator import FIRST_FRAME, EstimatorFrame, FrameShift
from landing.geometry import multiplied, quaternion_from_euler
from landing.guidance.director import Director, DirectorInput
from landing.settings import DecisionSettings, DirectorSettings
from landing.site import LandingSite
from landing.types import Pose
from landing.vehicle import Autopilot, VehicleStatus
from tests.landing.worlds import GRASS, LEVEL, PERSON, ROOF, TAXONOMY, seen

S = 1_000_000_000
CAMERA = CameraModel.from_hfov(160, 120, 80.0)
metres = st.floats(-500, 500)
shifts = st.builds(FrameShift, st.floats(-math.pi, math.pi), st.tuples(metres, metres, metres))
FLYING = VehicleStatus(True, Autopilot.ARDUPILOT, True, True, True, "LAND")


@given(first=shifts, second=shifts, place=st.tuples(metres, metres, metres))
def test_shifts_compose_and_invert(first, second, place) -> None:
    both = first.then(second).point(place)
    assert both == pytest.approx(second.point(first.point(place)), abs=1e-6)
    assert first.inverse.point(first.point(place)) == pytest.approx(place, abs=1e-6)
    start = FIRST_FRAME
    moved = start.moved(first).moved(second)
    there = start.shift_to(moved)
    back = moved.shift_to(start)
    assert there is not None and there.point(place) == pytest.approx(both, abs=1e-6)
    assert back is not None and back.point(both) == pytest.approx(place, abs=1e-5)
    assert moved.moved(None).shift_to(moved) is None
    assert EstimatorFrame(1).shift_to(start) is None


def clearing(north_m, east_m):
    """Roof everywhere but for a square of grass 6 m north of the start."""
    return np.where((abs(north_m - 6.0) <= 3.0) & (abs(east_m) <= 3.0), GRASS, ROOF)


def look(decider: Decider, world, shift: FrameShift, at_ns: int, frame: EstimatorFrame) -> Decision:
    """One frame from 15 m over the start, with the pose as an estimator moved by a shift has it."""
    truth = Pose(at_ns, LEVEL, (0.0, 0.0, -15.0), 15.0)
    turn = quaternion_from_euler(0.0, 0.0, shift.yaw_rad)
    position = shift.point((0.0, 0.0, -15.0))
    pose = Pose(at_ns, multiplied(turn, LEVEL), position, 15.0, frame=frame)
    return decider.observe(seen(world, truth, CAMERA, at_ns), pose, at_ns + S // 20)


def body_offset(decision: Decision, shift: FrameShift) -> tuple[float, float, float]:
    """The site from the vehicle in body axes, which have not moved, m."""
    site = decision.selection
    assert isinstance(site, LandingSite), site
    n, e, d = shift.inverse.point(site.position_ned_m)
    return n, e, d + 15.0


@pytest.mark.parametrize(
    "shift",
    [
        FrameShift(math.radians(60)),
        FrameShift(0.0, (4.5, -2.0, 0.0)),
        FrameShift(0.0, (0.0, 0.0, 6.0)),
        FrameShift(math.radians(-140), (-30.0, 80.0, -3.0)),
    ],
    ids=FrameShift.describe,
)
def test_a_known_reset_keeps_the_site_on_its_ground(shift) -> None:
    decider = Decider(DecisionSettings(), TAXONOMY, CAMERA)
    for k in range(40):
        before = look(decider, clearing, FrameShift(), k * S // 10, FIRST_FRAME)
    moved = FIRST_FRAME.moved(shift)
    after = look(decider, clearing, shift, 4 * S, moved)
    assert after.restarted is None and after.frame == moved
    assert math.dist(body_offset(after, shift), body_offset(before, FrameShift())) < 0.3
    assert isinstance(before.selection, LandingSite) and isinstance(after.selection, LandingSite)
    assert after.selection.first_seen_ns == before.selection.first_seen_ns  # the same site
    for k in range(41, 80):
        later = look(decider, clearing, shift, k * S // 10, moved)
        n, e, _ = body_offset(later, shift)
        assert abs(n - 6.0) < 2.0 and abs(e) < 2.0


def test_an_unknown_reset_begins_anew_and_says_so() -> None:
    decider = Decider(DecisionSettings(), TAXONOMY, CAMERA)
    for k in range(40):
        look(decider, clearing, FrameShift(), k * S // 10, FIRST_FRAME)
    moved = FIRST_FRAME.moved(None)
    after = look(decider, clearing, FrameShift(1.0, (50.0, 0.0, 0.0)), 4 * S, moved)
    assert after.restarted is not None and "unknown step" in after.restarted
    assert not isinstance(after.selection, LandingSite) or after.selection.first_seen_ns == 4 * S


@pytest.mark.parametrize("degrees", [30, 60, 180])
def test_a_turn_that_no_vehicle_flies_begins_anew_without_any_word_of_the_estimator(degrees) -> None:
    decider = Decider(DecisionSettings(), TAXONOMY, CAMERA)
    turned = FrameShift(math.radians(degrees))
    for k in range(80):
        shift = FrameShift() if k < 40 else turned
        decision = look(decider, clearing, shift, k * S // 10, FIRST_FRAME)
        assert (decision.restarted is not None) == (k == 40)
        if isinstance(decision.selection, LandingSite):
            n, e, _ = body_offset(decision, shift)
            assert abs(n - 6.0) < 3.0 and abs(e) < 3.0


def test_people_out_of_view_are_remembered_through_a_known_reset() -> None:
    """A person seen before the reset and out of view after it keeps the ground around them."""

    def with_person(north_m, east_m):
        near = (north_m + 7.0) ** 2 + (east_m - 2.0) ** 2 <= 0.5**2
        return np.where(near, PERSON, GRASS)

    shift = FrameShift(math.radians(77), (12.0, 3.0, 1.0))
    decider = Decider(DecisionSettings(), TAXONOMY, CAMERA)
    for k in range(20):
        look(decider, with_person, FrameShift(), k * S // 10, FIRST_FRAME)
    look(decider, with_person, shift, 2 * S, FIRST_FRAME.moved(shift))
    view = decider.ground_map.view(2 * S)
    assert view is not None
    north_m, east_m, _ = shift.point((-7.0, 2.0, 0.0))
    cell = view.cell_of(north_m, east_m)
    assert cell is not None
    rows, columns = (slice(cell[k] - 2, cell[k] + 3) for k in (0, 1))
    people = next(grid for role, grid in view.hazards.items() if role.value == "person")
    assert people[rows, columns].any()


SMALL = DecisionSettings(grid=Grid(cells=64, cell_m=0.5))


@pytest.fixture(scope="module")
def speckled_state() -> dict[str, Any]:
    decider = Decider(SMALL, TAXONOMY, CAMERA)

    def speckled(north_m, east_m):
        cells = np.floor(north_m / 1.5).astype(int) * 7 + np.floor(east_m / 1.5).astype(int) * 3
        return np.where(cells % 11 == 0, ROOF, GRASS)

    for k in range(12):
        look(decider, speckled, FrameShift(), k * S // 10, FIRST_FRAME)
    return decider.state_dict()


@settings(max_examples=25, deadline=None)
@given(degrees=st.floats(-180, 180), north_m=metres, east_m=metres)
def test_a_turned_map_loses_no_hazard_and_gains_no_free_cell(speckled_state, degrees, north_m, east_m) -> None:
    decider = Decider(SMALL, TAXONOMY, CAMERA)
    decider.load_state_dict(deepcopy(speckled_state))
    before = decider.ground_map.view(S)
    shift = FrameShift(math.radians(degrees), (north_m, east_m, 0.0))
    decider.ground_map.moved(shift)
    after = decider.ground_map.view(S)
    assert before is not None and after is not None
    for row, column in np.argwhere(after.free)[::7]:
        n, e, _ = shift.inverse.point((*after.centre_of(int(row), int(column)), 0.0))
        cell = before.cell_of(n, e)
        # A shift by part of a cell is rounded to whole cells.
        assert cell is not None
        rows, columns = (slice(max(0, cell[k] - 1), cell[k] + 2) for k in (0, 1))
        assert before.free[rows, columns].any()
    hazard = next(grid for role, grid in before.hazards.items() if role.value == "obstacle")
    moved_hazard = next(grid for role, grid in after.hazards.items() if role.value == "obstacle")
    for row, column in np.argwhere(hazard)[::7]:
        n, e, _ = shift.point((*before.centre_of(int(row), int(column)), 0.0))
        cell = after.cell_of(n, e)
        if cell is not None:
            rows, columns = (slice(max(0, cell[k] - 1), cell[k] + 2) for k in (0, 1))
            assert moved_hazard[rows, columns].any()


def test_memory_carries_the_frame_so_that_a_replay_moves_as_the_flight_did() -> None:
    decider = Decider(DecisionSettings(), TAXONOMY, CAMERA)
    for k in range(20):
        look(decider, clearing, FrameShift(), k * S // 10, FIRST_FRAME)
    other = Decider(DecisionSettings(), TAXONOMY, CAMERA)
    other.load_state_dict(decider.state_dict())
    shift = FrameShift(0.7, (3.0, 1.0, 0.2))
    moved = FIRST_FRAME.moved(shift)
    for k in range(20, 30):
        ours = look(decider, clearing, shift, k * S // 10, moved)
        assert look(other, clearing, shift, k * S // 10, moved) == ours


def test_the_director_points_at_the_same_ground_before_the_next_decision() -> None:
    """The newest pose is in the moved frame, the newest decision still in the one before."""
    site = LandingSite((10.0, 0.0, 0.0), 3.0, 30.0, 0, 4 * S)
    decision = Decision(site, 4 * S, 4 * S)
    pose = Pose(4 * S, LEVEL, (0.0, 0.0, -20.0), 20.0)

    def step(pose: Pose) -> object:
        director = Director(DirectorSettings())
        return director.step(DirectorInput(4 * S + S // 10, decision, pose, FLYING))

    still = step(pose).target
    assert still is not None and still.offset_frd_m == pytest.approx((10.0, 0.0, 20.0))
    shift = FrameShift.turn_about(math.radians(50), (0.0, 0.0, 0.0)).then(FrameShift(0.0, (3.0, 4.0, 5.0)))
    turned = Pose(
        4 * S,
        quaternion_from_euler(0, 0, shift.yaw_rad),
        shift.point((0.0, 0.0, -20.0)),
        20.0,
        frame=FIRST_FRAME.moved(shift),
    )
    target = step(turned).target
    assert target is not None and target.offset_frd_m == pytest.approx((10.0, 0.0, 20.0))
    assert target.position_ned_m == pytest.approx(shift.point((10.0, 0.0, 0.0)))
    lost = step(replace(pose, frame=FIRST_FRAME.moved(None)))
    assert lost.target is None and "frame has moved" in lost.reason
