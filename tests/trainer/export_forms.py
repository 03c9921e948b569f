"""Exports as the labelling tools write them, made of a known label map: nobody's data."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from landing.types import ByteArray

CLASSES = ("grass", "roof", "person")
COLOURS = ((0, 180, 0), (200, 0, 0), (250, 250, 0))
SIZE_WH = (96, 64)


def truth(seed: int, size_wh: tuple[int, int] = SIZE_WH) -> ByteArray:
    """A label map of blobs of all classes on bare ground (255), with a hole in the roof."""
    width, height = size_wh
    ids = np.full((height, width), 255, np.uint8)
    cv2.ellipse(ids, (width // 2, height // 2), (width // 2 - 6, height // 2 - 4), 10 * seed, 0, 360, 0, -1)
    ids[8 + seed : 40, 10:50] = 1
    ids[16 + seed : 30, 22:34] = 0
    cv2.circle(ids, (70, 30 + seed), 5, 2, -1)
    return ids


def roof_hole(ids: ByteArray) -> npt.NDArray[np.bool_]:
    """Pixels that the roof goes around."""
    contours = cv2.findContours((ids == 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return (cv2.fillPoly(np.zeros(ids.shape, np.uint8), contours, 1) > 0) & (ids != 1)


def photo(ids: ByteArray) -> ByteArray:
    palette = np.full((256, 3), 90, np.uint8)
    palette[:3] = COLOURS
    return np.ascontiguousarray(palette[ids][..., ::-1])


def write_photo(path: Path, ids: ByteArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), photo(ids))


def rings(mask: npt.NDArray[np.bool_]) -> list[list[list[float]]]:
    """Outlines of a mask along the sides of its pixels, in continuous coordinates; holes are rings too."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), np.bool_)
    padded[1:-1, 1:-1] = mask
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y, x in np.argwhere(padded):
        x0, y0 = int(x) - 1, int(y) - 1
        for (dy, dx), start, end in (
            ((-1, 0), (x0, y0), (x0 + 1, y0)),
            ((0, 1), (x0 + 1, y0), (x0 + 1, y0 + 1)),
            ((1, 0), (x0 + 1, y0 + 1), (x0, y0 + 1)),
            ((0, -1), (x0, y0 + 1), (x0, y0)),
        ):
            if not padded[y + dy, x + dx]:
                following.setdefault(start, []).append(end)
    found = []
    while following:
        start = next(iter(following))
        ring = [start]
        while True:
            ends = following[ring[-1]]
            end = ends.pop()
            if not ends:
                del following[ring[-1]]
            if end == start:
                break
            ring.append(end)
        found.append([[float(x), float(y)] for x, y in ring])
    return found


def row_runs(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of runs along rows, the first of them outside."""
    flat = mask.reshape(-1)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    lengths = np.diff([0, *edges.tolist(), flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths


def crop(mask: npt.NDArray[np.bool_]) -> tuple[int, int, npt.NDArray[np.bool_]]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, mask[top : rows[-1] + 1, left : columns[-1] + 1]


def cvat(root: Path, maps: dict[str, ByteArray], outlines: bool = False) -> Path:
    """`CVAT for images 1.1`; with `outlines`, the person is a polygon and lies on top by its z_order."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>", "  <meta><task>"]
    lines.append("<name>a task</name><labels>")
    for name, colour in zip(CLASSES, COLOURS, strict=True):
        lines.append(f"<label><name>{name}</name><color>#{bytes(colour).hex()}</color><type>any</type></label>")
    lines.append("</labels></task></meta>")
    for number, (name, ids) in enumerate(maps.items()):
        height, width = ids.shape
        lines.append(f'<image id="{number}" name={quoteattr(name)} width="{width}" height="{height}">')
        for value in (2, 1, 0) if outlines else (0, 1, 2):
            mask = ids == value
            if outlines and value != 1:
                outer = rings(mask | (ids == 1)) if value == 0 else rings(mask)
                for ring in outer if value else outer[:1]:
                    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in ring)
                    lines.append(
                        f'<polygon label="{CLASSES[value]}" source="manual" occluded="0" points="{points}" '
                        f'z_order="{value}"></polygon>'
                    )
                continue
            left, top, part = crop(mask)
            lines.append(
                f'<mask label="{CLASSES[value]}" source="manual" occluded="0" rle="{str(row_runs(part))[1:-1]}" '
                f'left="{left}" top="{top}" width="{part.shape[1]}" height="{part.shape[0]}" z_order="{value}"></mask>'
            )
        lines.append("</image>")
        write_photo(root / "images" / name.replace("\\", "/"), ids)
    root.mkdir(parents=True, exist_ok=True)
    (root / "annotations.xml").write_text("\n".join([*lines, "</annotations>"]), "utf-8-sig")
    return root


