"""The landing loop on a simulated clock, with a stand-in autopilot, a camera and a modelled computer; one thread.

A frame is stamped when it arrives, the pipeline takes the newest when it is free, its decision is there when the
network is done, and the control loop ticks at 20 Hz. The rules are `edge.flight_loop`'s, as in `edge serve`. A campaign
(`sim.campaign.landing`) and `sim land` (`sim.flight.simulated`) fly this loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge.flight_loop import FlightLoop
from landing.guidance.director import DirectorOutput
from landing.types import Frame, Pose
from sim.camera.render import Motion
from sim.flight.link import InProcessLink
from sim.vehicle.autopilot.core import TICK_MS, TICK_S
from sim.world import World

BOOT_NS = 1_000_000_000_000
"""Monotonic time at the start of a flight: not zero, so that nothing relies on it."""

TICK_NS = TICK_MS * 1_000_000
CONTROL_MS = 50


class SimulatedClock:
    """Monotonic time of a flight.

    Attributes:
        now_ns: Set by whoever steps the flight.
    """

    def __init__(self) -> None:
        self.now_ns = BOOT_NS

    def ns(self) -> int:
        """Return the time, as `time.monotonic_ns` does."""
        return self.now_ns

    @property
    def passed_ms(self) -> int:
        """Time since the start."""
        return (self.now_ns - BOOT_NS) // 1_000_000


@dataclass(frozen=True)
class CameraSample:
    """The scene in front of the camera when the shutter opened; a picture is made of it only if it is decided on.

    Attributes:
        frame_id: Counts up.
        captured_at_ns: The daemon's stamp: later than the exposure.
        arrives_ns: Arrival at the daemon.
        pose: The true one, with the vibration of this moment.
        t_s: World time.
        motion: True movement of the vehicle.
    """

    frame_id: int
    captured_at_ns: int
    arrives_ns: int
    pose: Pose
    t_s: float
    motion: Motion


class FrameSource(Protocol):
    """Makes pictures of a world.

    Attributes:
        world: Ground and actors; replaced when somebody enters it.
    """

    world: World

    def frame(self, sample: CameraSample) -> Frame:
        """Return the picture of a sample."""


class OnboardHardware(Protocol):
    """Camera and computer of a flight.

    Attributes:
        fps: Of the camera.
    """

    fps: float

    def expose(self, number: int, now_ns: int) -> CameraSample | None:
        """Open the shutter; None when the frame is lost."""

    def decision_ms(self) -> float:
        """Return the time from the next frame being taken to its decision."""


class SimulatedLoop:
    """Steps autopilot, link, camera and the landing loop.

    Args:
        clock: Set by every step; also the pipeline's.
        link: With its autopilot.
        loop: The daemon's.
        source: Makes the pictures that the pipeline takes.
        hardware: Camera and computer.

    Attributes:
        exposures: Frames taken by the camera, lost ones included.
        leaving: The daemon ends.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        link: InProcessLink,
        loop: FlightLoop[CameraSample],
        source: FrameSource,
        hardware: OnboardHardware,
    ) -> None:
        self.exposures = 0
        self.leaving = False
        self._clock = clock
        self._link = link
        self._loop = loop
        self._source = source
        self._hardware = hardware
        self._arriving: list[CameraSample] = []
        self._working: tuple[CameraSample, int] | None = None
        self._next_frame_ms = float(clock.passed_ms)

    def step(self, now_ns: int) -> DirectorOutput | None:
        """Step the autopilot by one tick, and all else that is due.

        Returns:
            The director's output; None when the control loop was not due.
        """
        self._clock.now_ns = now_ns
        now_ms = self._clock.passed_ms
        self._link.autopilot.step(TICK_S)
        self._link.carry(now_ns)
        self._camera(now_ns, now_ms)
        self._pipeline(now_ns)
        return None if now_ms % CONTROL_MS else self._loop.tick(now_ns, leaving=self.leaving)

    def _camera(self, now_ns: int, now_ms: int) -> None:
        """Take a frame when one is due; it arrives some milliseconds later."""
        if now_ms >= self._next_frame_ms:
            self._next_frame_ms += 1000.0 / self._hardware.fps
            sample = self._hardware.expose(self.exposures, now_ns)
            self.exposures += 1
            if sample is not None:
                self._arriving.append(sample)
        while self._arriving and self._arriving[0].arrives_ns <= now_ns:
            self._loop.frame_arrived(self._arriving.pop(0), now_ns)

    def _pipeline(self, now_ns: int) -> None:
        """Work on one frame at a time."""
        if self._working is not None and now_ns >= self._working[1]:
            sample, _ = self._working
            self._working = None
            self._loop.decide(self._source.frame(sample), now_ns, self._link.pose_at)
        if self._working is None:
            taken = self._loop.take_frame(now_ns)
            if taken is not None:
                self._working = (taken, now_ns + round(self._hardware.decision_ms() * 1e6))


def no_stopwatch() -> int:
    """Return 0: durations of this machine have no place in a simulated flight."""
    return 0
