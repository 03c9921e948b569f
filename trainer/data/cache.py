"""Decoded pictures in memory, a little larger than the network's input.

Decoding a 24-megapixel JPEG takes longer than a training step on it, so each is decoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray
from trainer.data.samples import LabeledSet, Sample, UnknownPolicy

_CENTRES_PER_PICTURE = 256
FOCUS_ROLES = (Role.PERSON, Role.VEHICLE, Role.WATER)


@dataclass(frozen=True)
class CachedSample:
    """A sample ready to be varied.

    Attributes:
        name: Of the sample.
        image: BGR uint8 (H, W, 3).
        labels: uint8 (H, W).
        centres: Some pixels (n, 2), (column, row), of persons, vehicles and water.
    """

    name: str
    image: ByteArray
    labels: ByteArray
    centres: npt.NDArray[np.int32]


def shrink(
    image: ByteArray, labels: ByteArray, limit_wh: tuple[int, int]
) -> tuple[ByteArray, ByteArray]:
    """Picture and labels scaled down to fit a size; never scaled up."""
    height, width = labels.shape
    scale = min(limit_wh[0] / width, limit_wh[1] / height)
    if scale >= 1:
        return image, labels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(small, dtype=np.uint8), np.asarray(small_labels, dtype=np.uint8)


def load(
    data: LabeledSet,
    samples: Sequence[Sample],
    limit_wh: tuple[int, int],
    unknown: UnknownPolicy = "refuse",
    threads: int = 2,
    done: Callable[[], None] = lambda: None,
) -> list[CachedSample]:
    """Decodes samples into memory, shrunk to fit a size.

    Args:
        data: The set they are of.
        samples: Which.
        limit_wh: Greatest size kept, pixels.
        unknown: What becomes of labels the taxonomy does not know.
        threads: Decoding threads.
        done: Called after each.

    Raises:
        DataError: The first sample that cannot be read.
    """

    def one(sample: Sample) -> CachedSample:
        image, labels = shrink(*data.read(sample, unknown), limit_wh)
        return CachedSample(sample.name, image, labels, _centres(labels, data.taxonomy))

    cached = []
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for item in pool.map(one, samples):
            cached.append(item)
            done()
    return cached


def _centres(labels: ByteArray, taxonomy: Taxonomy) -> npt.NDArray[np.int32]:
    rare = np.zeros(256, dtype=np.bool_)
    for role in FOCUS_ROLES:
        rare[list(taxonomy.ids_of(role))] = True
    found = np.argwhere(rare[labels])[:, ::-1].astype(np.int32)
    if len(found) > _CENTRES_PER_PICTURE:
        # Per class alike, so that a lake does not crowd out a person.
        values = labels[found[:, 1], found[:, 0]]
        per_class = _CENTRES_PER_PICTURE // len(np.unique(values))
        picks = [
            places[np.linspace(0, len(places) - 1, min(per_class, len(places))).astype(int)]
            for places in (np.flatnonzero(values == v) for v in np.unique(values))
        ]
        found = found[np.concatenate(picks)]
    return np.ascontiguousarray(found)


def class_pixels(cached: Sequence[CachedSample], classes: int) -> npt.NDArray[np.int64]:
    """Labelled pixels of each class, shape (classes,)."""
    counts = np.zeros(256, dtype=np.int64)
    for item in cached:
        counts += np.bincount(item.labels.ravel(), minlength=256)
    return counts[:classes]
