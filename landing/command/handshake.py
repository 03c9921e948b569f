"""One request after another, each until the autopilot has done it or will not.

Done means acknowledged, and the mode that belongs to it reported by a heartbeat newer than the request; a change of
mode that is reported is done even when its acknowledgement was lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from landing.command.orders import AnswerKind, CommandAnswer, CommandRequest, FlightCommand
from landing.vehicle import VehicleStatus

FRESH_MODE_NS = 1_500_000_000
"""Nothing is asked on an older report of the mode: it may be the pilot's by now."""

ANSWER_WITHIN_NS = 10_000_000_000
"""A request that is neither accepted nor refused for so long was lost on our side of the link."""

MODE_WITHIN_NS = 3_000_000_000
"""An accepted change of mode must be reported within."""


@dataclass
class _Pending:
    number: int
    asked_ns: int
    mode: str
    changes_mode: bool
    accepted_ns: int | None = None


class CommandHandshake:
    """Time is an argument.

    Attributes:
        expected_modes: Those the landing began with, and those that were asked for. The mode before stays among them
            until the new one is reported: an older request may be carried out only now.
        request: What is to be sent in this step; None when nothing.
        touched_ns: When the first request of the landing was made; None before.
    """

    def __init__(self) -> None:
        self._number = 0
        self.begin(frozenset())

    def begin(self, modes: frozenset[str]) -> None:
        """A landing begins, or is over: nothing is asked, and these modes are not ours."""
        self._pending: _Pending | None = None
        self.expected_modes = modes
        self.request: CommandRequest | None = None
        self.touched_ns: int | None = None

    def drop(self) -> None:
        """Give up the last request; its mode stays expected."""
        self._pending = None

    @property
    def waiting(self) -> bool:
        """True while the last request is not known to be done."""
        return self._pending is not None

    def ask(
        self, command: FlightCommand, mode: str, vehicle: VehicleStatus, now_ns: int, *, however_late: bool = False
    ) -> bool:
        """Asks, unless what is known of the mode is too old to ask on.

        Args:
            command: What is asked.
            mode: The mode that it leads into, or needs.
            vehicle: As last reported.
            now_ns: Monotonic time.
            however_late: What the link may hide of that age does not count.
        """
        heard_ns, hidden_s = vehicle.heartbeat_ns, 0.0 if however_late else vehicle.hidden_s
        if hidden_s is None or (heard_ns is not None and now_ns - heard_ns + hidden_s * 1e9 > FRESH_MODE_NS):
            return False
        self._number += 1
        self.request = CommandRequest(self._number, command)
        self._pending = _Pending(self._number, now_ns, mode, vehicle.mode != mode)
        self.expected_modes |= {mode}
        if self.touched_ns is None:
            self.touched_ns = now_ns
        return True

    def hear(self, answers: tuple[CommandAnswer, ...], vehicle: VehicleStatus, now_ns: int) -> str | None:
        """Takes answers and the newest mode.

        Returns:
            Why the request will never be done, in words; None when it is, or still may be.
        """
        pending = self._pending
        if pending is None:
            return None
        told_ns = vehicle.heartbeat_ns
        told = told_ns is None or told_ns > pending.asked_ns
        reached = vehicle.mode == pending.mode and told
        for answer in answers:
            if answer.number != pending.number:
                continue
            if answer.kind is AnswerKind.ACCEPTED:
                pending.accepted_ns = now_ns
            elif not (reached and pending.changes_mode):
                return f"{answer.kind.value}: {answer.detail}"
        if reached and (pending.accepted_ns is not None or pending.changes_mode):
            self._pending = None
            self.expected_modes = frozenset({pending.mode})
        elif pending.accepted_ns is not None and now_ns - pending.accepted_ns > MODE_WITHIN_NS:
            return f"{pending.mode} accepted, but not reported"
        elif pending.accepted_ns is None and now_ns - pending.asked_ns > ANSWER_WITHIN_NS:
            return "no answer"
        return None
