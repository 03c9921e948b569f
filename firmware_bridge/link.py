"""The link to the autopilot: one reader thread, and sends that never wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from firmware_bridge.connection import make_transport, parse_connection
from firmware_bridge.dialect import mavlink
from firmware_bridge.messages import (
    HealthState,
    Severity,
    heartbeat_message,
    statustext_messages,
)
from firmware_bridge.report import LinkStatus, Refusal, SendResult
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import landing_target_message
from firmware_bridge.telemetry import Telemetry
from firmware_bridge.transport import Transport
from landing.errors import InvalidValueError, LinkError
from landing.types import LandingTarget, Pose
from landing.vehicle import Autopilot, VehicleStatus

log = logging.getLogger(__name__)

NS_PER_S = 1_000_000_000
READ_TIMEOUT_S = 0.02
JOIN_TIMEOUT_S = 5.0

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
        # Guarded by _lock: what was heard (the pose history in it guards itself).
        self._lock = threading.Lock()
        self._telemetry = Telemetry(settings)
        self._opened = 0

        # Guarded by _write_lock: the way out.
        self._write_lock = threading.Lock()
        self._transport: Transport | None = None
        self._packer = mavlink.MAVLink(
            None, srcSystem=self._telemetry.own_system, srcComponent=settings.component_id
        )
        self._dropped_writes = 0
        self._text_id = 0

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
        return self._telemetry.history.at(at_ns)

    def latest_pose(self, now_ns: int) -> Pose | None:
        """The newest pose, with its true time: of a silent autopilot it is an old one."""
        return self._telemetry.history.latest(now_ns)

    def vehicle(self, now_ns: int) -> VehicleStatus:
        """What the autopilot last said of itself, and whether it still speaks."""
        with self._lock:
            return self._telemetry.vehicle.status(now_ns)

    def status(self, now_ns: int) -> LinkStatus:
        """State of the link, for health, checks and logs."""
        with self._write_lock:
            connected = self._transport is not None
            dropped_writes = self._dropped_writes
        with self._lock:
            heard = self._telemetry
            age_ns = heard.vehicle.heartbeat_age_ns(now_ns)
            return LinkStatus(
                connection=self.settings.connection,
                connected=connected,
                alive=heard.vehicle.alive(now_ns),
                heartbeat_age_s=None if age_ns is None else age_ns / NS_PER_S,
                autopilot=heard.vehicle.autopilot,
                system_id=None if heard.autopilot is None else heard.autopilot.system,
                rates_hz=heard.streams.rates_hz(now_ns),
                missing=heard.streams.missing(now_ns),
                slow=heard.streams.slow(now_ns),
                bytes_received=heard.frames.bytes_received,
                bytes_bad=heard.frames.bytes_bad,
                dropped_writes=dropped_writes,
                reconnects=max(0, self._opened - 1),
                reboots=heard.reboots,
                position_resets=heard.history.position_resets,
                last_error=heard.last_error,
                problems=tuple(heard.problems(connected, now_ns)),
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
            autopilot = self._telemetry.vehicle.autopilot
            heard = self._telemetry.autopilot is not None
            alive = self._telemetry.vehicle.alive(time.monotonic_ns())
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
            self._telemetry.reopened(time.monotonic_ns())
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
            frames = self._telemetry.feed(data, now_ns)
            own_system = self._telemetry.own_system
        if frames and own_system != self._packer.srcSystem:
            with self._write_lock:
                self._packer.srcSystem = own_system
        for frame in frames:
            self._observe("rx", now_ns, frame.raw)

    def _ask(self, now_ns: int) -> None:
        with self._lock:
            request = self._telemetry.request(now_ns)
        if request is not None:
            self._send(request)

    def _note(self, text: str) -> None:
        with self._lock:
            changed, self._telemetry.last_error = text != self._telemetry.last_error, text
        if changed:
            log.warning("%s", text)

    def _observe(self, direction: str, at_ns: int, frame: bytes) -> None:
        for observer in tuple(self.observers):
            try:
                observer(direction, at_ns, frame)
            except (OSError, ValueError) as error:
                log.warning("link observer removed: %s", error)
                self.observers.remove(observer)
