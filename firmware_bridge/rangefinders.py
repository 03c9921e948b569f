"""Heights of several downward rangefinders, and which of them to believe.

A second sensor may look at a landing leg or a payload: it reads the same however high the vehicle is. Climbing and
sinking tell them apart, because the reading over level ground changes by as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.track import Track

NS_PER_S = 1_000_000_000
Vector = tuple[float, float, float]

TRIAL_M = 1.5  # A climb or descent this long tells whether a sensor follows
# A reading that changes by less than this part of the climb is stuck, by more it follows
STUCK_SHARE, FOLLOWS_SHARE = 0.2, 0.6
LEVEL_WAY = 0.5  # Over more way than this part of the climb the ground may have risen or fallen as well
AGREE_M, AGREE_SHARE = 1.0, 0.15  # Two sensors that differ by no more than this, or this part of the height, agree
# A sensor below the first beside one above the second for so long sees a part of the vehicle
LEG_M, CLEAR_M, LEG_NS = 1.0, 2.0, 2 * NS_PER_S
SILENT_NS = NS_PER_S
MAX_SENSORS = 8


@dataclass(frozen=True)
class Height:
    """One height sample."""

    at_ns: int  # Stamp, source clock
    agl_m: float  # Height of the body origin above the ground, m


class RangeReadings:
    """Judges DISTANCE_SENSOR messages: which can give a height at all, and why others cannot."""

    def __init__(self) -> None:
        self._useless: dict[int, str] = {}
        self._usable: set[int] = set()

    def take(self, message: Any) -> bool:
        """Take a DISTANCE_SENSOR; False where this sensor's readings can never be a height."""
        why = self._why_not(message)
        if why is None:
            self._usable.add(message.id)
            self._useless.pop(message.id, None)
        elif message.id not in self._usable and len(self._useless) < MAX_SENSORS:
            self._useless[message.id] = why
        return why is None

    @staticmethod
    def _why_not(message: Any) -> str | None:
        if message.orientation != mavlink.MAV_SENSOR_ROTATION_PITCH_270:
            return f"looks to orientation {message.orientation}, expected 25 (down)"
        if not message.min_distance < message.max_distance:
            return (
                f"has the range {message.min_distance} to {message.max_distance} cm; set the "
                "largest above the smallest (RNGFNDn_MAX)"
            )
        # By the message's definition 0 is an unknown quality, 1 an invalid signal.
        return "says that its signal is invalid" if message.signal_quality == 1 else None

    @property
    def problem(self) -> str | None:
        """Reason why no rangefinder heard can give a height; None where one can or none is heard."""
        if self._usable or not self._useless:
            return None
        whys = ", ".join(f"id {ident} {why}" for ident, why in sorted(self._useless.items()))
        return f"no rangefinder can give a height: {whys}"


class _Sensor:
    def __init__(self, keep_ns: int, max_rate_m_s: float) -> None:
        def jumps(a: Height, b: Height) -> bool:
            allowed_m = 2.0 + max_rate_m_s * (b.at_ns - a.at_ns) / NS_PER_S
            return abs(b.agl_m - a.agl_m) > allowed_m

        self.track: Track[Height] = Track(keep_ns, jumps)
        self.follows: bool | None = None
        self.anchor: tuple[Vector, float] | None = None

    def learn(self, agl_m: float, ned_m: Vector) -> None:
        """Compares how the reading and the position's down coordinate have changed."""
        if self.anchor is None:
            self.anchor = (ned_m, agl_m)
            return
        (north_m, east_m, down_m), before_m = self.anchor
        climb_m = down_m - ned_m[2]
        if math.hypot(ned_m[0] - north_m, ned_m[1] - east_m) > LEVEL_WAY * TRIAL_M:
            self.anchor = (ned_m, agl_m)
        elif abs(climb_m) >= TRIAL_M:
            share = (agl_m - before_m) / climb_m
            if share < STUCK_SHARE:
                self.follows = False
            elif share > FOLLOWS_SHARE:
                self.follows = True
            self.anchor = (ned_m, agl_m)


