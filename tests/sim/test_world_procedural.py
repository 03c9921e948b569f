"""Made-up places: reproducible, different, with every class and with somewhere to land."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from landing.errors import DataError
from sim.world import LAYOUTS, World, procedural, suggest_start

SEEDS = range(12)


@lru_cache(maxsize=32)
def small(seed: int, layout: str | None = None) -> World:
    return procedural(seed, size_m=60, gsd_m=0.1, layout=layout)


def test_same_seed_same_world_bit_for_bit():
    a, b = procedural(3, size_m=40, gsd_m=0.1), procedural(3, size_m=40, gsd_m=0.1)
    assert np.array_equal(a.ortho_bgr, b.ortho_bgr)
    assert np.array_equal(a.labels, b.labels)
    assert a.actors == b.actors
    assert a.sun == b.sun


def test_seeds_differ_in_picture_and_labels():
    worlds = [small(seed) for seed in SEEDS]
    for i, a in enumerate(worlds):
        for b in worlds[:i]:
            assert np.mean(a.labels != b.labels) > 0.1 or np.mean(a.ortho_bgr != b.ortho_bgr) > 0.5


def test_every_class_occurs_over_some_seeds_and_no_cell_is_unknown():
    seen: set[int] = set()
    people = 0
    for seed in SEEDS:
        world = small(seed)
        seen |= {int(i) for i in np.unique(world.labels)}
        people += sum(actor.kind == "person" for actor in world.actors)
    assert seen == {1, 2, 3, 4, 5, 6, 7, 8, 9, 11}
    assert people > 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_has_landable_ground_and_hazards(layout):
    for seed in range(3):
        world = small(seed, layout)
        landable = world.taxonomy.landable_lut[world.labels].mean()
        assert 0.1 < landable < 0.99
        assert world.margin_m.max() >= 4.0


def test_people_walk_on_ground_they_could_walk_on():
    for seed in SEEDS:
        world = small(seed)
        for actor in world.actors:
            for north, east in actor.path_ne_m:
                u, v, _ = world.pixel_from_ground @ [north, east, 1.0]
                label = world.labels[round(float(v)), round(float(u))]
                assert world.taxonomy.landable_lut[label], (seed, actor.kind)


def test_starts_are_mostly_bad_places_with_a_good_one_near():
    bad = 0
    for seed in SEEDS:
        world = small(seed)
        north, east = suggest_start(world, seed)
        assert suggest_start(world, seed) == (north, east)
        truth = world.landable_disc(north, east, 1.0)
        bad += not truth.all_landable or truth.hazard_m < 2.5 or truth.person_m < 4.0
        rows, columns = np.nonzero(world.margin_m >= 1.5)
        norths = (world.origin_px[1] - rows) * world.gsd_m
        easts = (columns - world.origin_px[0]) * world.gsd_m
        assert np.hypot(norths - north, easts - east).min() < 15.5
    assert bad >= 6


def test_colours_of_a_class_vary_between_worlds():
    greens = [w.ortho_bgr[w.labels == 1].mean(axis=0) for w in map(small, SEEDS) if (w.labels == 1).any()]
    assert np.std(greens, axis=0).min() > 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layout": "moon"}, "layout 'moon'"),
        ({"size_m": 5}, "size_m=5"),
        ({"gsd_m": 0}, "gsd_m=0"),
        ({"size_m": 900, "gsd_m": 0.01}, "pixels a side"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_worlds_that_cannot_be_made_are_refused(arguments, words):
    with pytest.raises(DataError, match=words):
        procedural(**{"seed": 0, **arguments})


def test_no_start_without_safe_ground():
    world = small(0)
    labels = np.full_like(world.labels, 5)
    drowned = World("sea", world.ortho_bgr, labels, world.gsd_m, world.taxonomy, world.origin_px)
    with pytest.raises(DataError, match="no safe ground"):
        suggest_start(drowned, 0)
