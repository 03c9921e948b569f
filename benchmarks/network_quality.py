"""What share of landings ends well, by how good the network is: the same scenes, flown again.

    python -m benchmarks.network_quality --scenes 60 --out out/network-quality
    python -m benchmarks.network_quality --model models/synthetic-unet.onnx --flights 20 ...

The second also flies the first scenes with the network itself on rendered pictures, and compares them with its measured
mistakes on the same ones (procedural worlds, whose classes the demo network knows): are those the mistakes it makes?

Each line is an ordinary campaign in a folder of its own (`touchdown sim campaign`), so a run that was stopped goes on.
Scenes are of val: nothing was tuned on them, and those of test stay unseen until a decision is finished.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmarks.runner import RESULTS, Figures, benchmark, describe, share_words
from sim.campaign.campaign import run_campaign
from sim.campaign.code import code_digest
from sim.campaign.command import plan_from
from sim.campaign.report import command_of
from sim.campaign.task import Plan

PROCEDURAL = "procedural"
"""The demo network knows every class of these worlds."""

SHARES = ("success", "false_no_site", "landed_without_site", "unsafe", "person_within_2m", "timeout")


def _plan(scenes: int, seed: int, worlds: str = "scenes", shift: float = 0.0, model: Path | None = None) -> Plan:
    return plan_from(
        policies="touchdown",
        worlds=worlds,
        scenes=scenes,
        seed=seed,
        split="val",
        segmentation="errors" if model is None else "model",
        model=model,
        network_shift=shift,
    )


def page(result: dict[str, Any]) -> str:
    """The table for people."""
    lines = [
        "# Landings by the quality of the network",
        "",
        f"Scenes of val, the same ones from the first on; code {result['code'][:12]}, "
        f"{result['machine']['date']}. Shares with Wilson's 95 % interval. A shift of -1 makes the "
        "measured network (`models/synthetic-unet.onnx`) better by one probit: an error that one "
        "pixel in six has is left to one in forty. Nothing here is of the test seeds.",
        "",
        "| network | worlds | "
        + " | ".join(name.replace("_", " ") for name in SHARES)
        + " | reaction to who can be seen, p95 s (of) |",
        "|" + "---|" * (len(SHARES) + 3),
    ]
    for campaign in result["campaigns"]:
        summary = campaign["summary"]
        cells = [share_words(summary["shares"][name]) for name in SHARES]
        seen = summary["seen_reaction_s"]
        cells.append(f"{seen.get('p95', '-')} ({seen['count']})")
        name = f"{campaign['network']} | {campaign['scenes']} {campaign['worlds']}"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    commands = "\n".join(f"    {c['command']}" for c in result["campaigns"])
    return "\n".join([*lines, "", commands, ""])


@benchmark
@click.option("--scenes", type=int, default=60, show_default=True, help="Of val, for each quality.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the campaigns.")
@click.option("--shifts", default="0,-1,-2,-4", show_default=True, help="Probits; negative is better.")
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="Fly this one, too.")
@click.option("--flights", type=int, default=20, show_default=True, help="Scenes with --model.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Landings at a time.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/network-quality"))
@click.option("--page", "target", type=click.Path(path_type=Path), default=RESULTS / "network_quality.md")
def main(
    scenes: int, seed: int, shifts: str, model: Path | None, flights: int, jobs: int, out: Path, target: Path
) -> Figures:
    campaigns = [
        (f"measured, {shift:+g} probits", _plan(scenes, seed, shift=shift))
        for shift in (float(text) for text in shifts.split(","))
    ]
    if model is not None:
        campaigns += [
            ("the network itself", _plan(flights, seed, PROCEDURAL, model=model)),
            ("measured, the same scenes", _plan(flights, seed, PROCEDURAL)),
        ]
    found: list[dict[str, Any]] = []
    for name, plan in campaigns:
        folder = out / f"{name.replace(' ', '-').replace(',', '')}-{plan.scenes}"
        _, summary = run_campaign(plan, folder, "processes", jobs)
        found.append(
            {
                "network": name,
                "scenes": plan.scenes,
                "worlds": plan.worlds[0],
                "command": command_of(plan),
                "summary": summary["touchdown"],
            }
        )
    result = {"code": code_digest(), "campaigns": found}
    target.write_text(page({**result, "machine": describe()}), "utf-8")
    return result
