"""Label Studio: its JSON and JSON-MIN exports, with brush masks, bitmasks and outlines in per cent.

Regions of a task lie on each other in their order. Predictions are proposals and never labels. Of several annotations
of one picture the one marked as ground truth counts, else the latest. `Brush labels to PNG` names tasks, not pictures:
its masks are read with the JSON export beside them, which says the pictures.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from landing.errors import DataError
from landing.picture_files import read_picture_bytes
from trainer.importers.canvas import Outline, Patch, Region, box, ellipse, ring_of, turned
from trainer.importers.export import ExportFolder, tidy
from trainer.importers.foreign import Entry, ForeignPicture, ForeignSet
from trainer.importers.pixel_maps import mask_from_png
from trainer.importers.runs import brush_mask

_LABELS = ("brushlabels", "bitmasklabels", "polygonlabels", "rectanglelabels", "ellipselabels", "labels")
_SHAPELESS = ("keypointlabels", "keypoint", "vectorlabels", "vector")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""Put before the name of an uploaded file."""
_PNG = re.compile(r"task-(\d+)-annotation-(\d+)-by-[^-]*-([^-]+)-(.+)-(\d+)\.png")
"""Task, annotation, tag, class and count in the name of an exported brush mask."""
_SUFFIX = re.compile(r"\.(jpe?g|png|bmp|tiff?|webp)$", re.IGNORECASE)


def recognised(export: ExportFolder) -> list[Path]:
    """Return files of tasks among the first ones of an export, or a mask where there are only these."""
    files = [path for path, value in export.first_json() if _is_export(value)]
    return files or [path for _, path in export.ending(".png") if _PNG.fullmatch(path.name)][:1]


def _is_export(value: Any) -> bool:
    """Tell a list of tasks from other lists: with `data`, or flat with `annotator` or labels."""
    task = value[0] if isinstance(value, list) and value else None
    return isinstance(task, dict) and (
        "data" in task or ("id" in task and bool({"annotator", "annotation_id"} & set(task)))
    )


def read(export: ExportFolder) -> ForeignSet:
    """Return the set of an export.

    Raises:
        DataError: It is damaged, or has masks without the JSON export.
    """
    result = ForeignSet({}, [], shown_turned=True)
    labels: set[str] = set()
    several = proposals = 0
    masks = _masks(export)
    for path in recognised(export):
        if path.suffix.lower() != ".json":
            raise DataError(f"{path} names a task, not a picture: put the project's JSON export into the same folder")
    for _, path in export.ending(".json"):
        tasks = export.json(path)
        if not _is_export(tasks):
            raise DataError(f"annotations {path} are no tasks of Label Studio: take it out of the folder")
        for number, value in enumerate(tasks):
            task = Entry(
                value, f"annotations {path}, task {value.get('id', number) if isinstance(value, dict) else number}"
            )
            results, count = _results(task)
            several += count > 1
            regions, size_wh = _regions(results, result)
            drawn = masks.get(str(task.get("id")), [])
            if not regions and drawn:
                regions = drawn
            proposals += not regions and bool(task.get("predictions"))
            labels |= {label for region in regions for label in region.labels}
            said = _picture(task)
            found = export.picture(said) or export.picture(_without_upload(said))
            result.pictures.append(ForeignPicture(said, regions, size_wh, path=found))
    result.colour_of = dict.fromkeys(sorted(labels))
    if several:
        result.notes.append(f"{several} tasks have several annotations: ground truth counts, else the latest")
    if proposals:
        result.notes.append(f"{proposals} tasks have predictions that nobody submitted: they are no labels")
    return result


def _results(task: Entry) -> tuple[list[Entry], int]:
    """Regions of the annotation that counts, and the number of annotations; a JSON-MIN task is one annotation."""
    if "data" not in task:
        fields = [task.get(name) for name in _names(task)]
        flat = [item for value in fields if isinstance(value, list) for item in value if isinstance(item, dict)]
        return [Entry(item, f"{task.origin}, region {k}") for k, item in enumerate(flat)], 1
    annotations = [a for a in task.entries("annotations") if not a.get("was_cancelled")]
    if not annotations:
        return [], 0
    best = max(annotations, key=lambda a: (bool(a.get("ground_truth")), str(a.get("updated_at") or "")))
    return best.entries("result"), len(annotations)


def _names(task: Entry) -> Iterator[str]:
    return (name for name in task.names() if name not in ("image", "data"))


