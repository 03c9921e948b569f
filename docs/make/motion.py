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
