"""LabelMe: a JSON file for each picture, which it names or holds within it.

Written after `labelme/_utils/shape.py`: later shapes lie on earlier ones; a mask lies in a box of two corners; outlines
are drawn with their rims, lines 10 px wide and points 5 px around. Pictures are shown as their EXIF says.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from landing.errors import DataError
from trainer.importers.canvas import MOST_POINTS, LabelCanvas, Patch, Region
from trainer.importers.export import ExportFolder, read_annotations
from trainer.importers.foreign import Entry, ForeignPicture, ForeignSet
from trainer.importers.pixel_maps import mask_from_png

_LINE_PX = 10.0
_POINT_PX = 5.0
_FARTHEST_PX = 1e6
_POINTS = {
    "polygon": (3, MOST_POINTS),
    "oriented_rectangle": (4, 4),
    "rectangle": (2, 2),
    "circle": (2, 2),
    "line": (2, 2),
    "linestrip": (2, MOST_POINTS),
    "point": (1, 1),
    "points": (1, MOST_POINTS),
}
"""Kinds of shapes, with the least and the most points of each."""


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
            if kind not in (*_POINTS, "mask"):
                raise DataError(f"{shape.origin}: shapes of kind {kind!r} are not known here")
            thin += kind in ("line", "linestrip", "point", "points")
            label = shape.text("label")
            labels.add(label)
            regions.append(_mask(shape, label) if kind == "mask" else _sketch(shape, label, kind))
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


def _points(shape: Entry, least: int, most: int) -> list[list[float]]:
    points = shape.get("points")
    if not isinstance(points, list) or not least <= len(points) <= most:
        raise DataError(f"{shape.origin}: expected {least} to {most} points")
    pairs = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise DataError(f"{shape.origin}: a point is no pair of numbers")
        x, y = (Entry({"point": value}, shape.origin).number("point") for value in point)
        if max(abs(x), abs(y)) > _FARTHEST_PX:
            raise DataError(f"{shape.origin}: a point is farther than {_FARTHEST_PX:.0f} px")
        pairs.append([x, y])
    return pairs


@dataclass(frozen=True)
class LabelmeShape:
    """A shape that Pillow draws as labelme does: its rim belongs to it.

    Attributes:
        label: Class.
        kind: labelme's word for the shape.
        points: (N, 2), px.
    """

    label: str
    kind: str
    points: npt.NDArray[np.float64]

    @property
    def labels(self) -> Sequence[str]:
        """See `Region.labels`."""
        return (self.label,)

    def draw(self, canvas: LabelCanvas) -> None:
        """See `Region.draw`."""
        reach = float(np.hypot(*(self.points[0] - self.points[-1]))) if self.kind == "circle" else _LINE_PX
        low = np.clip(np.floor(self.points.min(axis=0) - reach), 0, canvas.size_wh).astype(int)
        high = np.clip(np.ceil(self.points.max(axis=0) + reach) + 1, 0, canvas.size_wh).astype(int)
        if (low >= high).any():
            return
        size = high - low
        image = Image.new("L", (int(size[0]), int(size[1])))
        self._draw(ImageDraw.Draw(image), [(x, y) for x, y in (self.points - low).tolist()])
        canvas.put(self.label, int(low[0]), int(low[1]), np.asarray(image) > 0)

    def _draw(self, pen: ImageDraw.ImageDraw, points: list[tuple[float, float]]) -> None:
        if self.kind in ("polygon", "oriented_rectangle"):
            pen.polygon(points, outline=1, fill=1)
        elif self.kind == "rectangle":
            (x0, y0), (x1, y1) = points
            pen.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), outline=1, fill=1)
        elif self.kind in ("line", "linestrip"):
            pen.line(points, fill=1, width=int(_LINE_PX), joint="curve")
        else:
            radius = math.dist(*points) if self.kind == "circle" else _POINT_PX
            for x, y in points[:1] if self.kind == "circle" else points:
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)


def _sketch(shape: Entry, label: str, kind: str) -> Region:
    least, most = _POINTS[kind]
    return LabelmeShape(label, kind, np.asarray(_points(shape, least, most)))


def _mask(shape: Entry, label: str) -> Region:
    (left, top), _ = _points(shape, 2, 2)
    text, origin = shape.get("mask"), f"{shape.origin}, mask"
    return Patch(label, round(left), round(top), lambda: mask_from_png(_decoded(text, origin), origin))
