"""The link to the autopilot, and to ground stations beside it. Sends never wait.

What is here is the shell around the connections (`channel`) and what they bring (`exchange`). Each connection has a
thread; a ground station's may die or flood without the autopilot's noticing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from firmware_bridge.channel import Channel, Observer
from firmware_bridge.computer import ComputerMonitor
from firmware_bridge.computer_sender import ComputerStatusSender
from firmware_bridge.connection import make_transport
from firmware_bridge.dialect import mavlink
from firmware_bridge.dispatcher import LinkDispatcher
from firmware_bridge.identity import Identity
from firmware_bridge.messages import HealthState, Severity, heartbeat_message, statustext_messages
from firmware_bridge.parameters import NoParameters, ParameterTable
from firmware_bridge.peers import PeerTable
from firmware_bridge.report import AlarmKind, LinkStatus, Refusal, SendResult, SigningStatus
from firmware_bridge.settings import LinkSettings
from firmware_bridge.signing import LinkSigning
from firmware_bridge.stamp_file import StampWriter, load_signing
from firmware_bridge.target import landing_target_message
from firmware_bridge.transport import Transport
from firmware_bridge.video import VIDEO_COMPONENT
from landing.command.orders import CommandAnswer, CommandRequest
from landing.command.pointing import GimbalOrder, GimbalReport, GimbalRequest
from landing.errors import InvalidValueError
from landing.globe import GlobalFix
from landing.relief.depth import DepthLook
from landing.types import LandingTarget, Pose
from landing.vehicle import VehicleStatus

NS_PER_S = 1_000_000_000

NO_TIMESYNC = "TIMESYNC is not answered, so the age of poses is not known; connect to the autopilot itself"
FULL = "the other end takes no bytes, so messages are dropped; check that it runs, and the speed of the line"

ALARMS = {AlarmKind.CONTESTED: Refusal.CONTESTED, AlarmKind.OWN_IDS: Refusal.OWN_IDS_TAKEN}


class FlightLink:
    """Listens to one autopilot, keeps its pose and state, and sends targets, commands and texts.

    After construction nothing here raises into the caller: an unreachable autopilot is a status, and a message that
    cannot go out is a `SendResult`. There is no heartbeat thread: the daemon calls `send_heartbeat` out of its own
    progress.

    Only the served autopilot moves the pose, and only to it, where it was heard, do targets and commands go.
    Heartbeats and texts go everywhere, and questions are answered wherever they come from.

    Attributes:
        channels: The connections; the first is the autopilot's.
        observers: Of the autopilot's connection, see `Channel`.

    Raises:
        LinkError: A connection string is in none of the known forms, or the signing key cannot be used.
    """

    def __init__(
        self,
        settings: LinkSettings,
        make: Callable[[], Transport] | None = None,
        parameters: ParameterTable | None = None,
    ) -> None:
        self.settings = settings
        self._dispatcher = LinkDispatcher(settings, parameters or NoParameters())
        self._telemetry = self._dispatcher.telemetry  # guarded by _lock
        self._lock = self._dispatcher.lock
        self._signing: LinkSigning | None = None
        self._stamps: StampWriter | None = None
        if settings.signing_key is not None and settings.stamp_file is not None:
            self._signing, self._stamps = load_signing(settings.signing_key, settings.stamp_file)
        self.channels = self._make_channels(make)
        self._dispatcher.connect(self.channels)
        self._flight = self.channels[0]
        self._computer = ComputerStatusSender(ComputerMonitor(), self._everywhere)
        self._withheld: str | None = None
        self._running = False
        self._text_id = 0
        self._text_lock = threading.Lock()
        self.observers: list[Observer] = self._flight.observers

    def _make_channels(self, make: Callable[[], Transport] | None) -> tuple[Channel, ...]:
        settings = self.settings
        channels = []
        for index, endpoint in enumerate(settings.endpoints()):
            flight = index == 0
            maker = make if flight and make else partial(make_transport, endpoint)
            peers = self._telemetry.peers if flight else PeerTable()
            channels.append(Channel(settings, index, endpoint, maker, self._dispatcher, peers, self._signing))
        return tuple(channels)

    # --- life ---

    def start(self) -> None:
        """Begin to connect and listen. Returns at once; calling it again does nothing."""
        if self._running:
            return
        self._running = True
        if self._stamps is not None:
            self._stamps.start()
        self._computer.start()
        for channel in self.channels:
            channel.start()

    def close(self) -> None:
        """Stop listening and let go of the connections. Calling it again does nothing."""
        if not self._running:
            return
        self._running = False
        self._computer.close()
        for channel in self.channels:
            channel.stop()
        for channel in self.channels:
            channel.close()
        if self._stamps is not None:
            self._stamps.close()

    def __enter__(self) -> FlightLink:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what is known ---

    def pose_at(self, at_ns: int) -> Pose | None:
        """The pose at a moment of our monotonic clock, or None when nothing is known of it."""
        return self._telemetry.history.at(at_ns)

    def latest_pose(self, now_ns: int) -> Pose | None:
        """The newest pose, with its true time: of a silent autopilot it is an old one."""
        return self._telemetry.history.latest(now_ns)

    def global_fix(self) -> GlobalFix | None:
        """Return the vehicle's newest place on the globe, however old; None before one was told."""
        with self._lock:
            return self._telemetry.fixes.newest

    def take_depth(self, until_ns: int) -> tuple[DepthLook, ...]:
        """Take what depth sensors saw up to a monotonic time: see `landing.relief.depth.DepthSource`."""
        with self._lock:
            depth = self._telemetry.depth
            return () if depth is None else depth.looks(until_ns)

    def vehicle(self, now_ns: int) -> VehicleStatus:
        """Return the last reported state of the autopilot, and whether it still speaks."""
        with self._lock:
            hidden_ns = self._telemetry.clock.hidden_ns
            status = self._telemetry.vehicle.status(now_ns)
        return replace(status, hidden_s=None if hidden_ns is None else hidden_ns / NS_PER_S)

    def status(self, now_ns: int) -> LinkStatus:
        """State of the link, for health, checks and logs."""
        flight, signing = self._flight.status(), self._signing
        ground_stations = tuple(channel.status() for channel in self.channels[1:])
        unheard = "" if signing is None else signing.problem(flight.connection, self.settings.signing_key)
        with self._lock:
            heard = self._telemetry
            unsure = heard.clock.offset_ns is not None and heard.clock.hidden_ns is None
            timeless = f"{flight.connection}: {NO_TIMESYNC}" if unsure else ""
            full = (
                ""
                if flight.taken or not flight.connected or heard.autopilot is None
                else f"{flight.connection}: {FULL}"
            )
            age_ns = heard.vehicle.heartbeat_age_ns(now_ns)
            return LinkStatus(
                connection=flight.connection,
                connected=flight.connected,
                alive=heard.vehicle.alive(now_ns),
                heartbeat_age_s=None if age_ns is None else age_ns / NS_PER_S,
                autopilot=heard.vehicle.autopilot,
                system_id=None if heard.autopilot is None else heard.autopilot.system,
                rates_hz=heard.streams.rates_hz(now_ns),
                missing=heard.streams.missing(now_ns),
                slow=heard.streams.slow(now_ns),
                bytes_received=flight.bytes_received,
                bytes_bad=flight.bytes_bad,
                dropped_writes=flight.dropped_writes,
                frames_lost=heard.frames_lost,
                sequence_turns=heard.selector.sequence.turns,
                bytes_over=heard.peers.bytes_over,
                reconnects=max(0, flight.opened - 1),
                reboots=heard.reboots,
                position_resets=heard.history.position_resets,
                last_error=heard.last_error,
                alarms=heard.alarms(now_ns),
                problems=(*filter(None, [unheard, timeless, full]), *heard.problems(flight.connected, now_ns)),
                clock_offset_ns=heard.clock.offset_ns,
                clock_uncertainty_ns=heard.clock.uncertainty_ns,
                timesync_answered=self._dispatcher.timesync_answered,
                ground_stations=ground_stations,
                signing=None if signing is None else SigningStatus(signing.accepted, signing.unsigned, signing.forged),
            )

    def wait_ready(self, timeout_s: float) -> LinkStatus:
        """Wait until the link is ready, or until the timeout, and return its status. For checks on the ground.

        Meanwhile a HEARTBEAT "starting" goes out once a second: some autopilots and routers answer only to
        one who has spoken.
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
            time.sleep(0.02)

    # --- what is sent ---

    def send_heartbeat(self, state: HealthState) -> SendResult:
        """Send our HEARTBEAT everywhere, and the state of the computer; called once a second by the work itself."""
        result = self._everywhere(heartbeat_message(state))
        if self.settings.video is not None:
            self._everywhere(heartbeat_message(HealthState.OK, mavlink.MAV_TYPE_CAMERA), VIDEO_COMPONENT)
        self._computer.wake()
        return result

    def send_target(self, target: LandingTarget) -> SendResult:
        """Send a landing target in the form that the autopilot accepts.

        Whether the target is still true (ages, mode, armed) is the caller's to decide before.
        """
        reason = self._withheld
        if reason is not None:
            return SendResult(Refusal.SWITCHED_OFF, reason)
        with self._lock:
            autopilot = self._telemetry.vehicle.autopilot
            identity = self._telemetry.identity or Identity(autopilot, 0)
            refused = self._refused(time.monotonic_ns())
        if refused is not None:
            return refused
        try:
            # Never from the future: PX4 would not notice the loss of such a target.
            pose_at_ns = min(target.pose_at_ns, time.monotonic_ns())
            pose = self._telemetry.history.at(pose_at_ns)
            message = landing_target_message(
                replace(target, pose_at_ns=pose_at_ns),
                autopilot,
                form=self.settings.target_frame,
                version=identity.version,
                stage=identity.stage,
                ned_from_frd=None if pose is None else pose.ned_from_frd,
            )
        except InvalidValueError as error:
            return SendResult(Refusal.INVALID_TARGET, str(error))
        return self._send(message)

    def withhold(self, reason: str | None) -> None:
        """Send no landing target and no command from now on, and say why; None lifts that.

        What the autopilot was last told stays: it goes on as if we were not there.
        """
        self._withheld = reason
        if reason is not None:
            self.withdraw_command()

    def send_text(self, text: str, severity: Severity = Severity.INFO) -> SendResult:
        """Send a STATUSTEXT everywhere, in chunks when it is longer than 50 characters.

        Returns:
            What became of it on the autopilot's connection.
        """
        with self._text_lock:
            self._text_id = self._text_id % 65_535 + 1
            text_id = self._text_id
        for message in statustext_messages(text, severity, text_id):
            result = self._everywhere(message)
            if not result.sent:
                return result
        return SendResult()

    def command(self, request: CommandRequest) -> SendResult:
        """Ask the autopilot for a command, at once and again until it is acknowledged.

        A newer request takes the place of an older one. What becomes of it `take_answers` says.
        """
        reason = self._withheld
        if reason is not None:
            return SendResult(Refusal.SWITCHED_OFF, reason)
        now_ns = time.monotonic_ns()
        with self._lock:
            refused = self._refused(now_ns)
            if refused is not None and refused.refusal in ALARMS.values():
                return refused
            self._telemetry.ask(request, now_ns)
            message = self._telemetry.request(now_ns)
        return SendResult() if message is None else self._send(message)

    def withdraw_command(self) -> None:
        """Do not ask again for what was asked last."""
        with self._lock:
            self._telemetry.command_tracker.withdraw()

    def take_answers(self) -> tuple[CommandAnswer, ...]:
        """The answers to our commands since the last call."""
        with self._lock:
            return self._telemetry.command_tracker.take_answers()

    def gimbal_report(self, now_ns: int) -> GimbalReport:
        """Return who has control of the gimbal that carries the camera, as its manager says."""
        with self._lock:
            return self._telemetry.gimbal_manager.report(self._telemetry.own_system, now_ns)

    def point_gimbal(self, request: GimbalRequest) -> SendResult:
        """Order something of the gimbal's manager, at once and again until it is acknowledged.

        Switched off (`withhold`) only a release is sent. What becomes of it `take_gimbal_answers` says.
        """
        if self._withheld is not None and request.order is not GimbalOrder.RELEASE:
            return SendResult(Refusal.SWITCHED_OFF, self._withheld)
        now_ns = time.monotonic_ns()
        with self._lock:
            refused = self._refused(now_ns)
            if refused is not None:
                return refused
            assert self._telemetry.autopilot is not None
            self._telemetry.gimbal_manager.ask(request, self._telemetry.autopilot, now_ns)
            message = self._telemetry.gimbal_manager.tracker.due(now_ns)
        return SendResult() if message is None else self._send(message)

    def take_gimbal_answers(self) -> tuple[CommandAnswer, ...]:
        """The answers to our orders to the gimbal's manager since the last call."""
        with self._lock:
            return self._telemetry.gimbal_manager.tracker.take_answers()

    def _refused(self, now_ns: int) -> SendResult | None:
        """Return the reason why nothing may be sent to an autopilot now; the lock is held."""
        if self._telemetry.autopilot is None:
            return SendResult(Refusal.NO_AUTOPILOT, "no autopilot heard yet")
        for alarm in self._telemetry.alarms(now_ns):
            return SendResult(ALARMS[alarm.kind], alarm.text)
        if not self._telemetry.vehicle.alive(now_ns):
            return SendResult(Refusal.AUTOPILOT_SILENT, "no heartbeat within the timeout")
        return None

    def _send(self, message: Any) -> SendResult:
        """Send to the autopilot alone."""
        return self._flight.send(message, to=(self._telemetry.peer,))

    def _everywhere(self, message: Any, component_id: int | None = None) -> SendResult:
        result = self._flight.send(message, component_id)
        for channel in self.channels[1:]:
            channel.send(message, component_id)
        return result
