"""Our own description: versions, capabilities, and the address of our metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.ftp import crc32
from firmware_bridge.metadata import GENERAL, uri_of
from firmware_bridge.requests import MessageSource
from firmware_bridge.supplement import (
    MSG_ID_COMPONENT_INFORMATION_BASIC,
    MSG_ID_COMPONENT_METADATA,
    MSG_ID_PROTOCOL_VERSION,
    component_information_basic,
    component_metadata,
    protocol_version,
)
from landing.distribution import VERSION
from landing.vehicle import Autopilot

NS_PER_MS = 1_000_000
VENDOR = "Touchdown"
MODEL = "Touchdown landing companion"
MACHINE_ID = Path("/etc/machine-id")
_RELEASE = 255
_DEVELOPMENT = 0

OLDER_COMMANDS: dict[int, int] = {
    mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES: mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION,
    519: MSG_ID_PROTOCOL_VERSION,  # MAV_CMD_REQUEST_PROTOCOL_VERSION, not in the dialect
}


def packed_version(version: str) -> int:
    """AUTOPILOT_VERSION's form: major, minor, patch and kind of release, a byte each."""
    numbers = [0, 0, 0]
    release = _RELEASE
    for place, part in enumerate(version.split(".")[:3]):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers[place] = min(int(digits or 0), 255)
        if digits != part:
            release = _DEVELOPMENT
    if len(version.split(".")) > 3:
        release = _DEVELOPMENT
    return numbers[0] << 24 | numbers[1] << 16 | numbers[2] << 8 | release


def hardware_uid(machine_id: Path = MACHINE_ID) -> bytes:
    """Eighteen bytes that tell this computer from others; zeros when it has no machine id.

    The id itself is confidential by its manual page, so it is hashed together with our name.
    """
    try:
        text = machine_id.read_text("ascii").strip()
    except (OSError, ValueError):
        return bytes(18)
    return hashlib.sha256(b"touchdown" + text.encode("ascii")).digest()[:18]


class About:
    """Builds the messages.

    Args:
        files: Files served over FTP; `GENERAL` among them.
    """

    def __init__(self, files: Mapping[str, bytes], started_ns: int) -> None:
        self._started_ns = started_ns
        self._uid = hardware_uid()
        self._general_crc32 = crc32(files[GENERAL])
        self.autopilot = Autopilot.UNKNOWN

    def sources(self) -> dict[int, MessageSource]:
        """Message id to what is sent when it is asked for."""
        return {
            mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION: lambda _: [self.autopilot_version()],
            MSG_ID_PROTOCOL_VERSION: lambda _: [protocol_version()],
            MSG_ID_COMPONENT_METADATA: lambda now_ns: [
                component_metadata(self._boot_ms(now_ns), uri_of(GENERAL), self._general_crc32)
            ],
            MSG_ID_COMPONENT_INFORMATION_BASIC: lambda now_ns: [
                component_information_basic(
                    self._boot_ms(now_ns), self.capabilities, VENDOR, MODEL, VERSION, self._uid.hex()[:16]
                )
            ],
        }

    @property
    def capabilities(self) -> int:
        """Bits of MAV_PROTOCOL_CAPABILITY. The encoding of integers follows the autopilot's."""
        encoding = mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_C_CAST
        if self.autopilot is Autopilot.PX4:
            encoding = mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE
        spoken = mavlink.MAV_PROTOCOL_CAPABILITY_MAVLINK2 | mavlink.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
        return int(spoken | mavlink.MAV_PROTOCOL_CAPABILITY_FTP | encoding)

    def autopilot_version(self) -> Any:
        """AUTOPILOT_VERSION, which in spite of its name every component may answer."""
        return mavlink.MAVLink_autopilot_version_message(
            capabilities=self.capabilities,
            flight_sw_version=packed_version(VERSION),
            middleware_sw_version=0,
            os_sw_version=0,
            board_version=0,
            flight_custom_version=bytes(8),
            middleware_custom_version=bytes(8),
            os_custom_version=bytes(8),
            vendor_id=0,
            product_id=0,
            uid=int.from_bytes(self._uid[:8], "little"),
            uid2=self._uid,
        )

    def _boot_ms(self, now_ns: int) -> int:
        return (now_ns - self._started_ns) // NS_PER_MS
