"""People of training pictures, pasted on landable ground of others: on grass and asphalt, in sun and shade."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from landing.types import ByteArray

_HALF_WINDOW_PX = 128
_LEAST_AREA_PX = 12
_MOST_SHARE = 0.3
"""Share of the window above which an outline is not that of people."""
_TRIES = 12
"""Places tried for each person before it is left out."""


@dataclass(frozen=True)
class Cutout:
    """People cut out of a picture.

    Attributes:
        image: BGR uint8 (h, w, 3).
        mask: uint8 (h, w), 255 on them.
        label: Of their pixels.
        light: Mean brightness of the ground around them, 0 to 255.
    """

    image: ByteArray
    mask: ByteArray
    label: int
    light: float


def cut_out(image: ByteArray, labels: ByteArray, at: tuple[int, int]) -> Cutout | None:
    """Return what is joined to a pixel (column, row) by its label; None where that is too small or cut by the window.

    `image` is BGR uint8 (H, W, 3), `labels` uint8 (H, W).
    """
    column, row = at
    top, left = max(0, row - _HALF_WINDOW_PX), max(0, column - _HALF_WINDOW_PX)
    window = (slice(top, row + _HALF_WINDOW_PX), slice(left, column + _HALF_WINDOW_PX))
    label = int(labels[row, column])
    _, parts = cv2.connectedComponents((labels[window] == label).astype(np.uint8))
    mask = np.where(parts == parts[row - top, column - left], np.uint8(255), np.uint8(0))
    area = np.count_nonzero(mask)
    x, y, w, h = cv2.boundingRect(mask)
    inside = x > 0 and y > 0 and x + w < mask.shape[1] and y + h < mask.shape[0]
    if not inside or not _LEAST_AREA_PX <= area <= _MOST_SHARE * mask.size:
        return None
    box = (slice(y - 1, y + h + 1), slice(x - 1, x + w + 1))
    around = cv2.dilate(mask, np.ones((9, 9), np.uint8)) & ~mask
    light = cv2.mean(cv2.cvtColor(np.ascontiguousarray(image[window]), cv2.COLOR_BGR2GRAY), around)[0]
    return Cutout(np.array(image[window][box]), np.ascontiguousarray(mask[box]), label, light)


def with_people(
    image: ByteArray,
    labels: ByteArray,
    people: Sequence[tuple[Cutout, float]],
    ground: Sequence[int],
    rng: np.random.Generator,
) -> tuple[ByteArray, ByteArray]:
    """Return a picture with people on its ground, and its labels; who finds no room is left out.

    They are turned, mirrored and lit as the ground there, and throw shadows in one direction on two pictures of three.

    Args:
        image: BGR uint8 (H, W, 3).
        labels: uint8 (H, W).
        people: Each with the scale to enlarge it by.
        ground: Labels to stand on.
        rng: The only source of chance.
    """
    image, labels = np.array(image), np.array(labels)
    sun = rng.uniform(0, 2 * math.pi) if rng.random() < 2 / 3 else None
    shadow_length = rng.uniform(0.3, 1.5)
    on_ground = np.zeros(256, np.bool_)
    on_ground[list(ground)] = True
    for cutout, scale in people:
        patch, mask = _turned(cutout, scale * rng.uniform(0.85, 1.2), rng)
        height, width = mask.shape
        if height >= labels.shape[0] or width >= labels.shape[1] or np.count_nonzero(mask > 127) < _LEAST_AREA_PX:
            continue
        for _ in range(_TRIES):
            top = int(rng.integers(labels.shape[0] - height))
            left = int(rng.integers(labels.shape[1] - width))
            place = (slice(top, top + height), slice(left, left + width))
            if on_ground[labels[place][mask > 127]].all():
                _stand(image, labels, place, cutout, patch, mask, rng.uniform(0.4, 1.0))
                if sun is not None:
                    reach = shadow_length * math.sqrt(np.count_nonzero(mask > 127))
                    offset = round(reach * math.cos(sun)), round(reach * math.sin(sun))
                    _shade(image, labels, place, mask, offset, rng.uniform(0.4, 0.75))
                break
    return image, labels


def _turned(cutout: Cutout, scale: float, rng: np.random.Generator) -> tuple[ByteArray, ByteArray]:
    """The cutout turned anyhow, mirrored at times and scaled: picture and mask, a size that holds it."""
    height, width = cutout.mask.shape
    side = math.ceil(math.hypot(height, width) * scale) + 2
    view = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(0, 360), scale)
    view[:, 2] += (side - np.array([width, height])) / 2
    if rng.random() < 0.5:
        view[:, 0], view[:, 2] = -view[:, 0], view[:, 2] + view[:, 0] * (width - 1)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    patch = cv2.warpAffine(cutout.image, view, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(cutout.mask, view, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(patch, np.uint8), np.asarray(mask, np.uint8)


def _stand(
    image: ByteArray,
    labels: ByteArray,
    place: tuple[slice, slice],
    cutout: Cutout,
    patch: ByteArray,
    mask: ByteArray,
    adapted: float,
) -> None:
    """Draws people at a place in its light; `adapted` is the share of the difference that they take on."""
    here = cv2.mean(cv2.cvtColor(np.ascontiguousarray(image[place]), cv2.COLOR_BGR2GRAY))[0]
    gain = float(np.clip((here + 1.0) / (cutout.light + 1.0), 0.3, 3.0)) ** adapted
    lit = cv2.convertScaleAbs(patch, alpha=gain)
    share = cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.float32) / 255
    image[place] = cv2.blendLinear(lit, np.ascontiguousarray(image[place]), share, 1 - share)
    labels[place][mask > 127] = cutout.label


def _shade(
    image: ByteArray,
    labels: ByteArray,
    place: tuple[slice, slice],
    mask: ByteArray,
    offset: tuple[int, int],
    light: float,
) -> None:
    """Darkens the ground beside people, to a share of its light; what falls outside the picture is left out."""
    shape = labels.shape
    rows = np.arange(place[0].start, place[0].stop) + offset[1]
    columns = np.arange(place[1].start, place[1].stop) + offset[0]
    keep_rows, keep_columns = (rows >= 0) & (rows < shape[0]), (columns >= 0) & (columns < shape[1])
    if not keep_rows.any() or not keep_columns.any():
        return
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5))[np.ix_(keep_rows, keep_columns)]
    there = np.ix_(rows[keep_rows], columns[keep_columns])
    bodies = np.zeros(shape, np.bool_)
    bodies[place] = mask > 127
    dark = (1 - (1 - light) * soft.astype(np.float32) / 255) * ~bodies[there] + bodies[there]
    image[there] = np.rint(image[there] * dark[..., None]).astype(np.uint8)
