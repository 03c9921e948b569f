from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from trainer.data.augment.view import PAD_GREY, random_view, seen_from, source_mask, tilted_camera
from trainer.data.samples import IGNORE
from trainer.recipe import Variation

SOURCE = (120, 80)


def affine(linear: list[list[float]], shift: tuple[float, float]) -> np.ndarray:
    view = np.eye(3)
    view[:2, :2], view[:2, 2] = linear, shift
    return view


def moved(view: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (n, 2) under a homography, by OpenCV."""
    return cv2.perspectiveTransform(np.asarray(points, float).reshape(-1, 1, 2), view)[:, 0]


@pytest.fixture(scope="module")
def noise() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (80, 120, 3), np.uint8), rng.integers(0, 9, (80, 120), np.uint8)


def test_quarter_turns_and_flips_move_whole_pixels(noise):
    image, labels = noise
    turned = affine([[0, -1], [1, 0]], (80, 0))
    out, ids = seen_from(image, labels, turned, (80, 120))
    np.testing.assert_array_equal(out, np.rot90(image, -1))
    np.testing.assert_array_equal(ids, np.rot90(labels, -1))
    flipped = affine([[-1, 0], [0, 1]], (120, 0))
    out, ids = seen_from(image, labels, flipped, SOURCE)
    np.testing.assert_array_equal(out, image[:, ::-1])
    np.testing.assert_array_equal(ids, labels[:, ::-1])


@pytest.mark.parametrize("factor", [2, 4, 5])
def test_shrinking_averages_what_it_leaves_out(noise, factor):
    image, labels = noise
    size = 120 // factor, 80 // factor
    out, ids = seen_from(image, labels, np.diag([1 / factor, 1 / factor, 1.0]), size)
    blocks = image.reshape(size[1], factor, size[0], factor, 3).mean((1, 3))
    assert np.abs(out - blocks).max() <= 0.51
    middle = factor // 2
    if factor % 2:
        np.testing.assert_array_equal(ids, labels[middle::factor, middle::factor])
    assert set(np.unique(ids)) <= set(range(9))


@pytest.mark.parametrize("tilt_deg", [0, 5, 20, 40])
def test_tilt_is_what_a_turned_pinhole_camera_sees(tilt_deg):
    view = tilted_camera(SOURCE, tilt_deg, 30)
    focal = 60 / math.tan(math.radians(35))
    pixels = np.array([[0, 0], [120, 80], [30, 70], [60, 40]], float)
    rays = np.column_stack([pixels - (60, 40), np.full(4, focal)])
    axis = np.array([math.cos(math.radians(30)), math.sin(math.radians(30)), 0])
    # Rodrigues' formula, written out.
    a = math.radians(tilt_deg)
    turned = rays * math.cos(a) + np.cross(axis, rays) * math.sin(a) + np.outer(rays @ axis, axis) * (1 - math.cos(a))
    expected = turned[:, :2] / turned[:, 2:] * focal + (60, 40)
    assert (turned[:, 2] > 0).all()
    np.testing.assert_allclose(moved(view, pixels), expected, atol=1e-6)


def test_no_point_behind_the_camera_falls_into_the_source():
    widest = Variation(zoom=(0.3, 3.0), perspective_deg=40)
    for seed in range(300):
        view = random_view(SOURCE, (96, 96), (96, 96), widest, np.random.default_rng(seed), None)
        across, down = np.meshgrid(np.arange(0, 97, 4), np.arange(0, 97, 4))
        outputs = np.stack([across, down, np.ones_like(across)]).reshape(3, -1)
        sources = np.linalg.inv(view) @ outputs
        points = sources[:2] / sources[2]
        inside = ((points >= 0) & (points.T <= SOURCE).T).all(0)
        front = (view @ np.vstack([points, np.ones(points.shape[1])]))[2] > 0
        assert front[inside].all()


@pytest.mark.parametrize("tilt_deg", [0.0, 40.0])
@pytest.mark.parametrize("zoom", [0.7, 2.0])
def test_things_are_as_large_as_zoom_says_at_the_aim(tilt_deg, zoom):
    variation = Variation(zoom=(zoom, zoom), perspective_deg=tilt_deg)
    for seed in range(20):
        centre = (100, 13)
        view = random_view(SOURCE, (64, 64), (240, 240), variation, np.random.default_rng(seed), centre)
        aim = np.array(centre) + 0.5
        here, right, below = moved(view, aim + np.array([[0, 0], [1e-3, 0], [0, 1e-3]]))
        area = abs(np.linalg.det(np.column_stack([right - here, below - here]))) / 1e-6
        assert math.sqrt(area) == pytest.approx(2 * zoom, rel=1e-3)
        assert (np.abs(here - 32) <= 0.42 * 64 + 1e-6).all()


def test_labels_follow_the_picture_under_any_view():
    rng = np.random.default_rng(1)
    labels = np.kron(rng.integers(0, 5, (8, 12)), np.ones((10, 10), int)).astype(np.uint8)
    image = np.repeat(labels[..., None] * 40 + 10, 3, axis=2).astype(np.uint8)
    padded_pixels = 0
    for seed in range(40):
        variation = Variation(zoom=(0.2, 3.0), perspective_deg=40)
        view = random_view(SOURCE, (96, 64), (96, 64), variation, np.random.default_rng(seed), None)
        out, ids = seen_from(image, labels, view, (96, 64))
        padding = ids == IGNORE
        padded_pixels += int(padding.sum())
        expected = np.where(padding, PAD_GREY, ids * 40 + 10)
        # Away from the edges between regions the colours are pure.
        pure = cv2.erode(expected.astype(np.uint8), np.ones((5, 5))) == cv2.dilate(
            expected.astype(np.uint8), np.ones((5, 5))
        )
        assert (np.abs(out[..., 0].astype(int) - expected)[pure] <= 1).mean() > 0.995
        inside = source_mask(SOURCE, view, (96, 64)) > 0
        # The two differ only along the border of the source.
        differ = (inside == padding).astype(np.uint8)
        assert cv2.erode(differ, np.ones((3, 3))).sum() == 0
    assert padded_pixels > 1000


def test_without_a_centre_the_view_stays_inside_where_it_can():
    variation = Variation(zoom=(2.5, 3.0), perspective_deg=0)
    for seed in range(30):
        view = random_view(SOURCE, (60, 40), (60, 40), variation, np.random.default_rng(seed), None)
        corners = moved(np.linalg.inv(view), np.array([[0, 0], [60, 0], [60, 40], [0, 40]]))
        assert (corners > -1e-6).all()
        assert (corners < np.array(SOURCE) + 1e-6).all()


def test_headings_and_flips_all_occur():
    seen = set()
    still = Variation(zoom=(1, 1), turn_deg=0, perspective_deg=0)
    for seed in range(100):
        view = random_view(SOURCE, SOURCE, SOURCE, still, np.random.default_rng(seed), None)
        seen.add(tuple(np.rint(view[:2, :2]).astype(int).ravel().tolist()))
    assert len(seen) == 8


def test_a_centre_at_the_border_of_the_source_wastes_little_on_padding():
    variation = Variation(zoom=(1.5, 2.0), perspective_deg=10)
    padding = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        view = random_view(SOURCE, (40, 40), SOURCE, variation, rng, (2, 3))
        here = moved(view, np.array([[2.5, 3.5]]))[0]
        assert (np.abs(here - 20) <= 0.42 * 40 + 1e-6).all()
        padding.append((source_mask(SOURCE, view, (40, 40)) == 0).mean())
    assert np.mean(padding) < 0.3
