"""Shifts of the ground in a picture by which two poses tell it apart."""

from __future__ import annotations

import numpy as np

from landing.camera import CameraModel
from landing.geometry import FloatArray


def certain_px(off_px: FloatArray, rays_px: FloatArray, wander: FloatArray, focal_px: float) -> FloatArray:
    """Median shift of the ground that a wandering pose does not explain, px, shape (kept,).

    Args:
        off_px: Shifts, shape (kept, rays, 2).
        rays_px: Where they are, from the middle of the picture, shape (rays, 2).
        wander: Of position and attitude, in heights, shape (kept,): it shifts the whole or zooms.
        focal_px: Focal length.
    """
    shift = off_px.mean(axis=1)
    length = np.hypot(shift[:, 0], shift[:, 1])
    shift *= np.minimum(1.0, wander * focal_px / np.maximum(length, 1e-9))[:, None]
    off_px = off_px - shift[:, None]
    zoom = (off_px * rays_px).sum(axis=(1, 2)) / float((rays_px**2).sum())
    off_px -= np.clip(zoom, -wander, wander)[:, None, None] * rays_px
    left = np.hypot(off_px[..., 0], off_px[..., 1])
    middle = left.shape[1] // 2
    certain: FloatArray = np.partition(left, middle, axis=1)[:, middle]
    return certain


def rays_of(camera: CameraModel, grid: tuple[int, int]) -> FloatArray:
    """Directions of the centres of so many columns and rows, camera axes, z 1, shape (n, 3)."""
    columns, rows = grid
    u = (np.arange(columns) + 0.5) * camera.width_px / columns - 0.5
    v = (np.arange(rows) + 0.5) * camera.height_px / rows - 0.5
    pixels = np.stack(np.meshgrid(u, v), -1).reshape(-1, 2)
    return camera.rays_camera(pixels)
