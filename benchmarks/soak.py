"""A long hover with the ordinary daemon: does anything grow?

    python -m benchmarks.soak --minutes 60

The stand-in autopilot hovers, a camera delivers 640x480 at 10 Hz, the daemon decides, sends
targets, records, and one viewer watches. Every ten seconds memory, threads, descriptors and log are
read from outside. Slopes are least squares over what comes after the warm-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from aiohttp import ClientError, ClientSession

from benchmarks.machine import describe
from tests.edge import fake_model
from tests.faults.bench import Bench

RESULT = Path(__file__).parent / "results" / "soak.json"
WARM_UP_S = 300.0
PERIOD_S = 10.0
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
        async with (
            ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/live") as live,
        ):
            while not stop.is_set():
                await live.receive(timeout=30)

    while not stop.is_set():
        with contextlib.suppress(ClientError, asyncio.TimeoutError, TypeError):
            asyncio.run(look())
        stop.wait(1.0)


def slope_per_hour(samples: list[Sample], field: str) -> float:
    """Least-squares slope of a field, per hour, after the warm-up."""
    late = [s for s in samples if s.at_s >= min(WARM_UP_S, samples[-1].at_s / 4)]
    return float(np.polyfit([s.at_s / 3600 for s in late], [getattr(s, field) for s in late], 1)[0])


def summarise(samples: list[Sample]) -> dict[str, Any]:
    """The figures and whether they are within what is allowed."""
    hours = (samples[-1].at_s - samples[0].at_s) / 3600
    late = [s for s in samples if s.at_s >= min(WARM_UP_S, samples[-1].at_s / 4)]
    memory = slope_per_hour(samples, "resident_mb")
    log = (samples[-1].log_bytes - samples[0].log_bytes) / 1e6 / hours
    threads = {s.threads for s in late}
    descriptors = [s.descriptors for s in late]
    return {
        "minutes": round(hours * 60, 1),
        "memory_mb": round(samples[-1].resident_mb, 1),
        "memory_slope_mb_per_hour": round(memory, 2),
        "log_mb_per_hour": round(log, 3),
        "threads": sorted(threads),
        "descriptors": [min(descriptors), max(descriptors)],
        "descriptor_slope_per_hour": round(slope_per_hour(samples, "descriptors"), 2),
        "targets_per_second": round((samples[-1].targets - samples[0].targets) / hours / 3600, 2),
        "cores_busy": round((samples[-1].cpu_s - samples[0].cpu_s) / hours / 3600, 3),
        "within_limits": memory < ALLOWED_MB_PER_HOUR and log < ALLOWED_MB_PER_HOUR,
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
            if len(samples) % 30 == 0:
                click.echo(json.dumps(summarise(samples)))
        stop.set()
        viewer.join(35)
    return {
        **summarise(samples),
        "machine": describe(),
        "samples": [
            [round(s.at_s), round(s.resident_mb, 2), s.threads, s.descriptors, s.log_bytes]
            for s in samples[:: max(1, len(samples) // 120)]
        ],
    }


@click.command()
@click.option("--minutes", default=60.0, show_default=True, type=click.FloatRange(1, 100_000))
@click.option("--json", "path", default=RESULT, type=click.Path(path_type=Path), show_default=True)
def main(minutes: float, path: Path) -> None:
    """Hovers for so many minutes and writes what grew."""
    with tempfile.TemporaryDirectory() as folder:
        result = soak(minutes, Path(folder))
    path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    click.echo(json.dumps({k: v for k, v in result.items() if k != "samples"}, indent=1))
    raise SystemExit(0 if result["within_limits"] else 1)


if __name__ == "__main__":
    main()
