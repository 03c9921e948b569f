"""The one door to pymavlink's generated messages.

Everything else in the project imports ``mavlink`` from here, so the dialect is chosen once, at import, without
pymavlink's process-global ``mavutil.set_dialect`` (which changes under everyone). ``ardupilotmega`` contains
``common``, so PX4 is covered as well.
"""

from __future__ import annotations

from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

__all__ = ["command_long", "enum_names", "enum_words", "mavlink"]


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
