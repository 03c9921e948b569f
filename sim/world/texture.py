"""Material of the ground: noise at several scales, and a texture for each material.

Textures are made of a colour, a brightness pattern and a tint pattern, so that one field of noise serves many
materials. All randomness comes from the generator that is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.types import ByteArray

Field = npt.NDArray[np.float32]
Color = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""

DETAIL_TILE_M = 2.56
DETAIL_GSD_M = 0.005
DETAIL_SWING = 127.0 / 0.45
"""Steps of a detail layer per unit of relative brightness: it spans -0.45 to 0.45."""


def rgb(red: float, green: float, blue: float) -> Color:
    """A colour in OpenCV's order."""
    return (blue, green, red)


def colours(words: str) -> tuple[Color, ...]:
    """Colours from words of RGB hexadecimal digits."""
    return tuple(rgb(*bytes.fromhex(word)) for word in words.split())


def fractal(rng: np.random.Generator, shape: tuple[int, int], octaves: Sequence[tuple[float, float]]) -> Field:
    """Smooth noise with mean 0 and standard deviation 1; `octaves` are cell sizes in pixels with their weights."""
    rows, columns = shape
    total = np.zeros(shape, dtype=np.float32)
    for cell_px, weight in octaves:
        grid = (int(rows / cell_px) + 2, int(columns / cell_px) + 2)
        values = rng.standard_normal(grid, dtype=np.float32)
        if cell_px > 1:
            values = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_CUBIC)
        total += weight * values[:rows, :columns]
    total -= total.mean()
    total /= max(float(total.std()), 1e-6)
    return total


class NoiseBank:
    """Noise fields of one world, from which every texture takes a crop at a place of its own.

    Attributes:
        coarse, medium, fine, white: Fields with features of about 8 m, 1.5 m, 0.2 m and one pixel.
    """

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int], gsd_m: float) -> None:
        rows, columns = shape[0] + shape[0] // 4, shape[1] + shape[1] // 4
        size = (rows, columns)

        def px(metres: float) -> float:
            return max(1.0, metres / gsd_m)

        self.coarse = fractal(rng, size, [(px(16), 1.0), (px(8), 0.8), (px(4), 0.5)])
        self.medium = fractal(rng, size, [(px(2.4), 1.0), (px(1.2), 0.8), (px(0.6), 0.5)])
        self.fine = fractal(rng, size, [(px(0.35), 1.0), (px(0.18), 0.9), (px(0.1), 0.6)])
        self.white = fractal(rng, size, [(1.0, 1.0)])
        self.gsd_m = gsd_m

    def crop(self, field: Field, rng: np.random.Generator, shape: tuple[int, int]) -> Field:
        """A view of a field at a random place, shape as asked."""
        top = int(rng.integers(0, field.shape[0] - shape[0] + 1))
        left = int(rng.integers(0, field.shape[1] - shape[1] + 1))
        view = field[top : top + shape[0], left : left + shape[1]]
        return view[::-1, ::-1] if rng.random() < 0.5 else view


def axes_m(shape: tuple[int, int], gsd_m: float, angle_rad: float) -> tuple[Field, Field]:
    """Coordinates in metres along and across a direction, each of the shape given."""
    rows, columns = shape
    u = np.arange(columns, dtype=np.float32)[None, :] * np.float32(gsd_m)
    v = np.arange(rows, dtype=np.float32)[:, None] * np.float32(gsd_m)
    c, s = np.float32(math.cos(angle_rad)), np.float32(math.sin(angle_rad))
    return u * c + v * s, v * c - u * s


def colored(base: Color, lum: Field, tint: Field | None = None, to: Color = (0, 0, 0)) -> Field:
    """A colour times (1 + brightness), drawn towards another colour by a tint of 0 to 1.

    Returns:
        float32, shape (rows, columns, 3), not clipped.
    """
    bright = lum + np.float32(1.0)
    planes = []
    for channel in range(3):
        plane = bright * np.float32(base[channel])
        if tint is not None:
            plane += tint * bright * np.float32(to[channel] - base[channel])
        planes.append(plane)
    return np.asarray(cv2.merge(planes), dtype=np.float32)


def stripes(across_m: Field, period_m: float, sharpness: float = 3.0) -> Field:
    """Soft bands from -1 to 1."""
    wave = np.sin(across_m * np.float32(2 * math.pi / period_m))
    return np.asarray(np.clip(wave * np.float32(sharpness), -1, 1), dtype=np.float32)


