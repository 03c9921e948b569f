"""What goes over a connection, as a capture file that Wireshark opens.

Every MAVLink frame becomes a UDP datagram between two made-up addresses on port 14550, whatever the connection really
is, so that Wireshark's MAVLink dissector (made by ``mavgen --lang=WLua``) finds it by itself. Times are our monotonic
clock's, so the capture starts at the computer's boot in 1970.

Formats: https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap, RFC 791, RFC 768.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from landing.errors import LinkError
from landing.reading import MODEL_BYTES, open_for_writing, read_bytes

PORT = 14_550
AUTOPILOT_IP = bytes((10, 0, 0, 1))
COMPANION_IP = bytes((10, 0, 0, 2))
NS_PER_S = 1_000_000_000

_MAGIC_NS = 0xA1B23C4D
_LINKTYPE_RAW = 101
_SNAPLEN = 65_535
_FILE_HEADER = struct.Struct("<IHHiIII")
_PACKET_HEADER = struct.Struct("<IIII")
_IP_HEADER = struct.Struct(">BBHHHBBH4s4s")
_UDP_HEADER = struct.Struct(">HHHH")
_UDP_PROTOCOL = 17


@dataclass(frozen=True)
class CapturedFrame:
    """One frame of a capture.

    Attributes:
        direction: ``"rx"`` from the autopilot, ``"tx"`` from us.
        at_ns: Monotonic time.
        raw: Its bytes.
    """

    direction: str
    at_ns: int
    raw: bytes


class PcapWriter:
    """Writes one file; an observer of a `firmware_bridge.channel.Channel`.

    Args:
        path: Replaced when it exists.

    Raises:
        LinkError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = open_for_writing(path, "capture", LinkError)
        self._file.write(_FILE_HEADER.pack(_MAGIC_NS, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_RAW))
        self._number = 0

    def __enter__(self) -> PcapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def on_frame(self, direction: str, at_ns: int, frame: bytes) -> None:
        """Appends a frame; buffered, so it does not wait for the disk.

        Raises:
            OSError: The disk is full.
            ValueError: The file is closed.
        """
        packet = _datagram(direction, frame, self._number)
        self._number = (self._number + 1) & 0xFFFF
        seconds, rest_ns = divmod(at_ns, NS_PER_S)
        size = len(packet)
        self._file.write(_PACKET_HEADER.pack(seconds, rest_ns, size, size) + packet)


def read_pcap(path: Path) -> Iterator[CapturedFrame]:
    """The frames of a file of `PcapWriter`; one that was cut in a packet ends before it.

    Raises:
        LinkError: It is none of its files.
    """
    data = read_bytes(path, "capture", LinkError, MODEL_BYTES)
    if len(data) < _FILE_HEADER.size or _FILE_HEADER.unpack_from(data)[0] != _MAGIC_NS:
        raise LinkError(f"capture {path}: is not one that Touchdown has written")
    at = _FILE_HEADER.size
    while at + _PACKET_HEADER.size <= len(data):
        seconds, rest_ns, size, _ = _PACKET_HEADER.unpack_from(data, at)
        at += _PACKET_HEADER.size
        packet = data[at : at + size]
        at += size
        if len(packet) < size:
            return
        direction = "rx" if packet[12:16] == AUTOPILOT_IP else "tx"
        raw = packet[_IP_HEADER.size + _UDP_HEADER.size :]
        yield CapturedFrame(direction, seconds * NS_PER_S + rest_ns, raw)


def _datagram(direction: str, frame: bytes, number: int) -> bytes:
    """An IPv4 packet with the frame in a UDP datagram."""
    source, target = AUTOPILOT_IP, COMPANION_IP
    if direction == "tx":
        source, target = target, source
    udp_size = _UDP_HEADER.size + len(frame)
    pseudo = source + target + struct.pack(">BBH", 0, _UDP_PROTOCOL, udp_size)
    udp = _UDP_HEADER.pack(PORT, PORT, udp_size, 0)
    # A sum of 0 means "none" in UDP, so it is sent as its other form.
    udp = _UDP_HEADER.pack(PORT, PORT, udp_size, _internet_sum(pseudo + udp + frame) or 0xFFFF)
    fields = (0x45, 0, _IP_HEADER.size + udp_size, number, 0, 64, _UDP_PROTOCOL)
    header_sum = _internet_sum(_IP_HEADER.pack(*fields, 0, source, target))
    return _IP_HEADER.pack(*fields, header_sum, source, target) + udp + frame


def _internet_sum(data: bytes) -> int:
    """RFC 1071: the complement of the sum of 16-bit words in ones' complement."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
