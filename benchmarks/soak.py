"""A long hover with the ordinary daemon: does anything grow?

    python -m benchmarks.soak --minutes 60
    python -m benchmarks.soak --simulated-hours 24     (`benchmarks.simulated_soak`)

The stand-in autopilot hovers, a camera delivers 640x480 at 10 Hz, the daemon decides, sends targets, records, and one
viewer watches. Every two seconds memory, threads, descriptors and log are read from outside. The first ten minutes are
left out: the page's history holds 300 s, the longest window of anything that is kept. Of memory each minute's least
counts after that: the daemon gives back what is free every ten seconds (`edge.allocator`); between, 3 to 6 MB of frames
and maps come and go, more of them the busier the machine is. What is not let go of stays in the
least. Slopes are least squares over the minutes, with their standard error; of a run of more than an hour also by the
hour, and the last hour is the one that must be within the limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import tempfile
import threading
import time
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from aiohttp import ClientError, ClientSession

from benchmarks.runner import Figures, benchmark
from benchmarks.simulated_soak import simulate
from tests.edge import fake_model
from tests.faults.bench import Bench

WARM_UP_S = 600.0
PERIOD_S = 2.0
WINDOW_S = 60.0
MINUTES_OF_AN_HOUR = 60
ALLOWED_MB_PER_HOUR = 1.0


@dataclass(frozen=True)
class Sample:
    """What was read at one moment."""

    at_s: float
    resident_mb: float
    threads: int
    descriptors: int
    log_bytes: int
    targets: int
    cpu_s: float


def read(bench: Bench, started: float) -> Sample:
    """Reads the daemon from outside."""
    process = Path(f"/proc/{bench.daemon.pid}")
    pages = int((process / "statm").read_text("ascii").split()[1])
    ticks = (process / "stat").read_text("ascii").rsplit(")", 1)[1].split()
    log = sum(
        (bench.folder / name).stat().st_size
        for name in ("events.jsonl", "daemon.log")
        if (bench.folder / name).exists()
    )
    return Sample(
        time.monotonic() - started,
        pages * resource.getpagesize() / 1e6,
        int(ticks[17]),
        len(list((process / "fd").iterdir())),
        log,
        len(bench.wire.targets),
        (int(ticks[11]) + int(ticks[12])) / 100.0,
    )


def watch(port: int, stop: threading.Event) -> None:
    """One open page."""

    async def look() -> None:
        async with ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/live") as live:
            while not stop.is_set():
                await live.receive(timeout=30)

    while not stop.is_set():
        with contextlib.suppress(ClientError, asyncio.TimeoutError, TypeError):
            asyncio.run(look())
        stop.wait(1.0)


def after_warm_up(samples: list[Sample]) -> list[Sample]:
    """What counts; of a short run the last three quarters."""
    return [s for s in samples if s.at_s >= min(WARM_UP_S, samples[-1].at_s / 4)]


@dataclass(frozen=True)
class Minute:
    """What was read within one minute."""

    at_h: float
    resident_mb: float
    median_mb: float
    threads: float
    descriptors: float
    log_mb: float

    @classmethod
    def of(cls, samples: list[Sample]) -> Minute:
        """The least memory, and medians of everything."""
        return cls(
            float(np.median([s.at_s for s in samples])) / 3600,
            min(s.resident_mb for s in samples),
            float(np.median([s.resident_mb for s in samples])),
            float(np.median([s.threads for s in samples])),
            float(np.median([s.descriptors for s in samples])),
            samples[-1].log_bytes / 1e6,
        )


def minutes_of(samples: list[Sample]) -> list[Minute]:
    """Minute by minute; a last one of less than half is left out: its least is of a few moments."""
    windows: dict[int, list[Sample]] = {}
    for sample in samples:
        windows.setdefault(int(sample.at_s / WINDOW_S), []).append(sample)
    fullest = max(len(window) for window in windows.values())
    *whole, last = windows.values()
    if len(last) >= fullest / 2:
        whole.append(last)
    return [Minute.of(window) for window in whole]


def slope_per_hour(minutes: list[Minute], field: str) -> tuple[float, float]:
    """Slope of a field per hour, and its standard error."""
    if len(minutes) < 4:  # three are the least of a slope with an error
        return float("nan"), float("nan")
    hours = np.array([m.at_h for m in minutes])
    values = np.array([getattr(m, field) for m in minutes])
    slope, offset = np.polyfit(hours, values, 1)
    rest = values - (slope * hours + offset)
    spread = np.sum((hours - hours.mean()) ** 2)
    return float(slope), float(np.sqrt(np.sum(rest**2) / (len(hours) - 2) / spread))


def by_hour(minutes: list[Minute]) -> list[dict[str, float]]:
    """The slope of each whole hour by itself: what only settles is steep first and flat later."""
    hours: list[dict[str, float]] = []
    for first in range(0, len(minutes) - MINUTES_OF_AN_HOUR + 1, MINUTES_OF_AN_HOUR):
        part = minutes[first : first + MINUTES_OF_AN_HOUR]
        slope, error = slope_per_hour(part, "resident_mb")
        hours.append(
            {
                "from_minute": round(part[0].at_h * 60),
                "memory_slope_mb_per_hour": round(slope, 2),
                "memory_slope_standard_error": round(error, 2),
                "median_slope_mb_per_hour": round(slope_per_hour(part, "median_mb")[0], 2),
            }
        )
    return hours


def summarise(samples: list[Sample]) -> dict[str, Any]:
    """The figures and whether they are within what is allowed."""
    late = after_warm_up(samples)
    minutes = minutes_of(late)
    hours = (samples[-1].at_s - samples[0].at_s) / 3600
    memory, error = slope_per_hour(minutes, "resident_mb")
    whole = by_hour(minutes)
    settled = whole[-1]["memory_slope_mb_per_hour"] if whole else memory
    log = (samples[-1].log_bytes - samples[0].log_bytes) / 1e6 / hours
    threads = Counter(s.threads for s in late)
    descriptors = Counter(s.descriptors for s in late)
    return {
        "minutes": round(hours * 60, 1),
        "minutes_left_out": round(late[0].at_s / 60, 1),
        "memory_mb": [round(f(s.resident_mb for s in late), 1) for f in (min, max)],
        "memory_slope_mb_per_hour": round(memory, 2),
        "memory_slope_standard_error": round(error, 2),
        "median_slope_mb_per_hour": round(slope_per_hour(minutes, "median_mb")[0], 2),
        "by_hour": whole,
        "log_mb_per_hour": round(log, 3),
        "threads": {str(n): threads[n] for n in sorted(threads)},
        "thread_slope_per_hour": round(slope_per_hour(minutes, "threads")[0], 3),
        "descriptors": {str(n): descriptors[n] for n in sorted(descriptors)},
        "descriptor_slope_per_hour": round(slope_per_hour(minutes, "descriptors")[0], 3),
        "targets_per_second": round((samples[-1].targets - samples[0].targets) / hours / 3600, 2),
        "cores_busy": round((samples[-1].cpu_s - samples[0].cpu_s) / hours / 3600, 3),
        "within_limits": bool(settled < ALLOWED_MB_PER_HOUR and log < ALLOWED_MB_PER_HOUR),
    }


def soak(minutes: float, folder: Path) -> dict[str, Any]:
    """Runs it."""
    model = fake_model.save(folder / "palette.onnx", width_px=256, height_px=192)
    settings: dict[str, dict[str, Any]] = {
        "recorder": {"segment_s": 15.0, "ring_s": 60.0, "budget_mb": 300.0},
        "log": {"status_period_s": 10.0},
        "director": {"max_decision_age_s": 2.0},  # a shared machine may stand still for a moment
    }
    stop = threading.Event()
    with Bench(folder, model, settings, size=(640, 480)) as bench:
        bench.wait_for_targets(20)
        port = bench.preview_port
        viewer = threading.Thread(target=watch, args=(port, stop), daemon=True)
        viewer.start()
        started = time.monotonic()
        samples = [read(bench, started)]
        while samples[-1].at_s < minutes * 60:
            time.sleep(PERIOD_S)
            samples.append(read(bench, started))
            if len(samples) % 150 == 0:
                click.echo(json.dumps(summarise(samples)))
        stop.set()
        viewer.join(35)
        failed = bench.events("camera-failed")
    return {
        **summarise(samples),
        "camera_restarts": len(failed),
        "columns": list(Minute.__annotations__),
        "samples": [[round(v, 3) for v in astuple(m)] for m in minutes_of(samples)],
    }


@benchmark
@click.option("--minutes", default=60.0, show_default=True, type=click.FloatRange(1, 100_000))
@click.option(
    "--simulated-hours",
    type=click.FloatRange(1, 1000),
    help="Instead: so many hours in one process, faster than real time.",
)
def main(minutes: float, simulated_hours: float | None) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        if simulated_hours is None:
            return soak(minutes, Path(folder))
        result = simulate(simulated_hours, Path(folder))
        growth = result["growth_per_simulated_hour"]["resident_mb"]
        return {**result, "within_limits": growth < ALLOWED_MB_PER_HOUR}
