"""One MCAP file: written as `NAME.part`, renamed when it is complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from mcap.well_known import MessageEncoding, SchemaEncoding
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from mcap_protobuf.schema import register_schema

from edge.blackbox.records import Topic
from edge.blackbox.views import Viewed

PART = ".part"
CHUNK_BYTES = 512 * 1024
"""Size of a chunk, the most that a crash of the program can lose."""

_SCHEMAS = {
    Topic.START: "touchdown.Start",
    Topic.STEP: "touchdown.Step",
    Topic.TICK: "touchdown.Tick",
    Topic.EVENT: "touchdown.Event",
}


class Segment:
    """An open file. One thread uses it.

    Args:
        path: Its name when it is complete.
        first_ns: Monotonic time of its beginning.
        utc_offset_ns: From monotonic time to the file's times.

    Attributes:
        path: As given.
        first_ns, last_ns: Monotonic times of the first and the newest message.

    Raises:
        OSError: It cannot be created.
    """

    def __init__(self, path: Path, first_ns: int, utc_offset_ns: int) -> None:
        self.path = path
        self.first_ns = self.last_ns = first_ns
        self._utc_offset_ns = utc_offset_ns
        self._part = path.with_name(path.name + PART)
        self._stream: IO[bytes] = self._part.open("wb")
        self._writer = McapWriter(self._stream, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile="", library="touchdown")
        self._channels: dict[str, int] = {}
        self._counts: dict[str, int] = {}

    def utc_ns(self, at_ns: int) -> int:
        """The file's time of a monotonic time."""
        return at_ns + self._utc_offset_ns

    def record(self, topic: Topic, data: bytes, at_ns: int) -> None:
        """Writes bytes for machines.

        Raises:
            OSError: The disk does not take them.
        """
        channel = self._channels.get(topic.value)
        if channel is None:
            channel = self._channels[topic.value] = self._open_channel(topic)
        self._add(channel, topic.value, data, at_ns)

    def show(self, topic: str, message: Viewed, at_ns: int) -> None:
        """Writes a message for people.

        Raises:
            OSError: The disk does not take it.
        """
        channel = self._channels.get(topic)
        if channel is None:
            schema = register_schema(self._writer, type(message))
            channel = self._writer.register_channel(topic, MessageEncoding.Protobuf, schema)
            self._channels[topic] = channel
        self._add(channel, topic, message.SerializeToString(), at_ns)

    def sync(self) -> None:
        """Has the disk keep what was written, for the battery may go in a crash of the vehicle.

        Raises:
            OSError: The disk does not take it.
        """
        self._stream.flush()
        os.fdatasync(self._stream.fileno())

    def finish(self) -> None:
        """Completes the file and gives it its name.

        Raises:
            OSError: The disk does not take the rest; the part stays.
        """
        try:
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._stream.flush()
            os.fsync(self._stream.fileno())
        finally:
            self._stream.close()
        self._part.rename(self.path)

    def abandon(self) -> None:
        """Lets go of a file that cannot be completed; what it holds stays as a part."""
        # Closing flushes what Python still holds, which the disk may refuse once more.
        try:
            self._stream.close()
        except OSError:
            return

    def _open_channel(self, topic: Topic) -> int:
        name = _SCHEMAS.get(topic)
        if name is None:  # bytes of their own format
            return self._writer.register_channel(topic.value, "application/octet-stream", 0)
        schema = self._writer.register_schema(name, SchemaEncoding.JSONSchema, b'{"type":"object"}')
        return self._writer.register_channel(topic.value, MessageEncoding.JSON, schema)

    def _add(self, channel: int, topic: str, data: bytes, at_ns: int) -> None:
        count = self._counts[topic] = self._counts.get(topic, 0) + 1
        utc_ns = self.utc_ns(at_ns)
        self._writer.add_message(channel_id=channel, log_time=utc_ns, data=data, publish_time=utc_ns, sequence=count)
        self.last_ns = max(self.last_ns, at_ns)
