"""What one step of the decision costs on one core: percentiles, against grid size and frame rate.

    python benchmarks/decision_step.py [--json FILE] [--plot FILE]

The frames are those of two whole simulated landings of a campaign, from 60 m to the ground, one in a crowd. Times are
CPU time of the thread, so that others on the machine do not count; `--wall` takes wall time. Budget: p99 below 10 ms at
256x256 cells.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from machine import describe
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landing.camera import CameraModel
from landing.decider import Decider, Decision
from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from landing.types import Pose, Segmentation
from sim.campaign.landing import Landing
from sim.campaign.perception_errors import load_error_model
from sim.campaign.policies import Policy
from sim.campaign.ranges import stream
from sim.campaign.scene import Scene, draw_scene
from sim.campaign.scene_ground import SceneGround, make_scene_ground
from sim.campaign.sensors import LabelSensor, true_camera
from sim.campaign.task import Plan

BUDGET_P99_MS = 10.0
GRIDS = (64, 128, 192, 256, 384, 512)
RATES_HZ = (2.5, 5.0, 10.0, 15.0, 30.0)
RECORDED_HZ = 30.0
SCENES = (("scenes:plaza", 3), ("scenes:park", 1))
HEIGHT_M, HFOV_DEG = 60.0, 80.0

Step = tuple[Segmentation, Pose | None, int]
Clock = Callable[[], int]


class Recorder(Decider):
    """The decision, keeping what it was asked."""

    def __init__(self, settings: DecisionSettings, taxonomy: Taxonomy, camera: CameraModel) -> None:
        super().__init__(settings, taxonomy, camera)
        self.steps: list[Step] = []

    def observe(self, segmentation: Segmentation, pose: Pose | None, now_ns: int) -> Decision:
        self.steps.append((segmentation, pose, now_ns))
        return super().observe(segmentation, pose, now_ns)


def recorded(world: str, number: int) -> tuple[list[Step], Taxonomy, CameraModel]:
    """The frames of one landing at 30 Hz."""
    plan = Plan(1, 1, "train", (world,), ("touchdown",))
    scene: Scene = draw_scene(number, "train", 1, (world,))
    conditions = replace(
        scene.conditions, height_m=HEIGHT_M, hfov_deg=HFOV_DEG, fps=RECORDED_HZ, inference_ms=20.0, dropped=0.0
    )
    scene = replace(scene, conditions=conditions, intruder=None)
    place: SceneGround = make_scene_ground(scene, plan.setup().decision)
    camera = true_camera(conditions, stream(scene.key, "mount"))
    eyes = LabelSensor(place.world, camera, load_error_model(), conditions, stream(scene.key, "eyes"))
    policy = Policy("touchdown", "", Recorder, True)
    landing = Landing(scene, place.world, place.start_ne_m, eyes, policy, plan.setup())
    flown = landing.fly()
    recorder = landing.pipeline.decider
    assert isinstance(recorder, Recorder)
    print(f"{place.world.name}: {len(recorder.steps)} frames, {flown.outcome}")
    return recorder.steps, place.world.taxonomy, camera


def step_times_ms(steps: list[Step], taxonomy: Taxonomy, camera: CameraModel, cells: int, clock: Clock) -> list[float]:
    """Time of each step on a map of `cells` a side that covers the same ground."""
    base = DecisionSettings()
    settings = base.model_copy(update={"grid_cells": cells, "cell_m": base.cell_m * base.grid_cells / cells})
    decider = Decider(settings, taxonomy, camera)
    times = []
    for step in steps:
        start = clock()
        decider.observe(*step)
        times.append((clock() - start) * 1e-6)
    return times


def percentiles(times_ms: list[float]) -> dict[str, float]:
    names = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99, "max_ms": 100}
    return {n: round(float(np.percentile(times_ms, p)), 3) for n, p in names.items()}


def measure(clock: Clock) -> dict[str, object]:
    recordings = [recorded(*scene) for scene in SCENES]
    tenth = [(steps[::3], taxonomy, camera) for steps, taxonomy, camera in recordings]
    grids = {}
    for cells in GRIDS:
        times = [t for r in tenth for t in step_times_ms(*r, cells, clock)]
        grids[str(cells)] = {**percentiles(times), "frames": len(times)}
        print(f"{cells}x{cells}: {grids[str(cells)]}")
    rates = {}
    for rate_hz in RATES_HZ:
        every = round(RECORDED_HZ / rate_hz)
        spent_ms = seconds = 0.0
        for steps, taxonomy, camera in recordings:
            chosen = steps[::every]
            spent_ms += sum(step_times_ms(chosen, taxonomy, camera, 256, clock))
            seconds += (chosen[-1][2] - chosen[0][2]) * 1e-9
        rates[f"{rate_hz:g}"] = {"core_share": round(spent_ms * 1e-3 / seconds, 4)}
        print(f"{rate_hz:g} Hz: {rates[f'{rate_hz:g}']['core_share']:.1%} of a core")
    return {"budget_p99_ms": BUDGET_P99_MS, "grids": grids, "frame_rates_hz": rates}


def plot(results: dict[str, object], path: Path) -> None:
    figure = Figure(figsize=(10, 3.8), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    grids = results["grids"]
    assert isinstance(grids, dict)
    sides = [int(k) for k in grids]
    for name, color in (("p50_ms", "#1b6ef3"), ("p95_ms", "#f2a104"), ("p99_ms", "#e4572e")):
        left.plot(sides, [g[name] for g in grids.values()], "o-", color=color, label=name[:3])
    left.axhline(BUDGET_P99_MS, color="#888888", linestyle="--", linewidth=1)
    left.annotate(
        "budget of p99 at 256", (sides[0], BUDGET_P99_MS), xytext=(0, 3), textcoords="offset points", fontsize=8
    )
    left.set_xlabel("cells along a side, the same ground")
    left.set_ylabel("one step on one core, ms")
    left.legend()
    rates = results["frame_rates_hz"]
    assert isinstance(rates, dict)
    right.plot([float(k) for k in rates], [100 * r["core_share"] for r in rates.values()], "o-", color="#12a150")
    right.set_xlabel("frames a second, 256x256 cells")
    right.set_ylabel("share of one core, %")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    with path.open("wb") as stream:
        FigureCanvasAgg(figure).print_png(stream)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--plot", type=Path, help="write a picture here, PNG")
    parser.add_argument("--wall", action="store_true", help="wall time instead of CPU time")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    clock = time.perf_counter_ns if arguments.wall else time.thread_time_ns
    results = {"machine": describe(), "clock": "wall" if arguments.wall else "thread CPU"}
    results |= measure(clock)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if arguments.plot:
        plot(results, arguments.plot)
    worst = results["grids"]["256"]["p99_ms"]
    print(f"budget {BUDGET_P99_MS} ms: p99 at 256x256 {worst} ms")
    raise SystemExit(worst > BUDGET_P99_MS)


if __name__ == "__main__":
    main()
