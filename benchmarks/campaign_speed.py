"""CPU time of a campaign's landings by part, milliseconds per simulated second.

    python -m benchmarks.campaign_speed [--scenes 3,5] [--rounds 2] [--json FILE]

Whole landings of the campaign `--split val --seed 1`, on one core. Each part is charged what it takes itself, without
the parts it calls; the least of some rounds counts. The times are CPU time, but a machine whose cores are shared still
makes them longer: compare versions in turn on the same machine.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from benchmarks.runner import Figures, benchmark, table
from edge.control import Control
from edge.pipeline import Pipeline
from firmware_bridge.telemetry import Telemetry
from landing.decider import Decider
from landing.ground.map import GroundMap
from sim.campaign import sensors, task
from sim.campaign.perception_errors import PerceptionErrorSampler
from sim.flight.link import InProcessLink
from sim.flight.loop import SimulatedLoop
from sim.vehicle.autopilot.core import StandInAutopilot
from sim.world import expand_world_spec

PARTS: dict[str, tuple[Any, str]] = {
    "loop": (SimulatedLoop, "step"),
    "autopilot": (StandInAutopilot, "step"),
    "link": (InProcessLink, "carry"),
    "telemetry": (Telemetry, "feed"),
    "labels in view": (sensors, "label_view"),
    "perception errors": (PerceptionErrorSampler, "segment"),
    "pipeline": (Pipeline, "step"),
    "ground map, update": (GroundMap, "update"),
    "ground map, view": (GroundMap, "view"),
    "choice of the site": (Decider, "observe"),
    "control": (Control, "tick"),
}


class _Stopwatch:
    """CPU seconds that functions take themselves."""

    def __init__(self) -> None:
        self.own_s: dict[str, float] = defaultdict(float)
        self._inner_s: list[float] = []

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.thread_time()
            self._inner_s.append(0.0)
            try:
                return function(*arguments, **options)
            finally:
                took_s = time.thread_time() - began
                self.own_s[part] += took_s - self._inner_s.pop()
                if self._inner_s:
                    self._inner_s[-1] += took_s

        return timed


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _flown(plan: task.Plan, scene: int) -> dict[str, float]:
    """Cost of one landing on this machine."""
    return dict(task.run(task.Task(plan, scene, plan.policies)).timings[0])


@benchmark
@click.option("--scenes", default="3,5", show_default=True, help="Numbers of the scenes, with commas between.")
@click.option("--rounds", default=2, show_default=True)
def main(scenes: str, rounds: int) -> Figures:
    numbers = [int(number) for number in scenes.split(",")]
    plan = task.Plan(1 + max(numbers), 1, "val", tuple(expand_world_spec("scenes")), ("touchdown",))
    least_s: dict[str, float] = {}
    whole_s = simulated_s = 0.0
    for scene in numbers:
        untimed = [_flown(plan, scene) for _ in range(rounds)]
        whole_s += min(timing["flight_cpu_s"] for timing in untimed)
        simulated_s += untimed[0]["simulated_s"]
        own_s = []
        for _ in range(rounds):
            watch = _Stopwatch()
            with ExitStack() as stack:
                for part, (owner, name) in PARTS.items():
                    stack.enter_context(_replaced(owner, name, watch.around(part, getattr(owner, name))))
                _flown(plan, scene)
            own_s.append(watch.own_s)
        for part in PARTS:
            least_s[part] = least_s.get(part, 0.0) + min(one[part] for one in own_s)
    timed_s = sum(least_s.values())
    rows = [
        {"part": part, "ms_per_simulated_s": round(1e3 * s / simulated_s, 2), "share": round(s / timed_s, 3)}
        for part, s in sorted(least_s.items(), key=lambda pair: -pair[1])
    ]
    click.echo(table(rows))
    return {
        "scenes": numbers,
        "simulated_s": round(simulated_s, 1),
        "times_real_time": round(simulated_s / whole_s, 1),
        "cpu_ms_per_simulated_s": round(1e3 * whole_s / simulated_s, 2),
        "parts": rows,
    }


if __name__ == "__main__":
    main()
