"""How long the decision takes from the merged maps to the site, on one core.

    python benchmarks/postprocess.py [--json FILE]

Budget: 5 ms (median) for a 512x512 result and a 256x256 grid. The ratio to a fixed piece of OpenCV work, timed in turn
with it in the same run, stays comparable between machines and loads.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from landing.camera import CameraModel
from landing.decider import Decider
from landing.merge import segmentation_from_labels
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
    ours, reference = [], []
    for k in range(rounds):
        at_ns = (k + 1) * 100_000_000
        pose = Pose(at_ns, (1, 0, 0, 0), (0.05 * k, 0.0, -height_m), height_m)
        f = frames[k % len(frames)]
        segmentation = Segmentation(f.class_id, f.landable, f.hazards, at_ns)
        start = time.perf_counter()
        decider.observe(segmentation, pose, at_ns)
        middle = time.perf_counter()
        reference_work(yardstick)
        end = time.perf_counter()
        ours.append((middle - start) * 1e3)
        reference.append((end - middle) * 1e3)
    ours, reference = ours[10:], reference[10:]
    return {
        "median_ms": round(statistics.median(ours), 3),
        "p95_ms": round(statistics.quantiles(ours, n=20)[-1], 3),
        "min_ms": round(min(ours), 3),
        "ratio_to_reference": round(statistics.median(ours) / statistics.median(reference), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--rounds", type=int, default=210)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = {name: measure(case, arguments.rounds) for name, case in CASES.items()}
    for name, result in results.items():
        print(f"{name:26s} " + "  ".join(f"{k} {v}" for k, v in result.items()))
    worst = max(result["median_ms"] for result in results.values())
    print(f"budget {BUDGET_MS} ms: worst median {worst} ms")
    if arguments.json:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        versions = {"opencv": cv2.__version__, "numpy": np.__version__}
        document = {**machine, **versions, "budget_ms": BUDGET_MS, "cases": results}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    raise SystemExit(worst > BUDGET_MS)


if __name__ == "__main__":
    main()
