"""Runs a campaign from its plan to its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from landing.progress import Progress
from sim.campaign.engines import outcomes
from sim.campaign.score import Record
from sim.campaign.store import CampaignFolder, replace_text
from sim.campaign.summary import summarize
from sim.campaign.task import Plan

SUMMARY = "summary.json"


def run_campaign(
    plan: Plan, out: Path, engine: str, jobs: int, scheduler: str | None = None
) -> tuple[list[Record], dict[str, Any]]:
    """Flies what is missing in a folder and writes its results and summary.

    Returns:
        All records in order, and the summary by policy.

    Raises:
        CampaignError: The folder holds another campaign.
        TouchdownError: A scene cannot be flown.
    """
    folder = CampaignFolder(out, plan)
    total = plan.scenes * len(plan.policies)
    try:
        with Progress("campaign", total, folder.done) as progress:
            for outcome in outcomes(folder.missing(), engine, jobs, scheduler):
                folder.add(outcome)
                newest = outcome.records[-1]
                words = f"scene {newest['scene']} {newest['policy']}: {newest['verdict']}"
                progress.step(len(outcome.records), words)
        records = folder.finish()
    finally:
        folder.close()
    summary = summarize(records)
    replace_text(out / SUMMARY, json.dumps(summary, indent=1, sort_keys=True) + "\n")
    return records, summary
