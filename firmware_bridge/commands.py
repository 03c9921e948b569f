"""Commands to the autopilot, each followed until it is acknowledged. Pure: time is given.

What is sent, and why in this form (read in ArduCopter 4.6, PX4 1.15 and 1.18):

======= =============================== =====================================================
        ArduPilot                       PX4
======= =============================== =====================================================
Hold    DO_SET_MODE GUIDED              DO_SET_MODE AUTO.LOITER
FlyTo   DO_REPOSITION                   DO_REPOSITION with its CHANGE_MODE flag, without which
                                        PX4 answers UNSUPPORTED
Land    DO_SET_MODE LAND                DO_SET_MODE AUTO.PRECLAND: NAV_LAND is acknowledged and
                                        forgets the targets
======= =============================== =====================================================

DO_REPOSITION and not SET_POSITION_TARGET_LOCAL_NED, because it is acknowledged, and because PX4 takes the latter in
OFFBOARD only. It wants latitude and longitude: they are made from the site's offset to the vehicle and the vehicle's
own global position, so that neither the local frame's origin nor the autopilot's model of the earth comes in (over 30 m
models agree to centimetres). After the local frame has moved the place before says nothing of it: the next one is
waited for. On ArduPilot it goes without CHANGE_MODE: a pilot who has just switched away is not overruled. Both turn
their nose to where they are sent (WP_YAW_BEHAVIOR, MPC_YAW_MODE). Where a heading is asked for, PX4 takes it in
DO_REPOSITION. To ArduPilot SET_POSITION_TARGET_GLOBAL_INT to the same place with that heading follows once the flight
is acknowledged, and nobody waits for its answer. On PX4, and for each change of mode, `firmware_bridge.current_mode`
says whether the mode is known well enough to send a try, the first one and each repeat.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware_bridge.dialect import command_long, enum_words, mavlink
from firmware_bridge.vehicle import COPTER_TYPES, AutopilotId, mode_number
from landing.command.orders import AnswerKind, CommandAnswer, CommandRequest, FlightCommand, FlyTo, Hold
from landing.errors import InvalidValueError
from landing.globe import GlobalFix
from landing.vehicle import FLIGHT_MODES, Autopilot, FlightModes

# Longer than a round trip on a telemetry radio, short enough to be asked three times a second
ANSWER_WITHIN_NS = 300_000_000
PROGRESS_WITHIN_NS = 3_000_000_000  # After IN_PROGRESS the autopilot has this long for its next word
TRIES = 5
# A request is given up after so long: what was right when it was made may be against what a pilot did since
LONGEST_NS = 3_000_000_000
IN_PROGRESS_NS = 10_000_000_000  # The same, of one that the autopilot says is in progress, however often it says so
OVERDUE_NS = 1_000_000_000  # An answer to a request that was put aside may still come for so long
GLOBAL_FRESH_NS = 1_000_000_000  # Also the time for which a flight waits for a place on the globe
FARTHEST_M = 200.0  # A target farther away than this is a fault upstream
PLACE_AND_YAW = 0b1001_1111_1000  # What a position target has not: speeds, accelerations, and the rate of the yaw

RESULT_WORDS = enum_words("MAV_RESULT_")

FixNow = Callable[[], GlobalFix | None]
"""Gives the vehicle's newest place on the globe; None while none is known in the newest local frame."""


def command_message(command: FlightCommand, to: AutopilotId, fix: GlobalFix | None, confirmation: int) -> Any:
    """Return the message that asks for a command.

    A flight to a place needs a fix of the vehicle's position on the globe. `confirmation` counts up from 0.

    Raises:
        InvalidValueError: The autopilot's commands are not known, or there is no fix.
    """
    modes = FLIGHT_MODES.get(to.autopilot)
    # ArduPlane's modes have ArduCopter's names, other numbers, and a wing's meaning.
    plane = to.autopilot is Autopilot.ARDUPILOT and to.vehicle_type not in COPTER_TYPES
    if modes is None or plane:
        kind = f"{to.autopilot.value} plane" if plane else to.autopilot.value
        raise InvalidValueError(f"commands of autopilot '{kind}' are not known")
    if isinstance(command, FlyTo):
        if fix is None:
            raise InvalidValueError("no GLOBAL_POSITION_INT of the last second to fly by")
        return _reposition(command, to, fix)
    name = _mode_of(command, modes)
    custom_mode, custom_sub_mode = mode_number(to.autopilot, name)
    flag = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
    command_id, tries = mavlink.MAV_CMD_DO_SET_MODE, min(confirmation, 255)
    return command_long(to.system, to.component, command_id, flag, custom_mode, custom_sub_mode, confirmation=tries)


