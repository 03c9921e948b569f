"""The fast ways of the decision's grids against the plain ones, to the last bit."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from landing.choice.picker import clean_regions, clearance_grid, distance_m, hazard_clearance_grid, score_grid
from landing.ground.map import GroundMap
from landing.ground.merge import segmentation_from_labels, smoothed
from landing.ground.shown_cells import mask_camera, shown_cells
from landing.ground.view import MOVING_ROLES, GroundView
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES
from landing.types import Pose, Segmentation
from tests.landing.worlds import CAMERA, TAXONOMY

HEIGHT_M = 12.0
POSE = Pose(1, (0.99, 0.05, -0.08, 0.1), (0.3, -0.7, -HEIGHT_M), HEIGHT_M)


def _frame(seed: int) -> Segmentation:
    rng = np.random.default_rng(seed)
    labels = cv2.resize(
        rng.integers(0, len(TAXONOMY), (12, 16)).astype(np.uint8), (160, 120), interpolation=cv2.INTER_NEAREST
    )
    plain = segmentation_from_labels(labels, TAXONOMY)
    landable = cv2.addWeighted(plain.landable, 0.8, rng.integers(0, 256, labels.shape).astype(np.uint8), 0.2, 0)
    return Segmentation(labels, np.asarray(landable, np.uint8), plain.hazards, 1)


def _mapped(seed: int) -> tuple[GroundMap, GroundView]:
    ground = GroundMap(DecisionSettings(), TAXONOMY)
    assert ground.update(_frame(seed), CAMERA, POSE, 0.0) > 100
    view = ground.view(2)
    assert view is not None
    return ground, view


@pytest.mark.parametrize("seed", range(3))
def test_evidence_is_what_each_shown_cell_samples(seed: int) -> None:
    ground, _ = _mapped(seed)
    frame = smoothed(_frame(seed), DecisionSettings().evidence.smoothing_px)
    reach_m = HEIGHT_M * math.tan(math.radians(DecisionSettings().view.max_angle_deg))
    extent = ground._grid.extent
    shown = shown_cells(mask_camera(CAMERA, 120, 160), POSE, CAMERA.centre_ned_m(POSE), 0.0, extent, reach_m)
    assert shown is not None
    px_per_cell = extent.cell_m * CAMERA.resized(160, 120).fx / HEIGHT_M
    side_px = max(1, int(np.ceil(px_per_cell)))
    blurred = cv2.blur(frame.landable, (side_px, side_px), borderType=cv2.BORDER_REPLICATE)
    odd_px = side_px + 1 - side_px % 2
    for k, role in enumerate((None, *HAZARD_ROLES)):
        plane = blurred if role is None else cv2.dilate(frame.hazards[k - 1], np.ones((odd_px, odd_px), np.uint8))
        way = cv2.INTER_LINEAR if role is None else cv2.INTER_NEAREST
        sampled = np.asarray(cv2.remap(plane, shown.u, shown.v, way, borderMode=cv2.BORDER_REPLICATE))
        table = (ground._landable_evidence if role is None else ground._hazard_evidence[0, :, k - 1]).copy()
        table[0] = table[1]
        expected = np.where(shown.visible, table[sampled], np.float32(0.0))
        evidence = DecisionSettings().evidence
        limit = evidence.hazard_limit if role in MOVING_ROLES else evidence.ground_limit
        floor = max(-limit, evidence.no_person_frames * float(table[0])) if role in MOVING_ROLES else -limit
        expected = np.clip(expected, floor, limit)
        grid = ground._landable if role is None else ground._hazards[..., k - 1]
        assert np.array_equal(grid[shown.window], expected), role


@pytest.mark.parametrize("seed", range(3))
def test_areas_and_scores_are_those_of_the_whole_grid(seed: int) -> None:
    _, view = _mapped(seed)
    settings = DecisionSettings(vehicle_radius_m=0.1, margin_m=0.0)
    clearance_m = clearance_grid(view, hazard_clearance_grid(view, TAXONOMY, settings))
    regions = clean_regions(view, clearance_m, settings, (0.0, 0.0))
    _, labels, stats, _ = cv2.connectedComponentsWithStats((regions.labels > 0).astype(np.uint8), connectivity=8)
    for row, column in np.random.default_rng(seed).integers(0, labels.shape, (50, 2)):
        label = labels[row, column]
        expected_m2 = float(stats[label, cv2.CC_STAT_AREA]) * view.cell_m**2 if label else 0.0
        assert regions.area_m2(row, column) == expected_m2
        if label:
            assert regions.areas_m2[regions.labels[row, column]] == expected_m2
    assert view.visited.any()
    penalty = settings.recent_hazard
    unvisited = view.__class__(**{**vars(view), "visited": np.zeros_like(view.visited)})
    expected = score_grid(unvisited, clearance_m, settings, (0.0, 0.0), HEIGHT_M)
    near = 1.0 - distance_m(view.visited, view.cell_m, False) / np.float32(penalty.radius_m)
    expected = expected - np.float32(penalty.cost_m) * np.maximum(near, np.float32(0.0))
    assert np.array_equal(score_grid(view, clearance_m, settings, (0.0, 0.0), HEIGHT_M), expected)
