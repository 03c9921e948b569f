"""Depth images of a world with heights, with the errors of a stereo camera."""

from __future__ import annotations

import cv2
import numpy as np

from landing.camera import CameraModel
from landing.relief.depth_image import DepthArray
from landing.types import Pose
from sim.world import World
from sim.world.heights import LOWEST_M, ground_places

NOISE_SHARE, PATCH_SHARE, PATCH_PX = 0.02, 0.01, 6
"""Errors of a depth, share of it: of a pixel alone, and of patches of so many pixels."""


def depth_image(world: World, camera: CameraModel, pose: Pose, rng: np.random.Generator | None = None) -> DepthArray:
    """Depth along the view of each pixel, m, float32 (h, w); 0 where it sees no ground of the world.

    Args:
        world: With heights, or flat at down 0.
        camera: Lens and mount of the sensor.
        pose: True one, with attitude and position.
        rng: Randomness of this image; None for one without errors.
    """
    v, u = np.mgrid[: camera.height_px, : camera.width_px]
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(np.float64)
    shape = (camera.height_px, camera.width_px)
    rays = camera.rays_ned(pixels, pose).reshape(*shape, 3)
    centre = camera.centre_ned_m(pose)
    centre[2] = min(float(centre[2]), -LOWEST_M)
    down = rays[..., 2]
    seen = down > 0.1
    if world.heights_m is None:
        depth = -centre[2] / np.where(seen, down, 1.0)
    else:
        places = ground_places(world, centre, rays)
        ahead = np.hypot(rays[..., 0], rays[..., 1])
        away = np.hypot(*(places - centre[:2]).transpose(2, 0, 1))
        # Straight down the way to the side is no measure: the height of the ground below is.
        below = -centre[2] - _height_below(world, places)
        depth = np.where(ahead > 0.2 * down, away / np.maximum(ahead, 1e-6), below / np.where(seen, down, 1.0))
    depth = np.where(seen, depth, 0.0).astype(np.float32)
    if rng is not None:
        rows, columns = (-(-side // PATCH_PX) for side in shape)
        patches = cv2.resize(rng.normal(size=(rows, columns)), shape[::-1], interpolation=cv2.INTER_CUBIC)
        depth *= (1 + NOISE_SHARE * rng.normal(size=shape) + PATCH_SHARE * patches).astype(np.float32)
    return np.asarray(depth, np.float32)


def _height_below(world: World, places: np.ndarray) -> np.ndarray:
    """Height of the ground at places, m, shape (h, w)."""
    assert world.heights_m is not None
    pixels = cv2.transform(places, world.pixel_from_ground[:2].astype(np.float32))
    return np.asarray(cv2.remap(world.heights_m, pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))
