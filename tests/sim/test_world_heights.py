"""Worlds with height: the camera sees them in perspective, near things hide far ones, and flat worlds stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from landing.camera import CameraModel
from landing.errors import DataError
from landing.geometry import quaternion_from_euler
from landing.taxonomy import Role
from landing.types import Pose
from sim.camera import render
from sim.vehicle import Vehicle
from sim.world import World
from sim.world.actors import Actor
from sim.world.heights import SLOPES_DEG, banked, disc_relief, flown, ground_places, with_heights
from sim.world.label_view import label_view
from sim.world.procedural import procedural
from sim.world.spec import heights_of, parse_world_spec
from sim.world.store import load_world, save_world

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
    assert abs(raised.height_at(5.0, 2.0) - 1.0) < 0.05
    assert raised.height_at(500.0, 0.0) == world.height_at(0.0, 0.0) == 0.0


@pytest.fixture(scope="module")
def raised() -> World:
    return parse_world_spec("procedural?heights=banks&size_m=60&gsd_m=0.1", seed=3)


def test_steep_ground_and_what_stands_are_obstacles_that_look_like_the_ground(raised: World) -> None:
    world, looks = raised, raised.looks
    assert looks is not None and world.heights_m is not None and not world.actors
    landable = world.taxonomy.landable_lut
    uneven = landable[looks] & ~landable[world.labels]
    assert 0.02 < uneven.mean() < 0.6
    rows, columns = np.nonzero(landable[world.labels])
    rng = np.random.default_rng(1)
    slopes = []
    for k in rng.integers(len(rows), size=150):
        north_m = (world.origin_px[1] - rows[k]) * world.gsd_m
        east_m = (columns[k] - world.origin_px[0]) * world.gsd_m
        if world.holds(north_m, east_m, 2.0) and world.landable_disc(north_m, east_m, 1.0).all_landable:
            slopes.append(disc_relief(world, north_m, east_m, 1.0)[0])
    assert len(slopes) > 20 and max(slopes) < 11.0


def test_label_view_shows_the_looks_of_ground_with_heights(raised: World) -> None:
    seen = label_view(raised, CAMERA, POSE, 0.0, (160, 120))
    _, rendered = render(raised, CAMERA, POSE, 0.0)
    assert rendered is not None and (seen == rendered).mean() > 0.9
    assert raised.looks is not None
    level = flown(replace(raised, heights_m=None, looks=None, labels=raised.looks), 3, "flat")
    flat_view = label_view(replace(level, heights_m=None), CAMERA, POSE, 0.0, (160, 120))
    assert (label_view(level, CAMERA, POSE, 0.0, (160, 120)) == flat_view).mean() > 0.97


def test_the_rangefinder_stands_above_the_same_ground(raised: World) -> None:
    height_m = raised.height_at
    assert raised.heights_m is not None
    row, column = np.unravel_index(int(raised.heights_m.argmax()), raised.heights_m.shape)
    north_m = float((raised.origin_px[1] - row) * raised.gsd_m)
    east_m = float((column - raised.origin_px[0]) * raised.gsd_m)
    vehicle = Vehicle(ground_height_m=height_m)
    vehicle.place(north_m, east_m, 5.0, 0.0, flying=True)
    assert vehicle.height_m == pytest.approx(5.0)
    assert -vehicle.d_m == pytest.approx(5.0 + float(raised.heights_m.max()))


def test_slopes_of_a_scene_rise_and_nothing_else_does() -> None:
    world = parse_world_spec("scenes:hillside?heights=slopes&size_m=80&gsd_m=0.2", seed=3)
    assert world.heights_m is not None
    slope = world.labels == next(c.id for c in world.taxonomy.classes if c.name == "slope")
    assert slope.mean() > 0.05
    rise_deg = np.degrees(np.arctan(np.hypot(*np.gradient(world.heights_m, world.gsd_m))))
    assert np.percentile(rise_deg[slope], 25) > 10.0 and rise_deg.max() < SLOPES_DEG[1] + 1.0
    around = cv2.dilate(slope.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0
    assert world.heights_m[~around].max() < 0.001


def test_a_scene_stands_as_high_as_it_is_drawn() -> None:
    high, flat_one = (
        parse_world_spec(f"scenes:suburb?size_m=80&gsd_m=0.2{end}", seed=3) for end in ("&heights=drawn", "")
    )
    assert high.heights_m is not None and np.array_equal(high.ortho_bgr, flat_one.ortho_bgr)
    tall_m = {c.name: high.heights_m[high.labels == c.id] for c in high.taxonomy.classes}
    assert np.median(tall_m["roof"]) > 2.5 and np.median(tall_m["tree"]) > 0.5 and np.median(tall_m["wall"]) > 0.3
    assert np.percentile(tall_m["grass"], 95) == np.percentile(tall_m["road"], 95) == 0.0


def test_people_stand_on_the_ground_that_rises() -> None:
    person = Actor("person", ((2.0, -1.0),))
    low = replace(flat(), actors=(person,))
    high = with_heights(low, np.full(low.labels.shape, 3.0, np.float32))
    assert high.actors_at(0.0)[0].up_m == high.actors_near(2.0, -1.0, 1.0, 0.0)[0].up_m == 3.0
    above = replace(POSE, position_ned_m=(2.0, -1.0, -15.0))
    for view in (render, label_view):
        seen, expected = (view(world, CAMERA, pose, 0.0) for world, pose in ((high, above), (low, POSE)))
        maps = [np.asarray(v[1] if isinstance(v, tuple) else v) for v in (seen, expected)]
        ids = [np.isin(labels, low.taxonomy.ids_of(Role.PERSON)) for labels in maps]
        assert ids[1].any() and np.array_equal(*ids)


def test_heights_survive_a_folder(raised: World, tmp_path: Path) -> None:
    save_world(raised, tmp_path / "world")
    again = load_world(tmp_path / "world")
    assert again.heights_m is not None and raised.heights_m is not None
    assert np.abs(again.heights_m - raised.heights_m).max() < 0.001
    assert np.array_equal(again.labels, raised.labels)
    assert again.looks is not None and raised.looks is not None and np.array_equal(again.looks, raised.looks)


def test_a_specification_names_heights() -> None:
    assert heights_of("scenes?heights=flat") == "flat" and heights_of("scenes") is None
    with pytest.raises(DataError, match="expected one of banks, flat"):
        parse_world_spec("procedural?heights=hills&size_m=30", seed=1)
