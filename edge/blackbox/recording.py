"""Reads recordings: one file, several, or the folder of a flight, in the order of time.

A file that a crash cut short is read as far as it goes.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from google.protobuf.message import DecodeError
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, McapRecord, Message
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import MCAP0_MAGIC

from edge.blackbox import views
from edge.blackbox.records import Start, Topic, start_from
from edge.blackbox.ring import SUFFIX
from edge.blackbox.segment import PART
from edge.cameras.bag_unpacking import unpacked_chunk, unpacked_lz4_chunk
from edge.exact import RecordingError
from landing.progress import Progress
from landing.reading import is_folder, open_file, require_file

MAX_RECORD_BYTES = 256_000_000
"""A length beyond it is damage, not data."""
MEGABYTE = 1_000_000

_UNPACK = {"zstd": unpacked_chunk, "lz4": unpacked_lz4_chunk}


@dataclass(frozen=True)
class RecordedMessage:
    """One message.

    Attributes:
        topic: Channel.
        at_ns: Monotonic time of the daemon.
        data: As written.
    """

    topic: str
    at_ns: int
    data: bytes


class Recording:
    """A recording.

    Args:
        paths: Files, or folders of files.

    Attributes:
        start: What was recorded at the head of the first file.
        files: In the order of time, without those that were cut short before their first message.
        cut: For each file that could not be read to its end, a line that says so; filled while `entries` reads.

    Raises:
        RecordingError: There is nothing to read, or it is of another kind.
    """

    def __init__(self, *paths: Path) -> None:
        starts = {path: _start_of(path) for path in _files(paths)}
        heads = {path: start for path, start in starts.items() if start is not None}
        if not heads:
            raise RecordingError(
                f"{', '.join(map(str, paths))}: cut short before anything was written; the file "
                "before it holds the last that was recorded"
            )
        self.files = tuple(heads)
        self.cut: dict[Path, str] = {}
        boots = {start.boot for start in heads.values()}
        if len(boots) > 1:
            raise RecordingError(
                f"{', '.join(map(str, paths))} holds {len(boots)} runs of the daemon "
                f"({', '.join(sorted(boots))}), whose clocks have nothing in common; name the "
                "files of one"
            )
        self.start = heads[self.files[0]]

    def entries(self, *topics: str, title: str = "reading") -> Iterator[RecordedMessage]:
        """The messages, of all topics or of some, in the order in which they were written.

        Progress is shown under `title`.

        Raises:
            RecordingError: A file cannot be opened.
        """
        total_mb = sum(path.stat().st_size // MEGABYTE for path in self.files)
        with Progress(f"{title}, MB", max(1, total_mb)) as progress:
            for path in self.files:
                reading = _read(path, self.start.utc_offset_ns, frozenset(topics), progress)
                read_bytes = yield from reading
                if read_bytes is not None:
                    whole_mb, read_mb = path.stat().st_size / MEGABYTE, read_bytes / MEGABYTE
                    self.cut[path] = (
                        f"{path} is cut short or damaged at {read_mb:.1f} of {whole_mb:.1f} MB: no more is read"
                    )


def picture_of(entry: RecordedMessage) -> bytes:
    """The JPEG or PNG file in a picture's message.

    Raises:
        RecordingError: It is none.
    """
    if entry.topic not in (views.PICTURE, views.MASKS):
        raise RecordingError(f"{entry.topic} holds no picture")
    try:
        return bytes(CompressedImage.FromString(entry.data).data)
    except DecodeError as error:
        raise RecordingError(f"a picture of {entry.topic} cannot be read: {error}") from error


def _files(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    found: list[Path] = []
    for path in paths:
        if is_folder(path):
            found += sorted(p for p in path.iterdir() if p.name.endswith((SUFFIX, SUFFIX + PART)))
        else:
            remedy = f"expected an {SUFFIX} file or a folder of them"
            require_file(path, "recording", RecordingError, remedy=remedy)
            found.append(path)
    if not found:
        raise RecordingError(f"{', '.join(map(str, paths))} holds no {SUFFIX} file")
    return tuple(found)


def _start_of(path: Path) -> Start | None:
    """Read the `Start` of a file; None when the daemon was killed before it reached the disk."""
    try:
        first = next(_read(path, 0, frozenset()), None)
    except RecordingError:
        if path.is_file() and _is_cut_at_its_head(path):
            return None
        raise
    if first is None:
        return None
    if first.topic != Topic.START.value:
        raise RecordingError(
            f"{path} is no recording of touchdown: it does not begin with a start; of a ROS 2 bag "
            "`touchdown edge record` makes one"
        )
    return start_from(first.data, str(path))


def _is_cut_at_its_head(path: Path) -> bool:
    """Tell whether an unreadable file is a prefix of MCAP's magic bytes."""
    try:
        with open_file(path, "recording", RecordingError) as stream:
            return MCAP0_MAGIC.startswith(stream.read(len(MCAP0_MAGIC)))
    except (RecordingError, OSError):
        return False


def _read(
    path: Path, utc_offset_ns: int, topics: frozenset[str], progress: Progress | None = None
) -> Generator[RecordedMessage, None, int | None]:
    """Give the messages; return where reading ended, bytes, in a file that goes on or lacks its end."""
    names: dict[int, str] = {}
    read_mb = at = 0
    try:
        with open_file(path, "recording", RecordingError) as stream:
            # Chunks are broken up here: the reader would unpack a few bytes to more than the memory holds.
            reader = StreamReader(stream, emit_chunks=True, validate_crcs=True, record_size_limit=MAX_RECORD_BYTES)
            for record in _whole(reader):
                if isinstance(record, Channel):
                    names[record.id] = record.topic
                elif isinstance(record, Message):
                    if progress is not None:
                        before_mb, read_mb = read_mb, stream.tell() // MEGABYTE
                        progress.step(read_mb - before_mb)
                    topic = names.get(record.channel_id, "")
                    if not topics or topic in topics:
                        yield RecordedMessage(topic, record.log_time - utc_offset_ns, record.data)
                at = stream.tell()
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error
    except (McapError, ValueError, struct.error) as error:
        if not names:
            raise RecordingError(f"{path} is not an MCAP file: {error}") from error
        return at  # The daemon was killed, or the power went, while it wrote: what is before that is good.
    return None


def _whole(reader: StreamReader) -> Iterator[McapRecord]:
    """Give the records of a file, those of its chunks after each is unpacked to a bound.

    Raises:
        ValueError: A chunk is damaged, or unpacks to more than it says or than is taken.
    """
    for record in reader.records:
        if not isinstance(record, Chunk):
            yield record
            continue
        unpack = _UNPACK.get(record.compression)
        if unpack is not None:
            data = unpack(record.data, record.uncompressed_size)
            if len(data) < record.uncompressed_size:
                raise ValueError("a chunk ends early")
            record = replace(record, data=data, compression="")
        yield from breakup_chunk(record, validate_crc=True)
