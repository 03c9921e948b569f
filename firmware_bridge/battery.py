"""Flight time that the batteries leave, from BATTERY_STATUS. Pure: time is given.

`time_remaining` where the autopilot tells it; else the charge that is left, by what was used and its share,
against the draw measured over `DRAW_NS`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.vehicle import Battery

BATTERY_STREAM = "BATTERY_STATUS"
BATTERY_RATE_HZ = 1.0
FRESH_NS = 5_000_000_000
DRAW_NS = 20_000_000_000  # Draw is the mean over so long, and of no use below the half
SPACING_NS = 100_000_000  # Of the readings that it is the mean of, at least: a flood costs no memory
MAH_PER_CA_NS = 10.0 / 3.6e12  # Of one centiampere for one nanosecond
UNTOLD_S = 1  # PX4's word for a battery that tells it no time over MAVLink; 0 is MAVLink's own
GOOD = mavlink.MAV_BATTERY_CHARGE_STATE_OK
CRITICAL_STATES = frozenset(
    getattr(mavlink, f"MAV_BATTERY_CHARGE_STATE_{name}") for name in ("CRITICAL", "EMERGENCY", "FAILED", "UNHEALTHY")
)


@dataclass
class _Known:
    at_ns: int
    left_s: float | None = None
    charge_state: int = 0
    currents: deque[tuple[int, int]] = field(default_factory=deque)  # Time, and centiampere


class BatteryWatch:
    """Keeps every battery of the served autopilot; the one that is empty first counts."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def forget(self) -> None:
        """Another autopilot is served."""
        self._known.clear()

    def on_status(self, message: Any, now_ns: int) -> None:
        """Take a BATTERY_STATUS of the autopilot served."""
        known = self._known.setdefault(message.id, _Known(now_ns))
        known.at_ns = now_ns
        known.charge_state = getattr(message, "charge_state", 0)
        new = not known.currents or now_ns - known.currents[-1][0] >= SPACING_NS
        if message.current_battery > 0 and new:
            known.currents.append((now_ns, message.current_battery))
        while known.currents and now_ns - known.currents[0][0] > DRAW_NS:
            known.currents.popleft()
        told_s = getattr(message, "time_remaining", 0)
        known.left_s = float(told_s) if told_s > UNTOLD_S else self._by_draw(known, message)

    def _by_draw(self, known: _Known, message: Any) -> float | None:
        """Charge left by the draw of late; None where one of them is not known."""
        used_mah, share = message.current_consumed, message.battery_remaining / 100.0
        currents = known.currents
        if used_mah <= 0 or not 0.0 <= share < 1.0 or len(currents) < 2:
            return None
        if currents[-1][0] - currents[0][0] < DRAW_NS / 2:
            return None
        draw_ca = sum(current for _, current in currents) / len(currents)
        left_mah = used_mah * share / (1.0 - share)
        return float(left_mah / (draw_ca * MAH_PER_CA_NS) * 1e-9)

    def on_disarmed(self, now_ns: int) -> None:
        """The flight is over: a battery that tells nothing any more may have been taken out."""
        self._known = {number: known for number, known in self._known.items() if _fresh(known, now_ns)}

    def status(self, now_ns: int) -> Battery | None:
        """The least that any battery leaves; None while none is reported.

        One that has fallen silent leaves nobody knows what, and is as critical as it was.
        """
        known = self._known.values()
        critical = any(one.charge_state in CRITICAL_STATES for one in known)
        fresh = [one for one in known if _fresh(one, now_ns)]
        if not critical and not fresh:
            return None
        left_s = [one.left_s for one in fresh if one.left_s is not None]
        good = len(fresh) == len(known) and all(one.charge_state == GOOD for one in fresh)
        return Battery(min(left_s) if len(left_s) == len(known) else None, critical, good)


def _fresh(known: _Known, now_ns: int) -> bool:
    return now_ns - known.at_ns <= FRESH_NS
