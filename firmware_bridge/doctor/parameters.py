"""Parameters over MAVLink: read with retries, written and read back, never while armed.

Integers travel in a float field: PX4 puts their bytes there, ArduPilot their value. The capability bits tell which
(MAVLink parameter protocol, "parameter encoding").
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.session import NS_PER_S, Session
from firmware_bridge.identity import ParameterEncoding
from landing.errors import LinkError
from landing.problems import Problem

WINDOW = 10  # Requests under way at a time: ArduPilot queues 20, and a slow line must not be flooded
# Requests for each parameter in each round. Only silence tells of one that does not exist, so the rounds end soon for a
# quick autopilot and late for a slow one.
REPEATS = (1, 2, 2)
# Where a later round still found some, requests were lost: further rounds follow until one finds none
MORE_REPEATS, MORE_ROUNDS = 4, 6
PATIENCE_S = 0.7  # Wait for answers until the speed of the autopilot is known
LEAST_PATIENCE_S = 0.15
SLOWER_THAN_SEEN = 5.0  # The slowest answer so far, this many times, is waited for
TRIES = 4  # Attempts until the echo of a written value comes

# Integer types as `struct` sees them
_FORMATS: dict[int, str] = {
    mavlink.MAV_PARAM_TYPE_UINT8: "<B",
    mavlink.MAV_PARAM_TYPE_INT8: "<b",
    mavlink.MAV_PARAM_TYPE_UINT16: "<H",
    mavlink.MAV_PARAM_TYPE_INT16: "<h",
    mavlink.MAV_PARAM_TYPE_UINT32: "<I",
    mavlink.MAV_PARAM_TYPE_INT32: "<i",
}


class ParameterError(LinkError):
    """A parameter that could not be written or does not hold what was written."""

    problem = Problem.PARAMETER


@dataclass(frozen=True)
class AutopilotParameter:
    """One parameter as the autopilot holds it."""

    name: str  # At most 16 letters
    value: float  # The number meant, whatever the encoding
    type: int  # MAV_PARAM_TYPE


@dataclass(frozen=True)
class WrittenParameter:
    """A parameter that was written and read back."""

    name: str
    before: float  # Value before
    after: float  # Value read back


def decode_value(field: float, kind: int, encoding: ParameterEncoding) -> float:
    """The number meant by PARAM_VALUE's float field."""
    layout = _FORMATS.get(kind)
    if layout is None or encoding is ParameterEncoding.C_CAST:
        return float(round(field)) if layout is not None and math.isfinite(field) else field
    raw = struct.pack("<f", field)
    return float(struct.unpack_from(layout, raw)[0])


def encode_value(value: float, kind: int, encoding: ParameterEncoding) -> float:
    """The float field that carries a number.

    Raises:
        ParameterError: An integer parameter cannot hold it.
    """
    layout = _FORMATS.get(kind)
    if layout is None:
        return value
    if not math.isfinite(value) or value != round(value):
        raise ParameterError(f"{value:g} is no whole number, and the parameter holds no other")
    try:
        raw = struct.pack(layout, round(value))
    except struct.error as error:
        raise ParameterError(f"value {value:g} does not fit the parameter: {error}") from error
    if encoding is ParameterEncoding.C_CAST:
        return value
    return float(struct.unpack("<f", raw.ljust(4, b"\0"))[0])


