"""Log records to systemd's journal with their fields, so that `journalctl` can filter by them.

    journalctl -u touchdown-edge LOGGER=edge -p warning
    journalctl -u touchdown-edge TOUCHDOWN_EVENT=transition -o json

The journal's native protocol, in a few lines and without a library: one datagram a record
(systemd.io/JOURNAL_NATIVE_PROTOCOL). It never raises and never waits: a journal that does not listen costs a line on
standard error, not a frame.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import IO

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "touchdown-edge"

_MOST_BYTES = 32 * 1024
"""Of one field: a traceback fits, and a datagram stays below every limit of a socket."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def is_the_journal(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Tell whether a stream goes to the journal; systemd.exec(5) names its device and inode."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


class JournalHandler(logging.Handler):
    """Sends each record as one entry.

    Args:
        address: Of the journal's socket.
        fallback: Where a record goes that the journal does not take.
    """

    def __init__(self, address: str = SOCKET, fallback: IO[str] | None = None) -> None:
        super().__init__()
        self._address = address
        self._fallback = fallback if fallback is not None else sys.stderr
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._door.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        try:
            fields = fields_of(record, self.format(record))
        except (TypeError, ValueError):  # a message and arguments that do not fit each other
            self.handleError(record)
            return
        try:
            self._door.sendto(encoded(fields), self._address)
        except OSError:
            # The level in front is what SyslogLevelPrefix= reads.
            print(f"<{fields['PRIORITY']}>{fields['MESSAGE']}", file=self._fallback)

    def close(self) -> None:
        """See `logging.Handler`."""
        self._door.close()
        super().close()


def fields_of(record: logging.LogRecord, message: str) -> dict[str, str]:
    """The fields of an entry.

    Args:
        record: What was logged; its ``event``, if any, becomes ``TOUCHDOWN_EVENT``.
        message: Its text.
    """
    priority = next((p for level, p in _PRIORITIES if record.levelno >= level), 7)
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(priority),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": record.name,
        "THREAD_NAME": record.threadName or "",
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        "TOUCHDOWN_MONO_NS": str(time.monotonic_ns()),
    }
    event = getattr(record, "event", None)
    if event is not None:
        fields["TOUCHDOWN_EVENT"] = str(event)
    return fields


def encoded(fields: Mapping[str, str]) -> bytes:
    """One datagram: ``NAME=value`` a line, or the name, the length and the value."""
    parts: list[bytes] = []
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")[:_MOST_BYTES]
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)
