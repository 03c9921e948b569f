"""A world as a picture from above, for pages and sheets."""

from __future__ import annotations

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.world.figures import draw_actors
from sim.world.model import World


def picture_from_above(
    world: World, size_px: int = 900, t_s: float | None = None, labels_alpha: float = 0.0
) -> tuple[ByteArray, FloatArray]:
    """A world from above, north up.

    Args:
        world: With its actors.
        size_px: Longer side.
        t_s: Draws the actors of this world time; None draws none.
        labels_alpha: Blends the colours of the labels over it.

    Returns:
        The picture, uint8 (h, w, 3), and the map, shape (3, 3), from (north, east, 1) to it.
    """
    height, width = world.labels.shape
    scale = size_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = cv2.resize(world.ortho_bgr, size, interpolation=cv2.INTER_AREA)
    classes = cv2.resize(world.labels, size, interpolation=cv2.INTER_NEAREST)
    sx, sy = size[0] / width, size[1] / height
    shrink = np.array([[sx, 0, sx / 2 - 0.5], [0, sy, sy / 2 - 0.5], [0, 0, 1]])
    to_picture = np.asarray(shrink @ world.pixel_from_ground)
    if t_s is not None:

        def project(points: FloatArray) -> FloatArray:
            flat = np.column_stack([points[:, :2], np.ones(len(points))])
            return np.asarray((flat @ to_picture.T)[:, :2])

        draw_actors(image, classes, world.actors_at(t_s), world.actor_class_ids, project, world.sun)
    if labels_alpha > 0:
        colors = world.taxonomy.palette_bgr[classes]
        image = cv2.addWeighted(image, 1 - labels_alpha, colors, labels_alpha, 0)
    return np.asarray(image, dtype=np.uint8), to_picture
