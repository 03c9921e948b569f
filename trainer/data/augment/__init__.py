"""Variation of a training picture and its labels: height, attitude, weather and camera.

OpenCV and numpy only; everything random comes from the caller's generator.

The order is that of the light: ground (`markings`), air (`weather`), lens (`camera.blurred`), exposure (`light`),
sensor and coder (`camera.recorded`). Every function of these takes and returns a picture, BGR uint8 (H, W, 3).

On one core of an AMD EPYC, 448x448 out of 960x640 costs 3 ms in the median with the defaults: the view 1.7, light 1.0,
a shadow 1.4, haze 1.6, motion blur 0.8, defocus, noise and JPEG together 3, markings 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from landing.types import ByteArray
from trainer.data.augment.camera import blurred, recorded
from trainer.data.augment.light import relit
from trainer.data.augment.markings import painted
from trainer.data.augment.view import PAD_GREY, random_view, seen_from, source_mask
from trainer.data.augment.weather import hazed, shadowed
from trainer.data.samples import IGNORE
from trainer.recipe import Variation

__all__ = ["PAD_GREY", "Variation", "vary"]


def vary(
    image: ByteArray,
    labels: ByteArray,
    output_wh: tuple[int, int],
    variation: Variation,
    rng: np.random.Generator,
    *,
    centre: tuple[float, float] | None = None,
    paintable: Sequence[int] = (),
    scale_wh: tuple[int, int] | None = None,
) -> tuple[ByteArray, ByteArray]:
    """Return a varied picture of the wanted size, and its labels.

    Args:
        image: BGR uint8 (H, W, 3), any size.
        labels: uint8 (H, W).
        output_wh: Size to make, pixels.
        variation: Range of the variation.
        rng: The only source of chance.
        centre: Source pixel (column, row) to show; None for anywhere. It comes to lie off the middle, so that the
            network does not learn that persons stand there, and near a border of the output if it is near one of the
            source.
        paintable: Ids of the classes that `variation.markings` may paint on.
        scale_wh: Size that a picture of zoom 1 just fits into, pixels; by default `output_wh`. A crop of a larger input
            has that input's size here, so that it shows things as large.

    Returns:
        Picture and labels; outside the source the picture is `PAD_GREY` and the label `IGNORE`.
    """
    height, width = labels.shape
    view = random_view((width, height), output_wh, scale_wh or output_wh, variation, rng, centre)
    image, labels = seen_from(image, labels, view, output_wh)

    if rng.random() < variation.markings:
        image = painted(image, np.isin(labels, list(paintable)), rng)
    if rng.random() < variation.shadow:
        image = shadowed(image, rng)
    if rng.random() < variation.haze:
        image = hazed(image, rng)
    image = blurred(image, variation.motion_blur, variation.faults, rng)
    image = relit(image, variation.light, rng)
    image = recorded(image, variation.faults, rng)

    if (labels == IGNORE).any():
        # Padding is no part of what the camera saw: in flight, too, it is exactly this grey.
        outside = cv2.bitwise_not(source_mask((width, height), view, output_wh))
        image = np.array(image)
        cv2.copyTo(np.full_like(image, PAD_GREY), outside, image)
    return np.ascontiguousarray(image), np.ascontiguousarray(labels)