def slabs(
    rng: np.random.Generator,
    along_m: Field,
    across_m: Field,
    length_m: float,
    width_m: float,
    joint_m: float,
    bond: bool,
) -> tuple[Field, Field]:
    """Rows of slabs: a brightness of each slab (standard deviation 1), and 1 on the joints."""
    row = np.floor(across_m / np.float32(width_m))
    shifted = along_m + (row % 2) * np.float32(length_m / 2) if bond else along_m
    column = np.floor(shifted / np.float32(length_m))
    table = rng.standard_normal((64, 64)).astype(np.float32)
    each = table[row.astype(np.int32) & 63, column.astype(np.int32) & 63]
    in_row = across_m - row * np.float32(width_m)
    in_column = shifted - column * np.float32(length_m)
    joints = ((in_row < joint_m) | (in_column < joint_m)).astype(np.float32)
    return each, joints


def _tileable(rng: np.random.Generator, size: int, sigma_px: float) -> Field:
    noise = rng.standard_normal((size, size)).astype(np.float32)
    pad = int(4 * sigma_px) + 1
    padded = cv2.copyMakeBorder(noise, pad, pad, pad, pad, cv2.BORDER_WRAP)
    blurred = cv2.GaussianBlur(padded, (0, 0), sigma_px)[pad:-pad, pad:-pad]
    return np.asarray(blurred / blurred.std(), dtype=np.float32)


def _stones(rng: np.random.Generator, size: int, count: int, radius_px: tuple[int, int]) -> Field:
    layer = np.zeros((size, size), dtype=np.float32)
    for _ in range(count):
        u, v = (int(x) for x in rng.integers(0, size, 2))
        radii = [int(x) for x in rng.integers(radius_px[0], radius_px[1] + 1, 2)]
        angle, value = float(rng.uniform(0, 180)), float(rng.normal(0.0, 1.0))
        for du in (-size, 0, size):
            for dv in (-size, 0, size):
                if -30 < u + du < size + 30 and -30 < v + dv < size + 30:
                    centre = (u + du, v + dv)
                    cv2.ellipse(layer, centre, (radii[0] + 1, radii[1] + 1), angle, 0, 360, -2.0, 1)
                    cv2.ellipse(layer, centre, (radii[0], radii[1]), angle, 0, 360, value, -1)
    return layer


_LOOKS_LIKE = {"slope": "grass"}
"""Classes of the scenes with the close-up texture of another class."""


@lru_cache(maxsize=64)
def detail_layer(family: str, seed: int) -> ByteArray:
    """Close-up brightness of a class by its name: a tile of `DETAIL_TILE_M` metres that repeats.

    Returns:
        uint8, shape (512, 512); 128 is neutral, see `DETAIL_SWING`.
    """
    size = round(DETAIL_TILE_M / DETAIL_GSD_M)
    family = _LOOKS_LIKE.get(family, family)
    rng = np.random.default_rng([seed, *family.encode()])
    grain = _tileable(rng, size, 0.7)
    if family == "grass":
        blades = np.zeros((size, size), dtype=np.float32)
        lean = rng.uniform(0, math.pi)
        for _ in range(9000):
            u, v = rng.integers(0, size, 2)
            angle = lean + rng.normal(0, 0.9)
            length = rng.uniform(4, 13)
            tip = (int(u + length * math.cos(angle)), int(v + length * math.sin(angle)))
            cv2.line(blades, (int(u), int(v)), tip, float(rng.normal(0.0, 1.0)), 1)
        layer = 0.11 * blades + 0.09 * _tileable(rng, size, 9) + 0.03 * grain
    elif family == "gravel":
        layer = 0.12 * _stones(rng, size, 5000, (2, 6)) + 0.04 * grain
    elif family == "dirt":
        layer = 0.07 * _tileable(rng, size, 6) + 0.06 * _tileable(rng, size, 2) + 0.05 * grain
        layer += 0.06 * _stones(rng, size, 160, (1, 4))
    elif family == "paved":
        layer = 0.06 * grain + 0.04 * _tileable(rng, size, 1.6) + 0.03 * _tileable(rng, size, 14)
    elif family == "road":  # coarse stones in tar, with the gaps between them
        layer = 0.11 * _stones(rng, size, 9000, (1, 3)) + 0.05 * _tileable(rng, size, 3) + 0.03 * grain
    elif family == "crop":  # plants, and the dark between them
        layer = 0.13 * _stones(rng, size, 2600, (5, 11)) + 0.1 * _tileable(rng, size, 10) + 0.04 * grain
    elif family == "roof":
        rows = np.sin(np.arange(size, dtype=np.float32) * np.float32(2 * math.pi * 16 / size))
        layer = 0.05 * grain + 0.04 * _tileable(rng, size, 3) + 0.04 * rows[:, None]
    elif family == "tree":
        layer = 0.13 * _stones(rng, size, 3500, (2, 8)) + 0.1 * _tileable(rng, size, 8)
    elif family in ("water", "pool"):
        layer = 0.05 * _tileable(rng, size, 12) + 0.025 * _tileable(rng, size, 4)
    else:
        layer = 0.03 * grain
    return np.asarray(np.clip(128 + layer * DETAIL_SWING, 1, 255), dtype=np.uint8)
