"""Autopilot, camera and daemon of a landing in this process, on a simulated clock.

Time passes while the ground station listens, as fast as this machine can, and the computer on board is a modelled one
(`MACHINE`): the answer does not depend on what else the machine has to do. The parts that fly are the daemon's, put
together from the same `edge.toml`; they are stepped by `sim.flight.loop` instead of by threads.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edge.config import load_config
from edge.flight_loop import FlightLoop, LoopSettings
from edge.log import EventLog, Exact, plain
from edge.pipeline import Pipeline
from edge.resolved import resolve_flight
from edge.runtimes import load_runtime
from firmware_bridge.dialect import mavlink
from firmware_bridge.transport import Arrival, Peer
from landing.picture.monitor import PictureMonitor
from landing.types import Pose
from sim.camera import Motion
from sim.camera.effects import Effects
from sim.camera.orders import OrderTail, Stall
from sim.camera.sensor import CameraSensor
from sim.camera.shake import Shake
from sim.flight.daemon import ORDERS, DaemonEvents
from sim.flight.link import LINK, InProcessLink, LinkFaults
from sim.flight.loop import TICK_NS, CameraSample, SimulatedClock, SimulatedLoop, no_stopwatch
from sim.flight.photo_sensor import PhotoSensor, ResolvedPictureMonitor
from sim.flight.plan import FlightPlan
from sim.flight.sensor import NetworkSensor
from sim.vehicle.autopilot import TICK_S, StandInAutopilot
from sim.vehicle.autopilot_process import Links, StartConditions
from sim.vehicle.multicopter import GroundHeight
from sim.vehicle.standin import StandIn, standin_config
from sim.world import World

STATION = "pilot"
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""Wall clock of the event log at the start: no two flights' logs differ by the date."""

LOGGERS = ("edge", "firmware_bridge", "landing")


@dataclass(frozen=True)
class ModelledMachine:
    """The computer on board, the same whatever runs the simulation.

    Attributes:
        decision_ms: From a frame being taken to its decision.
        camera_ms: From exposure to arrival, beyond the latency that the daemon is told of.
    """

    decision_ms: float = 60.0
    camera_ms: float = 15.0

    def describe(self, fps: float) -> str:
        """For people."""
        hz = min(fps, 1000.0 / self.decision_ms)
        return f"a modelled computer with {hz:g} decisions/s, {self.decision_ms:.0f} ms each"


MACHINE = ModelledMachine()
MACHINE_LINK = LinkFaults(delay_ms=2.0)


class SimulatedLog(EventLog):
    """The daemon's event log, with the simulated clock's times.

    Args:
        stream: Of the file to write.
        clock: Of the flight.
    """

    def __init__(self, stream: TextIO, clock: SimulatedClock) -> None:
        super().__init__(None)
        self._file = stream
        self._clock = clock

    def write(self, event: str, **data: Any) -> None:
        """Appends one event."""
        time = EPOCH + timedelta(milliseconds=self._clock.passed_ms)
        line = {
            "time": time.isoformat(timespec="milliseconds"),
            "mono_ns": self._clock.now_ns,
            "event": event,
            **{name: plain(value) for name, value in data.items()},
        }
        self._file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")
        self._file.flush()  # the pilot reads it