def _regions(results: list[Entry], found: ForeignSet) -> tuple[list[Region], tuple[int, int] | None]:
    regions: list[Region] = []
    sizes = set()
    for item in results:
        value = item.entry("value") if isinstance(item.get("value"), dict) else item
        kind = next((name for name in _LABELS if name in value), "")
        if not kind:
            shapeless = next((name for name in _SHAPELESS if name in value or item.get("type") == name), "")
            if shapeless:
                found.shapeless[shapeless] += 1
            elif "rle" in value or "points" in value or "width" in value:
                raise DataError(f"{item.origin} has no label")
            continue  # a choice, a text, a relation
        if item.get("image_rotation"):
            raise DataError(f"{item.origin}: the picture was turned within the tool: turn it back there, or the file")
        size_wh = item.size_wh("original_width", "original_height")
        sizes.add(size_wh)
        regions.append(_region(value, _label(value.get(kind), item.origin), size_wh))
    if len(sizes) > 1:
        raise DataError(f"{results[0].origin}: regions of one picture count in different sizes, {sorted(sizes)}")
    return regions, sizes.pop() if sizes else None


def _label(labels: Any, origin: str) -> str:
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str) or not tidy(labels[0]):
        raise DataError(f"{origin}: expected one label, got {str(labels)[:60]}")
    return tidy(labels[0])


def _region(value: Entry, label: str, size_wh: tuple[int, int]) -> Region:
    width, height = size_wh
    origin = value.origin
    if "rle" in value:
        packed = value.get("rle")
        if not isinstance(packed, list):
            raise DataError(f"{origin}: a brush mask is no list of bytes")
        try:
            data = bytes(packed)
        except (TypeError, ValueError) as error:
            raise DataError(f"{origin}: a brush mask is no list of bytes") from error
        return Patch(label, 0, 0, lambda: brush_mask(data, width, height, origin))
    if "imageDataURL" in value:
        text = value.text("imageDataURL").rpartition(",")[2]
        return Patch(label, 0, 0, lambda: mask_from_png(_decoded(text, origin), origin))
    if "points" in value:
        ring = ring_of(value.get("points"), origin) * (width / 100, height / 100)
        return Outline(label, (ring,))
    x, y = value.number("x") * width / 100, value.number("y") * height / 100
    angle = value.number("rotation") if "rotation" in value else 0.0
    if "radiusX" in value:
        radii = value.number("radiusX") * width / 100, value.number("radiusY") * height / 100
        return Outline(label, (ring_of(ellipse(x, y, *radii, angle), origin),))
    right, bottom = x + value.number("width") * width / 100, y + value.number("height") * height / 100
    return Outline(label, (ring_of(turned(box(x, y, right, bottom), (x, y), angle), origin),))


def _decoded(text: str, origin: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{origin} is no base64: {error}") from error


def _picture(task: Entry) -> str:
    """Name of a task's picture: a path, a URL, or the `d` of local storage."""
    data = task.entry("data") if "data" in task else task
    texts = [data.get(name) for name in ("image", *data.names()) if isinstance(data.get(name), str)]
    for text in texts:
        try:
            url = urlsplit(text)
        except ValueError:
            continue
        for said in (*parse_qs(url.query).get("d", ()), unquote(url.path) if url.scheme else "", unquote(text)):
            if _SUFFIX.search(said):
                return tidy(said)
    raise DataError(f"{task.origin} names no picture")


def _without_upload(said: str) -> str:
    folder, _, name = said.rpartition("/")
    return f"{folder}/{_UPLOAD.sub('', name)}" if _UPLOAD.match(name) else said


def _masks(export: ExportFolder) -> Mapping[str, list[Region]]:
    """Masks of `Brush labels to PNG` by task, of the latest annotation each."""
    by_task: dict[str, dict[int, list[Region]]] = {}
    for _, path in export.ending(".png"):
        name = _PNG.fullmatch(path.name)
        if name:
            annotations = by_task.setdefault(name[1], {})
            annotations.setdefault(int(name[2]), []).append(_mask_file(path, tidy(name[4])))
    return {task: annotations[max(annotations)] for task, annotations in by_task.items()}


def _mask_file(path: Path, label: str) -> Region:
    return Patch(
        label, 0, 0, lambda: mask_from_png(read_picture_bytes(path, "label map", DataError), f"label map {path}")
    )
