"""Shadows in the picture, and haze before it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from landing.types import ByteArray


def shadowed(image: ByteArray, rng: np.random.Generator) -> ByteArray:
    """Return a picture with the shadows of one to three trees or buildings outside it.

    The labels stay: a shadow changes nothing about the ground. It is drawn at half the resolution, and bluish, because
    the sky still lights it.
    """
    height, width = image.shape[:2]
    small_wh = max(1, width // 2), max(1, height // 2)
    mask = np.zeros(small_wh[::-1], np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.5:
            _draw_building(mask, rng)
        else:
            _draw_tree(mask, rng)
    # The sun is half a degree wide: the higher what casts the shadow, the softer its edge.
    softness_px = rng.uniform(0.3, 4.0) * max(small_wh) / 224
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), softness_px), dtype=np.uint8)
    depth = rng.uniform(0.3, 0.65)
    kept = 1 - depth * np.array([0.85, 0.97, 1.0])  # blue, green, red
    tables = 255 + (kept - 1) * np.arange(256)[:, None]
    light = cv2.LUT(cv2.merge([mask] * 3), np.rint(tables).astype(np.uint8).reshape(256, 1, 3))
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(image, light, scale=1 / 255), dtype=np.uint8)


def _draw_building(mask: ByteArray, rng: np.random.Generator) -> None:
    """A parallelogram, from a wall's shadow up to one larger than the picture."""
    size = max(mask.shape)
    middle, angle = rng.random(2) * mask.shape[::-1], rng.uniform(0, math.pi)
    half_long, half_short = rng.uniform(0.1, 0.7) * size, rng.uniform(0.03, 0.3) * size
    along = half_long * np.array([math.cos(angle), math.sin(angle)])
    slant = angle + rng.uniform(math.pi / 4, 3 * math.pi / 4)
    across = half_short * np.array([math.cos(slant), math.sin(slant)])
    corners = [middle - along - across, middle + along - across, middle + along + across, middle - along + across]
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255, cv2.LINE_AA)


def _draw_tree(mask: ByteArray, rng: np.random.Generator) -> None:
    """A crown of leaf clumps around each other, with gaps that the sun shines through."""
    size = max(mask.shape)
    middle, radius = rng.random(2) * mask.shape[::-1], rng.uniform(0.06, 0.25) * size
    clumps = int(rng.integers(30, 70))
    places = middle + rng.standard_normal((clumps, 2)) * radius * 0.42
    radii = rng.uniform(0.06, 0.28, clumps) * radius
    sunlit = rng.random(clumps) < 0.35
    sunlit[: clumps // 2] = False
    for place, r, lit in zip(places, radii, sunlit, strict=True):
        at = round(float(place[0])), round(float(place[1]))
        r_px = max(1, round(float(r) * (0.4 if lit else 1.0)))
        cv2.circle(mask, at, r_px, 0 if lit else 255, -1, cv2.LINE_AA)


def hazed(image: ByteArray, rng: np.random.Generator) -> ByteArray:
    """Return a picture behind a veil: image * t + airlight * (1 - t), with t smooth over the picture.

    The model of Koschmieder (1924), with a distance that changes in one direction, as before a tilted camera, and
    swathes.
    """
    height, width = image.shape[:2]
    across, down = np.meshgrid(np.linspace(-1, 1, 8), np.linspace(-1, 1, 8))
    angle = rng.uniform(0, 2 * math.pi)
    slope = rng.uniform(0, 0.4) * (math.cos(angle) * across + math.sin(angle) * down)
    swathes = cv2.resize(0.3 * rng.standard_normal((3, 3)), (8, 8), interpolation=cv2.INTER_CUBIC)
    depth = rng.uniform(0.1, 0.8) * np.clip(1 + slope + swathes, 0.1, 2.5)
    clear = np.repeat(np.exp(-depth)[..., None], 3, axis=2)
    airlight = rng.uniform(170, 245) * np.array([1.0, 0.98, 0.95])  # a little blue
    kept, veil = (
        cv2.resize(np.rint(grid).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
        for grid in (clear * 255, (1 - clear) * airlight)
    )
    return np.asarray(cv2.add(cv2.multiply(image, kept, scale=1 / 255), veil), dtype=np.uint8)
