"""CVAT: `CVAT for images 1.1`, an XML file of pictures with outlines and run lengths.

Written after `cvat/apps/dataset_manager/formats/cvat.py`: a mask's runs go along the rows of its box and begin outside;
a higher `z_order` lies on top, and of two equal ones the later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.parsers import expat

from landing.errors import DataError
from landing.picture_files import MOST_PIXELS
from landing.reading import TABLE_BYTES, open_file
from trainer.importers.canvas import Outline, Patch, Region, box, ellipse, ring_of, turned
from trainer.importers.export import ExportFolder
from trainer.importers.foreign import Entry, ForeignPicture, ForeignSet, colour_from, part_of
from trainer.importers.runs import mask_of_runs

_SHAPELESS = ("polyline", "points", "cuboid", "skeleton")
_MOST_SHAPES = 2_000_000
_MOST_DEPTH = 12
_HEAD_BYTES = 4096


def recognised(export: ExportFolder) -> list[Path]:
    """Return the XML files of an export whose root is `annotations`."""
    found = []
    for _, path in export.ending(".xml"):
        with open_file(path, "annotations", DataError) as stream:
            head = stream.read(_HEAD_BYTES)
        if re.search(rb"<annotations[\s>]", head):
            found.append(path)
    return found


def read(export: ExportFolder) -> ForeignSet:
    """Return the set of an export.

    Raises:
        DataError: It is damaged, or of video.
    """
    result = ForeignSet({}, [], shown_turned=True)
    for path in recognised(export):
        _File(path, result).read()
    return result


class _File:
    """One XML file, read element by element; document types, and so all entities, are refused."""

    def __init__(self, path: Path, result: ForeignSet) -> None:
        self._origin = f"annotations {path}"
        self._path = path
        self._result = result
        self._tags: list[str] = []
        self._text = ""
        self._label: dict[str, str] = {}
        self._image: Entry | None = None
        self._shapes: list[tuple[int, Region]] = []
        self._count = 0

    def read(self) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            with open_file(self._path, "annotations", DataError, TABLE_BYTES) as stream:
                parser.ParseFile(stream)
        except expat.ExpatError as error:
            raise DataError(f"{self._origin} are no XML: {error}") from error

    def _refuse_doctype(self, *_: object) -> None:
        raise DataError(f"{self._origin} declare a document type, which CVAT never does")

    def _characters(self, text: str) -> None:
        self._text = (self._text + text)[:1000]

    def _start(self, tag: str, fields: dict[str, str]) -> None:
        self._tags.append(tag)
        self._text = ""
        if len(self._tags) > _MOST_DEPTH:
            raise DataError(f"{self._origin} are nested deeper than {_MOST_DEPTH} elements")
        if tag == "label" and "meta" in self._tags:
            self._label = {}
        elif tag == "track":
            raise DataError(f"{self._origin} are of a video: export 'CVAT for images 1.1', not 'CVAT for video 1.1'")
        elif tag == "image":
            self._image = Entry(fields, f"{self._origin}, image {fields.get('name')!r}")
            self._shapes = []
        elif self._image is not None and len(self._tags) == 3:
            self._shape(tag, fields, self._image)

    def _end(self, tag: str) -> None:
        self._tags.pop()
        if tag == "label" and "meta" in self._tags and "name" in self._label:
            label = Entry(self._label, self._origin)
            if "parent" not in label and label.get("type") not in ("skeleton", "tag"):
                self._result.colour_of.setdefault(label.text("name"), colour_from(label.get("color")))
        elif self._tags and self._tags[-1] == "label":
            self._label[tag] = self._text.strip()
        elif tag == "image" and self._image is not None:
            image, self._image = self._image, None
            self._shapes.sort(key=lambda shape: shape[0])  # stable: of one z_order the later lies on top
            self._result.pictures.append(
                ForeignPicture(
                    image.text("name"),
                    [region for _, region in self._shapes],
                    image.size_wh("width", "height"),
                    part=part_of(str(image.get("subset") or "")),
                )
            )

    def _shape(self, tag: str, fields: dict[str, str], image: Entry) -> None:
        self._count += 1
        if self._count > _MOST_SHAPES:
            raise DataError(f"{self._origin} have more than {_MOST_SHAPES} objects: export fewer pictures at a time")
        shape = Entry(fields, f"{image.origin}, {tag}")
        if tag in _SHAPELESS:
            self._result.shapeless[f"{tag} {shape.get('label') or ''}".strip()] += 1
        elif tag in _READERS:
            label = shape.text("label")
            self._result.colour_of.setdefault(label, None)
            z_order = int(shape.number("z_order")) if "z_order" in shape else 0
            self._shapes.append((z_order, _READERS[tag](shape, label)))
        elif tag != "tag":
            raise DataError(f"{shape.origin}: objects of this kind are not known here")


def _polygon(shape: Entry, label: str) -> Region:
    points = re.split("[;,]", shape.text("points").strip("; "))
    return Outline(label, (ring_of(points, shape.origin),))


def _box(shape: Entry, label: str) -> Region:
    left, top, right, bottom = (shape.number(name) for name in ("xtl", "ytl", "xbr", "ybr"))
    angle = shape.number("rotation") if "rotation" in shape else 0.0
    corners = turned(box(left, top, right, bottom), ((left + right) / 2, (top + bottom) / 2), angle)
    return Outline(label, (ring_of(corners, shape.origin),))


def _ellipse(shape: Entry, label: str) -> Region:
    angle = shape.number("rotation") if "rotation" in shape else 0.0
    x, y, radius_x, radius_y = (shape.number(name) for name in ("cx", "cy", "rx", "ry"))
    points = ellipse(x, y, radius_x, radius_y, angle)
    return Outline(label, (ring_of(points, shape.origin),))


def _mask(shape: Entry, label: str) -> Region:
    width, height = shape.size_wh("width", "height")
    if width * height > MOST_PIXELS:
        raise DataError(f"{shape.origin} has {width}x{height} pixels")
    runs = shape.text("rle")
    origin = shape.origin
    return Patch(
        label,
        int(shape.number("left")),
        int(shape.number("top")),
        lambda: mask_of_runs(runs.split(","), width, height, origin, by_column=False),
    )


_READERS: Mapping[str, Callable[[Entry, str], Region]] = {
    "polygon": _polygon,
    "box": _box,
    "ellipse": _ellipse,
    "mask": _mask,
}
