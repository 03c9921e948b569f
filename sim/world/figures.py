"""Pictures of people and cars from above.

An actor is drawn from flat polygons at several heights, so that it leans outwards in the picture of a low camera as a
standing person does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.world.actors import CAR_SIZE_M, ActorState, Sun, ellipse, rounded
from sim.world.texture import colours

SHIFT_BITS = 4
"""OpenCV draws at sixteenths of a pixel."""

FARTHEST_PX = 20_000
"""Outlines that reach farther from the picture's corner are not drawn."""

Project = Callable[[FloatArray], FloatArray]
"""From points in NED metres, shape (n, 3), to pixels, shape (n, 2); NaN where not in front."""


@dataclass(frozen=True)
class _Part:
    """A piece of a figure in one colour: an outline (forward, right), flat or upright.

    Attributes:
        outline_m: Seen from above.
        height_m: Of its top above the ground.
        bgr: Colour.
        swing: How far the top's lower end swings forward at full stride, metres.
        base_m: Height it reaches down to; None for a flat piece.
    """

    outline_m: FloatArray
    height_m: float
    bgr: tuple[float, float, float]
    swing: float = 0.0
    base_m: float | None = None

    @cached_property
    def size_m(self) -> float:
        """Its longer side seen from above."""
        return float(np.ptp(self.outline_m, axis=0).max())

    @cached_property
    def points(self) -> FloatArray:
        """Forward, right, down and shift forward at full stride, metres, shape (n, 4); lower outlines come first."""
        levels = [(self.height_m, self.swing)]
        if self.base_m is not None:
            levels = [(self.base_m, self.swing), (self.height_m, 0.0)]
        count = len(self.outline_m)
        return np.vstack(
            [np.column_stack([self.outline_m, np.tile([-up_m, ahead], (count, 1))]) for up_m, ahead in levels]
        )


def _shade(bgr: Sequence[float], factor: float) -> tuple[float, float, float]:
    b, g, r = (min(255.0, c * factor) for c in bgr)
    return (b, g, r)


_CLOTH = colours(
    "282828 cdc8c8 96323c 284682 3c5a3c be7832 3c8c96 823c6e 8c6e5a aa3c23 464b50 8c96aa d2be3c 3c6478 5a2d2d"
)
_HAIR = colours("1e1919 4b3223 825a3c af9678 9b9696 aa3c3c c8c8c8")
_PAINT = colours("e1e1e1 b9b9b9 737678 383a3c 1e1e20 8c232d 234678 3c5a46 af9678 be823c 5f2828 d7d2cd")


@lru_cache(maxsize=256)
def _figure(kind: str, style: int) -> tuple[_Part, ...]:
    rng = np.random.default_rng(style)
    if kind == "car":
        paint = _shade(_PAINT[int(rng.integers(len(_PAINT)))], rng.uniform(0.85, 1.1))
        half_f, half_r = CAR_SIZE_M[0] / 2, CAR_SIZE_M[1] / 2
        glass = _shade((70, 60, 52), rng.uniform(0.5, 1.2))
        van = rng.random() < 0.25
        cabin = (-1.75, 0.9) if van else (-1.45, 0.55)
        mid, half_cabin = (cabin[0] + cabin[1]) / 2, (cabin[1] - cabin[0]) / 2
        parts = [
            _Part(rounded(half_f, half_r, 0.3), 0.7, _shade(paint, 0.6), base_m=0.25),
            _Part(rounded(half_f - 0.04, half_r - 0.06, 0.32), 0.75, paint),
            _Part(rounded(0.55, half_r - 0.28, 0.12, half_f - 0.75), 0.78, _shade(paint, 1.08)),
            _Part(rounded(half_cabin + 0.4, half_r - 0.18, 0.2, mid), 1.0, glass),
            _Part(rounded(half_cabin, half_r - 0.28, 0.18, mid), 1.4, glass, base_m=0.85),
            _Part(rounded(half_cabin - 0.1, half_r - 0.3, 0.16, mid - 0.05), 1.43, _shade(paint, 1.12)),
        ]
        for side in (-0.62, 0.62):
            lamp = ellipse(half_f - 0.14, side, 0.08, 0.16, 8)
            parts.append(_Part(lamp, 0.7, (225, 232, 235)))
            lamp = ellipse(-half_f + 0.12, side, 0.06, 0.18, 8)
            parts.append(_Part(lamp, 0.75, (40, 35, 150)))
        return tuple(parts)
    shirt = _shade(_CLOTH[int(rng.integers(len(_CLOTH)))], rng.uniform(0.8, 1.2))
    legs = _shade(_CLOTH[int(rng.integers(len(_CLOTH)))], rng.uniform(0.6, 1.0))
    hair = _HAIR[int(rng.integers(len(_HAIR)))]
    skin = _shade((120, 150, 195), rng.uniform(0.5, 1.05))
    broad = rng.uniform(0.21, 0.26)
    parts = [
        _Part(ellipse(0.05, -0.1, 0.14, 0.06, 10), 0.1, (45, 45, 50), 0.25),
        _Part(ellipse(0.05, 0.1, 0.14, 0.06, 10), 0.1, (45, 45, 50), -0.25),
        _Part(ellipse(0, -0.1, 0.09, 0.08, 10), 0.85, legs, 0.22, 0.12),
        _Part(ellipse(0, 0.1, 0.09, 0.08, 10), 0.85, legs, -0.22, 0.12),
        _Part(ellipse(0, -broad, 0.06, 0.045, 10), 1.38, skin, -0.2, 0.85),
        _Part(ellipse(0, broad, 0.06, 0.045, 10), 1.38, skin, 0.2, 0.85),
        _Part(ellipse(0, 0, 0.12, broad - 0.04), 1.4, _shade(shirt, 0.8), base_m=0.85),
        _Part(ellipse(0, 0, 0.12, broad), 1.42, shirt),
        _Part(ellipse(-0.02, 0, 0.06, broad * 0.8), 1.43, _shade(shirt, 1.12)),
        _Part(ellipse(0.015, 0, 0.1, 0.085), 1.66, skin, base_m=1.45),
        _Part(ellipse(-0.015, 0, 0.11, 0.095), 1.7, hair),
    ]
    if rng.random() < 0.25:
        pack = _shade(_CLOTH[int(rng.integers(len(_CLOTH)))], 0.9)
        parts.insert(-2, _Part(ellipse(-0.2, 0, 0.1, 0.16), 1.3, pack))
    return tuple(parts)


