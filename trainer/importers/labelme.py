"""LabelMe: a JSON file for each picture, which it names or holds within it.

Written after `labelme/_utils/shape.py`: later shapes lie on earlier ones; a mask lies in a box of two corners; lines
are 10 px wide and points 5 px around, as labelme itself draws them. Pictures are shown as their EXIF says.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from landing.errors import DataError
from trainer.importers.canvas import MOST_POINTS, Outline, Patch, Region, box, ellipse, ring_of
from trainer.importers.export import ExportFolder, read_annotations
from trainer.importers.foreign import Entry, ForeignPicture, ForeignSet
from trainer.importers.pixel_maps import mask_from_png

_LINE_PX = 10.0
_POINT_PX = 5.0


def recognised(export: ExportFolder) -> list[Path]:
    """Return the first LabelMe file of an export, in a list; none where the first JSON file is another kind."""
    for _, path in export.ending(".json"):
        return [path] if _is_labelme(export.json(path)) else []
    return []


def _is_labelme(value: Any) -> bool:
    return isinstance(value, dict) and "shapes" in value and "imagePath" in value


def read(export: ExportFolder) -> ForeignSet:
    """Return the set of an export.

    Raises:
        DataError: A file is damaged, or no file of LabelMe.
    """
    result = ForeignSet({}, [], shown_turned=True)
    labels = set()
    thin = 0
    for name, path in export.ending(".json"):
        value = export.json(path)
        if not _is_labelme(value):
            raise DataError(f"annotations {path} are no file of LabelMe (shapes, imagePath): take it out of the folder")
        file = Entry(value, f"annotations {path}")
        regions = []
        for shape in file.entries("shapes"):
            kind = str(shape.get("shape_type") or "polygon")
            if kind not in _READERS:
                raise DataError(f"{shape.origin}: shapes of kind {kind!r} are not known here")
            thin += kind in ("line", "linestrip", "point", "points")
            label = shape.text("label")
            labels.add(label)
            regions.append(_READERS[kind](shape, label))
        size_wh = file.size_wh("imageWidth", "imageHeight") if "imageWidth" in file and "imageHeight" in file else None
        said = f"{name.rpartition('/')[0]}/{file.text('imagePath')}"
        embedded = _embedded(path) if "imageData" in file else None
        result.pictures.append(ForeignPicture(said, regions, size_wh, embedded=embedded))
    result.colour_of = dict.fromkeys(sorted(labels))
    if thin:
        result.notes.append(f"{thin} lines and points are drawn {_LINE_PX:.0f} px wide, as labelme draws them")
    return result


def _embedded(path: Path) -> Callable[[], bytes]:
    """Read again when it is written: pictures of a whole set are too much to hold."""

    def picture() -> bytes:
        return _decoded(read_annotations(path).get("imageData"), f"annotations {path}, imageData")

    return picture


def _decoded(text: Any, origin: str) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "", validate=False)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{origin} is no base64: {error}") from error


def _points(shape: Entry, least: int, most: int = MOST_POINTS) -> list[list[float]]:
    points = shape.get("points")
    if not isinstance(points, list) or not least <= len(points) <= most:
        raise DataError(f"{shape.origin}: expected at least {least} points")
    pairs = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise DataError(f"{shape.origin}: a point is no pair of numbers")
        x, y = (Entry({"point": value}, shape.origin).number("point") for value in point)
        pairs.append([x, y])
    return pairs


def _polygon(shape: Entry, label: str) -> Region:
    return Outline(label, (ring_of(_points(shape, 3), shape.origin),))


def _rectangle(shape: Entry, label: str) -> Region:
    (x0, y0), (x1, y1) = _points(shape, 2, 2)
    return Outline(label, (ring_of(box(x0, y0, x1, y1), shape.origin),))


def _circle(shape: Entry, label: str) -> Region:
    (x, y), rim = _points(shape, 2, 2)
    radius = math.dist((x, y), rim)
    return Outline(label, (ring_of(ellipse(x, y, radius, radius), shape.origin),))


def _dots(shape: Entry, label: str) -> Region:
    rings = [ring_of(ellipse(x, y, _POINT_PX, _POINT_PX), shape.origin) for x, y in _points(shape, 1)]
    return Outline(label, tuple(rings), parts=True)


def _line(shape: Entry, label: str) -> Region:
    """Pieces of a broken line as boxes with round ends."""
    points = np.asarray(_points(shape, 2))
    rings = [ring_of(ellipse(x, y, _LINE_PX / 2, _LINE_PX / 2), shape.origin) for x, y in points.tolist()]
    for start, end in pairwise(points):
        along = end - start
        length = float(np.hypot(*along))
        if length:
            aside = np.array([-along[1], along[0]]) / length * _LINE_PX / 2
            rings.append(ring_of([start + aside, end + aside, end - aside, start - aside], shape.origin))
    return Outline(label, tuple(rings), parts=True)


def _mask(shape: Entry, label: str) -> Region:
    (left, top), _ = _points(shape, 2, 2)
    text, origin = shape.get("mask"), f"{shape.origin}, mask"
    return Patch(label, round(left), round(top), lambda: mask_from_png(_decoded(text, origin), origin))


_READERS: Mapping[str, Callable[[Entry, str], Region]] = {
    "polygon": _polygon,
    "oriented_rectangle": _polygon,
    "rectangle": _rectangle,
    "circle": _circle,
    "mask": _mask,
    "line": _line,
    "linestrip": _line,
    "point": _dots,
    "points": _dots,
}
