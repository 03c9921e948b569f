"""The link between the daemon's code and the stand-in, in process: real bytes, simulated delays.

What `firmware_bridge.link.FlightLink` does with a thread and a socket is done here with a queue and time as an
argument. Message code, parsing, clock mapping, pose history and stream requests are the ones that fly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_bridge.frames import FrameReader, packed
from firmware_bridge.messages import HealthState, Severity, heartbeat_message, statustext_messages
from firmware_bridge.report import LinkStatus, Refusal, SendResult
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import landing_target_message
from firmware_bridge.telemetry import Telemetry
from landing.command.orders import CommandAnswer, CommandRequest
from landing.command.pointing import GimbalReport, GimbalRequest
from landing.errors import InvalidValueError
from landing.globe import GlobalFix
from landing.relief.depth import DepthLook
from landing.types import LandingTarget, Pose
from landing.vehicle import VehicleStatus
from sim.vehicle.autopilot.core import LinkId, StandInAutopilot

LINK = "daemon"
ASK_PERIOD_NS = 50_000_000
"""Period in which streams and commands are asked for again, ns."""


@dataclass(frozen=True)
class LinkFaults:
    """Delays of a link and faults of the rangefinder behind it.

    Attributes:
        delay_ms: Each way; jitters by as much again.
        range_scale: Scale error of the rangefinder.
        range_noise_m: Standard deviation of its noise.
        range_dropped: Share of its readings that never come.
    """

    delay_ms: float
    range_scale: float = 1.0
    range_noise_m: float = 0.0
    range_dropped: float = 0.0


@dataclass
class _Sender:
    """Ids of one end of the link, and its next sequence number."""

    system: int
    component: int
    sequence: int = 0


class InProcessLink:
    """Carries MAVLink between a stand-in and what the daemon needs of a link.

    Args:
        autopilot: The stand-in.
        settings: Of the link, as the daemon would have them.
        faults: Delays, and faults of the rangefinder.
        rng: Randomness of delays and faults.
        started_ns: Our monotonic time when the autopilot booted.

    Attributes:
        now_ns: Simulated monotonic time; set by `carry`.
        telemetry: Of all that was heard.
        texts: STATUSTEXT that we sent, with its time.
        targets: LANDING_TARGET messages that reached the autopilot.
        autopilot: The stand-in.
        cut: Nothing passes.
        others: Takes what the stand-in says on its other links.
    """

    def __init__(
        self,
        autopilot: StandInAutopilot,
        settings: LinkSettings,
        faults: LinkFaults,
        rng: np.random.Generator,
        started_ns: int,
    ) -> None:
        self.now_ns = started_ns
        self.telemetry = Telemetry(settings)
        self.texts: list[tuple[int, str]] = []
        self.targets = 0
        self.autopilot = autopilot
        self.cut = False
        self.others: Callable[[LinkId, Any], None] = lambda _link, _message: None
        self._settings = settings
        self._faults = faults
        self._rng = rng
        self._theirs = _Sender(autopilot.system_id, 1)
        self._ours = _Sender(1, settings.component_id)
        self._reader = FrameReader()
        self._down: deque[tuple[int, bytes]] = deque()
        self._up: deque[tuple[int, bytes]] = deque()
        self._asked_ns = started_ns
        self._text_id = 0
        autopilot.connect(LINK)

    # --- time ---

    def carry(self, now_ns: int) -> None:
        """Moves every message on that is due by now."""
        self.now_ns = now_ns
        for link_id, message in self.autopilot.take_outbox():
            if link_id != LINK:
                self.others(link_id, message)
            elif self._senses(message):
                self._queue(self._down, self._theirs, message)
        while self._down and self._down[0][0] <= now_ns:
            arrival_ns, data = self._down.popleft()
            self.telemetry.feed(data, arrival_ns)
        if now_ns - self._asked_ns >= ASK_PERIOD_NS:
            self._asked_ns = now_ns
            request = self.telemetry.request(now_ns)
            if request is not None:
                self._queue(self._up, self._ours, request)
        while self._up and self._up[0][0] <= now_ns:
            _, data = self._up.popleft()
            for frame in self._reader.feed(data):
                self.targets += frame.message.get_type() == "LANDING_TARGET"
                self.autopilot.receive(LINK, frame.message)

    def _queue(self, queue: deque[tuple[int, bytes]], sender: _Sender, message: Any) -> None:
        data = packed(message, sender.system, sender.component, sender.sequence)
        sender.sequence = (sender.sequence + 1) % 256
        delay_ms = self._faults.delay_ms * (1.0 + float(self._rng.random()))
        arrival_ns = self.now_ns + round(delay_ms * 1e6)
        if self.cut:
            return
        # A serial line keeps the order.
        queue.append((max(arrival_ns, queue[-1][0]) if queue else arrival_ns, data))

    def _senses(self, message: Any) -> bool:
        """Puts the rangefinder's errors into a message; False when the reading is lost."""
        if message.get_type() != "DISTANCE_SENSOR":
            return True
        c = self._faults
        if self._rng.random() < c.range_dropped:
            return False
        if message.current_distance:
            noise_m = c.range_noise_m * float(self._rng.standard_normal())
            reading_cm = message.current_distance * c.range_scale + 100.0 * noise_m
            message.current_distance = max(0, min(65_535, round(reading_cm)))
        return True

    # --- what the daemon needs of a link ---

    def pose_at(self, at_ns: int) -> Pose | None:
        """Return the interpolated pose at a monotonic time."""
        return self.telemetry.history.at(at_ns)

    def latest_pose(self, now_ns: int) -> Pose | None:
        """Return the newest pose."""
        return self.telemetry.history.latest(now_ns)

    def global_fix(self) -> GlobalFix | None:
        """Return the vehicle's newest place on the globe."""
        return self.telemetry.fixes.newest

    def take_depth(self, until_ns: int) -> tuple[DepthLook, ...]:
        """Take what depth sensors saw up to a monotonic time."""
        return () if self.telemetry.depth is None else self.telemetry.depth.looks(until_ns)

    def vehicle(self, now_ns: int) -> VehicleStatus:
        """Return the autopilot's own description."""
        return self.telemetry.vehicle.status(now_ns)

    def status(self, now_ns: int) -> LinkStatus:
        """Return the state of the link."""
        return LinkStatus("in process", connected=True, alive=self.telemetry.vehicle.alive(now_ns))

    def send_heartbeat(self, state: HealthState) -> SendResult:
        """Send our state."""
        return self._send(heartbeat_message(state))

    def send_target(self, target: LandingTarget) -> SendResult:
        """Sends a landing target in the form that the autopilot accepts."""
        heard = self.telemetry.vehicle
        if self.telemetry.autopilot is None:
            return SendResult(Refusal.NO_AUTOPILOT, "no autopilot heard yet")
        if not heard.alive(self.now_ns):
            return SendResult(Refusal.AUTOPILOT_SILENT, "no heartbeat within the timeout")
        try:
            message = landing_target_message(target, heard.autopilot)
        except InvalidValueError as error:
            return SendResult(Refusal.INVALID_TARGET, str(error))
        return self._send(message)

    def send_text(self, text: str, severity: Severity = Severity.INFO) -> SendResult:
        """Say something to the pilot."""
        self.texts.append((self.now_ns, text))
        self._text_id = self._text_id % 65_535 + 1
        for message in statustext_messages(text, severity, self._text_id):
            self._send(message)
        return SendResult()

    def command(self, request: CommandRequest) -> SendResult:
        """Asks the autopilot for a command, at once and again until it is acknowledged."""
        self.telemetry.ask(request, self.now_ns)
        message = self.telemetry.request(self.now_ns)
        return SendResult() if message is None else self._send(message)

    def withdraw_command(self) -> None:
        """Does not ask again for what was asked last."""
        self.telemetry.command_tracker.withdraw()

    def take_answers(self) -> tuple[CommandAnswer, ...]:
        """The answers to our commands since the last call."""
        return self.telemetry.command_tracker.take_answers()

    def gimbal_report(self, now_ns: int) -> GimbalReport:
        """Return who has control of the gimbal."""
        return self.telemetry.gimbal_manager.report(self.telemetry.own_system, now_ns)

    def point_gimbal(self, request: GimbalRequest) -> SendResult:
        """Order something of the gimbal's manager, until it is answered."""
        if self.telemetry.autopilot is None:
            return SendResult(Refusal.NO_AUTOPILOT, "no autopilot heard yet")
        self.telemetry.gimbal_manager.ask(request, self.telemetry.autopilot, self.now_ns)
        return SendResult()

    def take_gimbal_answers(self) -> tuple[CommandAnswer, ...]:
        """Return the answers to our orders since the last call."""
        return self.telemetry.gimbal_manager.tracker.take_answers()

    def _send(self, message: Any) -> SendResult:
        self._queue(self._up, self._ours, message)
        return SendResult()
