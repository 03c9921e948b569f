"""The stand-in autopilot: MAVLink messages in and out around a `FlightController`. Pure: no thread, socket or clock.

`step` alone advances time, `receive` takes decoded messages from a link, `take_outbox` hands over messages to send. The
real-time shell is `sim.vehicle.autopilot.shell`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_bridge.dialect import mavlink
from sim.vehicle import GroundHeight, Vehicle, flat_ground_m
from sim.vehicle.autopilot.commands import POSITION_OFF, VELOCITY_OFF, Command, param_name, whole
from sim.vehicle.autopilot.config import AutopilotConfig
from sim.vehicle.autopilot.failsafes import FailsafeWatch
from sim.vehicle.autopilot.flight import FlightController
from sim.vehicle.autopilot.mission_protocol import MissionProtocol
from sim.vehicle.autopilot.modes import Mode, RefusedError
from sim.vehicle.autopilot.mount import GimbalMount
from sim.vehicle.autopilot.parameters import ParameterStore
from sim.vehicle.autopilot.rally import RallyProtocol
from sim.vehicle.autopilot.telemetry import TelemetryMessages

TICK_MS = 10
TICK_S = 0.001 * TICK_MS
HEARTBEAT_MS = 1000
REBOOT_SILENCE_MS = 2000
PARAMETERS_PER_TICK = 2
_FORCE_MAGIC = 21196
_FORCE_REBOOT_MAGIC = 20190226
_MODE_OF_COMMAND = {
    mavlink.MAV_CMD_NAV_LAND: Mode.LAND,
    mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH: Mode.RTL,
    mavlink.MAV_CMD_NAV_LOITER_UNLIM: Mode.LOITER,
}
_ACCEPTED: int = mavlink.MAV_RESULT_ACCEPTED
_DENIED: int = mavlink.MAV_RESULT_DENIED
_FAILED: int = mavlink.MAV_RESULT_FAILED
_UNSUPPORTED: int = mavlink.MAV_RESULT_UNSUPPORTED

LinkId = Hashable


@dataclass
class _MessageStream:
    """A message asked for by SET_MESSAGE_INTERVAL."""

    interval_ms: int
    due_ms: int


@dataclass
class _LinkState:
    streams: dict[int, _MessageStream] = field(default_factory=dict)
    parameter_queue: deque[str] = field(default_factory=deque)


class StandInAutopilot:
    """The stand-in. See ``AutopilotConfig`` for how it starts."""

    def __init__(self, config: AutopilotConfig | None = None, *, ground_height_m: GroundHeight = flat_ground_m) -> None:
        self.config = config = config or AutopilotConfig()
        self.parameters = ParameterStore(config.parameters)
        self.vehicle = Vehicle(config.vehicle, config.wind, seed=config.seed, ground_height_m=ground_height_m)
        height = config.airborne_height_m
        flying = height is not None
        yaw_rad = math.radians(config.start_yaw_deg)
        self.vehicle.place(config.start_n_m, config.start_e_m, height or 0.0, yaw_rad, flying=flying)
        self.flight = FlightController(self.vehicle, self.parameters, self._say, config)
        rally = RallyProtocol(self.flight.rally, self._send, lambda: self._now_ms)
        mission = MissionProtocol(self.flight.mission, config.home, self._send, rally)
        self.failsafes = FailsafeWatch(self.flight, self.parameters.in_force, config.battery, self._say)
        self.mount = GimbalMount(self.parameters, config.gimbal_rules)
        self._telemetry = TelemetryMessages(self.flight, config, mission, self.failsafes, self.mount)
        self._links: dict[LinkId, _LinkState] = {}
        self._outbox: list[tuple[LinkId, Any]] = []
        self._owed_s = 0.0
        self._silent_until_ms = 0
        self.reboots = 0
        self._rebooting_for_ms: int | None = None
        self._now_ms = 0
        self._heartbeat_due_ms = 0
        self._told_mode = self.flight.mode
        self._commands: dict[int, Callable[[LinkId, Command], int | None]] = {
            mavlink.MAV_CMD_COMPONENT_ARM_DISARM: self._arm_disarm,
            mavlink.MAV_CMD_NAV_TAKEOFF: self._take_off,
            mavlink.MAV_CMD_DO_SET_MODE: lambda _, c: self._set_mode_common(whole(c.p1), whole(c.p2)),
            mavlink.MAV_CMD_DO_REPOSITION: self._reposition,
            mavlink.MAV_CMD_SET_MESSAGE_INTERVAL: self._set_interval,
            mavlink.MAV_CMD_GET_MESSAGE_INTERVAL: lambda link_id, c: self._report_interval(link_id, c.p1),
            mavlink.MAV_CMD_REQUEST_MESSAGE: self._request,
            mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES: self._capabilities,
            mavlink.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN: self._reboot,
            **self.mount.commands,
        }
        self._handlers: dict[str, Callable[[LinkId, Any], None]] = {
            "HEARTBEAT": self._on_heartbeat,
            "LANDING_TARGET": self._on_landing_target,
            "COMMAND_LONG": self._on_command_long,
            "COMMAND_INT": self._on_command_int,
            "SET_MODE": self._on_set_mode,
            "PARAM_REQUEST_READ": self._on_param_read,
            "PARAM_REQUEST_LIST": self._on_param_list,
            "PARAM_SET": self._on_param_set,
            "TIMESYNC": self._on_timesync,
            "SET_POSITION_TARGET_LOCAL_NED": self._on_local_target,
            "RC_CHANNELS_OVERRIDE": self._on_rc_override,
            **mission.handlers,
        }
        if flying:
            self.flight.start_airborne(config.airborne_mode)
        else:
            self._silent_until_ms = config.boot_ms

    @property
    def now_ms(self) -> int:
        """Milliseconds since boot."""
        return self._now_ms

    @property
    def system_id(self) -> int:
        """MAVLink system id; the component id is 1."""
        return int(self.parameters["SYSID_THISMAV"])

    @property
    def silent(self) -> bool:
        """True while it boots: nothing is sent or taken."""
        return self._rebooting_for_ms is not None or self._now_ms < self._silent_until_ms

    def connect(self, link_id: LinkId) -> None:
        """Add a link; it carries HEARTBEAT and texts until SET_MESSAGE_INTERVAL asks for more."""
        self._links.setdefault(link_id, _LinkState())

    def step(self, dt_s: float) -> None:
        """Advance time; whole ticks of ``TICK_MS`` are flown, the rest waits for the next call."""
        self._owed_s += dt_s
        while self._owed_s >= TICK_S - 1e-9:
            self._owed_s -= TICK_S
            self._tick()

    def take_outbox(self) -> list[tuple[LinkId, Any]]:
        """Messages to send since the last call, in order, with their links."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def receive(self, link_id: LinkId, message: Any) -> None:
        """Take one decoded message from a link; what it does not know is ignored."""
        self.connect(link_id)
        if self.silent:
            return
        handler = self._handlers.get(message.get_type())
        if handler is None or not self._is_for_us(message):
            return
        handler(link_id, message)

    def _tick(self) -> None:
        if self._rebooting_for_ms is not None:
            self._rebooting_for_ms -= TICK_MS
            if self._rebooting_for_ms <= 0:
                self._boot()
            return
        self._now_ms += TICK_MS
        self.flight.step(self._now_ms, TICK_S)
        self.failsafes.step(self._now_ms, TICK_S)
        self.mount.step(TICK_S)
        if self._now_ms < self._silent_until_ms:
            return
        changed = self.flight.mode is not self._told_mode  # told at once, as the real one does
        beat = changed or self._now_ms >= self._heartbeat_due_ms
        if beat:
            self._told_mode = self.flight.mode
            self._heartbeat_due_ms = self._now_ms + HEARTBEAT_MS
        breached = self._now_ms == self.failsafes.breaches[1]
        at_once = [mavlink.MAVLINK_MSG_ID_HEARTBEAT] * beat + [mavlink.MAVLINK_MSG_ID_FENCE_STATUS] * breached
        at_once += [mavlink.MAVLINK_MSG_ID_GIMBAL_MANAGER_STATUS] * self.mount.take_change()
        for link_id, link in self._links.items():
            for message_id in at_once:
                self._send(link_id, self._telemetry.build(message_id))
            for message_id, stream in link.streams.items():
                if self._now_ms < stream.due_ms:
                    continue
                stream.due_ms += stream.interval_ms
                if stream.due_ms <= self._now_ms:
                    stream.due_ms = self._now_ms + stream.interval_ms
                for message in self._telemetry.due(message_id):
                    self._send(link_id, message)
            for _ in range(min(PARAMETERS_PER_TICK, len(link.parameter_queue))):
                self._send(link_id, self._param_value(link.parameter_queue.popleft()))

    def _boot(self) -> None:
        self._rebooting_for_ms = None
        self._now_ms = 0
        self._silent_until_ms = self.config.boot_ms
        self._heartbeat_due_ms = 0
        for link in self._links.values():
            link.streams.clear()
            link.parameter_queue.clear()
        self.flight.boot(TICK_S)
        self.failsafes.boot()
        self.mount.boot()

    def _send(self, link_id: LinkId, message: Any) -> None:
        self._outbox.append((link_id, message))

    def _say(self, severity: int, text: str) -> None:
        for link_id in self._links:
            self._send(link_id, mavlink.MAVLink_statustext_message(severity, text.encode()[:50]))

    def _is_for_us(self, message: Any) -> bool:
        system = getattr(message, "target_system", 0)
        component = getattr(message, "target_component", 0)
        if message.get_type() in ("LANDING_TARGET", "TIMESYNC"):
            return True
        return system in (0, self.system_id) and component in (0, mavlink.MAV_COMP_ID_AUTOPILOT1)

    def _on_heartbeat(self, _: LinkId, m: Any) -> None:
        if m.get_srcSystem() == int(self.parameters["SYSID_MYGCS"]):
            self.failsafes.hear_station(self._now_ms)

    def _on_landing_target(self, _: LinkId, m: Any) -> None:
        self.flight.target.receive(m, self._now_ms)

    def _on_timesync(self, link_id: LinkId, m: Any) -> None:
        if m.tc1 == 0:
            boot_ns = self._now_ms * 1_000_000
            self._send(link_id, mavlink.MAVLink_timesync_message(boot_ns, m.ts1))

    def _on_rc_override(self, _: LinkId, m: Any) -> None:
        self.flight.sticks.override((m.chan1_raw, m.chan2_raw, m.chan3_raw, m.chan4_raw), self._now_ms)

    def _on_local_target(self, _: LinkId, m: Any) -> None:
        """A position or velocity in LOCAL_NED or LOCAL_OFFSET_NED; ignored fields may hold anything, used ones not."""
        position, velocity = (m.x, m.y, m.z), (m.vx, m.vy, m.vz)
        if m.coordinate_frame == mavlink.MAV_FRAME_LOCAL_OFFSET_NED:
            est = self.flight.estimate
            position = (m.x + est.n_m, m.y + est.e_m, m.z + est.d_m)
        elif m.coordinate_frame != mavlink.MAV_FRAME_LOCAL_NED:
            return
        if m.type_mask & POSITION_OFF != POSITION_OFF:
            if all(map(math.isfinite, position)):
                yaw_off = m.type_mask & mavlink.POSITION_TARGET_TYPEMASK_YAW_IGNORE or not math.isfinite(m.yaw)
                self.flight.fly_to(*position, None if yaw_off else float(m.yaw))
        elif m.type_mask & VELOCITY_OFF != VELOCITY_OFF and all(map(math.isfinite, velocity)):
            self.flight.fly_at(*velocity)

    def _param_value(self, name: str) -> Any:
        return mavlink.MAVLink_param_value_message(
            name.encode(),
            self.parameters.stored(name),
            int(self.parameters.row(name).type),
            len(self.parameters),
            self.parameters.index(name),
        )

    def _on_param_read(self, link_id: LinkId, m: Any) -> None:
        name = param_name(m.param_id) if m.param_index < 0 else self.parameters.name_at(m.param_index)
        if name is not None and name in self.parameters:
            self._send(link_id, self._param_value(name))

    def _on_param_list(self, link_id: LinkId, _: Any) -> None:
        queue = self._links[link_id].parameter_queue
        queue.clear()
        queue.extend(self.parameters)

    def _on_param_set(self, _: LinkId, m: Any) -> None:
        name = param_name(m.param_id)
        if name not in self.parameters or not math.isfinite(m.param_value):
            return
        self.parameters.set(name, m.param_value)
        for link_id in self._links:
            self._send(link_id, self._param_value(name))

    def _on_command_long(self, link_id: LinkId, m: Any) -> None:
        numbers = (m.param1, m.param2, m.param3, m.param4, m.param5, m.param6, m.param7)
        self._run(link_id, Command(m.command, *numbers, mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT), m)

    def _on_command_int(self, link_id: LinkId, m: Any) -> None:
        command = Command(m.command, m.param1, m.param2, m.param3, m.param4, 1e-7 * m.x, 1e-7 * m.y, m.z, m.frame)
        self._run(link_id, command, m)

    def _run(self, link_id: LinkId, command: Command, m: Any) -> None:
        result: int | None
        command = replace(command, sender=(m.get_srcSystem(), m.get_srcComponent()))
        if command.number in _MODE_OF_COMMAND:
            result = self._change_mode(_MODE_OF_COMMAND[command.number])
        elif command.number in self._commands:
            result = self._commands[command.number](link_id, command)
        else:
            result = _UNSUPPORTED
        if result is not None:
            self._acknowledge(link_id, command.number, result, m)

    def _acknowledge(self, link_id: LinkId, command: int, result: int, m: Any) -> None:
        ack = mavlink.MAVLink_command_ack_message(command, result, 0, 0, m.get_srcSystem(), m.get_srcComponent())
        self._send(link_id, ack)

    def _on_set_mode(self, link_id: LinkId, m: Any) -> None:
        result = self._set_mode_common(m.base_mode, m.custom_mode)
        self._acknowledge(link_id, mavlink.MAVLINK_MSG_ID_SET_MODE, result, m)

    def _set_mode_common(self, base: int, custom: int) -> int:
        if not base & mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
            return _DENIED
        return self._change_mode(custom)

    def _change_mode(self, mode: int) -> int:
        return self._try(lambda: self.flight.set_mode(mode))

    def _try(self, action: Callable[[], object]) -> int:
        try:
            action()
        except RefusedError as error:
            if str(error):
                self._say(mavlink.MAV_SEVERITY_CRITICAL, str(error))
            return _FAILED
        return _ACCEPTED

    def _arm_disarm(self, _: LinkId, c: Command) -> int:
        force = whole(c.p2) == _FORCE_MAGIC
        if c.p1 == 1.0:
            return self._try(self.flight.arm)
        if c.p1 == 0.0:
            return self._try(lambda: self.flight.disarm(force=force))
        return _UNSUPPORTED

    def _take_off(self, _: LinkId, c: Command) -> int:
        return self._try(lambda: self.flight.take_off(c.z))

    def _reposition(self, _: LinkId, c: Command) -> int:
        change_mode = whole(c.p2) & mavlink.MAV_DO_REPOSITION_FLAGS_CHANGE_MODE
        if self.flight.mode is not Mode.GUIDED:
            if not change_mode:
                return _DENIED
            if self._change_mode(Mode.GUIDED) != _ACCEPTED:
                return _FAILED
        if not all(map(math.isfinite, (c.x, c.y, c.z))):
            return _DENIED
        if c.frame in (mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT, mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT_INT):
            down_m = -c.z
        elif c.frame in (mavlink.MAV_FRAME_GLOBAL, mavlink.MAV_FRAME_GLOBAL_INT):
            down_m = self.config.home.alt_m - c.z
        else:
            return _DENIED
        n, e = self.config.home.ned_from_global(c.x, c.y)
        return _ACCEPTED if self.flight.fly_to(n, e, down_m) else _FAILED

    def _set_interval(self, link_id: LinkId, c: Command) -> int:
        message_id, interval_us = whole(c.p1), whole(c.p2)
        if message_id not in self._telemetry:
            self._say(mavlink.MAV_SEVERITY_INFO, f"No ap_message for mavlink id ({message_id})")
            return _DENIED
        if interval_us < -1:
            return _DENIED
        streams = self._links[link_id].streams
        if interval_us in (-1, 0):  # zero means the default rate, which is none
            streams.pop(message_id, None)
            return _ACCEPTED
        interval_ms = min(max(interval_us // 1000, TICK_MS), 60_000)
        streams[message_id] = _MessageStream(interval_ms, self._now_ms + TICK_MS)
        return _ACCEPTED

    def _report_interval(self, link_id: LinkId, message_id: float) -> int:
        number = whole(message_id)
        if not 0 <= number <= 65535:
            return _FAILED
        known = number in self._telemetry
        stream = self._links[link_id].streams.get(number)
        interval_us = 0 if not known else -1 if stream is None else stream.interval_ms * 1000
        self._send(link_id, mavlink.MAVLink_message_interval_message(number, interval_us))
        return _ACCEPTED if known else _FAILED

    def _request(self, link_id: LinkId, c: Command) -> int:
        message_id = whole(c.p1)
        if message_id == mavlink.MAVLINK_MSG_ID_MESSAGE_INTERVAL:
            return self._report_interval(link_id, c.p2)
        if message_id not in self._telemetry:
            return _FAILED
        message = self._telemetry.build(message_id)
        if message is not None:
            self._send(link_id, message)
        return _ACCEPTED

    def _capabilities(self, link_id: LinkId, c: Command) -> int:
        if c.p1 == 1.0:
            self._send(link_id, self._telemetry.build(mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION))
        return _ACCEPTED

    def _reboot(self, _: LinkId, c: Command) -> int:
        if self.flight.armed and whole(c.y) != _FORCE_REBOOT_MAGIC:
            return _FAILED
        if c.p1 not in (1.0, 3.0):
            return _UNSUPPORTED
        self.reboots += 1
        self._rebooting_for_ms = REBOOT_SILENCE_MS
        return _ACCEPTED
