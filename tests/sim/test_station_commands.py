"""The simulated ground station asks again for what an autopilot rejects for now, as a pilot would."""

from __future__ import annotations

import pytest

from firmware_bridge.dialect import mavlink
from landing.errors import LinkError
from sim.vehicle.ground_station import TAKES_S, GroundStation

ACCEPTED, DENIED = mavlink.MAV_RESULT_ACCEPTED, mavlink.MAV_RESULT_DENIED
FOR_NOW = mavlink.MAV_RESULT_TEMPORARILY_REJECTED


class Answered(GroundStation):
    """A station whose commands are answered by a list, the last answer for ever; waiting is what takes time."""

    def __init__(self, *answers: int | None) -> None:
        self.answers, self.asked = list(answers), 0
        self.clock_ns = lambda: self.time_ns
        self.time_ns = 0

    def try_command(self, command: int, *parameters: float) -> int | None:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def wait(self, seconds: float) -> None:
        self.time_ns += round(seconds * 1e9)


def test_what_is_rejected_for_now_is_asked_for_again() -> None:
    """PX4 1.15 takes a mission, and needs a moment more before its mode can be entered."""
    station = Answered(FOR_NOW, FOR_NOW, ACCEPTED)
    station.set_mode(4, 4)
    assert station.asked == 3


def test_what_is_rejected_for_long_is_an_error() -> None:
    station = Answered(FOR_NOW)
    with pytest.raises(LinkError, match="refused, with result 1, command 176"):
        station.set_mode(4, 4)
    assert TAKES_S <= station.now_s < TAKES_S + 1.0


@pytest.mark.parametrize(("answer", "says"), [(DENIED, "refused, with result 2"), (None, "did not acknowledge")])
def test_a_refusal_is_not_asked_for_again(answer: int | None, says: str) -> None:
    station = Answered(answer)
    with pytest.raises(LinkError, match=says):
        station.set_mode(4, 4)
    assert station.asked == 1
