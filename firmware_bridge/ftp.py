"""MAVLink FTP, read only, of a few files held in memory. Pure.

https://mavlink.io/en/services/ftp.html. Nothing of the computer's disk can be reached through it: a name is looked up
in a mapping, never in a file system.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

PAYLOAD_BYTES = 251
DATA_BYTES = 239
MAX_SESSIONS = 4
BURST_CHUNKS = 16
_HEADER = struct.Struct("<HBBBBBxI")


class Opcode(IntEnum):
    """Requests, and the two kinds of answer."""

    NONE = 0
    TERMINATE_SESSION = 1
    RESET_SESSIONS = 2
    LIST_DIRECTORY = 3
    OPEN_FILE_RO = 4
    READ_FILE = 5
    CREATE_FILE = 6
    RENAME = 13  # The numbers between are other ways to write
    CALC_FILE_CRC32 = 14
    BURST_READ_FILE = 15
    ACK = 128
    NAK = 129


class FtpError(IntEnum):
    """Reason of a refusal."""

    INVALID_DATA_SIZE = 3
    INVALID_SESSION = 4
    END_OF_FILE = 6
    UNKNOWN_COMMAND = 7
    FILE_PROTECTED = 9
    FILE_NOT_FOUND = 10


_WRITING = range(Opcode.CREATE_FILE, Opcode.RENAME + 1)


def crc32(data: bytes) -> int:
    """MAVLink's CRC-32: the usual polynomial, started from 0 and not inverted at the end."""
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


@dataclass(frozen=True)
class FtpPacket:
    """The payload of a FILE_TRANSFER_PROTOCOL message."""

    sequence: int  # Number of the packet; an answer carries the next one
    session: int  # Id of an open file
    opcode: int  # A request, or ACK or NAK
    size: int  # Bytes of data, or of what is asked for
    asked: int  # In an answer, the opcode that is answered
    burst_complete: int  # In an answer to a burst, whether it is the last one
    offset: int  # In the file, or in the list
    data: bytes = b""  # At most 239 bytes

    @classmethod
    def parse(cls, payload: bytes) -> FtpPacket:
        """Read a payload of 251 bytes."""
        sequence, session, opcode, size, asked, complete, offset = _HEADER.unpack_from(payload)
        data = payload[_HEADER.size : PAYLOAD_BYTES]
        return cls(sequence, session, opcode, size, asked, complete, offset, data)

    def pack(self) -> bytes:
        """The 251 bytes of the payload."""
        header = _HEADER.pack(
            self.sequence & 0xFFFF, self.session, self.opcode, self.size, self.asked, self.burst_complete, self.offset
        )
        return (header + self.data).ljust(PAYLOAD_BYTES, b"\0")


class FtpServer:
    """Answers the packets of any number of clients; they share the sessions."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self._sessions: dict[int, bytes] = {}
        self._next_session = 0

    def answer(self, payload: bytes) -> list[bytes]:
        """The payloads to send back for one that came."""
        ask = FtpPacket.parse(payload.ljust(PAYLOAD_BYTES, b"\0"))
        if ask.size > DATA_BYTES:
            return [_nak(ask, FtpError.INVALID_DATA_SIZE)]
        if ask.opcode in (Opcode.NONE, Opcode.TERMINATE_SESSION, Opcode.RESET_SESSIONS):
            return [self._end(ask)]
        if ask.opcode == Opcode.LIST_DIRECTORY:
            return [self._list(ask)]
        if ask.opcode == Opcode.OPEN_FILE_RO:
            return [self._open(ask)]
        if ask.opcode == Opcode.CALC_FILE_CRC32:
            content = self._files.get(_path(ask))
            if content is None:
                return [_nak(ask, FtpError.FILE_NOT_FOUND)]
            return [_ack(ask, struct.pack("<I", crc32(content)))]
        if ask.opcode in (Opcode.READ_FILE, Opcode.BURST_READ_FILE):
            return self._read(ask)
        if ask.opcode in _WRITING:
            return [_nak(ask, FtpError.FILE_PROTECTED)]
        return [_nak(ask, FtpError.UNKNOWN_COMMAND)]

    def _end(self, ask: FtpPacket) -> bytes:
        if ask.opcode == Opcode.RESET_SESSIONS:
            self._sessions.clear()
        elif ask.opcode == Opcode.TERMINATE_SESSION:
            if ask.session not in self._sessions:
                return _nak(ask, FtpError.INVALID_SESSION)
            del self._sessions[ask.session]
        return _ack(ask)

    def _list(self, ask: FtpPacket) -> bytes:
        if _path(ask):
            return _nak(ask, FtpError.FILE_NOT_FOUND)
        entries = [f"F{name}\t{len(content)}\0" for name, content in self._files.items()]
        data = b""
        for entry in entries[ask.offset :]:
            if len(data) + len(entry) > DATA_BYTES:
                break
            data += entry.encode("ascii")
        return _ack(ask, data) if data else _nak(ask, FtpError.END_OF_FILE)

    def _open(self, ask: FtpPacket) -> bytes:
        content = self._files.get(_path(ask))
        if content is None:
            return _nak(ask, FtpError.FILE_NOT_FOUND)
        # The oldest session gives way: a client that vanished must not lock out the next.
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session, self._next_session = self._next_session, (self._next_session + 1) % 256
        self._sessions[session] = content
        return _ack(ask, struct.pack("<I", len(content)), session=session)

    def _read(self, ask: FtpPacket) -> list[bytes]:
        content = self._sessions.get(ask.session)
        if content is None:
            return [_nak(ask, FtpError.INVALID_SESSION)]
        if ask.offset >= len(content):
            return [_nak(ask, FtpError.END_OF_FILE)]
        size = ask.size or DATA_BYTES
        if ask.opcode == Opcode.READ_FILE:
            return [_ack(ask, content[ask.offset : ask.offset + size], offset=ask.offset)]
        starts = range(ask.offset, len(content), size)[:BURST_CHUNKS]
        return [
            _ack(ask, content[start : start + size], offset=start, after=number, burst_complete=start == starts[-1])
            for number, start in enumerate(starts)
        ]


def _path(ask: FtpPacket) -> str:
    return ask.data[: ask.size].partition(b"\0")[0].decode("ascii", "replace").strip("/")


def _ack(
    ask: FtpPacket,
    data: bytes = b"",
    *,
    session: int | None = None,
    offset: int = 0,
    after: int = 0,
    burst_complete: bool = False,
) -> bytes:
    session = ask.session if session is None else session
    after += ask.sequence + 1
    return FtpPacket(after, session, Opcode.ACK, len(data), ask.opcode, int(burst_complete), offset, data).pack()


def _nak(ask: FtpPacket, error: FtpError) -> bytes:
    return FtpPacket(ask.sequence + 1, ask.session, Opcode.NAK, 1, ask.opcode, 0, ask.offset, bytes([error])).pack()
