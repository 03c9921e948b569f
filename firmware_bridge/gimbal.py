"""Attitude of a gimbal at the moment a frame was captured.

Its messages come from the gimbal itself or from the autopilot, each with the sender's own boot clock, at 5 to 20 Hz.
They are kept as they came, against what they came, and interpolated there: a stabilised gimbal hardly moves against the
heading while the heading itself may turn fast. Only the answer is brought into NED, with the vehicle's attitude at that
very moment.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

from firmware_bridge.clock import NS_PER_MS, ClockMap
from firmware_bridge.dialect import mavlink
from firmware_bridge.gimbal_message import GimbalFrame, GimbalReading, read_device_status, read_mount_orientation
from firmware_bridge.track import Track
from landing.errors import InvalidValueError
from landing.geometry import (
    Quaternion,
    euler_from_quaternion,
    matrix_from_quaternion,
    multiplied,
    quaternion_from_euler,
    slerp,
)

NS_PER_S = 1_000_000_000
READERS = {"GIMBAL_DEVICE_ATTITUDE_STATUS": read_device_status, "MOUNT_ORIENTATION": read_mount_orientation}
SOURCE_SILENT_NS = 2 * NS_PER_S  # A source silent for so long may be replaced by another one of the same gimbal

KEEP_NS = 5 * NS_PER_S  # Age at which samples are forgotten
GAP_NS = 400_000_000  # Longest gap interpolated across
AHEAD_NS = 150_000_000  # Longest hold of the newest sample, while it turns slower than `HOLD_RAD_S`
HOLD_RAD_S = math.radians(10.0)
LEVEL_RAD = math.radians(3.0)  # A vehicle that leans by less counts as level: a metre at 20 m
MAX_RATE_RAD_S = math.radians(400.0)  # Two samples that imply more than this are a jump

UNLOCKED = (
    "gimbal does not lock roll and pitch to the horizon: where it looks is known only while the vehicle is level "
    f"within {math.degrees(LEVEL_RAD):g} degrees; let it lock both"
)
SERVOS = (
    "gimbal looks straight down against the vehicle, and says that this is against the horizon, as ArduPilot does of "
    "servos (MNT1_TYPE 1): where it looks is known only while the vehicle is level"
)


@dataclass(frozen=True)
class _Sample:
    at_ns: int
    frame: GimbalFrame
    attitude: Quaternion


_Source = tuple[str, int, int, int]  # Message name, system, component, gimbal device id


class GimbalHistory:
    """The last seconds of one gimbal's attitude; thread-safe, bounded.

    Another gimbal never stands in for it: where several tell an attitude and none is named, none is served. Of one
    gimbal the first source heard is served until it falls silent; the newer message is preferred to MOUNT_ORIENTATION
    from then on.

    Args:
        wanted: Id of the gimbal that carries the camera, see `device_of`; 0 for the only one.
    """

    def __init__(self, wanted: int = 0) -> None:
        self.wanted = wanted
        self._system: int | None = None
        self._heard: set[int] = set()
        self._track: Track[_Sample] = Track(KEEP_NS, self._jumps)
        self._clock = ClockMap()
        self._source: _Source | None = None
        self._heard_ns = 0
        self._refusal = self._doubt = ""
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget all attitudes, as after a reboot. The gimbals of the vehicle stay known."""
        with self._lock:
            self._forget()

    @property
    def problem(self) -> str:
        """Reason why the newest message was of no use, or its attitude; empty when it was, or when none has come."""
        with self._lock:
            return self._refusal or self._doubt

    @property
    def contested(self) -> bool:
        """Return whether several gimbals tell an attitude and none is named as the camera's."""
        with self._lock:
            return not self.wanted and len(self._heard) > 1

    @property
    def device(self) -> int:
        """Id of the gimbal served, as its manager names it; 0 while none is heard or none is told."""
        with self._lock:
            if self._source is None or self._source[0] != "GIMBAL_DEVICE_ATTITUDE_STATUS":
                return 0
            _, _, component, device = self._source
            unnamed = not device and component == mavlink.MAV_COMP_ID_AUTOPILOT1
            return 0 if unnamed else device_of(self._source)

    def take(self, message: Any, now_ns: int) -> bool:
        """Take any message; False when it is no attitude of the gimbal served, or unusable."""
        name = message.get_type()
        reader = READERS.get(name)
        if reader is None:
            return False
        source = (name, message.get_srcSystem(), message.get_srcComponent(), getattr(message, "gimbal_device_id", 0))
        with self._lock:
            if not self._serves(source, now_ns):
                return False
            self._heard_ns = now_ns
            try:
                reading = reader(message)
            except InvalidValueError as error:
                # The present attitude is not known; the last one must not stand in for it.
                self._track.clear()
                self._refusal = str(error)
                return False
            self._refusal = ""
            return self._add(reading, now_ns)

    def at(self, at_ns: int, ned_from_frd: Quaternion | None) -> Quaternion | None:
        """Return the gimbal's attitude at our monotonic time, from gimbal axes to NED; None when it is not known.

        The vehicle's attitude then is needed unless the gimbal tells its own against north.
        """
        with self._lock:
            offset_ns = self._clock.offset_ns
            if offset_ns is None:
                return None
            sample = self._sample_at(at_ns - offset_ns)
            by_autopilot = self._source is not None and self._source[2] == mavlink.MAV_COMP_ID_AUTOPILOT1
        if sample is None:
            return None
        if sample.frame is GimbalFrame.EARTH:
            return sample.attitude
        if ned_from_frd is None:
            return None
        level = quaternion_from_euler(0.0, 0.0, euler_from_quaternion(ned_from_frd)[2])
        by_level, by_body = multiplied(level, sample.attitude), multiplied(ned_from_frd, sample.attitude)
        if sample.frame is GimbalFrame.HEADING:
            self._doubt = SERVOS if by_autopilot and _is_of_servos(by_level, by_body) else ""
            return None if self._doubt else by_level
        told = sample.frame is GimbalFrame.BODY and by_autopilot
        self._doubt = UNLOCKED if not told and _angle_rad(level, ned_from_frd) > LEVEL_RAD else ""
        return None if self._doubt else by_body

    def _serves(self, source: _Source, now_ns: int) -> bool:
        if not self._of_the_camera(source):
            return False
        served = self._source
        if source == served:
            return True
        silent = now_ns - self._heard_ns > SOURCE_SILENT_NS
        better = served is not None and (served[0], source[0]) == ("MOUNT_ORIENTATION", "GIMBAL_DEVICE_ATTITUDE_STATUS")
        if served is not None and not silent and not better:
            return False
        self._forget()
        self._source = source
        return True

    def _of_the_camera(self, source: _Source) -> bool:
        """Return whether a source tells of the gimbal that carries the camera; where that is open, nothing is known."""
        name, system, component, _ = source
        if system != self._system:
            self._heard.clear()
            self._forget()
            self._system = system
        device = device_of(source)
        if self.wanted:
            return device == self.wanted
        if name == "MOUNT_ORIENTATION" and component == mavlink.MAV_COMP_ID_AUTOPILOT1:
            return not self._heard  # it names no gimbal
        self._heard.add(device)
        if len(self._heard) == 1:
            return True
        self._forget()
        ids = ", ".join(map(str, sorted(self._heard)))
        self._refusal = f"gimbals {ids} tell an attitude: set expert.link.gimbal_device to the one with the camera"
        return False

    def _forget(self) -> None:
        self._track.clear()
        self._clock.reset()
        self._source = None
        self._refusal = self._doubt = ""

    def _add(self, reading: GimbalReading, now_ns: int) -> bool:
        clock = self._clock.update(reading.boot_ms, now_ns)
        if not clock.trusted:
            return False
        if clock.rebooted:
            self._track.clear()
        at_ns = reading.boot_ms * NS_PER_MS
        return self._track.add(_Sample(at_ns, reading.frame, reading.attitude))

    def _sample_at(self, at_ns: int) -> _Sample | None:
        before, after = self._track.around(at_ns)
        if before is None:
            return None
        if after is not None:
            if after.at_ns - before.at_ns > GAP_NS:
                return None
            fraction = (at_ns - before.at_ns) / (after.at_ns - before.at_ns)
            return _Sample(at_ns, before.frame, slerp(before.attitude, after.attitude, fraction))
        if at_ns == before.at_ns:
            return before
        if at_ns - before.at_ns > AHEAD_NS:
            return None
        earlier, _ = self._track.around(before.at_ns - 1)
        if earlier is None or before.at_ns - earlier.at_ns > GAP_NS:
            return None
        seconds = (before.at_ns - earlier.at_ns) / NS_PER_S
        rate_rad_s = _angle_rad(earlier.attitude, before.attitude) / seconds
        return before if rate_rad_s <= HOLD_RAD_S else None

    def _jumps(self, a: _Sample, b: _Sample) -> bool:
        if a.frame is not b.frame:
            return True
        allowed_rad = 0.05 + MAX_RATE_RAD_S * (b.at_ns - a.at_ns) / NS_PER_S
        return _angle_rad(a.attitude, b.attitude) > allowed_rad


def device_of(source: _Source) -> int:
    """Return the id of the gimbal that a source tells of: the one told, else the sender's component id."""
    _, _, component, device = source
    return device or component


def _is_of_servos(by_level: Quaternion, by_body: Quaternion) -> bool:
    """Tell an attitude against the vehicle that is said to be against the horizon.

    ArduPilot tells the angles of its servos so (`AP_Mount_Servo::get_attitude_quaternion`, in most versions). A camera
    that it holds straight down seems to look aside then by as much as the vehicle leans.
    """
    off_rad, off_by_body_rad = _off_nadir_rad(by_level), _off_nadir_rad(by_body)
    return off_by_body_rad < LEVEL_RAD < off_rad - off_by_body_rad


def _off_nadir_rad(ned_from_gimbal: Quaternion) -> float:
    down = float(matrix_from_quaternion(ned_from_gimbal)[2, 0])  # its x axis is where it looks
    return math.acos(max(-1.0, min(1.0, down)))


def _angle_rad(a: Quaternion, b: Quaternion) -> float:
    dot = abs(sum(p * q for p, q in zip(a, b, strict=True)))
    return 2 * math.acos(min(1.0, dot))
