"""Pointing of a gimbal: straight down for a landing, and given back afterwards.

    IDLE -> ASK -> TURN -> DOWN -> RELEASE -> IDLE,  with LEFT

Nobody is fought. Control is taken only while nobody has it, and the gimbal is turned once. Where somebody else has
control it is theirs until they release it. A camera that somebody moves after it looked down (ArduPilot lets sticks and
other senders do so without taking control) is theirs until the landing is over. Where the camera does not look down the
gate `gimbal` keeps the target back, and its words say why.

A mount without sensors reports where it was told to look. So frames are not used from the order to turn until the
report has said straight down for `SETTLE_S`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from landing.command.orders import AnswerKind, CommandAnswer
from landing.geometry import matrix_from_quaternion
from landing.guidance.descent import ORDERED_WAYS
from landing.types import Pose
from landing.vehicle import VehicleStatus

ARRIVED_DEG = 10.0
"""A gimbal this near to straight down has arrived: a servo mount on a leaning vehicle reports some of the lean."""

LOOKS_DOWN_DEG = 30.0
"""A camera turned farther from straight down does not show the ground below in the middle of its picture."""

SETTLE_S = 2.0
"""Time of a slow gimbal, 45 degrees a second, from level to straight down."""

ARRIVE_S = 8.0
MANAGER_S = 3.0
"""A manager is asked to report twice a second."""

TAKEN_S = 3.0
"""Time within which the reports must show what the manager accepted."""

MOVED_S = 1.0
FRESH_S = 1.0
"""An attitude of the gimbal that is older is not known."""

LINGER_S = 3.0
"""A landing is over for so long before the gimbal is released: a guard's stop and a landing resumed are one."""

RETRY_S = 10.0

TURNS = "the gimbal turns the camera down"
UNTOLD = "the gimbal does not tell where it looks"
MOVED = "somebody moved the gimbal"


class GimbalHolder(str, Enum):
    """Holder of the control of a gimbal, by its manager; UNKNOWN while that is not heard."""

    UNKNOWN = "unknown"
    NOBODY = "nobody"
    US = "us"
    OTHER = "other"


@dataclass(frozen=True)
class GimbalReport:
    """Newest word of the gimbal's manager.

    Attributes:
        holder: Of the control.
        who: The holder, or why it is not known, in words.
    """

    holder: GimbalHolder = GimbalHolder.UNKNOWN
    who: str = "no gimbal manager answers"


class GimbalOrder(str, Enum):
    """Request to the gimbal's manager."""

    TAKE = "take"
    POINT = "point"
    RELEASE = "release"


@dataclass(frozen=True)
class GimbalRequest:
    """An order to be sent until it is answered; a newer one takes its place."""

    number: int
    order: GimbalOrder


class PointingState(str, Enum):
    """Stage of the pointing."""

    IDLE = "idle"
    ASK = "ask"
    TURN = "turn"
    DOWN = "down"
    LEFT = "left"
    RELEASE = "release"


@dataclass(frozen=True)
class PointingInput:
    """Everything one step looks at.

    Attributes:
        now_ns: Monotonic time of the step.
        wanted: A landing, or the search for one, is under way.
        report: Of the manager.
        off_deg: Angle between the gimbal's view and straight down, degrees; None where it is not told.
        answers: To our orders, since the step before.
    """

    now_ns: int
    wanted: bool
    report: GimbalReport
    off_deg: float | None
    answers: tuple[CommandAnswer, ...] = ()


@dataclass(frozen=True)
class PointingOutput:
    """Result of a step.

    Attributes:
        state: After the step.
        request: To be sent now, or None.
        closed: Why no target may be sent, in words; None where the camera looks down, or no landing is under way.
        text: What the pilot is to know; empty for nothing.
        trouble: The text is of something that is wrong.
    """

    state: PointingState
    request: GimbalRequest | None = None
    closed: str | None = None
    text: str = ""
    trouble: bool = False


def off_nadir_deg(now_ns: int, pose: Pose | None) -> float | None:
    """Return the angle between a gimbal's view and straight down, degrees; None where a fresh pose does not tell it."""
    if pose is None or pose.ned_from_gimbal is None or now_ns - pose.at_ns > FRESH_S * 1e9:
        return None
    down = float(matrix_from_quaternion(pose.ned_from_gimbal)[2, 0])  # its x axis is where it looks
    return math.degrees(math.acos(max(-1.0, min(1.0, down))))


def ordered_landing(vehicle: VehicleStatus) -> bool:
    """Return whether somebody ordered the way down; in a pilot's own sinking the camera is the pilot's."""
    return vehicle.armed and vehicle.airborne is not False and vehicle.way_down in ORDERED_WAYS


