"""The autopilot as manager of a gimbal: who has control of it, and our orders to it. Pure: time is given.

MAVLink's gimbal protocol v2, https://mavlink.io/en/services/gimbal_v2.html. What is sent, and why in this form (read in
ArduCopter 4.6.2 and 4.7, PX4 1.15 to main):

- Take: DO_GIMBAL_MANAGER_CONFIGURE with our ids. -2, "the sender", means its own ids to PX4. Both accept it whoever has
  control, so GIMBAL_MANAGER_STATUS is read before. ArduPilot sends that on each change, PX4 at the asked rate.
- Point: DO_GIMBAL_MANAGER_PITCHYAW, -90 degrees, roll and pitch locked to the horizon, yaw with the vehicle. ArduPilot
  does not ask who has control; PX4 answers DENIED to others, so the command is used and not the message.
- Release: DO_GIMBAL_MANAGER_CONFIGURE with -3. PX4 judges the two ids one by one, so it is sent only while both are
  ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from firmware_bridge.commands import CommandTracker
from firmware_bridge.dialect import command_long, mavlink
from firmware_bridge.gimbal import GimbalHistory
from firmware_bridge.vehicle import AutopilotId
from landing.command.pointing import GimbalHolder, GimbalOrder, GimbalReport, GimbalRequest

STATUS_STREAM = "GIMBAL_MANAGER_STATUS"
STATUS_RATE_HZ = 2.0
HEARD_NS = 5_000_000_000
MANAGERS_KEPT = 8

DOWN_DEG = -90.0
LEVELLED: int = mavlink.GIMBAL_MANAGER_FLAGS_ROLL_LOCK | mavlink.GIMBAL_MANAGER_FLAGS_PITCH_LOCK
UNCHANGED, RELEASED = -1, -3
UNNAMED = 0  # Device id in the word of a PX4 that has one gimbal and does not name it


@dataclass(frozen=True)
class _ManagerWord:
    """One GIMBAL_MANAGER_STATUS."""

    at_ns: int
    primary: tuple[int, int]  # System and component in control; (0, 0) for nobody


def order_message(
    order: GimbalOrder, to: AutopilotId, ours: tuple[int, int], device: int, confirmation: int = 0
) -> Any:
    """Return the command for an order.

    Args:
        order: To be sent.
        to: The manager.
        ours: Our system and component.
        device: Id of the gimbal, 0 for all.
        confirmation: Counts up from 0.
    """
    where, times = (to.system, to.component), {"confirmation": min(confirmation, 255)}
    if order is GimbalOrder.POINT:
        command = mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW
        return command_long(*where, command, DOWN_DEG, 0.0, math.nan, math.nan, LEVELLED, 0.0, device, **times)
    primary = ours if order is GimbalOrder.TAKE else (RELEASED, RELEASED)
    command = mavlink.MAV_CMD_DO_GIMBAL_MANAGER_CONFIGURE
    return command_long(*where, command, *primary, UNCHANGED, UNCHANGED, 0.0, 0.0, device, **times)


class GimbalManager:
    """Keeps the newest word of the served autopilot's gimbal managers, and follows one order.

    Args:
        history: Attitude of the gimbal that carries the camera: which one it is among several.
        component_id: Ours.

    Attributes:
        tracker: Of our orders, apart from the flight's commands: none takes another's place.
    """

    def __init__(self, history: GimbalHistory | None, component_id: int) -> None:
        self.tracker = CommandTracker()
        self._history = history
        self._component_id = component_id
        self._words: dict[int, _ManagerWord] = {}

    def forget(self) -> None:
        """Another autopilot is served, or it has started anew."""
        self._words = {}
        self.tracker.withdraw()

    def on_status(self, message: Any, now_ns: int) -> None:
        """Take a GIMBAL_MANAGER_STATUS of the autopilot served."""
        device = int(message.gimbal_device_id)
        if device in self._words or len(self._words) < MANAGERS_KEPT:
            primary = (int(message.primary_control_sysid), int(message.primary_control_compid))
            self._words[device] = _ManagerWord(now_ns, primary)

    def report(self, system: int, now_ns: int) -> GimbalReport:
        """Return who has control of the gimbal that carries the camera; `system` is the id we send with."""
        found = self._device(now_ns)
        if found is None:
            several = sum(self._fresh(now_ns, device) for device in self._words)
            words = f"{several} gimbal(s), none known to carry the camera"
            return GimbalReport(GimbalHolder.UNKNOWN, words) if several else GimbalReport()
        primary = self._words[found].primary
        if primary == (0, 0):
            return GimbalReport(GimbalHolder.NOBODY, "nobody")
        ours = primary == (system, self._component_id)
        return GimbalReport(GimbalHolder.US if ours else GimbalHolder.OTHER, f"{primary[0]}/{primary[1]}")

    def ask(self, request: GimbalRequest, to: AutopilotId, now_ns: int) -> None:
        """Begin to send an order, until it is answered."""
        ours, device = (to.system, self._component_id), self._device(now_ns) or 0
        self.tracker.follow(request.number, lambda tries: order_message(request.order, to, ours, device, tries), now_ns)

    def _device(self, now_ns: int) -> int | None:
        """Id of the gimbal that carries the camera, among those with a fresh word; None where that is not known."""
        fresh = [device for device in self._words if self._fresh(now_ns, device)]
        wanted = 0 if self._history is None else self._history.wanted
        if self._history is not None and self._history.contested:
            return None
        if len(fresh) == 1 and (wanted == 0 or fresh[0] in (UNNAMED, wanted)):
            return fresh[0]
        read = wanted or (0 if self._history is None else self._history.device)
        return read if read in fresh else None

    def _fresh(self, now_ns: int, device: int) -> bool:
        return now_ns - self._words[device].at_ns <= HEARD_NS
