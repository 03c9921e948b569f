"""Rasters of a world: a picture that is painted when first asked for, labels at coarser scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np

from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray

Painter = Callable[[], ByteArray]
"""Makes a world's picture, uint8 (H, W, 3)."""

_COARSEST_PX = 16

_RANKS = (Role.LANDABLE, Role.IGNORE, Role.OBSTACLE, Role.WATER, Role.VEHICLE, Role.PERSON)
"""From harmless to what must not vanish from a coarser raster."""


class DeferredPicture:
    """A dataclass field that holds a picture, or the painter who makes it when first asked.

    Landings that segment the truth never look at a picture, and painting one takes seconds.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"_{name}"

    def __get__(self, instance: object | None, owner: type) -> ByteArray:
        if instance is None:
            raise AttributeError(self._key)  # tells dataclass that there is no default
        held = instance.__dict__[self._key]
        if callable(held):
            held = instance.__dict__[self._key] = held()
        picture: ByteArray = held
        return picture

    def __set__(self, instance: object, value: ByteArray | Painter) -> None:
        instance.__dict__[self._key] = value

    def peek(self, instance: object) -> ByteArray | Painter:
        """The value held, without painting."""
        held: ByteArray | Painter = instance.__dict__[self._key]
        return held


def deferred(painter: Painter) -> ByteArray:
    """A painter in the place of the picture it will make; see `DeferredPicture`."""
    return cast(ByteArray, painter)


def label_pyramid(labels: ByteArray, taxonomy: Taxonomy) -> tuple[ByteArray, ...]:
    """Labels, then at a half, a quarter ... of their resolution.

    A coarser cell is the second most hazardous of its four: walls one cell wide stay closed and single cells do not
    grow, so the share of a hazard hardly changes with the scale.

    Returns:
        uint8 rasters, the first of them `labels` itself.
    """
    order = {role: rank for rank, role in enumerate(_RANKS)}
    roles = {c.id: c.role for c in taxonomy.classes}
    ids = sorted(range(256), key=lambda i: (order[roles.get(i, Role.IGNORE)], i))
    id_of_rank = np.array(ids, dtype=np.uint8)
    rank_of_id = np.empty(256, dtype=np.uint8)
    rank_of_id[id_of_rank] = np.arange(256, dtype=np.uint8)
    levels = [np.ascontiguousarray(labels)]
    ranks = np.asarray(cv2.LUT(levels[0], rank_of_id))
    while min(ranks.shape) >= 2 * _COARSEST_PX:
        height, width = ranks.shape[0] // 2 * 2, ranks.shape[1] // 2 * 2
        a, b = ranks[0:height:2, 0:width:2], ranks[0:height:2, 1:width:2]
        c, d = ranks[1:height:2, 0:width:2], ranks[1:height:2, 1:width:2]
        most = np.minimum(np.maximum(a, b), np.maximum(c, d))
        ranks = np.maximum(most, np.maximum(np.minimum(a, b), np.minimum(c, d)))
        levels.append(np.asarray(cv2.LUT(ranks, id_of_rank)))
    return tuple(levels)