class OrderedCamera:
    """The simulated camera and the modelled computer of a plan, see `sim.flight.loop.OnboardHardware`.

    Args:
        plan: Of the flight.
        link: Whose autopilot has the true state.
        sensor: Looks at the world that orders change.
        effects: Faults of the camera.
    """

    def __init__(self, plan: FlightPlan, link: InProcessLink, sensor: NetworkSensor, effects: Effects) -> None:
        self.fps = plan.fps
        self._latency_ns = round(plan.camera_latency_s * 1e9)
        self._link = link
        self._sensor = sensor
        self._effects = effects
        noise_deg = plan.attitude_noise_deg
        self._shake = Shake(noise_deg, plan.seed) if noise_deg > 0 else None
        self._orders = OrderTail(plan.out / ORDERS)
        self._stalled_until_ns = 0

    def expose(self, number: int, now_ns: int) -> CameraSample | None:
        """See `sim.flight.loop.OnboardHardware`."""
        for order in self._orders.read():
            if isinstance(order, Stall):
                self._stalled_until_ns = order.until_ns
            else:
                self._sensor.world = self._sensor.world.with_actors(order)
        if now_ns < self._stalled_until_ns or self._effects.drops(number):
            return None
        autopilot = self._link.autopilot
        v = autopilot.vehicle
        pose = Pose(now_ns, v.q, (v.n_m, v.e_m, v.d_m), ned_from_gimbal=autopilot.mount.ned_from_gimbal(v.yaw_rad))
        seen_from = pose if self._shake is None else self._shake.applied(pose)
        motion = Motion((v.vn_mps, v.ve_mps, v.vd_mps), v.rates_radps)
        stamp_ns = now_ns + round(MACHINE.camera_ms * 1e6)
        return CameraSample(number, stamp_ns, stamp_ns + self._latency_ns, seen_from, 1e-3 * autopilot.now_ms, motion)

    def decision_ms(self) -> float:
        """See `sim.flight.loop.OnboardHardware`."""
        return MACHINE.decision_ms


class SimulatedDaemon:
    """The parts of `edge serve`, stepped instead of run; see `sim.flight.piloted.FollowedDaemon`.

    Args:
        plan: Of the flight.
        config: Path of its `edge.toml`; the event log is where that says.
        clock: Of the flight.
        link: To the autopilot.
        world: In front of the camera.
        stack: Closes network and log.
    """

    def __init__(
        self, plan: FlightPlan, config: Path, clock: SimulatedClock, link: InProcessLink, world: World, stack: ExitStack
    ) -> None:
        self.killed = False
        self.tail = DaemonEvents(plan.out / "events.jsonl")
        self._link = link
        settings = load_config(config)
        log = stack.enter_context((plan.out / "events.jsonl").open("w", encoding="utf-8"))
        self._events = SimulatedLog(log, clock)
        self._events.write("start", config=config, clock="simulated", machine=MACHINE)
        runtime = stack.enter_context(load_runtime(settings.model.path, settings.model.options))
        flight = resolve_flight(settings, runtime.spec, {})
        self._events.write("model", path=runtime.path, name=runtime.spec.name, taxonomy=flight.classes.name)
        self._events.write("flight", sha256=flight.digest, value=Exact(flight.as_dict()))
        faults: dict[str, Any] = {**plan.effects}
        camera, effects = flight.camera, Effects(plan.seed, **faults)
        shutter, decider = CameraSensor(camera, effects, plan.painted), flight.decider(camera)
        sensor = NetworkSensor(world, shutter, runtime)
        monitor = PictureMonitor(flight.picture, camera, flight.decision.relief)
        if world.photograph is not None:
            sensor = PhotoSensor(world, shutter, runtime)
            monitor = ResolvedPictureMonitor(flight.picture, camera, sensor)
        pipeline = Pipeline(sensor, decider, camera, clock.ns, no_stopwatch, monitor, flight.pad_finder())
        rules = LoopSettings(flight.director, flight.authority, flight.max_frame_age_ms, settings.health)
        self._loop: FlightLoop[CameraSample] = FlightLoop(
            rules, pipeline, link, self._events, clock.now_ns, gimbal=link if flight.link.gimbal_down else None
        )
        self._flight = SimulatedLoop(clock, link, self._loop, sensor, OrderedCamera(plan, link, sensor, effects))

    def step(self, now_ns: int) -> None:
        """One tick of everything."""
        self._flight.step(now_ns)
        if self._flight.leaving and not self._loop.holds_failsafe:
            self.stop()
            self.kill()

    def read_events(self) -> None:
        """See `sim.flight.piloted.FollowedDaemon`."""
        self.tail.read()

    def kill(self) -> None:
        """See `sim.flight.piloted.FollowedDaemon`."""
        self.killed = self._link.cut = True

    def end(self) -> None:
        """See `sim.flight.piloted.FollowedDaemon`."""
        self._flight.leaving = True

    def stop(self) -> None:
        """The end of its event log."""
        if not self.killed:
            self._loop.end()
            self._events.write("stop", reason="the flight is over", **self._loop.totals())


