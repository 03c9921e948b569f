"""A daemon with authority `land` is handed the vehicle over by a mode that the pilot enters in the air."""

from __future__ import annotations

from typing import Any

import pytest

from sim.vehicle.processes import FlightError
from sim.vehicle.sitl.ardupilot import GUIDED, ArduPilotSitl
from sim.vehicle.sitl.px4 import Px4Sitl

HEARTBEAT_S = 1.0


class FakeStation:
    """Keeps the modes that a heartbeat would tell of, after the one of the take-off."""

    def __init__(self) -> None:
        self.mode, self.told = GUIDED, [GUIDED]

    def set_mode(self, custom_mode: int, sub_mode: int = 0) -> None:
        self.mode = custom_mode

    def wait(self, seconds: float) -> None:
        if seconds > HEARTBEAT_S:
            self.told.append(self.mode)


def test_ardupilot_enters_guided_from_another_mode() -> None:
    station: Any = FakeStation()
    object.__new__(ArduPilotSitl).hand_over(station)
    assert station.mode == GUIDED
    assert len(station.told) == 2 and station.told[-1] != GUIDED


def test_px4_has_nobody_who_hands_over() -> None:
    with pytest.raises(FlightError, match="authority guard"):
        object.__new__(Px4Sitl).hand_over(FakeStation())  # type: ignore[arg-type]
