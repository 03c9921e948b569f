"""The MAVLink parameter protocol, serving side: a ground station tunes without a login. Pure.

https://mavlink.io/en/services/parameter.html. Which parameters there are, what may be written and what a value means is
the table's; here is only the protocol.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from firmware_bridge.addressing import sender_of
from firmware_bridge.dialect import mavlink
from landing.errors import InvalidValueError
from landing.vehicle import Autopilot

log = logging.getLogger(__name__)

LONGEST_NAME = 16
PARAMETER_MESSAGES = frozenset({"PARAM_REQUEST_LIST", "PARAM_REQUEST_READ", "PARAM_SET"})


class ParameterKind(Enum):
    """MAV_PARAM_TYPE, as far as it is used."""

    INT32 = mavlink.MAV_PARAM_TYPE_INT32
    REAL32 = mavlink.MAV_PARAM_TYPE_REAL32


class Writable(Enum):
    """Condition for a ground station to write a parameter."""

    NEVER = "never"
    DISARMED = "while disarmed"
    ALWAYS = "always"


@dataclass(frozen=True)
class OwnParameter:
    """One parameter, but for its value.

    Raises:
        InvalidValueError: The name does not fit, or the range is none.
    """

    name: str  # At most 16 characters, e.g. ``TD_ENABLE``.
    kind: ParameterKind  # Type on the wire
    description: str  # One line
    unit: str  # Unit of the value; empty for none
    low: float  # Smallest value
    high: float  # Largest value
    default: float  # Value without a configured one
    writable: Writable = Writable.NEVER

    def __post_init__(self) -> None:
        if not self.name.isascii() or not 1 <= len(self.name) <= LONGEST_NAME:
            raise InvalidValueError(f"parameter '{self.name}': expected a name of 1 to {LONGEST_NAME} ASCII characters")
        if not self.low <= self.default <= self.high:
            raise InvalidValueError(
                f"parameter {self.name}: default {self.default:g} is not within {self.low:g} to {self.high:g}"
            )


class ParameterTable(Protocol):
    """Parameters that the daemon shows and lets be set. Called in a reader thread; must not wait."""

    @property
    def parameters(self) -> Sequence[OwnParameter]:
        """All, in an order that never changes."""

    def get(self, name: str) -> float:
        """The present value."""

    def set(self, name: str, value: float, source: str) -> None:
        """Take a value that is finite, of the right kind, and may be written now.

        Raises:
            InvalidValueError: The value is out of its range, or changes come too often; the text says which.
        """


class NoParameters:
    """An empty table."""

    @property
    def parameters(self) -> Sequence[OwnParameter]:
        """No parameters."""
        return ()

    def get(self, name: str) -> float:
        """Not called: there is nothing to ask for."""
        raise KeyError(name)

    def set(self, name: str, value: float, source: str) -> None:
        """Not called: there is nothing to set."""
        raise KeyError(name)


class ParameterServer:
    """Answers PARAM_REQUEST_LIST, PARAM_REQUEST_READ and PARAM_SET.

    A refused write is answered with PARAM_ERROR and, for ground stations that do not know it, with the value that
    stays.
    """

    def __init__(self, table: ParameterTable) -> None:
        self._table = table
        self._parameters = tuple(table.parameters)
        self._index = {p.name: i for i, p in enumerate(self._parameters)}

    def answer(self, message: Any, armed: bool, autopilot: Autopilot) -> list[Any]:
        """The answers to one message.

        `armed` is also True where that is not known. Integers are encoded as the autopilot's own.
        """
        kind = message.get_type()
        if kind == "PARAM_REQUEST_LIST":
            return [self._value(i, autopilot) for i in range(len(self._parameters))]
        if kind == "PARAM_REQUEST_READ" and message.param_index >= 0:
            index = message.param_index
        else:
            index = self._index.get(message.param_id, len(self._parameters))
        if index >= len(self._parameters):
            return [self._error(message, mavlink.MAV_PARAM_ERROR_DOES_NOT_EXIST)]
        if kind == "PARAM_REQUEST_READ":
            return [self._value(index, autopilot)]
        return [*self._write(message, index, armed, autopilot), self._value(index, autopilot)]

    def _write(self, message: Any, index: int, armed: bool, autopilot: Autopilot) -> list[Any]:
        parameter = self._parameters[index]
        source = f"parameter write of {sender_of(message)}"
        if parameter.writable is Writable.NEVER:
            return [self._error(message, mavlink.MAV_PARAM_ERROR_READ_ONLY)]
        if parameter.writable is Writable.DISARMED and armed:
            log.warning("%s: %s is not set while armed", source, parameter.name)
            return [self._error(message, mavlink.MAV_PARAM_ERROR_PERMISSION_DENIED)]
        value = decoded(message.param_value, message.param_type, parameter.kind, autopilot)
        if value is None:
            return [self._error(message, mavlink.MAV_PARAM_ERROR_VALUE_OUT_OF_RANGE)]
        if value == as_real32(self._table.get(parameter.name)):
            return []
        try:
            self._table.set(parameter.name, value, source)
        except InvalidValueError as error:
            log.warning("%s: %s", source, error)
            return [self._error(message, mavlink.MAV_PARAM_ERROR_VALUE_OUT_OF_RANGE)]
        return []

    def _value(self, index: int, autopilot: Autopilot) -> Any:
        parameter = self._parameters[index]
        name, value = parameter.name, encoded(self._table.get(parameter.name), parameter.kind, autopilot)
        return mavlink.MAVLink_param_value_message(
            name.encode("ascii"), value, parameter.kind.value, len(self._parameters), index
        )

    def _error(self, message: Any, error: int) -> Any:
        to, index = sender_of(message), getattr(message, "param_index", -1)
        name = message.param_id.encode("ascii", "replace")[:LONGEST_NAME]
        return mavlink.MAVLink_param_error_message(to.system, to.component, name, index, error)


def as_real32(value: float) -> float:
    """A value after a journey in a float field of 32 bits."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    return float(rounded)


def encoded(value: float, kind: ParameterKind, autopilot: Autopilot) -> float:
    """A value as PARAM_VALUE carries it.

    An integer travels in the float field. Ground stations read it as they read the autopilot's own
    parameters: PX4 puts the integer's four bytes there, ArduPilot the nearest float.
    """
    if kind is ParameterKind.INT32 and autopilot is Autopilot.PX4:
        (as_float,) = struct.unpack("<f", struct.pack("<i", round(value)))
        return float(as_float)
    return float(value)


def decoded(value: float, wire_type: int, kind: ParameterKind, autopilot: Autopilot) -> float | None:
    """The value that a PARAM_SET means; None when it means none.

    The type on the wire must be the parameter's own; ArduPilot's ground stations may also write an integer as REAL32.
    """
    if kind is ParameterKind.INT32 and wire_type == kind.value and autopilot is Autopilot.PX4:
        # A float may not keep every pattern of bits; small integers are denormal floats and do.
        return float(struct.unpack("<i", struct.pack("<f", value))[0])
    integer = kind is ParameterKind.INT32
    if wire_type != kind.value and not (integer and wire_type == ParameterKind.REAL32.value):
        return None
    return value if math.isfinite(value) and not (integer and value != math.floor(value)) else None