def _draw(image: ByteArray, pixels: FloatArray, color: Sequence[float], line: int) -> None:
    points = np.rint(pixels * (1 << SHIFT_BITS)).astype(np.int32)
    cv2.fillConvexPoly(image, points, tuple(float(c) for c in color), line, SHIFT_BITS)


def _shadow(state: ActorState, sun: Sun) -> FloatArray:
    """Convex outline of the shadow on the ground, shape (n, 2) north and east."""
    dn, de = sun.shadow_ne
    if state.kind == "car":
        foot = state.footprint_ne_m()
        both = np.vstack([foot, foot + np.array([dn, de]) * 0.8])
    else:
        middle = np.array([state.north_m, state.east_m])
        foot = middle + ellipse(0, 0, 0.13, 0.13, 10)
        chest = middle + np.array([dn, de]) * 1.35 + ellipse(0, 0, 0.19, 0.19, 10)
        head = middle + np.array([dn, de]) * 1.6 + ellipse(0, 0, 0.11, 0.11, 10)
        both = np.vstack([foot, chest, head])
    hull = cv2.convexHull(both.astype(np.float32))
    return np.asarray(hull.reshape(-1, 2), dtype=np.float64)


def draw_actors(
    image_bgr: ByteArray,
    labels: ByteArray | None,
    states: Sequence[ActorState],
    class_ids: dict[str, int],
    project: Project,
    sun: Sun,
    ceiling_m: float = math.inf,
    shadow_scale: float = 1.0,
    finest_m: float = 0.0,
) -> None:
    """Draws actors over a picture and a label raster, in place.

    Args:
        image_bgr: uint8 (H, W, 3).
        labels: uint8 (H, W), or None.
        states: Where the actors are.
        class_ids: Label of each kind.
        project: From NED metres to pixels.
        sun: For the shadows.
        ceiling_m: Parts higher than this above the ground are not seen.
        shadow_scale: Times the strength of the sun.
        finest_m: Smaller parts are left out: nobody could see them.
    """
    seen = {key: _seen(*key, ceiling_m, finest_m) for key in {(state.kind, state.style) for state in states}}
    if not any(seen.values()):
        return
    casts = sun.strength * shadow_scale > 0.01
    shadows = [np.insert(_shadow(state, sun), 2, -state.up_m, axis=1) for state in states] if casts else []
    standing = [_standing(state, seen[state.kind, state.style]) for state in states if seen[state.kind, state.style]]
    pieces = [*shadows, *standing]
    pixels = project(np.vstack(pieces))
    drawable = np.asarray((np.abs(pixels) <= FARTHEST_PX).all(axis=1))  # not so for NaN
    start = 0
    for outline in shadows:
        part_of = slice(start, start := start + len(outline))
        if drawable[part_of].all():
            _darken(image_bgr, pixels[part_of], 1.0 - sun.strength * shadow_scale)
    for state in states:
        for part in seen[state.kind, state.style]:
            part_of = slice(start, start := start + len(part.points))
            if not drawable[part_of].all():
                continue
            outline = pixels[part_of]
            if part.base_m is not None:
                hull = cv2.convexHull(outline.astype(np.float32))
                outline = np.asarray(hull.reshape(-1, 2), dtype=np.float64)
            lit = [c * light for c, light in zip(part.bgr, sun.daylight_bgr, strict=True)]
            _draw(image_bgr, outline, lit, cv2.LINE_AA)
            if labels is not None:
                _draw(labels, outline, (class_ids[state.kind],), cv2.LINE_8)


def _seen(kind: str, style: int, ceiling_m: float, finest_m: float) -> tuple[_Part, ...]:
    return tuple(p for p in _figure(kind, style) if p.height_m < ceiling_m and p.size_m >= finest_m)


def _standing(state: ActorState, parts: tuple[_Part, ...]) -> FloatArray:
    """Points of parts in NED metres, one part after the other, shape (n, 3)."""
    forward, right, down, swing = np.concatenate([part.points for part in parts]).T
    if state.stride_rad:
        forward = forward + swing * math.sin(state.stride_rad)
    return np.column_stack([state.ground_from_local(np.column_stack([forward, right])), down - state.up_m])


def _darken(image: ByteArray, outline: FloatArray, factor: float) -> None:
    height, width = image.shape[:2]
    low = np.floor(outline.min(axis=0)).astype(int) - 2
    high = np.ceil(outline.max(axis=0)).astype(int) + 3
    left, top = max(int(low[0]), 0), max(int(low[1]), 0)
    right, bottom = min(int(high[0]), width), min(int(high[1]), height)
    if left >= right or top >= bottom:
        return
    mask: npt.NDArray[np.uint8] = np.zeros((bottom - top, right - left), dtype=np.uint8)
    _draw(mask, outline - [left, top], (255,), cv2.LINE_AA)
    light = cv2.merge([255 - cv2.convertScaleAbs(mask, alpha=1.0 - factor)] * 3)
    region = image[top:bottom, left:right]
    cv2.multiply(region, light, dst=region, scale=1 / 255)
