"""The link to the autopilot: one reader thread, and sends that never wait."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from firmware_bridge.clock import NS_PER_MS, ClockMap
from firmware_bridge.connection import make_transport, parse_connection
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from firmware_bridge.messages import (
    HealthState,
    Severity,
    heartbeat_message,
    statustext_messages,
)
from firmware_bridge.pose_history import PoseHistory
from firmware_bridge.report import LinkStatus, Refusal, SendResult
from firmware_bridge.settings import LinkSettings
from firmware_bridge.streams import StreamRequests, set_message_interval
from firmware_bridge.target import landing_target_message
from firmware_bridge.transport import Transport
from firmware_bridge.vehicle import (
    AutopilotId,
    VehicleTracker,
    autopilot_of,
    is_autopilot_heartbeat,
)
from landing.errors import InvalidValueError, LinkError
from landing.geometry import quaternion_from_euler
from landing.types import LandingTarget, Pose
from landing.vehicle import Autopilot, VehicleStatus

log = logging.getLogger(__name__)

NS_PER_S = 1_000_000_000
READ_TIMEOUT_S = 0.02
JOIN_TIMEOUT_S = 5.0
ATTITUDE_STANDS_IN_AFTER_NS = 500_000_000
RANGE_STAMP_TOLERANCE_NS = 1_000_000_000

Observer = Callable[[str, int, bytes], None]
"""Called with ``"rx"`` or ``"tx"``, our monotonic time in ns, and one frame's bytes."""


