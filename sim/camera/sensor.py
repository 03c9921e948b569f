"""One frame of the simulated camera: rendered with its faults, or painted in class colours."""

from __future__ import annotations

import numpy as np

from landing.camera import CameraModel
from landing.types import ByteArray, Pose
from sim.camera import Motion, render
from sim.camera.effects import Effects
from sim.camera.printed import draw_pad
from sim.world import World
from sim.world.label_view import label_view

GRAIN = 15
"""Greatest deviation of a painted pixel, grey steps: far less than between two classes. The daemon refuses pictures
without detail as blurred."""


class CameraSensor:
    """Takes pictures; the same calls give the same pictures.

    Args:
        camera: Lens and mount.
        effects: Faults of rendered pictures.
        painted: Frames show the classes of the ground in their colours: a network that knows the colours is perfect.
        ray_px: See `sim.camera.render`.
    """

    def __init__(self, camera: CameraModel, effects: Effects, painted: bool = False, ray_px: int = 1) -> None:
        self._ray_px = ray_px
        self.camera = camera
        self.effects = effects
        self.painted = painted
        self._grain = np.random.default_rng(effects.seed)

    def picture(self, world: World, pose: Pose, t_s: float, motion: Motion) -> ByteArray:
        """The picture from a pose at a world time, uint8 (H, W, 3)."""
        if self.painted:
            size_px = (self.camera.width_px, self.camera.height_px)
            classes = label_view(world, self.camera, pose, t_s, size_px)
            painted = world.taxonomy.palette_bgr[classes].astype(np.int16)
            painted += self._grain.integers(-GRAIN, GRAIN + 1, painted.shape, dtype=np.int16)
            image = np.asarray(np.clip(painted, 0, 255), dtype=np.uint8)
            self._print_pad(image, classes, world, pose, t_s)
            return image
        image, _ = render(world, self.camera, pose, t_s, self.effects, motion=motion, labels=False, ray_px=self._ray_px)
        return image

    def _print_pad(self, image: ByteArray, classes: ByteArray, world: World, pose: Pose, t_s: float) -> None:
        """Draws the pad below those who stand on it."""
        if world.pad is None:
            return
        on_top = np.isin(classes, list(world.actor_class_ids.values()))
        above = image[on_top]
        draw_pad(image, world, self.camera, pose, t_s)
        image[on_top] = above
