"""MAVLink frames out of a stream of bytes, whatever the bytes are.

pymavlink's own parser trusts the length byte: one flipped bit that looks like a frame's start swallows up to 280 bytes,
good frames included. Here a candidate that fails its checksum costs one byte, and the search goes on right behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.transport import Peer

MARKER_V1 = 0xFE
MARKER_V2 = 0xFD
_HEADER_V1 = 6
_HEADER_V2 = 10
_SIGNED = 0x01
_SIGNATURE = 13
_CRC = 2


def checksum(data: bytes, crc_extra: int) -> int:
    """CRC-16/MCRF4XX of the bytes after the marker and the message's CRC_EXTRA byte.

    pymavlink's own, which is compiled where fastcrc has a wheel: one hostile byte can ask for the sum of 260, and in
    pure Python 40 kB/s of such bytes are a whole core.
    """
    crc: int = mavlink.x25crc(data + bytes((crc_extra,))).crc
    return crc


@dataclass(frozen=True)
class ReceivedFrame:
    """One frame with a good checksum."""

    raw: bytes  # Its bytes as they came
    message: Any  # The decoded message of the dialect
    peer: Peer = None  # The sender at the other end of the connection


class FrameReader:
    """Collects bytes and gives back whole frames, MAVLink 1 and 2, signed or not.

    The checksum is verified; signatures are `signing`'s. Messages outside of the dialect cannot be checked and
    are skipped.

    Attributes:
        bytes_bad: Bytes that belonged to no good frame.
        unknown: Frames of messages the dialect does not know.
    """

    def __init__(self, peer: Peer = None) -> None:
        self._peer = peer
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
            if consumed == 0:
                break
            at += consumed
        del buffer[:at]
        return frames

    def _take(self, raw: bytes, buffer: bytearray, at: int, frames: list[ReceivedFrame]) -> int:
        """Judge one candidate; returns how many bytes to move on, 0 to wait for another byte."""
        v2 = raw[0] == MARKER_V2
        incompatible = v2 and raw[2] & ~_SIGNED
        kind = mavlink.mavlink_map.get(_message_id(raw))
        if incompatible:
            self.bytes_bad += 1
            return 1
        if kind is None:
            end = at + len(raw)
            if end == len(buffer):
                return 0  # what comes next tells whether it was a frame; nothing waits behind it
            if buffer[end] in (MARKER_V1, MARKER_V2) and not _good_inside(buffer, at + 1, end):
                self.unknown += 1
                return len(raw)
            self.bytes_bad += 1
            return 1
        if _is_good(raw, kind):
            try:
                message = self._decoder.decode(bytearray(raw))
            except mavlink.MAVError:
                message = None
            if message is not None:
                frames.append(ReceivedFrame(raw, message, self._peer))
                return len(raw)
        self.bytes_bad += 1
        return 1


def _is_good(raw: bytes, kind: Any) -> bool:
    """Return whether the checksum of a candidate is that of its message."""
    end = len(raw) - _CRC - (_SIGNATURE if raw[0] == MARKER_V2 and raw[2] & _SIGNED else 0)
    return checksum(raw[1:end], kind.crc_extra) == (raw[end] | raw[end + 1] << 8)


def _message_id(raw: bytes) -> int:
    return raw[7] | raw[8] << 8 | raw[9] << 16 if raw[0] == MARKER_V2 else raw[5]


def _good_inside(buffer: bytearray, at: int, end: int) -> bool:
    """Return whether a good frame begins in a stretch: then noise before it only looked like a frame."""
    while (at := _next_marker(buffer, at)) < end:
        size = _frame_size(buffer, at)
        if size is not None and at + size <= len(buffer):
            raw = bytes(buffer[at : at + size])
            kind = mavlink.mavlink_map.get(_message_id(raw))
            if kind is not None and _is_good(raw, kind):
                return True
        at += 1
    return False


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
