"""Objects of labelling tools, drawn on a label map: later ones lie on earlier ones.

Coordinates are continuous pixels, x right, y down: the first pixel reaches from 0 to 1, and belongs to an outline when
its middle does. That is how the browser tools and COCO count. Tools that name pixels say so (`Outline.of_pixels`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.types import ByteArray
from trainer.data.samples import IGNORE

VOID = 254
"""Label value, while drawing, of what an object marks as not to be trained on."""
MOST_CROSSINGS = 20_000_000
"""Crossings of one outline's edges with rows of pixels: a drawn outline has some thousands."""
MOST_POINTS = 200_000
_FARTHEST_PX = 1e6

BoolMask = npt.NDArray[np.bool_]


class LabelCanvas:
    """A label map that objects are drawn on.

    Attributes:
        ids: uint8 (H, W): class ids, `IGNORE` where nothing was drawn.
        covered: Pixels of a class (first) that were drawn over by another one (second).
    """

    def __init__(self, size_wh: tuple[int, int], id_of: Mapping[str, int]) -> None:
        self.ids: ByteArray = np.full(size_wh[::-1], IGNORE, np.uint8)
        self.covered: Counter[tuple[int, int]] = Counter()
        self._id_of = id_of

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.ids.shape[1], self.ids.shape[0]

    def put(self, label: str, left: int, top: int, mask: BoolMask) -> None:
        """Draw a mask (h, w) with its corner at a pixel; parts outside of the picture are cut off."""
        height, width = self.ids.shape
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(width, left + mask.shape[1]), min(height, top + mask.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        inside, value = mask[y0 - top : y1 - top, x0 - left : x1 - left], self._id_of[label]
        place = self.ids[y0:y1, x0:x1]
        counts = cv2.calcHist([place], [0], np.ascontiguousarray(inside).view(np.uint8), [256], [0, 256]).ravel()
        for under in np.flatnonzero(counts[:VOID]):
            if under != value and value < VOID:
                self.covered[int(under), value] += int(counts[under])
        np.copyto(place, value, where=inside)

    def put_values(self, values: ByteArray, label_of: Mapping[int, str]) -> None:
        """Take over a whole map of values (H, W); those without a label stay undrawn."""
        table = np.full(256, IGNORE, np.uint8)
        for value, label in label_of.items():
            table[value] = self._id_of[label]
        self.ids = table[values]


class Region(Protocol):
    """An object, or a whole label map, of a picture."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of its classes."""

    def draw(self, canvas: LabelCanvas) -> None:
        """Draw it.

        Raises:
            DataError: It is damaged.
        """


@dataclass(frozen=True)
class Outline:
    """Closed rings of points.

    Attributes:
        label: Class.
        rings: Each (N, 2), px. Rings within rings are holes, unless they are `parts`.
        parts: The rings are parts of one object, drawn one by one.
        of_pixels: Points are whole pixels, and those on the rim belong to the object: the first ring is drawn, and the
            others are cut out of it, rims too.
    """

    label: str
    rings: tuple[npt.NDArray[np.float64], ...]
    parts: bool = False
    of_pixels: bool = False

    @property
    def labels(self) -> Sequence[str]:
        """See `Region.labels`."""
        return (self.label,)

    @property
    def area_px(self) -> float:
        """Area of all rings together (shoelace formula), px."""
        areas = [np.dot(r[:, 0], np.roll(r[:, 1], -1)) - np.dot(r[:, 1], np.roll(r[:, 0], -1)) for r in self.rings]
        return float(np.abs(areas).sum() / 2)

    def draw(self, canvas: LabelCanvas) -> None:
        """See `Region.draw`."""
        if self.of_pixels:
            canvas.put(self.label, 0, 0, _rim_included(self.rings, canvas.size_wh))
            return
        for rings in [(ring,) for ring in self.rings] if self.parts else [self.rings]:
            filled = fill(rings, canvas.size_wh)
            if filled is not None:
                canvas.put(self.label, *filled)


@dataclass(frozen=True)
class Patch:
    """A mask at a place; `read` gives it, bool (h, w), when it is drawn. `area_px`: its pixels, where known before."""

    label: str
    left: int
    top: int
    read: Callable[[], BoolMask]
    area_px: float = 0.0

    @property
    def labels(self) -> Sequence[str]:
        """See `Region.labels`."""
        return (self.label,)

    def draw(self, canvas: LabelCanvas) -> None:
        """See `Region.draw`."""
        canvas.put(self.label, self.left, self.top, self.read())


def ring_of(points: Any, origin: str) -> npt.NDArray[np.float64]:
    """Return points [[x, y], ...] or [x, y, x, y, ...] as a ring (N, 2).

    Raises:
        DataError: Fewer than three points, more than `MOST_POINTS`, or what are no numbers.
    """
    try:
        ring = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{origin}: an outline is no list of points with two numbers each") from error
    if not 3 <= len(ring) <= MOST_POINTS:
        raise DataError(f"{origin}: an outline has {len(ring)} points, expected 3 to {MOST_POINTS}")
    if not (np.abs(ring) <= _FARTHEST_PX).all():
        raise DataError(f"{origin}: an outline has a point that is farther than {_FARTHEST_PX:.0f} px, or no number")
    return ring


def ellipse(x: float, y: float, radius_x: float, radius_y: float, turned_deg: float = 0.0) -> list[list[float]]:
    """Return the points of an ellipse, turned clockwise about its middle."""
    steps = (
        int(np.clip(4 * max(abs(radius_x), abs(radius_y)), 32, 720)) if np.isfinite([radius_x, radius_y]).all() else 32
    )
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return turned(np.stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)], 1), (x, y), turned_deg)


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    """Return the corners of a box."""
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def turned(points: Any, about: tuple[float, float], angle_deg: float) -> list[list[float]]:
    """Return points turned clockwise, as seen with y down, about one."""
    angle = np.deg2rad(angle_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    result: list[list[float]] = ((np.asarray(points, np.float64) - about) @ turn + about).tolist()
    return result


def fill(rings: Sequence[npt.NDArray[np.float64]], size_wh: tuple[int, int]) -> tuple[int, int, BoolMask] | None:
    """Fill rings by the even-odd rule.

    Args:
        rings: Each (N, 2), px.
        size_wh: Of the picture.

    Returns:
        Left, top and mask of the smallest box in the picture around them; None where no pixel's middle is inside.

    Raises:
        DataError: More than `MOST_CROSSINGS`.
    """
    ends = (
        np.concatenate([np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in rings]) - 0.5
    )  # from pixels' middles
    ends = ends[ends[:, 1] != ends[:, 3]]
    if not len(ends):
        return None
    left, top = (max(0, int(np.ceil(ends[:, k::2].min()))) for k in (0, 1))
    right, bottom = (min(size_wh[k], int(np.ceil(ends[:, k::2].max()))) for k in (0, 1))
    if left >= right or top >= bottom:
        return None
    x0, y0, x1, y1 = ends.T
    first = np.clip(np.ceil(np.minimum(y0, y1)), top, bottom).astype(np.int64)
    counts = np.clip(np.ceil(np.maximum(y0, y1)), top, bottom).astype(np.int64) - first
    total = int(counts.sum())
    if total > MOST_CROSSINGS:
        raise DataError(f"an outline crosses rows of pixels {total} times, at most {MOST_CROSSINGS} expected")
    before = np.cumsum(counts) - counts
    rows = np.arange(total) - np.repeat(before - first, counts)
    slope = np.repeat((x1 - x0) / (y1 - y0), counts)
    columns = np.repeat(x0, counts) + (rows - np.repeat(y0, counts)) * slope
    starts = np.clip(np.ceil(columns), left, right).astype(np.int64) - left
    toggles = np.zeros((bottom - top, right - left + 1), np.uint8)
    np.bitwise_xor.at(toggles.reshape(-1), (rows - top) * toggles.shape[1] + starts, 1)
    mask = np.bitwise_xor.accumulate(toggles, axis=1)[:, :-1].astype(np.bool_)
    return left, top, mask


def _rim_included(rings: Sequence[npt.NDArray[np.float64]], size_wh: tuple[int, int]) -> BoolMask:
    mask = np.zeros(size_wh[::-1], np.uint8)
    for number, ring in enumerate(rings):
        cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 0 if number else 1)
    return mask.astype(np.bool_)
