"""Parts of docs/setup/versions.md: versions known, parameters renamed, traps, and what was flown on which version."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.runner import RESULTS
from docs.make.markdown import table
from firmware_bridge.doctor.pitfalls import PITFALLS, Pitfall
from firmware_bridge.doctor.versions import KNOWN, RENAMED, series_text
from firmware_bridge.identity import Version
from landing.vehicle import Autopilot

NAMES = {Autopilot.ARDUPILOT: "ArduPilot", Autopilot.PX4: "PX4"}
NOT_RUN = "not run"


def short(version: Version) -> str:
    """Return its first two numbers."""
    return series_text((version[0], version[1]))


def known() -> str:
    """Versions that the doctor's rules were held against."""
    rows = [
        [f"{NAMES[autopilot]} {series_text(one.series)}", one.how] for autopilot in KNOWN for one in KNOWN[autopilot]
    ]
    return table(["version", "how it is known"], rows)


def renamed() -> str:
    """Parameters with another name in newer versions."""
    rows = []
    for autopilot, subjects in RENAMED.items():
        for one in subjects:
            old, new = (
                f"`{name}`{f', {unit}' if unit else ''}" for name, unit in zip(one.names, one.units, strict=True)
            )
            rows.append([NAMES[autopilot], one.subject, old, new, short(one.since)])
    return table(["autopilot", "what", "name before", "name from then on", "from"], rows)


def traps() -> str:
    """Behaviours of versions that no parameter shows."""
    rows = [[f"{NAMES[one.autopilot]} {span(one)}".strip(), one.name, one.value, one.why] for one in PITFALLS]
    return table(["version", "trap", "what it does", "what to do, or what we do"], rows)


def span(trap: Pitfall) -> str:
    """Return the versions that behave so, in words; empty for all."""
    words = f"from {short(trap.since)}" if trap.since > (0, 0, 0) else ""
    return f"{words} before {short(trap.before)}".strip() if trap.before is not None else words


def flown() -> str:
    """Versions against cases, as `make sitl` found them."""
    results: dict[str, dict[str, Any]] = json.loads((RESULTS / "sitl-versions.json").read_text("utf-8"))["autopilots"]
    columns = {name: did["cases"] for name, did in results.items()}
    for autopilot, versions in KNOWN.items():
        for one in versions:
            name = f"{NAMES[autopilot]} {series_text(one.series)}"
            if not any(column.startswith(f"{name}.") for column in columns):
                columns[name] = {}
    columns = dict(sorted(columns.items()))
    cases = sorted({case for did in columns.values() for case in did})
    rows = [[case, *(cell(did, case) for did in columns.values())] for case in cases]
    rows.append(["day, commit", *(when(results.get(name)) for name in columns)])
    return table(["case", *columns], rows)


def cell(cases: dict[str, Any], case: str) -> str:
    """Return how a version did in a case."""
    if case not in cases:
        return NOT_RUN if not cases else "–"
    how = cases[case]
    if how["result"] == "failed":
        return "**failed**"
    if how["result"] == "skipped":
        return "skipped"
    return f"{how['seconds']:.0f} s" if "seconds" in how else "passed"


def when(did: dict[str, Any] | None) -> str:
    """Return day, commit, time and load of a run."""
    if did is None:
        return NOT_RUN
    before, after = did["load"]
    return (
        f"{did['date']}, `{did['commit']}`, {did['wall_min']:.0f} min, load {before} to {after} on {did['cores']} cores"
    )
