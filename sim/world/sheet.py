"""Contact sheets: worlds side by side from above, for people to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from landing.errors import DataError
from landing.types import ByteArray
from sim.world.from_above import picture_from_above
from sim.world.model import World

_GAP_PX = 6
_TITLE_PX = 20


def tile(world: World, size_px: int, t_s: float = 0.0, labels: bool = False) -> ByteArray:
    """A world from above with its actors and its name; its labels beside it if asked.

    Returns:
        uint8, shape (size_px + title, size_px or twice that and a gap, 3).
    """
    pictures = [picture_from_above(world, size_px, t_s)[0]]
    if labels:
        pictures.append(picture_from_above(world, size_px, t_s, labels_alpha=0.75)[0])
    wide = len(pictures) * size_px + (len(pictures) - 1) * _GAP_PX
    canvas: ByteArray = np.full((size_px + _TITLE_PX, wide, 3), 24, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        rows, columns = picture.shape[:2]
        left = i * (size_px + _GAP_PX) + (size_px - columns) // 2
        canvas[_TITLE_PX : _TITLE_PX + rows, left : left + columns] = picture
    font, white = cv2.FONT_HERSHEY_SIMPLEX, (235.0, 235.0, 235.0)
    cv2.putText(canvas, world.name, (4, 14), font, 0.42, white, 1, cv2.LINE_AA)
    return canvas


def contact_sheet(tiles: Sequence[ByteArray], columns: int | None = None) -> ByteArray:
    """Tiles of one size in rows.

    Args:
        tiles: At least one.
        columns: In a row; about square when None.
    """
    columns = columns or max(1, math.ceil(math.sqrt(len(tiles))))
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0].shape[:2]
    sheet: ByteArray = np.full((rows * (height + _GAP_PX), columns * (width + _GAP_PX), 3), 24, dtype=np.uint8)
    for i, picture in enumerate(tiles):
        top, left = i // columns * (height + _GAP_PX), i % columns * (width + _GAP_PX)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def write_picture(picture: ByteArray, path: Path) -> None:
    """Writes a PNG or JPEG file.

    Raises:
        DataError: An unknown ending, or a folder that cannot be written.
    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise DataError(f"picture {path}: expected a name that ends in .png or .jpg")
    _, data = cv2.imencode(path.suffix, picture)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise DataError(f"picture {path}: {error.strerror or error}") from error
