"""Whole landings by `touchdown sim land`, counted; the failing ones named.

    python -m benchmarks.landings --jobs 2 --json FILE

Each flight is the command a user would type. On the simulated clock it is the same, byte by byte, whatever load the
machine has.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.runner import ROOT, Figures, benchmark
from sim.campaign.wilson import share


@dataclass(frozen=True)
class Case:
    name: str
    arguments: tuple[str, ...]


def synthetic_cases(first: int, last: int) -> list[Case]:
    return [Case(f"seed {seed}", ("--seed", str(seed))) for seed in range(first, last)]


def fly(case: Case, out: Path, clock: str) -> dict[str, Any]:
    folder = out / case.name.replace(" ", "-")
    command = [
        sys.executable,
        "-m",
        "touchdown",
        "sim",
        "land",
        "--clock",
        clock,
        "--json",
        "--out",
        str(folder),
        *case.arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, cwd=ROOT, check=False)
    try:
        result = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        result = {"verdict": "failed", "reason": done.stderr.strip()[-300:]}
    print(f"{case.name}: {result['verdict']} {result.get('reason', '')}", flush=True)
    return {"case": case.name, **result}


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    verdicts = [r["verdict"] for r in results]
    landed = [r for r in results if r["verdict"].startswith("landed")]
    safe = verdicts.count("landed-safe")
    misses = [r["miss_m"] for r in landed if r["miss_m"] is not None]
    return {
        "flights": len(results),
        "landed_safe": safe,
        "landed_unsafe": verdicts.count("landed-unsafe"),
        "no-site": verdicts.count("no-site"),
        "failed": len(results) - len(landed) - verdicts.count("no-site"),
        "safe_share": asdict(share(safe, len(results))),
        "not_safe": [r["case"] for r in results if r["verdict"] != "landed-safe"],
        "straight_down_would_be_safe": sum(bool(r.get("straight_down_ok")) for r in results),
        "manual_takeovers": sum(r.get("manual_takeovers", 0) for r in results),
        "miss_m_median": round(statistics.median(misses), 3) if misses else None,
        "miss_m_max": max(misses, default=None),
    }


KEEP = (
    "case",
    "verdict",
    "reason",
    "straight_down_ok",
    "touchdown_ne_m",
    "site_ne_m",
    "miss_m",
    "seconds",
    "manual_takeovers",
    "truth",
)


@benchmark
@click.option("--jobs", default=1, show_default=True, help="Flights at a time; one needs a core.")
@click.option("--clock", type=click.Choice(("simulated", "real")), default="simulated", show_default=True)
@click.option("--seeds", default="0:20", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "out" / "landings")
def main(jobs: int, clock: str, seeds: str, out: Path) -> Figures:
    first, last = (int(part) for part in seeds.split(":"))
    cases = synthetic_cases(first, last)
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda case: fly(case, out, clock), cases))
    return {
        "clock": clock,
        "summary": summary(results),
        "flights": [{key: r.get(key) for key in KEEP} for r in results],
    }
