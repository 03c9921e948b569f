"""The mission item that the autopilot flies, and whether it ends on the ground. Pure: time is given.

MISSION_CURRENT names the item, MISSION_REQUEST_INT asks for it: one item, a few times, only while a mission is flown.
ArduPilot answers that without a transaction (`MissionItemProtocol::handle_mission_request_int`), so a ground station's
own download goes on undisturbed. A mission of as many items that is uploaded over another link shows in none of this:
its MISSION_ACK goes to that link alone (`MissionItemProtocol::send_mission_ack`), and ArduPilot's MISSION_CURRENT has
no `mission_id`. So what was told of an item counts for a time only, and the present one is read again. PX4 answers
within a transaction only, and has room for one: it is not asked. Its EXTENDED_SYS_STATE tells of the landing item.
"""

from __future__ import annotations

from typing import Any

from firmware_bridge.dialect import mavlink
from landing.vehicle import MissionItem

MISSION_STREAM = "MISSION_CURRENT"
MISSION_RATE_HZ = 1.0
ASK_PERIOD_NS = 1_000_000_000
TRIES = 3
# The item flown is read again after so long, and a kind that was told longer ago is not known any more
REREAD_NS, KNOWN_NS = 5_000_000_000, 15_000_000_000
KINDS_KEPT = 64  # Of a mission's items; a mission that loops asks again
NO_TOTAL = (0, 65_535)  # Not told, and no mission at all
LANDING_COMMANDS = frozenset(
    {
        mavlink.MAV_CMD_NAV_LAND,
        mavlink.MAV_CMD_NAV_LAND_LOCAL,
        mavlink.MAV_CMD_NAV_VTOL_LAND,
        mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH,
    }
)


class MissionWatch:
    """Keeps the current item of the served autopilot, and asks for its kind."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another autopilot is served, or it has started anew."""
        self._current: int | None = None
        self._total: int | None = None
        self._kinds: dict[int, tuple[bool, int]] = {}
        self._asked = 0
        self._asked_ns: int | None = None

    def forget_kinds(self) -> None:
        """Another mission may have been uploaded: each item's kind must be told anew."""
        self._kinds.clear()
        self._asked, self._asked_ns = 0, None

    def item(self, now_ns: int) -> MissionItem | None:
        """The item that is flown; None while there is none."""
        if self._current is None:
            return None
        lands, told_ns = self._kinds.get(self._current, (False, None))
        known = told_ns is not None and now_ns - told_ns <= KNOWN_NS
        return MissionItem(self._current, self._total, lands if known else None)

    def on_current(self, message: Any, _now_ns: int) -> None:
        """Take a MISSION_CURRENT of the autopilot served."""
        if message.seq != self._current:
            self._current, self._asked, self._asked_ns = message.seq, 0, None
        total = getattr(message, "total", 0)
        told = None if total in NO_TOTAL else total
        if told != self._total:
            self._total = told
            self.forget_kinds()  # another mission

    def on_ack(self, message: Any, _now_ns: int) -> None:
        """Take a MISSION_ACK of the autopilot served: it ends an upload, to whomever it is sent."""
        mission = getattr(message, "mission_type", 0) == mavlink.MAV_MISSION_TYPE_MISSION
        if mission and message.type == mavlink.MAV_MISSION_ACCEPTED:
            self.forget_kinds()

    def on_item(self, message: Any, now_ns: int) -> None:
        """Take a MISSION_ITEM_INT, ours or one that a ground station asked for."""
        if getattr(message, "mission_type", 0) != mavlink.MAV_MISSION_TYPE_MISSION:
            return
        if len(self._kinds) >= KINDS_KEPT:
            self._kinds.clear()
        self._kinds[message.seq] = message.command in LANDING_COMMANDS, now_ns
        if message.seq == self._current:
            self._asked = 0

    def due(self, system: int, component: int, now_ns: int) -> Any:
        """The request to send now to an ArduPilot that flies its mission, or None."""
        current = self._current
        _, told_ns = self._kinds.get(current, (False, None)) if current is not None else (False, None)
        told = told_ns is not None and now_ns - told_ns < REREAD_NS
        if current is None or told or self._asked >= TRIES:
            return None
        if self._asked_ns is not None and now_ns - self._asked_ns < ASK_PERIOD_NS:
            return None
        self._asked, self._asked_ns = self._asked + 1, now_ns
        return mavlink.MAVLink_mission_request_int_message(system, component, current, mavlink.MAV_MISSION_TYPE_MISSION)
