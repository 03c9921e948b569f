"""Contract, doctor and landings on every autopilot binary that the environment names: a table of versions and cases.

    ARDUPILOT_SITL=... ARDUPILOT_SITL_47=... PX4_SITL=... python -m tests.sitl.table     # the same as `make sitl`
    ARDUPILOT_SITL_47=... python -m tests.sitl.table plain doctor                        # some cases alone

A variable whose name begins with ARDUPILOT_SITL or PX4_SITL names a binary; its version is what the binary says. What
a version did in a case replaces what it did there before, unless it was skipped. Other cases and versions stay. Each
case names the commit that flew it; day, duration and load of the machine stand beside that commit. `python -m
docs.make.written` writes the table into docs/setup/versions.md. Exit status: 1 where a case failed, 2 without a binary.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.runner import RESULTS, ROOT, describe, save
from sim.vehicle.sitl import SIMULATORS

PATH = RESULTS / "sitl-versions.json"
SUITE = ROOT / "tests" / "sitl"
FIXTURE = "shared-fleet"
"""Parameter of the contract's flights that is no case."""

WORST_FIRST = ("failed", "passed", "skipped")


@dataclass(frozen=True)
class Binary:
    """A program of the environment.

    Attributes:
        kind: ``ardupilot`` or ``px4``.
        variable: Its name in the environment.
    """

    kind: str
    variable: str
    path: str


def binaries(environment: Mapping[str, str]) -> list[Binary]:
    """Return the binaries named there, by name of the variable."""
    found = []
    for variable, path in sorted(environment.items()):
        for kind, simulator in SIMULATORS.items():
            if variable.startswith(simulator.variable) and path:
                found.append(Binary(kind, variable, path))
    return found


def case_of(test: ElementTree.Element, kind: str) -> str:
    """Return the case that a test of the suite is about; that of a whole module is its name."""
    parameters = test.get("name", "").partition("[")[2].rstrip("]")
    words = [word for word in parameters.replace(FIXTURE, "").replace(kind, "").split("-") if word]
    return "-".join(words) or test.get("classname", "").rpartition("test_")[2].replace("_", "-")


def outcome_of(test: ElementTree.Element) -> tuple[str, str]:
    """Return how a test ended, and why it did not pass."""
    for tag in ("failure", "error", "skipped"):
        found = test.find(tag)
        if found is not None:
            return ("skipped" if tag == "skipped" else "failed"), str(found.get("message", "")).partition("\n")[0]
    return "passed", ""


def cases_of(report: ElementTree.Element, kind: str) -> dict[str, dict[str, Any]]:
    """Return result and reason of each case: the worst of its tests."""
    cases: dict[str, dict[str, Any]] = {}
    for test in report.iter("testcase"):
        result, why = outcome_of(test)
        case = cases.setdefault(case_of(test, kind), {"result": result, "why": why})
        if WORST_FIRST.index(result) < WORST_FIRST.index(case["result"]):
            case.update(result=result, why=why)
    return {name: {k: v for k, v in case.items() if v} for name, case in sorted(cases.items())}


def run(binary: Binary, folder: Path, wanted: str = "") -> tuple[str, dict[str, Any]]:
    """Fly the suite, or doctor and cases wanted; return the autopilot's name with version, and what it did."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(tuple(s.variable for s in SIMULATORS.values()))
    }
    environment |= {
        SIMULATORS[binary.kind].variable: binary.path,
        "TOUCHDOWN_CONTRACT_JSON": str(folder / "contract.json"),
        "TOUCHDOWN_SITL_RECORDS": str(folder),
    }
    options = [
        "-q",
        "-m",
        "sitl",
        "-k",
        f"{binary.kind} and (test_doctor or {wanted})" if wanted else binary.kind,
        "--junitxml",
        str(folder / "report.xml"),
        str(SUITE),
    ]
    begun_s, load_before = time.monotonic(), os.getloadavg()[0]
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, env=environment, check=False)
    cases = cases_of(ElementTree.parse(folder / "report.xml").getroot(), binary.kind)
    add_seconds(cases, folder, binary.kind)
    about, identity = describe(), read(folder / "doctor.json", {})
    flown = {
        "date": about["date"],
        "load": [round(load_before, 1), round(os.getloadavg()[0], 1)],
        "cores": about["cores"],
        "wall_min": round((time.monotonic() - begun_s) / 60.0, 1),
    }
    for case in cases.values():
        case["commit"] = about["commit"]
    did = {"git": identity.get("git", ""), "runs": {about["commit"]: flown}, "cases": cases}
    return identity.get("name", f"{binary.kind} of {binary.variable}"), did


def add_seconds(cases: dict[str, dict[str, Any]], folder: Path, kind: str) -> None:
    """Add the time from the order to land until the ground, where a case has one."""
    for name, flown in read(folder / "contract.json", {}).items():
        if name in cases and flown.get(kind, {}).get("seconds") is not None:
            cases[name]["seconds"] = flown[kind]["seconds"]
    for row in read(folder / "landings.json", []):
        case = cases.get(f"{row['series']}-{row['seed']}")
        if case is not None and row["seconds"] is not None:
            case["seconds"] = row["seconds"]


def read(path: Path, otherwise: Any) -> Any:
    """Return what a test wrote down; `otherwise` where it did not."""
    return json.loads(path.read_text("utf-8")) if path.exists() else otherwise


def joined(before: dict[str, Any] | None, did: dict[str, Any]) -> dict[str, Any]:
    """Return what a version did in all cases, each as it last told something, with the runs that flew them."""
    if before is None or before["git"] != did["git"]:
        return did
    told = {k: v for k, v in did["cases"].items() if v["result"] != "skipped" or k not in before["cases"]}
    cases = dict(sorted({**before["cases"], **told}.items()))
    runs = dict(before["runs"])
    for commit, run in did["runs"].items():
        runs[commit] = together(runs[commit], run) if commit in runs else run
    named = {case["commit"] for case in cases.values()}
    return {**did, "runs": {commit: run for commit, run in runs.items() if commit in named}, "cases": cases}


def together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return two runs of one commit as one."""
    loads, wall_min = one["load"] + other["load"], one["wall_min"] + other["wall_min"]
    return {**other, "load": [min(loads), max(loads)], "wall_min": round(wall_min, 1)}


def main() -> int:
    """Fly all, keep the results, say what failed."""
    named = binaries(os.environ)
    if not named:
        for simulator in SIMULATORS.values():
            print(f"{simulator.name}: {simulator.how}; more versions as {simulator.variable}_NAME", file=sys.stderr)
        return 2
    failed = 0
    for binary in named:
        with tempfile.TemporaryDirectory() as folder:
            name, did = run(binary, Path(folder), " or ".join(sys.argv[1:]))
        document = read(PATH, {"autopilots": {}})
        document["autopilots"][name] = joined(document["autopilots"].get(name), did)
        save(document, PATH)
        wrong = [case for case, how in did["cases"].items() if how["result"] == "failed"]
        failed += len(wrong)
        minutes = sum(one["wall_min"] for one in did["runs"].values())
        print(f"{name}: {len(did['cases'])} cases in {minutes} min, failed: {', '.join(wrong) or 'none'}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
