"""How long the decision takes from the merged maps to the site, on one core.

    python -m benchmarks.postprocess [--json FILE]

Budget: 5 ms (median) for a 512x512 result and a 256x256 grid. The ratio to a fixed piece of OpenCV work, timed in turn
with it in the same run, stays comparable between machines and loads.
"""

from __future__ import annotations

import statistics

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, in_turn, percentiles, ratio
from landing.camera import CameraModel
from landing.decider import Decider
from landing.ground.merge import segmentation_from_labels
from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from landing.types import Pose, Segmentation

BUDGET_MS = 5.0
CASES = {
    "20 m up": (20.0, (0, 0, 0, 0, 0)),
    "20 m up, distorted lens": (20.0, (-0.2, 0.05, 0.001, 0.001, 0)),
    "4 m up": (4.0, (0, 0, 0, 0, 0)),
}


def crowded_labels(taxonomy: Taxonomy, rng: np.random.Generator) -> np.ndarray:
    """Every class present, in patches: the slow case, as empty hazard planes are skipped."""
    coarse = rng.integers(0, len(taxonomy), (32, 32)).astype(np.uint8)
    coarse[rng.random((32, 32)) < 0.6] = 1
    return cv2.resize(coarse, (512, 512), interpolation=cv2.INTER_NEAREST)


def reference_work(image: np.ndarray) -> None:
    """A yardstick: a few passes of plain OpenCV over as much data."""
    for _ in range(4):
        cv2.GaussianBlur(image, (9, 9), 2.0)


def measure(case: tuple[float, tuple[float, ...]], rounds: int) -> dict[str, float]:
    height_m, distortion = case
    taxonomy = Taxonomy.load("synthetic")
    rng = np.random.default_rng(1)
    plain = CameraModel.from_hfov(512, 512, 75.0)
    camera = CameraModel(512, 512, plain.fx, plain.fy, plain.cx, plain.cy, tuple(map(float, distortion)))
    decider = Decider(DecisionSettings(), taxonomy, camera)
    frames = [segmentation_from_labels(crowded_labels(taxonomy, rng), taxonomy) for _ in range(4)]
    yardstick = frames[0].landable

    def decide(k: int) -> None:
        at_ns = (k + 1) * 100_000_000
        f = frames[k % len(frames)]
        pose = Pose(at_ns, (1, 0, 0, 0), (0.05 * k, 0.0, -height_m), height_m)
        decider.observe(Segmentation(f.class_id, f.landable, f.hazards, at_ns), pose, at_ns)

    times = in_turn({"decision": decide, "reference": lambda _: reference_work(yardstick)}, rounds, warm_up=10)
    return {
        "median_ms": round(statistics.median(times["decision"]), 3),
        **percentiles(times["decision"]),
        "min_ms": round(min(times["decision"]), 3),
        "ratio_to_reference": round(1 / ratio(times["decision"], times["reference"]), 3),
    }


@benchmark
@click.option("--rounds", default=200, show_default=True)
def main(rounds: int) -> Figures:
    cv2.setNumThreads(1)
    cases = {name: measure(case, rounds) for name, case in CASES.items()}
    worst = max(case["median_ms"] for case in cases.values())
    return {"budget_ms": BUDGET_MS, "cases": cases, "within_limits": worst <= BUDGET_MS}
