"""A landing in one process and in simulated time: stand-in, bridge, decision, director, authority.

Only threads, sockets, camera and network are left out: the bytes of both directions pass through the codecs that fly,
and the pictures are perfect segmentations of a ground given by a function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edge.control import Control
from edge.log import EventLog
from firmware_bridge.dialect import mavlink
from firmware_bridge.messages import Severity
from firmware_bridge.report import Refusal, SendResult
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import landing_target_message
from firmware_bridge.telemetry import Telemetry
from landing.camera import CameraModel
from landing.decider import Decider, Decision
from landing.decision_groups import Grid
from landing.settings import AuthoritySettings, DecisionSettings, DirectorSettings
from landing.types import Pose
from sim.vehicle.autopilot import AutopilotConfig, Mode, StandInAutopilot
from tests.landing.worlds import GRASS, PERSON, TAXONOMY, seen

CAMERA = CameraModel.from_hfov(128, 96, 80.0)
BOOT_NS = 1_000_000_000_000
TICK_NS = 10_000_000
FRAME_NS, SIGHT_NS, CONTROL_NS, ASK_NS = 100_000_000, 80_000_000, 50_000_000, 20_000_000
PARAMETERS = {
    "PLND_ENABLED": 1,
    "PLND_TYPE": 1,
    "PLND_OPTIONS": 4,
    "RNGFND1_TYPE": 100,
    "RNGFND1_MIN_CM": 10,
    "RNGFND1_MAX_CM": 4000,
    "RNGFND1_ORIENT": 25,
}

People = Callable[[float], list[tuple[float, float]]]
"""Where people stand, local NED, by the time since the start, s."""


class InProcessFlight:
    """Attributes that tests look at: ``said`` (texts), ``commands``, ``t_s``, ``modes``."""

    def __init__(
        self,
        authority: AuthoritySettings,
        height_m: float = 12.0,
        people: People = lambda t_s: [],
        mode: Mode = Mode.GUIDED,
        ground: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.autopilot = StandInAutopilot(
            AutopilotConfig(parameters=PARAMETERS, airborne_height_m=height_m, airborne_mode=mode)
        )
        self.telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:0", commands=authority.level != "advise"))
        self.events: list[dict[str, Any]] = []
        log = EventLog(None)
        log.listeners.append(lambda line: self.events.append({**line, "t_s": self.t_s}))
        self.control = Control(DirectorSettings(), self, log, authority)
        self.decider = Decider(DecisionSettings(grid=Grid(cells=160)), TAXONOMY, CAMERA)
        self.people = people
        self.ground = ground or (lambda n, e: np.full(n.shape, GRASS))
        self.now_ns = BOOT_NS
        self.cut = False  # neither side hears the other
        self.deaf = False  # the autopilot does not hear us
        self.switched_off = False  # by a ground station
        self.seeing = True  # pictures come
        self.said: list[str] = []
        self.modes: list[tuple[float, Mode]] = []
        self.output = None
        self._decision: Decision | None = None
        self._sight: list[tuple[int, Any]] = []
        self._theirs = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
        self._ours = mavlink.MAVLink(None, srcSystem=1, srcComponent=191)
        self._parser = mavlink.MAVLink(None)
        self.autopilot.connect("daemon")
        self.autopilot.connect("pilot")

    @property
    def t_s(self) -> float:
        return (self.now_ns - BOOT_NS) * 1e-9

    @property
    def vehicle(self):
        return self.autopilot.vehicle

    @property
    def mode(self) -> Mode:
        return self.autopilot.flight.mode

    @property
    def authority(self) -> str:
        commanding = self.control.commanding
        return "off" if commanding is None else commanding.output.state.value

    @property
    def landed(self) -> bool:
        return not self.autopilot.flight.armed

    @property
    def commands(self) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == "command"]

    # --- what the pilot does ---

    def switch(self, mode: Mode) -> None:
        base = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
        self.autopilot.receive("pilot", mavlink.MAVLink_set_mode_message(1, base, int(mode)))

    def sticks(self, roll=1500, pitch=1500, throttle=0, yaw=0) -> None:
        rest = [0] * 14
        self.autopilot.receive(
            "pilot", mavlink.MAVLink_rc_channels_override_message(1, 1, roll, pitch, throttle, yaw, *rest)
        )

    # --- time ---

    def run(self, until: Callable[[], bool], limit_s: float) -> None:
        """Flies until a condition holds; fails when it does not in time."""
        end_ns = self.now_ns + round(limit_s * 1e9)
        while not until():
            assert self.now_ns < end_ns, (
                f"not within {limit_s} s: {self.authority}, {self.mode.name}, "
                f"{self.vehicle.height_m:.1f} m, {self.said[-4:]}"
            )
            self.step()

    def run_for(self, seconds: float) -> None:
        end_ns = self.now_ns + round(seconds * 1e9)
        self.run(lambda: self.now_ns >= end_ns, seconds + 1.0)

    def step(self) -> None:
        self.now_ns += TICK_NS
        before = self.mode
        self.autopilot.step(TICK_NS * 1e-9)
        for link, message in self.autopilot.take_outbox():
            if link == "daemon" and not self.cut:
                self.telemetry.feed(self._packed(message, self._theirs), self.now_ns)
        passed_ns = self.now_ns - BOOT_NS
        if passed_ns % FRAME_NS == 0 and self.seeing:
            self._look()
        while self._sight and self._sight[0][0] <= self.now_ns:
            _, segmentation = self._sight.pop(0)
            pose = self.telemetry.history.at(segmentation.captured_at_ns)
            self._decision = self.decider.observe(segmentation, pose, self.now_ns)
        if passed_ns % ASK_NS == 0:
            request = self.telemetry.request(self.now_ns)
            if request is not None:
                self._up(request)
        if passed_ns % CONTROL_NS == 0:
            pose = self.telemetry.history.latest(self.now_ns)
            vehicle = self.telemetry.vehicle.status(self.now_ns)
            self.output = self.control.tick(self.now_ns, self._decision, pose, vehicle)
        if self.mode is not before:
            self.modes.append((self.t_s, self.mode))

    def _look(self) -> None:
        """A picture now; what the network says of it is there some time later."""
        v = self.vehicle
        if v.height_m < 0.3:
            return
        pose = Pose(self.now_ns, v.q, (v.n_m, v.e_m, -v.height_m), v.height_m)
        people = self.people(self.t_s)

        def labels(n, e):
            out = self.ground(n, e)
            for north, east in people:
                out = np.where(np.hypot(n - north, e - east) < 0.25, PERSON, out)
            return out

        self._sight.append((self.now_ns + SIGHT_NS, seen(labels, pose, CAMERA, at_ns=self.now_ns)))

    def _packed(self, message: Any, packer: Any) -> bytes:
        data = bytes(message.pack(packer))
        packer.seq = (packer.seq + 1) % 256
        return data

    def _up(self, message: Any) -> None:
        if self.cut or self.deaf:
            return
        for whole in self._parser.parse_buffer(self._packed(message, self._ours)) or ():
            self.autopilot.receive("daemon", whole)

    # --- the link, as control sees it ---

    def send_target(self, target) -> SendResult:
        self._up(landing_target_message(target, self.telemetry.vehicle.autopilot))
        return SendResult()

    def send_text(self, text: str, severity: Severity) -> SendResult:
        self.said.append(text)
        return SendResult()

    def command(self, request) -> SendResult:
        if self.switched_off:
            return SendResult(Refusal.SWITCHED_OFF, "switched off by TD_ENABLE")
        self.telemetry.ask(request, self.now_ns)
        message = self.telemetry.request(self.now_ns)
        if message is not None:
            self._up(message)
        return SendResult()

    def withdraw_command(self) -> None:
        self.telemetry.command_tracker.withdraw()

    def take_answers(self):
        return self.telemetry.command_tracker.take_answers()

    # --- how it ended ---

    def distance_m(self, north: float, east: float) -> float:
        """From the vehicle, horizontally."""
        return math.hypot(self.vehicle.n_m - north, self.vehicle.e_m - east)
