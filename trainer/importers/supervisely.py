"""Supervisely: `meta.json`, and `ann/PICTURE.json` beside `img/PICTURE` in each data set of the project.

Written after `supervisely/geometry`: a bitmap is a PNG, packed by zlib, at an origin; an outline's points are whole
pixels, and its rims belong to the object; later objects lie on earlier ones.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from pathlib import Path
from typing import Any

from landing.errors import DataError
from trainer.importers.canvas import BoolMask, Outline, Patch, Region, box, ring_of
from trainer.importers.export import ExportFolder
from trainer.importers.foreign import Entry, ForeignPicture, ForeignSet, colour_from, part_of
from trainer.importers.pixel_maps import mask_from_png

_BITMAP_BYTES = 32 << 20
"""Most of a bitmap's PNG: one of a drawn object has some thousands."""
_SHAPELESS = ("point", "line", "polyline", "graph", "cuboid", "cuboid_2d")


def recognised(export: ExportFolder) -> list[Path]:
    """Return the `meta.json` files of an export with `ann` folders."""
    if not any("/ann/" in f"/{name}" for name, _ in export.ending(".json")):
        return []
    return [path for name, path in export.files.items() if Path(name).name == "meta.json"]


def read(export: ExportFolder) -> ForeignSet:
    """Return the set of an export.

    Raises:
        DataError: It is damaged, or of several projects.
    """
    meta, *others = recognised(export)
    if others:
        raise DataError(f"{meta} and {others[0]} are of two projects: import their folders one by one")
    result = ForeignSet({}, [])
    for item in Entry(export.json(meta), f"annotations {meta}").entries("classes"):
        result.colour_of[item.text("title")] = colour_from(item.get("color"))
    for name, path in export.ending(".json"):
        folder, here, file = f"/{name}".rpartition("/ann/")
        if not here:
            continue
        annotation = Entry(export.json(path), f"annotations {path}")
        size_wh = annotation.entry("size").size_wh("width", "height")
        regions = []
        for item in annotation.entries("objects"):
            label = item.text("classTitle")
            result.colour_of.setdefault(label, None)
            kind = item.get("geometryType") or item.get("shape")
            if kind in _SHAPELESS:
                result.shapeless[f"{kind} {label}"] += 1
            else:
                regions.append(_region(item, label, kind))
        picture = f"{folder}/img/{file[: -len('.json')]}".lstrip("/")
        result.pictures.append(ForeignPicture(picture, regions, size_wh, part=part_of(folder)))
    return result


def _region(item: Entry, label: str, kind: Any) -> Region:
    if kind == "bitmap":
        bitmap = item.entry("bitmap")
        origin = bitmap.get("origin")
        if not isinstance(origin, list) or len(origin) != 2:
            raise DataError(f"{bitmap.origin} has no origin")
        left, top = (int(Entry({"origin": value}, bitmap.origin).number("origin")) for value in origin)
        data, where = bitmap.text("data"), bitmap.origin
        return Patch(label, left, top, lambda: _bitmap(data, where))
    points = item.entry("points")
    exterior = points.get("exterior")
    if kind == "rectangle":
        (x0, y0), (x1, y1) = ring_of([*exterior, exterior[0]] if exterior else [], item.origin)[:2].tolist()
        return Outline(label, (ring_of(box(x0, y0, x1, y1), item.origin),), of_pixels=True)
    if kind != "polygon":
        raise DataError(f"{item.origin}: objects of kind {kind!r} are not known here")
    rings = [exterior, *(points.get("interior") or [])]
    return Outline(label, tuple(ring_of(ring, item.origin) for ring in rings), of_pixels=True)


def _bitmap(text: str, origin: str) -> BoolMask:
    """Mask of packed base64; older exports are not packed."""
    try:
        data = base64.b64decode(text)
        if not data.startswith(b"\x89PNG"):
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(data, _BITMAP_BYTES)
            if not unpacker.eof:
                raise DataError(f"{origin}: a bitmap ends too early, or unpacks to more than {_BITMAP_BYTES} bytes")
    except (binascii.Error, ValueError, zlib.error) as error:
        raise DataError(f"{origin}: a bitmap is damaged: {error}") from error
    return mask_from_png(data, origin)
