"""One labelled picture: where it lies, and how it is decoded to a picture and class ids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from landing.types import ByteArray

IGNORE = 255
"""Label value in everything this package hands on: not trained on, not scored."""

_UNKNOWN = 254

LabelFormat = Literal["index", "palette"]
UnknownPolicy = Literal["refuse", "ignore"]


@dataclass(frozen=True)
class Sample:
    """A picture and its label map.

    Attributes:
        name: File name without extension; unique in its set.
        group: Scene, sequence or world it belongs to; pictures of one group resemble each other.
        image: JPEG or PNG.
        label: PNG, as large as the picture.
    """

    name: str
    group: str
    image: Path
    label: Path


@dataclass(frozen=True)
class LabeledSet:
    """All pictures of a folder, with what their labels mean.

    Attributes:
        name: Name of the data set, for provenance.
        taxonomy: Classes of the labels.
        samples: In order of name.
        label_format: "index": the value is the class id. "palette": the colour is the class.
        terms: Licence of the data, for provenance; empty when the folder does not say.
        own_split: Part of each sample by name ("train", "val", "test"), if the folder has one.
    """

    name: str
    taxonomy: Taxonomy
    samples: tuple[Sample, ...]
    label_format: LabelFormat = "index"
    terms: str = ""
    own_split: dict[str, str] | None = None

    def read(
        self, sample: Sample, unknown: UnknownPolicy = "refuse"
    ) -> tuple[ByteArray, ByteArray]:
        """Decodes a sample.

        Args:
            sample: One of `samples`.
            unknown: What becomes of label values that the taxonomy does not know.

        Returns:
            Picture, BGR uint8 (H, W, 3), and class ids, uint8 (H, W), `IGNORE` where unlabelled.

        Raises:
            DataError: Unreadable, sizes differ, or labels the taxonomy does not know.
        """
        image = read_image(sample.image)
        labels = read_labels(sample.label, self.taxonomy, self.label_format, unknown)
        if image.shape[:2] != labels.shape:
            raise DataError(
                f"{sample.image.name} is {image.shape[1]}x{image.shape[0]} px but its label map "
                f"{sample.label.name} is {labels.shape[1]}x{labels.shape[0]}; they must agree"
            )
        return image, labels


def read_image(path: Path) -> ByteArray:
    """A picture as BGR uint8 (H, W, 3), rows as stored (label maps have no EXIF orientation).

    Raises:
        DataError: Missing, or no picture.
    """
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise DataError(f"picture {path}: {error.strerror}") from error
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(data, flags) if data.size else None
    if image is None:
        raise DataError(f"picture {path} cannot be decoded; expected a whole JPEG or PNG file")
    return np.asarray(image, dtype=np.uint8)


def read_labels(
    path: Path, taxonomy: Taxonomy, label_format: LabelFormat, unknown: UnknownPolicy = "refuse"
) -> ByteArray:
    """A label map as class ids, uint8 (H, W), `IGNORE` where unlabelled.

    Raises:
        DataError: Missing, no picture, of another kind, or labels the taxonomy does not know.
    """
    try:
        # Pillow keeps the indices of a palette PNG; OpenCV would turn them into colours.
        with Image.open(path) as picture:
            mode = picture.mode
            stored = np.asarray(picture.convert("RGB") if label_format == "palette" else picture)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise DataError(f"label map {path} cannot be read: {error}") from error
    if label_format == "palette":
        return _from_colours(stored, path, taxonomy, unknown)
    if stored.ndim == 3 and (stored[..., :3] == stored[..., :1]).all():
        stored = stored[..., 0]
    if stored.ndim != 2 or stored.dtype != np.uint8:
        raise DataError(
            f"label map {path} is a {mode} picture; expected one 8-bit channel whose values are "
            "class ids"
        )
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


def _from_colours(
    rgb: ByteArray, path: Path, taxonomy: Taxonomy, unknown: UnknownPolicy
) -> ByteArray:
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