def stuck_words(stuck: dict[int, float]) -> str:
    """Names sensors that stay at one reading."""
    values = ", ".join(f"id {ident} stays at {m:.2f} m" for ident, m in stuck.items())
    return f"a rangefinder does not follow the height, it may see a leg or payload: {values}"


class RangeHeights:
    """Keeps a track of heights for each rangefinder and chooses one of them. Not thread-safe.

    Two heights that imply more than `max_rate_m_s`, and 2 m, are a jump.
    """

    def __init__(self, keep_ns: int, max_rate_m_s: float) -> None:
        self._keep_ns = keep_ns
        self._max_rate_m_s = max_rate_m_s
        self._sensors: dict[int, _Sensor] = {}
        self._chosen: int | None = None
        self._apart_since_ns: int | None = None

    def clear(self) -> None:
        """Forgets all."""
        self._sensors.clear()
        self._chosen = self._apart_since_ns = None

    def frame_moved(self) -> None:
        """Begins the comparison with the position anew: its frame is another one."""
        for sensor in self._sensors.values():
            sensor.anchor = None

    @property
    def resets(self) -> int:
        """Jumps of all tracks."""
        return sum(sensor.track.resets for sensor in self._sensors.values())

    @property
    def stuck(self) -> dict[int, float]:
        """Sensors whose reading does not follow the height, by id, with their last height, m."""
        return self._newest(lambda sensor: sensor.follows is False)

    @property
    def problem(self) -> str | None:
        """Reason why none of the sensors heard can be believed, in words; None while one can."""
        if self._chosen is not None or not self._sensors:
            return None
        if self._apart_since_ns is not None:
            apart = self._newest(lambda sensor: sensor.follows is not False)
            values = " and ".join(f"{m:.2f} m (id {ident})" for ident, m in apart.items())
            return f"rangefinders contradict each other: {values}"
        return stuck_words(self.stuck) if self.stuck else None

    def _newest(self, which: Callable[[_Sensor], bool]) -> dict[int, float]:
        return {
            ident: sensor.track.newest.agl_m
            for ident, sensor in sorted(self._sensors.items())
            if sensor.track.newest is not None and which(sensor)
        }

    def add(self, ident: int, height: Height, ned_m: Vector | None) -> bool:
        """Takes a height of one sensor; False when it is held back as a jump.

        `ned_m` is the position at its time, m; None where it is not known.
        """
        sensor = self._sensors.get(ident)
        if sensor is None:
            if len(self._sensors) >= MAX_SENSORS:
                return False
            sensor = self._sensors[ident] = _Sensor(self._keep_ns, self._max_rate_m_s)
        taken = sensor.track.add(height)
        if taken and ned_m is not None:
            sensor.learn(height.agl_m, ned_m)
        self._choose(height.at_ns)
        return taken

    def around(self, at_ns: int) -> tuple[Height | None, Height | None]:
        """The chosen sensor's newest height at or before the moment and oldest after it."""
        if self._chosen is None:
            return None, None
        return self._sensors[self._chosen].track.around(at_ns)

    def _choose(self, now_ns: int) -> None:
        heard: dict[int, float] = {}
        for ident, sensor in sorted(self._sensors.items()):
            newest = sensor.track.newest
            if newest is not None and now_ns - newest.at_ns <= SILENT_NS and (sensor.follows is not False):
                heard[ident] = newest.agl_m
        if not heard:
            self._chosen = self._apart_since_ns = None
            return
        proven = [ident for ident in heard if self._sensors[ident].follows]
        low_m, high_m = min(heard.values()), max(heard.values())
        if high_m - low_m <= max(AGREE_M, AGREE_SHARE * high_m):
            self._apart_since_ns = None
            if self._chosen not in heard:
                self._chosen = proven[0] if proven else min(heard)
            return
        if proven:
            self._chosen = self._chosen if self._chosen in proven else proven[0]
            return
        if self._apart_since_ns is None:
            self._apart_since_ns = now_ns
        looks_at_leg = low_m < LEG_M and high_m > CLEAR_M
        if looks_at_leg and now_ns - self._apart_since_ns >= LEG_NS:
            self._chosen = max(heard, key=lambda ident: heard[ident])
        else:
            self._chosen = None
