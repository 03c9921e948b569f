"""A landing in one process and in simulated time: stand-in, bridge, the landing loop of `edge serve`.

Only threads, sockets, camera and network are left out: the bytes of both directions pass through the codecs that fly,
and the pictures are perfect segmentations of a ground given by a function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edge.flight_loop import FlightLoop, LoopSettings
from edge.log import EventLog
from edge.pipeline import Pipeline
from firmware_bridge.dialect import mavlink
from firmware_bridge.report import SendResult
from firmware_bridge.settings import LinkSettings
from landing.camera import CameraModel, Mount
from landing.choice.known_sites import SiteBook
from landing.decider import Decider
from landing.decision_groups import Grid
from landing.settings import AuthoritySettings, DecisionSettings, DirectorSettings
from landing.types import Frame, Pose, Segmentation
from sim.flight.link import InProcessLink, LinkFaults
from sim.flight.loop import BOOT_NS, TICK_NS, no_stopwatch
from sim.vehicle.autopilot import AutopilotConfig, Mode, StandInAutopilot
from sim.vehicle.autopilot.core import TICK_S
from sim.vehicle.autopilot.mount import GimbalRules
from tests.landing.worlds import GRASS, PERSON, TAXONOMY, seen

CAMERA = CameraModel.from_hfov(128, 96, 80.0)
FRAME_NS, SEGMENTED_NS, CONTROL_NS = 100_000_000, 80_000_000, 50_000_000
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


class TestedLink(InProcessLink):
    """A link with what can go wrong on it."""

    deaf = False  # the autopilot does not hear us
    refused: SendResult | None = None  # no command is taken

    def _queue(self, queue: Any, packer: Any, message: Any) -> None:
        if not (self.deaf and queue is self._up):
            super()._queue(queue, packer, message)

    def command(self, request: Any) -> SendResult:
        if self.refused is not None:
            return self.refused
        return super().command(request)


class PerfectRuntime:
    """Gives the segmentation that belongs to the frame."""

    overlaps = False

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}
        self.segmentations: dict[int, Segmentation] = {}

    def submit(self, frame: Frame) -> None:
        self._frame_id = frame.frame_id

    def result(self) -> Segmentation:
        return self.segmentations.pop(self._frame_id)


class InProcessFlight:
    """Attributes that tests look at: ``said`` (texts), ``commands``, ``t_s``, ``modes``."""

    def __init__(
        self,
        authority: AuthoritySettings,
        height_m: float = 12.0,
        people: People = lambda t_s: [],
        mode: Mode = Mode.GUIDED,
        ground: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
        gimbal: GimbalRules | None = None,
        mount_type: int = 8,
    ) -> None:
        down = gimbal is not None
        self.camera = CameraModel.from_hfov(128, 96, 80.0, Mount.on_gimbal()) if down else CAMERA
        self.autopilot = StandInAutopilot(
            AutopilotConfig(
                parameters={**PARAMETERS, "MNT1_TYPE": mount_type if down else 0},
                airborne_height_m=height_m,
                airborne_mode=mode,
                gimbal_rules=gimbal or GimbalRules.ARDUPILOT,
            )
        )
        commands = authority.level != "advise"
        settings = LinkSettings("udpin:127.0.0.1:0", commands=commands, gimbal=down, gimbal_down=down)
        wire = LinkFaults(0.0)
        self.link = TestedLink(self.autopilot, settings, wire, np.random.default_rng(0), BOOT_NS)
        self.events: list[dict[str, Any]] = []
        log = EventLog(None)
        log.listeners.append(lambda line: self.events.append({**line, "t_s": self.t_s}))
        decision = DecisionSettings(grid=Grid(cells=160))
        decider = Decider(decision, TAXONOMY, self.camera)
        self.book = SiteBook(decision, TAXONOMY, self.camera)
        self._runtime = PerfectRuntime()
        pipeline = Pipeline(self._runtime, decider, self.camera, lambda: self.now_ns, no_stopwatch)
        rules = LoopSettings(DirectorSettings(), authority)
        orders = self.link if down else None
        self.loop: FlightLoop[Frame] = FlightLoop(
            rules, pipeline, self.link, log, BOOT_NS, book=self.book, gimbal=orders
        )
        self.people = people
        self.ground = ground or (lambda n, e: np.full(n.shape, GRASS))
        self.now_ns = BOOT_NS
        self.seeing = True  # pictures come
        self.leaving = False  # the daemon ends
        self.modes: list[tuple[float, Mode]] = []
        self.output = None
        self._segmented: list[tuple[int, Frame]] = []
        self._blank = np.zeros((CAMERA.height_px, CAMERA.width_px, 3), np.uint8)
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
        output = self.loop.control.authority
        return "off" if output is None else output.state.value

    @property
    def said(self) -> list[str]:
        return [text for _, text in self.link.texts]

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
        self.autopilot.step(TICK_S)
        self.link.carry(self.now_ns)
        passed_ns = self.now_ns - BOOT_NS
        if passed_ns % FRAME_NS == 0 and self.seeing:
            self._look()
        while self._segmented and self._segmented[0][0] <= self.now_ns:
            self.loop.frame_arrived(self._segmented.pop(0)[1], self.now_ns)
            frame = self.loop.take_frame(self.now_ns)
            assert frame is not None
            self.loop.decide(frame, self.now_ns, self.link.pose_at)
        if passed_ns % CONTROL_NS == 0:
            self.output = self.loop.tick(self.now_ns, leaving=self.leaving)
        if self.mode is not before:
            self.modes.append((self.t_s, self.mode))

    def _look(self) -> None:
        """A picture now; what the network says of it is there some time later."""
        v = self.vehicle
        if v.height_m < 0.3:
            return
        looks = self.autopilot.mount.ned_from_gimbal(v.yaw_rad) if self.camera.mount.gimbal else None
        pose = Pose(self.now_ns, v.q, (v.n_m, v.e_m, -v.height_m), v.height_m, looks)
        people = self.people(self.t_s)

        def labels(n, e):
            out = self.ground(n, e)
            for north, east in people:
                out = np.where(np.hypot(n - north, e - east) < 0.25, PERSON, out)
            return out

        frame = Frame(self._blank, self.now_ns, self.now_ns)
        self._runtime.segmentations[frame.frame_id] = seen(labels, pose, self.camera, at_ns=self.now_ns)
        self._segmented.append((self.now_ns + SEGMENTED_NS, frame))

    # --- how it ended ---

    def distance_m(self, north: float, east: float) -> float:
        """From the vehicle, horizontally."""
        return math.hypot(self.vehicle.n_m - north, self.vehicle.e_m - east)
