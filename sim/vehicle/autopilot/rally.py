"""Rally points by the rules of ArduCopter 4.6 (`AP_Rally`, `MissionItemProtocol_Rally`).

An upload replaces items where they stand, one by one: what breaks off leaves a list half old, half new. Only place and
whole metres above home are kept of an item.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot.parameters import ParameterStore
from sim.vehicle.home import Home

RALLY: int = mavlink.MAV_MISSION_TYPE_RALLY
MOST_POINTS = 10
"""Room of a small board's storage (`StorageRally`, 150 bytes)."""

FRAMES = (mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT, mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT_INT)
FENCE_OF_ALTITUDE = 1
UPLOAD_TIMEOUT_MS = 8000
_ACCEPTED: int = mavlink.MAV_MISSION_ACCEPTED

Send = Callable[[Hashable, Any], None]


class StoredPoint(NamedTuple):
    """Degrees times 10^7, and metres above home."""

    latitude_e7: int
    longitude_e7: int
    above_home_m: int


class RallyPoints:
    """The stored points.

    Attributes:
        points: As they are stored.
    """

    def __init__(self, parameters: ParameterStore, home: Home) -> None:
        self.points: list[StoredPoint] = []
        self._parameters = parameters
        self._home = home

    def set(self, number: int, point: StoredPoint) -> None:
        """Replace a point, or add it at the end."""
        self.points[number : number + 1] = [point]
        self._count()

    def truncate(self, count: int) -> None:
        """Keep the first ones."""
        del self.points[count:]
        self._count()

    def way_home(self, n_m: float, e_m: float) -> tuple[float, float, float]:
        """Return where RTL leads from a place: north and east, and its height above home, m."""
        limit_m = 1000.0 * self._parameters["RALLY_LIMIT_KM"]
        home_m = math.hypot(n_m, e_m)
        best = (0.0, 0.0, 0.0)
        best_m = math.inf
        for point in self.points:
            north_m, east_m = self._home.ned_from_global(point.latitude_e7 * 1e-7, point.longitude_e7 * 1e-7)
            away_m = math.hypot(north_m - n_m, east_m - e_m)
            if away_m < best_m:
                best, best_m = (north_m, east_m, float(point.above_home_m)), away_m
        too_far = limit_m > 0 and best_m > limit_m
        if too_far or (self._parameters["RALLY_INCL_HOME"] and best_m >= home_m):
            return 0.0, 0.0, 0.0
        return best if math.isfinite(best_m) else (0.0, 0.0, 0.0)

    def within_fence_m(self, up_m: float) -> float:
        """Return how high RTL flies to a height above home, m: no higher than a fence of altitude that is on."""
        p = self._parameters
        fenced = p["FENCE_ENABLE"] and int(p["FENCE_TYPE"]) & FENCE_OF_ALTITUDE
        return min(up_m, p["FENCE_ALT_MAX"] - p["FENCE_MARGIN"]) if fenced else up_m

    def _count(self) -> None:
        self._parameters.set("RALLY_TOTAL", len(self.points))


class RallyProtocol:
    """Answers mission messages of type rally.

    Args:
        points: The storage.
        send: To a link.
        now_ms: Time since boot.
    """

    def __init__(self, points: RallyPoints, send: Send, now_ms: Callable[[], int]) -> None:
        self._points = points
        self._send = send
        self._now_ms = now_ms
        self._sender: tuple[int, int] | None = None
        self._next = self._count = self._heard_ms = 0
        self.handlers: dict[str, Callable[[Hashable, Any], None]] = {
            "MISSION_COUNT": self._on_count,
            "MISSION_ITEM_INT": self._on_item,
            "MISSION_REQUEST_LIST": self._on_list,
            "MISSION_REQUEST_INT": self._on_request,
            "MISSION_CLEAR_ALL": self._on_clear,
        }

    def _receiving(self) -> bool:
        if self._sender is not None and self._now_ms() - self._heard_ms > UPLOAD_TIMEOUT_MS:
            self._sender = None
        return self._sender is not None

    def _acknowledge(self, link: Hashable, asked: Any, result: int) -> None:
        self._send(link, mavlink.MAVLink_mission_ack_message(*_of(asked), result, RALLY))

    def _ask(self, link: Hashable, asked: Any) -> None:
        self._heard_ms = self._now_ms()
        self._send(link, mavlink.MAVLink_mission_request_message(*_of(asked), self._next, RALLY))

    def _on_count(self, link: Hashable, m: Any) -> None:
        if self._receiving() and self._sender != _of(m):
            self._acknowledge(link, m, mavlink.MAV_MISSION_DENIED)
            return
        if m.count > MOST_POINTS:
            self._acknowledge(link, m, mavlink.MAV_MISSION_NO_SPACE)
            return
        self._points.truncate(m.count)
        if not m.count:
            self._acknowledge(link, m, _ACCEPTED)
            return
        self._sender, self._next, self._count = _of(m), 0, m.count
        self._ask(link, m)

    def _on_item(self, link: Hashable, m: Any) -> None:
        if not self._receiving():
            return
        if self._sender != _of(m):
            self._acknowledge(link, m, mavlink.MAV_MISSION_DENIED)
            return
        if m.seq != self._next:
            self._acknowledge(link, m, mavlink.MAV_MISSION_INVALID_SEQUENCE)
            return
        fault = mavlink.MAV_MISSION_UNSUPPORTED if m.command != mavlink.MAV_CMD_NAV_RALLY_POINT else None
        if m.frame not in FRAMES:
            fault = mavlink.MAV_MISSION_UNSUPPORTED_FRAME
        if fault is not None:
            self._sender = None
            self._acknowledge(link, m, fault)
            return
        self._points.set(m.seq, StoredPoint(m.x, m.y, int(m.z)))
        self._next += 1
        if self._next < self._count:
            self._ask(link, m)
            return
        self._sender = None
        self._acknowledge(link, m, _ACCEPTED)

    def _on_list(self, link: Hashable, m: Any) -> None:
        if self._receiving():
            self._acknowledge(link, m, mavlink.MAV_MISSION_DENIED)
            return
        self._send(link, mavlink.MAVLink_mission_count_message(*_of(m), len(self._points.points), RALLY))

    def _on_request(self, link: Hashable, m: Any) -> None:
        if self._receiving():
            self._acknowledge(link, m, mavlink.MAV_MISSION_DENIED)
        elif not 0 <= m.seq < len(self._points.points):
            self._acknowledge(link, m, mavlink.MAV_MISSION_INVALID_SEQUENCE)
        else:
            point = self._points.points[m.seq]
            frame, command = mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT, mavlink.MAV_CMD_NAV_RALLY_POINT
            place = point.latitude_e7, point.longitude_e7, float(point.above_home_m)
            item = mavlink.MAVLink_mission_item_int_message(
                *_of(m), m.seq, frame, command, 0, 0, 0.0, 0.0, 0.0, 0.0, *place, RALLY
            )
            self._send(link, item)

    def _on_clear(self, link: Hashable, m: Any) -> None:
        if self._receiving():
            self._acknowledge(link, m, mavlink.MAV_MISSION_ERROR)
            return
        self._points.truncate(0)
        self._acknowledge(link, m, _ACCEPTED)


def _of(message: Any) -> tuple[int, int]:
    return message.get_srcSystem(), message.get_srcComponent()
