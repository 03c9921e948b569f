"""The baselines do what they are said to do, on drawn masks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landing.camera import CameraModel
from landing.errors import TouchdownError
from landing.ground.merge import segmentation_from_labels
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite
from landing.taxonomy import Taxonomy
from landing.types import Pose, Segmentation
from sim.campaign.baselines import Dovesei, LargestCentroid
from sim.campaign.policies import POLICIES, policy_named

TAXONOMY = Taxonomy.load("synthetic")
GRASS, ROOF, PERSON = 1, 7, 10
CAMERA = CameraModel.from_hfov(160, 120, 90.0)
HEIGHT_M = 20.0  # so a pixel is 0.25 m
SETTINGS = DecisionSettings()


def pose(at_ns: int = 0, north_m: float = 0.0) -> Pose:
    return Pose(at_ns, (1.0, 0.0, 0.0, 0.0), (north_m, 0.0, -HEIGHT_M), HEIGHT_M)


def ground(*patches: tuple[int, int, int, int]) -> np.ndarray:
    """Roof with patches of grass (top, left, bottom, right), pixels."""
    labels = np.full((120, 160), ROOF, np.uint8)
    for top, left, bottom, right in patches:
        labels[top:bottom, left:right] = GRASS
    return labels


def seen(labels: np.ndarray, at_ns: int = 0) -> Segmentation:
    said = segmentation_from_labels(labels, TAXONOMY)
    return Segmentation(said.class_id, said.landable, said.hazards, at_ns)


def ne_of(row: float, column: float) -> tuple[float, float]:
    """Where a pixel lies on the ground below the level camera."""
    m_per_px = HEIGHT_M / CAMERA.fx
    return (59.5 - row) * m_per_px, (column - 79.5) * m_per_px


def chosen(policy: str, labels: np.ndarray) -> tuple[float, float]:
    decider = POLICIES[policy].make(SETTINGS, TAXONOMY, CAMERA, None)
    decision = decider.observe(seen(labels), pose(), 0)
    assert isinstance(decision.selection, LandingSite)
    return decision.selection.position_ned_m[:2]


def test_largest_centroid_takes_the_larger_of_two() -> None:
    labels = ground((10, 10, 40, 40), (50, 70, 110, 150))
    assert chosen("largest-centroid", labels) == pytest.approx(ne_of(79.5, 109.5), abs=0.3)


def test_largest_centroid_falls_into_the_hole_of_a_ring() -> None:
    labels = ground((20, 40, 100, 120))
    labels[40:80, 60:100] = ROOF
    north_m, east_m = chosen("largest-centroid", labels)
    assert (north_m, east_m) == pytest.approx(ne_of(59.5, 79.5), abs=0.3)  # on the roof


def test_dovesei_lands_at_the_peak_and_not_in_the_hole() -> None:
    labels = ground((20, 40, 100, 120))
    labels[40:80, 60:100] = ROOF
    north_m, east_m = chosen("dovesei", labels)
    row, column = 59.5 - north_m / 0.25, 79.5 + east_m / 0.25
    assert labels[round(row), round(column)] == GRASS


def test_dovesei_prefers_the_near_compact_area_over_a_far_large_strip() -> None:
    labels = ground((55, 75, 70, 90), (2, 2, 12, 158))
    assert chosen("dovesei", labels) == pytest.approx(ne_of(62, 82), abs=0.8)
    assert chosen("largest-centroid", labels) == pytest.approx(ne_of(6.5, 79.5), abs=0.3)


def test_straight_down_stays_over_where_it_began_whatever_is_there() -> None:
    decider = POLICIES["straight-down"].make(SETTINGS, TAXONOMY, CAMERA, None)
    decider.observe(seen(ground()), pose(), 0)
    later = decider.observe(seen(ground(), 10**9), pose(10**9, north_m=3.0), 10**9)
    assert isinstance(later.selection, LandingSite)
    assert later.selection.position_ned_m[:2] == (0.0, 0.0)
    assert later.selection.first_seen_ns == 0


def test_single_frame_keeps_our_clearance_but_forgets_the_frame_before() -> None:
    decider = POLICIES["single-frame"].make(SETTINGS, TAXONOMY, CAMERA, None)
    labels = ground((0, 0, 120, 160))
    labels[60:64, 80:84] = PERSON
    with_person = decider.observe(seen(labels), pose(), 0)
    assert isinstance(with_person.selection, LandingSite)
    away = math.dist(with_person.selection.position_ned_m[:2], ne_of(62, 82))
    assert away > TAXONOMY.clearance_of(TAXONOMY.classes[PERSON].role)
    without = decider.observe(seen(ground((0, 0, 120, 160)), 10**8), pose(10**8), 10**8)
    assert isinstance(without.selection, LandingSite)
    assert decider.last_view is not None
    assert not any(grid.any() for grid in decider.last_view.hazards.values())


@pytest.mark.parametrize("policy", ["dovesei", "largest-centroid", "single-frame", "touchdown"])
def test_nothing_landable_is_no_site(policy: str) -> None:
    decider = POLICIES[policy].make(SETTINGS, TAXONOMY, CAMERA, None)
    assert isinstance(decider.observe(seen(ground()), pose(), 0).selection, NoSite)


@pytest.mark.parametrize("make", [Dovesei, LargestCentroid])
def test_a_place_near_the_last_one_is_the_same_site(make: type) -> None:
    decider = make(SETTINGS, TAXONOMY, CAMERA)
    decider.observe(seen(ground((20, 40, 100, 120))), pose(), 0)
    again = decider.observe(seen(ground((20, 41, 100, 121)), 10**9), pose(10**9), 10**9).selection
    assert isinstance(again, LandingSite)
    assert (again.first_seen_ns, again.last_seen_ns) == (0, 10**9)
    other = decider.observe(seen(ground((0, 120, 30, 160)), 2 * 10**9), pose(), 2 * 10**9).selection
    assert isinstance(other, LandingSite)
    assert other.first_seen_ns == 2 * 10**9


def test_no_pose_is_no_site() -> None:
    decider = POLICIES["dovesei"].make(SETTINGS, TAXONOMY, CAMERA, None)
    assert isinstance(decider.observe(seen(ground((0, 0, 120, 160))), None, 0).selection, NoSite)


def test_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(TouchdownError, match="straight-down"):
        policy_named("luck")
