"""Steps the pointing of the gimbal, sends its orders and reports them.

The rules are `landing.command.pointing`'s. Where `camera.gimbal_down` is off nothing in here runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from edge.announcer import Announcer
from edge.log import EventLog
from firmware_bridge.messages import Severity
from firmware_bridge.report import SendResult
from landing.command.authority_io import AuthorityOutput, AuthorityState
from landing.command.orders import AnswerKind, CommandAnswer
from landing.command.pointing import (
    GimbalReport,
    GimbalRequest,
    Pointing,
    PointingInput,
    PointingOutput,
    off_nadir_deg,
    ordered_landing,
)
from landing.settings import AuthorityLevel, AuthoritySettings
from landing.types import Pose
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")

AT_REST = (AuthorityState.OFF, AuthorityState.READY, AuthorityState.ENDED)
"""States in which the authority does nothing that needs a camera."""


class GimbalLink(Protocol):
    """Sends orders to the gimbal's manager; no method waits."""

    def gimbal_report(self, now_ns: int) -> GimbalReport:
        """Return who has control."""

    def point_gimbal(self, request: GimbalRequest) -> SendResult:
        """Order something, until it is answered."""

    def take_gimbal_answers(self) -> tuple[CommandAnswer, ...]:
        """Return the answers since the last call."""


class GimbalPointing:
    """Owns the pointing and its texts and events. One caller at a time, but for `seen`.

    Args:
        link: To the gimbal's manager.
        events: Takes changes, orders and answers.
        announcer: Tells the pilot.
        authority: Of the daemon: `land` searches in its start modes too.
    """

    def __init__(
        self, link: GimbalLink, events: EventLog, announcer: Announcer, authority: AuthoritySettings | None
    ) -> None:
        self._link = link
        self._events = events
        self._announcer = announcer
        self._start_modes: tuple[str, ...] = ()
        if authority is not None and authority.level is AuthorityLevel.LAND:
            self._start_modes = authority.start_modes
        self._pointing = Pointing()
        self._output: PointingOutput | None = None
        self._wanted = False
        self._refused: tuple[CommandAnswer, ...] = ()
        self._report = GimbalReport()

    def tick(
        self, now_ns: int, pose: Pose | None, vehicle: VehicleStatus, authority: AuthorityOutput | None
    ) -> str | None:
        """Order what is due.

        Args:
            now_ns: Monotonic time.
            pose: The newest.
            vehicle: As the autopilot describes it, with its way down.
            authority: Of the last step; None in `advise`.

        Returns:
            Why no target may be sent, in words; None where the camera looks down or no landing is under way.
        """
        if vehicle.link_alive:
            self._wanted = ordered_landing(vehicle) or self._searches(vehicle, authority)
        answers, self._refused = (*self._refused, *self._link.take_gimbal_answers()), ()
        for answer in answers:
            self._events.write("gimbal-answer", **vars(answer))
        self._report = self._link.gimbal_report(now_ns)
        off_deg = off_nadir_deg(now_ns, pose)
        output = self._pointing.step(PointingInput(now_ns, self._wanted, self._report, off_deg, answers))
        before, self._output = self._output, output
        if output.request is not None:
            self._order(output.request)
        if before is None or output.state is not before.state:
            logger.info("gimbal %s, in control: %s", output.state.value, self._report.who)
            off = None if off_deg is None else round(off_deg, 1)
            self._events.write("gimbal", state=output.state, holder=self._report.who, off_deg=off)
        if output.text and (before is None or output.text != before.text):
            self._events.write("gimbal-text", text=output.text, trouble=output.trouble)
            severity = Severity.WARNING if output.trouble else Severity.INFO
            self._announcer.say(now_ns, "gimbal", output.text, severity)
        return output.closed

    def seen(self, pose_at: Callable[[int], Pose | None]) -> Callable[[int], Pose | None]:
        """Return the poses of frames: without the gimbal's attitude while it turned by our order.

        Callable from any thread.
        """

        def hidden(at_ns: int) -> Pose | None:
            pose = pose_at(at_ns)
            if pose is None or not self._pointing.hides(at_ns):
                return pose
            return replace(pose, ned_from_gimbal=None)

        return hidden

    def end(self) -> None:
        """Release the gimbal, as the daemon ends."""
        request = self._pointing.end(self._report)
        if request is not None:
            self._order(request)

    def _searches(self, vehicle: VehicleStatus, authority: AuthorityOutput | None) -> bool:
        """Return whether our authority lands, or looks for a place to."""
        if authority is None or not vehicle.armed or vehicle.airborne is False:
            return False
        ready = authority.state is AuthorityState.READY and vehicle.mode in self._start_modes
        return ready or authority.state not in AT_REST

    def _order(self, request: GimbalRequest) -> None:
        result = self._link.point_gimbal(request)
        if not result.sent:
            words = result.detail or str(result.refusal)
            self._refused = (CommandAnswer(request.number, AnswerKind.REFUSED, words),)
        self._events.write("gimbal-order", number=request.number, order=request.order, sent=result.sent)
