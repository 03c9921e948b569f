"""Depth over MAVLink: arrays of DISTANCE_SENSOR that look down obliquely, and points of OBSTACLE_DISTANCE_3D.

Sensors speak for themselves or the autopilot for them; they belong to the served vehicle. What cannot be placed on the
ground is left out: other frames, beams too wide, orientations that are not known, numbers that make no sense.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_bridge.clock import SensorStamps
from firmware_bridge.dialect import enum_names, mavlink
from landing.geometry import Vector, matrix_from_quaternion
from landing.relief.depth import DepthLook

WAITING = 1024  # Points that wait; the oldest goes first
TOGETHER_NS = 40_000_000  # Points of a source within this time are one look
LEAST_DOWN = 0.3  # Sine below the body's horizon: flatter beams do not see the ground
MOST_FOV_RAD = math.radians(20.0)  # Wider beams meet the ground anywhere in them
UNKNOWN_FOV_RAD = math.radians(3.0)
ERROR_M, ERROR_SHARE = 0.03, 0.02  # Standard deviation of a distance whose sensor does not tell it

_TURNS = re.compile(r"(PITCH|YAW)_(\d+)")


def _directions() -> dict[int, Vector]:
    """Return where a sensor of each orientation looks, body FRD: the x axis after yaw, pitch and roll."""
    found = {}
    for value, name in enum_names("MAV_SENSOR_ROTATION_").items():
        turns = {axis: math.radians(float(angle)) for axis, angle in _TURNS.findall(name)}
        pitch, yaw = turns.get("PITCH", 0.0), turns.get("YAW", 0.0)
        found[value] = (math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), -math.sin(pitch))
    found.pop(mavlink.MAV_SENSOR_ROTATION_CUSTOM, None)
    return found


DIRECTIONS = _directions()


@dataclass(frozen=True)
class _Point:
    at_ns: int
    source: str
    spread_rad: float
    place_m: Vector
    sd_m: float


class DepthReadings:
    """Points of depth messages, until the pipeline takes them. Not thread-safe.

    Attributes:
        problem: Reason why the newest message that was refused was of no use; empty before one.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._points: deque[_Point] = deque(maxlen=WAITING)
        self._stamps = SensorStamps()

    def take(self, message: Any, now_ns: int, offset_ns: int | None) -> None:
        """Take any message that arrived at a time; `offset_ns` is that of the autopilot's clock, if known."""
        name = message.get_type()
        if name not in READERS:
            return
        source, read = READERS[name]
        found = read(message)
        if isinstance(found, str):
            self.problem = f"{name} {found}"
        elif found is not None:
            place_m, sd_m, spread_rad = found
            at_ns = now_ns
            if offset_ns is not None:
                sensor = (message.get_srcComponent(), source, getattr(message, "id", 0))
                at_ns = self._stamps.at_ns(sensor, message.time_boot_ms, now_ns, offset_ns)
            self._points.append(_Point(at_ns, source, spread_rad, place_m, sd_m))

    def looks(self, until_ns: int) -> tuple[DepthLook, ...]:
        """Take the points up to a monotonic time, those of a source and a moment together."""
        groups: list[list[_Point]] = []
        later: list[_Point] = []
        for point in sorted(self._points, key=lambda one: (one.source, one.spread_rad, one.at_ns)):
            if point.at_ns > until_ns:
                later.append(point)
                continue
            first = groups[-1][0] if groups else None
            same = first is not None and (first.source, first.spread_rad) == (point.source, point.spread_rad)
            if first is None or not same or point.at_ns - first.at_ns > TOGETHER_NS:
                groups.append([])
            groups[-1].append(point)
        self._points = deque(sorted(later, key=lambda one: one.at_ns), WAITING)
        looks = [
            DepthLook(
                group[0].source,
                group[len(group) // 2].at_ns,
                np.array([one.place_m for one in group]),
                np.array([one.sd_m for one in group]),
                group[0].spread_rad,
            )
            for group in groups
        ]
        return tuple(sorted(looks, key=lambda look: look.at_ns))


_Found = tuple[Vector, float, float] | str | None
"""Place in body FRD, m, its standard deviation and half the beam; why it is refused; None where it sees no ground."""


def _beam(message: Any) -> _Found:
    """Read a DISTANCE_SENSOR; one that looks straight down is the rangefinder's."""
    if message.orientation == mavlink.MAV_SENSOR_ROTATION_PITCH_270:
        return None
    if message.orientation == mavlink.MAV_SENSOR_ROTATION_CUSTOM:
        w, x, y, z = message.quaternion
        norm = math.sqrt(w * w + x * x + y * y + z * z)
        if not abs(norm - 1.0) <= 0.02:  # NaN too
            return f"id {message.id} has an orientation of its own without a quaternion"
        forward = matrix_from_quaternion((w / norm, x / norm, y / norm, z / norm))[:, 0]
        direction: Vector = (float(forward[0]), float(forward[1]), float(forward[2]))
    elif message.orientation in DIRECTIONS:
        direction = DIRECTIONS[message.orientation]
    else:
        return f"id {message.id} has orientation {message.orientation}, which MAVLink does not know"
    if direction[2] < LEAST_DOWN:
        return None
    if not message.min_distance < message.max_distance:
        return f"id {message.id} has the range {message.min_distance} to {message.max_distance} cm"
    # By the message's definition 0 is an unknown quality, 1 an invalid signal.
    if message.signal_quality == 1 or not message.min_distance < message.current_distance < message.max_distance:
        return None
    fov_rad = max(message.horizontal_fov, message.vertical_fov) or UNKNOWN_FOV_RAD
    if not 0 < fov_rad <= MOST_FOV_RAD:
        return f"id {message.id} sees a cone of {math.degrees(fov_rad):.0f} degrees, at most 20 are used"
    reach_m = message.current_distance / 100.0
    sd_m = math.hypot(ERROR_M, ERROR_SHARE * reach_m)
    if 0 < message.covariance < 255:
        sd_m = math.hypot(ERROR_M, math.sqrt(message.covariance) / 100.0)
    north, east, down = (reach_m * c for c in direction)
    return (north, east, down), sd_m, fov_rad / 2


def _obstacle(message: Any) -> _Found:
    """Read an OBSTACLE_DISTANCE_3D."""
    if message.frame != mavlink.MAV_FRAME_BODY_FRD:
        return f"is in frame {message.frame}, expected {mavlink.MAV_FRAME_BODY_FRD} (body, forward-right-down)"
    place_m: Vector = (message.x, message.y, message.z)
    reach_m = math.hypot(*place_m)
    limits = (message.min_distance, message.max_distance)
    if not all(map(math.isfinite, (*place_m, *limits))):
        return "has numbers that are not finite"
    if not limits[0] < limits[1]:
        return f"has the range {limits[0]:g} to {limits[1]:g} m"
    if not limits[0] < reach_m < limits[1]:
        return None
    if message.z < LEAST_DOWN * reach_m:
        return None
    return place_m, math.hypot(ERROR_M, ERROR_SHARE * reach_m), 0.0


READERS: dict[str, tuple[str, Callable[[Any], _Found]]] = {
    "DISTANCE_SENSOR": ("distance sensors", _beam),
    "OBSTACLE_DISTANCE_3D": ("obstacle points", _obstacle),
}
"""Name of the source, and what reads a message, by the message's name."""
