"""Runs a campaign from its plan to its results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.campaign.engines import outcomes
from sim.campaign.score import Record
from sim.campaign.store import CampaignFolder, replace_text
from sim.campaign.summary import summarize
from sim.campaign.task import Plan

SUMMARY = "summary.json"

Progress = Callable[[int, int, Record], None]
"""Called with landings done, landings in all, and the newest record."""


def run_campaign(
    plan: Plan, out: Path, engine: str, jobs: int, scheduler: str | None = None, progress: Progress | None = None
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
        for outcome in outcomes(folder.missing(), engine, jobs, scheduler):
            folder.add(outcome)
            if progress is not None:
                progress(folder.done, total, outcome.records[-1])
        records = folder.finish()
    finally:
        folder.close()
    summary = summarize(records)
    replace_text(out / SUMMARY, json.dumps(summary, indent=1, sort_keys=True) + "\n")
    return records, summary


class PlainProgress:
    """A line now and then, with how long it will take.

    Args:
        say: Takes lines.
        every_s: Least time between two.
    """

    def __init__(self, say: Callable[[str], None], every_s: float = 10.0) -> None:
        self._say = say
        self._every_s = every_s
        self._began_s = self._said_s = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int, newest: Record) -> None:
        """Says where it is, if it is time to."""
        now_s = time.monotonic()
        if self._first is None:
            self._first = done
        if now_s - self._said_s < self._every_s and done != total:
            return
        self._said_s = now_s
        rate = (done - self._first) / max(now_s - self._began_s, 1e-9)
        left = f", {(total - done) / rate / 60:.0f} min left" if rate > 0 and done < total else ""
        self._say(f"{done}/{total}{left}; scene {newest['scene']} {newest['policy']}: {newest['verdict']}")
