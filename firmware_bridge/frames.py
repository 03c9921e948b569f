"""MAVLink frames out of a stream of bytes, whatever the bytes are.

pymavlink's own parser trusts the length byte: one flipped bit that looks like a frame's start
swallows up to 280 bytes, good frames included. Here a candidate that fails its checksum costs one
byte, and the search goes on right behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from firmware_bridge.dialect import mavlink

MARKER_V1 = 0xFE
MARKER_V2 = 0xFD
_HEADER_V1 = 6
_HEADER_V2 = 10
_SIGNED = 0x01
_SIGNATURE = 13
_CRC = 2


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8408 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def checksum(data: bytes, crc_extra: int) -> int:
    """CRC-16/MCRF4XX of the bytes after the marker and the message's CRC_EXTRA byte."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return (crc >> 8) ^ _TABLE[(crc ^ crc_extra) & 0xFF]


@dataclass(frozen=True)
class ReceivedFrame:
    """One frame with a good checksum.

    Attributes:
        raw: Its bytes as they came.
        message: The decoded message of the dialect.
    """

    raw: bytes
    message: Any


class FrameReader:
    """Collects bytes and gives back whole frames, MAVLink 1 and 2, signed or not.

    Signatures are not verified (no key is kept); the checksum is. Messages that the dialect does
    not know cannot be checked and are skipped, counted in ``unknown``.

    Attributes:
        bytes_received: All bytes fed in.
        bytes_bad: Bytes that belonged to no good frame.
        unknown: Frames of messages the dialect does not know.
    """

    def __init__(self) -> None:
        self.bytes_received = 0
        self.bytes_bad = 0
        self.unknown = 0
        self._buffer = bytearray()
        self._decoder = mavlink.MAVLink(None)

    def clear(self) -> None:
        """Drop a half-received frame, as after a reconnect. The counters stay."""
        self.bytes_bad += len(self._buffer)
        self._buffer.clear()

    def feed(self, data: bytes) -> list[ReceivedFrame]:
        """Add bytes and return the frames they complete. Never raises, whatever the bytes."""
        self.bytes_received += len(data)
        buffer = self._buffer
        buffer += data
        frames: list[ReceivedFrame] = []
        at = 0
        while True:
            start = _next_marker(buffer, at)
            self.bytes_bad += start - at
            at = start
            size = _frame_size(buffer, at)
            if size is None or at + size > len(buffer):
                break
            consumed = self._take(bytes(buffer[at : at + size]), buffer, at, frames)
            at += consumed
        del buffer[:at]
        return frames

    def _take(self, raw: bytes, buffer: bytearray, at: int, frames: list[ReceivedFrame]) -> int:
        """Judge one candidate; returns how many bytes to move on."""
        v2 = raw[0] == MARKER_V2
        incompatible = v2 and raw[2] & ~_SIGNED
        message_id = raw[7] | raw[8] << 8 | raw[9] << 16 if v2 else raw[5]
        kind = mavlink.mavlink_map.get(message_id)
        if incompatible:
            self.bytes_bad += 1
            return 1
        if kind is None:
            end = at + len(raw)
            if end == len(buffer) or buffer[end] in (MARKER_V1, MARKER_V2):
                self.unknown += 1
                return len(raw)
            self.bytes_bad += 1
            return 1
        tail = _CRC + (_SIGNATURE if v2 and raw[2] & _SIGNED else 0)
        end = len(raw) - tail
        expected = raw[end] | raw[end + 1] << 8
        if checksum(raw[1:end], kind.crc_extra) == expected:
            try:
                message = self._decoder.decode(bytearray(raw))
            except mavlink.MAVError:
                message = None
            if message is not None:
                frames.append(ReceivedFrame(raw, message))
                return len(raw)
        self.bytes_bad += 1
        return 1


def _next_marker(buffer: bytearray, at: int) -> int:
    for index in range(at, len(buffer)):
        if buffer[index] in (MARKER_V1, MARKER_V2):
            return index
    return len(buffer)


def _frame_size(buffer: bytearray, at: int) -> int | None:
    if len(buffer) - at < 3:
        return None
    length = buffer[at + 1]
    if buffer[at] == MARKER_V1:
        return _HEADER_V1 + length + _CRC
    return _HEADER_V2 + length + _CRC + (_SIGNATURE if buffer[at + 2] & _SIGNED else 0)
