"""A labelled picture: its files, and their decoding to a picture and class ids."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from landing.errors import DataError
from landing.labels.maps import IGNORE, Reading, UnknownPolicy, decode_labels, within_memory
from landing.picture_files import (
    decode,
    format_of,
    is_whole_jpeg,
    orientation_of,
    read_header,
    read_picture_bytes,
    require_picture,
    size_of,
    upright,
)
from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray
from trainer.data.ground import NO_GROUND, GroundWidth, GroundWidths

__all__ = ["IGNORE", "FolderSet", "LabeledSet", "Sample", "decode_image", "is_cut_short", "read_image"]

ExifTurn = Literal["apply", "ignore"]
"""Pictures with an EXIF orientation: turned as a viewer shows them, or left as stored."""


@dataclass(frozen=True)
class Sample:
    """A picture (JPEG, PNG or TIFF) and its label map (PNG or TIFF, as large).

    Attributes:
        name: File name without extension; unique in its set.
        group: Scene, sequence or world; pictures of one group resemble each other.
    """

    name: str
    group: str
    image: Path
    label: Path


class LabeledSet(Protocol):
    """Labelled pictures and the meaning of their labels: a folder, several merged, shards."""

    @property
    def name(self) -> str:
        """Name of the data set, for provenance."""

    @property
    def taxonomy(self) -> Taxonomy:
        """Classes of the labels that `read` gives."""

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, in order of name."""

    @property
    def terms(self) -> str:
        """Licence of the data, for provenance; may be empty."""

    @property
    def own_split(self) -> dict[str, str] | None:
        """Part of each sample by name ("train", "val", "test"), if the data set has one."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines for the user: what was decided about the files, and from what evidence."""

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the classes, those without a meaning for landing left out, that no picture shows."""

    def read(self, sample: Sample) -> tuple[ByteArray, ByteArray]:
        """Return picture, BGR uint8 (H, W, 3), and class ids, uint8 (H, W), `IGNORE` where unlabelled.

        Raises:
            DataError: Unreadable, sizes differ, or labels the taxonomy does not know.
        """

    def size_wh(self, sample: Sample) -> tuple[int, int]:
        """Return the size of a picture, pixels, without decoding it.

        Raises:
            DataError: Unreadable.
        """

    def ground_width(self, sample: Sample) -> GroundWidth | None:
        """Return the ground across a picture; None where nobody knows it."""

    def digest(self, sample: Sample) -> str:
        """Return hexadecimal that changes when the result of `read` may have changed; free of paths.

        Raises:
            DataError: The files are gone.
        """


@dataclass(frozen=True)
class FolderSet:
    """The labelled pictures of a folder; see `LabeledSet`.

    Attributes:
        label_format: Meaning of a stored label.
        unknown: "refuse" or "ignore" label values that the taxonomy does not know.
        exif_turn: "apply" where label maps were drawn on pictures as shown.
        ground: Ground across each picture.
    """

    name: str
    taxonomy: Taxonomy
    samples: tuple[Sample, ...]
    label_format: Reading = "index"
    terms: str = ""
    own_split: dict[str, str] | None = None
    unknown: UnknownPolicy = "refuse"
    exif_turn: ExifTurn = "ignore"
    remarks: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    ground: GroundWidths = NO_GROUND

    def read(self, sample: Sample) -> tuple[ByteArray, ByteArray]:
        """See `LabeledSet.read`."""
        data = read_picture_bytes(sample.image, "picture", DataError)
        image = decode_image(data, str(sample.image))
        if self.exif_turn == "apply":
            image = upright(image, orientation_of(data))
        data = read_picture_bytes(sample.label, "label map", DataError)
        labels = decode_labels(data, sample.label, self.taxonomy, self.label_format, self.unknown)
        require_same_size(sample.image, (image.shape[1], image.shape[0]), sample.label, labels)
        return image, labels

    def size_wh(self, sample: Sample) -> tuple[int, int]:
        """See `LabeledSet.size_wh`."""
        header = read_header(sample.image, "picture", DataError)
        width, height = size_of(header)
        sideways = self.exif_turn == "apply" and orientation_of(header) >= 5
        return (height, width) if sideways else (width, height)

    def ground_width(self, sample: Sample) -> GroundWidth | None:
        """See `LabeledSet.ground_width`."""
        return self.ground.of(sample.name)

    def digest(self, sample: Sample) -> str:
        """Digest of both files' names, sizes and times, and of the taxonomy; see `LabeledSet.digest`."""
        taxonomy = self.taxonomy.model_dump_json(exclude={"preference", "caution"})  # no label depends on these
        facts: list[object] = [taxonomy, self.label_format, self.unknown, self.exif_turn]
        for path in (sample.image, sample.label):
            try:
                stat = path.stat()
            except OSError as error:
                raise DataError(f"{path}: {error.strerror}") from error
            facts += [path.name, stat.st_size, stat.st_mtime_ns]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def require_same_size(picture: Path, size_wh: tuple[int, int], label: Path, labels: ByteArray) -> None:
    """Refuses a label map that is not as large as its picture.

    Raises:
        DataError: It is not.
    """
    if (labels.shape[1], labels.shape[0]) != size_wh:
        raise DataError(
            f"{picture.name} is {size_wh[0]}x{size_wh[1]} px but its label map {label.name} is "
            f"{labels.shape[1]}x{labels.shape[0]}; they must agree"
        )


def read_image(path: Path) -> ByteArray:
    """Return a picture as BGR uint8 (H, W, 3), rows as stored, whatever its EXIF orientation.

    Raises:
        DataError: Missing, cut short, or no colour picture.
    """
    return decode_image(read_picture_bytes(path, "picture", DataError), str(path))


def decode_image(data: bytes, origin: str) -> ByteArray:
    """Decodes the bytes of a picture file; `origin` is its name in errors. See `read_image`."""
    require_picture(data, f"picture {origin}", DataError)
    if is_cut_short(data):
        # OpenCV would fill the rest with grey, which would be trained on.
        raise DataError(f"picture {origin} ends too early: it was not copied or written whole")
    with within_memory(size_of(data)):
        image = decode(data, cv2.IMREAD_UNCHANGED)  # keeps bands and depth, and leaves the orientation alone
        if image is None:
            raise DataError(f"picture {origin} cannot be decoded; expected a whole JPEG, PNG or TIFF file")
        bands = 1 if image.ndim == 2 else image.shape[2]
        if image.dtype != np.uint8 or bands not in (3, 4):
            raise DataError(
                f"picture {origin} has {bands} band{'s'[: bands != 1]} of {8 * image.dtype.itemsize} bits; "
                "expected colour, three bands of 8 bits"
            )
        return np.ascontiguousarray(image[..., :3])


def is_cut_short(data: bytes) -> bool:
    """True for a JPEG or PNG file without its end."""
    kind = format_of(data)
    return (kind == "PNG" and b"IEND" not in data) or (kind == "JPEG" and not is_whole_jpeg(data))


def absent_classes(taxonomy: Taxonomy, class_pixels: Any) -> tuple[str, ...]:
    """Return the names of the classes with a meaning for landing and no pixel; `class_pixels` has one of each class."""
    return tuple(c.name for c in taxonomy.classes if c.role is not Role.IGNORE and not class_pixels[c.id])
