"""A flight with everything that is kept of it: result, picture, logs."""

from __future__ import annotations

import json
from collections.abc import Callable

from sim.flight.fly import fly, quiet
from sim.flight.picture import draw_flight
from sim.flight.plan import FlightPlan, FlightResult


def fly_one(plan: FlightPlan, say: Callable[[str], None] = quiet) -> FlightResult:
    """Flies a plan and writes `result.json` and `landing.png` into its folder.

    Args:
        plan: What to fly.
        say: Told how the flight goes.

    Raises:
        FlightError: A process of the simulation failed.
        MissingSimulatorError: The autopilot's simulator is not installed.
        TouchdownError: The world or its start cannot be made.
    """
    result, world, track = fly(plan, say)
    picture = plan.out / "landing.png"
    draw_flight(plan, result, world, track, picture)
    result.picture = str(picture)
    (plan.out / "result.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", "utf-8")
    return result
