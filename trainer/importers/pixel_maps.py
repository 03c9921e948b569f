"""Whole label maps of a tool: PNG files whose values or colours are classes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from landing.errors import DataError
from landing.picture_files import DAMAGED, picture_size, read_picture_bytes, require_picture
from landing.types import ByteArray
from trainer.importers.canvas import BoolMask, LabelCanvas


@dataclass(frozen=True)
class PixelMap:
    """A label map in a file.

    Attributes:
        path: The file.
        label_of: Classes by the values of its pixels.
        colour_of: Their colours, where the map may be coloured; empty where values alone count, whatever the palette.
        void: Colours that are of no class.
    """

    path: Path
    label_of: Mapping[int, str]
    colour_of: Mapping[int, tuple[int, int, int]]
    void: tuple[tuple[int, int, int], ...] = ()

    @property
    def labels(self) -> Sequence[str]:
        """See `Region.labels`."""
        return tuple(self.label_of.values())

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, px, without decoding it.

        Raises:
            DataError: It is no picture.
        """
        return picture_size(self.path, "label map", DataError)

    def draw(self, canvas: LabelCanvas) -> None:
        """See `Region.draw`."""
        stored = stored_values(self.path, indices=not self.colour_of)
        if stored.ndim == 3:
            if not self.colour_of:
                raise DataError(f"label map {self.path} is coloured, expected one channel whose values are classes")
            values = self._from_colours(stored)
        else:
            values = self._from_greys(stored) if self.colour_of else stored
            unknown = np.setdiff1d(np.unique(values), [*self.label_of, *([255] if self.colour_of else [])])
            if unknown.size:
                count = int(np.isin(values, unknown).sum())
                raise DataError(
                    f"label map {self.path}: {count} pixels have values without a class, as {int(unknown[0])}; the "
                    f"export lists {', '.join(map(str, sorted(self.label_of)))}"
                )
        canvas.put_values(values, self.label_of)

    def _from_greys(self, stored: ByteArray) -> ByteArray:
        """Take a one-channel map by value, or as grey colours where only those are listed."""
        values = {int(v) for v in np.unique(stored)}
        grey = {colour[0] for colour in self.colour_of.values() if len(set(colour)) == 1}
        by_value = values <= {*self.label_of, *(set() if 255 in grey else {255})}
        by_colour = values <= grey
        if by_value and by_colour and any(self.colour_of[v] != (v, v, v) for v in values):
            raise DataError(
                f"label map {self.path} is grey: its values {sorted(values)} may be numbers of classes or their "
                "colours; export it in colour"
            )
        return self._from_colours(np.repeat(stored[..., None], 3, 2)) if by_colour and not by_value else stored

    def _from_colours(self, rgb: ByteArray) -> ByteArray:
        packed = rgb[..., 0].astype(np.uint32) << 16 | rgb[..., 1].astype(np.uint32) << 8 | rgb[..., 2]
        values = np.full(packed.shape, 255, np.uint8)
        strange = np.ones(packed.shape, np.bool_)
        for value, colour in (*self.colour_of.items(), *((255, colour) for colour in self.void)):
            here = packed == (colour[0] << 16 | colour[1] << 8 | colour[2])
            values[here] = value
            strange &= ~here
        if strange.any():
            colours, counts = np.unique(rgb[strange], axis=0, return_counts=True)
            most = ", ".join(map(str, colours[counts.argmax()].tolist()))
            raise DataError(
                f"label map {self.path}: {int(strange.sum())} pixels have colours without a class, most of them RGB "
                f"({most}); the list of classes is of another export, or the map was compressed"
            )
        return values


def stored_values(path: Path, indices: bool) -> ByteArray:
    """Return the values (H, W) or the RGB colours (H, W, 3) of a label map; palettes give colours, or their `indices`.

    Raises:
        DataError: It is no picture, or of a kind that cannot hold labels.
    """
    data = read_picture_bytes(path, "label map", DataError)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.format not in ("PNG", "BMP", "TIFF"):
                raise DataError(f"label map {path} is a {picture.format} file: its labels are lost in compression")
            mode = picture.mode
            kept = mode == "L" or (mode == "P" and indices)
            if not kept and mode not in ("P", "RGB", "RGBA", "1"):
                raise DataError(f"label map {path} is a {mode} picture, expected 8-bit values or colours")
            return np.asarray(picture if kept else picture.convert("L" if mode == "1" else "RGB"))
    except DAMAGED as error:
        raise DataError(f"label map {path} cannot be read: {error}") from error


def mask_from_png(data: bytes, origin: str) -> BoolMask:
    """Return the mask (h, w) of a small picture: its alpha where it has one, else all that is not 0.

    Raises:
        DataError: It is no picture.
    """
    require_picture(data, origin, DataError)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            clear = picture.mode in ("LA", "RGBA") or "transparency" in picture.info
            values = np.asarray(picture.convert("RGBA") if clear else picture)
    except DAMAGED as error:
        raise DataError(f"{origin} is a damaged picture: {error}") from error
    channel = values[..., 3] if clear else values if values.ndim == 2 else values.max(axis=2)
    mask: BoolMask = np.asarray(channel) > 0
    return mask
