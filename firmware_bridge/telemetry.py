"""Turns received messages into poses, vehicle state and requests. No thread, no socket; time is an argument.

A recording fed in gives the same poses as the flight did.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from firmware_bridge.clock import NS_PER_MS, ClockMap, SensorStamps
from firmware_bridge.commands import CommandTracker
from firmware_bridge.depth import DepthReadings
from firmware_bridge.dialect import mavlink
from firmware_bridge.estimator_state import EstimatorState
from firmware_bridge.frames import ReceivedFrame
from firmware_bridge.further_streams import further_streams
from firmware_bridge.gimbal import READERS as GIMBAL_READERS
from firmware_bridge.gimbal import GimbalHistory
from firmware_bridge.gimbal_manager import STATUS_STREAM, GimbalManager
from firmware_bridge.global_fixes import GlobalFixes
from firmware_bridge.identity import Identity, identity_of
from firmware_bridge.peers import PeerTable
from firmware_bridge.pose_history import HeightSource, PoseHistory
from firmware_bridge.rangefinders import RangeReadings, stuck_words
from firmware_bridge.report import Alarm, AlarmKind
from firmware_bridge.selector import AutopilotSelector, ServedChange
from firmware_bridge.settings import LinkSettings
from firmware_bridge.streams import SUBSTITUTES, StreamRequests, request_message, set_message_interval
from firmware_bridge.target import TargetForm
from firmware_bridge.timesync import ClockAnswer
from firmware_bridge.transport import Arrival, Peer, peer_name
from firmware_bridge.vehicle import AutopilotId, VehicleTracker, autopilot_of, is_autopilot_heartbeat
from landing.command.orders import CommandRequest
from landing.geometry import quaternion_from_euler
from landing.globe import GlobalFix
from landing.vehicle import Autopilot

log = logging.getLogger(__name__)

NS_PER_S = 1_000_000_000
ATTITUDE_STANDS_IN_AFTER_NS = 500_000_000
VERSION_PERIOD_NS = 2 * NS_PER_S
# Our ids count as taken for so long after the last heartbeat of somebody else who uses them
OWN_IDS_QUIET_NS = 5 * NS_PER_S


class Telemetry:
    """Turns bytes into poses, the vehicle's state and requests; thread-safe is ``history`` alone."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        # Attitude of the gimbal that carries the camera
        self.gimbal = GimbalHistory(settings.gimbal_device) if settings.gimbal else None
        self.gimbal_manager = GimbalManager(self.gimbal, settings.component_id)
        self.depth = DepthReadings() if settings.depth else None  # Points of depth sensors
        self.history = PoseHistory(
            settings.height_source,
            rangefinder_offset_frd_m=settings.rangefinder_offset_frd_m,
            ground_down_m=settings.ground_down_m,
            gimbal=self.gimbal,
        )
        self.clock = ClockMap()  # Its boot clock in our monotonic time
        silent_ns = round(settings.heartbeat_timeout_s * NS_PER_S)
        self.vehicle = VehicleTracker(silent_ns, stick_channels=settings.stick_channels, clock=self.clock)
        self.streams = StreamRequests(settings.asked_rates_hz(), SUBSTITUTES)  # Requested messages and their rates
        self.peers = PeerTable()  # Senders on the connection; bytes to frames, with counters
        self.command_tracker = CommandTracker()  # Our commands, until they are acknowledged
        self.fixes = GlobalFixes()  # Its places on the globe
        self.selector = AutopilotSelector(settings.system_id, silent_ns)
        self._own_ids: tuple[int, Peer] | None = None
        self.identity: Identity | None = None  # Firmware of the autopilot, once it is told
        self._version_asked_ns = 0
        self.reboots = 0  # Restarts of its boot clock, and changes to another autopilot
        self.last_error = ""  # The last problem found; the link writes its own errors here too
        self._quaternion_at_ns: int | None = None
        self._estimator = EstimatorState(self.history)
        self._ranges, self._range_stamps = RangeReadings(), SensorStamps()
        self._stuck: frozenset[int] = frozenset()
        self._handlers: dict[str, Callable[[Any, int], None]] = {
            "HEARTBEAT": self._on_heartbeat,
            "ATTITUDE_QUATERNION": self._on_attitude_quaternion,
            "ATTITUDE": self._on_attitude,
            "LOCAL_POSITION_NED": self._on_local_position,
            "DISTANCE_SENSOR": self._on_distance,
            "EKF_STATUS_REPORT": self._estimator.on_flags,
            "ESTIMATOR_STATUS": self._estimator.on_flags,
            "ODOMETRY": self._estimator.on_odometry,
            "GPS_GLOBAL_ORIGIN": self._estimator.on_origin,
            "EXTENDED_SYS_STATE": self._on_extended_sys_state,
            "COMMAND_ACK": self._on_command_ack,
            "GLOBAL_POSITION_INT": self._on_global_position,
            "AUTOPILOT_VERSION": self._on_autopilot_version,
            STATUS_STREAM: self.gimbal_manager.on_status,
            **self.vehicle.handlers,
        }

    @property
    def autopilot(self) -> AutopilotId | None:
        """The one that is served, from its first heartbeat on."""
        served = self.selector.served
        return None if served is None else served.id

    @property
    def peer(self) -> Peer:
        """Peer of the served autopilot; None before it is heard, and where there is only one other end."""
        served = self.selector.served
        return None if served is None else served.peer

    @property
    def frames_lost(self) -> int:
        """Frames of the autopilot that did not come, by the gaps in their numbers."""
        # Messages that our dialect does not know came, and yet leave a gap.
        return max(0, self.selector.sequence.lost - self.peers.unknown)

    @property
    def own_system(self) -> int:
        """System id we send with: the autopilot's; before it is heard, the pinned one or 1."""
        if self.autopilot is not None:
            return self.autopilot.system
        return self._settings.system_id or 1

    def feed(self, data: bytes, now_ns: int) -> list[ReceivedFrame]:
        """Take bytes that arrived at ``now_ns``; returns the frames they completed."""
        frames = self.peers.take(Arrival(data), now_ns)
        for frame in frames:
            self.take(frame.message, now_ns, frame.peer)
        return frames

    def on_own_ids(self, peer: Peer, now_ns: int) -> None:
        """A heartbeat has come with our own ids that we did not send."""
        self._own_ids = now_ns, peer

    def alarms(self, now_ns: int) -> tuple[Alarm, ...]:
        """Return the alarms that forbid targets and commands."""
        found = []
        if contested := self.selector.contested(now_ns):
            found.append(Alarm(AlarmKind.CONTESTED, contested))
        if self._own_ids is not None and now_ns - self._own_ids[0] <= OWN_IDS_QUIET_NS:
            ids, peer = f"{self.own_system}/{self._settings.component_id}", peer_name(self._own_ids[1])
            text = (
                f"heartbeats of {ids} come that we did not send{peer and f', from {peer}'}; stop the other daemon, or "
                "set another expert.link.component_id"
            )
            found.append(Alarm(AlarmKind.OWN_IDS, text))
        return tuple(found)

    def synchronise(self, answer: ClockAnswer) -> None:
        """Take the autopilot's answer to a TIMESYNC of ours."""
        if self.clock.synchronise(answer.sent_ns, answer.answer_ns, answer.received_ns):
            offset_ns = self.clock.offset_ns
            assert offset_ns is not None
            self.history.rebase(offset_ns)

    def ask(self, request: CommandRequest, now_ns: int) -> None:
        """Begin to ask the autopilot for a command; `request` gives the messages."""
        to = replace(self.autopilot or AutopilotId(0, 0, Autopilot.UNKNOWN, 0), autopilot=self.vehicle.autopilot)
        self.vehicle.on_command(now_ns)
        self.command_tracker.ask(request, to, self._fix_now, now_ns, self.vehicle.mode)

    def _fix_now(self) -> GlobalFix | None:
        """The newest place on the globe, where it is known in the newest local frame."""
        fix = self.fixes.newest
        return fix if fix is not None and fix.frame == self.history.frame else None

    def request(self, now_ns: int) -> Any:
        """The command or stream request to send now, or None."""
        if self.alarms(now_ns):
            return None
        command = self._command(now_ns) or self.gimbal_manager.tracker.due(now_ns)
        if command is not None:
            return command
        autopilot = self.autopilot
        if autopilot is None or not self.vehicle.alive(now_ns):
            return None
        due = self.streams.due(now_ns)
        if due is None:
            return self._version_request(autopilot, now_ns) or self.vehicle.mission_request(autopilot, now_ns)
        return set_message_interval(autopilot.system, autopilot.component, *due)

    def _command(self, now_ns: int) -> Any:
        """The command to send now, while the autopilot is heard and its mode is known; or None."""
        served, tracker = self.selector.served, self.command_tracker
        may_ask = served is not None and self.vehicle.modes.may_command(
            now_ns, served.heard_ns, tracker.last_ns, told_at_once=self.vehicle.autopilot is Autopilot.ARDUPILOT
        )
        return tracker.due(now_ns, may_ask=may_ask)

    def _version_request(self, autopilot: AutopilotId, now_ns: int) -> Any:
        """Asks for AUTOPILOT_VERSION, where the form of a target hangs on it; or None."""
        wanted = self._settings.target_frame is TargetForm.LOCAL_FRD and self.identity is None
        if not wanted or now_ns < self._version_asked_ns + VERSION_PERIOD_NS:
            return None
        self._version_asked_ns = now_ns
        return request_message(autopilot.system, autopilot.component, mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION)

    def problems(self, connected: bool, now_ns: int) -> list[str]:
        """Return the problems that keep the link from being ready, each with its next step."""
        where = self._settings.connection
        if not connected:
            return [self.last_error or f"{where}: not open yet"]
        if self.autopilot is None:
            if self.peers.bytes_received == 0:
                return [f"{where}: nothing comes; check wiring, port and the autopilot's protocol"]
            if self.peers.bytes_bad > self.peers.bytes_received // 2:
                return [f"{where}: bytes, but no MAVLink; check the baud rate on both ends"]
            passed_over = self.selector.passed_over
            return [f"{where}: MAVLink, but no autopilot's heartbeat; " + (passed_over or "check the routing")]
        alarms = self.alarms(now_ns)
        if alarms:
            return [f"{where}: {alarm.text}" for alarm in alarms]
        if not self.vehicle.alive(now_ns):
            return [f"{where}: the autopilot has fallen silent; check its power and the cable"]
        lost = self._estimator.problem(now_ns)
        if lost is not None:
            return [f"{where}: {lost}"]
        if self.selector.mavlink1_only(now_ns):
            return [
                f"{where}: the autopilot speaks MAVLink 1, which knows no target's position; set "
                "SERIALn_PROTOCOL = 2 (ArduPilot) or MAV_PROTO_VER = 2 (PX4)"
            ]
        missing = self.streams.missing(now_ns)
        found = [
            f"{where}: {name} does not come; check the stream rates and its sensor"
            for name in missing
            if name in self._settings.needed()
        ]
        if self.gimbal is not None and self.gimbal.problem:
            found.append(f"{where}: {self.gimbal.problem}")
        source = self._settings.height_source
        if source is not HeightSource.LOCAL:
            impossible = self._ranges.problem or self.history.height_problem
            if impossible is not None:
                found.append(f"{where}: {impossible}")
        ranged = source is HeightSource.AUTO and "DISTANCE_SENSOR" not in missing
        if source is not HeightSource.RANGEFINDER and not ranged and not self.history.ground_known:
            found.append(
                f"{where}: no height: no rangefinder is heard and the ground is unknown; fit one, "
                "start disarmed on the ground, or set expert.link.ground_down_m"
            )
        return found

    def take(self, message: Any, now_ns: int, peer: Peer = None) -> None:
        """Take a message that arrived at ``now_ns`` from a peer."""
        change = self.selector.hear(message, peer, now_ns)
        if change is not None:
            self._on_change(change, now_ns)
        if (self.gimbal or self.depth) and self.selector.belongs(message, peer):
            self._on_part(message, now_ns)
        if not self.selector.speaks(message, peer):
            return
        name = message.get_type()
        self.streams.on_message(name, now_ns)
        handler = self._handlers.get(name)
        if handler is not None:
            handler(message, now_ns)

    def _on_change(self, change: ServedChange, now_ns: int) -> None:
        served = self.selector.served
        assert served is not None
        if change is ServedChange.MOVED:
            log.warning("link: %s has moved there", served)
            self.streams.restart(now_ns)
            return
        if change is ServedChange.REPLACED:
            self.last_error = f"the one served before has fallen silent; {served} is served now"
            log.warning("link: %s", self.last_error)
            self.vehicle.forget()
            self.command_tracker.withdraw()
            self.clock.reset()
            self._start_anew(now_ns)
        for name, rate_hz, optional in further_streams(self._settings, served.id.autopilot):
            self.streams.add(name, rate_hz, 0, optional=optional)
        log.info("link: autopilot %s", served)

    def _on_heartbeat(self, message: Any, now_ns: int) -> None:
        if not is_autopilot_heartbeat(message):
            return
        alive = self.vehicle.alive(now_ns)
        if alive and autopilot_of(message) is not self.vehicle.autopilot:
            return  # an autopilot does not turn into another one in flight
        if not alive:
            # First heard, or back after a silence in which it may have forgotten our requests.
            self.streams.restart(now_ns)
        self.vehicle.on_heartbeat(message, now_ns - self.clock.late_ns)
        self.command_tracker.on_mode(self.vehicle.mode, now_ns)

    def _on_attitude_quaternion(self, message: Any, now_ns: int) -> None:
        at_ns = self._stamp(message.time_boot_ms, now_ns)
        if at_ns is None:
            return
        self._quaternion_at_ns = now_ns
        self.history.add_attitude(
            at_ns,
            (message.q1, message.q2, message.q3, message.q4),
            (message.rollspeed, message.pitchspeed, message.yawspeed),
        )

    def _on_attitude(self, message: Any, now_ns: int) -> None:
        at_ns = self._stamp(message.time_boot_ms, now_ns)
        last_ns = self._quaternion_at_ns
        stands_in = last_ns is None or now_ns - last_ns >= ATTITUDE_STANDS_IN_AFTER_NS
        if at_ns is None or not stands_in:
            return
        if all(map(math.isfinite, (message.roll, message.pitch, message.yaw))):
            self.history.add_attitude(
                at_ns,
                quaternion_from_euler(message.roll, message.pitch, message.yaw),
                (message.rollspeed, message.pitchspeed, message.yawspeed),
            )

    def _on_local_position(self, message: Any, now_ns: int) -> None:
        at_ns = self._stamp(message.time_boot_ms, now_ns)
        self._estimator.check_silence(now_ns)
        if at_ns is not None:
            self.vehicle.on_local_position(message, now_ns)
            self.history.add_position(at_ns, (message.x, message.y, message.z), (message.vx, message.vy, message.vz))

    def _on_distance(self, message: Any, now_ns: int) -> None:
        offset_ns = self.clock.offset_ns
        if not self._ranges.take(message) or offset_ns is None:
            return  # without attitude or position a range is of no use yet
        self.history.add_range(
            self._range_stamps.at_ns(message.id, message.time_boot_ms, now_ns, offset_ns) - offset_ns,
            message.current_distance / 100.0,
            message.min_distance / 100.0,
            message.max_distance / 100.0,
            message.id,
        )
        if (stuck := self.history.stuck_rangefinders).keys() - self._stuck:
            log.warning("link: %s; it is left out", stuck_words(stuck))
        self._stuck = frozenset(stuck)

    def _on_extended_sys_state(self, message: Any, now_ns: int) -> None:
        self.vehicle.on_extended_sys_state(message, now_ns)
        on_ground = message.landed_state == mavlink.MAV_LANDED_STATE_ON_GROUND
        if on_ground and not self.vehicle.status(now_ns).armed:
            self.history.learn_ground()

    def _on_command_ack(self, message: Any, now_ns: int) -> None:
        to_us = message.target_system in (0, self.own_system) and (
            message.target_component in (0, self._settings.component_id)
        )
        if to_us and message.command == mavlink.MAV_CMD_SET_MESSAGE_INTERVAL:
            self.streams.on_ack(message.result, now_ns)
        elif to_us:
            self.command_tracker.on_ack(message, now_ns)
            self.gimbal_manager.tracker.on_ack(message, now_ns)

    def _on_part(self, message: Any, now_ns: int) -> None:
        """A gimbal or a depth sensor speaks for itself, or the autopilot for it."""
        if self.depth is not None:
            self.depth.take(message, now_ns, self.clock.offset_ns)
            self.last_error = self.depth.problem or self.last_error
        if self.gimbal is None or message.get_type() not in GIMBAL_READERS:
            return
        if self.gimbal.take(message, now_ns):
            if message.get_srcComponent() != mavlink.MAV_COMP_ID_AUTOPILOT1:
                self.streams.on_message(message.get_type(), now_ns)
        elif self.gimbal.problem:
            self.last_error = self.gimbal.problem

    def _on_autopilot_version(self, message: Any, _: int) -> None:
        self.identity = identity_of(self.vehicle.autopilot, 0, message)

    def _on_global_position(self, message: Any, now_ns: int) -> None:
        offset_ns = self.clock.offset_ns
        if offset_ns is not None:
            pose = self.history.at(message.time_boot_ms * NS_PER_MS + offset_ns)
            self.fixes.take(message, pose, now_ns)

    def _stamp(self, boot_ms: int, now_ns: int) -> int | None:
        """Stamp for the pose history, in the autopilot's own clock, after learning from it.

        None when the stamp makes no sense: then the message is left out.
        """
        reading = self.clock.update(boot_ms, now_ns)
        if not reading.trusted:
            return None
        if reading.rebooted:
            self._start_anew(now_ns)
            log.warning("link: the autopilot's clock started anew (reboot)")
        self.history.rebase(reading.offset_ns)
        return boot_ms * NS_PER_MS

    def _start_anew(self, now_ns: int) -> None:
        """Nothing that the autopilot said before holds any more."""
        self.reboots += 1
        self.history.clear()
        self._estimator.clear()
        self._range_stamps.clear()
        self.fixes.forget()
        self.vehicle.mission.forget()
        self.gimbal_manager.forget()
        self.identity = None  # it may have been given another firmware
        self._quaternion_at_ns = None
        self.streams.restart(now_ns)
