"""COCO: JSON files with `images`, `categories` and `annotations`, and Roboflow's form of it.

An object is outlines (parts of one object, without holes), run lengths, or compressed run lengths; a box alone counts
as its area. COCO has no order of drawing, so smaller objects lie on larger ones. Crowds are objects like others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from landing.errors import DataError
from landing.picture_files import MOST_PIXELS
from trainer.importers.canvas import Outline, Patch, Region, box, ring_of
from trainer.importers.export import ExportFolder, tidy
from trainer.importers.foreign import Entry, ForeignPicture, ForeignSet, part_of
from trainer.importers.runs import coco_counts, mask_of_runs

ROBOFLOW = "_annotations.coco.json"
_KEYS = {"images", "annotations", "categories"}


def recognised(export: ExportFolder) -> list[Path]:
    """Return COCO files among the first ones of an export."""
    return [path for path, value in export.first_json() if _is_coco(value)]


def _is_coco(value: Any) -> bool:
    return isinstance(value, dict) and set(value) >= _KEYS


def read(export: ExportFolder) -> ForeignSet:
    """Return the set of an export of one or more files, a part each where their names say so.

    Raises:
        DataError: It is damaged, or panoptic.
    """
    result = ForeignSet({}, [])
    boxes = 0
    for name, path in export.ending(".json"):
        if _is_coco(export.json(path)):
            boxes += _read_file(Entry(export.json(path), f"annotations {path}"), part_of(name), result, name)
    if boxes:
        result.notes.append(f"{boxes} objects have a box and no outline: the whole box is their area")
    return result


def _read_file(coco: Entry, part: str, result: ForeignSet, name: str) -> int:
    if any("segments_info" in annotation for annotation in coco.entries("annotations")):
        raise DataError(f"{coco.origin} are panoptic: export instances ('COCO 1.0')")
    label_of = _categories(coco, result)
    regions: dict[str, list[tuple[float, Region]]] = {}
    images = coco.entries("images")
    size_of: dict[str, tuple[int, int] | None] = {}
    for image in images:
        key = _key(image, "id")
        if key in size_of:
            raise DataError(f"{image.origin}: the id {key} is there twice")
        size_of[key] = image.size_wh("width", "height") if "width" in image and "height" in image else None
    boxes = 0
    for annotation in coco.entries("annotations"):
        key, category = _key(annotation, "image_id"), _key(annotation, "category_id")
        if key not in size_of or category not in label_of:
            raise DataError(f"{annotation.origin} is of image {key} and category {category}; one is not in the file")
        shape = annotation.get("segmentation")
        if isinstance(shape, dict):
            _require_size(Entry(shape, annotation.origin), size_of, key)
        area, region = _region(annotation, label_of[category])
        boxes += not annotation.get("segmentation")
        regions.setdefault(key, []).append((area, region))
    folder = name.rpartition("/")[0]
    for image in images:
        drawn = sorted(regions.get(_key(image, "id"), []), key=lambda item: -item[0])
        said = image.text("file_name")
        group = said.partition(".rf.")[0] if ".rf." in said else ""  # Roboflow's copies of one picture
        result.pictures.append(
            ForeignPicture(
                f"{folder}/{said}" if folder and name.endswith(ROBOFLOW) else said,
                [region for _, region in drawn],
                size_of[_key(image, "id")],
                part=part,
                group=group,
            )
        )
    return boxes


def _categories(coco: Entry, result: ForeignSet) -> dict[str, str]:
    """Classes by id; Roboflow's first category, of which all others are, is none."""
    categories = coco.entries("categories")
    parents = {tidy(c.get("supercategory")) for c in categories if isinstance(c.get("supercategory"), str)}
    used = {_key(annotation, "category_id") for annotation in coco.entries("annotations")}
    label_of: dict[str, str] = {}
    for category in categories:
        label, key = category.text("name"), _key(category, "id")
        if label_of.setdefault(key, label) != label:
            raise DataError(f"{category.origin}: the id {key} stands for {label_of[key]!r} too")
        if key in used or label not in parents or label == category.get("supercategory"):
            result.colour_of.setdefault(label, None)
    return label_of


def _key(entry: Entry, name: str) -> str:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise DataError(f"{entry.origin} has no {name!r}")
    return str(value)


def _region(annotation: Entry, label: str) -> tuple[float, Region]:
    shape, origin = annotation.get("segmentation"), annotation.origin
    if isinstance(shape, dict):
        return _runs(Entry(shape, origin), label)
    if not shape:
        corner = annotation.get("bbox")
        if not isinstance(corner, list) or len(corner) != 4:
            raise DataError(f"{origin} has neither a segmentation nor a bbox")
        left, top, width, height = (Entry({"bbox": value}, origin).number("bbox") for value in corner)
        outline = Outline(label, (ring_of(box(left, top, left + width, top + height), origin),))
        return outline.area_px, outline
    if not isinstance(shape, list):
        raise DataError(f"{origin}: its segmentation is a {type(shape).__name__}")
    rings = shape if isinstance(shape[0], list) else [shape]
    if all(isinstance(ring, list) and len(ring) < 6 for ring in rings):
        raise DataError(f"{origin}: an outline has fewer than three points")
    outline = Outline(label, tuple(ring_of(r, origin) for r in rings if not isinstance(r, list) or len(r) >= 6), True)
    return outline.area_px, outline


def _size_wh(shape: Entry) -> tuple[int, int]:
    size = shape.get("size")
    if not isinstance(size, list) or len(size) != 2:
        raise DataError(f"{shape.origin}: run lengths without a size")
    return Entry({"height": size[0], "width": size[1]}, shape.origin).size_wh("width", "height")


def _require_size(shape: Entry, size_of: dict[str, tuple[int, int] | None], key: str) -> None:
    """Hold run lengths against their picture's size, which they say where the file does not."""
    own = _size_wh(shape)
    other = size_of[key] or own
    if own != other:
        raise DataError(
            f"{shape.origin}: its run lengths are of {own[0]}x{own[1]} pixels, its picture of {other[0]}x{other[1]}"
        )
    size_of[key] = own


def _runs(shape: Entry, label: str) -> tuple[float, Region]:
    width, height = _size_wh(shape)
    if width * height > MOST_PIXELS:
        raise DataError(f"{shape.origin} has {width}x{height} pixels")
    counts = shape.get("counts")
    runs = coco_counts(counts, shape.origin) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(isinstance(run, int) for run in runs):
        raise DataError(f"{shape.origin}: run lengths are no list of whole numbers")
    origin = shape.origin
    read = lambda: mask_of_runs(runs, width, height, origin, by_column=True)  # noqa: E731
    return float(sum(runs[1::2])), Patch(label, 0, 0, read)