def palette_png(path: Path, ids: ByteArray, colours: Sequence[tuple[int, int, int]]) -> None:
    picture = Image.fromarray(ids, "P")
    picture.putpalette([channel for colour in colours for channel in colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


VOC_ORDER = ("background", "person", "grass", "roof")
"""Of the classes in VOC's list: another one than `CLASSES`."""
VOC_COLOURS = ((0, 0, 0), COLOURS[2], COLOURS[0], COLOURS[1])
_VOC_VALUE = np.zeros(256, np.uint8)
_VOC_VALUE[:3] = 2, 3, 1


def voc(root: Path, maps: dict[str, ByteArray], coloured: bool = True) -> Path:
    """CVAT's `Segmentation mask 1.1`; or labelme's, of indices in a palette that means nothing."""
    for name, ids in maps.items():
        write_photo(root / "JPEGImages" / name, ids)
        mask = root / "SegmentationClass" / Path(name).with_suffix(".png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        values = _VOC_VALUE[ids]
        if coloured:
            cv2.imwrite(str(mask), np.array(VOC_COLOURS, np.uint8)[values][..., ::-1])
        else:
            palette_png(mask, values, [(7 * k % 256, 255 - k, k) for k in range(256)])
        (root / "SegmentationObject").mkdir(exist_ok=True)
        cv2.imwrite(str(root / "SegmentationObject" / f"{Path(name).stem}.png"), values)
    if coloured:
        rows = [f"{n}:{c[0]},{c[1]},{c[2]}::" for n, c in zip(VOC_ORDER, VOC_COLOURS, strict=True)]
        (root / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *rows]) + "\n")
    else:
        (root / "class_names.txt").write_text("\n".join(["_background_", *VOC_ORDER[1:]]))
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(maps):
        stem = str(Path(name).with_suffix(""))
        with (lists / ("val.txt" if k == 0 else "train.txt")).open("a") as stream:
            stream.write(f'"{stem}"\n' if " " in stem else f"{stem}\n")
    return root


def coco_text(lengths: list[int]) -> str:
    """Run lengths in COCO's compressed text (`rleToString` of maskApi.c)."""
    text = ""
    for k, length in enumerate(lengths):
        x = length - lengths[k - 2] if k > 2 else length
        more = True
        while more:
            c = x & 31
            x >>= 5
            more = x != -1 if c & 16 else x != 0
            text += chr((c | 32 if more else c) + 48)
    return text


def coco(path: Path, maps: dict[str, ByteArray], kind: str, images: Path, first_id: int = 1) -> Path:
    """COCO of "polygons", "runs" or "text"; category ids are sparse and their order turned around."""
    categories = [{"id": 10 * (3 - k), "name": name, "supercategory": ""} for k, name in enumerate(CLASSES)]
    pictures, annotations = [], []
    for number, (name, ids) in enumerate(maps.items(), first_id):
        height, width = ids.shape
        pictures.append({"id": number, "file_name": name, "width": width, "height": height})
        for value in (2, 0, 1):  # in no order of drawing
            mask = ids == value
            if kind == "polygons" and value == 0:
                mask = mask | (ids == 1) | (ids == 2)  # a whole lawn under the roof: the smaller lies on top
            runs = row_runs(mask.T)
            shape: object = {"size": [height, width], "counts": runs if kind == "runs" else coco_text(runs)}
            if kind == "polygons":
                shape = [[v for point in rings(mask)[0] for v in point]]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories[value]["id"],
                    "segmentation": shape,
                    "area": 1.0,
                    "iscrowd": int(kind == "runs"),
                }
            )
        write_photo(images / name, ids)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": pictures, "annotations": annotations, "categories": categories}))
    return path


def labelme(root: Path, maps: dict[str, ByteArray], embedded: bool = False) -> Path:
    for name, ids in maps.items():
        picture = root / name
        write_photo(picture, ids)
        shapes = []
        for value, label in enumerate(CLASSES):
            left, top, part = crop(ids == value)
            png = cv2.imencode(".png", part.astype(np.uint8))[1].tobytes()
            shapes.append(
                {
                    "label": label,
                    "points": [[left, top], [left + part.shape[1] - 1, top + part.shape[0] - 1]],
                    "group_id": None,
                    "shape_type": "mask",
                    "flags": {},
                    "mask": base64.b64encode(png).decode(),
                }
            )
        file = {
            "version": "5.4.1",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"..\\photos\\{Path(name).name}" if embedded else Path(name).name,
            "imageData": base64.b64encode(picture.read_bytes()).decode() if embedded else None,
            "imageHeight": ids.shape[0],
            "imageWidth": ids.shape[1],
        }
        picture.with_suffix(".json").write_text(json.dumps(file))
        if embedded:
            picture.unlink()
    return root


def roboflow(root: Path, maps: dict[str, ByteArray]) -> Path:
    """Semantic masks in parts, each with another order of its classes."""
    for k, (name, ids) in enumerate(maps.items()):
        folder = root / ("valid" if k == 0 else "train")
        order = VOC_ORDER if k == 0 else (VOC_ORDER[0], *CLASSES)
        stem = f"{Path(name).stem}_jpg.rf.{k:032x}"
        write_photo(folder / f"{stem}.jpg", ids)
        values = _VOC_VALUE[ids] if k == 0 else np.where(ids == 255, 0, ids + 1).astype(np.uint8)
        cv2.imwrite(str(folder / f"{stem}_mask.png"), values)
        rows = [f"{value}, {label}" for value, label in enumerate(order)]
        (folder / "_classes.csv").write_text("\n".join(["Pixel Value, Class", *rows]))
    return root


