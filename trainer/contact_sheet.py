"""Contact sheets: what a data set's labels say, drawn over its pictures, for a person to look at.

The first page shows pictures of the whole set, evenly spread; then each class that occurs has a row with its largest
pieces. Ground that nobody labelled is dark.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from landing.errors import DataError
from landing.taxonomy import GUESS
from landing.types import ByteArray
from trainer.data.check import DataReport
from trainer.data.samples import IGNORE, LabeledSet, Sample
from trainer.drawing import blend
from trainer.files import whole_file

PICTURES = 12
EXAMPLES = 4
"""Pictures of each class."""
_ACROSS, _TILE_WH, _GAP, _TEXT_PX = 4, (360, 270), 8, 22
_ROWS = 6
"""Classes on a page."""
_LEGEND_PX = 300
_CROP_SHARE = 2.0
"""Size of a crop, in sizes of the piece in it."""
_MARK = "touchdown-sheet"
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK, _PAPER, _PALE = (30, 30, 30), (245, 245, 245), (120, 120, 120)


def write_sheets(report: DataReport, target: Path) -> list[Path]:
    """Write the pages of a checked set.

    Args:
        report: Of the check; pictures that cannot be read are left out.
        target: `FILE.png` of the first page, or a folder.

    Returns:
        The pages.

    Raises:
        DataError: A page cannot be written, or would replace another picture.
    """
    paths = []
    for number, page in enumerate(_pages(report), 1):
        if target.suffix.lower() == ".png":
            path = target if number == 1 else target.with_name(f"{target.stem}-{number}.png")
        else:
            path = target / f"sheet-{number}.png"
        _write(path, page)
        paths.append(path)
    return paths


def _pages(report: DataReport) -> Iterator[ByteArray]:
    data = report.data
    chosen = _spread(data.samples, PICTURES)
    tiles = []
    for sample in chosen:
        read = _read(data, sample)
        if read is not None:
            tiles.append(_captioned(_tile(_shown(*read, data)), sample.name))
    yield np.hstack([_titled(report, _grid(tiles)), _legend(report, _grid(tiles).shape[0] + 2 * _TEXT_PX)])
    rows = [_class_row(report, c.id) for c in report.taxonomy.classes if report.largest.get(c.id)]
    for start in range(0, len(rows), _ROWS):
        yield np.vstack(rows[start : start + _ROWS])


def _spread(samples: tuple[Sample, ...], count: int) -> list[Sample]:
    return [samples[k * len(samples) // count] for k in range(count)] if len(samples) > count else list(samples)


def _read(data: LabeledSet, sample: Sample) -> tuple[ByteArray, ByteArray] | None:
    try:
        return data.read(sample)
    except DataError:  # the check lists it
        return None


def _shown(image: ByteArray, ids: ByteArray, data: LabeledSet, opacity: float = 0.45) -> ByteArray:
    shown = blend(image, ids, data.taxonomy, opacity)
    shown[ids == IGNORE] //= 3
    return shown


def _tile(image: ByteArray) -> ByteArray:
    """Fit a picture into a tile."""
    width, height = _TILE_WH
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    tile = np.full((height, width, 3), _PAPER, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def _captioned(tile: ByteArray, text: str) -> ByteArray:
    strip = np.full((_TEXT_PX, tile.shape[1], 3), _PAPER, np.uint8)
    _print(strip, text[-40:], (2, 15))
    framed = np.vstack([tile, strip])
    return np.asarray(cv2.copyMakeBorder(framed, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=_PAPER), np.uint8)


def _grid(tiles: list[ByteArray]) -> ByteArray:
    blank = np.full((_TILE_WH[1] + _TEXT_PX + _GAP, _TILE_WH[0] + _GAP, 3), _PAPER, np.uint8)
    padded = [*tiles, *[blank] * (-len(tiles) % _ACROSS)] or [blank] * _ACROSS
    return np.vstack([np.hstack(padded[k : k + _ACROSS]) for k in range(0, len(padded), _ACROSS)])


def _titled(report: DataReport, grid: ByteArray) -> ByteArray:
    head = np.full((2 * _TEXT_PX, grid.shape[1], 3), _PAPER, np.uint8)
    state = "valid" if report.valid else "NOT valid: " + ", ".join(f"{k} {n}" for k, n in report.counts.items())
    _print(head, f"{report.name}: {report.pictures} pictures, labels by {report.label_format}; {state}", (4, 28), 0.6)
    return np.vstack([head, grid])


def _legend(report: DataReport, height: int) -> ByteArray:
    rows = report.classes()
    step = max(12, min(26, (height - 60) // (len(rows) + 1)))
    panel = np.full((height, _LEGEND_PX, 3), _PAPER, np.uint8)
    for k, (row, c) in enumerate(zip(rows, report.taxonomy.classes, strict=True)):
        top = 2 * _TEXT_PX + k * step
        cv2.rectangle(panel, (4, top), (20, top + step - 4), c.color_rgb[::-1], -1)
        text = f"{row['name'][:20]}: {row['role']} {_percent(row)}"
        _print(panel, text, (26, top + step - 8), colour=_INK if row["pixels"] else _PALE)
    _print(panel, "dark: not labelled", (4, 2 * _TEXT_PX + len(rows) * step + 16))
    return panel


def _percent(row: dict[str, Any]) -> str:
    return f"{row['share']:.1%}" if row["share"] >= 0.001 else "< 0.1%" if row["pixels"] else "none"


def _class_row(report: DataReport, class_id: int) -> ByteArray:
    """Name, role and share of a class, and its largest pieces, outlined."""
    c, row = report.taxonomy.classes[class_id], report.classes()[class_id]
    label = np.full((_TILE_WH[1] + _TEXT_PX + _GAP, _LEGEND_PX, 3), _PAPER, np.uint8)
    cv2.rectangle(label, (4, 8), (28, 32), c.color_rgb[::-1], -1)
    lines = (
        c.name[:24],
        f"{c.role.value}{GUESS * c.guessed}",
        f"{_percent(row)} of labels",
        f"{row['pictures']} pictures",
    )
    for k, text in enumerate(lines):
        _print(label, text, (36, 28 + 26 * k), 0.6)
    tiles = []
    data = report.data
    for number in report.largest.get(class_id, ())[:EXAMPLES]:
        read = _read(data, data.samples[number])
        if read is not None:
            tiles.append(_captioned(_piece(*read, class_id, data), data.samples[number].name))
    return np.hstack([label, _grid(tiles)])


def _piece(image: ByteArray, ids: ByteArray, class_id: int, data: LabeledSet) -> ByteArray:
    """Crop around the largest piece of a class, its rim drawn."""
    mask = (ids == class_id).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    left, top, width, height, _ = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))].tolist()
    half_w = max(_CROP_SHARE * width, _CROP_SHARE * height * 4 / 3, 64) / 2
    half_h = half_w * 3 / 4
    x, y = left + width / 2, top + height / 2
    rows = slice(max(0, int(y - half_h)), max(1, int(y + half_h)))
    columns = slice(max(0, int(x - half_w)), max(1, int(x + half_w)))
    tile = _tile(np.ascontiguousarray(image[rows, columns]))
    rim = _tile(np.repeat(mask[rows, columns, None] * 255, 3, 2))
    contours, _ = cv2.findContours((rim[..., 0] == 255).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(tile, contours, -1, (255, 255, 255), 3)
    cv2.drawContours(tile, contours, -1, data.taxonomy.classes[class_id].color_rgb[::-1], 1)
    return tile


def _print(
    image: ByteArray, text: str, place: tuple[int, int], size: float = 0.45, colour: tuple[int, int, int] = _INK
) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(image, plain, place, _FONT, size, colour, 1, cv2.LINE_AA)


def _write(path: Path, page: ByteArray) -> None:
    try:
        if path.exists():
            with Image.open(path) as old:
                if _MARK not in old.info:
                    raise DataError(f"{path} is there and is no contact sheet: name another file with --pictures")
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = PngImagePlugin.PngInfo()
        facts.add_text(_MARK, "1")
        packed = io.BytesIO()
        Image.fromarray(page[..., ::-1]).save(packed, "png", pnginfo=facts, compress_level=1)
        with whole_file(path) as stream:
            stream.write(packed.getvalue())
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is there and is no contact sheet: name another file with --pictures") from error
    except OSError as error:
        raise DataError(f"picture {path} cannot be written: {error.strerror or error}") from error