class SimulatedStandIn(StandIn):
    """The stand-in in this process, and the ground station's transport to it.

    Args:
        conditions: Of the start.
        folder: Of the flight.
        ground_height_m: Height of the ground at a north and east, m.

    Attributes:
        clock: Of the flight.
        daemon: Stepped with it once there is one.
    """

    def __init__(self, conditions: StartConditions, folder: Path, ground_height_m: GroundHeight) -> None:
        super().__init__(conditions, folder)
        self._ground_height_m = ground_height_m
        self.links = Links("udpin:127.0.0.1:0", "tcp:127.0.0.1:0", "in process")
        self.clock = SimulatedClock()
        self.daemon: SimulatedDaemon | None = None
        self._link: InProcessLink | None = None
        self._autopilot = StandInAutopilot(standin_config(conditions), ground_height_m=ground_height_m)
        self._inbox = bytearray()
        self._theirs: Any = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
        self._parser: Any = mavlink.MAVLink(None)

    def start(self, stack: ExitStack) -> None:
        """See `AutopilotProcess`; a second start is a vehicle at the start again."""
        self._autopilot = StandInAutopilot(standin_config(self._conditions), ground_height_m=self._ground_height_m)
        self._autopilot.connect(STATION)
        if self._link is not None:
            self._link.autopilot = self._autopilot
            self._autopilot.connect(LINK)

    def die(self) -> None:
        """Nothing is left of it; `start` makes another."""

    def begin(self, plan: FlightPlan, config: Path, world: World, stack: ExitStack) -> SimulatedDaemon:
        """Starts the daemon at its link."""
        settings = load_config(config)
        rng = np.random.default_rng([plan.seed, 31])
        self._link = InProcessLink(self._autopilot, settings.link_settings(), MACHINE_LINK, rng, self.clock.now_ns)
        self._link.others = self._hear
        self.daemon = SimulatedDaemon(plan, config, self.clock, self._link, world, stack)
        stack.callback(self.daemon.stop)
        return self.daemon

    # --- Cable ---

    def cut(self) -> None:
        """See `sim.flight.piloted.Cable`."""
        assert self._link is not None
        self._link.cut = True

    def mend(self) -> None:
        """See `sim.flight.piloted.Cable`."""
        assert self._link is not None and self.daemon is not None
        self._link.cut = self.daemon.killed

    # --- Transport of the ground station ---

    waits = False

    def open(self) -> None:
        """Always open."""

    def close(self) -> None:
        """Always open."""

    def write(self, data: bytes, peer: Peer = None) -> bool:
        """Hands a frame to the autopilot."""
        for message in self._parser.parse_buffer(data) or ():
            self._autopilot.receive(STATION, message)
        return True

    def read(self, timeout_s: float) -> Arrival:
        """Lets time pass until the autopilot says something, at most so long."""
        until_ns = self.clock.now_ns + round(timeout_s * 1e9)
        while not self._inbox and self.clock.now_ns < until_ns:
            self._tick(self.clock.now_ns + TICK_NS)
        data = bytes(self._inbox)
        self._inbox.clear()
        return Arrival(data)

    def _tick(self, now_ns: int) -> None:
        if self.daemon is not None and not self.daemon.killed:
            self.daemon.step(now_ns)
            return
        self.clock.now_ns = now_ns
        self._autopilot.step(TICK_S)
        for link_id, message in self._autopilot.take_outbox():
            self._hear(link_id, message)

    def _hear(self, link_id: object, message: Any) -> None:
        if link_id == STATION:
            self._inbox += message.pack(self._theirs)
            self._theirs.seq = (self._theirs.seq + 1) % 256


@contextmanager
def text_log(path: Path) -> Iterator[None]:
    """Sends what the daemon's parts log to a file instead of the terminal."""
    handler = logging.FileHandler(path, "w", "utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)-7s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
