"""PASCAL VOC masks with a list of classes: CVAT's `Segmentation mask 1.1`, and labelme's `labelme2voc`.

CVAT writes `labelmap.txt` (`name:r,g,b:parts:actions`) and coloured masks, labelme `class_names.txt` and indices.
"""

from __future__ import annotations

import re
from pathlib import Path

from landing.errors import DataError
from trainer.importers.export import ExportFolder, tidy
from trainer.importers.foreign import ForeignPicture, ForeignSet, part_of
from trainer.importers.pixel_maps import PixelMap

_FOLDER = "SegmentationClass"
_LISTS = "ImageSets/Segmentation/"
_LABELME_LIST = "class_names.txt"
_BORDER = (224, 224, 192)
"""VOC's colour of the rim around objects."""


def recognised(export: ExportFolder) -> list[Path]:
    """Return the lists of classes of an export with masks."""
    if not _masks(export):
        return []
    lists = [path for name, path in export.files.items() if Path(name).name.lower() == "labelmap.txt"]
    return lists or [path for name, path in export.files.items() if Path(name).name == _LABELME_LIST]


def read(export: ExportFolder) -> ForeignSet:
    """Return the set of an export.

    Raises:
        DataError: It is damaged.
    """
    path, *others = recognised(export)
    if others:
        raise DataError(f"{path} and {others[0]} both list classes: import their folders one by one")
    label_of, colour_of = _label_map(export, path)
    void = () if _BORDER in colour_of.values() else (_BORDER,)
    part_of_name = _parts(export)
    pictures = []
    for stem, mask in _masks(export).items():
        region = PixelMap(mask, label_of, colour_of, void)
        pictures.append(ForeignPicture(stem, [region], region.size_wh, part=part_of_name.get(stem, "")))
    return ForeignSet({label: colour_of.get(value) for value, label in label_of.items()}, pictures)


def _masks(export: ExportFolder) -> dict[str, Path]:
    """Masks by the names of their pictures, without suffix."""
    masks = {}
    for name, path in export.ending(".png"):
        _, here, stem = f"/{name}".rpartition(f"/{_FOLDER}/")
        if here:
            masks[stem[: -len(".png")]] = path
    return masks


def _label_map(export: ExportFolder, path: Path) -> tuple[dict[int, str], dict[int, tuple[int, int, int]]]:
    lines = [line.strip() for line in export.text(path).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if path.name == _LABELME_LIST:
        return {**{k: tidy(line) for k, line in enumerate(lines)}, 255: "__ignore__"}, {}
    label_of: dict[int, str] = {}
    colour_of: dict[int, tuple[int, int, int]] = {}
    for number, line in enumerate(lines):
        # From the right: a class name may have a colon.
        found = re.fullmatch(r"(.+?):\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?::[^:]*){0,2}", line)
        colour = tuple(int(found[k]) for k in (2, 3, 4)) if found else ()
        if found is None or max(colour) > 255 or number > 254:
            raise DataError(f"{path}, class {number}: {line[:60]!r}, expected name:red,green,blue:parts:actions")
        if colour in colour_of.values():
            raise DataError(f"{path}: the colour {colour} stands for two classes, as {found[1]!r}")
        label_of[number], colour_of[number] = tidy(found[1]), (colour[0], colour[1], colour[2])
    if len(set(label_of.values())) < len(label_of):
        raise DataError(f"{path} has a class twice")
    return label_of, colour_of


def _parts(export: ExportFolder) -> dict[str, str]:
    parts: dict[str, str] = {}
    for name, path in export.ending(".txt"):
        if f"/{_LISTS}" in f"/{name}" and (part := part_of(Path(name).stem)):
            for line in export.text(path).splitlines():
                stem = line.strip().strip('"')
                if stem and parts.setdefault(stem, part) != part:
                    raise DataError(f"{path}: {stem} is in {parts[stem]} and in {part}")
    return parts
