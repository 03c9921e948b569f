"""The table of all faults: what is promised, what happened, how soon. Written to docs/faults.md."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

SILENCE_S = 0.5
"""Longest time from the last good evidence to the last target."""

HEADER = """# What happens when something fails

Each row is a test (`tests/faults`): an autopilot that hovers or lands (the stand-in), a camera and
a cable that misbehave on order, and the ordinary `touchdown edge serve`. Times are measured on the
wire. *Silence* is from the last good evidence (frame written, or pose passed on, before the fault)
to the last `LANDING_TARGET`: at most {silence:g} s where targets must stop. *Recovery* is from the
cure to the next target. For a reset of the estimator *silence* is from the reset to the last target
at other ground than was chosen. A dash: nothing has to stop, or there is nothing to recover from.

`make faults` measures it anew and writes this file.

| fault | promise | what happened | silence, s | recovery, s | |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        order: Place in the table.
        fault: What was done.
        promise: What is to happen.
        happened: What did.
        silence_s: From the last good evidence to the last target; None where none must stop.
        recovery_s: From the cure to the next target; None where there is nothing to recover from.
        kept: Whether the promise was kept.
    """

    order: int
    fault: str
    promise: str
    happened: str
    silence_s: float | None
    recovery_s: float | None
    kept: bool


def save_row(folder: Path, row: Row) -> None:
    """Keeps a row for the table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{row.order:02d}.json").write_text(json.dumps(asdict(row)) + "\n", "utf-8")


def write_table(folder: Path, path: Path, machine: str) -> int:
    """Writes the table from all kept rows.

    Returns:
        How many there are.
    """
    rows = [Row(**json.loads(p.read_text("utf-8"))) for p in sorted(folder.glob("*.json"))]
    lines = [
        f"| {r.fault} | {r.promise} | {r.happened} | {_number(r.silence_s)} | "
        f"{_number(r.recovery_s)} | {'kept' if r.kept else '**broken**'} |"
        for r in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = HEADER.format(silence=SILENCE_S) + "\n".join(lines) + f"\n\nMeasured on {machine}.\n"
    path.write_text(text, "utf-8")
    return len(rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
