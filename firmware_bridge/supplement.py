"""Messages of MAVLink's common set that the dialect at hand lacks, or has without its extensions.

pymavlink generates its dialects from ArduPilot's copy of the definitions, which leaves out component metadata and the
addressees of TIMESYNC. They are only sent from here; what comes of them is read by `timesync_addressee`. Layouts and
CRC_EXTRA: https://mavlink.io/en/messages/common.html.
"""

from __future__ import annotations

import struct
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import MARKER_V2

MSG_ID_PROTOCOL_VERSION = 300
MSG_ID_COMPONENT_INFORMATION_BASIC = 396
MSG_ID_COMPONENT_METADATA = 397

_TIMESYNC_SIZE = 16


class _Supplement(mavlink.MAVLink_message):  # type: ignore[misc]  # pymavlink has no types
    """A message with its payload ready to be framed."""

    def __init__(self, message_id: int, name: str, crc_extra: int, payload: bytes) -> None:
        mavlink.MAVLink_message.__init__(self, message_id, name)
        self._extra = crc_extra
        self._body = payload

    def pack(self, mav: mavlink.MAVLink, force_mavlink1: bool = False) -> bytes:
        """The frame, signed when the packer is set to sign."""
        if force_mavlink1:
            raise ValueError(f"{self.get_type()} does not fit into a MAVLink 1 frame")
        frame: bytes = self._pack(mav, self._extra, self._body)
        return frame


def protocol_version() -> Any:
    """PROTOCOL_VERSION: MAVLink 2 is spoken, 1 and 2 are heard."""
    payload = struct.pack("<HHH8s8s", 200, 100, 200, b"", b"")
    return _Supplement(MSG_ID_PROTOCOL_VERSION, "PROTOCOL_VERSION", 217, payload)


def component_metadata(boot_ms: int, uri: str, crc32: int) -> Any:
    """COMPONENT_METADATA: where the general metadata file is.

    `uri` is a MAVLink FTP address of at most 99 bytes, `crc32` MAVLink's CRC-32 of the file.
    """
    payload = struct.pack("<II100s", boot_ms & 0xFFFFFFFF, crc32, uri.encode("ascii")[:99])
    return _Supplement(MSG_ID_COMPONENT_METADATA, "COMPONENT_METADATA", 182, payload)


def component_information_basic(
    boot_ms: int, capabilities: int, vendor: str, model: str, version: str, serial: str
) -> Any:
    """COMPONENT_INFORMATION_BASIC: who made this component, and which version it is."""
    payload = struct.pack(
        "<QII32s32s24s24s32s",
        capabilities,
        boot_ms & 0xFFFFFFFF,
        0,
        _text(vendor, 31),
        _text(model, 31),
        _text(version, 23),
        b"",
        _text(serial, 31),
    )
    name = "COMPONENT_INFORMATION_BASIC"
    return _Supplement(MSG_ID_COMPONENT_INFORMATION_BASIC, name, 50, payload)


def timesync(tc1_ns: int, ts1_ns: int, system: int, component: int) -> Any:
    """Return a TIMESYNC with its addressee (0: all); a tc1 of 0 asks, an answer mirrors ts1."""
    payload = struct.pack("<qqBB", tc1_ns, ts1_ns, system, component)
    return _Supplement(mavlink.MAVLINK_MSG_ID_TIMESYNC, "TIMESYNC", 34, payload)


def timesync_addressee(raw: bytes) -> tuple[int, int]:
    """System and component that a TIMESYNC frame is for; zeros when it does not say."""
    if raw[0] != MARKER_V2:
        return 0, 0
    extension = raw[10 + _TIMESYNC_SIZE : 10 + raw[1]].ljust(2, b"\0")
    return extension[0], extension[1]


def _text(text: str, limit: int) -> bytes:
    return text.encode("ascii", "replace")[:limit]
