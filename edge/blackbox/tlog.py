"""The MAVLink of a recording as a telemetry log, which ground stations and MAVExplorer open."""

from __future__ import annotations

import struct
from pathlib import Path

from edge.blackbox.recording import Recording
from edge.blackbox.records import Topic
from edge.exact import RecordingError
from landing.reading import open_for_writing


def write_tlog(recording: Recording, path: Path) -> int:
    """Writes every frame of both directions, each after its time (big-endian us since 1970).

    Returns:
        How many frames.

    Raises:
        RecordingError: The recording cannot be read, or the file not written.
    """
    count = 0
    with open_for_writing(path, "telemetry log", RecordingError) as stream:
        for entry in recording.entries(Topic.RECEIVED.value, Topic.SENT.value):
            utc_us = (entry.at_ns + recording.start.utc_offset_ns) // 1000
            stream.write(struct.pack(">Q", utc_us) + entry.data)
            count += 1
    return count
