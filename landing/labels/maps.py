"""Label maps: files whose pixels are classes, the facts that say how one is to be read, and their decoding.

`MaskFacts` are the pixels of each stored value; `landing.labels.reading` decides from those of a whole set.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.picture_files import DAMAGED, MOST_PIXELS, format_of, orientation_of, read_picture_bytes, size_of
from landing.taxonomy import Taxonomy
from landing.types import ByteArray

IGNORE = 255
"""Class id of pixels that are not labelled, in everything that is handed on."""
NO_INDEX = 256
"""In place of the index of a stored value that is a colour only."""
MOST_COLOURS = 4096
"""Colours of a label map that are counted one by one; what has more is no label map."""
LARGE_PX = 40_000_000
"""Pictures with more pixels are decoded one at a time."""

Reading = Literal["index", "palette", "rgb", "binary"]
READINGS: tuple[Reading, ...] = ("index", "palette", "rgb", "binary")
"""Meanings of a stored value: a class id; the palette colour of a class; its RGB colour; 0 and 255 as classes 0 and 1.

"palette" and "rgb" are decoded alike: a colour is the colour of a class, however it is stored.
"""
UnknownPolicy = Literal["refuse", "ignore"]
MaskKind = Literal["bit", "grey", "palette", "colour"]

_KIND_OF: dict[str, MaskKind] = {"1": "bit", "L": "grey", "P": "palette", "RGB": "colour"}
_STRIP_PX = 1 << 21
_large = threading.Lock()


@dataclass(frozen=True)
class MaskFacts:
    """Facts of one label map.

    Attributes:
        path: The file.
        kind: Of its pixels; None where it cannot be read.
        format: Of its file: PNG, TIFF or BMP.
        size_wh: Width and height, px.
        orientation: EXIF Orientation, 1 to 8.
        atoms: Stored values, int64: index, or `NO_INDEX`, above a 24-bit colour; those of a map with more than
            `MOST_COLOURS` colours are from a sample of its pixels.
        pixels: Of each atom.
        crowded: True for more than `MOST_COLOURS` colours.
        problem: Kind of what is wrong and its detail, empty for a map that can be read.
    """

    path: Path
    kind: MaskKind | None = None
    format: str = ""
    size_wh: tuple[int, int] = (0, 0)
    orientation: int = 1
    atoms: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    pixels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    crowded: bool = False
    problem: tuple[str, str] = ("", "")


def index_of(atom: int) -> int | None:
    """Return the index of a stored value; None for one that is a colour only."""
    index = atom >> 24
    return None if index == NO_INDEX else index


def colour_of(atom: int) -> tuple[int, int, int]:
    """Return the colour of a stored value."""
    return atom >> 16 & 255, atom >> 8 & 255, atom & 255


@contextmanager
def within_memory(size_wh: tuple[int, int]) -> Iterator[None]:
    """Let threads decode small pictures side by side, and large ones one at a time."""
    if size_wh[0] * size_wh[1] <= LARGE_PX:
        yield
        return
    with _large:
        yield


def read_mask_facts(path: Path) -> MaskFacts:
    """Read the facts of a label map; what is wrong with it is in `problem`, never raised."""
    try:
        data = read_picture_bytes(path, "label map", DataError)
    except DataError as error:
        return MaskFacts(path, problem=("unreadable label map", str(error)))
    found, size_wh = format_of(data), size_of(data)
    if found in ("JPEG", "WebP"):
        return MaskFacts(path, problem=("compressed label map", f"its content is {found}, which changes values"))
    orientation = orientation_of(data)
    try:
        with within_memory(size_wh):
            picture = _opened(data, str(path))
            kind = _KIND_OF[picture.mode]
            atoms, pixels, crowded = _atoms(picture, kind)
    except DataError as error:
        return MaskFacts(path, size_wh=size_wh, problem=("unreadable label map", str(error)))
    return MaskFacts(path, kind, found, size_wh, orientation, atoms, pixels, crowded)


def decode_labels(
    data: bytes, path: Path, taxonomy: Taxonomy, reading: Reading, unknown: UnknownPolicy = "refuse"
) -> ByteArray:
    """Return the bytes of a label map as class ids, uint8 (H, W), `IGNORE` where unlabelled.

    Raises:
        DataError: No picture, of another kind, or labels the taxonomy does not know.
    """
    with within_memory(size_of(data)):
        picture = _opened(data, str(path))
        if reading in ("palette", "rgb"):
            return _from_colours(np.asarray(picture.convert("RGB")), path, taxonomy, unknown)
        stored = np.asarray(picture)
        if stored.ndim == 3 and (stored == stored[..., :1]).all():
            stored = stored[..., 0]
        if stored.ndim != 2 or (stored.dtype != np.uint8 and reading == "index"):
            raise DataError(
                f"label map {path} is a {picture.mode} picture; expected one 8-bit channel whose values are class ids"
            )
        values = stored.astype(np.uint8) * 255 if stored.dtype == np.bool_ else stored
        return _from_values(values, path, taxonomy, reading, unknown)


def _opened(data: bytes, origin: str) -> Any:
    """Return a decoded Pillow picture of mode 1, L, P or RGB.

    Pillow keeps the indices of a palette picture; OpenCV would turn them into colours.
    """
    from PIL import Image  # what flies reads no label maps

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # larger ones are refused before Pillow sees them; it would only warn
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "TIFF", "BMP")) as opened:
            picture: Any = opened
            if picture.info.get("compression") in ("jpeg", "tiff_jpeg", "webp"):
                raise DataError(f"label map {origin} is compressed as JPEG inside, which changes values")
            if picture.format == "TIFF" and orientation_of(data) != 1:  # Pillow turns these alone
                raise DataError(f"label map {origin} is a turned TIFF: save it upright, without an orientation")
            if picture.format == "PNG" and data[24] in (2, 4) and data[25] == 0:  # Pillow would spread the values
                raise DataError(f"label map {origin} has grey values of {data[24]} bits: save it with 8 bits")
            if picture.format == "PNG" and data[24] == 16 and data[25] != 0:  # Pillow would keep the high byte
                raise DataError(f"label map {origin} has colours of 16 bits: save it with 8 bits")
            if getattr(picture, "n_frames", 1) != 1:
                raise DataError(f"label map {origin} has {picture.n_frames} pages: save the one that counts by itself")
            picture.load()
            if picture.mode in ("LA", "RGBA"):
                if np.asarray(picture.getchannel("A")).min() < 255:
                    raise DataError(
                        f"label map {origin} has transparent pixels: fill them with a class, and flatten it"
                    )
                picture = picture.convert("L" if picture.mode == "LA" else "RGB")
            if picture.mode not in _KIND_OF:
                raise DataError(
                    f"label map {origin} is a {picture.mode} picture; expected one 8-bit channel whose values are "
                    "class ids, or 8-bit colours that are classes"
                )
            return picture
    except DataError:
        raise
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise DataError(f"label map {origin} cannot be read: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return the reason of a failure, without Pillow's repetition of the path."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "no PNG, TIFF or BMP file"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0]


def _atoms(picture: Any, kind: MaskKind) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], bool]:
    if kind == "colour":
        return _colours(picture)
    histogram = np.array(picture.histogram()[:256], np.int64)
    indices = np.flatnonzero(histogram)
    if kind == "palette":
        palette = np.zeros(768, np.int64)
        stored = picture.getpalette("RGB") or []
        palette[: len(stored)] = stored[:768]
        rgb = palette.reshape(256, 3)[indices]
    else:
        rgb = np.repeat(indices[:, None], 3, axis=1)
    return indices << 24 | rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2], histogram[indices], False


def _colours(picture: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], bool]:
    counted = picture.getcolors(MOST_COLOURS)
    if counted is not None:
        pixels = np.array([count for count, _ in counted], np.int64)
        colours = np.array([colour for _, colour in counted], np.int64)
    else:
        flat = np.asarray(picture).reshape(-1, 3)
        step = max(1, len(flat) // 1_000_000)
        colours, pixels = np.unique(flat[::step], axis=0, return_counts=True)
        kept = np.argsort(-pixels)[:256]  # what is left out belongs to a file that is refused
        colours, pixels = colours[kept].astype(np.int64), pixels[kept] * step
    red, green, blue = colours.T
    index = np.where((red == green) & (green == blue), red, NO_INDEX)
    return index << 24 | red << 16 | green << 8 | blue, pixels, counted is None


def _from_values(values: ByteArray, path: Path, taxonomy: Taxonomy, reading: Reading, unknown: str) -> ByteArray:
    table = np.full(256, IGNORE, np.uint8)
    known = np.zeros(256, np.bool_)
    if reading == "binary":
        table[255] = 1
        table[0] = 0
        known[[0, 255]] = True
    else:
        table[: len(taxonomy)] = np.arange(len(taxonomy))
        table[taxonomy.ignore_index] = IGNORE
        known[: len(taxonomy)] = True
        known[[IGNORE, taxonomy.ignore_index]] = True
    strange = ~known[values]
    if unknown == "refuse" and strange.any():
        raise DataError(
            f"label map {path.name}: {int(strange.sum())} of {values.size} pixels have class ids "
            f"that taxonomy {taxonomy.name!r} (0 to {len(taxonomy) - 1}) does not know, the "
            f"first is {int(values[strange][0])}; give the right --taxonomy, or --unknown-labels ignore"
        )
    ids: ByteArray = table[values]
    return ids


def _from_colours(rgb: ByteArray, path: Path, taxonomy: Taxonomy, unknown: str) -> ByteArray:
    table = _colour_table(taxonomy.model_dump_json())
    ids = np.empty(rgb.shape[:2], np.uint8)
    strange_px, first = 0, ""
    rows = max(1, _STRIP_PX // max(1, rgb.shape[1]))
    for top in range(0, len(rgb), rows):  # in strips: wide keys of a whole mosaic would not fit
        strip = rgb[top : top + rows].astype(np.uint32)
        part = table[strip[..., 0] << 16 | strip[..., 1] << 8 | strip[..., 2]]
        strange = part == IGNORE
        if strange.any():
            if not strange_px:
                first = str(tuple(strip[strange][0].tolist()))
            strange_px += int(strange.sum())
        ids[top : top + rows] = part
    if strange_px and unknown == "refuse":
        raise DataError(
            f"label map {path.name}: {strange_px} of {ids.size} pixels have colours "
            f"that taxonomy {taxonomy.name!r} does not know, the first is RGB {first}; give "
            "the right --taxonomy, or --unknown-labels ignore"
        )
    return ids


@lru_cache(maxsize=2)
def _colour_table(taxonomy_json: str) -> ByteArray:
    """Class id of every 24-bit colour, `IGNORE` for none: 16 MB, and far quicker than a comparison per class."""
    table = np.full(1 << 24, IGNORE, dtype=np.uint8)
    for colour, class_id in class_colours(Taxonomy.model_validate_json(taxonomy_json)).items():
        red, green, blue = colour
        table[(red << 16) | (green << 8) | blue] = class_id
    return table


def class_colours(taxonomy: Taxonomy) -> dict[tuple[int, int, int], int]:
    """Return the class id of each colour; a colour of two classes stands for none."""
    every = [c.color_rgb for c in taxonomy.classes]
    return {c.color_rgb: c.id for c in taxonomy.classes if every.count(c.color_rgb) == 1}
