"""Time of one look for a pad's tag in a frame, on one thread: the whole picture, and the neighbourhood of a known tag.

    python -m benchmarks.pad_cost

The pictures are rendered ground of a procedural world with the tag in it, 640 x 480 and 1920 x 1080, from 6 m.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import click
import cv2

from benchmarks.runner import Figures, benchmark
from landing.camera import CameraModel
from landing.pad.tag import SEARCH_EVERY, PadFinder, PadSettings
from landing.types import Pose
from sim.camera.render import render
from sim.world import procedural
from sim.world.pad import GroundPad

PAD = PadSettings(dictionary="apriltag_36h11", id=7, edge_m=0.6)
SEED, HEIGHT_M = 5, 6.0


def times_ms(size_px: tuple[int, int], rounds: int) -> dict[str, Any]:
    """Return the times of looks at one picture, by whether the whole of it was searched."""
    camera = CameraModel.from_hfov(*size_px, 80.0)
    world = replace(procedural(SEED), pad=GroundPad(PAD.dictionary, PAD.id, PAD.side_m, (0.5, 0.5)))
    image, _ = render(world, camera, Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -HEIGHT_M)), 0.0, labels=False)
    finder, whole, near = PadFinder(PAD), [], []
    for number in range(rounds * SEARCH_EVERY):
        began_ns = time.perf_counter_ns()
        sighting = finder.look(image)
        spent_ms = (time.perf_counter_ns() - began_ns) * 1e-6
        assert sighting is not None and len(sighting.tags) == 1
        (whole if number % SEARCH_EVERY == 0 else near).append(spent_ms)
    return {
        name: {"median": round(statistics.median(spent), 2), "least": round(min(spent), 2)}
        for name, spent in (("whole_ms", whole), ("near_ms", near))
    }


@benchmark
@click.option("--rounds", default=60, help="Searches of the whole picture.")
def main(rounds: int) -> Figures:
    """Measure."""
    cv2.setNumThreads(1)
    return {f"{w}x{h}": times_ms((w, h), rounds) for w, h in ((640, 480), (1920, 1080))}
