"""Landings with a mistake of set-up or a fault that no message shows, beside the same landings without it.

    python -m benchmarks.mistaken_flights --scenes 45 --seed 20 --split test --json FILE

Two ordinary campaigns over raised ground (`touchdown sim campaign --mistakes all`), each in a folder of its own, so a
run that was stopped goes on. The measured mistakes of the demo network fly on true labels; the picture whose motion is
watched is rendered. To look at a change, take `--split val`; test seeds are reported once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.runner import Figures, benchmark
from sim.campaign.campaign import run_campaign
from sim.campaign.code import code_digest
from sim.campaign.command import plan_from
from sim.campaign.mistakes import MISTAKES
from sim.campaign.report import command_of
from sim.campaign.score import Record
from sim.campaign.summary import of_policy

KEPT = ("scene", "world", "verdict", "reason", "site", "mistake")


def of_kind(records: Sequence[Record]) -> dict[str, Any]:
    """Figures of the flights with one kind of mistake: how they ended, what was named, and how soon."""
    soon = []
    for r in records:
        right = [t_s for t_s, kind in r["mistake"]["named"] if kind == r["mistake"]["kind"]]
        soon += [right[0] - r["mistake"]["begins_s"]] if right else []
    shares = of_policy(records)["shares"]
    return {
        "flights": len(records),
        "verdicts": {
            verdict: sum(r["verdict"] == verdict for r in records) for r in records for verdict in [r["verdict"]]
        },
        "named": shares["mistake_named"],
        "named_wrongly": shares["mistake_named_wrongly"],
        "median_s": round(float(np.median(soon)), 1) if soon else None,
    }


@benchmark
@click.option("--scenes", type=int, default=45, show_default=True, help="With mistakes, and as many without.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the campaigns.")
@click.option("--split", default="val", show_default=True, help="train, val or test.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Landings at a time.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/mistaken-flights"), help="Of the campaigns.")
def main(scenes: int, seed: int, split: str, jobs: int, out: Path) -> Figures:
    """Flies both campaigns."""
    plans = {
        way: plan_from(
            policies="touchdown",
            worlds="scenes?heights=drawn",
            scenes=scenes,
            seed=seed,
            split=split,
            mistakes=mistakes,
        )
        for way, mistakes in (("mistaken", "all"), ("right", ""))
    }
    flown = {way: run_campaign(plan, out / way, "processes", jobs)[0] for way, plan in plans.items()}
    with_mistakes = flown["mistaken"]
    of = {kind: [r for r in with_mistakes if r["mistake"]["kind"] == kind] for kind in MISTAKES}
    return {
        "code": code_digest(),
        "split": split,
        "seed": seed,
        "scenes": scenes,
        "commands": {way: command_of(plan) for way, plan in plans.items()},
        "kinds": {kind: of_kind(records) for kind, records in of.items() if records},
        "bad": [{key: r[key] for key in KEPT} for r in with_mistakes if r["verdict"] not in ("landed-safe", "no-site")],
        **{way: of_policy(records) for way, records in flown.items()},
    }


if __name__ == "__main__":
    main()
