"""Varies a training picture and its labels: pose, zoom, light and camera faults. OpenCV and numpy.

Everything random comes from one generator per (seed, epoch, sample), so a run gives the same
pictures whatever the number of loader processes, and a resumed run goes on as if uninterrupted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from landing.types import ByteArray
from trainer.data.samples import IGNORE

PAD_GREY = 127
"""Value of padding, as in `landing.spec.Letterbox`."""


@dataclass(frozen=True)
class Variation:
    """How far training pictures are varied.

    Attributes:
        zoom: Least and greatest scale against a picture that just fits the input.
        tilt_deg: Turn beyond the quarter turns, either way, degrees.
        light: Strength of brightness, contrast, gamma and colour changes; 0 for none.
        faults: Probability of each of blur, noise and JPEG artefacts.
        focus: Probability that the picture is centred on a pixel of a rare hazard.
        markings: Probability that paint is put on landable ground: lane lines and arrows.
        paintable: Ids of the classes that may carry such paint.
    """

    zoom: tuple[float, float] = (0.8, 2.0)
    tilt_deg: float = 15.0
    light: float = 1.0
    faults: float = 0.15
    focus: float = 0.3
    markings: float = 0.0
    paintable: tuple[int, ...] = ()


def vary(
    image: ByteArray,
    labels: ByteArray,
    output_wh: tuple[int, int],
    variation: Variation,
    rng: np.random.Generator,
    centres: npt.NDArray[np.int32] | None = None,
) -> tuple[ByteArray, ByteArray]:
    """A varied picture of the network's input size.

    Args:
        image: BGR uint8 (H, W, 3), any size.
        labels: uint8 (H, W).
        output_wh: Size to make, pixels.
        variation: How far.
        rng: The only source of chance.
        centres: Pixels (n, 2 or more) as (column, row, ...) that `focus` may centre on.

    Returns:
        Picture and labels; outside the source the picture is grey and the label `IGNORE`.
    """
    matrix = _random_view(image.shape[1::-1], output_wh, variation, rng, centres)
    image = cv2.warpAffine(
        image, matrix, output_wh, flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(PAD_GREY,) * 3,
    )  # fmt: skip
    labels = cv2.warpAffine(
        labels, matrix, output_wh, flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(IGNORE,),
    )  # fmt: skip
    if variation.markings > 0 and rng.random() < variation.markings:
        ground = np.isin(labels, variation.paintable)
        image = _painted(np.asarray(image, dtype=np.uint8), ground, rng)
    image = _relight(image, variation.light, rng)
    image = _spoil(image, variation.faults, rng)
    return np.ascontiguousarray(image, dtype=np.uint8), np.ascontiguousarray(labels, dtype=np.uint8)


def _random_view(
    source_wh: tuple[int, ...],
    output_wh: tuple[int, int],
    variation: Variation,
    rng: np.random.Generator,
    centres: npt.NDArray[np.int32] | None,
) -> npt.NDArray[np.float64]:
    """Affine map, shape (2, 3), from source pixels to output pixels."""
    width, height = source_wh
    fit = min(output_wh[0] / width, output_wh[1] / height)
    low, high = variation.zoom
    scale = fit * math.exp(rng.uniform(math.log(low), math.log(high)))
    quarter = int(rng.integers(4))
    angle = quarter * 90.0 + rng.uniform(-variation.tilt_deg, variation.tilt_deg)
    cos, sin = math.cos(math.radians(angle)) * scale, math.sin(math.radians(angle)) * scale
    flip = -1.0 if rng.random() < 0.5 else 1.0
    linear = np.array([[cos * flip, -sin], [sin * flip, cos]])

    focused = rng.random() < variation.focus
    place = rng.random(2)
    if focused and centres is not None and len(centres):
        centre = centres[int(rng.integers(len(centres))), :2].astype(np.float64)
        # Not always in the very middle: the network must not learn that persons stand there.
        centre += np.linalg.solve(linear, (place - 0.5) * np.array(output_wh) * 0.6)
    else:
        # Centres for which the window stays inside the source, as far as there are such.
        reach = np.abs(np.linalg.inv(linear)) @ (np.array(output_wh) / 2)
        size = np.array([width, height], dtype=np.float64)
        slack = np.maximum(size - 2 * reach, 0.25 * size)
        centre = size / 2 + (place - 0.5) * slack
    shift = np.array(output_wh) / 2 - linear @ centre
    return np.column_stack([linear, shift])


def _painted(
    image: ByteArray, ground: npt.NDArray[np.bool_], rng: np.random.Generator
) -> ByteArray:
    """Paint on landable ground; the labels stay, so the network learns that paint is no hazard."""
    height, width = ground.shape
    paint = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        start = rng.random(2) * (width, height)
        angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.8) * max(width, height)
        end = start + length * np.array([math.cos(angle), math.sin(angle)])
        thick = int(rng.integers(2, max(4, height // 20)))
        dashes = int(rng.integers(1, 6))
        for k in range(dashes):
            a = start + (end - start) * k / dashes
            b = start + (end - start) * (k + rng.uniform(0.4, 1.0)) / dashes
            ends = [(round(float(p[0])), round(float(p[1]))) for p in (a, b)]
            if rng.random() < 0.25:
                cv2.arrowedLine(paint, ends[0], ends[1], 255, thick, cv2.LINE_AA, 0, 0.3)
            else:
                cv2.line(paint, ends[0], ends[1], 255, thick, cv2.LINE_AA)
    colours = np.array([(245, 245, 245), (60, 200, 240), (50, 60, 200), (200, 120, 50)])  # BGR
    colour = colours[int(rng.choice(4, p=(0.5, 0.35, 0.08, 0.07)))] * rng.uniform(0.7, 1.0)
    worn = np.clip(rng.standard_normal((height // 4 + 1, width // 4 + 1)) * 0.4 + 1.0, 0, 1)
    worn = cv2.resize(worn.astype(np.float32), (width, height))
    share = (paint / 255.0 * worn * rng.uniform(0.5, 0.95) * ground)[..., None]
    return np.asarray(image * (1 - share) + colour * share, dtype=np.uint8)


def _relight(image: ByteArray, light: float, rng: np.random.Generator) -> ByteArray:
    gain = rng.uniform(-0.35, 0.35) * light
    offset = rng.uniform(-0.12, 0.12) * light
    gamma = math.exp(rng.uniform(-0.3, 0.3) * light)
    cast = rng.uniform(-0.08, 0.08, 3) * light
    hue = rng.uniform(-6, 6) * light
    saturation = 1.0 + rng.uniform(-0.4, 0.4) * light
    recolour = rng.random() < 0.5
    if light <= 0:
        return image
    ramp = np.linspace(0.0, 1.0, 256)
    curve = (ramp**gamma - 0.5)[:, None] * (1 + gain) * (1 + cast) + 0.5 + offset
    table = np.clip(curve * 255, 0, 255).astype(np.uint8).reshape(256, 1, 3)
    image = np.asarray(cv2.LUT(image, table), dtype=np.uint8)
    if recolour:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        hues = ((np.arange(256) + hue) % 180).astype(np.uint8)
        saturations = np.clip(np.arange(256) * saturation, 0, 255).astype(np.uint8)
        same = np.arange(256, dtype=np.uint8)
        hsv = cv2.LUT(hsv, np.stack([hues, saturations, same], axis=-1).reshape(256, 1, 3))
        image = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), dtype=np.uint8)
    return image


def _spoil(image: ByteArray, probability: float, rng: np.random.Generator) -> ByteArray:
    blur, noise, jpeg = rng.random(3) < probability
    sigma, strength, quality = rng.uniform(0.4, 1.8), rng.uniform(2, 14), int(rng.integers(25, 85))
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)
    if noise:
        grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(strength)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    if jpeg:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)
    return image
