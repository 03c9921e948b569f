"""The stand-in's side of MAVLink's mission protocol: upload, download, current item (ArduPilot's rules)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot.mission import MissionFlight, StoredItem
from sim.vehicle.autopilot.rally import RALLY, RallyProtocol
from sim.vehicle.home import Home

Handler = Callable[[Hashable, Any], None]
_MISSION: int = mavlink.MAV_MISSION_TYPE_MISSION
MOST_ITEMS = 200


class MissionProtocol:
    """Answers mission messages; single items are given without a transaction.

    Args:
        mission: Whose items they are.
        home: Item 0, and the origin of the others.
        send: To a link.
        rally: Takes what is of rally points.
    """

    def __init__(self, mission: MissionFlight, home: Home, send: Handler, rally: RallyProtocol) -> None:
        self._mission = mission
        self._home = home
        self._send = send
        self._incoming: list[StoredItem] = []
        self._expected = 0
        own: dict[str, Callable[[Hashable, Any], None]] = {
            "MISSION_COUNT": self._on_count,
            "MISSION_ITEM_INT": self._on_item,
            "MISSION_REQUEST_LIST": self._on_list,
            "MISSION_REQUEST_INT": self._on_request,
            "MISSION_CLEAR_ALL": self._on_clear,
            "MISSION_SET_CURRENT": self._on_set_current,
        }
        self.handlers = {name: partial(self._take, handler, rally.handlers.get(name)) for name, handler in own.items()}

    def _take(self, own: Handler, rally: Handler | None, link: Hashable, message: Any) -> None:
        """Hand a message on to what its type is of."""
        of_rally = getattr(message, "mission_type", _MISSION) == RALLY
        handler = rally if of_rally else own
        if handler is not None:
            handler(link, message)

    def current(self) -> Any:
        """MISSION_CURRENT as of now."""
        return mavlink.MAVLink_mission_current_message(self._mission.current, len(self._mission.items))

    def _acknowledge(self, link: Hashable, asked: Any, result: int) -> None:
        who = (asked.get_srcSystem(), asked.get_srcComponent())
        self._send(link, mavlink.MAVLink_mission_ack_message(*who, result, _MISSION))

    def _ask(self, link: Hashable, asked: Any) -> None:
        who = (asked.get_srcSystem(), asked.get_srcComponent())
        self._send(link, mavlink.MAVLink_mission_request_int_message(*who, len(self._incoming), _MISSION))

    def _on_count(self, link: Hashable, m: Any) -> None:
        if m.mission_type != _MISSION or m.count > MOST_ITEMS:
            self._acknowledge(link, m, mavlink.MAV_MISSION_UNSUPPORTED)
            return
        self._incoming, self._expected = [], m.count
        if m.count:
            self._ask(link, m)
        else:
            self._on_clear(link, m)

    def _on_item(self, link: Hashable, m: Any) -> None:
        if m.mission_type != _MISSION or m.seq != len(self._incoming) or m.seq >= self._expected:
            return
        place = None
        if m.x or m.y:
            n_m, e_m = self._home.ned_from_global(m.x * 1e-7, m.y * 1e-7)
            above_home = m.frame in (mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT, mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT_INT)
            place = (n_m, e_m, m.z if above_home else m.z - self._home.alt_m)
        self._incoming.append(StoredItem(m.command, place))
        if len(self._incoming) < self._expected:
            self._ask(link, m)
            return
        self._expected = 0
        self._mission.items = self._incoming[1:]  # item 0 is home
        self._mission.boot()
        self._acknowledge(link, m, mavlink.MAV_MISSION_ACCEPTED)

    def _on_clear(self, link: Hashable, m: Any) -> None:
        self._mission.items = []
        self._mission.boot()
        self._acknowledge(link, m, mavlink.MAV_MISSION_ACCEPTED)

    def _on_list(self, link: Hashable, m: Any) -> None:
        who, count = (m.get_srcSystem(), m.get_srcComponent()), len(self._mission.items)
        self._send(link, mavlink.MAVLink_mission_count_message(*who, count + 1 if count else 0, _MISSION))

    def _on_request(self, link: Hashable, m: Any) -> None:
        if self._expected:
            self._acknowledge(link, m, mavlink.MAV_MISSION_DENIED)
        elif m.mission_type != _MISSION or not 0 <= m.seq <= len(self._mission.items):
            self._acknowledge(link, m, mavlink.MAV_MISSION_INVALID_SEQUENCE)
        else:
            self._send(link, self._item(m))

    def _item(self, m: Any) -> Any:
        h = self._home
        item = StoredItem(mavlink.MAV_CMD_NAV_WAYPOINT, (0.0, 0.0, 0.0))
        if m.seq:
            item = self._mission.items[m.seq - 1]
        x = y = 0
        up_m = 0.0
        if item.place is not None:
            lat_deg, lon_deg = h.global_from_ned(*item.place[:2])
            x, y, up_m = round(lat_deg * 1e7), round(lon_deg * 1e7), item.place[2]
        who, frame = (m.get_srcSystem(), m.get_srcComponent()), mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT
        return mavlink.MAVLink_mission_item_int_message(
            *who, m.seq, frame, item.command, 0, 1, 0.0, 0.0, 0.0, math.nan, x, y, up_m, _MISSION
        )

    def _on_set_current(self, link: Hashable, m: Any) -> None:
        if self._mission.set_current(m.seq):
            self._send(link, self.current())
