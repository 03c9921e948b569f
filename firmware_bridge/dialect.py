"""The one door to pymavlink's generated messages.

Everything else in the project imports ``mavlink`` from here, so the dialect is chosen once, at import, without
pymavlink's process-global ``mavutil.set_dialect`` (which changes under everyone). ``ardupilotmega`` contains
``common``, so PX4 is covered as well.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from pymavlink.dialects.v20 import ardupilotmega as mavlink

__all__ = ["CurrentModeMessage", "command_long", "enum_names", "enum_words", "mavlink"]


def enum_names(prefix: str) -> dict[int, str]:
    """Return the names of an enum's values, without their prefix."""
    entries = vars(mavlink).items()
    return {v: n.removeprefix(prefix) for n, v in entries if n.startswith(prefix) and not n.endswith("ENUM_END")}


def enum_words(prefix: str) -> dict[int, str]:
    """Return the names of an enum's values in lower-case words."""
    return {value: name.lower().replace("_", " ") for value, name in enum_names(prefix).items()}


def command_long(system: int, component: int, command: int, *parameters: float, confirmation: int = 0) -> Any:
    """Return a COMMAND_LONG; missing parameters are 0."""
    values = [*map(float, parameters), *[0.0] * (7 - len(parameters))]
    return mavlink.MAVLink_command_long_message(system, component, command, confirmation, *values)


class CurrentModeMessage(mavlink.MAVLink_message):  # type: ignore[misc]  # pymavlink has no types
    """CURRENT_MODE: the mode that is flown, and the one that the user asked for.

    It is in no dialect of pymavlink's but the one for development. Layout and CRC_EXTRA:
    https://mavlink.io/en/messages/common.html#CURRENT_MODE.
    """

    id = 436
    msgname = "CURRENT_MODE"
    name = "CURRENT_MODE"
    fieldnames: ClassVar[list[str]] = ["standard_mode", "custom_mode", "intended_custom_mode"]
    ordered_fieldnames: ClassVar[list[str]] = ["custom_mode", "intended_custom_mode", "standard_mode"]
    fieldtypes: ClassVar[list[str]] = ["uint8_t", "uint32_t", "uint32_t"]
    fielddisplays_by_name: ClassVar[dict[str, str]] = {}
    fieldenums_by_name: ClassVar[dict[str, str]] = {}
    fieldunits_by_name: ClassVar[dict[str, str]] = {}
    native_format = bytearray(b"<IIB")
    orders: ClassVar[list[int]] = [2, 0, 1]
    lengths: ClassVar[list[int]] = [1, 1, 1]
    array_lengths: ClassVar[list[int]] = [0, 0, 0]
    crc_extra = 193
    unpacker = struct.Struct("<IIB")
    instance_field = None
    instance_offset = -1

    def __init__(self, standard_mode: int, custom_mode: int, intended_custom_mode: int) -> None:
        mavlink.MAVLink_message.__init__(self, self.id, self.msgname)
        self._fieldnames = self.fieldnames
        self._instance_field, self._instance_offset = self.instance_field, self.instance_offset
        self.standard_mode = standard_mode
        self.custom_mode = custom_mode
        self.intended_custom_mode = intended_custom_mode

    def pack(self, mav: mavlink.MAVLink, force_mavlink1: bool = False) -> bytes:
        """The frame."""
        payload = self.unpacker.pack(self.custom_mode, self.intended_custom_mode, self.standard_mode)
        frame: bytes = self._pack(mav, self.crc_extra, payload, force_mavlink1=force_mavlink1)
        return frame


mavlink.mavlink_map.setdefault(CurrentModeMessage.id, CurrentModeMessage)
