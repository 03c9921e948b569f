"""Identity of an autopilot: AUTOPILOT_VERSION and HEARTBEAT in the words of its makers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from firmware_bridge.dialect import enum_names, enum_words, mavlink
from landing.vehicle import Autopilot

Version = tuple[int, int, int]  # Major, minor, patch
_RELEASE_STAGES = ((255, ""), (192, "rc"), (128, "beta"), (64, "alpha"), (0, "dev"))

CAPABILITIES = {bit: name.lower() for bit, name in enum_names("MAV_PROTOCOL_CAPABILITY_").items()}
VEHICLES = enum_words("MAV_TYPE_")


class ParameterEncoding(str, Enum):
    """Encoding of an integer parameter in PARAM_VALUE's float field.

    ``C_CAST``: as the number (ArduPilot). ``BYTEWISE``: its bytes are the float's bytes (PX4).
    """

    C_CAST = "c-cast"
    BYTEWISE = "bytewise"


@dataclass(frozen=True)
class Identity:
    """Identity of the autopilot at the other end."""

    autopilot: Autopilot
    vehicle_type: int  # MAV_TYPE of its HEARTBEAT
    version: Version | None = None  # Firmware version; None when it does not tell
    stage: str = ""  # ``""`` for a release, else ``rc``, ``beta``, ``alpha`` or ``dev``
    git: str = ""  # Start of the firmware's git hash; empty when it does not tell
    board: int = 0  # Board number of its makers' list; 0 when it does not tell
    usb: str = ""  # USB vendor and product id, ``1209:5740``; empty when it does not tell
    uid: str = ""  # Serial number of the hardware, hexadecimal; empty when it does not tell
    capabilities: int = 0  # MAV_PROTOCOL_CAPABILITY bits

    @property
    def name(self) -> str:
        """``ArduPilot 4.6.2``, ``PX4 1.15.4 rc``; what is not known is left out."""
        kind = {Autopilot.ARDUPILOT: "ArduPilot", Autopilot.PX4: "PX4"}.get(self.autopilot, "unknown autopilot")
        number = "" if self.version is None else " " + version_text(self.version)
        return f"{kind}{number}{' ' + self.stage if self.stage else ''}"

    @property
    def vehicle(self) -> str:
        """The kind of vehicle in words, e.g. ``quadrotor``."""
        return VEHICLES.get(self.vehicle_type, f"MAV_TYPE {self.vehicle_type}")

    @property
    def encoding(self) -> ParameterEncoding:
        """Encoding of its integer parameters: by its capability bits, else by its kind."""
        if self.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE:
            return ParameterEncoding.BYTEWISE
        if self.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_C_CAST:
            return ParameterEncoding.C_CAST
        bytewise = self.autopilot is Autopilot.PX4
        return ParameterEncoding.BYTEWISE if bytewise else ParameterEncoding.C_CAST

    def capability_names(self) -> list[str]:
        """Names of the set capability bits."""
        return [name for bit, name in sorted(CAPABILITIES.items()) if self.capabilities & bit]


def version_text(version: Version) -> str:
    """``4.6.2``."""
    return ".".join(map(str, version))


def identity_of(autopilot: Autopilot, vehicle_type: int, message: Any | None) -> Identity:
    """Reads AUTOPILOT_VERSION."""
    if message is None:
        return Identity(autopilot, vehicle_type)
    packed = message.flight_sw_version
    known = packed >> 8 != 0
    uid2 = bytes(getattr(message, "uid2", ()) or ())
    return Identity(
        autopilot,
        vehicle_type,
        version=(packed >> 24 & 0xFF, packed >> 16 & 0xFF, packed >> 8 & 0xFF) if known else None,
        stage=_stage(packed & 0xFF) if known else "",
        git=_git(autopilot, bytes(message.flight_custom_version)),
        # ArduPilot's board number is the upper half, PX4 leaves hardware revision bits there too.
        board=message.board_version >> 16 or message.board_version,
        usb=f"{message.vendor_id:04x}:{message.product_id:04x}" if message.vendor_id else "",
        uid=uid2.hex() if any(uid2) else f"{message.uid:x}" if message.uid else "",
        capabilities=message.capabilities,
    )


def _stage(number: int) -> str:
    return next(name for least, name in _RELEASE_STAGES if number >= least)


def _git(autopilot: Autopilot, data: bytes) -> str:
    """ArduPilot writes the hash as eight letters, PX4 as a little-endian number."""
    if not any(data):
        return ""
    if autopilot is Autopilot.PX4:
        # Its last bytes are the vendor's version, 0 where there is none.
        return data[::-1].hex().rstrip("0")
    text = data.rstrip(b"\0").decode("ascii", "replace")
    return text if text.isprintable() else data.hex()
