"""The daemon's work on a simulated clock: one thread, time is an argument.

The order of the steps is the daemon's (`edge.daemon`, `edge.pipeline`, `edge.control`): a frame is stamped when it
arrives, the newest waits in a mailbox, the pipeline takes it when it is free unless it is stale, the decision is there
when the network is done, and the control loop steps the director and sends at 20 Hz whatever the network does. The
stand-in autopilot is stepped at its own rate. `sim.campaign.landing` and `sim.flight.simulated` fly
this loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge.control import Control
from edge.ground import GroundWatch
from edge.log import EventLog
from edge.pipeline import Pipeline
from firmware_bridge.messages import HealthState
from landing.decider import Decision
from landing.director import DirectorOutput
from landing.types import Frame, Pose
from sim.camera import Motion
from sim.flight.link import InProcessLink
from sim.vehicle.autopilot.core import TICK_MS, TICK_S
from sim.world import World

BOOT_NS = 1_000_000_000_000
"""Our monotonic time at the start of a flight: not zero, so that nothing relies on it."""

TICK_NS = TICK_MS * 1_000_000
CONTROL_MS = 50
HEARTBEAT_MS = 1000


class SimulatedClock:
    """Monotonic time of a flight.

    Attributes:
        now_ns: Set by whoever steps the flight.
    """

    def __init__(self) -> None:
        self.now_ns = BOOT_NS

    def ns(self) -> int:
        """As `time.monotonic_ns`."""
        return self.now_ns

    @property
    def passed_ms(self) -> int:
        """Since the start."""
        return (self.now_ns - BOOT_NS) // 1_000_000


@dataclass(frozen=True)
class CameraSample:
    """What was in front of the camera when the shutter opened.

    Attributes:
        frame_id: Counts up.
        stamp_ns: What the daemon stamps it with: later than the exposure.
        arrives_ns: When the daemon has it.
        pose: The true one, with the vibration of this moment.
        t_s: World time.
        motion: True movement of the vehicle.
    """

    frame_id: int
    stamp_ns: int
    arrives_ns: int
    pose: Pose
    t_s: float
    motion: Motion


class FrameSource(Protocol):
    """Makes pictures of a world.

    Attributes:
        world: What is there; replaced when somebody enters it.
    """

    world: World

    def frame(self, shot: CameraSample) -> Frame:
        """The picture of a shot."""


class OnboardHardware(Protocol):
    """Camera and computer of a flight: what they take, and how long.

    Attributes:
        fps: Of the camera.
        max_frame_age_ns: Older frames are not decided on.
    """

    fps: float
    max_frame_age_ns: int

    def shoot(self, number: int, now_ns: int) -> CameraSample | None:
        """Opens the shutter; None when the frame is lost."""

    def decision_ms(self) -> float:
        """How long the next frame takes, from being taken to the decision."""


@dataclass
class LoopCounters:
    """What happened since the start.

    Attributes:
        frames: Taken by the camera, lost ones included.
        arrived: At the daemon.
        dropped: Replaced by a newer one before they were taken.
        stale: Too old when they were taken.
        decisions: Made.
    """

    frames: int = 0
    arrived: int = 0
    dropped: int = 0
    stale: int = 0
    decisions: int = 0


class FlightLoop:
    """Steps autopilot, link, camera, pipeline and control.

    Args:
        clock: Set by every step.
        link: With its autopilot.
        pipeline: The decision; its clock is `clock`.
        control: Director and authority; sends through `link`.
        films: Makes the pictures that the pipeline takes.
        machine: Camera and computer.
        events: Where a map that begins anew or moves is told.

    Attributes:
        health: What the heartbeat says.
        counters: Since the start.
        decision: The newest.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        link: InProcessLink,
        pipeline: Pipeline,
        control: Control,
        films: FrameSource,
        machine: OnboardHardware,
        events: EventLog,
    ) -> None:
        self.health = HealthState.OK
        self.counters = LoopCounters()
        self._clock = clock
        self._link = link
        self._pipeline = pipeline
        self._control = control
        self._films = films
        self._machine = machine
        self.decision: Decision | None = None
        self._ground = GroundWatch(events)
        self._arriving: list[CameraSample] = []
        self._waiting: CameraSample | None = None
        self._working: tuple[CameraSample, int] | None = None
        self._next_frame_ms = float(clock.passed_ms)

    def step(self, now_ns: int) -> DirectorOutput | None:
        """One tick of the autopilot and what is due of everything else.

        Returns:
            What the control loop said; None when it was not its turn.
        """
        self._clock.now_ns = now_ns
        now_ms = self._clock.passed_ms
        self._link.autopilot.step(TICK_S)
        self._link.carry(now_ns)
        self._camera(now_ns, now_ms)
        self._work(now_ns)
        if now_ms % HEARTBEAT_MS == 0:
            self._link.send_heartbeat(self.health)
        if now_ms % CONTROL_MS:
            return None
        return self._control.tick(now_ns, self.decision, self._link.latest_pose(now_ns), self._link.vehicle(now_ns))

    def _camera(self, now_ns: int, now_ms: int) -> None:
        """Takes a frame when one is due; it arrives some milliseconds later."""
        if now_ms >= self._next_frame_ms:
            self._next_frame_ms += 1000.0 / self._machine.fps
            shot = self._machine.shoot(self.counters.frames, now_ns)
            self.counters.frames += 1
            if shot is not None:
                self._arriving.append(shot)
        while self._arriving and self._arriving[0].arrives_ns <= now_ns:
            self.counters.arrived += 1
            self.counters.dropped += self._waiting is not None
            self._waiting = self._arriving.pop(0)  # newest wins

    def _work(self, now_ns: int) -> None:
        """The pipeline thread: one frame at a time, the newest, unless it is stale."""
        if self._working is not None and now_ns >= self._working[1]:
            shot, _ = self._working
            self._working = None
            step = self._pipeline.step(self._films.frame(shot), self._link.pose_at)
            self._ground.look(step.decision)
            self.decision = step.decision
            self.counters.decisions += 1
        if self._working is None and self._waiting is not None:
            shot, self._waiting = self._waiting, None
            if now_ns - shot.stamp_ns <= self._machine.max_frame_age_ns:
                self._working = (shot, now_ns + round(self._machine.decision_ms() * 1e6))
            else:
                self.counters.stale += 1


def no_stopwatch() -> int:
    """Durations of this machine have no place in a simulated flight."""
    return 0
