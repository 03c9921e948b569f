"""The headline figures of README.md are those of the raw results, and each row leads to the page of results."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.docs.pages import ROOT

Results = dict[str, Any]


def rows() -> list[str]:
    """The rows of README's table of headline figures, in their order."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith("| [") and "](docs/results.md#" in line]


def real_ground(results: Results) -> list[str]:
    low, high = (results["groups"][name] for name in ("at most 60 m", "above 60 m"))
    clean = low["places_without_unsafe_site"]
    return [
        f"{low['places'] + high['places']} real places",
        f"Up to 60 m high, {clean['of']} places: {low['outcomes']['safe site']} safe sites and "
        f"{low['outcomes']['unsafe site']} unsafe ones; {clean['count']} places had none unsafe",
        f"{high['places']} places: {high['outcomes']['safe site']} safe and {high['outcomes']['unsafe site']} unsafe",
    ]


def unseen_scenes(results: Results) -> list[str]:
    column = next(c for c in results["columns"] if c["split_column"] == "scene")
    sites = column["sites"]["operating"]
    low, high = (100 * sites["false_safe"][end] for end in ("low", "high"))
    return [
        f"on {sites['pictures']} test pictures",
        f"{sites['with_hazard']} of {sites['sites']} chosen sites held a hazard (95 %: {low:.0f} to {high:.0f} %)",
        f"no site in {sites['missed']} of {sites['with_truth_site']} pictures",
    ]


def network_itself(results: Results) -> list[str]:
    shares = results["network"]["shares"]
    safe, given_up = shares["success"], shares["false_no_site"]
    return [
        f"in {results['scenes']} simulated landings",
        f"{safe['count']} of {safe['of']} landings were safe",
        f"{given_up['count']} of {given_up['of']} were given up",
    ]


def simulated(results: Results) -> list[str]:
    ours = results["touchdown"]["shares"]["success"]
    down = results["side_by_side"]["straight-down"]["shares"]["success"]
    return [
        f"{results['scenes']} simulated landings",
        f"{ours['count']} of {ours['of']} landings were safe",
        f"Straight down was safe in {down['count']} of {down['of']}",
    ]


def ardupilot(results: Results) -> list[str]:
    summary = results["series"]["landings"]["summary"]
    return [
        f"{summary['verdicts']['landed-safe']} of {summary['flights']} safe",
        f"at most {summary['miss_m']['max']:.2f} m from the chosen place",
    ]


HEADLINES: dict[str, Callable[[Results], list[str]]] = {
    "real_ground.json": real_ground,
    "semantic-drone-test.json": unseen_scenes,
    "network_flights.json": network_itself,
    "proving_ground.json": simulated,
    "sitl-ardupilot.json": ardupilot,
}
"""Writers of what a row must say, in the order of the rows: the network's own figures first."""


@pytest.mark.parametrize(("number", "name"), list(enumerate(HEADLINES)), ids=list(HEADLINES))
def test_a_headline_says_what_was_measured(number: int, name: str) -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / name).read_text("utf-8"))
    told = rows()
    assert len(told) == len(HEADLINES)
    for phrase in HEADLINES[name](results):
        assert phrase in told[number].replace("](", " ").replace("[", ""), f"{name} says: {phrase}"
