"""Compressed parts of a ROS 2 bag, unpacked to a bound: a few bytes can stand for more than the memory or disk holds.

`rosbags` unpacks whatever a part gives. Chunks of an `.mcap` go through our functions in its table of decompressors,
single messages are unpacked here, and files that are compressed as a whole are measured before it unpacks them to the
temporary folder.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import lz4.frame
import zstandard

MOST_PART_BYTES = 256 << 20
"""Of a chunk or a message: some eighty frames of 1080p, or two of 40 megapixels."""

WINDOW_BYTES = 128 << 20
SHARE_OF_DISK = 0.8
"""Of what is free in the temporary folder, for files that are unpacked whole."""

PIECE_BYTES = 1 << 20
_SKIPPED = b"\x2a\x4d\x18"  # after 0x50 to 0x5f: a frame without content


def bound_chunks() -> None:
    """Have rosbags unpack chunks of an `.mcap` by `unpacked_chunk` and `unpacked_lz4_chunk`."""
    from rosbags.rosbag2 import storage_mcap

    storage_mcap.DECOMPRESSORS.update(zstd=unpacked_chunk, lz4=unpacked_lz4_chunk)


def unpacked_chunk(data: bytes, size: int) -> bytes:
    """Unpack a chunk.

    Args:
        data: zstd frames.
        size: What the chunk says it unpacks to, bytes.

    Raises:
        ValueError: It says more than `MOST_PART_BYTES`, unpacks to more than it says, or is damaged.
    """
    return unpacked(data, _within(size))


def unpacked_lz4_chunk(data: bytes, size: int) -> bytes:
    """Unpack a chunk of LZ4, as `unpacked_chunk` does one of zstd."""
    try:
        raw = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=_within(size) + 1)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if len(raw) > size:
        raise ValueError(f"a part unpacks to more than the {size} bytes that it says")
    return bytes(raw)


def unpacked_message(data: bytes) -> bytes:
    """Unpack a message that is compressed by itself.

    Raises:
        ValueError: It unpacks to more than `MOST_PART_BYTES`, or is damaged.
    """
    return unpacked(data, MOST_PART_BYTES)


def unpacked(data: bytes, most_bytes: int) -> bytes:
    """Unpack zstd frames.

    Raises:
        ValueError: They hold more than `most_bytes`, or are damaged.
    """
    parts, total = [], 0
    for piece in _pieces(io.BytesIO(data)):
        total += len(piece)
        if total > most_bytes:
            raise ValueError(f"a part unpacks to more than {most_bytes} bytes")
        parts.append(piece)
    return b"".join(parts)


def require_room(folder: Path) -> None:
    """Refuse a bag whose files are compressed as a whole and do not fit on the disk.

    Args:
        folder: Of the bag.

    Raises:
        ValueError: They do not, or are damaged.
        OSError: One of them cannot be read.
    """
    place = Path(tempfile.gettempdir())
    left = int(SHARE_OF_DISK * shutil.disk_usage(place).free)
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            start = stream.peek(4)[:4]
            if start != zstandard.FRAME_HEADER and start[1:] != _SKIPPED:
                continue
            for piece in _pieces(stream):
                left -= len(piece)
                if left < 0:
                    raise ValueError(f"its files unpack to more than {place} has room for; set TMPDIR elsewhere")


def _within(size: int) -> int:
    if not 0 <= size <= MOST_PART_BYTES:
        raise ValueError(f"a part says that it unpacks to {size} bytes, at most {MOST_PART_BYTES} expected")
    return size


def _pieces(stream: IO[bytes]) -> Iterator[Any]:
    try:
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
        with decompressor.stream_reader(stream, read_across_frames=True, closefd=False) as reader:
            while piece := reader.read(PIECE_BYTES):
                yield piece
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
