"""The figures of SAFETY.md that speak against the vehicle are those of the committed results."""

from __future__ import annotations

import json
from typing import Any

from tests.docs.pages import ROOT

SAFETY = " ".join((ROOT / "SAFETY.md").read_text("utf-8").split())


def result(name: str) -> dict[str, Any]:
    """A committed result of a benchmark."""
    return dict(json.loads((ROOT / "benchmarks" / "results" / name).read_text("utf-8")))


def test_failsafe_landings_on_the_autopilots_own_simulators() -> None:
    series = result("sitl-failsafes.json")["series"]
    px4, ardupilot = series["px4"], series["ardupilot"]
    flights = [*ardupilot["flights"], *px4["flights"]]
    beside = [f["person_m"] for f in flights if f["verdict"] == "landed-unsafe"]
    held = [f["overrun_s"] for f in flights if f["held_too_long"]]
    safe = [f"{one['summary']['verdicts']['landed-safe']} of {one['summary']['flights']}" for one in (ardupilot, px4)]
    assert f"{safe[0]} safe on ArduCopter 4.7, {safe[1]} on PX4 1.17" in SAFETY
    assert f"The others came down within {max(beside):.1f} m of the person" in SAFETY
    assert len(held) == 1 and f"One on PX4 was held up for {max(held):.0f} s" in SAFETY


def test_people_near_the_end_of_a_landing_are_told() -> None:
    ours = result("proving_ground.json")["touchdown"]
    landings, nearest_m = ours["shares"]["person_within_2m"]["of"], ours["last_5m_person_m"]["least"]
    assert f"In one at least of those {landings} landings somebody was as near as {nearest_m:.1f} m" in SAFETY
    soon = result("failsafes.json")["levels"]["guard"]["shares"]["reaction_within_300ms"]
    assert f"failsafe landings {soon['count']} of {soon['of']} in view were answered so soon" in SAFETY
    stopped = result("sitl-ardupilot.json")["series"]["hazard"]["summary"]
    assert f"{stopped['verdicts']['landed-safe']} of {stopped['flights']} on ArduCopter 4.6.2" in SAFETY
    assert f"nearest person {stopped['person_m']['min']:.1f} m" in SAFETY
