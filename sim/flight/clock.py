"""Choice of the clock of a landing: real processes where the machine keeps up, else simulated."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.runtimes import RuntimeOptions, load_runtime
from landing.errors import InvalidValueError, LinkError
from landing.types import Frame
from sim.flight.fly import fly_one
from sim.flight.plan import FlightPlan, FlightResult
from sim.flight.simulated import MACHINE
from sim.vehicle.processes import TooLateError

CLOCKS = ("auto", "real", "simulated")

SLOWEST_MS = 150.0
"""With a network that takes longer, camera, autopilot and daemon beside each other do not keep up: a newest decision
must come every 250 ms."""

BUSIEST_PER_CORE = 1.5
"""Load average, per core, above which the flight's processes wait for a core."""

LANDED = ("landed-safe", "landed-unsafe")
"""Verdicts that no slow machine excuses."""

MEASURE_MS = 800.0

Fly = Callable[[FlightPlan, Callable[[str], None]], FlightResult]


@dataclass(frozen=True)
class Pace:
    """Present speed of this machine with a network.

    Attributes:
        inference_ms: Slowest in ten, wall time.
        load: Load average of the last minute.
        cores: Of the machine.
    """

    inference_ms: float
    load: float
    cores: int

    @property
    def keeps_up(self) -> bool:
        """True if a flight in real time is worth a try."""
        return self.inference_ms <= SLOWEST_MS and self.load <= BUSIEST_PER_CORE * self.cores

    def __str__(self) -> str:
        return (
            f"one inference takes {self.inference_ms:.0f} ms here now (at most {SLOWEST_MS:.0f}), "
            f"load {self.load:.1f} on {self.cores} cores (at most "
            f"{BUSIEST_PER_CORE * self.cores:g})"
        )


def measure_pace(model: Path, threads: int) -> Pace:
    """Runs the network for about a second.

    Raises:
        ModelError: It cannot be loaded.
    """
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with load_runtime(model, RuntimeOptions(threads=threads)) as runtime:
        took_ms = [runtime.warm_up()]
        while sum(took_ms) < MEASURE_MS:
            runtime.submit(Frame(picture, len(took_ms), 1))
            runtime.result()
            took_ms.append(runtime.timings_ms["preprocess"] + runtime.timings_ms["inference"])
    return Pace(float(np.percentile(took_ms, 90)), os.getloadavg()[0], os.cpu_count() or 1)


class ClockChoice:
    """Flies plans on the clock that was asked for, and says on which and why.

    Args:
        clock: One of `CLOCKS`.
        say: Told what goes on.
        measure: Of a model and a number of threads.
        fly: A plan on its clock.

    Raises:
        TouchdownError: There is no such clock.
    """

    def __init__(
        self,
        clock: str,
        say: Callable[[str], None],
        measure: Callable[[Path, int], Pace] = measure_pace,
        fly: Fly = fly_one,
    ) -> None:
        if clock not in CLOCKS:
            raise InvalidValueError(f"clock {clock!r}: expected {', '.join(CLOCKS)}")
        self._clock = clock
        self._say = say
        self._measure = measure
        self._fly = fly

    def fly(self, real: FlightPlan, simulated: FlightPlan) -> FlightResult:
        """Flies one of two plans of the same landing.

        Args:
            real: For processes in real time.
            simulated: For the simulated clock.

        Raises:
            TouchdownError: The landing cannot be flown; a real autopilot on the simulated clock.
        """
        if real.autopilot != "stand-in":
            if self._clock == "simulated":
                raise InvalidValueError(
                    f"--clock simulated: {real.autopilot} is a program of its own that runs in "
                    "real time; leave --clock out, or fly --autopilot stand-in"
                )
            return self._real(real, f"{real.autopilot} has no other")
        if self._clock != "auto":
            asked = "asked for"
            return self._real(real, asked) if self._clock == "real" else self._sim(simulated, asked)
        self._say("measuring how fast this machine is now ...")
        pace = self._measure(real.model, real.threads)
        if not pace.keeps_up:
            return self._sim(simulated, str(pace))
        try:
            result = self._real(replace(real, ends_when_slow=True), str(pace))
        except (TooLateError, LinkError) as error:
            why = str(error)
        else:
            if result.verdict in LANDED:
                return result
            why = result.too_slow
            if not why:
                pace = self._measure(real.model, real.threads)  # it may have become busy
                if pace.keeps_up:
                    return result
                why = str(pace)
        self._say(f"this machine does not keep up with real processes: {why}")
        self._clock = "simulated"  # for the landings after this one, too
        return self._sim(simulated, "flown again")

    def _real(self, plan: FlightPlan, why: str) -> FlightResult:
        self._say(f"clock: real, autopilot, camera and daemon as processes ({why})")
        return self._fly(replace(plan, clock="real"), self._say)

    def _sim(self, plan: FlightPlan, why: str) -> FlightResult:
        self._say(f"clock: simulated, {MACHINE.describe(plan.fps)} ({why})")
        return self._fly(replace(plan, clock="simulated"), self._say)
