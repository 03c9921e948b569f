"""Worlds with height: the camera sees them in perspective, near things hide far ones, and flat worlds stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from landing.camera import CameraModel
from landing.geometry import quaternion_from_euler
from landing.types import Pose
from sim.camera import render
from sim.world import World
from sim.world.heights import banked, disc_relief, ground_places, height_at, with_heights
from sim.world.procedural import procedural

CAMERA = CameraModel.from_hfov(160, 120, 75.0)
POSE = Pose(0, quaternion_from_euler(0.05, 0.1, 0.3), (2.0, -1.0, -12.0))


def flat() -> World:
    return replace(procedural(seed=3, size_m=40.0, gsd_m=0.1), actors=())


def test_heights_of_nothing_show_the_flat_world() -> None:
    world = flat()
    image, labels = render(world, CAMERA, POSE, 0.0)
    raised, raised_labels = render(with_heights(world, np.zeros(world.labels.shape, np.float32)), CAMERA, POSE, 0.0)
    assert labels is not None and raised_labels is not None
    assert np.abs(image.astype(int) - raised).mean() < 2.0
    assert (labels == raised_labels).mean() > 0.98


def test_a_flat_world_is_not_changed_by_a_raised_copy() -> None:
    world = flat()
    before, _ = render(world, CAMERA, POSE, 0.0)
    raised, _ = render(banked(world, 5), CAMERA, POSE, 0.0)
    after, _ = render(world, CAMERA, POSE, 0.0)
    assert world.heights_m is None and np.array_equal(before, after)
    assert not np.array_equal(before, raised)


def test_a_block_hides_what_is_behind_it() -> None:
    world = flat()
    heights = np.zeros(world.labels.shape, np.float32)
    v, u = round(world.origin_px[1]), round(world.origin_px[0])
    heights[v - 5 : v + 6, u - 5 : u + 6] = 3.0  # 1.1 m wide at the origin
    rays = np.array([[[0.0, 4.0, 4.0], [0.0, 1.0, 5.0]]])
    places = ground_places(with_heights(world, heights), np.array([0.0, -4.0, -6.0]), rays)[0]
    # At 45 degrees to the east it meets the block's side; steeper it reaches the ground before it.
    assert abs(places[0, 1] + 0.55) < 0.15
    assert abs(places[1, 1] + 4.0 - 1.2) < 0.05


def test_slopes_and_things_are_measured() -> None:
    world = flat()
    rows, columns = world.labels.shape
    north = (world.origin_px[1] - np.arange(rows)) * world.gsd_m
    heights = np.repeat((0.2 * north)[:, None], columns, axis=1).astype(np.float32)
    v, u = round(world.origin_px[1]), round(world.origin_px[0])
    heights[v - 2 : v + 3, u - 2 : u + 3] += 0.7
    raised = with_heights(world, heights)
    slope_deg, tall_m = disc_relief(raised, 0.0, 0.0, 1.5)
    assert abs(slope_deg - 11.3) < 0.5 and abs(tall_m - 0.7) < 0.1
    assert abs(height_at(raised, 5.0, 2.0) - 1.0) < 0.05
    assert height_at(raised, 500.0, 0.0) == height_at(world, 0.0, 0.0) == 0.0
