"""Paints the ground: areas, paths, markings and walls on picture, labels and heights."""

from __future__ import annotations

import math

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from sim.world.actors import Sun
from sim.world.grid import Box, GroundRaster
from sim.world.materials import Materials, random_palette
from sim.world.texture import Color, Field, NoiseBank, colored


class GroundPainter(GroundRaster):
    """A world's ground while it is being painted."""

    def __init__(self, rng: np.random.Generator, size_m: float, gsd_m: float, taxonomy: Taxonomy) -> None:
        super().__init__(size_m, gsd_m)
        self.rng = rng
        self.bgr = np.zeros((*self.shape, 3), dtype=np.float32)
        self.labels: ByteArray = np.zeros(self.shape, dtype=np.uint8)
        self.height: Field = np.zeros(self.shape, dtype=np.float32)
        self.ids = {c.name: c.id for c in taxonomy.classes}
        self.noise = NoiseBank(rng, self.shape, gsd_m)
        self.palette = random_palette(rng)
        self.materials = Materials(rng, self.noise, self.palette)
        self.sun = Sun(
            float(rng.uniform(0, 2 * math.pi)),
            float(rng.uniform(math.radians(28), math.radians(68))),
            float(rng.choice([0.06, 0.2, 0.4, 0.5, 0.6])),
        )

    def ragged(self, mask: ByteArray, width_m: float) -> ByteArray:
        """The mask with an edge that wanders as grass grows over it."""
        soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, width_m / self.gsd_m))
        shape = (mask.shape[0], mask.shape[1])
        medium = self.noise.crop(self.noise.medium, self.rng, shape)
        fine = self.noise.crop(self.noise.fine, self.rng, shape)
        edge = (soft.astype(np.float32) - 128) * 2.2 + 40 * medium + 26 * fine
        return np.asarray(np.clip(edge + 128, 0, 255), dtype=np.uint8)

    def blend(self, box: Box, mask: ByteArray, texture: Field, label: str, height_m: float | None = None) -> None:
        """Lays a texture over a box where the mask covers it, and labels what it covers."""
        left, top, right, bottom = box
        region = self.bgr[top:bottom, left:right]
        alpha = mask.astype(np.float32) * np.float32(1 / 255)
        region[:] = cv2.blendLinear(texture, np.ascontiguousarray(region), alpha, 1 - alpha)
        covered = mask > 127
        self.labels[top:bottom, left:right][covered] = self.ids[label]
        if height_m is not None:
            self.height[top:bottom, left:right][covered] = height_m

    def fill(self, kind: str, angle_rad: float | None = None) -> None:
        """Covers everything with a ground material."""
        self.bgr[:] = self.materials.texture(kind, self.shape, angle_rad)
        self.labels[:] = self.ids[self.materials.KINDS[kind]]

    def area(self, points_ne_m: FloatArray, kind: str, ragged_m: float = 0.0, heading_rad: float | None = None) -> None:
        """A polygon of a ground material."""
        drawn = self.polygon(points_ne_m, ragged_m + 0.3)
        if drawn is not None:
            self._lay(*drawn, kind, ragged_m, heading_rad)

    def ribbon(
        self,
        path_ne_m: FloatArray,
        width_m: float | FloatArray,
        kind: str,
        ragged_m: float = 0.0,
        heading_rad: float | None = None,
    ) -> None:
        """A path, road or stream of a ground material."""
        drawn = self.ribbon_of(path_ne_m, width_m, float(np.max(width_m)) / 2 + ragged_m + 0.3)
        if drawn is not None:
            self._lay(*drawn, kind, ragged_m, heading_rad)

    def _lay(self, box: Box, mask: ByteArray, kind: str, ragged_m: float, heading_rad: float | None) -> None:
        if ragged_m > 0:
            mask = self.ragged(mask, ragged_m)
        angle = None if heading_rad is None else heading_rad - math.pi / 2
        texture = self.materials.texture(kind, (mask.shape[0], mask.shape[1]), angle)
        if kind in ("water", "river"):  # shallow and silty at the bank
            deep = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
            bank = np.exp(-deep * np.float32(self.gsd_m / 0.7))[..., None]
            texture = texture + bank * (np.array(self.palette.dirt, np.float32) * 0.8 - texture)
        self.blend(box, mask, np.ascontiguousarray(texture, dtype=np.float32), self.materials.KINDS[kind])
        self.height[box[1] : box[3], box[0] : box[2]][mask > 127] = 0.0

    def marking(self, path_ne_m: FloatArray, width_m: float, color: Color, strength: float = 0.8) -> None:
        """A line of paint or wear: changes the picture, not the labels."""
        drawn = self.ribbon_of(path_ne_m, width_m, width_m)
        if drawn is None:
            return
        box, mask = drawn
        shape = (mask.shape[0], mask.shape[1])
        worn = np.clip(0.9 + 0.25 * self.noise.crop(self.noise.fine, self.rng, shape), 0, 1)
        alpha = mask.astype(np.float32)[..., None] / 255 * strength * worn[..., None]
        region = self.bgr[box[1] : box[3], box[0] : box[2]]
        region += alpha * (np.array(color, dtype=np.float32) - region)

    def wall(self, path_ne_m: FloatArray, width_m: float, height_m: float, color: Color, label: str) -> None:
        """A wall, fence or hedge along a path."""
        drawn = self.ribbon_of(path_ne_m, max(width_m, 0.15), width_m)
        if drawn is None:
            return
        box, mask = drawn
        _, medium, fine, white = self.materials.fields((mask.shape[0], mask.shape[1]))
        if label == "tree":
            mask = self.ragged(mask, 0.12)
            lum = 0.12 * medium + 0.2 * fine + 0.1 * white
        else:
            lum = 0.04 * medium + 0.04 * white
        self.blend(box, mask, colored(color, lum.astype(np.float32)), label, height_m)
