"""The figures of SAFETY.md that speak against the vehicle are those of the committed results."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.docs.pages import ROOT

SAFETY = " ".join((ROOT / "SAFETY.md").read_text("utf-8").split())


def result(name: str) -> dict[str, Any]:
    """A committed result of a benchmark."""
    return dict(json.loads((ROOT / "benchmarks" / "results" / name).read_text("utf-8")))


def test_people_near_the_end_of_a_landing_are_told() -> None:
    ours = result("proving_ground.json")["touchdown"]["shares"]
    near, safe = ours["person_within_2m"], ours["success"]
    assert (near["count"], f"Of {near['of']} touchdowns one had a person within 2 m" in SAFETY) == (1, True)
    assert f"{safe['count']} of {safe['of']} landings that ended where a site exists were safe" in SAFETY
    soon = result("failsafes.json")["levels"]["guard"]["shares"]["reaction_within_300ms"]
    assert f"failsafe landings {soon['count']} of {soon['of']} in view were answered so soon" in SAFETY
    stopped = result("sitl-ardupilot.json")["series"]["hazard"]["summary"]
    assert f"{stopped['verdicts']['landed-safe']} of {stopped['flights']} on ArduCopter 4.6.2" in SAFETY
    assert f"nearest person {stopped['person_m']['min']:.1f} m" in SAFETY


def test_landings_that_a_failsafe_orders_are_told() -> None:
    flown = result("failsafes.json")
    guard, advise = (flown["levels"][level]["shares"] for level in ("guard", "advise"))
    safe = guard["success"]
    near, met = (
        f"a person within 2 m in {told['count']} of {told['of']}"
        for told in (guard["person_within_2m"], advise["person_within_2m"])
    )
    assert f"{safe['count']} of {safe['of']} safe where a site exists, {near}, none held longer" in SAFETY
    assert guard["held_too_long"]["count"] == guard["battery_empty"]["count"] == 0
    assert f'with `"advise"` {advise["success"]["count"]} of {advise["success"]["of"]}, {met}' in SAFETY
    lost = Counter(
        " ".join(row["reason"].split(": ")[-1].split(",")[0].split()[:2])
        for row in flown["levels"]["guard"]["not_safe"]
    )
    assert lost == {"slope": 3, "a person": 2, "met what": 1}
    assert f"**Of the other {safe['of'] - safe['count']}, 2 came down beside a person**" in SAFETY
    assert "3 ended on a slope, 1 against what stands." in SAFETY
    apart = guard["unsafe"]["count"] - (safe["of"] - safe["count"])
    assert f"hardly one, {apart} of {guard['person_within_2m']['of'] - safe['of']} ended on ground" in SAFETY


def test_what_the_network_answers_in_poor_pictures_is_told() -> None:
    kinds = result("poor_pictures.json")["kinds"]
    fog, grey, clear, half = (
        kinds[kind]
        for kind in (
            "in fog that leaves 25 % of the contrast",
            "without colour",
            "as they are",
            "in fog that leaves 50 % of the contrast",
        )
    )
    found = [kind["people found"]["count"] for kind in (fog, grey, clear, half)]
    of, land = fog["people found"]["of"], [100 * kind["hazards called landable"] for kind in (fog, grey, clear)]
    assert f"finds {found[0]} and {found[1]} of {of} people ({found[2]} in the pictures as they are)" in SAFETY
    assert f"calls {land[0]:.0f} and {land[1]:.0f} % of hazards landable ({land[2]:.0f} %)" in SAFETY
    assert f"at half of the contrast it finds {found[3]}." in SAFETY


def test_water_that_is_called_dry_is_told() -> None:
    seen = result("seen_dry.json")
    discs = Counter(seen["discs"])
    assert f"Of {discs['water']} discs of water in {seen['worlds']} drawn worlds" in SAFETY
    assert f"the demo network called {discs['water, dry from 12 m']} dry from 12 m" in SAFETY
    wet, kept = discs["landable, wet from 3 m"], discs["landable, wet from 3 m, dry from 12 m"]
    assert f"of {discs['landable']} discs of landable ground it called {wet} wet from 3 m, {kept} of them dry" in SAFETY


def test_flights_with_mistakes_of_set_up_are_told() -> None:
    flown = result("mistaken_flights.json")
    shares = flown["mistaken"]["shares"]
    medians = {kind: figures["median_s"] for kind, figures in flown["kinds"].items()}
    assert f"{flown['scenes']} {flown['split']} scenes with a mistake of set-up" in SAFETY
    assert shares["mistake_named"]["count"] == flown["scenes"]
    assert not any(kind.startswith("landed") for d in flown["kinds"].values() for kind in d["verdicts"])
    slowest = max(s for kind, s in medians.items() if kind != "height")
    assert f"a wrong height {medians['height']:.0f} s after it began in the median" in SAFETY
    assert slowest < 9.0 and "every other kind within 9 s" in SAFETY
    safe, given_up = (flown["right"]["shares"][name] for name in ("success", "false_no_site"))
    assert f"{safe['count']} of {safe['of']} landings safe, {given_up['count']} of {given_up['of']} given up" in SAFETY
