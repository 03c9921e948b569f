"""Relief in flight: landings over banks and standing things with and without it, and over the same places made flat.

    python -m benchmarks.relief_flights --scenes 30 --keep FILE --json FILE

Scenes are those of a campaign of `sim.campaign` with `guard`: true labels with measured mistakes, which know nothing of
heights, beside rendered pictures in true perspective. A touchdown on ground steeper than 10 degrees, or with something
taller than 0.4 m within the vehicle's radius, is unsafe by relief. Nobody walks there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from benchmarks.runner import Figures, benchmark
from sim.campaign.task import Plan, Task, run

KINDS = {
    "banks, without relief": ("banks", False),
    "banks, with relief": ("banks", True),
    "flat, without relief": ("flat", False),
    "flat, with relief": ("flat", True),
}
SEED, FPS = 1, 4.0

BETTER = -2.0
"""The network is better than measured by so much, probits: few sites are lost but by relief, and flights are short."""

FLAT_EVERY = 2
"""Each so many places are flown made flat, too."""


def fly(number: int, scenes: int, heights: str, relief: bool) -> dict[str, Any]:
    """Return how a landing ended: its verdict, whether only relief tells that it is unsafe, and its reason."""
    worlds = (f"scenes?heights={heights}",)
    decision = {"relief": {"enabled": relief}}
    plan = Plan(scenes, SEED, "val", worlds, ("touchdown",), fps=FPS, decision=decision, network_shift=BETTER)
    (record,) = run(Task(plan, number, plan.policies)).records
    touchdown = record["touchdown"]
    return {
        "verdict": record["verdict"],
        "site": record["site"],
        "by_relief": touchdown is not None and touchdown["only_relief"],
        "reason": record["reason"],
        "seconds": round(record["seconds"]),
    }


def summary(flights: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of some flights."""
    return {
        "flights": len(flights),
        "landed safe": sum(f["verdict"] == "landed-safe" for f in flights),
        "landed on steep or tall ground": sum(f["by_relief"] for f in flights),
        "landed unsafe otherwise": sum(f["verdict"] == "landed-unsafe" and not f["by_relief"] for f in flights),
        "given up": sum(f["verdict"] in ("no-site", "timeout") for f in flights),
        "given up because it is not flat": sum(f["reason"].startswith("not-flat") for f in flights),
    }


@benchmark
@click.option("--scenes", default=30, show_default=True, help="Places to land at.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="File of flights, a line each; those in it are not reflown."
)
def main(scenes: int, keep: Path | None) -> Figures:
    """Flies all places in all ways."""
    kept: dict[str, dict[str, Any]] = {}
    if keep is not None and keep.exists():
        kept = {line["flight"]: line for line in map(json.loads, keep.read_text("utf-8").splitlines())}
    flights: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for number in range(scenes):
        for kind, (heights, relief) in KINDS.items():
            if heights == "flat" and number % FLAT_EVERY:
                continue
            name = f"{kind}, {number}"
            if name not in kept:
                kept[name] = {"flight": name, **fly(number, scenes, heights, relief)}
                if keep is not None:
                    with keep.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps(kept[name]) + "\n")
            flights[kind].append(kept[name])
    lost = sum(
        a["verdict"] == "landed-safe" and b["verdict"] != "landed-safe"
        for a, b in zip(flights["flat, without relief"], flights["flat, with relief"], strict=True)
    )
    counts = {kind: summary(each) for kind, each in flights.items()}
    return {
        "scenes": scenes,
        "seed": SEED,
        "split": "val",
        "frames/s": FPS,
        "network shift": BETTER,
        **counts,
        "flat landings lost": lost,
    }
