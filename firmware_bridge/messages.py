"""Our own HEARTBEAT with our health, and STATUSTEXT."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.redaction import redact

CHUNK = 50  # Characters in one STATUSTEXT
MAX_CHUNKS = 4


class HealthState(str, Enum):
    """The daemon's health, as its HEARTBEAT tells it."""

    STARTING = "starting"  # Model or camera are not ready yet (MAV_STATE_BOOT)
    STANDBY = "standby"  # Works, and nothing is asked of it (MAV_STATE_STANDBY)
    OK = "ok"  # Works (MAV_STATE_ACTIVE)
    DEGRADED = "degraded"  # An input is late or missing; no target is sent (MAV_STATE_CRITICAL)
    FAILED = "failed"  # Cannot work without help (MAV_STATE_EMERGENCY)
    STOPPING = "stopping"  # Shuts down in order (MAV_STATE_POWEROFF)


MAV_STATES: dict[HealthState, int] = {
    HealthState.STARTING: mavlink.MAV_STATE_BOOT,
    HealthState.STANDBY: mavlink.MAV_STATE_STANDBY,
    HealthState.OK: mavlink.MAV_STATE_ACTIVE,
    HealthState.DEGRADED: mavlink.MAV_STATE_CRITICAL,
    HealthState.FAILED: mavlink.MAV_STATE_EMERGENCY,
    HealthState.STOPPING: mavlink.MAV_STATE_POWEROFF,
}


class Severity(IntEnum):
    """MAV_SEVERITY, as far as a companion needs it."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


def heartbeat_message(state: HealthState, kind: int = mavlink.MAV_TYPE_ONBOARD_CONTROLLER) -> Any:
    """Return the HEARTBEAT of a component that is no autopilot, with its real health."""
    return mavlink.MAVLink_heartbeat_message(
        type=kind,
        autopilot=mavlink.MAV_AUTOPILOT_INVALID,
        base_mode=0,
        custom_mode=0,
        system_status=MAV_STATES[state],
        mavlink_version=3,
    )


def statustext_messages(text: str, severity: Severity, text_id: int) -> list[Any]:
    """Return STATUSTEXTs, in chunks of 50 characters when the text is longer.

    A chunk ends after a word and is filled up with spaces: ground stations that show chunks one by one break no word,
    and those that join them get the words apart. Only a word that is longer than a chunk is broken. The last chunk is
    the first with fewer than 50 characters, so a text that fills its chunks exactly is followed by an empty one.
    Text beyond four chunks is cut after a word. Characters outside ASCII become ``?``. `text_id` is another number
    from 1 to 65535 for each long text; short ones carry 0.
    """
    data = redact(text).encode("ascii", "replace").replace(b"\0", b"?")
    if len(data) <= CHUNK:
        return [mavlink.MAVLink_statustext_message(int(severity), data, 0, 0)]
    chunks = _chunks(data)
    return [mavlink.MAVLink_statustext_message(int(severity), part, text_id, n) for n, part in enumerate(chunks)]


def _chunks(data: bytes) -> list[bytes]:
    """Return at most `MAX_CHUNKS` chunks; all but the last have `CHUNK` characters."""
    chunks: list[bytes] = []
    while len(data) >= CHUNK and len(chunks) < MAX_CHUNKS - 1:
        cut = data.rfind(b" ", 0, CHUNK) + 1 or CHUNK
        chunks.append(data[:cut].ljust(CHUNK))
        data = data[cut:]
    if len(data) >= CHUNK:
        room = CHUNK - 1 - len(b"...")
        data = (data[:room].rpartition(b" ")[0] or data[:room]) + b"..."
    return [*chunks, data]
