"""Landings that a failsafe of the autopilot orders, with nobody at the sticks: low battery, lost ground station.

    python -m benchmarks.failsafes --scenes 200 --seed 9 --split test --json FILE

Two campaigns over the same scenes, half of them of each kind of failsafe: `authority.failsafe` "guard" over all,
"advise" over the first. Safe: as in every campaign. What "guard" holds up is measured against the bound that
`landing.command.failsafe` promises, by the true charge. Test seeds are reported once for a decision that is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.runner import Figures, benchmark
from sim.campaign.campaign import run_campaign
from sim.campaign.code import code_digest
from sim.campaign.command import plan_from
from sim.campaign.emergency import EMERGENCIES
from sim.campaign.score import Record
from sim.campaign.summary import of_policy, spread

WORLDS = "scenes?heights=drawn"
"""Ground as high as it is drawn: a slope that is painted on flat ground is seen by nothing."""

KEPT = ("scene", "world", "verdict", "reason", "site", "seconds", "emergency")


def of_level(records: Sequence[Record]) -> dict[str, Any]:
    """Figures of a campaign: all, by kind of failsafe, what was held up, and each landing that was not safe."""
    held = [r for r in records if r["emergency"]["held_s"] > 0]
    with_site = [r for r in records if r["site"] == "site"]
    return {
        **{key: of_policy(records)[key] for key in ("scenes", "with_site", "without_site", "marginal", "shares")},
        "kinds": {
            kind: of_policy([r for r in records if r["emergency"]["kind"] == kind])["shares"]["success"]
            for kind in EMERGENCIES
        },
        "held": spread(held, lambda r: r["emergency"]["held_s"]),
        "held_flights": len(held),
        "left_at_end": spread(records, lambda r: r["emergency"]["left_at_end_s"], low=True),
        "not_safe": [{key: r[key] for key in KEPT} for r in with_site if r["verdict"] != "landed-safe"],
    }


@benchmark
@click.option("--scenes", type=int, default=200, show_default=True, help='With failsafe = "guard".')
@click.option("--advised", type=int, default=60, show_default=True, help='Of them, also with failsafe = "advise".')
@click.option("--seed", type=int, default=1, show_default=True, help="Of the campaigns.")
@click.option("--split", default="val", show_default=True, help="train, val or test.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Landings at a time.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/failsafes"), help="Of the campaigns.")
def main(scenes: int, advised: int, seed: int, split: str, jobs: int, out: Path) -> Figures:
    levels = {}
    for level, number in (("guard", scenes), ("advise", advised)):
        plan = plan_from(
            policies="touchdown",
            worlds=WORLDS,
            scenes=number,
            seed=seed,
            split=split,
            emergency=",".join(EMERGENCIES),
            settings=(f"authority.failsafe={level}",),
        )
        levels[level] = of_level(run_campaign(plan, out / level, "processes", jobs)[0])
    return {"code": code_digest(), "split": split, "seed": seed, "levels": levels}


if __name__ == "__main__":
    main()
