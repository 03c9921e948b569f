"""One runner for all benchmarks: command line, clocks, ratios, tables, and JSON with machine, versions and date.

A benchmark is a function that returns its figures:

    @benchmark
    @click.option("--rounds", default=200)
    def main(rounds: int) -> dict[str, Any]:
        times = in_turn({"a": a, "b": b}, rounds)
        return {"ways": compare(times, ["a"])}

`python -m benchmarks.NAME --rounds 50 --json FILE` shows and writes them. `"within_limits": False` is exit status 1.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
REAL_DATA = Path(os.environ.get("TOUCHDOWN_DATA", ROOT.parent / "shared" / "data"))
PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "openvino", "ncnn", "pymavlink", "torch")
SHOWN_ITEMS = 30

Figures = dict[str, Any]


def benchmark(measure: Callable[..., Figures]) -> click.Command:
    """Make a command of a function with click's options; its name and help are the module's."""
    module = sys.modules[measure.__module__]
    name = Path(str(module.__file__)).stem

    @click.option(
        "--json",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        default=ROOT / "out" / "benchmarks" / f"{name}.json",
        help="Write the figures here; out/benchmarks/ by default.",
    )
    @functools.wraps(measure)
    def run(path: Path, **options: Any) -> None:
        figures = {**measure(**options), "machine": describe()}
        click.echo(json.dumps(shortened(figures), indent=1, default=str))
        save(figures, path)
        raise SystemExit(not figures.get("within_limits", True))

    paragraphs = (module.__doc__ or "").split("\n\n")
    command = click.command(name, help="\n\n".join(f"\b\n{text}" for text in paragraphs))(run)
    if measure.__module__ == "__main__":
        command()
    return command


def save(figures: Figures, path: Path) -> None:
    """Write figures as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(figures, indent=1, default=str) + "\n", "utf-8")
    fresh.replace(path)
    click.echo(f"wrote {path}")


def shortened(value: Any) -> Any:
    """Return the figures without their long lists."""
    if isinstance(value, Mapping):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(v) for v in value] if len(value) <= SHOWN_ITEMS else f"{len(value)} items"
    return value


def describe() -> dict[str, Any]:
    """Return machine, versions, commit and date."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "date": _output("date", "-u", "+%F"),
    }


def in_turn(
    ways: Mapping[str, Callable[[int], object]],
    rounds: int,
    warm_up: int = 2,
    rest_s: float = 0.0,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, list[float]]:
    """Time every way once in each round, so that a load on the machine hits all of them.

    Args:
        ways: Functions of the round's number.
        rounds: Rounds that count.
        warm_up: Rounds before those.
        rest_s: Pause before each call, so that nobody pays for another's threads that still spin.
        clock: Returns ns.

    Returns:
        Times of each way, ms.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(warm_up + rounds):
        for name, way in ways.items():
            time.sleep(rest_s)
            start = clock()
            way(number)
            if number >= warm_up:
                times[name].append((clock() - start) * 1e-6)
    return times


def ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median of reference over time, round by round: times faster than the reference."""
    return statistics.median(a / b for a, b in zip(reference, times, strict=True))


def compare(times: Mapping[str, Sequence[float]], references: Sequence[str]) -> list[Figures]:
    """Return a row for each way: median, least, and times faster than each reference."""
    return [
        {
            "way": name,
            "median_ms": round(statistics.median(taken), 3),
            "least_ms": round(min(taken), 3),
            **{f"times faster than {r}": round(ratio(taken, times[r]), 3) for r in references},
        }
        for name, taken in times.items()
    ]


def percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the largest, ms."""
    names = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99, "max_ms": 100}
    return {name: round(float(np.percentile(times_ms, p)), 3) for name, p in names.items()}


def table(rows: Sequence[Figures], columns: Sequence[str] = ()) -> str:
    """Return rows as a Markdown table, floats with three digits, the columns those of the first row by default."""
    heads = list(columns or rows[0])
    cells = [[_cell(row.get(head)) for head in heads] for row in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in [heads, rule, *cells]
    )


def share_words(share: Figures, digits: int = 0) -> str:
    """Return count, percent and Wilson's interval of a share of `sim.campaign.summary`."""
    if not share["of"]:
        return "-"
    value, low, high = (f"{100 * share[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{share['count']}/{share['of']} = {value} % ({low} to {high})"


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
