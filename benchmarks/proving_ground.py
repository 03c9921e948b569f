"""The claim: landings on seeds that nothing was tuned on, every policy on the same scenes, scenarios.

    python -m benchmarks.proving_ground --scenes 1000 --baselines 150 --out out/proving-ground

Three ordinary campaigns (`touchdown sim campaign`), each in a folder of its own, so a run that was stopped goes on: our
policy over all scenes of the split; every other one over the first of them; ours over every scenario. Test seeds are
reported once for a decision that is finished; to look at a change, take `--split val`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.runner import RESULTS, Figures, benchmark, describe, share_words
from sim.campaign.campaign import run_campaign
from sim.campaign.code import code_digest
from sim.campaign.command import plan_from
from sim.campaign.policies import POLICIES
from sim.campaign.report import command_of
from sim.campaign.score import Record
from sim.campaign.store import cost_of
from sim.campaign.summary import of_policy, summarize
from sim.campaign.task import Plan
from sim.world import expand_world_spec

OURS = "touchdown"
SHARES = (
    "success",
    "false_no_site",
    "landed_without_site",
    "landed_without_site_overall",
    "unsafe",
    "struck",
    "person_within_2m",
)
WORLDS = "scenes?heights=drawn"
"""All that is drawn stands as high as its shadow is long: relief is measured as in flight."""

SCENARIOS = "adversarial:all"


def _plan(scenes: int, seed: int, split: str, worlds: str, policies: str) -> Plan:
    return plan_from(policies=policies, worlds=worlds, scenes=scenes, seed=seed, split=split)


def _fly(plan: Plan, out: Path, jobs: int) -> tuple[str, dict[str, Any], list[Record]]:
    """The command, what it took and the records of a campaign."""
    began = time.monotonic()
    records, _ = run_campaign(plan, out, "processes", jobs)
    cost = cost_of(out)
    assert cost is not None
    took = {"words": cost.words, "wall_min": round((time.monotonic() - began) / 60, 1)}
    return command_of(plan), {**took, "jobs": jobs}, records


def _figures(records: dict[str, list[Record]], baselines: int) -> dict[str, Any]:
    ours = records["landings"]
    beside = [r for r in ours if r["scene"] < baselines]
    return {
        "touchdown": of_policy(ours),
        "side_by_side": {OURS: of_policy(beside), **summarize(records["baselines"])},
        "scenarios": {r["spec"]: [r["scenario"]["passed"], r["verdict"]] for r in records["scenarios"]},
        "failures": [_failure(r) for r in failures(ours)],
        "given_up": _reasons([r for r in ours if r["site"] == "site" and r["verdict"] == "no-site"]),
    }


def failures(records: Sequence[Record]) -> list[Record]:
    """Return what is neither a safe landing nor a refusal, or a landing where there is no site; each once."""
    fine = ("landed-safe", "no-site")
    return [r for r in records if r["verdict"] not in fine or (r["site"] == "none" and r["touchdown"] is not None)]


def _failure(record: Record) -> dict[str, Any]:
    keys = ("scene", "world", "verdict", "reason", "site", "touchdown")
    return {key: record[key] for key in keys}


def _reasons(records: Sequence[Record]) -> dict[str, int]:
    """How often each family of worlds was given up."""
    counted: dict[str, int] = {}
    for record in records:
        family = record["world"].split()[0]
        counted[family] = counted.get(family, 0) + 1
    return dict(sorted(counted.items(), key=lambda pair: -pair[1]))


def page(result: dict[str, Any]) -> str:
    """The tables for people."""
    ours, scenarios = result["touchdown"], result["scenarios"]
    passed = sum(ok for ok, _ in scenarios.values())
    reaction, seen = ours["reaction_s"], ours["seen_reaction_s"]
    lines = [
        f"# The proving ground: {result['scenes']} landings on {result['split']} seeds",
        "",
        f"{result['machine']['date']}, {result['machine']['cpu']}, code {result['code'][:12]}; "
        "shares with Wilson's 95 % interval. Segmentation has the measured mistakes of "
        "`models/synthetic-unet.onnx` as it was at that commit, see `sim/README.md`.",
        "",
        "| policy | scenes | " + " | ".join(name.replace("_", " ") for name in SHARES) + " |",
        "|" + "---|" * (len(SHARES) + 2),
        _row(OURS, ours),
        *(_row(name, figures) for name, figures in result["side_by_side"].items()),
        "",
        f"Adversarial scenarios (`adversarial:all`): {passed} of {len(scenarios)} passed"
        + "".join(f"; {name} not: {said}" for name, (ok, said) in scenarios.items() if not ok)
        + ".",
        "",
        f"Reaction to somebody in the site: p95 {_seconds(seen)} from when they can be seen "
        f"({seen['count']} times, {seen['never']} without any), {_seconds(reaction)} from the "
        f"entry, seen or not ({reaction['count']} times, {reaction['never']} without any).",
        "",
        "Given up although there was a site, by family of worlds: "
        + (", ".join(f"{name} {count}" for name, count in result["given_up"].items()) or "none")
        + ".",
        "",
        *(
            f"* {name}: {cost['words']}, {cost['wall_min']:g} min on {cost['jobs']} processes; "
            f"`{result['commands'][name]}`"
            for name, cost in result["cost"].items()
        ),
    ]
    if result["failures"]:
        lines += ["", "Failures:", ""]
        lines += [
            f"* scene {f['scene']}, {f['world']}: {f['verdict']}, "
            + (f["reason"] or "where no site is within reach of the start")
            for f in result["failures"]
        ]
    return "\n".join([*lines, ""])


def _row(name: str, figures: dict[str, Any]) -> str:
    cells = [share_words(figures["shares"][key], digits=1) for key in SHARES]
    return f"| {name} | {figures['scenes']} | " + " | ".join(cells) + " |"


def _seconds(reaction: dict[str, Any]) -> str:
    value = reaction.get("p95")
    return "-" if value is None else f"{value:.2f} s"


@benchmark
@click.option("--scenes", type=int, default=1000, show_default=True, help="For our policy.")
@click.option("--baselines", type=int, default=150, show_default=True, help="For the others.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the campaigns.")
@click.option("--split", default="test", show_default=True, help="train, val or test.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Landings at a time.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/proving-ground"))
@click.option("--page", "target", type=click.Path(path_type=Path), default=RESULTS / "proving_ground.md")
def main(scenes: int, baselines: int, seed: int, split: str, jobs: int, out: Path, target: Path) -> Figures:
    others = ",".join(name for name in POLICIES if name != OURS)
    scenarios = expand_world_spec(SCENARIOS)
    flown = {
        "landings": _fly(_plan(scenes, seed, split, WORLDS, OURS), out / "landings", jobs),
        "scenarios": _fly(_plan(len(scenarios), seed, split, SCENARIOS, OURS), out / "scenarios", jobs),
        "baselines": _fly(_plan(min(baselines, scenes), seed, split, WORLDS, others), out / "baselines", jobs),
    }
    result = {
        "code": code_digest(),
        "split": split,
        "seed": seed,
        "scenes": scenes,
        "baselines": min(baselines, scenes),
        "commands": {name: command for name, (command, _, _) in flown.items()},
        "cost": {name: cost for name, (_, cost, _) in flown.items()},
        **_figures({name: records for name, (_, _, records) in flown.items()}, baselines),
    }
    target.write_text(page({**result, "machine": describe()}), "utf-8")
    return result