def _bitmap(mask: npt.NDArray[np.bool_], label: str) -> dict[str, object]:
    left, top, part = crop(mask)
    buffer = io.BytesIO()
    picture = Image.fromarray(part.astype(np.uint8))
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(buffer, "PNG", transparency=0)
    packed = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {"classTitle": label, "geometryType": "bitmap", "bitmap": {"data": packed, "origin": [left, top]}}


def _outlines(mask: npt.NDArray[np.bool_], label: str) -> list[dict[str, object]]:
    """A polygon for each piece, with the pixels of its holes."""
    objects: list[dict[str, object]] = []
    for contour in cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        if len(contour) < 3:
            contour = np.repeat(contour, 3, axis=0)
        whole = cv2.fillPoly(np.zeros(mask.shape, np.uint8), [contour], 1)
        holes = cv2.findContours(whole & ~mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        points = {
            "exterior": contour[:, 0].tolist(),
            "interior": [np.repeat(hole, 3, axis=0)[:, 0].tolist() for hole in holes],
        }
        objects.append({"classTitle": label, "geometryType": "polygon", "points": points})
    return objects


def supervisely(root: Path, maps: dict[str, ByteArray], outlines: bool = False) -> Path:
    classes = [
        {"title": name, "shape": "any", "color": f"#{bytes(colour).hex().upper()}"}
        for name, colour in zip(CLASSES, COLOURS, strict=True)
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    for name, ids in maps.items():
        write_photo(root / "ds" / "img" / name, ids)
        objects = []
        for value, label in enumerate(CLASSES):
            mask = ids == value
            objects += _outlines(mask, label) if outlines else [_bitmap(mask, label)]
        file = root / "ds" / "ann" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        size = {"height": ids.shape[0], "width": ids.shape[1]}
        file.write_text(json.dumps({"description": "", "tags": [], "size": size, "objects": objects}))
    return root


def brush(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Label Studio's packed RGBA of a mask (`encode_rle` of its converter)."""
    values = np.repeat(mask.reshape(-1).astype(np.uint8) * 255, 4)
    bits = f"{len(values):032b}" + f"{7:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    starts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    for start, end in pairwise(starts):
        length, value = end - start, int(values[start])
        while length:
            part = min(length, 1 << 16)
            size = 0 if part <= 8 else 1 if part <= 16 else 2 if part <= 256 else 3
            bits += f"1{size:02b}{part - 1:0{(3, 4, 8, 16)[size]}b}{value:08b}"
            length -= part
    bits += "0" * (8 - len(bits) % 8)
    return [int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)]


def label_studio(root: Path, maps: dict[str, ByteArray], flat: bool = False) -> Path:
    """The JSON or JSON-MIN export; the roof as a polygon in per cent with a lawn on top of it."""
    tasks = []
    for number, (name, ids) in enumerate(maps.items(), 1):
        write_photo(root / "photos" / name, ids)
        height, width = ids.shape
        regions = []
        for value in (1, 0, 2):
            mask = ids == value
            common = {"original_width": width, "original_height": height, "image_rotation": 0}
            if value == 1:
                points = [[100 * x / width, 100 * y / height] for x, y in rings(mask)[0]]
                shape = {"points": points, "closed": True, "polygonlabels": [CLASSES[1]]}
                kind = "polygonlabels"
            else:
                shape = {"format": "rle", "rle": brush(mask), "brushlabels": [CLASSES[value]]}
                kind = "brushlabels"
            regions.append({**common, **shape} if flat else {**common, "type": kind, "value": shape})
        said = f"/data/upload/3/0a1b2c3d-{name}" if number % 2 else f"/data/local-files/?d=photos/{name}"
        if flat:
            tasks.append({"id": number, "image": said, "label": regions, "annotator": 1, "annotation_id": number})
        else:
            old = {"id": 1, "result": [], "updated_at": "2024-01-01T00:00:00Z"}
            new = {"id": 2, "result": regions, "updated_at": "2024-01-02T00:00:00Z"}
            tasks.append({"id": number, "data": {"image": said}, "annotations": [new, old], "predictions": []})
    (root / "export.json").write_text(json.dumps(tasks))
    return root


def brush_pngs(root: Path, maps: dict[str, ByteArray]) -> Path:
    """`Brush labels to PNG` beside a JSON export that names the pictures of the tasks."""
    tasks = []
    for number, (name, ids) in enumerate(maps.items(), 1):
        write_photo(root / "photos" / name, ids)
        tasks.append({"id": number, "data": {"image": f"photos/{name}"}, "annotations": []})
        for value, label in enumerate(CLASSES):
            name = f"task-{number}-annotation-4-by-me@example.org-tag-{label}-0.png"
            cv2.imwrite(str(root / name), (ids == value).astype(np.uint8) * 255)
    (root / "tasks.json").write_text(json.dumps(tasks))
    return root
