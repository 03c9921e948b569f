"""Time that relief adds to each frame: measured from the pictures, and taken into the decision.

    python -m benchmarks.relief_cost --json FILE

The pictures of a flight over a place with banks are looked at with and without relief, and the true labels decided on
with what was found and without it. Times are CPU time of the thread; what relief adds is the difference of a frame.
Asked is at most 6 ms, p95, on one core.
"""

from __future__ import annotations

import time
from dataclasses import replace

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, percentiles
from landing.camera import CameraModel
from landing.decider import Decider
from landing.decision_groups import ReliefSettings
from landing.ground.merge import segmentation_from_labels
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.settings import DecisionSettings
from landing.types import ByteArray, Frame, Pose, Segmentation
from sim.camera import render
from sim.world import World
from sim.world.label_view import label_view
from sim.world.spec import parse_world_spec

WIDTHS_PX = (320, 640, 1280)
FPS, HEIGHT_M, HFOV_DEG = 10, 12.0, 75.0
LEVEL = (1.0, 0.0, 0.0, 0.0)
ON = ReliefSettings(enabled=True)


def poses(seconds: float) -> list[Pose]:
    """A way to and fro, as a landing has it while it looks for its site."""
    times = np.arange(round(seconds * FPS)) / FPS
    return [
        Pose(
            round((1 + t) * 1e9),
            LEVEL,
            (4.0 * float(np.sin(0.6 * t)), 2.0 * float(np.sin(0.4 * t)), -HEIGHT_M),
            HEIGHT_M,
        )
        for t in times
    ]


def added_ms(world: World, way: list[Pose], images: list[ByteArray], width_px: int) -> tuple[list[float], list[float]]:
    """Return what relief adds to each frame of a width, ms: to the picture's checks, and to the decision."""
    camera = CameraModel.from_hfov(width_px, width_px * 3 // 4, HFOV_DEG)
    monitors = [PictureMonitor(PictureSettings(least_sharpness=0.0), camera, relief) for relief in (None, ON)]
    settings = DecisionSettings()
    deciders = [
        Decider(replaced, world.taxonomy, camera) for replaced in (settings, settings.model_copy(update={"relief": ON}))
    ]
    looked, decided = [], []
    for number, (pose, image) in enumerate(zip(way, images, strict=True)):
        frame = Frame(np.asarray(cv2.resize(image, (width_px, width_px * 3 // 4)), np.uint8), number, pose.at_ns)
        labels = label_view(world, camera, pose, 0.0, (160, 120))
        segmentation = replace(segmentation_from_labels(labels, world.taxonomy), captured_at_ns=pose.at_ns)
        looks, decisions = [], []
        for monitor, decider in zip(monitors, deciders, strict=True):
            began = time.thread_time_ns()
            monitor.refusal(frame, pose)
            seen = time.thread_time_ns()
            decider.observe(_copy(segmentation), pose, pose.at_ns, None, monitor.relief)
            looks.append(seen - began)
            decisions.append(time.thread_time_ns() - seen)
        looked.append(1e-6 * (looks[1] - looks[0]))
        decided.append(1e-6 * (decisions[1] - decisions[0]))
    return looked, decided


def _copy(segmentation: Segmentation) -> Segmentation:
    return replace(segmentation, landable=segmentation.landable.copy())


@benchmark
@click.option("--seconds", default=20.0, show_default=True, help="Of the flight.")
def main(seconds: float) -> Figures:
    """Flies, then looks at the pictures in all sizes."""
    cv2.setNumThreads(1)
    world = parse_world_spec("procedural?heights=banks&size_m=60&gsd_m=0.1", seed=3)
    way, camera = poses(seconds), CameraModel.from_hfov(320, 240, HFOV_DEG)
    images = [render(world, camera, pose, 0.0, labels=False)[0] for pose in way]
    sizes = {}
    for width_px in WIDTHS_PX:
        looked, decided = added_ms(world, way, images, width_px)
        both = [a + b for a, b in zip(looked, decided, strict=True)]
        sizes[f"{width_px} px"] = {
            "picture, ms": percentiles(looked),
            "decision, ms": percentiles(decided),
            "together, ms": percentiles(both),
        }
    return {"frames": len(way), "added by relief": sizes}
