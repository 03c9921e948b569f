"""Pictures and label maps from folders, for every step of export that needs real frames."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import cv2
import numpy as np

from landing.errors import DataError
from landing.pictures import decode, read_picture_bytes
from landing.reading import TABLE_BYTES, read_text
from landing.taxonomy import Taxonomy
from landing.types import ByteArray

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

UNLABELLED = 255


def pictures_in(folder: str | Path) -> list[Path]:
    """The pictures of a folder by name.

    Raises:
        DataError: There is no such folder, or no picture in it.
    """
    base = Path(folder)
    if not base.is_dir():
        raise DataError(f"folder {base} does not exist")
    found = sorted(p for p in base.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise DataError(f"folder {base} holds no pictures ({' '.join(PICTURE_SUFFIXES)})")
    return found


def read_picture(path: Path) -> ByteArray:
    """A picture, uint8 (H, W, 3) BGR.

    Raises:
        DataError: It cannot be read as one.
    """
    image = decode(read_picture_bytes(path, "picture", DataError), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"picture {path} cannot be read: damaged, or no picture")
    return np.asarray(image, np.uint8)


def read_labels(folder: Path, picture: Path, taxonomy: Taxonomy) -> ByteArray | None:
    """The label map of a picture, uint8 (H, W), by the same name; None when there is none.

    A PNG with one channel of class ids, or one painted in the taxonomy's colours. What is neither is `UNLABELLED`.

    Raises:
        DataError: It is no such picture.
    """
    path = folder / f"{picture.stem}.png"
    if not os.path.lexists(path):
        return None
    labels = decode(read_picture_bytes(path, "label map", DataError), cv2.IMREAD_UNCHANGED)
    if labels is not None and labels.ndim == 3 and labels.dtype == np.uint8:
        labels = _ids_of_colours(labels[..., :3], taxonomy)
    if labels is None or labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(f"label map {path}: expected a PNG of class ids, or in the class colours")
    if not (labels < len(taxonomy)).any():
        raise DataError(f"label map {path}: no pixel of it is of taxonomy {taxonomy.name!r}")
    return np.asarray(labels, np.uint8)


def _ids_of_colours(image_bgr: ByteArray, taxonomy: Taxonomy) -> ByteArray:
    factors = np.array([1 << 16, 1 << 8, 1], np.int64)
    colours = taxonomy.palette_bgr[: len(taxonomy)].astype(np.int64) @ factors
    order = np.argsort(colours)
    codes = image_bgr.astype(np.int64) @ factors
    at = np.minimum(np.searchsorted(colours[order], codes), len(order) - 1)
    ids = np.where(colours[order][at] == codes, order[at], UNLABELLED)
    return ids.astype(np.uint8)


def spread(paths: list[Path], count: int) -> list[Path]:
    """At most `count` of the paths, evenly spaced, so that no scene is taken many times over."""
    if count <= 0 or len(paths) <= count:
        return paths
    picks = np.linspace(0, len(paths) - 1, count).round().astype(int)
    return [paths[i] for i in picks]


def of_split(paths: list[Path], split: Path, column: str, part: str, id_column: str = "id") -> list[Path]:
    """The pictures that a split file puts into one part, told by the name without suffix.

    Raises:
        DataError: The file or column does not exist, or none of the pictures is in that part.
    """
    parts = split_parts(split, column, id_column)
    chosen = [p for p in paths if parts.get(p.stem) == part]
    if not chosen:
        raise DataError(
            f"split {split}, column {column}: none of {len(paths)} pictures is in part {part!r}; "
            f"parts are {', '.join(sorted(set(parts.values()))) or 'none'}"
        )
    return chosen


def split_parts(split: Path, column: str, id_column: str = "id") -> dict[str, str]:
    """Part by picture name.

    Raises:
        DataError: The file or column does not exist.
    """
    text = read_text(split, "split", DataError, TABLE_BYTES)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        names = list(reader.fieldnames or ())
        if column not in names or id_column not in names:
            wanted = column or "one that is named with --split-column"
            raise DataError(
                f"split {split} has the columns {', '.join(names) or 'none'}; expected {id_column} and {wanted}"
            )
        return {row[id_column]: row[column] for row in reader}
    except csv.Error as error:
        raise DataError(f"split {split} cannot be read: {error}") from error
