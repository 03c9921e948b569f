"""A labelled picture: its files, and their decoding to a picture and class ids."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from landing.errors import DataError
from landing.pictures import DAMAGED, MOST_PIXELS, decode, picture_size, read_picture_bytes, require_picture
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.ground import NO_GROUND, GroundWidth, GroundWidths

IGNORE = 255
"""Label value in everything this package hands on: not trained on, not scored."""

_UNKNOWN = 254

LabelFormat = Literal["index", "palette"]
UnknownPolicy = Literal["refuse", "ignore"]


@dataclass(frozen=True)
class Sample:
    """A picture (JPEG or PNG) and its label map (PNG, as large).

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
        label_format: "index": the value is the class id. "palette": the colour is the class.
        unknown: "refuse" or "ignore" label values that the taxonomy does not know.
        ground: Ground across each picture.
    """

    name: str
    taxonomy: Taxonomy
    samples: tuple[Sample, ...]
    label_format: LabelFormat = "index"
    terms: str = ""
    own_split: dict[str, str] | None = None
    unknown: UnknownPolicy = "refuse"
    ground: GroundWidths = NO_GROUND

    def read(self, sample: Sample) -> tuple[ByteArray, ByteArray]:
        """See `LabeledSet.read`."""
        image = read_image(sample.image)
        data = read_picture_bytes(sample.label, "label map", DataError)
        labels = decode_labels(data, sample.label, self.taxonomy, self.label_format, self.unknown)
        if image.shape[:2] != labels.shape:
            raise DataError(
                f"{sample.image.name} is {image.shape[1]}x{image.shape[0]} px but its label map "
                f"{sample.label.name} is {labels.shape[1]}x{labels.shape[0]}; they must agree"
            )
        return image, labels

    def size_wh(self, sample: Sample) -> tuple[int, int]:
        """See `LabeledSet.size_wh`."""
        return picture_size(sample.image, "picture", DataError)

    def ground_width(self, sample: Sample) -> GroundWidth | None:
        """See `LabeledSet.ground_width`."""
        return self.ground.of(sample.name)

    def digest(self, sample: Sample) -> str:
        """Digest of both files' names, sizes and times, and of the taxonomy; see `LabeledSet.digest`."""
        facts: list[object] = [self.taxonomy.model_dump_json(), self.label_format, self.unknown]
        for path in (sample.image, sample.label):
            try:
                stat = path.stat()
            except OSError as error:
                raise DataError(f"{path}: {error.strerror}") from error
            facts += [path.name, stat.st_size, stat.st_mtime_ns]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


Image.MAX_IMAGE_PIXELS = MOST_PIXELS
"""Pictures with more pixels are refused before Pillow sees them; Pillow would only warn."""


def read_image(path: Path) -> ByteArray:
    """Return a picture as BGR uint8 (H, W, 3), rows as stored: label maps have no EXIF orientation.

    Raises:
        DataError: Missing, cut short, or no picture.
    """
    return decode_image(read_picture_bytes(path, "picture", DataError), str(path))


def decode_image(data: bytes, origin: str) -> ByteArray:
    """Decodes the bytes of a picture file; `origin` is its name in errors. See `read_image`."""
    require_picture(data, f"picture {origin}", DataError)
    if is_cut_short(data):
        # OpenCV would fill the rest with grey, which would be trained on.
        raise DataError(f"picture {origin} ends too early: it was not copied or written whole")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = decode(data, flags)
    if image is None:
        raise DataError(f"picture {origin} cannot be decoded; expected a whole JPEG or PNG file")
    return image


