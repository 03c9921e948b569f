"""The figures of relief in SAFETY.md and ARCHITECTURE.md are those of the committed results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def result(name: str) -> dict[str, Any]:
    """A committed result of a benchmark."""
    return dict(json.loads((ROOT / "benchmarks" / "results" / name).read_text("utf-8")))


def test_what_relief_finds_is_what_was_measured() -> None:
    found = result("relief.json")["with relief"]
    steep, tall = found["steeper than 10 degrees"], found["something taller than 0.4 m"]
    of_tall = f"{tall['refused']} of {tall['discs']} with something tall"
    words = f"{steep['refused']} of {steep['discs']} steep discs and {of_tall}"
    for name in ("SAFETY.md", "ARCHITECTURE.md"):
        assert words in " ".join((ROOT / name).read_text("utf-8").split()), name


def test_relief_costs_a_frame_what_was_asked() -> None:
    sizes = result("relief_cost.json")["added by relief"]
    most_ms = max(size["together, ms"]["p95_ms"] for size in sizes.values())
    assert most_ms < 6.0
    assert f"at most {most_ms:.1f} ms a frame" in " ".join((ROOT / "ARCHITECTURE.md").read_text("utf-8").split())
