"""What one step of the decision costs on one core: percentiles, against grid size and frame rate.

    python -m benchmarks.decision_step [--json FILE] [--plot FILE]

The frames are those of two whole simulated landings of a campaign, from 60 m to the ground, one in a crowd. Times are
CPU time of the thread, so that others on the machine do not count; `--wall` takes wall time. Budget: p99 below 10 ms at
256x256 cells.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.runner import Figures, benchmark, percentiles
from landing.camera import CameraModel
from landing.decider import Decider
from landing.decision import Decision
from landing.decision_groups import Grid
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

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.steps: list[Step] = []

    def observe(self, segmentation: Segmentation, pose: Pose | None, now_ns: int, *rest: Any) -> Decision:
        self.steps.append((segmentation, pose, now_ns))
        return super().observe(segmentation, pose, now_ns, *rest)


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
    sensor = LabelSensor(place.world, camera, load_error_model(), conditions, stream(scene.key, "eyes"))
    policy = Policy("touchdown", "", Recorder, True)
    landing = Landing(scene, place.world, place.start_ne_m, sensor, policy, plan.setup())
    flown = landing.fly()
    recorder = landing.pipeline.decider
    assert isinstance(recorder, Recorder)
    print(f"{place.world.name}: {len(recorder.steps)} frames, {flown.outcome}")
    return recorder.steps, place.world.taxonomy, camera


def step_times_ms(steps: list[Step], taxonomy: Taxonomy, camera: CameraModel, cells: int, clock: Clock) -> list[float]:
    """Time of each step on a map of `cells` a side that covers the same ground."""
    base = DecisionSettings()
    settings = base.model_copy(update={"grid": Grid(cells=cells, cell_m=base.grid.cell_m * base.grid.cells / cells)})
    decider = Decider(settings, taxonomy, camera)
    times = []
    for step in steps:
        start = clock()
        decider.observe(*step)
        times.append((clock() - start) * 1e-6)
    return times


def measure(clock: Clock) -> Figures:
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


def plot(results: Figures, path: Path) -> None:
    figure = Figure(figsize=(10, 3.8), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    grids: dict[str, Any] = results["grids"]
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
    rates: dict[str, Any] = results["frame_rates_hz"]
    right.plot([float(k) for k in rates], [100 * r["core_share"] for r in rates.values()], "o-", color="#12a150")
    right.set_xlabel("frames a second, 256x256 cells")
    right.set_ylabel("share of one core, %")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    with path.open("wb") as stream:
        FigureCanvasAgg(figure).print_png(stream)


@benchmark
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Write a picture here, PNG.")
@click.option("--wall", is_flag=True, help="Wall time instead of CPU time.")
def main(picture: Path | None, wall: bool) -> Figures:
    cv2.setNumThreads(1)
    results = measure(time.perf_counter_ns if wall else time.thread_time_ns)
    if picture:
        plot(results, picture)
    worst = results["grids"]["256"]["p99_ms"]
    return {"clock": "wall" if wall else "thread CPU", **results, "within_limits": worst <= BUDGET_P99_MS}