def is_cut_short(data: bytes) -> bool:
    """True for a JPEG or PNG file without its end."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data
    if not data.startswith(b"\xff\xd8"):
        return False
    # A thumbnail has an end of its own, so the search starts behind the first scan's header.
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b"\xff\xd9" not in data[at:]


def _reason(error: Exception) -> str:
    """Return the reason of a failure, without Pillow's repetition of the path."""
    if isinstance(error, UnidentifiedImageError):
        return "no JPEG or PNG file"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def stored_labels(data: bytes, path: Path, label_format: LabelFormat) -> ByteArray:
    """Return the stored values of a label map: ids (H, W), or RGB (H, W, 3).

    Raises:
        DataError: No picture, cut short, or of a kind that cannot hold labels.
    """
    require_picture(data, f"label map {path}", DataError)
    try:
        # Pillow keeps the indices of a palette PNG; OpenCV would turn them into colours.
        with Image.open(io.BytesIO(data)) as picture:
            mode = picture.mode
            as_colours = label_format == "palette" and mode in ("P", "L", "RGB", "RGBA")
            stored = np.asarray(picture.convert("RGB") if as_colours else picture)
    except DAMAGED as error:
        raise DataError(f"label map {path} cannot be read: {_reason(error)}") from error
    if label_format == "index" and stored.ndim == 3 and (stored[..., :3] == stored[..., :1]).all():
        stored = stored[..., 0]
    if stored.ndim != (3 if label_format == "palette" else 2) or stored.dtype != np.uint8:
        expected = (
            "8-bit colours that are classes"
            if label_format == "palette"
            else "one 8-bit channel whose values are class ids"
        )
        raise DataError(f"label map {path} is a {mode} picture; expected {expected}")
    return stored


def decode_labels(
    data: bytes, path: Path, taxonomy: Taxonomy, label_format: LabelFormat, unknown: UnknownPolicy
) -> ByteArray:
    """Return the bytes of a label map as class ids, uint8 (H, W), `IGNORE` where unlabelled.

    Raises:
        DataError: No picture, of another kind, or labels the taxonomy does not know.
    """
    stored = stored_labels(data, path, label_format)
    if label_format == "palette":
        return _from_colours(stored, path, taxonomy, unknown)
    ids = stored.copy()
    if taxonomy.ignore_index != IGNORE:
        ids[stored == taxonomy.ignore_index] = IGNORE
    strange = (ids >= len(taxonomy)) & (ids != IGNORE)
    if strange.any():
        if unknown == "refuse":
            first = int(ids[strange][0])
            raise DataError(
                f"label map {path.name}: {int(strange.sum())} of {ids.size} pixels have class ids "
                f"that taxonomy {taxonomy.name!r} (0 to {len(taxonomy) - 1}) does not know, the "
                f"first is {first}; give the right --taxonomy, or --unknown-labels ignore"
            )
        ids[strange] = IGNORE
    return ids


def _from_colours(rgb: ByteArray, path: Path, taxonomy: Taxonomy, unknown: UnknownPolicy) -> ByteArray:
    colours = rgb.astype(np.uint32)
    keys = (colours[..., 0] << 16) | (colours[..., 1] << 8) | colours[..., 2]
    ids: ByteArray = _colour_table(taxonomy.model_dump_json())[keys]
    strange = ids == _UNKNOWN
    if strange.any():
        if unknown == "refuse":
            first = tuple(int(v) for v in rgb[strange][0])
            raise DataError(
                f"label map {path.name}: {int(strange.sum())} of {ids.size} pixels have colours "
                f"that taxonomy {taxonomy.name!r} does not know, the first is RGB {first}; give "
                "the right --taxonomy, or --unknown-labels ignore"
            )
        ids[strange] = IGNORE
    return ids


@lru_cache(maxsize=2)
def _colour_table(taxonomy_json: str) -> ByteArray:
    """Class id of every 24-bit colour: 16 MB, and far quicker than a comparison per class."""
    table = np.full(1 << 24, _UNKNOWN, dtype=np.uint8)
    for c in Taxonomy.model_validate_json(taxonomy_json).classes:
        red, green, blue = c.color_rgb
        table[(red << 16) | (green << 8) | blue] = c.id
    return table
