"""Rough outlines that labels and picture share: ragged edges of ground, and crowns of trees.

They come from noise of their own, cut at a place that the stroke's generator picks, so that the labels can be drawn
without the picture and the picture later without the labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from landing.types import ByteArray
from sim.world.grid import Box, GroundRaster
from sim.world.texture import Field, fractal

_TILE = 1024


@lru_cache(maxsize=4)
def _edge_noise(gsd_m: float) -> Field:
    """Noise of half a metre to two, in units of its standard deviation; three times a tile."""
    octaves = [(max(1.0, m / gsd_m), weight) for m, weight in ((1.8, 1.0), (0.7, 0.8), (0.25, 0.7))]
    tile = fractal(np.random.default_rng(2011), (_TILE, _TILE), octaves)
    return np.asarray(np.tile(tile, (3, 3)))


def edge_noise(gsd_m: float, rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """A piece of noise from a place of its own, shape as asked."""
    tile = _edge_noise(gsd_m)
    top, left = (int(x) for x in rng.integers(0, _TILE, 2))
    if max(shape) <= 2 * _TILE:
        return tile[top : top + shape[0], left : left + shape[1]]
    rows = (np.arange(shape[0]) + top) % _TILE
    columns = (np.arange(shape[1]) + left) % _TILE
    return np.asarray(tile[rows[:, None], columns[None, :]])


def ragged(mask: ByteArray, width_m: float, gsd_m: float, rng: np.random.Generator) -> ByteArray:
    """The mask with an edge that wanders as grass grows over it."""
    soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, width_m / gsd_m))
    noise = edge_noise(gsd_m, rng, (mask.shape[0], mask.shape[1]))
    edge = cv2.scaleAdd(noise, 20.0, soft.astype(np.float32))
    return np.asarray(np.where((edge > 128) & (soft > 0), 255, 0), dtype=np.uint8)


@dataclass(frozen=True)
class Crown:
    """A tree from above, in a box of the raster.

    Attributes:
        dome: Height above the edge of the crown, about 1 in the middle; negative outside.
        r2: Squared distance from the trunk, in radii.
        turn: Direction from the trunk, radians.
    """

    box: Box
    dome: Field
    r2: Field
    turn: Field

    @property
    def mask(self) -> ByteArray:
        """Coverage, 0 to 255."""
        return np.asarray(np.clip((self.dome + 0.04) * 900, 0, 255), dtype=np.uint8)


def crown(grid: GroundRaster, north_m: float, east_m: float, radius_m: float, rng: np.random.Generator) -> Crown | None:
    """A crown with lobes and a rough edge; None when it is outside of the raster."""
    around = grid.around(north_m, east_m, radius_m, 1.35)
    if around is None:
        return None
    box, r2, turn = around
    lobes, more = (int(x) for x in rng.integers([3, 6], [6, 10]))
    phase = rng.uniform(0, 2 * math.pi, 2)
    wobble = 0.13 * np.sin(lobes * turn + np.float32(phase[0]))
    wobble += 0.09 * np.sin(more * turn + np.float32(phase[1]))
    rough = edge_noise(grid.gsd_m, rng, r2.shape)
    dome = 1.0 - r2 * (1 + wobble) + np.float32(0.14) * rough
    return Crown(box, np.asarray(dome, np.float32), r2, turn)
