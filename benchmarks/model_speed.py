"""Frame to maps with each shipped model on this board: 1280x720 frames, the ordinary runtime; and the CPU time of it.

`docs/models.md` shows every `results/model_speed-*.json`, so a board is added by running this on it:
`python -m benchmarks.model_speed --board "Raspberry Pi 5" --json benchmarks/results/model_speed-raspberry-pi-5.json`
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Any

import click
import numpy as np

from benchmarks.runner import ROOT, benchmark, compare, in_turn
from edge.runtimes import RuntimeOptions, load_runtime
from landing.types import Frame
from touchdown.models.registry import load_registry


@benchmark
@click.option("--board", required=True, help="Name of the board, as users call it.")
@click.option("--rounds", default=40, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--runtime", "backend", default="auto", show_default=True, help="As of `touchdown edge look --runtime`.")
def main(board: str, rounds: int, threads: int, backend: str) -> dict[str, Any]:
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    with ExitStack() as stack:
        ways, described = {}, ""
        for entry in load_registry().models:
            options = RuntimeOptions(threads=threads, backend=backend)
            runtime = stack.enter_context(load_runtime(ROOT / "models" / entry.file, options))
            described = runtime.backend

            def segment(number: int, runtime: Any = runtime) -> None:
                runtime.segment(Frame(picture, number, number))

            ways[entry.name] = segment
        load = os.getloadavg()[0]
        times = in_turn(ways, rounds)
        cpu = in_turn(ways, rounds, clock=time.process_time_ns)
    settings = {"board": board, "load": round(load, 1), "runtime": described, "threads": threads, "rounds": rounds}
    return {**settings, "models": compare(times, []), "cpu": compare(cpu, [])}
