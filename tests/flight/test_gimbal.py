"""Landings with a camera on a gimbal that looks ahead until they begin.

`tests/edge/test_pointing.py` has who controls it; `tests/sitl` flies one on ArduPilot's own simulator.
"""

from __future__ import annotations

import numpy as np
import pytest

from landing.settings import AuthorityLevel, AuthoritySettings
from sim.vehicle.autopilot import Mode
from sim.vehicle.autopilot.mount import SERVO, GimbalRules
from tests.flight.in_process import InProcessFlight
from tests.landing.worlds import GRASS, ROOF

ADVISE = AuthoritySettings(level=AuthorityLevel.ADVISE)
OURS = (1, 191)


def hovering(height_m: float = 25.0, **kwargs) -> InProcessFlight:
    flight = InProcessFlight(ADVISE, height_m=height_m, gimbal=GimbalRules.ARDUPILOT, **kwargs)
    flight.run_for(3.0)
    return flight


def states(flight: InProcessFlight) -> list[str]:
    return [e["state"] for e in flight.events if e["event"] == "gimbal"]


def orders(flight: InProcessFlight) -> list[str]:
    return [e["order"] for e in flight.events if e["event"] == "gimbal-order"]


def holds(flight: InProcessFlight) -> list[str]:
    return [e["reason"] for e in flight.events if e["event"] == "transition" and e["to_state"] == "hold"]


def test_it_is_pointed_down_when_a_landing_begins_and_released_when_it_is_over():
    flight = hovering(height_m=10.0)
    assert orders(flight) == [] and flight.autopilot.mount.pitch_deg == 0.0
    flight.switch(Mode.LAND)
    flight.run(lambda: flight.autopilot.mount.primary == OURS, 2)
    flight.run(lambda: states(flight)[-1] == "down", 10)
    assert flight.autopilot.mount.pitch_deg == pytest.approx(-90.0)
    assert holds(flight) == ["the gimbal turns the camera down"]
    flight.run(lambda: flight.landed, 60)
    assert "commit" in [e["to_state"] for e in flight.events if e["event"] == "transition"]
    flight.run(lambda: flight.autopilot.mount.primary == (0, 0), 10)
    flight.run_for(3.0)
    assert orders(flight) == ["take", "point", "release"]
    assert [text for text in flight.said if "Gimbal" in text] == ["Gimbal: camera looks down", "Gimbal: released"]


def test_a_mount_that_reports_what_it_was_told_is_not_believed_while_it_turns():
    """It looks at grass far ahead while it says that it looks straight down, where there is a roof."""
    flight = hovering(mount_type=SERVO, ground=lambda n, e: np.where(n > 12.0, GRASS, ROOF))
    flight.switch(Mode.LAND)
    flight.run(lambda: "down" in states(flight), 10)
    flight.run_for(3.0)
    chosen = [e["site"]["position_ned_m"] for e in flight.events if e["event"] in ("site-chosen", "site-changed")]
    assert all(north > 12.0 for north, _, _ in chosen), chosen
