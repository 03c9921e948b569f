"""Checks of one picture by itself: black, white, blank, colourless, hazy, covered and blurred ones are refused.

A network gives an answer to any picture. These checks know nothing of classes: they ask whether the camera shows
something, in colour, through clear air and in focus. All are made on a thumbnail, in about 1 ms.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from landing.types import ByteArray

THUMBNAIL_PX = 160
LEAST_ROWS = 360
"""Of a larger picture rows are left out down to no fewer than these: reading all of it is slow."""

PARTS = (16, 12)
"""Columns and rows of a thumbnail's parts that are asked for detail."""

UNSEEN_PART = 1 / 3
"""Part of a picture without detail from which the lens is covered or fogged."""

DIM = 64.0
"""Mean grey of a picture below which less detail is asked for, in proportion."""

EDGE = 30.0
"""Greys that a thumbnail's 5x5 px span, from which an edge stands in them."""

SOFT_EDGE = 0.46
"""Part of an edge's greys between two neighbouring pixels of a thumbnail, below which a picture is soft (of its
sharpest twentieth). Of 288 pictures from above all have 0.54 and more, blurred by 6 px of 640 none has 0.41."""

LEAST_EDGES = 20
"""Pixels at edges below which a thumbnail has none to be judged by."""

WIDE_FROM_M = 10.0
"""Height above ground from which haze and colour are asked of every picture: lower down bare concrete or snow may fill
it."""


class PictureSettings(BaseModel):
    """Limits of a usable picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_brightness: float = Field(
        default=10.0, ge=0, le=255, description="mean grey below it is a black picture, 0 to 255"
    )
    most_brightness: float = Field(
        default=246.0, ge=0, le=255, description="mean grey above it is a white picture, 0 to 255"
    )
    least_contrast: float = Field(default=1.0, ge=0, le=64, description="standard deviation of grey below it is blank")
    least_colour: float = Field(
        # Of 543 photographs the dullest has 7 (benchmarks/picture_checks.py), simulated dusk over snow 5; a grey camera
        # by way of a video 2.
        default=3.0,
        ge=0,
        le=64,
        description="difference of a pixel's channels, in the most colourful hundredth; below it, from 10 m up, is a "
        "grey camera; 0 for a model that learned grey pictures",
    )
    most_haze: float = Field(
        # Of 543 photographs the haziest has 0.74; in fog that leaves a quarter of the contrast all but one have more
        # than 0.8 (benchmarks/picture_checks.py). Of 96 drawn scenes the haziest has 0.75.
        default=0.8,
        gt=0,
        le=1,
        description="share of the mean grey that the darkest hundredth of the least channels has; above it, from 10 m "
        "up, is fog or haze; 1: not asked",
    )
    least_sharpness: float = Field(
        # Of 183 pictures of four cameras the softest has 0.021; blurred by 8 px of 640 nearly all are below 0.003
        # (benchmarks/picture_checks.py).
        default=0.01,
        ge=0,
        le=1,
        description="share of the contrast in a thumbnail's finest detail; below it, without a sharp edge, is blurred",
    )
    least_detail: float = Field(
        # Nothing has flown with it over smooth ground yet, as snow and concrete from near; `STILL` asks for it.
        default=0.0,
        ge=0,
        le=16,
        description="detail below it in a third of a thumbnail, grey levels, is a covered or fogged lens; 0: not asked",
    )
    frozen_after_s: float = Field(
        # Two pictures in a row may be the same: rate conversion of a video stream does that.
        default=0.2,
        ge=0,
        le=5,
        description="the very same picture for so long, s",
    )
    frozen_after_m: float = Field(
        default=0.1, gt=0, le=10, description="... or the same but for its noise, while the vehicle moved by so much, m"
    )
    frozen_after_deg: float = Field(default=1.0, gt=0, le=90, description="... or turned by so much, degrees")
    check_motion: bool = Field(
        default=True, description="refuse pictures that do not move as pose, lens, mount and height say"
    )


STILL = PictureSettings(check_motion=False, least_detail=0.7)
"""Limits of one picture by itself. Of 472 pictures from above the smoothest third has a detail of 1.3 and more, of
their quarters all but 1 of 500 more than 0.7; in fog that leaves 6 % of the contrast it has 0.2 to 0.8."""


def fault(small_bgr: ByteArray, settings: PictureSettings) -> str | None:
    """Return what is wrong with one picture, by its thumbnail, uint8 (h, w, 3), in words; None when nothing is."""
    return unlit(small_bgr, settings) or murky(small_bgr, settings) or soft(small_bgr, settings)


def unlit(small_bgr: ByteArray, settings: PictureSettings) -> str | None:
    """Return a thumbnail's fault of light, in words; None without one."""
    mean, deviation = (float(v[0, 0]) for v in cv2.meanStdDev(grey_of(small_bgr)))
    if mean < settings.least_brightness:
        return f"the picture is black (mean {mean:.0f} of 255)"
    if mean > settings.most_brightness:
        return f"the picture is white (mean {mean:.0f} of 255)"
    if deviation < settings.least_contrast:
        return f"the picture is blank (contrast {deviation:.1f} of 255)"
    return None


