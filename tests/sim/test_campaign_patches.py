"""How mistakes hang together, on fields whose correlations are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.campaign.error_fields import gaussian_field
from sim.campaign.patches import (
    LAGS_PX,
    LEAST_OF_WORLDS,
    REGION_TIMES,
    UNKNOWN,
    Patches,
    Place,
    Together,
    fitted,
    mover_persistence,
    world_share,
)

SHAPE = (120, 160)


def correlated(correlation: float, limits: tuple[float, float], n: int = 200_000) -> Together:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, n))
    counted = Together()
    other = correlation * x + math.sqrt(1 - correlation**2) * y
    counted.add(x > limits[0], other > limits[1])
    return counted


@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("limits", [(1.6, 1.6), (2.0, 0.3), (-0.5, 1.0)])
def test_the_correlation_behind_two_judgements(correlation: float, limits: tuple[float, float]):
    assert correlated(correlation, limits).correlation() == pytest.approx(correlation, abs=0.04)


def test_where_nothing_or_all_was_wrong_there_is_none() -> None:
    nothing, everything = np.zeros(9, bool), np.ones(9, bool)
    for first in (nothing, everything):
        counted = Together()
        counted.add(first, everything)
        assert math.isnan(counted.correlation())


@pytest.mark.parametrize(("size", "share"), [(4.0, 0.0), (7.0, 0.6), (11.0, 0.3)])
def test_patches_and_regions_are_told_apart(size: float, share: float) -> None:
    lags = np.array(LAGS_PX, float)
    found = (1 - share) * np.exp(-((lags / size) ** 2))
    found += share * np.exp(-((lags / size / REGION_TIMES) ** 2))
    assert fitted(list(found)) == pytest.approx((size, share), abs=0.02)
    found[2] = math.nan
    assert fitted(list(found)) == pytest.approx((size, share), abs=0.02)
    assert all(math.isnan(v) for v in fitted([math.nan] * len(LAGS_PX)))


def fields(count: int, size: float, share: float, stays: float) -> Patches:
    """Pictures whose wrongness is drawn as `PerceptionErrorSampler` draws it."""
    rng, patches = np.random.default_rng(8), Patches()
    fine = gaussian_field(1024, size, 1, wrap=True)
    coarse = gaussian_field(1024, REGION_TIMES * size, 2, wrap=True)
    ground = math.sqrt(1 - share) * fine + math.sqrt(share) * coarse
    fresh = gaussian_field(1024, size, 3, wrap=True)

    def part(whole: np.ndarray, at: np.ndarray) -> np.ndarray:
        return whole[at[0] : at[0] + SHAPE[0], at[1] : at[1] + SHAPE[1]]

    def byte(z: np.ndarray) -> np.ndarray:
        return (128 + 32 * z).clip(0, 255).astype(np.uint8)

    for _ in range(count):
        at, *new = rng.integers(0, 800, (3, 2))
        labels = np.full(SHAPE, 1, np.uint8)
        labels[:, :60] = 4
        labels[50:60] = UNKNOWN
        first, second = (byte(math.sqrt(stays) * part(ground, at) + math.sqrt(1 - stays) * part(fresh, f)) for f in new)
        patches.add(first, labels, second, labels, Place(0, 0.0, 0.0, 10.0))
    return patches


def test_what_was_drawn_is_measured_again() -> None:
    size, share, stays = fields(60, 8.0, 0.0, 0.8).measure()
    assert size == pytest.approx(8.0, abs=1.0)
    assert share < 0.1
    assert stays == pytest.approx(0.8, abs=0.06)


def test_regions_count_as_more_than_patches() -> None:
    _, few, _ = fields(60, 6.0, 0.1, 0.95).measure()
    size, share, stays = fields(60, 6.0, 0.6, 0.95).measure()
    assert size == pytest.approx(6.0, abs=1.5)
    assert share > few + 0.25
    assert stays == pytest.approx(0.95, abs=0.04)


def test_without_pictures_nothing_is_known() -> None:
    assert all(math.isnan(v) for v in Patches().measure())


def test_a_band_with_few_missed_people_asks_its_neighbours() -> None:
    plenty = correlated(0.8, (1.0, 1.0), 2_000)
    few = Together(pairs=30, first=2, second=1, both=1)
    other = correlated(0.1, (1.0, 1.0), 20_000)
    assert mover_persistence([plenty, few, other], 0) == pytest.approx(0.8, abs=0.1)
    assert 0.1 < mover_persistence([plenty, few, other], 1) < 0.8
    assert math.isnan(mover_persistence([few], 0))


def worlds(count: int, share: float, apart_m: float) -> Patches:
    """Two pictures of each of so many worlds, of errors with a part in common all over the world."""
    rng, patches = np.random.default_rng(5), Patches()
    labels = np.full((30, 40), 3, np.uint8)
    for world in range(count):
        common = rng.standard_normal()
        for north_m in (0.0, apart_m):
            z = math.sqrt(share) * common + math.sqrt(1.0 - share) * rng.standard_normal(labels.shape)
            wrong = (128 + 32 * z).clip(0, 255).astype(np.uint8)
            patches.add(wrong, labels, wrong, labels, Place(world, north_m, 0.0, 8.0))
    return patches


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_what_is_wrong_all_over_a_world_is_told_from_what_is_wrong_at_a_place(share: float) -> None:
    assert world_share([worlds(400, share, 20.0)], 0) == pytest.approx(share, abs=0.08)


def test_pictures_of_common_ground_do_not_tell_what_a_world_has_in_common() -> None:
    assert worlds(60, 0.5, 6.0).over_worlds().pairs == 0
    assert math.isnan(world_share([worlds(60, 0.5, 6.0)], 0))
    near = worlds(2 * LEAST_OF_WORLDS, 0.5, 20.0)
    assert world_share([near, worlds(60, 0.5, 6.0)], 1) == world_share([near], 0) > 0.2
