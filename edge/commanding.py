"""Steps the authority, sends its requests and reports them.

In `advise` nothing in here runs. The rules are `landing.command.authority`'s.
"""

from __future__ import annotations

import logging
from typing import Protocol

from edge.announcer import Announcer
from edge.log import EventLog
from firmware_bridge.messages import Severity
from firmware_bridge.report import Refusal, SendResult
from landing.command.authority import Authority
from landing.command.authority_io import AuthorityInput, AuthorityOutput, AuthorityState
from landing.command.orders import AnswerKind, CommandAnswer, CommandRequest
from landing.guidance.director import DirectorOutput
from landing.settings import AuthoritySettings, DirectorSettings
from landing.types import Pose
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")

QUIET = (AuthorityState.READY, AuthorityState.GUARD)
"""States that ask nothing of the pilot's attention."""


REASONS = (AuthorityState.HOLD, AuthorityState.ENDED)
"""States whose text tells of a failure."""

TOPICS = {**dict.fromkeys(REASONS, "authority-why"), AuthorityState.RESUME: "authority-resume"}
"""Topics of the texts that another state's text does not replace."""


NOT_TAKEN = (Refusal.SWITCHED_OFF, Refusal.CONTESTED, Refusal.OWN_IDS_TAKEN)
"""The link does not ask at all, so no answer will come."""


class CommandLink(Protocol):
    """Sends commands; no method waits."""

    def command(self, request: CommandRequest) -> SendResult:
        """Asks the autopilot, until it answers."""

    def withdraw_command(self) -> None:
        """Does not ask again."""

    def take_answers(self) -> tuple[CommandAnswer, ...]:
        """Answers since the last call."""

    def send_text(self, text: str, severity: Severity) -> SendResult:
        """Says something to the pilot."""


class Commanding:
    """Owns the authority and its texts and events. One caller at a time.

    Args:
        settings: Of the authority; not `advise`.
        director: The director's settings.
        link: Takes commands and texts.
        events: Takes changes, commands and answers.
        announcer: Tells the pilot.

    Attributes:
        output: Of the last step; None before the first.
        commands: Number of requests.
    """

    def __init__(
        self,
        settings: AuthoritySettings,
        director: DirectorSettings,
        link: CommandLink,
        events: EventLog,
        announcer: Announcer,
    ) -> None:
        self._announcer = announcer
        self._authority = Authority(settings, director.commit_height_m)
        self._link = link
        self._events = events
        self.output: AuthorityOutput | None = None
        self.commands = 0
        self._refused: tuple[CommandAnswer, ...] = ()

    def tick(
        self, now_ns: int, director: DirectorOutput, pose: Pose | None, vehicle: VehicleStatus, *, leaving: bool
    ) -> None:
        """Acts on the director's last step."""
        answers, self._refused = (*self._refused, *self._link.take_answers()), ()
        for answer in answers:
            self._events.write("command-answer", **vars(answer))
        output = self._authority.step(AuthorityInput(now_ns, director, pose, vehicle, answers, leaving))
        self.output = output
        # The command first: a pilot can read the reason a little later.
        if output.withdrawn:
            self._link.withdraw_command()
        if output.request is not None:
            self.commands += 1
            result = self._link.command(output.request)
            if result.refusal in NOT_TAKEN:  # anything else is tried again by the link
                number = output.request.number
                self._refused = (CommandAnswer(number, AnswerKind.REFUSED, result.detail),)
            words = type(output.request.command).__name__
            logger.warning("command %s: %s", words, output.reason)
            self._events.write(
                "command",
                number=output.request.number,
                command=words,
                **vars(output.request.command),
                reason=output.reason,
                sent=result.sent,
            )
        self._say(now_ns, output, somebody=director.intruder is not None)

    def _say(self, now_ns: int, output: AuthorityOutput, *, somebody: bool) -> None:
        for change in output.transitions:
            logger.info("authority %s -> %s: %s", change.from_state.value, change.to_state.value, change.reason)
            self._events.write("authority", **vars(change))
            severity = Severity.WARNING
            if change.to_state is AuthorityState.ENDED:
                severity = Severity.CRITICAL
            elif change.to_state in QUIET:
                severity = Severity.INFO
            words = f"Authority {change.to_state.value}: {change.reason}"
            # Why it stopped is not replaced by the climb that follows, nor where a mission ends by the landing.
            topic = TOPICS.get(change.to_state, "authority")
            if change.to_state is not AuthorityState.GUARD:
                self._announcer.drop(TOPICS[AuthorityState.RESUME])
            urgent = somebody and change.to_state in REASONS
            self._announcer.say(now_ns, topic, words, severity, urgent=urgent)
