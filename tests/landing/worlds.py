"""Small hand-made ground for tests of the decision: label rasters, and how a camera sees them."""

from __future__ import annotations

import numpy as np

from landing.camera import CameraModel
from landing.merge import segmentation_from_labels
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
    u, v = np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px))
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(float)
    points = camera.ground_from_pixel(pixels, pose, 0.0)
    labels = labels_at(points[:, 0], points[:, 1]).astype(np.uint8)
    labels[np.isnan(points[:, 0])] = 255
    segmentation = segmentation_from_labels(labels.reshape(u.shape), TAXONOMY)
    return Segmentation(segmentation.class_id, segmentation.landable, segmentation.hazards, at_ns)


def pose_at(north=0.0, east=0.0, height=15.0, attitude=LEVEL, at_ns=0) -> Pose:
    return Pose(at_ns, attitude, (north, east, -height), height)
