"""Whole landings by `touchdown sim land`, counted; the failing ones named.

    python benchmarks/landings.py synthetic --jobs 2 --json FILE
    python benchmarks/landings.py aeroscapes --data ../shared/data --json ...

Each flight is the command a user would type, in its own processes and in real time.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe

ROOT = Path(__file__).resolve().parent.parent
GSD_M = 0.0175
"""Ground sampling distance of AeroScapes 001101, from lane width and motorbike length."""


@dataclass(frozen=True)
class Case:
    name: str
    arguments: tuple[str, ...]


def synthetic_cases(first: int, last: int) -> list[Case]:
    return [Case(f"seed {seed}", ("--seed", str(seed))) for seed in range(first, last)]


def aeroscapes_cases(data: Path, model: Path) -> list[Case]:
    """Ten frames of the sequence that was never trained on, evenly spread."""
    images = sorted((data / "aeroscapes" / "images").glob("001101_*.jpg"))
    if len(images) < 10:
        raise SystemExit(f"no AeroScapes sequence 001101 under {data}")
    cases = []
    for k in range(10):
        image = images[round(k * (len(images) - 1) / 9)]
        labels = data / "aeroscapes" / "labels" / f"{image.stem}.png"
        world = f"photo:{image}?gsd_m={GSD_M}&labels={labels}&taxonomy=aeroscapes&size_m=60"
        cases.append(
            Case(
                image.stem,
                ("--world", world, "--seed", str(k), "--model", str(model), "--height-m", "20", "--size", "640x360"),
            )
        )
    return cases


def fly(case: Case, out: Path) -> dict[str, Any]:
    folder = out / case.name.replace(" ", "-")
    command = [
        sys.executable,
        "-m",
        "touchdown",
        "sim",
        "land",
        "--clock",
        "real",
        "--json",
        "--out",
        str(folder),
        *case.arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=ROOT, check=False)
    try:
        result = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        result = {"verdict": "failed", "reason": done.stderr.strip()[-300:]}
    print(f"{case.name}: {result['verdict']} {result.get('reason', '')}", flush=True)
    return {"case": case.name, **result}


def wilson(good: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    p, n = good / total, total
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return round(middle - half, 4), round(middle + half, 4)


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
        "safe_share_wilson95": wilson(safe, len(results)),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("synthetic", "aeroscapes"))
    parser.add_argument("--jobs", type=int, default=1, help="flights at a time; one needs a core")
    parser.add_argument("--seeds", default="0:20")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "aeroscapes-unet.onnx")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "landings")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    cases = (
        synthetic_cases(first, last)
        if options.kind == "synthetic"
        else aeroscapes_cases(options.data.resolve(), options.model.resolve())
    )
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda case: fly(case, options.out / options.kind), cases))
    total = summary(results)
    print(json.dumps(total, indent=1))
    if options.json:
        rows = [{key: r.get(key) for key in KEEP} for r in results]
        document = {"machine": describe(), "summary": total, "flights": rows}
        options.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
