"""The report of a campaign: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from landing.progress import tracked
from sim.campaign.code import code_digest
from sim.campaign.plots import by_policy, conditions_plot, distances_plot, verdicts_plot
from sim.campaign.policies import POLICIES
from sim.campaign.ranges import RANGES
from sim.campaign.reaction import SEEN_PX
from sim.campaign.replay import picture_of
from sim.campaign.score import LAST_M, Record
from sim.campaign.store import PLAN, read_campaign, replace_text
from sim.campaign.summary import summarize
from sim.campaign.task import Plan
from sim.flight.pilot import NEARER_M, SEARCH_S
from sim.flight.plan import PERSON_AWAY_M
from sim.world.classes import RELIEF_ONLY

REPORT = "report.html"

ROWS: tuple[tuple[str, str, str], ...] = (
    ("success", "safe, of landings that ended where a site exists", "high"),
    ("landed_safe", "safely down, of scenes with a site", "high"),
    ("false_no_site", "gave up although there is a site", "low"),
    ("landed_without_site", "landed although there is none, of those scenes", "low"),
    ("landed_without_site_overall", "landed although there is none, of all scenes", "low"),
    ("unsafe_by_looks", "unsafe touchdowns that looks can tell, of all scenes", "low"),
    ("unsafe_by_relief", "unsafe touchdowns that only relief can tell, of all scenes", "low"),
    ("person_within_2m", "person within 2 m of the touchdown, of landings", "low"),
    ("struck", "flew into somebody or something, of all scenes", "low"),
    ("reaction_within_300ms", "intruder answered within 300 ms", "high"),
    ("scenarios_passed", "adversarial scenarios passed", "high"),
    ("timeout", "neither down nor given up in time", "low"),
    ("held_too_long", "failsafe landings held up for longer than the battery allows", "low"),
    ("battery_empty", "battery empty in the air, of failsafe landings", "low"),
)
"""Shares of the table: name, words, and which way is better."""

SPREADS: tuple[tuple[str, str], ...] = (
    ("touchdown_person_m", "nearest person at touchdown, m: p5 / median / least"),
    ("last_5m_person_m", f"nearest person over the last {LAST_M:g} m, m: p5 / median / least"),
    ("touchdown_hazard_m", "nearest hazard at touchdown, m: p5 / median / least"),
    ("miss_m", "touchdown from the target, m: median / p95 / largest"),
    ("seconds", "time, s: median / p95 / largest"),
    ("path_m", "path, m: median / p95 / largest"),
    ("switches", "site switches: median / p95 / largest"),
)


def failures(records: Sequence[Record]) -> list[Record]:
    """Return failures, the worst first: unsafe or fallen, landed without a site, timeout, no site."""

    def badness(record: Record) -> int:
        if record["verdict"] in ("landed-unsafe", "struck", "battery-empty"):
            return 0
        if record["touchdown"] is not None and record["site"] == "none":
            return 1
        if record["verdict"] == "timeout":
            return 2
        return 3 if record["verdict"] == "no-site" and record["site"] == "site" else 4

    bad = [r for r in records if badness(r) < 4]
    return sorted(bad, key=lambda r: (badness(r), r["scene"]))


def write_report(folder: Path, pictures: int = 24) -> Path:
    """Writes the report of a finished campaign.

    Args:
        folder: Of the campaign.
        pictures: Failures that get one, of the first policy; each is flown again for it.

    Raises:
        CampaignError: The folder holds no finished campaign.
    """
    plan, records = read_campaign(folder)
    own = by_policy(records)
    failed = {policy: failures(mine) for policy, mine in own.items()}
    code = json.loads((folder / PLAN).read_text("utf-8"))["code"]
    if code != code_digest():
        pictures = 0  # other code would draw other landings
    drawn: dict[tuple[int, str], str] = {}
    shown = failed.get(plan.policies[0], [])[:pictures]
    for record in tracked("drawing failures", shown, len(shown)):
        png = picture_of(plan, record)
        drawn[record["scene"], record["policy"]] = base64.b64encode(png).decode()
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        resources.files("sim.campaign").joinpath("report.jinja").read_text("utf-8")
    )
    page = template.render(
        plan=plan,
        code=code,
        code_now=code_digest(),
        command=command_of(plan),
        folder=folder.name,
        summary=summarize(records),
        rows=ROWS,
        spreads=SPREADS,
        policies=POLICIES,
        failed=failed,
        drawn=drawn,
        ranges=RANGES,
        relief_only=sorted(RELIEF_ONLY),
        person_away_m=PERSON_AWAY_M,
        conditions_svg=conditions_plot(records),
        verdicts_svg=verdicts_plot(records),
        distances_svg=distances_plot(records),
        best=best_of(summarize(records)),
        seen_px=f"{SEEN_PX:g}",
    )
    path = folder / REPORT
    replace_text(path, page)
    return path


def best_of(summary: dict[str, Any]) -> dict[str, list[str]]:
    """The policies with the best value of each share; none where all are alike."""
    best = {}
    for name, _, better in ROWS:
        known = {
            policy: figures["shares"][name]["value"]
            for policy, figures in summary.items()
            if name in figures["shares"] and figures["shares"][name]["value"] is not None
        }
        if len(set(known.values())) > 1:
            value = max(known.values()) if better == "high" else min(known.values())
            best[name] = [policy for policy, own in known.items() if own == value]
    return best


def command_of(plan: Plan) -> str:
    """The command that flies this campaign again."""
    words = [
        "touchdown sim campaign",
        f"--scenes {plan.scenes}",
        f"--seed {plan.seed}",
        f"--split {plan.split}",
        f"--worlds '{','.join(plan.worlds)}'",
        f"--policy {','.join(plan.policies)}",
    ]
    if plan.segmentation == "model":
        words += ["--segmentation model", f"--model {Path(plan.model or '').name}"]
    elif plan.errors is not None:
        words.append(f"--errors {Path(plan.errors).name}")
    for section in ("decision", "director", "authority", "autopilot"):
        words += [f"--set {section}.{k}={json.dumps(v)}" for k, v in getattr(plan, section).items()]
    if plan.fps != RANGES["fps"].low:
        words.append(f"--fps {plan.fps:g}")
    if plan.network_shift:
        words.append(f"--network-shift {plan.network_shift:g}")
    for option, kinds in (("--emergency", plan.emergencies), ("--mistakes", plan.mistakes)):
        words += [f"{option} '{','.join(kinds)}'"] if kinds else []
    if plan.search_s != SEARCH_S:
        words.append(f"--search-s {plan.search_s:g}")
    if plan.nearer_m != NEARER_M:
        words.append(f"--nearer-m {plan.nearer_m:g}")
    return " ".join([*words, "--out DIR"])
