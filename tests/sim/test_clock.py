"""Which clock `sim land` flies on, and how a machine that is too slow is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.timings import Percentiles
from landing.errors import LinkError, TouchdownError
from sim.flight.clock import ClockChoice, Pace, measure_pace
from sim.flight.plan import FlightPlan, FlightResult
from sim.flight.too_slow import too_slow
from sim.vehicle.processes import FlightError, TooLateError
from tests.edge.fake_model import save

FAST, SLOW = Pace(60.0, 0.5, 2), Pace(733.0, 0.5, 2)
LOADED = Pace(60.0, 20.0, 2)
WORDS = "too slow: 1.0 decisions/s, needs 4; inference 733 ms"


def status(at_s: float, decisions: int, inference_ms: float, age_ms: float) -> dict[str, Any]:
    """As `edge.daemon` writes it, of a camera with 10 frames/s."""
    timings = {
        name: vars(Percentiles(ms, ms, ms, decisions)) for name, ms in (("inference", inference_ms), ("age", age_ms))
    }
    return {
        "event": "status",
        "mono_ns": round(at_s * 1e9),
        "decisions": decisions,
        "rates_hz": {"camera": 10.0, "pipeline": 9.9},
        "timings_ms": timings,
    }


READY = {"event": "ready", "mono_ns": 0}


def test_slowness_is_told_from_the_regular_status() -> None:
    assert too_slow([READY, status(10.0, 10, 733.0, 1041.0)]) == WORDS


def test_it_is_told_where_the_time_goes() -> None:
    words = too_slow([READY, status(10.0, 15, 2.0, 700.0)])
    assert words is not None and "1.5 decisions/s" in words
    assert words.endswith("inference 2 ms, frame to decision 700 ms")


def test_slowness_is_told_in_the_words_of_the_daemon_itself() -> None:
    words = "too slow: camera gives 2.0 frames/s, needs 3.3"
    said = {"event": "too-slow", "mono_ns": 9_000_000_000, "reason": words}
    assert too_slow([READY, said]) == words
    assert too_slow([READY, said, status(10.0, 100, 60.0, 80.0)]) == words


def test_it_is_told_even_when_the_daemon_was_quick_enough_at_other_times() -> None:
    good = status(20.0, 110, 60.0, 80.0)
    assert too_slow([READY, status(10.0, 10, 733.0, 1041.0), good]) == WORDS


@pytest.mark.parametrize(
    "events",
    [
        [],
        [READY],
        [READY, status(10.0, 100, 60.0, 80.0)],
        # Few frames, each decided on at once: a camera that stalled, not a slow computer.
        [READY, status(10.0, 10, 60.0, 80.0)],
        # Late, but often enough.
        [READY, status(10.0, 45, 200.0, 260.0)],
    ],
)
def test_what_is_no_slow_machine(events: list[dict[str, Any]]) -> None:
    assert too_slow(events) is None


class Flights:
    """Flies nothing, and gives the results it was told to, or raises them."""

    def __init__(self, *results: FlightResult | Exception) -> None:
        self.results = list(results)
        self.flown: list[FlightPlan] = []
        self.paces = 0
        self.said: list[str] = []

    def __call__(self, plan: FlightPlan, say: Any) -> FlightResult:
        self.flown.append(plan)
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return replace(result, clock=plan.clock)

    @property
    def clocks(self) -> list[str]:
        return [plan.clock for plan in self.flown]


def result(verdict: str = "landed-safe", slow: str = "") -> FlightResult:
    return FlightResult(world="w", seed=0, verdict=verdict, too_slow=slow, reason=slow)


def choice(clock: str, flights: Flights, *paces: Pace) -> ClockChoice:
    left = list(paces)

    def measure(_model: Path, _threads: int) -> Pace:
        flights.paces += 1
        return left.pop(0)

    return ClockChoice(clock, flights.said.append, measure, flights)


def plan(autopilot: str = "stand-in") -> FlightPlan:
    return FlightPlan(model=Path("m.onnx"), out=Path("out"), autopilot=autopilot)


def fly(chosen: ClockChoice, autopilot: str = "stand-in") -> FlightResult:
    return chosen.fly(plan(autopilot), plan(autopilot))


def test_a_machine_that_keeps_up_flies_real_processes() -> None:
    flights = Flights(result())
    assert fly(choice("auto", flights, FAST)).clock == "real"
    assert flights.clocks == ["real"] and flights.flown[0].ends_when_slow
    assert flights.said[-1].startswith("clock: real") and "60 ms" in flights.said[-1]


@pytest.mark.parametrize("pace", [SLOW, LOADED])
def test_a_machine_that_does_not_flies_the_simulated_clock_and_says_why(pace: Pace) -> None:
    flights = Flights(result())
    assert fly(choice("auto", flights, pace)).clock == "simulated"
    assert flights.clocks == ["simulated"]
    assert flights.said[-1].startswith("clock: simulated") and str(pace) in flights.said[-1]


def test_a_daemon_that_turns_out_starved_is_named_and_flown_again() -> None:
    flights = Flights(result("no-site", WORDS), result(), result())
    chosen = choice("auto", flights, FAST, SLOW)
    assert fly(chosen).verdict == "landed-safe"
    assert flights.clocks == ["real", "simulated"]
    assert any(WORDS in line and "does not keep up" in line for line in flights.said)
    fly(chosen)
    assert flights.clocks == ["real", "simulated", "simulated"]  # and so are the next


@pytest.mark.parametrize("error", [TooLateError("edge serve was not ready in time"), LinkError("no heartbeat in 30 s")])
def test_processes_that_did_not_start_in_time_are_flown_again(error: Exception) -> None:
    flights = Flights(error, result())
    assert fly(choice("auto", flights, FAST)).clock == "simulated"
    assert any(str(error) in line for line in flights.said)


def test_a_machine_that_became_busy_is_measured_again() -> None:
    flights = Flights(result("no-site"), result())
    assert fly(choice("auto", flights, FAST, LOADED)).clock == "simulated"


def test_bad_ground_on_a_machine_that_keeps_up_stays_an_abstention() -> None:
    flights = Flights(result("no-site"))
    assert fly(choice("auto", flights, FAST, FAST)).verdict == "no-site"
    assert flights.clocks == ["real"]


def test_a_bad_landing_is_excused_by_no_slow_machine() -> None:
    flights = Flights(result("landed-unsafe"))
    assert fly(choice("auto", flights, FAST)).verdict == "landed-unsafe"
    assert flights.clocks == ["real"] and flights.paces == 1


def test_a_daemon_that_died_is_not_hidden() -> None:
    with pytest.raises(FlightError, match="status 70"):
        fly(choice("auto", Flights(FlightError("edge serve ended with status 70")), FAST))


@pytest.mark.parametrize("clock", ["real", "simulated"])
def test_a_clock_that_was_asked_for_is_kept(clock: str) -> None:
    flights = Flights(result("no-site", WORDS))
    done = fly(choice(clock, flights))
    assert flights.clocks == [clock] and flights.paces == 0
    assert done.reason == WORDS and not flights.flown[0].ends_when_slow


def test_a_real_autopilot_flies_in_real_time_only() -> None:
    flights = Flights(result())
    assert fly(choice("auto", flights), "px4").clock == "real"
    assert "px4" in flights.said[-1] and flights.paces == 0
    with pytest.raises(TouchdownError, match=r"ardupilot.*real time"):
        fly(choice("simulated", Flights()), "ardupilot")


def test_another_clock_is_refused_with_those_there_are() -> None:
    with pytest.raises(TouchdownError, match=r"'sundial'.*auto, real, simulated"):
        choice("sundial", Flights())


def test_the_measure_runs_the_network(tmp_path: Path) -> None:
    save(tmp_path / "model.onnx", width_px=64, height_px=48)
    pace = measure_pace(tmp_path / "model.onnx", 1)
    assert 0.0 < pace.inference_ms < 5000.0
    assert pace.cores >= 1 and np.isfinite(pace.load)
