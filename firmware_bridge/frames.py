"""MAVLink frames out of a stream of bytes, whatever the bytes are.

pymavlink's own parser trusts the length byte: one flipped bit that looks like a frame's start swallows up to 280 bytes,
good frames included. Here a candidate that fails its checksum costs one byte, and the search goes on right behind it.
"""

from __future__ import annotations

import itertools
import struct
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from firmware_bridge.dialect import mavlink
from firmware_bridge.transport import Peer

MARKER_V1 = 0xFE
MARKER_V2 = 0xFD
_HEADER_V1 = 6
_HEADER_V2 = 10
_SIGNED = 0x01
_SIGNATURE = 13
_CRC = 2
_HEADER = struct.Struct("<BBBBBBHB")  # MAVLink 2 header behind the marker


def checksum(data: bytes, crc_extra: int) -> int:
    """CRC-16/MCRF4XX of the bytes after the marker and the message's CRC_EXTRA byte.

    pymavlink's own, which is compiled where fastcrc has a wheel: one hostile byte can ask for the sum of 260, and in
    pure Python 40 kB/s of such bytes are a whole core.
    """
    compiled = mavlink.mcrf4xx
    data += bytes((crc_extra,))
    crc: int = mavlink.x25crc(data).crc if compiled is None else compiled(data, 0xFFFF)
    return crc


@cache
def _layout(kind: Any) -> tuple[tuple[int, int], ...]:
    """First element and number of elements of each field of a message class in its unpacked payload."""
    first = list(itertools.accumulate(kind.lengths, initial=0))
    return tuple((first[order], kind.lengths[order]) for order in kind.orders)


@cache
def _numbers(kind: Any) -> Any:
    """Take the fields from the unpacked payload of a message class; None where one is a text or an array."""
    if "char" in kind.fieldtypes or set(kind.lengths) != {1} or len(kind.orders) < 2:
        return None
    return itemgetter(*kind.orders)


@cache
def _wire(kind: Any) -> tuple[tuple[str, int], ...]:
    """Attribute and number of elements of each field of a message class, in the order of the payload."""
    texts = {
        name
        for name, type_, order in zip(kind.fieldnames, kind.fieldtypes, kind.orders, strict=True)
        if type_ == "char" and kind.array_lengths[order]
    }
    names = (f"_{name}_raw" if name in texts else name for name in kind.ordered_fieldnames)
    return tuple(zip(names, kind.lengths, strict=True))


@cache
def _scalars(kind: Any) -> Any:
    """Read the fields of a message class in the order of the payload; None where one is an array."""
    wire = _wire(kind)
    if len(wire) < 2 or any(length != 1 for _, length in wire):
        return None
    return attrgetter(*(name for name, _ in wire))


def packed(message: Any, system: int, component: int, sequence: int) -> bytes:
    """The MAVLink 2 frame of a message, unsigned: the bytes of pymavlink's `pack`, some three times as fast."""
    kind: Any = type(message)
    scalars = _scalars(kind)
    full: bytes = kind.unpacker.pack(*(_elements(message, kind) if scalars is None else scalars(message)))
    payload = full.rstrip(b"\0") or full[:1]  # trailing zeros are left out, but for one byte
    number = kind.id
    head = _HEADER.pack(len(payload), 0, 0, sequence, system, component, number & 0xFFFF, number >> 16)
    body = head + payload
    return b"\xfd" + body + checksum(body, kind.crc_extra).to_bytes(2, "little")


def _elements(message: Any, kind: Any) -> list[Any]:
    """The elements of a message's payload, those of arrays among them."""
    values: list[Any] = []
    for name, length in _wire(kind):
        value = getattr(message, name)
        if length == 1:
            values.append(value)
        else:
            values += value[:length]
    return values


def _decoded(raw: bytes, kind: Any) -> Any:
    """The message of a frame with a good checksum: what pymavlink's `decode` gives, which checks it once more."""
    v2 = raw[0] == MARKER_V2
    end = len(raw) - _CRC - (_SIGNATURE if v2 and raw[2] & _SIGNED else 0)
    size = kind.unpacker.size
    payload = raw[_HEADER_V2 if v2 else _HEADER_V1 : end]
    if len(payload) != size:
        payload = payload[:size].ljust(size, b"\0")
    elements = kind.unpacker.unpack(payload)
    numbers = _numbers(kind)
    message = kind(*(_fields(elements, kind) if numbers is None else numbers(elements)))
    message._msgbuf = buffer = bytearray(raw)
    message._payload = buffer[6:end]
    message._crc = raw[end] | raw[end + 1] << 8
    ids = (raw[1], *raw[4:7]) if v2 else raw[1:5]
    length, sequence, system, component = ids
    flags = (raw[2], raw[3]) if v2 else (0, 0)
    message._header = mavlink.MAVLink_header(kind.id, *flags, length, sequence, system, component)
    return message


def _fields(elements: tuple[Any, ...], kind: Any) -> list[Any]:
    """The fields of an unpacked payload, texts and arrays among them."""
    values: list[Any] = []
    for first, length in _layout(kind):
        value = elements[first]
        if isinstance(value, bytes):
            values.append(value.rstrip(b"\0"))
        else:
            values.append(value if length == 1 else list(elements[first : first + length]))
    return values


class ReceivedFrame(NamedTuple):
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
        while at < len(buffer):
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
            frames.append(ReceivedFrame(raw, _decoded(raw, kind), self._peer))
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
