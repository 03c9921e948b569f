"""What watching costs: decisions per second with nobody and with three viewers, in turns.

    python -m benchmarks.preview_cost

The ordinary daemon decides as fast as it can on 640x480 pictures (the camera is faster than it). Windows of ten seconds
without viewers and with three alternate; the ratio is of their medians.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from aiohttp import ClientSession, WSMsgType
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.runner import Figures, benchmark
from tests.edge import fake_model
from tests.faults.bench import Bench

VIEWERS = 3
WINDOW_S = 10.0


@dataclass
class Viewer:
    """One open page that counts what it gets."""

    port: int
    looks: int = 0
    stop: bool = False

    def watch(self) -> None:
        """Reads until it is told to stop."""

        async def look() -> None:
            async with ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{self.port}/live") as live:
                while not self.stop:
                    message = await live.receive(timeout=10)
                    self.looks += message.type is WSMsgType.BINARY

        asyncio.run(look())


def counts(port: int) -> tuple[float, float]:
    """Decisions made, and the seconds they took."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    values = {
        (s.name, s.labels.get("stage", "")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    made = values["touchdown_stage_decisions_total", ""]
    return made, values["touchdown_stage_seconds_total", "total"]


def window(port: int, viewers: int) -> tuple[float, float, float]:
    """Decisions per second, ms per decision, and looks per second and viewer in one window."""
    watching = [Viewer(port) for _ in range(viewers)]
    threads = [threading.Thread(target=v.watch, daemon=True) for v in watching]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    before, started = counts(port), time.monotonic()
    looks = sum(v.looks for v in watching)
    time.sleep(WINDOW_S)
    after, passed = counts(port), time.monotonic() - started
    shown = (sum(v.looks for v in watching) - looks) / passed / max(viewers, 1)
    for viewer in watching:
        viewer.stop = True
    for thread in threads:
        thread.join(15)
    decided = after[0] - before[0]
    return decided / passed, (after[1] - before[1]) / max(decided, 1) * 1e3, shown


@benchmark
@click.option("--rounds", default=6, show_default=True, type=click.IntRange(2, 100))
def main(rounds: int) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = fake_model.save(folder / "palette.onnx", width_px=256, height_px=192)
        settings = {"recorder": {"enabled": False}, "director": {"max_decision_age_s": 2.0}}
        with Bench(folder, model, settings, size=(640, 480), fps=60.0) as bench:
            bench.wait_for_targets(20)
            alone, watched = [], []
            for _ in range(rounds):
                alone.append(window(bench.preview_port, 0))
                watched.append(window(bench.preview_port, VIEWERS))
    rate = [float(np.median([w[0] for w in side])) for side in (alone, watched)]
    spent = [float(np.median([w[1] for w in side])) for side in (alone, watched)]
    return {
        "decisions_per_s_alone": round(rate[0], 2),
        "decisions_per_s_three_viewers": round(rate[1], 2),
        "rate_ratio": round(rate[1] / rate[0], 3),
        "ms_per_decision": [round(v, 2) for v in spent],
        "time_ratio": round(spent[1] / spent[0], 3),
        "looks_per_s_and_viewer": round(float(np.median([w[2] for w in watched])), 2),
        "windows": [[round(v, 2) for v in w] for w in (*alone, *watched)],
    }
