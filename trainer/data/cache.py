"""Decoded pictures, a little larger than the network's input, ready to be varied.

Decoding a 24-megapixel JPEG takes longer than a training step on it, so each is decoded once: into memory here, or into
a file that is mapped into memory (`trainer.data.store`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from landing.types import ByteArray
from trainer.data.samples import IGNORE

CENTRES_PER_CLASS = 32
"""Pixels of each class that a picture remembers, for crops centred on a class."""


@dataclass(frozen=True)
class CachedSample:
    """A sample ready to be varied.

    Attributes:
        name: Of the sample.
        image: BGR uint8 (H, W, 3).
        labels: uint8 (H, W).
        centres: Some pixels of every class, (n, 3): column, row, class id; see `centres_of`.
    """

    name: str
    image: ByteArray
    labels: ByteArray
    centres: npt.NDArray[np.int32]

    def class_counts(self) -> npt.NDArray[np.int64]:
        """Pixels of each label value, shape (256,)."""
        return np.bincount(self.labels.ravel(), minlength=256)


def shrunk_wh(size_wh: tuple[int, int], limit_wh: tuple[int, int]) -> tuple[int, int]:
    """Size that fits a limit, with the same proportions; never larger than it was."""
    scale = min(limit_wh[0] / size_wh[0], limit_wh[1] / size_wh[1], 1.0)
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def shrink(image: ByteArray, labels: ByteArray, limit_wh: tuple[int, int]) -> tuple[ByteArray, ByteArray]:
    """Picture and labels scaled down to fit a size; never scaled up."""
    size = shrunk_wh((labels.shape[1], labels.shape[0]), limit_wh)
    if size == (labels.shape[1], labels.shape[0]):
        return image, labels
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(small, dtype=np.uint8), np.asarray(small_labels, dtype=np.uint8)


def centres_of(labels: ByteArray) -> npt.NDArray[np.int32]:
    """Some pixels of every class in a label map, int32 (n, 3): column, row, class id.

    At most `CENTRES_PER_CLASS` of each class, evenly spaced in reading order: a lake does not crowd out a person, and
    the same map always gives the same pixels.
    """
    flat = labels.ravel()
    present = np.flatnonzero(np.bincount(flat, minlength=256)[:IGNORE])
    picks = []
    for value in present:
        places = np.flatnonzero(flat == value)
        count = min(CENTRES_PER_CLASS, len(places))
        # The middles of `count` equal stretches, so no class is drawn from its edge pixels alone.
        chosen = places[(2 * np.arange(count) + 1) * len(places) // (2 * count)]
        rows, columns = np.divmod(chosen, labels.shape[1])
        picks.append(np.column_stack([columns, rows, np.full(count, value)]))
    found = np.concatenate(picks) if picks else np.empty((0, 3))
    return np.ascontiguousarray(found, dtype=np.int32)


def class_pixels(cached: Sequence[CachedSample], classes: int) -> npt.NDArray[np.int64]:
    """Labelled pixels of each class, shape (classes,)."""
    counts = np.zeros(256, dtype=np.int64)
    for item in cached:
        counts += item.class_counts()
    return counts[:classes]