def _mode_of(command: FlightCommand, modes: FlightModes) -> str:
    """Return the mode that a change of mode asks for; empty for another command."""
    if isinstance(command, FlyTo):
        return ""
    return modes.hold if isinstance(command, Hold) else modes.land[0]


def _reposition(command: FlyTo, to: AutopilotId, fix: GlobalFix) -> Any:
    position_ned_m, px4 = command.position_ned_m, to.autopilot is Autopilot.PX4
    away_m = math.dist(position_ned_m, fix.position_ned_m)
    if not away_m <= FARTHEST_M:
        raise InvalidValueError(f"position {position_ned_m} is {away_m:.0f} m away, at most {FARTHEST_M:.0f} m")
    place = fix.global_of(position_ned_m)
    change_mode = float(mavlink.MAV_DO_REPOSITION_FLAGS_CHANGE_MODE)
    return mavlink.MAVLink_command_int_message(
        to.system,
        to.component,
        mavlink.MAV_FRAME_GLOBAL,  # above mean sea level: the one form that both take alike
        mavlink.MAV_CMD_DO_REPOSITION,
        0,
        0,
        -1.0,  # speed: the autopilot's own
        change_mode if px4 else 0.0,
        0.0,
        command.heading_rad if px4 and command.heading_rad is not None else math.nan,
        round(place.latitude_deg * 1e7),
        round(place.longitude_deg * 1e7),
        place.altitude_m,
    )


def _headed(asked: Any, heading_rad: float | None) -> Any:
    """Return what asks ArduPilot for a heading on a flight that it has been asked for; None without one."""
    if heading_rad is None:
        return None
    nothing = (0.0,) * 6
    return mavlink.MAVLink_set_position_target_global_int_message(
        0,
        asked.target_system,
        asked.target_component,
        mavlink.MAV_FRAME_GLOBAL_INT,
        PLACE_AND_YAW,
        asked.x,
        asked.y,
        asked.z,
        *nothing,
        heading_rad,
        0.0,
    )


@dataclass
class _Asked:
    number: int
    message_of: Callable[[int], Any]
    command_id: int
    next_ns: int
    until_ns: int
    end_ns: int
    tries: int = 0
    last_ns: int | None = None
    said: str = ""
    mode: str = ""  # Reported, it was done; empty where that tells nothing
    then: Any = None  # To be sent once after it was accepted, without waiting for an answer


@dataclass
class _Overdue:
    """Acknowledgements that may still come for a request that was put aside.

    COMMAND_ACK names the command and not the request: without this the answer to "land" would pass for that to the
    "hold" right after it, as both are DO_SET_MODE.
    """

    command_id: int = -1
    left: int = 0
    until_ns: int = 0

    def takes(self, now_ns: int) -> bool:
        """Return whether an acknowledgement now belongs to what was put aside."""
        if self.left == 0 or now_ns > self.until_ns:
            return False
        self.left -= 1
        return True


@dataclass(frozen=True)
class _Unplaced:
    """A request of flight that waits for the vehicle's place."""

    number: int
    flight: FlyTo
    to: AutopilotId
    fix_now: FixNow
    until_ns: int


