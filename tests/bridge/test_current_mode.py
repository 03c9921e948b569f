"""No command goes out while a pilot may have switched the mode and nothing has told it yet."""

from __future__ import annotations

import pytest

from firmware_bridge.commands import ANSWER_WITHIN_NS, LONGEST_NS
from firmware_bridge.dialect import CurrentModeMessage, mavlink
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from firmware_bridge.vehicle import mode_number
from landing.command.orders import AnswerKind, CommandRequest, FlyTo, Hold
from landing.globe import GlobalFix, GlobalPlace
from landing.vehicle import Autopilot

MS, S = 1_000_000, 1_000_000_000
COMMANDS = {"COMMAND_LONG", "COMMAND_INT"}


class Line:
    """A link to one autopilot, by hand; `now_ns` is the time of what is said next."""

    def __init__(self, autopilot: Autopilot = Autopilot.PX4) -> None:
        self.telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:0", commands=True))
        self.now_ns = 10 * S
        self._autopilot = autopilot
        self._mav = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)

    def number(self, mode: str) -> int:
        main, sub = mode_number(self._autopilot, mode)
        return main << 16 | sub << 24 if self._autopilot is Autopilot.PX4 else main

    def hear(self, message) -> None:
        frame = message.pack(self._mav)
        self._mav.seq = (self._mav.seq + 1) % 256
        self.telemetry.feed(bytes(frame), self.now_ns)

    def beat(self, mode: str) -> None:
        px4 = self._autopilot is Autopilot.PX4
        kind = mavlink.MAV_AUTOPILOT_PX4 if px4 else mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
        self.hear(mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_QUADROTOR, kind, 128, self.number(mode), 4, 3))

    def current(self, mode: str) -> None:
        self.hear(CurrentModeMessage(0, self.number(mode), self.number(mode)))

    def alive(self) -> None:
        self.hear(mavlink.MAVLink_radio_status_message(0, 0, 0, 0, 0, 0, 0))

    def ask(self, command, number: int = 1) -> None:
        self.telemetry.fixes.newest = GlobalFix(self.now_ns, GlobalPlace(47.0, 8.0, 500.0), (0.0, 0.0, -8.0))
        self.telemetry.ask(CommandRequest(number, command), self.now_ns)

    def sent(self):
        """The command that goes out now; None where none does."""
        message = self.telemetry.request(self.now_ns)
        commands = (mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_CMD_DO_REPOSITION)
        return message if message is not None and getattr(message, "command", None) in commands else None


def test_a_pilots_switch_that_current_mode_tells_stops_a_repeat_of_px4s_reposition():
    line = Line()
    line.beat("AUTO.LOITER")
    line.current("AUTO.LOITER")
    line.ask(FlyTo((3.0, 0.0, -8.0)))
    assert line.sent() is not None
    line.now_ns += 200 * MS
    line.current("POSCTL")
    line.now_ns += ANSWER_WITHIN_NS
    line.alive()
    assert line.sent() is None
    assert line.telemetry.vehicle.status(line.now_ns).next_mode == "POSCTL"
    line.beat("POSCTL")
    assert line.telemetry.vehicle.status(line.now_ns).next_mode == ""


def test_nor_is_a_first_try_sent_against_it():
    line = Line()
    line.beat("AUTO.PRECLAND")
    line.now_ns += 400 * MS
    line.current("POSCTL")
    line.now_ns += 50 * MS
    line.ask(Hold())
    assert line.sent() is None


def test_without_current_mode_px4_is_asked_again_only_after_a_heartbeat_that_tells_the_mode():
    line = Line()
    line.beat("AUTO.LOITER")
    line.ask(FlyTo((3.0, 0.0, -8.0)))
    assert line.sent() is not None
    for _ in range(3):
        line.now_ns += ANSWER_WITHIN_NS
        line.alive()
        assert line.sent() is None
    line.beat("AUTO.LOITER")
    assert line.sent() is not None


def test_a_stream_that_comes_lets_the_repeats_of_a_lost_command_through():
    line = Line()
    line.beat("AUTO.PRECLAND")
    line.ask(Hold())
    assert line.sent() is not None
    tries = 0
    for _ in range(6):
        line.now_ns += ANSWER_WITHIN_NS
        line.current("AUTO.PRECLAND")
        tries += line.sent() is not None
    assert tries == 4


@pytest.mark.parametrize("autopilot", [Autopilot.PX4, Autopilot.ARDUPILOT])
def test_nothing_is_sent_to_an_autopilot_that_has_fallen_silent_and_later_it_is_too_old(autopilot):
    line = Line(autopilot)
    line.beat("AUTO.PRECLAND" if autopilot is Autopilot.PX4 else "LAND")
    line.now_ns += 600 * MS
    line.ask(Hold())
    assert line.sent() is None
    line.now_ns += LONGEST_NS + MS
    line.alive()
    assert line.sent() is None
    (answer,) = line.telemetry.command_tracker.take_answers()
    assert answer.kind is AnswerKind.SILENT and "0 tries" in answer.detail


def test_ardupilots_heartbeat_comes_with_the_change_so_its_repeats_need_no_other_word():
    line = Line(Autopilot.ARDUPILOT)
    line.beat("LAND")
    line.ask(Hold())
    assert line.sent() is not None
    line.now_ns += ANSWER_WITHIN_NS
    line.alive()
    assert line.sent() is not None
    line.now_ns += ANSWER_WITHIN_NS
    line.beat("LOITER")
    line.telemetry.command_tracker.withdraw()  # as the authority does
    assert line.sent() is None
