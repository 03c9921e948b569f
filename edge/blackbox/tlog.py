"""The MAVLink of a recording as a telemetry log, which ground stations and MAVExplorer open."""

from __future__ import annotations

import struct
from pathlib import Path

from edge.blackbox.flight import Flight
from edge.blackbox.records import Topic


def write_tlog(flight: Flight, path: Path) -> int:
    """Writes every frame of both directions, each after its time (big-endian us since 1970).

    Returns:
        How many frames.

    Raises:
        RecordingError: The recording cannot be read.
        OSError: The file cannot be written.
    """
    count = 0
    with path.open("wb") as stream:
        for entry in flight.entries(Topic.RECEIVED.value, Topic.SENT.value):
            utc_us = (entry.at_ns + flight.start.utc_offset_ns) // 1000
            stream.write(struct.pack(">Q", utc_us) + entry.data)
            count += 1
    return count
