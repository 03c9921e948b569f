"""A table of parameters for tests of the protocol."""

from __future__ import annotations

from firmware_bridge.parameters import OwnParameter, ParameterKind, Writable
from landing.errors import InvalidValueError

INT, REAL = ParameterKind.INT32, ParameterKind.REAL32


class SmallTable:
    """One of each: always, while disarmed and never writable; ``writes`` remembers."""

    def __init__(self):
        self.parameters = (
            OwnParameter("TD_ENABLE", INT, "On or off", "", 0, 1, 1, Writable.ALWAYS),
            OwnParameter("TD_RADIUS_M", REAL, "Radius", "m", 0.5, 10, 0.5, Writable.DISARMED),
            OwnParameter("TD_AUTHORITY", INT, "Authority", "", 0, 2, 0),
            OwnParameter("TD_NAME_OF_16_CH", INT, "As long as can be", "", -5, 5, -3),
        )
        self.values = {p.name: p.default for p in self.parameters}
        self.writes = []

    def get(self, name):
        return self.values[name]

    def set(self, name, value, source):
        if name == "TD_RADIUS_M" and not 0.5 <= value <= 10:
            raise InvalidValueError(f"{name} is {value}")
        if name == "TD_ENABLE" and value not in (0, 1):
            raise InvalidValueError(f"{name} is {value}")
        self.writes.append((name, value, source))
        self.values[name] = value
