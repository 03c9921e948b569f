"""Pictures and label maps from folders, for every step of export that needs real frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from landing.errors import DataError
from landing.labels.files import LabelFiles, normal_name
from landing.labels.maps import READINGS, decode_labels, read_mask_facts
from landing.labels.reading import decide
from landing.picture_files import (
    PICTURE_SUFFIXES,
    decode,
    files_of,
    orientation_of,
    read_header,
    read_picture_bytes,
    size_of,
)
from landing.progress import tracked
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.samples import require_same_size
from trainer.data.splitfile import read_split_file


def pictures_in(folder: str | Path) -> list[Path]:
    """The pictures of a folder by name.

    Raises:
        DataError: There is no such folder, or no picture in it.
    """
    base = Path(folder)
    if not base.is_dir():
        raise DataError(f"folder {base} does not exist")
    found = files_of(base)
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


class LabelFolder:
    """Label maps of a folder, read as the trainer reads them: the reading is decided once, from all of them.

    Args:
        folder: Of label maps, as `LabelFiles` takes them.
        taxonomy: Meaning of their values.
        labels_as: The user's word on how they are to be read; ``auto`` to decide by their content.

    Raises:
        DataError: There is no label map, or it is not certain how they are to be read.
    """

    def __init__(self, folder: Path, taxonomy: Taxonomy, labels_as: str = "auto") -> None:
        self._files = LabelFiles(folder)
        self.taxonomy = taxonomy
        paths = self._files.paths
        masks = [read_mask_facts(path) for path in tracked("reading label maps", paths, len(paths))]
        self.reading = decide(masks, taxonomy, next((r for r in READINGS if r == labels_as), None))
        if self.reading.doubt:
            raise DataError(f"label folder {folder}: {self.reading.doubt}")

    @classmethod
    def of_pictures(cls, folder: Path, pictures: list[Path], taxonomy: Taxonomy, labels_as: str) -> LabelFolder:
        """The label maps of a folder, of which some belong to the pictures.

        Raises:
            DataError: As the class, or no label map has the name of a picture.
        """
        labels = cls(folder, taxonomy, labels_as)
        if not any(labels._files.of(picture) for picture in pictures):
            raise DataError(
                f"--labels {folder}: no label map there has the name of a picture that judges "
                f"({len(pictures)}, the first is {pictures[0]})"
            )
        return labels

    def read(self, picture: Path) -> ByteArray | None:
        """The label map of a picture, uint8 (H, W), 255 where it holds no class; None when there is none.

        Raises:
            DataError: It cannot be read, does not lie on the picture for certain, or no pixel of it is of the taxonomy.
        """
        path = self._files.of(picture)
        if path is None:
            return None
        header = read_header(picture, "picture", DataError)
        if (turn := orientation_of(header)) != 1:
            raise DataError(
                f"{picture.name} has EXIF orientation {turn}, so it is not certain how its label map lies on it: write "
                "the picture as its label map was drawn, without EXIF"
            )
        data = read_picture_bytes(path, "label map", DataError)
        labels = decode_labels(data, path, self.taxonomy, self.reading.reading, "ignore")
        require_same_size(picture, size_of(header), path, labels)
        if not (labels < len(self.taxonomy)).any():
            raise DataError(f"label map {path}: no pixel of it is of taxonomy {self.taxonomy.name!r}")
        return labels


def spread(paths: list[Path], count: int) -> list[Path]:
    """At most `count` of the paths, evenly spaced, so that no scene is taken many times over."""
    if count <= 0 or len(paths) <= count:
        return paths
    picks = np.linspace(0, len(paths) - 1, count).round().astype(int)
    return [paths[i] for i in picks]


def of_split(paths: list[Path], split: Path, column: str, part: str) -> list[Path]:
    """The pictures that a split file puts into one part, told by the name without suffix.

    Raises:
        DataError: As `part_by`, or none of the pictures is in that part.
    """
    part_of = part_by(split, column)
    chosen = [p for p in paths if part_of(p) == part]
    if not chosen:
        there = sorted({part_of(p) for p in paths} - {""})
        raise DataError(
            f"split {split}, column {column}: none of {len(paths)} pictures is in part {part!r}; "
            f"they are in {', '.join(there) or 'none'}"
        )
    return chosen


def part_by(split: Path, column: str) -> Callable[[Path], str]:
    """Return what tells the part of a picture by a split file, read as the trainer reads it; "" where it is in none.

    Raises:
        DataError: The file or column does not exist, a part is unknown, or a picture is in two.
    """
    parts = read_split_file(split, column).part_of
    return lambda picture: parts.get(normal_name(picture.stem), "")
