"""Judges what we send as a stranger would: by the frames alone, with nothing of our own code."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

from pymavlink.dialects.v20 import ardupilotmega as mavlink

OURS = 191
CAMERA = 100
NS_PER_S = 1_000_000_000

RATES_HZ = {
    "HEARTBEAT": (0.5, 1.3),
    "ONBOARD_COMPUTER_STATUS": (0.0, 1.3),
    "LANDING_TARGET": (0.0, 25.0),
    "TIMESYNC": (0.0, 20.0),
    "COMMAND_LONG": (0.0, 3.0),
    "STATUSTEXT": (0.0, 3.0),
}
"""Least and most per second, over the time from the first frame to the last."""

LONGEST_HEARTBEAT_GAP_S = 3.5
"""After that ground stations take a component for gone."""

BYTES_PER_S = 6000
"""Within the room of a telemetry radio at 57600 baud, answers included."""

COMMANDS = {mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, mavlink.MAV_CMD_REQUEST_MESSAGE}
SUPPLEMENT = {300, 396, 397}
"""Messages of the common set that the judge's own dialect lacks: only their envelope is judged."""


def complaints(frames, system=1, commands=frozenset()):
    """What a stranger finds wrong with our frames, each in words; empty for a good citizen.

    Args:
        frames: ``(at_ns, raw)`` of all that we sent on one connection, in order.
        system: Of the autopilot we serve, and so ours.
        commands: Allowed to us beside the requests for messages.
    """
    judge = mavlink.MAVLink(None)
    found = []
    sequence = {}
    stamps = defaultdict(list)
    size = 0
    for at_ns, raw in frames:
        size += len(raw)
        found += _envelope(raw, system, sequence)
        message_id = int.from_bytes(raw[7:10], "little")
        if message_id in SUPPLEMENT:
            continue
        try:
            message = judge.decode(bytearray(raw))
        except mavlink.MAVError as error:
            found.append(f"malformed: {error}")
            continue
        name = message.get_type()
        if message.get_srcComponent() == OURS:
            stamps[name].append(at_ns)
        found += [f"{name}: {text}" for text in _content(message, at_ns, system, commands)]
    return found + _rates(stamps, frames, size)


def _envelope(raw, system, sequence):
    """MAVLink 2, whole, with our ids and a sequence without gaps."""
    if raw[0] != 0xFD or raw[2] & ~1:
        return [f"not MAVLink 2: {raw[:10].hex()}"]
    signature = 13 if raw[2] & 1 else 0
    found = []
    if len(raw) != 12 + raw[1] + signature:
        found.append(f"{len(raw)} bytes, the header says {12 + raw[1] + signature}")
    if raw[5] != system or raw[6] not in (OURS, CAMERA):
        found.append(f"sent as {raw[5]}/{raw[6]}")
    if raw[1] > 1 and raw[9 + raw[1]] == 0:
        found.append("zeros at the end of the payload were not cut off")
    expected = sequence.get(raw[6], raw[4])
    if raw[4] != expected:
        found.append(f"sequence {raw[4]}, expected {expected}")
    sequence[raw[6]] = (raw[4] + 1) % 256
    return found


def _content(message, at_ns, system, commands):
    name = message.get_type()
    target = getattr(message, "target_system", None)
    if target is not None and target == 0:
        yield "addressed to everybody"
    if target == system and message.target_component in (OURS, CAMERA):
        yield "addressed to ourselves"
    if name == "HEARTBEAT":
        if message.autopilot != mavlink.MAV_AUTOPILOT_INVALID or message.base_mode:
            yield "pretends to be an autopilot"
        if message.type not in (mavlink.MAV_TYPE_ONBOARD_CONTROLLER, mavlink.MAV_TYPE_CAMERA):
            yield f"type {message.type}"
        if not 1 <= message.system_status <= 8:
            yield f"state {message.system_status}"
    elif name == "COMMAND_LONG":
        if message.command not in COMMANDS | commands:
            yield f"command {message.command}"
        if (target, message.target_component) != (system, mavlink.MAV_COMP_ID_AUTOPILOT1):
            yield f"to {target}/{message.target_component}"
    elif name == "LANDING_TARGET":
        yield from _target(message, at_ns)
    elif name == "STATUSTEXT":
        if not message.text.isascii() or not message.text.isprintable():
            yield f"text {message.text!r}"
        if not 0 <= message.severity <= 7:
            yield f"severity {message.severity}"
    elif name == "ONBOARD_COMPUTER_STATUS":
        if any(share > 100 and share != 255 for share in message.cpu_cores):
            yield f"shares {message.cpu_cores}"
        if message.ram_usage > message.ram_total:
            yield "more memory used than there is"
    elif name == "TIMESYNC" and message.ts1 <= 0:
        yield "stamp 0"


def _target(message, at_ns):
    numbers = (message.x, message.y, message.z, message.angle_x, message.angle_y, message.distance)
    if not all(map(math.isfinite, numbers)):
        yield "not finite"
    if message.position_valid != 1:
        yield "position not valid"
    if message.frame not in (mavlink.MAV_FRAME_BODY_FRD, mavlink.MAV_FRAME_LOCAL_NED):
        yield f"frame {message.frame}"
    if not 0 < message.distance < 300:
        yield f"distance {message.distance}"
    if max(abs(message.angle_x), abs(message.angle_y)) >= math.pi / 2:
        yield "not below the vehicle"
    if message.frame == mavlink.MAV_FRAME_BODY_FRD:
        norm = math.hypot(message.x, message.y, message.z)
        if abs(norm - message.distance) > 1e-3 * norm:
            yield f"distance {message.distance}, but the position says {norm}"
        if abs(math.tan(message.angle_x) - message.y / message.z) > 1e-3:
            yield "angle_x is not the position's"
        if abs(math.tan(message.angle_y) + message.x / message.z) > 1e-3:
            yield "angle_y is not the position's"
    age_s = at_ns / NS_PER_S - message.time_usec / 1e6
    if not -0.001 <= age_s < 5.0:
        yield f"stamped {age_s:.3f} s before it was sent"


def _rates(stamps, frames, size):
    found = []
    seconds = (frames[-1][0] - frames[0][0]) / NS_PER_S if frames else 0.0
    if seconds < 5.0:
        return [f"only {seconds:.1f} s of frames"]
    for name, (least, most) in RATES_HZ.items():
        times = stamps.get(name, [])
        rate = len(times) / seconds
        if name == "LANDING_TARGET" and len(times) > 1:
            rate = (len(times) - 1) / max((times[-1] - times[0]) / NS_PER_S, 1e-9)
        if not least <= rate <= most:
            found.append(f"{name} at {rate:.1f} Hz")
    beats = stamps.get("HEARTBEAT", [])
    gaps = [(b - a) / NS_PER_S for a, b in pairwise(beats)]
    if gaps and max(gaps) > LONGEST_HEARTBEAT_GAP_S:
        found.append(f"heartbeats {max(gaps):.1f} s apart")
    if size / seconds > BYTES_PER_S:
        found.append(f"{size / seconds:.0f} bytes a second")
    return found
