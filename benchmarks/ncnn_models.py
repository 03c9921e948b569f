"""Every shipped model in ncnn: does it decide as in ONNX Runtime, with which share of its speed.

    python -m benchmarks.ncnn_models --pictures synthetic-unet=IMAGES:LABELS \
        --pictures semantic-drone-fast=IMAGES --json benchmarks/results/ncnn_models.json

Each model is converted with weights in fp32 and in fp16 and judged by `export verify` against its ONNX file. Then all
three run in turn on the same 1280x720 frame, on one thread, by the CPU time of the process: a frame to its masks.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.runner import ROOT, Figures, benchmark, in_turn, ratio, table
from edge.runtimes import RuntimeOptions, load_runtime
from export.ncnn import PRECISIONS, make_ncnn
from export.verify import VerifyOptions, verify
from landing.types import Frame
from touchdown.models.registry import load_registry

SHOWN = ("class_disagreement", "false_safe_flips", "site_differs", "miou_drop", "hazard_recall_drop")


def folders_of(given: tuple[str, ...]) -> dict[str, tuple[Path, Path | None]]:
    """Pictures and label maps by the model's name."""
    found = {}
    for entry in given:
        name, _, places = entry.partition("=")
        pictures, _, labels = places.partition(":")
        found[name] = (Path(pictures), Path(labels) if labels else None)
    return found


def speeds(paths: dict[str, Path], rounds: int, threads: int) -> dict[str, list[float]]:
    """CPU time of one frame, ms, by the way's name."""
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    with ExitStack() as stack:
        ways = {}
        for name, path in paths.items():
            runtime = stack.enter_context(load_runtime(path, RuntimeOptions(threads=threads)))

            def segment(number: int, runtime: Any = runtime) -> None:
                runtime.segment(Frame(picture, number, number))

            ways[name] = segment
        return in_turn(ways, rounds, clock=time.process_time_ns)


def judged(source: Path, made: Path, places: tuple[Path, Path | None], frames: int, threads: int) -> Figures:
    """Findings of `export verify` on one file."""
    report = verify(source, made, VerifyOptions(*places, frames=frames, threads=threads))
    values = {name: report.measured.get(name) for name in SHOWN}
    return {"passed": report.passed, "failures": report.failures, "frames": report.frames, **values}


@benchmark
@click.option("--pictures", "given", multiple=True, required=True, metavar="MODEL=IMAGES[:LABELS]")
@click.option("--frames", default=40, show_default=True, help="At most so many are compared.")
@click.option("--rounds", default=15, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(given: tuple[str, ...], frames: int, rounds: int, threads: int) -> Figures:
    folders = folders_of(given)
    rows: list[Figures] = []
    with tempfile.TemporaryDirectory() as scratch:
        for entry in load_registry().models:
            source = ROOT / "models" / entry.file
            paths = {"onnx": source}
            for precision in PRECISIONS:
                paths[precision] = make_ncnn(source, Path(scratch) / f"{entry.name}-{precision}.ncnn", precision).path
            times = speeds(paths, rounds, threads)
            for precision in PRECISIONS:
                found = judged(source, paths[precision], folders[entry.name], frames, threads)
                pace = round(ratio(times[precision], times["onnx"]), 3)
                size = paths[precision].stat().st_size
                rows.append(
                    {"model": entry.name, "weights": precision, "times faster than ONNX Runtime": pace, **found}
                    | {"bytes": size, "labelled": folders[entry.name][1] is not None}
                )
    click.echo(table(rows))
    return {"threads": threads, "rounds": rounds, "clock": "CPU time of the process", "models": rows}