def murky(small_bgr: ByteArray, settings: PictureSettings) -> str | None:
    """Return a thumbnail's fault of air, lens or sensor, in words, for a picture wide enough; None without one."""
    share = haze(small_bgr)
    if share > settings.most_haze:
        return f"fog or haze (the darkest has {100 * share:.0f} % of the mean)"
    return "the picture has no colour" if colour(small_bgr) < settings.least_colour else None


def soft(small_bgr: ByteArray, settings: PictureSettings) -> str | None:
    """Return a thumbnail's fault of detail, in words; None without one."""
    grey = grey_of(small_bgr)
    unseen = featureless(grey, settings.least_detail * min(1.0, float(grey.mean()) / DIM))
    if unseen >= UNSEEN_PART:
        return f"the lens is covered or fogged (no detail in {100 * unseen:.0f} % of the picture)"
    share = sharpness(grey)
    if share < settings.least_sharpness and edge_sharpness(grey) < SOFT_EDGE:
        return f"the picture is blurred (sharpness {share:.4f})"
    return None


def colour(small_bgr: ByteArray) -> float:
    """Difference of the greatest and the least channel, in the most colourful hundredth of a thumbnail, grey levels."""
    return float(np.percentile(small_bgr.max(axis=2) - small_bgr.min(axis=2), 99))


def haze(small_bgr: ByteArray) -> float:
    """Part of a thumbnail's mean grey that the darkest hundredth of its least channels has.

    Shade and strong colours have a dark channel nearly everywhere outdoors; light that fog or a dirty lens scatters
    lifts it (He, Sun and Tang, "Single image haze removal using dark channel prior", 2009).
    """
    return float(np.percentile(small_bgr.min(axis=2), 1)) / max(float(grey_of(small_bgr).mean()), 1.0)


def sharpness(grey: ByteArray) -> float:
    """Share of a picture's variance that is in its finest detail, 0 to 1.

    Relative to the contrast, so that a flat lawn in focus is not taken for a blurred town: what a 3x3 mean takes away,
    as a part of the whole.
    """
    fine = cv2.subtract(grey.astype(np.float32), cv2.blur(grey, (3, 3)).astype(np.float32))
    whole = float(np.var(grey))
    return float(np.var(fine)) / whole if whole > 0 else 0.0


def edge_sharpness(grey: ByteArray) -> float:
    """Part of an edge's greys that lies between two neighbouring pixels, at a thumbnail's sharpest edges, 0 to 1.

    Shades do not count, however great: snow in focus is smooth, and its paths have sharp edges. 0 without an edge.
    """
    picture, around = grey.astype(np.float32), np.ones((5, 5), np.uint8)
    span = cv2.dilate(picture, around) - cv2.erode(picture, around)
    edges = span > EDGE
    if np.count_nonzero(edges) < LEAST_EDGES:
        return 0.0
    steps = np.zeros_like(picture)
    for axis in (0, 1):
        step = np.abs(np.diff(picture, axis=axis))
        for side in (slice(None, -1), slice(1, None)):
            beside = steps[side] if axis == 0 else steps[:, side]
            np.maximum(beside, step, out=beside)
    return float(np.percentile(steps[edges] / span[edges], 95))


def featureless(grey: ByteArray, least_detail: float) -> float:
    """Part of a thumbnail, uint8 (h, w), with less detail than so many grey levels, 0 to 1.

    Detail is what is wider than 3 px and narrower than 9: ground has it nearly everywhere. Noise is finer, and the
    shading of a finger, a cap or fog is coarser.
    """
    soft = cv2.blur(grey.astype(np.float32), (3, 3))
    detail = soft - cv2.blur(soft, (9, 9))
    energy = cv2.resize(detail * detail, PARTS, interpolation=cv2.INTER_AREA)
    return float((energy < least_detail**2).mean())


def thumbnail(image_bgr: ByteArray) -> ByteArray:
    """Picture of at most 160x120, uint8 (h, w, 3), each pixel the mean of those it covers; the shape is not kept."""
    image_bgr = image_bgr[:: max(1, image_bgr.shape[0] // LEAST_ROWS)]
    height, width = image_bgr.shape[:2]
    if width > THUMBNAIL_PX:
        size = (THUMBNAIL_PX, max(1, min(height, THUMBNAIL_PX * 3 // 4)))
        image_bgr = np.asarray(cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image_bgr


def grey_of(small_bgr: ByteArray) -> ByteArray:
    """Grey of a thumbnail, uint8 (h, w)."""
    return np.asarray(cv2.cvtColor(small_bgr, cv2.COLOR_BGR2GRAY), np.uint8)
