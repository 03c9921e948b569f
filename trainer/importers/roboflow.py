"""Roboflow's `Semantic Segmentation Masks`: `NAME_mask.png` beside `NAME.jpg`, values listed in `_classes.csv`.

Each part (train, valid, test) has a list of its own, whose order may differ. Copies that Roboflow made of one picture
have names with `.rf.` and stay in one group. Its COCO export is read by `coco`.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from landing.errors import DataError
from trainer.importers.export import ExportFolder, tidy
from trainer.importers.foreign import ForeignPicture, ForeignSet, part_of
from trainer.importers.pixel_maps import PixelMap

_CLASSES = "_classes.csv"
_MASK = "_mask.png"


def recognised(export: ExportFolder) -> list[Path]:
    """Return the lists of classes beside masks."""
    folders = {path.parent for _, path in export.ending(_MASK)}
    return [path for _, path in export.ending(_CLASSES) if path.name == _CLASSES and path.parent in folders]


def read(export: ExportFolder) -> ForeignSet:
    """Return the set of an export.

    Raises:
        DataError: It is damaged.
    """
    result = ForeignSet({}, [])
    lists = {path.parent: _classes(export, path) for path in recognised(export)}
    for label_of in lists.values():
        result.colour_of |= dict.fromkeys(label_of.values())
    for name, mask in export.ending(_MASK):
        if mask.parent not in lists:
            raise DataError(f"label map {mask} has no {_CLASSES} beside it")
        region = PixelMap(mask, lists[mask.parent], {})
        said = name[: -len(_MASK)]
        group = Path(said).name.partition(".rf.")[0] if ".rf." in said else ""
        part = part_of(said.rpartition("/")[0])
        result.pictures.append(ForeignPicture(said, [region], region.size_wh, part=part, group=group))
    return result


def _classes(export: ExportFolder, path: Path) -> dict[int, str]:
    label_of: dict[int, str] = {}
    for number, row in enumerate(csv.reader(io.StringIO(export.text(path)))):
        if not row or (number == 0 and not row[0].strip().isdigit()):
            continue
        value = row[0].strip()
        if len(row) != 2 or not value.isascii() or not value.isdigit() or int(value) > 255 or not tidy(row[1]):
            raise DataError(
                f"{path}, line {number + 1}: {','.join(row)[:60]!r}, expected a value up to 255 and a class"
            )
        if int(value) in label_of or tidy(row[1]) in label_of.values():
            raise DataError(f"{path}, line {number + 1}: a value or class is there twice")
        label_of[int(value)] = tidy(row[1])
    return label_of
