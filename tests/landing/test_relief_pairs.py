"""One pair of looks: heights keep their size whatever way the pose tells, and errors are told as they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landing.camera import CameraModel, Mount
from landing.geometry import FloatArray, matrix_from_quaternion, quaternion_from_euler
from landing.motion.corners import CornerPair
from landing.motion.pairs import CameraTrack
from landing.relief.heights import corner_heights

FROM_NS, TO_NS = 1_000_000_000, 1_500_000_000
CORNER_RAD = 0.0012


def pair_of(
    points: FloatArray, height_m: float, way_m: float, told_m: float, mount: Mount, rng: np.random.Generator
) -> tuple[CornerPair, CameraTrack]:
    """Two looks with a way north between them, at the points that both show, and poses with another way.

    Args:
        points: NED, shape (n, 3); the ground is at down 0.
        height_m: Of the vehicle.
        way_m: True way.
        told_m: Way by the poses.
        mount: Of the camera.
        rng: Randomness of errors.
    """
    camera, track, looks = CameraModel.from_hfov(320, 240, 75.0, mount), CameraTrack(20.0), []
    shown = np.ones(len(points), np.bool_)
    for at_ns, side in ((FROM_NS, -0.5), (TO_NS, 0.5)):
        centre = np.array([side * way_m, 0.0, -height_m])
        seen = (points - centre) @ mount.frd_from_camera
        shown &= (seen[:, 2] > 0.3) & (np.abs(seen[:, 0]) < 0.76 * seen[:, 2])
        shown &= np.abs(seen[:, 1]) < 0.57 * seen[:, 2]
        looks.append(seen[:, :2] / np.maximum(seen[:, 2:], 0.3) + CORNER_RAD * rng.normal(size=(len(points), 2)))
        attitude = matrix_from_quaternion(quaternion_from_euler(*(math.radians(0.3) * rng.normal(size=3))))
        track.add(at_ns, np.array([side * told_m, 0.0, -height_m]), attitude @ camera.mount.frd_from_camera, height_m)
    return CornerPair(FROM_NS, TO_NS, looks[0][shown], looks[1][shown]), track


def box_of(tall_m: float, half_m: float, reach_m: float, rng: np.random.Generator) -> FloatArray:
    """Points on the ground around a box, and on it."""
    around = rng.uniform(-reach_m, reach_m, (90, 2))
    around = around[np.abs(around).max(axis=1) > half_m]
    on = rng.uniform(-half_m, half_m, (14, 2))
    down = np.concatenate([np.zeros(len(around)), np.full(len(on), -tall_m)])
    return np.column_stack([np.vstack([around, on]), down])


def read_m(height_m: float, tall_m: float, way_m: float, told_m: float) -> float:
    """Height of a box by one pair, the median of 20, m."""
    rng, read = np.random.default_rng(5), []
    for _ in range(20):
        points = box_of(tall_m, 0.2 * height_m, 0.7 * height_m, rng)
        found = corner_heights(*pair_of(points, height_m, way_m, told_m, Mount(), rng))
        assert found is not None
        places, down_m, _, _ = found
        on = np.abs(places).max(axis=1) < 0.18 * height_m
        read.append(float(np.median(down_m[~on]) - np.median(down_m[on])))
    return float(np.median(read))


@pytest.mark.parametrize("told_m", [0.13, 0.22, 0.31])
def test_a_thing_keeps_its_height_whatever_way_the_pose_tells(told_m: float) -> None:
    assert read_m(3.0, 0.5, 0.13, told_m) == pytest.approx(0.46, abs=0.06)


def test_a_position_that_drifts_over_a_hover_shows_no_relief() -> None:
    rng = np.random.default_rng(6)
    points = box_of(0.5, 0.5, 2.1, rng)
    assert corner_heights(*pair_of(points, 3.0, 0.0, 0.2, Mount(), rng)) is None


@pytest.mark.parametrize("tall_m", [2.0, 3.0, 3.8])
def test_what_reaches_up_to_half_the_height_is_seen(tall_m: float) -> None:
    assert read_m(8.0, tall_m, 0.8, 0.8) == pytest.approx(tall_m, abs=0.15 * tall_m)


@pytest.mark.parametrize("pitch_deg", [-90.0, -60.0, -45.0, -35.0])
def test_a_camera_that_looks_ahead_tells_its_errors_as_they_are(pitch_deg: float) -> None:
    """Corners close to the horizon are left out; farther ones err by more, and say so."""
    rng, off, mount = np.random.default_rng(7), [], Mount(pitch_deg=pitch_deg)
    for _ in range(20):
        rays = np.column_stack([rng.uniform(-0.7, 0.7, 90), rng.uniform(-0.5, 0.5, 90), np.ones(90)])
        rays = rays @ mount.frd_from_camera.T
        rays = rays[rays[:, 2] > 0.05]
        points = 12.0 * rays / rays[:, 2:] - [0.45, 0.0, 12.0]
        found = corner_heights(*pair_of(points, 12.0, 0.9, 0.9, mount, rng))
        assert found is not None
        _, down_m, variance, _ = found
        off.append((down_m - np.median(down_m)) / np.sqrt(variance))
    errors = np.abs(np.concatenate(off))
    assert 1.48 * np.median(errors) < 1.15 and np.mean(errors > 3) < 0.03
