"""Input and output of a step of `landing.command.authority`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from landing.command.orders import CommandAnswer, CommandRequest
from landing.guidance.director import DirectorOutput
from landing.types import Pose
from landing.vehicle import VehicleStatus


class AuthorityState(str, Enum):
    """State of our authority."""

    OFF = "off"
    READY = "ready"
    ANNOUNCE = "announce"
    GUARD = "guard"
    LOOK = "look"
    ASIDE = "aside"
    HOLD = "hold"
    CLIMB = "climb"
    DESCEND = "descend"
    SEARCH = "search"
    MOVE = "move"
    APPROACH = "approach"
    RESUME = "resume"
    HAND_BACK = "hand-back"
    ENDED = "ended"


@dataclass(frozen=True)
class AuthorityInput:
    """Everything one step looks at.

    Attributes:
        now_ns: Monotonic time of the step.
        output: The director's, of the same step.
        pose: The newest, or None.
        vehicle: As last reported by the autopilot.
        answers: To our requests, since the step before.
        leaving: Few steps follow: a failsafe landing that is held up must go on at once.
    """

    now_ns: int
    output: DirectorOutput
    pose: Pose | None
    vehicle: VehicleStatus
    answers: tuple[CommandAnswer, ...] = ()
    leaving: bool = False


@dataclass(frozen=True)
class AuthorityTransition:
    """One change of state, said once."""

    from_state: AuthorityState
    to_state: AuthorityState
    reason: str
    at_ns: int


@dataclass(frozen=True)
class AuthorityOutput:
    """Result of a step.

    Attributes:
        state: After the step.
        reason: Why it is in that state.
        request: To be sent now, and again until it is answered; or None.
        withdrawn: What was asked before is not to be asked again.
        transitions: Changes of state in this step, in order.
    """

    state: AuthorityState
    reason: str
    request: CommandRequest | None
    withdrawn: bool
    transitions: tuple[AuthorityTransition, ...]