class Pointing:
    """Steps the state machine. Time is an argument; one owner.

    Attributes:
        hidden_ns: Begin and end (None: not yet) of the captures in which the gimbal turned by our order; replaced
            whole, so that another thread may read it.
    """

    def __init__(self) -> None:
        self._state = PointingState.IDLE
        self._trouble = ""
        self._since_ns = 0
        self._pause_until_ns = 0
        self._wanted_ns: int | None = None
        self._number = 0
        self._waiting: GimbalOrder | None = None
        self._accepted_ns: int | None = None
        self._off_deg: float | None = None
        self._off_ns: int | None = None
        self._arrived_ns: int | None = None
        self._moved_ns: int | None = None
        self._request: GimbalRequest | None = None
        self._released = False
        self.hidden_ns: tuple[int, int | None] | None = None

    def hides(self, captured_ns: int) -> bool:
        """Return whether the gimbal turned by our order when a frame was captured: its attitude then is not known."""
        hidden = self.hidden_ns
        return hidden is not None and hidden[0] <= captured_ns and (hidden[1] is None or captured_ns < hidden[1])

    def step(self, inputs: PointingInput) -> PointingOutput:
        """Look at the newest evidence and say what to ask of the manager now."""
        now_ns = inputs.now_ns
        self._request = None
        if inputs.off_deg is not None:
            self._off_deg, self._off_ns = inputs.off_deg, now_ns
        elif self._off_ns is None or now_ns - self._off_ns > FRESH_S * 1e9:
            self._off_deg = None
        answer = self._answer(inputs)
        if inputs.wanted:
            self._wanted_ns = now_ns
        over = self._wanted_ns is None or now_ns - self._wanted_ns > LINGER_S * 1e9
        if over:
            self._give_back(inputs, answer)
        else:
            self._point(inputs, answer)
        return PointingOutput(self._state, self._request, self._closed(inputs.wanted), *self._text(over))

    def end(self, report: GimbalReport) -> GimbalRequest | None:
        """Return the last order of a daemon that ends; None where there is nothing to release."""
        self._request = None
        if report.holder is GimbalHolder.US:
            self._ask(GimbalOrder.RELEASE)
        return self._request

    # --- for a landing ---

    def _point(self, inputs: PointingInput, answer: CommandAnswer | None) -> None:
        now_ns, holder = inputs.now_ns, inputs.report.holder
        if self._state in (PointingState.IDLE, PointingState.RELEASE):
            self._enter(PointingState.ASK, now_ns)
        if self._state is PointingState.LEFT:
            if holder is GimbalHolder.US and now_ns >= self._pause_until_ns:
                self._pause(now_ns)
                self._ask(GimbalOrder.RELEASE)
            return
        ours = self._state in (PointingState.TURN, PointingState.DOWN)
        if ours and holder in (GimbalHolder.OTHER, GimbalHolder.NOBODY):
            self._enter(PointingState.ASK, now_ns)  # taken by somebody, or the autopilot began anew
        if self._state is PointingState.ASK:
            self._take(inputs, answer)
        elif self._state is PointingState.TURN:
            self._turning(now_ns, answer)
        elif self._state is PointingState.DOWN:
            self._watch(now_ns)

    def _take(self, inputs: PointingInput, answer: CommandAnswer | None) -> None:
        """Without control: take it while nobody has it."""
        now_ns, report = inputs.now_ns, inputs.report
        if report.holder is GimbalHolder.US:
            self._enter(PointingState.TURN, now_ns)
            if self._off_deg is None or self._off_deg > ARRIVED_DEG:
                self.hidden_ns = (now_ns, None)
            self._ask(GimbalOrder.POINT)
        elif report.holder is GimbalHolder.OTHER:
            self._trouble, self._waiting = f"{report.who} controls the gimbal", None
        elif report.holder is GimbalHolder.UNKNOWN:
            if now_ns - self._since_ns > MANAGER_S * 1e9:
                self._trouble = report.who
        elif answer is not None and answer.kind is not AnswerKind.ACCEPTED:
            self._trouble = f"the gimbal manager gives no control: {answer.kind.value}, {answer.detail}"
            self._pause(now_ns)
        elif self._late(now_ns):
            self._trouble = "the gimbal manager gives no control, though it said yes"
            self._pause(now_ns)
        elif self._waiting is None and now_ns >= self._pause_until_ns:
            self._ask(GimbalOrder.TAKE)

    def _turning(self, now_ns: int, answer: CommandAnswer | None) -> None:
        """Ordered to look down: has it arrived?"""
        if answer is not None and answer.kind is not AnswerKind.ACCEPTED:
            self._enter(PointingState.ASK, now_ns)
            self._trouble = f"the gimbal does not turn: {answer.kind.value}, {answer.detail}"
            self._pause(now_ns)
            return
        if self._accepted_ns is None:
            return
        arrived = self._off_deg is not None and self._off_deg <= ARRIVED_DEG
        self._arrived_ns = (self._arrived_ns or now_ns) if arrived else None
        settle_ns = 0 if self.hidden_ns is None or self.hidden_ns[1] is not None else round(SETTLE_S * 1e9)
        if self._arrived_ns is not None and now_ns - self._arrived_ns >= settle_ns:
            self._enter(PointingState.DOWN, now_ns)
        elif self._arrived_ns is None and now_ns - self._accepted_ns > ARRIVE_S * 1e9:
            self._shown(now_ns)
            self._trouble = UNTOLD if self._off_deg is None else f"the gimbal does not get there in {ARRIVE_S:g} s"

    def _watch(self, now_ns: int) -> None:
        """It looked down: does it still?"""
        moved = self._off_deg is not None and self._off_deg > LOOKS_DOWN_DEG
        self._moved_ns = (self._moved_ns or now_ns) if moved else None
        if self._moved_ns is not None and now_ns - self._moved_ns >= MOVED_S * 1e9:
            self._enter(PointingState.LEFT, now_ns)
        self._trouble = UNTOLD if self._off_deg is None else MOVED if moved else ""

    # --- afterwards ---

    def _give_back(self, inputs: PointingInput, answer: CommandAnswer | None) -> None:
        """No landing: what we hold is released, also what a daemon before us held."""
        now_ns = inputs.now_ns
        holder, releases = inputs.report.holder, self._state is PointingState.RELEASE
        if holder is not GimbalHolder.US:
            if not (releases and holder is GimbalHolder.UNKNOWN) and self._state is not PointingState.IDLE:
                self._released = releases
                self._enter(PointingState.IDLE, now_ns)
        elif not releases:
            self._enter(PointingState.RELEASE, now_ns)
            self._ask(GimbalOrder.RELEASE)
        elif answer is not None and answer.kind is not AnswerKind.ACCEPTED:
            self._trouble = f"not released: {answer.kind.value}, {answer.detail}"
            self._pause(now_ns)
        elif self._late(now_ns):
            self._trouble = "not released, its manager says"
            self._pause(now_ns)
        elif self._waiting is None and now_ns >= self._pause_until_ns:
            self._ask(GimbalOrder.RELEASE)

    # --- parts ---

    def _enter(self, state: PointingState, now_ns: int) -> None:
        if state is not PointingState.TURN:
            self._shown(now_ns)
        if state is PointingState.ASK:
            self._released = False
        self._state, self._trouble, self._since_ns = state, "", now_ns
        self._arrived_ns = self._moved_ns = self._accepted_ns = self._waiting = None
        self._pause_until_ns = 0

    def _shown(self, now_ns: int) -> None:
        """Frames count again from here."""
        if self.hidden_ns is not None and self.hidden_ns[1] is None:
            self.hidden_ns = (self.hidden_ns[0], now_ns)

    def _pause(self, now_ns: int) -> None:
        self._accepted_ns = self._waiting = None
        self._pause_until_ns = now_ns + round(RETRY_S * 1e9)

    def _late(self, now_ns: int) -> bool:
        """Return whether what was accepted does not show in the manager's reports."""
        return self._accepted_ns is not None and now_ns - self._accepted_ns > TAKEN_S * 1e9

    def _ask(self, order: GimbalOrder) -> None:
        self._number += 1
        self._request, self._waiting, self._accepted_ns = GimbalRequest(self._number, order), order, None

    def _answer(self, inputs: PointingInput) -> CommandAnswer | None:
        """The answer to the last order, if it came."""
        answer = next((a for a in inputs.answers if a.number == self._number), None)
        if answer is not None:
            self._accepted_ns = inputs.now_ns if answer.kind is AnswerKind.ACCEPTED else None
        return answer

    def _closed(self, wanted: bool) -> str | None:
        if not wanted:
            return None
        if self.hidden_ns is not None and self.hidden_ns[1] is None:
            return TURNS
        if self._off_deg is not None and self._off_deg <= LOOKS_DOWN_DEG:
            return None
        return f"camera is not looking down: {self._trouble}" if self._trouble else TURNS

    def _text(self, over: bool) -> tuple[str, bool]:
        if over:
            words = "Gimbal: released" if self._released else ""
            return (f"Gimbal: {self._trouble}", True) if self._trouble else (words, False)
        down = self._off_deg is not None and self._off_deg <= LOOKS_DOWN_DEG
        if self._trouble and down:
            return f"Gimbal: camera looks down, but {self._trouble}", False
        if self._trouble:
            return f"Gimbal: camera is not looking down: {self._trouble}", True
        return ("Gimbal: camera looks down", False) if self._state is PointingState.DOWN else ("", False)
