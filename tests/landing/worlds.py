"""Small hand-made ground for tests of the decision: label rasters, and how a camera sees them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.ground.merge import segmentation_from_labels
from landing.taxonomy import Taxonomy
from landing.types import Pose, Segmentation

TAXONOMY = Taxonomy.load("synthetic")
UNKNOWN, GRASS, WATER, ROOF, TREE, CAR, PERSON = (
    next(c.id for c in TAXONOMY.classes if c.name == name)
    for name in ("unknown", "grass", "water", "roof", "tree", "car", "person")
)
LEVEL = (1.0, 0.0, 0.0, 0.0)
CAMERA = CameraModel.from_hfov(320, 240, 80.0)


def seen(labels_at, pose: Pose, camera: CameraModel = CAMERA, at_ns: int = 0) -> Segmentation:
    """A perfect segmentation of ground whose label is `labels_at(north_m, east_m)` (arrays)."""
    north_m, east_m = _ground(camera, pose.ned_from_frd, pose.position_ned_m, pose.height_agl_m, pose.ned_from_gimbal)
    labels = labels_at(north_m, east_m).astype(np.uint8)
    labels[np.isnan(north_m)] = 255
    segmentation = segmentation_from_labels(labels.reshape(camera.height_px, camera.width_px), TAXONOMY)
    return Segmentation(segmentation.class_id, segmentation.landable, segmentation.hazards, at_ns)


@functools.lru_cache(4)
def _ground(camera: CameraModel, *pose: Any) -> tuple[FloatArray, FloatArray]:
    """North and east of the ground under each pixel; many frames are taken from the same pose."""
    u, v = np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px))
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(float)
    points = camera.ground_from_pixel(pixels, Pose(0, *pose), 0.0)
    north_m, east_m = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    north_m.flags.writeable = east_m.flags.writeable = False
    return north_m, east_m


def pose_at(north=0.0, east=0.0, height=15.0, attitude=LEVEL, at_ns=0) -> Pose:
    return Pose(at_ns, attitude, (north, east, -height), height)
