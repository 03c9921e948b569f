"""Tables of what the picture's motion told in simulated flights, from benchmarks/results/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.make.markdown import table

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"

UNITS = {
    "latency": ("ms", 1),
    "mount roll": ("degrees", 2),
    "mount pitch": ("degrees", 2),
    "mount yaw": ("degrees", 2),
    "field of view": ("% of it", 2),
    "rangefinder scale": ("", 3),
}
"""Unit and digits of the errors of each number."""


def _figures(name: str) -> Any:
    return json.loads((RESULTS / name).read_text("utf-8"))


def calibration() -> str:
    """Errors of each number over random set-ups, and how honest the standard errors are."""
    data = _figures("motion_calibration.json")
    rows = []
    for name, row in data["quantities"].items():
        unit, digits = UNITS[name]
        median, most = (f"{row[key]:.{digits}f}" for key in ("off median", "off p95"))
        limit = f"{row['limit']:g} {unit}".strip()
        told = f"{row['told']} of {row['set-ups']}"
        within = f"{row['within']} of {row['told']}"
        rows.append([name, told, limit, within, median, most, f"{row['z mean']:+.1f}", f"{row['z sd']:.1f}"])
    head = ["number", "told", "limit", "within it", "error, median", "95 %", "error over stated, mean", "its deviation"]
    return table(head, rows)


def mistakes() -> str:
    """Mistakes of set-up named by flights, and false alarms."""
    data = _figures("picture_motion.json")
    rows = []
    for name, row in data["mistakes"].items():
        of = f"of {row['flights']}"
        counts = [row[f"named rightly {when}"] for when in ("within 10 s", "at the end")]
        delay = row["median_s"]
        wrong = len(row["named wrongly at the end"])
        told = f"{row['excited and named rightly within 10 s']} of {row['excited within 10 s']}"
        all_flights = [f"{count} {of}" for count in counts]
        rows.append([name, told, *all_flights, str(wrong), "" if delay is None else f"{delay:.1f}"])
    good = data["good flights"]
    head = [
        "mistake",
        "flights that excite it",
        "all, within 10 s",
        "all, at the end (20 s)",
        "named wrongly at the end",
    ]
    head.append("median, s")
    counts_of = [sum(kind in alarm for alarm in good["false alarms"]) for kind in ("frozen", "loop")]
    words = (
        f"Without a mistake, {good['of']} flights, {60 * good['hours']:.0f} simulated minutes: a mistake of set-up was "
        f"named falsely in {len(good['false alarms']) - sum(counts_of)}; a live picture was called frozen first in "
        f"{counts_of[0]}, a loop first in {counts_of[1]}. Sharpness was not asked for: from near drawn ground is "
        "coarser than the camera. On photographs it is: [results](../results.md)."
    )
    return f"{table(head, rows).rstrip()}\n\n{words}\n"