class FlightLink:
    """Listens to one autopilot, keeps its pose and state, and sends what it is given.

    After construction nothing here raises into the caller: an unreachable autopilot is a status,
    and a message that cannot go out is a `SendResult`. The reader thread opens the connection,
    opens it again after every loss, and asks for the messages it needs. There is no heartbeat
    thread: the daemon calls `send_heartbeat` once a second, out of its own progress.

    Args:
        settings: How to reach the autopilot.
        make: Makes the transport; replaced in tests.

    Attributes:
        settings: As given.
        observers: Called with every frame received and sent, e.g. to record it. They must not
            wait. One that raises OSError or ValueError is removed.

    Raises:
        LinkError: The connection string is in none of the known forms.
    """

    def __init__(self, settings: LinkSettings, make: Callable[[], Transport] | None = None) -> None:
        endpoint = parse_connection(settings.connection, settings.baud)
        self.settings = settings
        self.observers: list[Observer] = []
        self._make = make or (lambda: make_transport(endpoint))
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._history = PoseHistory(
            settings.height_source,
            settings.pose_limits,
            settings.rangefinder_offset_frd_m,
            settings.ground_down_m,
        )

        # Guarded by _write_lock: the way out.
        self._write_lock = threading.Lock()
        self._transport: Transport | None = None
        self._packer = mavlink.MAVLink(
            None, srcSystem=settings.system_id or 1, srcComponent=settings.component_id
        )
        self._dropped_writes = 0
        self._text_id = 0

        # Guarded by _lock: what was heard.
        self._lock = threading.Lock()
        self._frames = FrameReader()
        self._clock = ClockMap()
        self._vehicle = VehicleTracker(round(settings.heartbeat_timeout_s * NS_PER_S))
        self._streams = StreamRequests(
            settings.asked_rates_hz(), {"ATTITUDE_QUATERNION": "ATTITUDE"}
        )
        self._autopilot: AutopilotId | None = None
        self._quaternion_at_ns: int | None = None
        self._opened = 0
        self._reboots = 0
        self._last_error = ""
        self._handlers: dict[str, Callable[[Any, int], None]] = {
            "HEARTBEAT": self._on_heartbeat,
            "ATTITUDE_QUATERNION": self._on_attitude_quaternion,
            "ATTITUDE": self._on_attitude,
            "LOCAL_POSITION_NED": self._on_local_position,
            "DISTANCE_SENSOR": self._on_distance,
            "EXTENDED_SYS_STATE": self._on_extended_sys_state,
            "COMMAND_ACK": self._on_command_ack,
        }

    # --- life ---

    def start(self) -> None:
        """Begin to connect and listen. Returns at once; calling it again does nothing."""
        if self._thread is not None:
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._stop,), name="flight-link", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and let go of the connection. Calling it again does nothing."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        thread.join(JOIN_TIMEOUT_S)
        if thread.is_alive():
            log.warning("link %s: reader has not ended in time", self.settings.connection)

    def __enter__(self) -> FlightLink:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- what is known ---

    def pose_at(self, at_ns: int) -> Pose | None:
        """The pose at a moment of our monotonic clock, or None when nothing is known of it."""
        return self._history.at(at_ns)

    def latest_pose(self, now_ns: int) -> Pose | None:
        """The newest pose, with its true time: of a silent autopilot it is an old one."""
        return self._history.latest(now_ns)

    def vehicle(self, now_ns: int) -> VehicleStatus:
        """What the autopilot last said of itself, and whether it still speaks."""
        with self._lock:
            return self._vehicle.status(now_ns)

    def status(self, now_ns: int) -> LinkStatus:
        """State of the link, for health, checks and logs."""
        with self._write_lock:
            connected = self._transport is not None
            dropped_writes = self._dropped_writes
        with self._lock:
            age_ns = self._vehicle.heartbeat_age_ns(now_ns)
            missing = self._streams.missing(now_ns)
            return LinkStatus(
                connection=self.settings.connection,
                connected=connected,
                alive=self._vehicle.alive(now_ns),
                heartbeat_age_s=None if age_ns is None else age_ns / NS_PER_S,
                autopilot=self._vehicle.autopilot,
                system_id=None if self._autopilot is None else self._autopilot.system,
                rates_hz=self._streams.rates_hz(now_ns),
                missing=missing,
                slow=self._streams.slow(now_ns),
                bytes_received=self._frames.bytes_received,
                bytes_bad=self._frames.bytes_bad,
                dropped_writes=dropped_writes,
                reconnects=max(0, self._opened - 1),
                reboots=self._reboots,
                position_resets=self._history.position_resets,
                last_error=self._last_error,
                problems=tuple(self._problems(connected, missing, now_ns)),
            )

    def wait_ready(self, timeout_s: float) -> LinkStatus:
        """Wait until the autopilot is heard and sends what we need, or until the timeout.

        For checks on the ground. Meanwhile a HEARTBEAT that says "starting" goes out once a
        second: some autopilots and routers answer only to somebody who has spoken.

        Returns:
            The status at the end; ``ready`` and ``problems`` say what came of it.
        """
        deadline_ns = time.monotonic_ns() + round(timeout_s * NS_PER_S)
        heartbeat_ns = 0
        while True:
            now_ns = time.monotonic_ns()
            status = self.status(now_ns)
            if status.ready or now_ns >= deadline_ns:
                return status
            if now_ns >= heartbeat_ns and status.connected:
                self.send_heartbeat(HealthState.STARTING)
                heartbeat_ns = now_ns + NS_PER_S
            self._stop.wait(0.02)

    # --- what is sent ---

    def send_heartbeat(self, state: HealthState) -> SendResult:
        """Send our HEARTBEAT. To be called once a second by the work itself, not by a timer."""
        return self._send(heartbeat_message(state))

    def send_target(self, target: LandingTarget) -> SendResult:
        """Send a landing target in the form that the autopilot accepts.

        Whether the target is still true (ages, mode, armed) is the caller's to decide before.
        """
        with self._lock:
            autopilot = self._vehicle.autopilot
            heard = self._autopilot is not None
            alive = self._vehicle.alive(time.monotonic_ns())
        if not heard:
            return SendResult(Refusal.NO_AUTOPILOT, "no autopilot heard yet")
        if not alive:
            return SendResult(Refusal.AUTOPILOT_SILENT, "no heartbeat within the timeout")
        if autopilot is Autopilot.UNKNOWN:
            return SendResult(
                Refusal.UNSUPPORTED_AUTOPILOT, "the autopilot is neither ArduPilot nor PX4"
            )
        try:
            message = landing_target_message(target, autopilot)
        except InvalidValueError as error:
            return SendResult(Refusal.INVALID_TARGET, str(error))
        return self._send(message)

    def send_text(self, text: str, severity: Severity = Severity.INFO) -> SendResult:
        """Send a STATUSTEXT, in chunks when it is longer than 50 characters."""
        with self._write_lock:
            self._text_id = self._text_id % 65_535 + 1
            text_id = self._text_id
        for message in statustext_messages(text, severity, text_id):
            result = self._send(message)
            if not result.sent:
                return result
        return SendResult()

    def _send(self, message: Any) -> SendResult:
        with self._write_lock:
            if self._transport is None:
                self._dropped_writes += 1
                return SendResult(Refusal.NOT_CONNECTED, f"{self.settings.connection} is not open")
            frame = message.pack(self._packer)
            self._packer.seq = (self._packer.seq + 1) % 256
            if not self._transport.write(frame):
                self._dropped_writes += 1
                return SendResult(Refusal.DROPPED, f"{self.settings.connection} takes no bytes now")
        self._observe("tx", time.monotonic_ns(), frame)
        return SendResult()

    # --- the reader thread ---

    def _run(self, stop: threading.Event) -> None:
        pause_s = self.settings.reconnect_first_s
        while not stop.is_set():
            transport = self._make()
            try:
                transport.open()
                self._adopt_transport(transport)
                if self._listen(transport, stop):
                    pause_s = self.settings.reconnect_first_s
            except LinkError as error:
                self._note(str(error))
            finally:
                with self._write_lock:
                    was_open, self._transport = self._transport is not None, None
                transport.close()
            if was_open and not stop.is_set():
                log.warning("link %s: lost, opening it again", self.settings.connection)
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, self.settings.reconnect_longest_s)

    def _adopt_transport(self, transport: Transport) -> None:
        with self._lock:
            self._opened += 1
            self._frames.clear()
            self._streams.restart(time.monotonic_ns())
        with self._write_lock:
            self._transport = transport
        log.info("link %s: open", self.settings.connection)

    def _listen(self, transport: Transport, stop: threading.Event) -> bool:
        """Read until told to stop or lost. True when anything was heard, for the back-off."""
        heard = False
        try:
            while not stop.is_set():
                data = transport.read(READ_TIMEOUT_S)
                now_ns = time.monotonic_ns()
                if data:
                    heard = True
                    self._on_bytes(data, now_ns)
                self._ask(now_ns)
        except LinkError as error:
            self._note(str(error))
        return heard

    def _on_bytes(self, data: bytes, now_ns: int) -> None:
        with self._lock:
            frames = self._frames.feed(data)
            for frame in frames:
                self._on_message(frame.message, now_ns)
        for frame in frames:
            self._observe("rx", now_ns, frame.raw)

    def _ask(self, now_ns: int) -> None:
        with self._lock:
            autopilot = self._autopilot
            if autopilot is None or not self._vehicle.alive(now_ns):
                return
            request = self._streams.due(now_ns)
        if request is not None:
            message_id, interval_us = request
            self._send(
                set_message_interval(autopilot.system, autopilot.component, message_id, interval_us)
            )

    def _note(self, text: str) -> None:
        with self._lock:
            changed, self._last_error = text != self._last_error, text
        if changed:
            log.warning("%s", text)

    def _observe(self, direction: str, at_ns: int, frame: bytes) -> None:
        for observer in tuple(self.observers):
            try:
                observer(direction, at_ns, frame)
            except (OSError, ValueError) as error:
                log.warning("link observer removed: %s", error)
                self.observers.remove(observer)

    # --- messages; all with _lock held ---

    def _on_message(self, message: Any, now_ns: int) -> None:
        if self._autopilot is None and is_autopilot_heartbeat(message):
            self._adopt_autopilot(message)
        autopilot = self._autopilot
        if autopilot is None or message.get_srcComponent() != autopilot.component:
            return
        if message.get_srcSystem() != autopilot.system:
            if is_autopilot_heartbeat(message) and not self._vehicle.alive(now_ns):
                self._last_error = (
                    f"system {message.get_srcSystem()} is heard, but the link serves system "
                    f"{autopilot.system}, which is silent; restart, or set system_id"
                )
            return
        name = message.get_type()
        self._streams.on_message(name, now_ns)
        handler = self._handlers.get(name)
        if handler is not None:
            handler(message, now_ns)

    def _adopt_autopilot(self, heartbeat: Any) -> None:
        system = heartbeat.get_srcSystem()
        pinned = self.settings.system_id
        if pinned is not None and system != pinned:
            self._last_error = f"system {system} is heard, but system_id is set to {pinned}"
            return
        self._autopilot = AutopilotId(
            system, heartbeat.get_srcComponent(), autopilot_of(heartbeat), heartbeat.type
        )
        # Read by _send in another thread; one assignment, and the first messages may carry 1.
        self._packer.srcSystem = system
        log.info("link: autopilot %s, system %d", autopilot_of(heartbeat).value, system)

    def _on_heartbeat(self, message: Any, now_ns: int) -> None:
        if not is_autopilot_heartbeat(message):
            return
        if not self._vehicle.alive(now_ns):
            # First heard, or back after a silence in which it may have forgotten our requests.
            self._streams.restart(now_ns)
        self._vehicle.on_heartbeat(message, now_ns)

    def _on_attitude_quaternion(self, message: Any, now_ns: int) -> None:
        at_ns = self._stamp(message.time_boot_ms, now_ns)
        self._quaternion_at_ns = now_ns
        self._history.add_attitude(
            at_ns,
            (message.q1, message.q2, message.q3, message.q4),
            (message.rollspeed, message.pitchspeed, message.yawspeed),
        )

    def _on_attitude(self, message: Any, now_ns: int) -> None:
        at_ns = self._stamp(message.time_boot_ms, now_ns)
        last_ns = self._quaternion_at_ns
        if last_ns is not None and now_ns - last_ns < ATTITUDE_STANDS_IN_AFTER_NS:
            return
        if all(map(math.isfinite, (message.roll, message.pitch, message.yaw))):
            self._history.add_attitude(
                at_ns,
                quaternion_from_euler(message.roll, message.pitch, message.yaw),
                (message.rollspeed, message.pitchspeed, message.yawspeed),
            )

    def _on_local_position(self, message: Any, now_ns: int) -> None:
        self._history.add_position(
            self._stamp(message.time_boot_ms, now_ns),
            (message.x, message.y, message.z),
            (message.vx, message.vy, message.vz),
        )

    def _on_distance(self, message: Any, now_ns: int) -> None:
        # signal_quality by the message's definition: 0 is unknown, 1 is an invalid signal.
        if (
            message.orientation != mavlink.MAV_SENSOR_ROTATION_PITCH_270
            or message.signal_quality == 1
        ):
            return
        offset_ns = self._clock.offset_ns
        if offset_ns is None:
            return  # without attitude or position a range is of no use yet
        at_ns = message.time_boot_ms * NS_PER_MS
        if not 0 <= now_ns - offset_ns - at_ns <= RANGE_STAMP_TOLERANCE_NS:
            at_ns = now_ns - offset_ns  # some drivers stamp 0, or with a clock of their own
        self._history.add_range(
            at_ns,
            message.current_distance / 100.0,
            message.min_distance / 100.0,
            message.max_distance / 100.0,
        )

    def _on_extended_sys_state(self, message: Any, now_ns: int) -> None:
        self._vehicle.on_extended_sys_state(message, now_ns)
        on_ground = message.landed_state == mavlink.MAV_LANDED_STATE_ON_GROUND
        if on_ground and not self._vehicle.status(now_ns).armed:
            self._history.learn_ground()

    def _on_command_ack(self, message: Any, now_ns: int) -> None:
        to_us = message.target_system in (0, self._packer.srcSystem) and (
            message.target_component in (0, self.settings.component_id)
        )
        if to_us and message.command == mavlink.MAV_CMD_SET_MESSAGE_INTERVAL:
            self._streams.on_ack(message.result, now_ns)

    def _stamp(self, boot_ms: int, now_ns: int) -> int:
        """Stamp for the pose history, in the autopilot's own clock, after learning from it."""
        reading = self._clock.update(boot_ms, now_ns)
        if reading.rebooted:
            self._reboots += 1
            self._history.clear()
            self._quaternion_at_ns = None
            self._streams.restart(now_ns)
            log.warning("link: the autopilot's clock started anew (reboot)")
        self._history.rebase(reading.offset_ns)
        return boot_ms * NS_PER_MS

    def _problems(self, connected: bool, missing: tuple[str, ...], now_ns: int) -> list[str]:
        where = self.settings.connection
        if not connected:
            return [self._last_error or f"{where}: not open yet"]
        if self._autopilot is None:
            if self._last_error.startswith("system "):
                return [self._last_error]
            if self._frames.bytes_received == 0:
                return [f"{where}: nothing comes; check wiring, port and the autopilot's protocol"]
            if self._frames.bytes_bad > self._frames.bytes_received // 2:
                return [f"{where}: bytes, but no MAVLink; check the baud rate on both ends"]
            return [f"{where}: MAVLink, but no autopilot's heartbeat; check the routing"]
        if not self._vehicle.alive(now_ns):
            return [f"{where}: the autopilot has fallen silent; check its power and the cable"]
        if self._vehicle.autopilot is Autopilot.UNKNOWN:
            return [f"{where}: the autopilot is neither ArduPilot nor PX4; none else is supported"]
        return [
            f"{where}: {name} does not come; check the stream rates and its sensor"
            for name in missing
            if name in self.settings.needed()
        ]
