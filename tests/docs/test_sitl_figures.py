"""Figures of SAFETY.md about the autopilots' own simulators are those of the raw files."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from benchmarks.runner import RESULTS
from tests.docs.pages import ROOT

SAFETY = " ".join((ROOT / "SAFETY.md").read_text("utf-8").split())


def series(name: str, autopilot: str) -> dict[str, Any]:
    """Return a series of flights."""
    return dict(json.loads((RESULTS / name).read_text("utf-8"))["series"][autopilot])


def safe(name: str, autopilot: str) -> str:
    """Return how many landings of a series were safe, in words."""
    summary = series(name, autopilot)["summary"]
    return f"{summary['verdicts']['landed-safe']} of {summary['flights']}"


def test_landings_of_the_demo_network() -> None:
    ardupilot, px4 = (safe("sitl-network.json", autopilot) for autopilot in ("ardupilot", "px4"))
    assert f"{ardupilot} landings safe on ArduCopter 4.7, {px4} on PX4 1.17; one each on a slope" in SAFETY
    nearest_m = min(series("sitl-network.json", a)["summary"]["person_m"]["min"] for a in ("ardupilot", "px4"))
    assert f"nobody nearer than {nearest_m:.1f} m (`benchmarks/results/sitl-network.json`)" in SAFETY


def test_the_newest_landings_of_the_demo_network() -> None:
    flights = series("sitl-network.json", "ardupilot")["flights"]
    newest = Counter(flight["verdict"] for flight in flights[-30:])
    assert newest == {"landed-safe": 25, "handed-back": 3, "no-site": 2}
    assert "The newest 30 on ArduCopter (2026-12-01): 25 safe, none unsafe, 3 handed back when" in SAFETY


def test_failsafe_landings() -> None:
    ardupilot, px4 = (safe("sitl-failsafes.json", autopilot) for autopilot in ("ardupilot", "px4"))
    assert f"{ardupilot} safe on ArduCopter 4.7, {px4} on PX4 1.17 (`benchmarks/results/sitl-failsafes.json`)" in SAFETY


def test_the_others_came_down_beside_a_person() -> None:
    flights = [flight for a in ("ardupilot", "px4") for flight in series("sitl-failsafes.json", a)["flights"]]
    beside_m = [flight["person_m"] for flight in flights if flight["verdict"] == "landed-unsafe"]
    assert f"The others came down within {max(beside_m):.1f} m of the person" in SAFETY


@pytest.mark.parametrize("autopilot", ["ardupilot", "px4"])
def test_what_was_not_safe_in_a_failsafe_was_a_person(autopilot: str) -> None:
    for flight in series("sitl-failsafes.json", autopilot)["flights"]:
        assert flight["verdict"] == "landed-safe" or flight["reason"].startswith("a person"), flight["seed"]


def test_nobody_was_held_up_for_too_long() -> None:
    flights = [flight for a in ("ardupilot", "px4") for flight in series("sitl-failsafes.json", a)["flights"]]
    assert "None was held longer than its bound." in SAFETY
    assert not [flight["seed"] for flight in flights if flight["held_too_long"]]
