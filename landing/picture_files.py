"""Picture files, held against their limits before a pixel of them is decoded."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from landing.errors import FileError, TouchdownError
from landing.reading import is_utf8, open_file, read_bytes
from landing.types import ByteArray

PICTURE_BYTES = 512 << 20
MOST_PIXELS = 150_000_000
"""The largest cameras that fly have so many; what is larger is a mosaic."""

DAMAGED = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
    struct.error,
)
"""Exceptions that Pillow raises for a damaged picture."""
_HEADER_BYTES = 1 << 18
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a JPEG's start of frame."""
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TIFF_ORDERS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
"""Byte order of a TIFF, and true for a BigTIFF, by its first bytes."""
_TIFF_TAGS = 4096
TIFF_SUFFIXES = (".tif", ".tiff")
RAW_SUFFIXES = (".dng", ".arw", ".cr2", ".cr3", ".nef", ".rw2", ".orf", ".raf")
"""Undeveloped pictures: what they look like is the developer's choice, so they are not read."""
UNREAD_SUFFIXES = (".avif", ".gif", ".jp2", ".jxl")
"""Pictures of kinds that are not read."""
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", *TIFF_SUFFIXES, ".webp")
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".m4v", ".webm", ".ts", ".mjpeg", ".mpg")
_STARTS = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    *((start, "TIFF") for start in _TIFF_ORDERS),
    (b"BM", "BMP"),
)


def files_of(folder: Path, suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> list[Path]:
    """Files of a folder by name, hidden ones left out: macOS leaves a `._NAME` beside each file of a card."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))


def read_picture_bytes(path: str | Path, what: str, error: type[TouchdownError]) -> bytes:
    """The bytes of a picture file that may be decoded.

    Args:
        path: The file.
        what: Names it in errors, as ``picture``.
        error: What is raised.

    Raises:
        TouchdownError: As `error`: see `landing.reading.open_file` and `require_picture`.
    """
    read_header(path, what, error)  # first: what is no picture is not read whole
    data = read_bytes(path, what, error, PICTURE_BYTES)
    require_picture(data, f"{what} {path}", error)
    return data


def read_header(path: str | Path, what: str, error: type[TouchdownError]) -> bytes:
    """The first bytes of a picture file, for `size_of`, `orientation_of` and `format_of`.

    Raises:
        TouchdownError: As `error`; see `read_picture_bytes`.
    """
    try:
        with open_file(path, what, error, PICTURE_BYTES) as stream:
            data = stream.read(_HEADER_BYTES)
            if format_of(data) == "TIFF" and size_of(data) == (0, 0):  # it may say its size at its end
                data += stream.read(PICTURE_BYTES)
    except OSError as problem:
        raise error(f"{what} {path} cannot be read: {problem.strerror or problem}") from problem
    require_picture(data, f"{what} {path}", error)
    return data


def picture_size(path: str | Path, what: str, error: type[TouchdownError]) -> tuple[int, int]:
    """Width and height of a picture file, px, without decoding it.

    Raises:
        TouchdownError: As `error`; see `read_picture_bytes`.
    """
    return size_of(read_header(path, what, error))


def tiff_tags(path: str | Path) -> dict[int, int]:
    """Tags of a TIFF's first picture with their first numbers, 0 for what is none; empty for what is no TIFF."""
    try:
        with open_file(path, "picture", TouchdownError) as stream:
            return _tags_of(stream)
    except (TouchdownError, OSError):
        return {}


def require_picture(data: bytes, origin: str, error: type[TouchdownError]) -> None:
    """Refuses bytes that are no picture, or one with too many pixels, by their header alone.

    Raises:
        TouchdownError: As `error`.
    """
    if not data:
        raise error(f"{origin} is empty")
    width, height = size_of(data)
    if width <= 0 or height <= 0:
        raise error(f"{origin} cannot be decoded: it has no header of a JPEG, PNG, TIFF, BMP or WebP file")
    if width * height > MOST_PIXELS:
        raise error(
            f"{origin} has {width}x{height} pixels, at most {MOST_PIXELS // 1_000_000} million "
            "expected: cut it into tiles, or make it smaller"
        )
    if is_animation(data):
        raise error(f"{origin} is an animation: give one of its pictures, or a video")


def is_animation(data: bytes) -> bool:
    """Return True for a PNG (chunk acTL, PNG 3rd edition) or WebP (flag in VP8X, RFC 9649) of several pictures."""
    if format_of(data) == "WebP":
        return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & 0x02)
    if format_of(data) != "PNG":
        return False
    at = 8
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name in (b"acTL", b"IDAT"):
            return bool(name == b"acTL")
        at += 12 + size
    return False


