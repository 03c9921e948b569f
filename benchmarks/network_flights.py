"""Landings flown by the network itself, beside its measured mistakes on the same scenes.

    python -m benchmarks.network_flights --model models/synthetic-unet.onnx --scenes 40 --out out/network-flights

Two ordinary campaigns (`touchdown sim campaign`), each in a folder of its own, so a run that was stopped goes on. The
first renders the pictures and asks the network; the second takes the true labels with the mistakes that
`touchdown sim errors` measured. Where their shares lie in each other's intervals, the measured mistakes are those that
the network makes. To look at a change, take `--split val`; test seeds are reported once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from benchmarks.runner import RESULTS, Figures, benchmark, describe, share_words
from sim.campaign.campaign import run_campaign
from sim.campaign.code import code_digest
from sim.campaign.command import plan_from
from sim.campaign.report import command_of
from sim.campaign.score import Record
from sim.campaign.summary import of_policy
from sim.campaign.task import Plan

SHARES = (
    "success",
    "false_no_site",
    "landed_without_site",
    "unsafe_by_looks",
    "unsafe_by_relief",
    "struck",
    "person_within_2m",
    "timeout",
)
UNTOLD: Figures = {"of": 0}
"""A share that an earlier result does not tell."""

WAYS = {"network": "the network itself", "mistakes": "its measured mistakes"}


def page(result: dict[str, Any]) -> str:
    """The table for people."""
    lines = [
        f"# Landings by the network itself: {result['scenes']} {result['split']} scenes",
        "",
        f"{result['machine']['date']}, {result['machine']['cpu']}; {result['model']}, {result['fps']:g} frames/s; "
        "shares with Wilson's 95 % interval. Both rows fly the same scenes, the first by code "
        f"{result['code']['network'][:12]}, the second by {result['code']['mistakes'][:12]}.",
        "",
        "| flown by | " + " | ".join(name.replace("_", " ") for name in SHARES) + " |",
        "|" + "---|" * (len(SHARES) + 1),
    ]
    for way, words in WAYS.items():
        cells = [share_words(result[way]["shares"].get(name, UNTOLD)) for name in SHARES]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    for way, words in WAYS.items():
        lines += ["", f"Not as wanted, {words}:{'' if result['failures'][way] else ' none.'}", ""]
        lines += [f"* scene {f['scene']}, {f['world']}: {f['verdict']}, {_why(f)}" for f in result["failures"][way]]
    return "\n".join([*lines, "", *(f"    {command}" for command in result["commands"].values()), ""])


def _failures(records: list[Record]) -> list[dict[str, Any]]:
    """Landings that are not safe, and those given up although there is a site."""
    bad = [r for r in records if r["verdict"] not in ("landed-safe", "no-site")]
    bad += [r for r in records if r["verdict"] == "no-site" and r["site"] == "site"]
    bad += [r for r in records if r["verdict"] == "landed-safe" and r["site"] == "none"]
    keys = ("scene", "world", "verdict", "reason", "site")
    return [
        {**{key: r[key] for key in keys}, "unsafe_on": r["touchdown"]["unsafe_on"] if r["touchdown"] else []}
        for r in sorted(bad, key=lambda r: r["scene"])
    ]


def _why(failure: dict[str, Any]) -> str:
    if failure["unsafe_on"]:
        return f"on {', '.join(failure['unsafe_on'])}"
    return failure["reason"] or "where no site is within reach of the start"


@benchmark
@click.option("--model", type=click.Path(path_type=Path, exists=True), default=Path("models/synthetic-unet.onnx"))
@click.option("--scenes", type=int, default=40, show_default=True, help="How many.")
@click.option("--worlds", default="scenes", show_default=True, help="Of the simulator.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the campaigns.")
@click.option("--split", default="test", show_default=True, help="train, val or test.")
@click.option("--fps", type=float, default=5.0, show_default=True, help="Frames of the camera a second.")
@click.option("--runtime", default="openvino", show_default=True, help="Of the network.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Landings at a time.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/network-flights"))
@click.option("--keep", type=click.Path(path_type=Path, exists=True), help="Earlier result: its network row stays.")
@click.option("--page", "target", type=click.Path(path_type=Path), default=RESULTS / "network_flights.md")
def main(
    model: Path,
    scenes: int,
    worlds: str,
    seed: int,
    split: str,
    fps: float,
    runtime: str,
    jobs: int,
    out: Path,
    keep: Path | None,
    target: Path,
) -> Figures:
    common: dict[str, Any] = {
        "policies": "touchdown",
        "worlds": worlds,
        "scenes": scenes,
        "seed": seed,
        "split": split,
        "fps": fps,
    }
    plans: dict[str, Plan] = {
        "network": plan_from(**common, segmentation="model", model=model, runtime=runtime),
        "mistakes": plan_from(**common),
    }
    kept = json.loads(keep.read_text("utf-8")) if keep is not None else None
    if kept is not None and kept["commands"]["network"] != command_of(plans["network"]):
        raise click.UsageError(f"{keep} is of other flights: {kept['commands']['network']}")
    ways = [way for way in WAYS if kept is None or way != "network"]
    flown = {way: run_campaign(plans[way], out / way, "processes", jobs)[0] for way in ways}
    result = {
        "code": {way: code_digest() for way in ways},
        "model": model.name,
        "split": split,
        "worlds": worlds,
        "seed": seed,
        "scenes": scenes,
        "fps": fps,
        "commands": {way: command_of(plan) for way, plan in plans.items()},
        "failures": {way: _failures(list(records)) for way, records in flown.items()},
        **{way: of_policy(records) for way, records in flown.items()},
    }
    if kept is not None:
        result["network"] = kept["network"]
        for part in ("code", "failures"):
            result[part]["network"] = kept[part]["network"]
    target.write_text(page({**result, "machine": describe()}), "utf-8")
    return result
