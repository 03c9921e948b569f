"""Rebooting the autopilot, and making sure that it did."""

from __future__ import annotations

import time
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.session import NS_PER_S, Session, result_name
from landing.errors import LinkError
from landing.problems import Problem

SILENCE_S = 1.0  # After its word the autopilot goes on for a moment; what it says then is of the old boot
UPTIME_MARGIN_S = 2.0


def reboot(session: Session, timeout_s: float = 60.0) -> float:
    """Reboot the autopilot, disarmed only, and return the seconds until it speaks again.

    Raises:
        LinkError: It is armed, refuses, does not come back, or never went away.
    """
    session.connect()
    if session.vehicle().armed:
        raise LinkError("the autopilot is armed: it is not rebooted; disarm first", Problem.ARMED)
    started_ns = time.monotonic_ns()
    result = session.command(mavlink.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN, 1.0, tries=2)
    if result not in (None, mavlink.MAV_RESULT_ACCEPTED):
        raise LinkError(f"the autopilot refuses to reboot ({result_name(result)})")
    session.forget()
    time.sleep(SILENCE_S)
    session.connect(timeout_s)
    took_s = (time.monotonic_ns() - started_ns) / NS_PER_S
    up_s = _uptime_s(session)
    since_s = (time.monotonic_ns() - started_ns) / NS_PER_S
    if up_s is not None and up_s > since_s + UPTIME_MARGIN_S:
        raise LinkError(f"the autopilot has not rebooted: it is up for {up_s:.0f} s; reboot it by hand")
    return took_s


def _uptime_s(session: Session) -> float | None:
    def boot_ms(message: Any) -> int | None:
        value: int | None = getattr(message, "time_boot_ms", None)
        return value

    found = session.ask(
        lambda: session.send_command(mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_ATTITUDE), boot_ms, tries=3
    )
    return None if found is None else found / 1000.0
