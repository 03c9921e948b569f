"""Scenes: reproducible, of every kind, labels and picture alike, seeds kept apart."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from sim.world import FAMILIES, SEEDS, Timetable, World, parse_world_spec, scene, split_of
from sim.world.classes import RELIEF_ONLY
from sim.world.painting import Painting
from sim.world.raster import label_pyramid
from sim.world.scenes import scene_taxonomy
from sim.world.texture import detail_layer

TAXONOMY = scene_taxonomy()
PERSON, WATER, WALL, GRASS, ROAD = 10, 5, 11, 1, 12


@lru_cache(maxsize=32)
def coarse(family: str, seed: int = 20_000) -> World:
    return scene(seed, family, gsd_m=0.2)


def held_picture(world: World) -> object:
    return World.__dict__["ortho_bgr"].peek(world)


def test_scene_classes_extend_those_of_the_demo_model():
    synthetic = Taxonomy.load("synthetic")
    assert TAXONOMY.classes[: len(synthetic.classes)] == synthetic.classes
    assert [c.name for c in TAXONOMY.classes[12:]] == ["road", "crop", "slope"]
    assert not TAXONOMY.landable_lut[12:].any()
    assert {c.name for c in TAXONOMY.classes[len(synthetic) :]} == RELIEF_ONLY


def test_ranges_of_seeds_are_apart():
    taken: set[int] = set()
    for seeds in SEEDS.values():
        assert not taken & set(seeds)
        taken |= set(seeds)
    assert split_of(10_000) == "train"
    assert split_of(19_999) == "train"
    assert split_of(20_000) == "val"
    assert split_of(99_999) == "test"
    assert split_of(500) is None


def test_same_seed_same_world_bit_for_bit():
    a, b = scene(10_007, size_m=60, gsd_m=0.2), scene(10_007, size_m=60, gsd_m=0.2)
    assert a.name == b.name
    assert np.array_equal(a.labels, b.labels)
    assert a.actors == b.actors
    assert a.sun == b.sun
    assert np.array_equal(a.ortho_bgr, b.ortho_bgr)


def test_seeds_choose_family_season_and_light():
    worlds = [scene(seed, size_m=40, gsd_m=0.5) for seed in range(20_000, 20_024)]
    names = {w.name.split()[0] for w in worlds}
    assert len(names) > 10
    moods = {w.name.partition("(")[2] for w in worlds}
    assert {m.split(",")[0] for m in moods} >= {"summer", "snow"}
    assert {m.rstrip(")").split()[-1] for m in moods} >= {"noon", "dusk"}
    for i, a in enumerate(worlds):
        for b in worlds[:i]:
            assert not np.array_equal(a.labels, b.labels)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_ground_of_both_kinds_and_no_unknown(family):
    world = coarse(family)
    present = set(np.unique(world.labels).tolist())
    assert 0 not in present
    assert present <= {c.id for c in TAXONOMY.classes}
    landable = TAXONOMY.landable_lut[world.labels].mean()
    assert 0.001 < landable < 0.995
    assert family in repr(world)
    assert callable(held_picture(world)), "neither laying a scene out nor its name may paint it"


def test_every_class_occurs_and_some_move():
    seen: set[int] = set()
    kinds: set[str] = set()
    for family in FAMILIES:
        world = coarse(family)
        seen |= set(np.unique(world.labels).tolist())
        kinds |= {actor.kind for actor in world.actors}
    assert seen == {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14}
    assert kinds == {"person", "car"}


def test_labels_are_those_of_the_picture_that_is_painted_later():
    from sim.world.painting import _SceneCanvas

    world = scene(20_003, "park", size_m=60, gsd_m=0.2)
    painting = held_picture(world)
    assert isinstance(painting, Painting)
    canvas = _SceneCanvas(painting.sketch, painting.light)
    for stroke in painting.sketch.strokes:
        canvas.replay(stroke)
    assert np.mean(canvas.labels == world.labels) > 0.999
    picture = world.ortho_bgr
    assert picture.shape == (*world.labels.shape, 3)
    assert picture is world.ortho_bgr
    assert picture.std() > 8


def test_snow_is_white_and_dusk_is_dark():
    noon = scene(20_001, "park", size_m=40, gsd_m=0.2, season="summer", light="noon")
    snow = scene(20_001, "park", size_m=40, gsd_m=0.2, season="snow", light="noon")
    dusk = scene(20_001, "park", size_m=40, gsd_m=0.2, season="summer", light="dusk")
    assert np.array_equal(noon.labels, snow.labels)
    assert np.array_equal(noon.labels, dusk.labels)
    lawn = noon.labels == GRASS
    assert snow.ortho_bgr[lawn].mean() > noon.ortho_bgr[lawn].mean() + 60
    assert dusk.ortho_bgr.mean() < 0.75 * noon.ortho_bgr.mean()
    assert max(dusk.sun.daylight_bgr) < 1.0


def test_cars_keep_their_lanes_and_their_distance():
    world = scene(20_002, "street", gsd_m=0.2)
    south, north, west, east = world.extent_m
    lanes = sorted({a.path_ne_m for a in world.actors if isinstance(a, Timetable)})
    assert len(lanes) >= 2
    on_road = []
    for t_s in np.arange(0.0, 60.0, 2.7):
        for lane in lanes:
            states = [a.at(float(t_s)) for a in world.actors if a.path_ne_m == lane]
            seen = [s for s in states if south < s.north_m < north and west < s.east_m < east]
            for i, one in enumerate(seen):
                u, v, _ = world.pixel_from_ground @ [one.north_m, one.east_m, 1.0]
                on_road.append(world.labels[round(float(v)), round(float(u))] == ROAD)
                for other in seen[:i]:
                    apart = np.hypot(one.north_m - other.north_m, one.east_m - other.east_m)
                    assert apart > 5.0
    assert len(on_road) > 20
    assert np.mean(on_road) > 0.85


def test_coarser_labels_keep_walls_and_do_not_grow_dots():
    labels = np.full((64, 64), GRASS, np.uint8)
    labels[:, 20] = WALL
    labels[40, 45] = PERSON
    labels[8:24, 40:56] = WATER
    levels = label_pyramid(labels, TAXONOMY)
    assert levels[0] is labels or np.array_equal(levels[0], labels)
    assert (levels[1][:, 10] == WALL).all()
    assert (levels[1] == WALL).sum() == 32
    assert not (levels[1] == PERSON).any()
    assert (levels[1] == WATER).sum() == 64


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("scenes:moon", "family 'moon'"),
        ("scenes:all", "many worlds"),
        ("scenes?season=monsoon", "season 'monsoon'"),
        ("scenes?light=night", "light 'night'"),
        ("scenes?size_m=5", "size_m=5"),
        ("scenes?layout=park", "key 'layout'"),
        ("worst:nothing", "scenario 'nothing'"),
        ("adversarial:", "names no scenario"),
    ],
)
def test_mistakes_are_named(spec, words):
    with pytest.raises(DataError, match=words):
        parse_world_spec(spec, 20_000)


def test_roads_and_crops_do_not_look_like_paving_and_lawn():
    """Kerbs, wheel tracks, rows and tramlines at the world's scale; another grain close up."""
    road = scene(20_001, "street", season="summer", light="noon", size_m=60)
    kinds = {c.name: road.labels == c.id for c in TAXONOMY.classes}
    assert kinds["road"].sum() > 5000
    edge = cv2.morphologyEx(kinds["road"].astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    grey = cv2.cvtColor(road.ortho_bgr, cv2.COLOR_BGR2GRAY).astype(np.float32)
    inside = cv2.erode(kinds["road"].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert np.median(grey[edge & kinds["road"]]) > 1.2 * np.median(grey[inside])
    layers = {name: detail_layer(name, 7).astype(float) for name in ("road", "paved", "crop", "grass")}
    for like, unlike in (("road", "paved"), ("crop", "grass")):
        assert layers[like].std() > 1.3 * layers[unlike].std() or layers[unlike].std() > 1.3 * layers[like].std()
    assert np.array_equal(detail_layer("slope", 7), detail_layer("grass", 7))


def test_sleepers_lie_under_the_rails(monkeypatch):
    track = scene(20_003, "railway", season="summer", light="noon", size_m=60)
    ids = {c.name: c.id for c in TAXONOMY.classes}
    bare = scene(20_003, "railway", season="summer", light="noon", size_m=60)
    monkeypatch.setattr("sim.world.painting._SceneCanvas._sleepers", lambda *_: None)
    without = bare.ortho_bgr
    monkeypatch.undo()
    changed = (track.ortho_bgr != without).any(axis=2)
    assert changed.sum() > 1000
    near = cv2.dilate((track.labels == ids["road"]).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert near[changed].mean() > 0.95