def read_parameters(session: Session, names: Iterable[str]) -> dict[str, AutopilotParameter | None]:
    """Read parameters by name; None for one that the autopilot does not have (it stays silent about it).

    A link that lost requests is asked until a whole round finds no more.

    Raises:
        LinkError: The autopilot is not heard.
    """
    encoding = session.identify().encoding
    found: dict[str, AutopilotParameter | None] = dict.fromkeys(names)
    open_names = list(found)
    answered: list[int] = []

    def on_message(message: Any, now_ns: int) -> None:
        # A gimbal, a camera or the daemon has parameters too, maybe of the same name.
        parameter = _parameter(message, encoding) if session.is_autopilot(message) else None
        if parameter is not None and parameter.name in found:
            found[parameter.name] = parameter
            answered.append(now_ns)

    session.listeners.append(on_message)
    patience_s, lost = PATIENCE_S, False
    try:
        for number, repeats in enumerate((*REPEATS, *[MORE_REPEATS] * MORE_ROUNDS)):
            for start in range(0, len(open_names), WINDOW):
                batch = open_names[start : start + WINDOW]
                asked_ns = time.monotonic_ns()
                for name in batch * repeats:
                    _request(session, name)
                answered.clear()
                session.listen(patience_s, until=partial(_all_there, found, batch))
                if answered:
                    slowest_s = (max(answered) - asked_ns) / NS_PER_S
                    patience_s = min(max(SLOWER_THAN_SEEN * slowest_s, LEAST_PATIENCE_S), PATIENCE_S)
            asked, open_names = len(open_names), [name for name in open_names if found[name] is None]
            came_late = number > 0 and len(open_names) < asked
            lost = came_late or (lost and number < len(REPEATS))
            if not open_names or (number >= len(REPEATS) - 1 and not lost):
                break
    finally:
        session.listeners.remove(on_message)
    return found


def write_parameters(session: Session, values: Mapping[str, float]) -> list[WrittenParameter]:
    """Write parameters and read each back; return the changes in order. One with the right value is left alone.

    Raises:
        ParameterError: The vehicle is armed, or a parameter is missing, refuses the value or holds another one
            afterwards. Earlier changes stay.
        LinkError: The autopilot is not heard.
    """
    session.connect()
    present = read_parameters(session, values)
    missing = [name for name, parameter in present.items() if parameter is None]
    if missing:
        raise ParameterError(f"the autopilot has no parameter {', '.join(missing)}; check the name and its firmware")
    written: list[WrittenParameter] = []
    for name, value in values.items():
        before = present[name]
        assert before is not None
        if not holds(before.value, value):
            written.append(WrittenParameter(name, before.value, _write(session, before, value)))
    return written


def holds(actual: float, wanted: float) -> bool:
    """Return whether a stored float32 is the number wanted."""
    return math.isclose(actual, wanted, rel_tol=1e-5, abs_tol=1e-6)


def _write(session: Session, before: AutopilotParameter, value: float) -> float:
    encoding = session.identify().encoding
    field = encode_value(value, before.type, encoding)
    # Looked at before every single write: somebody may arm in between.
    if session.vehicle().armed:
        raise ParameterError(f"{before.name} is not written: the vehicle is armed; disarm first", Problem.ARMED)
    target = session.connect()
    message = mavlink.MAVLink_param_set_message(
        target.system, target.component, before.name.encode("ascii"), field, before.type
    )

    def echo(heard: Any) -> AutopilotParameter | None:
        parameter = _parameter(heard, encoding)
        return parameter if parameter is not None and parameter.name == before.name else None

    session.ask(lambda: session.send(message), echo, tries=TRIES, timeout_s=PATIENCE_S)
    for _ in range(TRIES):
        after = read_parameters(session, [before.name])[before.name]
        if after is None or holds(after.value, value):
            break
        session.listen(PATIENCE_S)  # What came may be a late answer from before the write
    if after is None or not holds(after.value, value):
        now = "does not answer" if after is None else f"reads {after.value:g}"
        raise ParameterError(f"{before.name} was set to {value:g} but {now}; it may be read-only, or limited")
    return after.value


def _all_there(found: Mapping[str, AutopilotParameter | None], names: Iterable[str]) -> bool:
    return all(found[name] is not None for name in names)


def _request(session: Session, name: str) -> None:
    target = session.connect()
    session.send(mavlink.MAVLink_param_request_read_message(target.system, target.component, name.encode("ascii"), -1))


def _parameter(message: Any, encoding: ParameterEncoding) -> AutopilotParameter | None:
    if message.get_type() != "PARAM_VALUE":
        return None
    raw = message.param_id
    name = raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw)
    value = decode_value(message.param_value, message.param_type, encoding)
    return AutopilotParameter(name.rstrip("\0"), value, message.param_type)
