"""Parts of docs/setup/versions.md: versions known, parameters renamed, traps, and what was flown on which version."""

from __future__ import annotations

import json
from string import ascii_lowercase
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
    columns = dict(results)
    for autopilot, versions in KNOWN.items():
        for one in versions:
            name = f"{NAMES[autopilot]} {series_text(one.series)}"
            if not any(column.startswith(f"{name}.") for column in results):
                columns[name] = {"runs": {}, "cases": {}}
    columns = dict(sorted(columns.items()))
    cases = sorted({case for did in columns.values() for case in did["cases"]})
    rows = [[case, *(cell(did, case) for did in columns.values())] for case in cases]
    rows.append(["day, commit", *(when(did) for did in columns.values())])
    return table(["case", *columns], rows)


def cell(did: dict[str, Any], case: str) -> str:
    """Return how a version did in a case, and in which of its runs where it had several."""
    cases = did["cases"]
    if case not in cases:
        return NOT_RUN if not cases else "–"
    how = cases[case]
    words = f"{how['seconds']:.0f} s" if "seconds" in how else "passed"
    if how["result"] != "passed":
        words = {"failed": "**failed**", "skipped": "skipped"}[how["result"]]
    return f"{words} ({letters(did)[how['commit']]})" if len(did["runs"]) > 1 else words


def letters(did: dict[str, Any]) -> dict[str, str]:
    """Return a letter for each run of a version, by its commit."""
    return dict(zip(did["runs"], ascii_lowercase, strict=False))


def when(did: dict[str, Any]) -> str:
    """Return day, commit, time and load of each run of a version."""
    lines = []
    for commit, run in did["runs"].items():
        letter = f"{letters(did)[commit]}: " if len(did["runs"]) > 1 else ""
        before, after = run["load"]
        load = f"load {before} to {after} on {run['cores']} cores"
        lines.append(f"{letter}{run['date']}, `{commit}`, {run['wall_min']:.0f} min, {load}")
    return "; ".join(lines) or NOT_RUN