class CommandTracker:
    """Follows one request at a time; a newer one takes its place.

    A request is sent at once, and again every 0.3 s until it is acknowledged, at most five times and for 3 s, and
    only while the mode is known (`firmware_bridge.current_mode`). "Temporarily rejected" is asked again, "in
    progress" waited for, 10 s at most; any other refusal is final. A mode that is reported is not asked for again,
    though its acknowledgement was lost: a pilot who leaves it at once is not overruled.
    """

    def __init__(self) -> None:
        self._asked: _Asked | None = None
        self._answers: list[CommandAnswer] = []
        self._overdue = _Overdue()
        self._then: Any = None
        self._unplaced: _Unplaced | None = None

    def ask(self, request: CommandRequest, to: AutopilotId, fix_now: FixNow, now_ns: int, mode: str = "") -> None:
        """Begins to ask in a mode, by its name; what cannot be asked is answered with a refusal."""
        if isinstance(request.command, FlyTo):
            self._put_aside(now_ns)
            until_ns = now_ns + GLOBAL_FRESH_NS
            self._unplaced = _Unplaced(request.number, request.command, to, fix_now, until_ns)
            self._place(now_ns)
            return
        self.follow(request.number, lambda tries: command_message(request.command, to, None, tries), now_ns)
        if self._asked is not None:
            wanted = _mode_of(request.command, FLIGHT_MODES[to.autopilot])
            self._asked.mode = wanted if wanted != mode else ""

    def _place(self, now_ns: int) -> None:
        """Begins to ask for a flight once the vehicle's place is known, or refuses it when it has not come in time."""
        waiting = self._unplaced
        if waiting is None:
            return
        to, fix = waiting.to, waiting.fix_now()
        flight = None if fix is None else waiting.flight.in_frame(fix.frame)
        if fix is not None and (flight is None or now_ns - fix.at_ns > GLOBAL_FRESH_NS):
            fix = None
        if fix is None and now_ns < waiting.until_ns:
            return
        command = flight or waiting.flight
        self.follow(waiting.number, lambda tries: command_message(command, to, fix, tries), now_ns)
        if self._asked is not None and to.autopilot is Autopilot.ARDUPILOT:
            self._asked.then = _headed(self._asked.message_of(0), command.heading_rad)

    def on_mode(self, mode: str, now_ns: int) -> None:
        """Take the mode in a heartbeat, by its name."""
        asked = self._asked
        if asked is not None and asked.tries > 0 and mode and mode == asked.mode:
            self._close(AnswerKind.ACCEPTED, RESULT_WORDS[mavlink.MAV_RESULT_ACCEPTED])
            self._overdue = _Overdue(asked.command_id, asked.tries, now_ns + OVERDUE_NS)

    def follow(self, number: int, message_of: Callable[[int], Any], now_ns: int) -> None:
        """Begins to ask with the message for each try, from 0; one that cannot be made is answered with a refusal."""
        self._put_aside(now_ns)
        try:
            first = message_of(0)
        except InvalidValueError as error:
            self._answers.append(CommandAnswer(number, AnswerKind.REFUSED, str(error)))
            return
        if self._overdue.command_id != first.command:
            self._overdue = _Overdue()
        limits = now_ns + LONGEST_NS, now_ns + IN_PROGRESS_NS
        self._asked = _Asked(number, message_of, int(first.command), now_ns, *limits)

    def withdraw(self) -> None:
        """Does not ask again."""
        self._asked = self._then = self._unplaced = None
        self._answers = []

    @property
    def last_ns(self) -> int | None:
        """Time of the last try of the present request; None before the first."""
        return None if self._asked is None else self._asked.last_ns

    def due(self, now_ns: int, *, may_ask: bool = True) -> Any:
        """The message to send now, or None; nothing is sent while it may not be asked."""
        self._place(now_ns)
        asked = self._asked
        if asked is None:
            then, self._then = self._then, None
            return then if may_ask else None
        if now_ns < asked.next_ns:
            return None
        said = f", the last answer was '{asked.said}'" if asked.said else ""
        if asked.tries >= TRIES or now_ns > asked.until_ns:
            self._close(AnswerKind.SILENT, f"not acknowledged in {asked.tries} tries{said}")
            return None
        if not may_ask:
            return None
        message = asked.message_of(asked.tries)
        asked.tries += 1
        asked.last_ns, asked.next_ns = now_ns, now_ns + ANSWER_WITHIN_NS
        return message

    def on_ack(self, message: Any, now_ns: int) -> None:
        """Takes a COMMAND_ACK that is meant for us."""
        asked = self._asked
        if asked is None or asked.tries == 0 or message.command != asked.command_id:
            return
        if self._overdue.takes(now_ns):
            return
        words = RESULT_WORDS.get(message.result, f"result {message.result}")
        if message.result == mavlink.MAV_RESULT_ACCEPTED:
            self._close(AnswerKind.ACCEPTED, words)
        elif message.result == mavlink.MAV_RESULT_IN_PROGRESS:
            asked.next_ns = min(now_ns + PROGRESS_WITHIN_NS, asked.end_ns)
            asked.until_ns = min(asked.next_ns + LONGEST_NS, asked.end_ns)
            asked.said = words
        elif message.result == mavlink.MAV_RESULT_TEMPORARILY_REJECTED:
            asked.said = words
        else:
            self._close(AnswerKind.REFUSED, words)

    def take_answers(self) -> tuple[CommandAnswer, ...]:
        """The answers since the last call."""
        answers, self._answers = tuple(self._answers), []
        return answers

    def _put_aside(self, now_ns: int) -> None:
        asked, self._asked, self._then, self._unplaced = self._asked, None, None, None
        if asked is not None and asked.tries > 0:
            self._overdue = _Overdue(asked.command_id, asked.tries, now_ns + OVERDUE_NS)

    def _close(self, kind: AnswerKind, detail: str) -> None:
        assert self._asked is not None
        self._answers.append(CommandAnswer(self._asked.number, kind, detail))
        self._then = self._asked.then if kind is AnswerKind.ACCEPTED else None
        self._asked = None
