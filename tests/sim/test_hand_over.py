"""A daemon with authority `land` is handed the vehicle over by a mode that the pilot enters in the air."""

from __future__ import annotations

from typing import Any

from sim.vehicle.sitl.ardupilot import GUIDED, ArduPilotSitl
from sim.vehicle.sitl.px4 import MAIN_AUTO, MAIN_POSITION, Px4Sitl

HEARTBEAT_S = 1.0


class FakeStation:
    """Keeps the modes that a heartbeat would tell of, after the one of the take-off."""

    def __init__(self) -> None:
        self.mode, self.told = GUIDED, [GUIDED]
        self.joystick = False

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


def test_px4_enters_its_hold_from_a_mode_that_is_flown_by_hand() -> None:
    station: Any = FakeStation()
    object.__new__(Px4Sitl).hand_over(station)
    assert station.joystick and station.mode == MAIN_AUTO and station.told[-1] == MAIN_POSITION