def decode(data: bytes, flags: int) -> ByteArray | None:
    """Decode a picture file's bytes with OpenCV, its rows as stored; None where it cannot."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if image is None:
        return None
    # OpenCV turns a TIFF whatever the flags say.
    return as_stored(np.asarray(image), orientation_of(data)) if format_of(data) == "TIFF" else np.asarray(image)


def write_picture(path: Path, image: ByteArray, parameters: Sequence[int] = ()) -> None:
    """Write a picture of the kind that its suffix names; the name may be any bytes, which `cv2.imwrite` dies of.

    Raises:
        FileError: It cannot be written.
    """
    _, data = cv2.imencode(path.suffix, image, list(parameters))
    try:
        path.write_bytes(data.tobytes())
    except OSError as problem:
        raise FileError(f"{path} cannot be written: {problem.strerror or problem}") from problem


def open_video(path: Path, fps: float, size_px: tuple[int, int]) -> cv2.VideoWriter:
    """Open an MPEG-4 video for writing; the caller releases it.

    Raises:
        FileError: It cannot be written.
    """
    if not is_utf8(path):
        raise FileError(f"{path} cannot be written: its path is no UTF-8, name another folder")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size_px)
    if not writer.isOpened():
        raise FileError(f"{path} cannot be written: the folder is read-only, or OpenCV has no MPEG-4 encoder here")
    return writer


def format_of(data: bytes) -> str:
    """Return JPEG, PNG, TIFF, BMP or WebP, by the first bytes of a file; empty for another kind."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((name for start, name in _STARTS if data.startswith(start)), "")


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in a picture file's header, px; zeros where there is none.

    Formats: JPEG (ITU T.81 B.2.2), PNG (RFC 2083), TIFF 6.0, BMP, WebP (RFC 9649).
    """
    kind = format_of(data)
    try:
        if kind == "JPEG":
            return _jpeg(data)
        if kind == "PNG":
            width, height = struct.unpack_from(">II", data, 16)
            return int(width), int(height)
        if kind == "TIFF":
            tags = _tags_of(io.BytesIO(data))
            return tags.get(256, 0), tags.get(257, 0)
        if kind == "BMP":
            return _bmp(data)
        if kind == "WebP":
            return _webp(data)
    except (struct.error, IndexError):  # it ends within its header
        pass
    return 0, 0


def orientation_of(data: bytes) -> int:
    """Return the EXIF Orientation (CIPA DC-008, tag 274) of a JPEG, PNG or TIFF, 1 to 8; 1 where there is none."""
    kind = format_of(data)
    try:
        exif = data if kind == "TIFF" else _EXIF_OF[kind](data[:_HEADER_BYTES]) if kind in _EXIF_OF else b""
        value = _tags_of(io.BytesIO(exif)).get(274, 1) if format_of(exif) == "TIFF" else 1
    except (struct.error, IndexError):
        return 1
    return value if 1 <= value <= 8 else 1


def upright(image: ByteArray, orientation: int) -> ByteArray:
    """Turn and mirror a stored picture (H, W, ...) as a viewer shows it, by its EXIF Orientation."""
    if orientation >= 5:  # rows and columns are exchanged
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(image[::rows, ::columns])


def as_stored(image: ByteArray, orientation: int) -> ByteArray:
    """Undo `upright`."""
    return upright(image, {6: 8, 8: 6}.get(orientation, orientation))


def is_whole_jpeg(data: bytes) -> bool:
    """Tell whether a JPEG has its end (ITU T.81 B.2.1); padding or a motion photo's video may follow it."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xD9:
            return True
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xDA:  # a scan's data end where a marker stands that is neither stuffing nor a restart
            following = _SCAN_END.search(data, at)
            if following is None:
                return False
            at = following.start()
    return data[at : at + 2] == b"\xff\xd9"


def _jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return int(width), int(height)
        alone = marker == 0x01 or 0xD0 <= marker <= 0xD8
        at += 2 if alone else 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return 0, 0


def _tags_of(stream: BinaryIO) -> dict[int, int]:
    """Tags of a TIFF's first directory with the first number of each; BigTIFF: libtiff's specification."""
    stream.seek(0)
    order, big = _TIFF_ORDERS.get(stream.read(4), ("", False))
    if not order:
        return {}
    word, size = ("Q", 20) if big else ("I", 12)
    counted = "Q" if big else "H"
    found: dict[int, int] = {}
    try:
        stream.seek(8 if big else 4)
        (at,) = struct.unpack(order + word, stream.read(struct.calcsize(word)))
        stream.seek(at)
        (count,) = struct.unpack(order + counted, stream.read(struct.calcsize(counted)))
        entries = stream.read(size * min(count, _TIFF_TAGS))
        for place in range(0, len(entries) - size + 1, size):
            tag, kind = struct.unpack_from(order + "HH", entries, place)
            value = 0
            if kind in _TIFF_TYPES:
                (value,) = struct.unpack_from(order + _TIFF_TYPES[kind], entries, place + size - struct.calcsize(word))
            found.setdefault(tag, int(value))
    except (struct.error, OSError, OverflowError, ValueError):  # it ends within its header, or points nowhere
        pass
    return found


def _exif_of_jpeg(data: bytes) -> bytes:
    at = 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:  # fill byte
            at += 1
            continue
        size = int(struct.unpack_from(">H", data, at + 2)[0])
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 10 : at + 2 + size]
        at += 2 + size
    return b""


def _exif_of_png(data: bytes) -> bytes:
    at = 8
    while True:
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"eXIf":
            return data[at + 8 : at + 8 + size]
        if name == b"IEND":
            return b""
        at += 12 + size


_EXIF_OF = {"JPEG": _exif_of_jpeg, "PNG": _exif_of_png}


def _bmp(data: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return int(width), abs(int(height))


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return int(width) & 0x3FFF, int(height) & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (int(bits) & 0x3FFF), 1 + (int(bits) >> 14 & 0x3FFF)
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
        return 1 + width, 1 + height
    return 0, 0
