"""Relief from parallax: banks and things that stand are found with their size, and flat ground is left alone."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from landing.decision_groups import ReliefSettings
from landing.errors import InvalidValueError
from landing.geometry import FloatArray
from landing.motion.corners import CornerPair
from landing.motion.pairs import CameraTrack
from landing.relief.parallax import Relief
from landing.relief.report import CELL_M, CELLS, ReliefReport, packed

HEIGHT_M, STEP_S = 12.0, 0.5
Off = tuple[float, float]
DOWN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Rotation ned_from_camera of a camera that looks straight down, its top to the north."""


def turned(rng: np.random.Generator) -> FloatArray:
    """Attitude with an error of 0.4 degrees."""
    a, b, c = math.radians(0.4) * rng.normal(size=3)
    turn: FloatArray = np.array([[1.0, -c, b], [c, 1.0, -a], [-b, a, 1.0]]) @ DOWN
    return turn


def ground(kind: str, places: FloatArray) -> FloatArray:
    """Height of the ground at places, m."""
    north, east = places.T
    if kind == "bank":
        return math.tan(math.radians(16)) * np.asarray(north)
    if kind == "foot":
        return math.tan(math.radians(16)) * np.maximum(north, 0.0)
    if kind in ("crest", "ditch"):
        return (1 if kind == "ditch" else -1) * math.tan(math.radians(16)) * np.abs(north + 0.3 * np.asarray(east))
    if kind == "box":
        return np.where((np.abs(north) < 0.5) & (np.abs(east) < 0.5), 1.2, 0.0)
    return np.zeros(len(places))


def fly(
    kind: str, way_m: float = 2.0, looks: int = 16, north_mps: float = 0.0, off: Callable[[int], Off] = lambda _: (0, 0)
) -> ReliefReport:
    """Looks at random corners on the way there and back, with errors of pose and corners.

    Args:
        kind: Of `ground`.
        way_m: Between two looks, east and west.
        looks: Pairs, one a second.
        north_mps: Speed by which each pair lies farther north.
        off: By how much each pair's position is too deep, m, and its height above ground too low, m.
    """
    rng = np.random.default_rng(7)
    relief, track = Relief(ReliefSettings()), CameraTrack(20.0)
    for number in range(looks):
        from_ns, to_ns = (round((1 + number + k * STEP_S) * 1e9) for k in (0, 1))
        ahead_m, (deep_m, low_m) = north_mps * number, off(number)
        centres = [np.array([ahead_m + rng.uniform(-1, 1), side * way_m / 2, -HEIGHT_M]) for side in (-1, 1)]
        places = np.vstack([rng.uniform(-6, 6, (70, 2)), rng.uniform(-0.4, 0.4, (6, 2))])
        places[:, 0] += ahead_m
        points = np.column_stack([places, -ground(kind, places)])
        looked = []
        for at_ns, centre in zip((from_ns, to_ns), centres, strict=True):
            seen = (points - centre) @ DOWN
            looked.append(seen[:, :2] / seen[:, 2:] + 0.0012 * rng.normal(size=(len(points), 2)))
            told_m = centre + 0.05 * rng.normal(size=3) + [0.0, 0.0, deep_m]
            track.add(at_ns, told_m, turned(rng), HEIGHT_M * 1.01 - low_m)
        relief.add(CornerPair(from_ns, to_ns, looked[0], looked[1]), track)
    return relief.report()


def test_flat_ground_is_left_alone() -> None:
    report = fly("flat")
    assert not report.rough_m2 and report.seen_m2 > 50
    assert report.text.startswith("flat where seen")


def test_a_bank_is_refused_with_its_slope() -> None:
    report = fly("bank")
    assert report.slope_deg == pytest.approx(16, abs=4)
    assert report.mask((-1.5, -1.5), CELL_M, (6, 6)).mean() > 0.8
    assert "a slope of" in report.text


@pytest.mark.parametrize("kind", ["crest", "ditch"])
def test_a_crest_is_as_steep_as_its_sides_though_the_plane_across_it_is_level(kind: str) -> None:
    report = fly(kind)
    assert report.slope_deg == pytest.approx(17, abs=4)
    assert report.mask((-1.0, -1.0), CELL_M, (4, 4)).mean() > 0.8


def test_the_foot_of_a_bank_is_left_alone_from_2_m_on() -> None:
    report = fly("foot", looks=40)
    assert report.mask((2.0, -1.0), CELL_M, (2, 4)).all()
    assert not report.mask((-4.0, -2.0), CELL_M, (4, 8)).any()


def test_a_thing_that_stands_is_refused_where_it_is() -> None:
    report = fly("box")
    assert 0.6 < report.step_m < 1.6
    assert report.mask((-1.0, -1.0), CELL_M, (4, 4)).any()
    assert not report.mask((3.0, 3.0), CELL_M, (4, 4)).any()
    assert "m tall or deep" in report.text


def test_one_pair_of_looks_refuses_nothing() -> None:
    report = fly("bank", looks=1)
    assert not report.rough_m2 and not report.mask((-6.0, -6.0), CELL_M, (24, 24)).any()


@pytest.mark.parametrize(
    "off",
    [lambda number: (0.0, 1.5 if number in (7, 8, 9) else 0.0), lambda number: (0.4 * number, 0.0)],
    ids=["a car below the rangefinder", "the height drifts"],
)
def test_a_height_that_is_off_for_a_while_makes_no_slope(off: Callable[[int], Off]) -> None:
    report = fly("flat", north_mps=2.0, off=off)
    assert not report.rough_m2 and report.seen_m2 > 50


def test_without_a_way_nothing_is_known() -> None:
    report = fly("bank", way_m=0.0, looks=2)
    assert report == ReliefReport() and report.text == "relief not seen"


def test_cells_are_found_in_a_grid_of_another_scale() -> None:
    stands = np.zeros((CELLS, CELLS))
    stands[12, 19] = 0.6
    report = packed((-10, -20), stands > 0, 0 * stands, stands)  # north 1.0 to 1.5 m, east -0.5 to 0 m
    assert np.argwhere(report.mask((0.0, -1.0), 0.25, (8, 8))).tolist() == [[4, 2], [4, 3], [5, 2], [5, 3]]
    assert np.argwhere(report.mask((0.0, -1.0), 1.0, (4, 4))).tolist() == [[1, 0]]
    assert not report.mask((50.0, 50.0), 0.25, (8, 8)).any()


@pytest.mark.parametrize("cells", [b"", bytes(CELLS * CELLS - 1), bytes(CELLS * CELLS + 1), bytes(10**8)])
def test_cells_of_another_number_are_refused_before_they_fill_the_memory(cells: bytes) -> None:
    with pytest.raises(InvalidValueError, match="relief of"):
        ReliefReport((0, 0), base64.b64encode(zlib.compress(cells)).decode())


@pytest.mark.parametrize("cells", ["xx", "AAAA", "\u00e9"])
def test_what_is_no_relief_is_refused(cells: str) -> None:
    with pytest.raises(InvalidValueError, match="cannot be read"):
        ReliefReport((0, 0), cells)
