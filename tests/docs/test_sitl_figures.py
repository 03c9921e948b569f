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


def network(autopilot: str, version: str) -> list[dict[str, Any]]:
    """Return the flights of the demo network on a version of an autopilot, in their order."""
    flights = series("sitl-network.json", autopilot)["flights"]
    return [flight for flight in flights if flight["version"].startswith(version)]


@pytest.mark.parametrize(
    ("autopilot", "version", "name"),
    [
        ("ardupilot", "4.7", "ArduCopter 4.7"),
        ("ardupilot", "4.6", "4.6"),
        ("px4", "1.17", "PX4 1.17"),
        ("px4", "1.15", "1.15"),
    ],
)
def test_landings_of_the_demo_network(autopilot: str, version: str, name: str) -> None:
    flights = network(autopilot, version)
    landed = sum(flight["verdict"] == "landed-safe" for flight in flights)
    assert f"{landed} of {len(flights)} {'landings safe ' if version == '4.7' else ''}on {name}" in SAFETY


def test_what_the_demo_network_landed_on_unsafely_was_a_slope() -> None:
    flights = [flight for a in ("ardupilot", "px4") for flight in series("sitl-network.json", a)["flights"]]
    unsafe = [flight for flight in flights if flight["verdict"] not in ("landed-safe", "handed-back", "no-site")]
    assert all(flight["ground"] == ["slope"] for flight in unsafe)
    assert Counter(flight["version"][:4] for flight in unsafe) == {"4.7.": 1, "1.17": 1}
    assert "one each on 4.7 and 1.17 on a slope that is painted on flat ground" in SAFETY
    nearest_m = min(flight["person_m"] for flight in flights if flight["person_m"] is not None)
    assert f"nobody nearer than {nearest_m:.1f} m (`benchmarks/results/sitl-network.json`)" in SAFETY


def test_the_newest_landings_of_the_demo_network() -> None:
    newest = Counter(flight["verdict"] for flight in network("ardupilot", "4.7")[-30:])
    assert newest == {"landed-safe": 25, "handed-back": 3, "no-site": 2}
    assert "The newest 30 on 4.7 (2026-12-01): 25 safe, none unsafe, 3 handed back when" in SAFETY


def test_landings_of_the_demo_network_on_the_older_versions() -> None:
    ended = Counter(flight["verdict"] for flight in network("ardupilot", "4.6") + network("px4", "1.15"))
    assert set(ended) == {"landed-safe", "handed-back", "no-site"}
    assert f"On 4.6 and 1.15: none unsafe, {ended['handed-back']} handed back, as the network took" in SAFETY
    assert f"from below 4 m, {ended['no-site']} without a site from the start" in SAFETY


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
        assert flight["verdict"] == "landed-safe" or "a person " in flight["reason"], flight["seed"]


def test_nobody_was_held_up_for_too_long() -> None:
    flights = [flight for a in ("ardupilot", "px4") for flight in series("sitl-failsafes.json", a)["flights"]]
    assert "None was held longer than its bound." in SAFETY
    assert not [flight["seed"] for flight in flights if flight["held_too_long"]]
