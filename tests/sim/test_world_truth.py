"""Label views and the feasibility oracle against slower, plainer ways to the same answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landing.camera import CameraModel
from landing.errors import InvalidValueError
from landing.geometry import quaternion_from_euler
from landing.taxonomy import Role
from landing.types import Pose
from sim.camera import render
from sim.world import MAX_DISTANCE_M, Actor, OracleVerdict, Timetable, World, feasibility_oracle, label_view, scene
from sim.world.classes import scene_taxonomy

TAXONOMY = scene_taxonomy()
GRASS, WATER, ROOF, PERSON = 1, 5, 7, 10


def world_of(labels: np.ndarray, gsd_m: float = 0.2, actors: tuple = ()) -> World:
    rows, columns = labels.shape
    return World(
        "test", TAXONOMY.palette_bgr[labels], labels, gsd_m, TAXONOMY, ((columns - 1) / 2, (rows - 1) / 2), actors
    )


def pose(height_m: float, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.7) -> Pose:
    attitude = quaternion_from_euler(roll, pitch, yaw)
    return Pose(at_ns=0, ned_from_frd=attitude, position_ned_m=(1.0, -2.0, -height_m))


@pytest.mark.parametrize("distortion", [None, (-0.2, 0.05, 0.001, 0.0, 0.0)])
@pytest.mark.parametrize("tilt", [0.0, 0.25, 0.9])
def test_label_view_agrees_with_the_exact_renderer(distortion, tilt):
    world = scene(20_005, "suburb", size_m=100, gsd_m=0.2)
    camera = CameraModel.from_hfov(640, 480, 80)
    if distortion:
        camera = CameraModel(640, 480, camera.fx, camera.fy, camera.cx, camera.cy, distortion)
    for height_m in (5.0, 20.0):
        at = pose(height_m, 0.1 * tilt, tilt)
        fast = label_view(world, camera, at, 3.0, (128, 96))
        _, exact = render(world, camera.resized(128, 96), at, 3.0)
        assert fast.shape == (96, 128)
        assert np.mean(fast == exact) > 0.97
        lut = TAXONOMY.landable_lut
        assert abs(lut[fast].mean() - lut[exact].mean()) < 0.02


def test_label_view_has_sky_edges_and_actors():
    person = Actor("person", ((1.0, -2.0),))
    world = world_of(np.full((150, 150), GRASS, np.uint8), actors=(person,))
    camera = CameraModel.from_hfov(640, 480, 80)
    below = label_view(world, camera, pose(8.0), 0.0, (96, 72))
    assert below[36, 48] == PERSON
    assert set(np.unique(below)) == {GRASS, PERSON}
    assert not (label_view(world, camera, pose(8.0), 0.0, (96, 72), 40.0) == PERSON).any()
    ahead = label_view(world, camera, pose(8.0, 0.0, math.pi / 2), 0.0, (96, 72))
    assert (ahead[:10] == TAXONOMY.ignore_index).all()
    high = label_view(world, camera, pose(60.0), 0.0, (96, 72))
    assert high[0, 0] == TAXONOMY.ignore_index
    assert (high == PERSON).any(), "even a person smaller than a pixel is there"
    ground = label_view(world, camera, pose(0.0), 0.0, (96, 72))
    assert ground.shape == (72, 96)


def _slow_margin(world: World, north: float, east: float, keep: dict[Role, float]) -> float:
    """Room at a place, cell by cell, the edge of the world being an edge of the ground."""
    rows, columns = world.labels.shape
    best = math.inf
    for row in range(-1, rows + 1):
        for column in range(-1, columns + 1):
            inside = 0 <= row < rows and 0 <= column < columns
            label = int(world.labels[row, column]) if inside else 255
            if inside and TAXONOMY.landable_lut[label]:
                continue
            role = TAXONOMY.classes[label].role if label < len(TAXONOMY) else None
            n = (world.origin_px[1] - row) * world.gsd_m
            e = (column - world.origin_px[0]) * world.gsd_m
            away = math.hypot(n - north, e - east) - world.gsd_m / 2
            best = min(best, away - (keep.get(role, 0.0) if role else 0.0))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_feasibility_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    labels = np.full((50, 60), GRASS, np.uint8)
    for _ in range(14):
        row, column = rng.integers(0, 45, 2)
        labels[row : row + rng.integers(1, 6), column : column + rng.integers(1, 6)] = rng.choice([WATER, ROOF])
    world = world_of(labels, 0.25)
    keep = {Role.OBSTACLE: 0.4, Role.WATER: 0.9, Role.PERSON: 2.0, Role.VEHICLE: 1.0}
    found = feasibility_oracle(world, (0.5, -0.5), 4.0, 0.3, clearance_m=keep, window_s=(0, 0))
    assert found.best_ne_m is not None
    slow = _slow_margin(world, *found.best_ne_m, keep) - 0.3
    assert found.best_margin_m == pytest.approx(slow, abs=1e-4)
    for _ in range(10):  # no better place exists
        n, e = rng.uniform(-2.5, 2.5, 2)
        row = round(world.origin_px[1] - n / 0.25)
        column = round(world.origin_px[0] + e / 0.25)
        n, e = (world.origin_px[1] - row) * 0.25, (column - world.origin_px[0]) * 0.25
        if math.hypot(n - 0.5, e + 0.5) <= 4.0:
            assert _slow_margin(world, n, e, keep) - 0.3 <= found.best_margin_m + 1e-4


def test_verdicts_from_wide_to_none():
    labels = np.full((200, 200), ROOF, np.uint8)
    labels[80:120, 80:120] = GRASS  # 8 m square: 4 m to a wall, less 1 m clearance, less 0.5 m
    world = world_of(labels)
    wide = feasibility_oracle(world, (0.0, 0.0), 10.0, 0.5)
    assert wide.verdict is OracleVerdict.SITE
    assert wide.best_margin_m == pytest.approx(2.5, abs=0.11)
    assert wide.nearest_m < 0.2
    assert wide.area_m2 == pytest.approx(4.0**2, rel=0.12)
    assert feasibility_oracle(world, (0.0, 0.0), 10.0, 3.0).verdict is OracleVerdict.MARGINAL
    assert feasibility_oracle(world, (0.0, 0.0), 10.0, 3.8).verdict is OracleVerdict.NONE
    far = feasibility_oracle(world, (18.0, 18.0), 5.0, 0.5)
    assert far.verdict is OracleVerdict.NONE
    assert far.nearest_m == MAX_DISTANCE_M
    assert feasibility_oracle(world, (500.0, 0.0), 5.0, 0.5).best_ne_m is None


def test_people_take_ground_for_the_time_they_are_there():
    labels = np.full((200, 200), ROOF, np.uint8)
    labels[80:120, 80:120] = GRASS  # 8 m square
    standing = Actor("person", ((0.0, 0.0),))
    passing = Timetable("person", (0.0, 30.0), ((0.0, -15.0), (0.0, 15.0)))
    empty, full, crossed = (world_of(labels, actors=a) for a in ((), (standing,), (passing,)))
    assert feasibility_oracle(empty, (0, 0), 8.0, 0.5).verdict is OracleVerdict.SITE
    assert feasibility_oracle(full, (0, 0), 8.0, 0.5).verdict is OracleVerdict.NONE
    assert feasibility_oracle(crossed, (0, 0), 8.0, 0.5, window_s=(0, 60)).verdict is OracleVerdict.MARGINAL
    assert feasibility_oracle(crossed, (0, 0), 8.0, 0.5, window_s=(25, 60)).verdict is OracleVerdict.SITE


@pytest.mark.parametrize("arguments", [{"reach_m": 0}, {"vehicle_radius_m": 0}, {"slack_m": -1}, {"window_s": (5, 1)}])
def test_feasibility_refuses_nonsense(arguments):
    world = world_of(np.full((50, 50), GRASS, np.uint8))
    sound = {"start_ne_m": (0.0, 0.0), "reach_m": 5.0, "vehicle_radius_m": 0.5}
    with pytest.raises(InvalidValueError, match="feasibility"):
        feasibility_oracle(world, **{**sound, **arguments})
