"""The control step, 20 times a second: steps the director, sends the target, reports changes.

No thread and no clock in here, time is an argument: `edge serve` ticks it in real time, a simulated campaign as fast as
the machine can.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edge.announcer import Announcer
from edge.commanding import Commanding, CommandLink
from edge.log import EventLog
from edge.pointing import GimbalLink, GimbalPointing
from firmware_bridge.messages import Severity
from firmware_bridge.report import Refusal, SendResult
from landing.command.authority import IN_THE_AIR
from landing.command.authority_io import AuthorityOutput, AuthorityState
from landing.decision import Decision
from landing.ground.scale import metres_down
from landing.guidance.descent import ORDERED_WAYS
from landing.guidance.director import Director, DirectorInput, DirectorOutput, DirectorState
from landing.guidance.speed import Load, Slowness, SpeedMonitor
from landing.pad.track import PadState
from landing.settings import AuthorityLevel, AuthoritySettings, DirectorSettings
from landing.site import LandingSite, NoSite
from landing.types import LandingTarget, Pose
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")

MOVED_M = 0.5
"""A site this far from the last one is another site, worth a line in the log."""

TOLD_AFTER_NS = 1_000_000_000
"""The pilot hears of targets that the link does not take for so long; alarms of the link have a text of their own."""

ALARMS = (Refusal.CONTESTED, Refusal.OWN_IDS_TAKEN)

GRAVE = (DirectorState.HOLD, DirectorState.ABORT)


class ControlLink(CommandLink, Protocol):
    """Sends targets and texts; no method waits."""

    def send_target(self, target: LandingTarget) -> SendResult:
        """Send a landing target."""

    def send_text(self, text: str, severity: Severity) -> SendResult:
        """Say something to the pilot."""


@dataclass
class ControlCounters:
    """Counts since the start."""

    targets_sent: int = 0
    targets_refused: int = 0
    transitions: int = 0
    commands: int = 0


class Control:
    """Owns the director and its texts and events. One caller at a time.

    Args:
        settings: The director's.
        link: Takes targets, commands and texts.
        events: Takes changes.
        authority: Commands that are allowed; none by default.
        gimbal: Takes orders to a gimbal that is pointed down for landings; None for none.

    Attributes:
        commanding: Beside the director; None in `advise`.
        counters: Since the start.
        refusal: The link's reason against the last target; None if it took it.
        pointing: Of the gimbal; None where it is not pointed.
        gimbal: Why the camera cannot be landed by; None where it can.
        slow: Decisions are too slow, in figures; None while they are not.
    """

    def __init__(
        self,
        settings: DirectorSettings,
        link: ControlLink,
        events: EventLog,
        authority: AuthoritySettings | None = None,
        gimbal: GimbalLink | None = None,
    ) -> None:
        self._director = Director(settings)
        self._speed = SpeedMonitor(settings.max_decision_age_s)
        self._link = link
        self._events = events
        self._announcer = Announcer(link.send_text)
        self.commanding: Commanding | None = None
        if authority is not None and authority.level is not AuthorityLevel.ADVISE:
            self.commanding = Commanding(authority, settings, link, events, self._announcer)
        self.pointing: GimbalPointing | None = None
        if gimbal is not None:
            self.pointing = GimbalPointing(gimbal, events, self._announcer, authority)
        self.gimbal: str | None = None
        self.counters = ControlCounters()
        self.refusal: str | None = None
        self.slow: Slowness | None = None
        self._too_high = False
        self._caution = ""
        self._leads_failsafes = self.commanding is not None and authority is not None and authority.failsafe == "guard"
        self._resort_told = ""
        self._pad_told: tuple[PadState, str] | None = None
        self._sending = False
        self._refused_ns: int | None = None
        self._site: LandingSite | None = None
        self._no_site_reason = ""
        self._seen_decision: Decision | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the director's state."""
        return self._director.state_dict()

    @property
    def authority(self) -> AuthorityOutput | None:
        """The authority's last step; None in `advise`."""
        return None if self.commanding is None else self.commanding.output

    def tick(
        self,
        now_ns: int,
        decision: Decision | None,
        pose: Pose | None,
        vehicle: VehicleStatus,
        load: Load | None = None,
        *,
        leaving: bool = False,
    ) -> DirectorOutput:
        """Act on the newest evidence.

        Args:
            now_ns: Monotonic time.
            decision: The newest.
            pose: The newest.
            vehicle: As the autopilot describes it.
            load: Of the machine, for the words of a slow one.
            leaving: The daemon ends.
        """
        before, self.slow = self.slow, self._speed.step(now_ns, decision, load or Load())
        slow = None if self.slow is None else self.slow.text
        if self.pointing is not None:
            self.gimbal = self.pointing.tick(now_ns, pose, vehicle, self.authority)
        inputs = DirectorInput(now_ns, decision, pose, vehicle, slow, self.gimbal)
        output = self._director.step(inputs)
        if self.commanding is not None:
            self.commanding.tick(now_ns, output, pose, vehicle, leaving=leaving)
            self.counters.commands = self.commanding.commands
        self._say(now_ns, output)
        self._say_height(now_ns, output, vehicle)
        self._say_surface(now_ns, output, decision)
        self._say_pad(now_ns, decision)
        if self.slow is not before:
            self._say_speed(now_ns, before, output)
        self._announcer.tick(now_ns)
        self._send(now_ns, output if output.target is not None else self._last_resort(inputs, output))
        self._log_selection(decision)
        return output

    def holds_failsafe(self, vehicle: VehicleStatus) -> bool:
        """Return True while a failsafe landing stays up on our word, or our order to go on is not carried out yet."""
        state = None if self.authority is None else self.authority.state
        return vehicle.failsafe and state in (*IN_THE_AIR, AuthorityState.HAND_BACK)

    def end(self, vehicle: VehicleStatus | None) -> None:
        """Give back a gimbal, and tell the pilot of a vehicle in the air that it is alone from now on.

        Args:
            vehicle: As last reported; None before the first tick.
        """
        if self.pointing is not None:
            self.pointing.end()
        if vehicle is not None:
            self.leaves("ends", vehicle)

    def leaves(self, why: str, vehicle: VehicleStatus) -> None:
        """Tell the pilot of a vehicle in the air that the daemon leaves it alone, in a word: it ends, or hangs."""
        if not vehicle.link_alive or not vehicle.armed or vehicle.airborne is False:
            return
        if self.authority is not None and self.authority.state in (*IN_THE_AIR, AuthorityState.RESUME):
            words = f"Touchdown {why}: the vehicle is in {vehicle.mode}, take over"
            self._link.send_text(words, Severity.CRITICAL)
        else:
            self._link.send_text(f"Touchdown {why}: no target and no command from now on", Severity.WARNING)

    def _last_resort(self, inputs: DirectorInput, output: DirectorOutput) -> DirectorOutput:
        """Lead a failsafe landing that goes on without a target to the least bad ground, and say so once."""
        vehicle, decision = inputs.vehicle, inputs.decision
        resort = None if decision is None else decision.last_resort
        goes_on = vehicle.failsafe and vehicle.way_down in ORDERED_WAYS
        held = self.authority is not None and self.authority.state in IN_THE_AIR
        target = self._director.last_resort(inputs) if self._leads_failsafes and goes_on and not held else None
        if target is None:
            self._resort_told = self._resort_told if goes_on else ""
            return output
        if resort is not None and resort.text != self._resort_told:
            self._resort_told = resort.text
            self._events.write("last-resort", position_ned_m=resort.position_ned_m, near=resort.near, on=resort.ground)
            self._announcer.say(inputs.now_ns, "last-resort", resort.text, Severity.CRITICAL)
        return replace(output, target=target)

    def _say_height(self, now_ns: int, output: DirectorOutput, vehicle: VehicleStatus) -> None:
        """Once when the vehicle comes too high for a site."""
        flying = vehicle.armed and vehicle.airborne is not False
        too_high, before = output.descend_to_m is not None and flying, self._too_high
        said = bool(output.transitions)  # the text of a transition has it
        if output.descend_to_m is not None and too_high and not before and not said:
            words = f"Too high for a site: descend to {metres_down(output.descend_to_m)} m"
            self._announcer.say(now_ns, "height", words, Severity.NOTICE)
        self._too_high = too_high

    def _say_surface(self, now_ns: int, output: DirectorOutput, decision: Decision | None) -> None:
        """Once when the site that is sent turns out to lie where somebody may come."""
        if output.target is None or decision is None or not isinstance(decision.selection, LandingSite):
            return
        surface = decision.selection.surface
        before, self._caution = self._caution, surface.text if surface is not None and surface.caution else ""
        if surface is None or self._caution in ("", before):
            return
        self._events.write("site-caution", surface=surface.to_mapping())
        if not output.transitions:  # else it is in the text of the transition
            self._announcer.say(now_ns, "surface", f"Site on {surface.text}", Severity.NOTICE)

    def _say_pad(self, now_ns: int, decision: Decision | None) -> None:
        """Once when the marked pad is followed, lost or refused."""
        report = None if decision is None else decision.pad
        if report is None or not report.text or report.kind == self._pad_told:
            return
        self._pad_told = report.kind
        self._events.write("pad", **vars(report))
        severity = Severity.INFO if report.state is PadState.FOLLOWED else Severity.WARNING
        self._announcer.say(now_ns, "pad", report.text, severity)

    def _say_speed(self, now_ns: int, before: Slowness | None, output: DirectorOutput) -> None:
        """Once when decisions become too slow, every half minute after, and once when it ends."""
        slow = self.slow
        if slow is None:
            words = f"Fast enough: {self._speed.decisions_hz:.1f} decisions/s"
            self._events.write("fast-enough", decisions_hz=self._speed.decisions_hz)
            self._announcer.say(now_ns, "speed", words, Severity.NOTICE)
            return
        logger.warning("%s", slow.text)
        if before is None:
            self._events.write("too-slow", reason=slow.text, **vars(slow))
        if not output.transitions:  # else it is in the text of the transition
            words = f"Landing {output.state.value}: {slow.text}"
            self._announcer.say(now_ns, "speed", words, Severity.WARNING)

    def _say(self, now_ns: int, output: DirectorOutput) -> None:
        for change in output.transitions:
            self.counters.transitions += 1
            text = f"{change.from_state.value} -> {change.to_state.value}: {change.reason}"
            logger.info("landing %s", text)
            self._events.write("transition", **vars(change))
            self._announcer.say(
                now_ns,
                "landing",
                f"Landing {change.to_state.value}: {change.reason}",
                Severity.WARNING if change.to_state in GRAVE else Severity.INFO,
                urgent=output.intruder is not None,
            )

    def _send(self, now_ns: int, output: DirectorOutput) -> None:
        sent = False
        if output.target is None:
            self._refused_ns = None
        else:
            result = self._link.send_target(output.target)
            sent = result.sent
            refusal = None if sent else result.detail or str(result.refusal)
            self.counters.targets_sent += sent
            self.counters.targets_refused += not sent
            if refusal is not None and refusal != self.refusal:
                logger.warning("target not sent: %s", refusal)
                self._events.write("target-refused", reason=refusal)
            self.refusal = refusal
            self._say_refusal(now_ns, result)
        if sent != self._sending:
            self._sending = sent
            if sent:
                self._events.write("target-start", reason=output.reason, target=output.target)
            else:
                self._events.write("target-stop", reason=self.refusal or output.reason)

    def _say_refusal(self, now_ns: int, result: SendResult) -> None:
        """Once in a while, as long as the link takes no targets: the texts of the landing sound as if it did."""
        if result.sent or result.refusal in ALARMS:
            self._refused_ns = None
            return
        self._refused_ns = now_ns if self._refused_ns is None else self._refused_ns
        if now_ns - self._refused_ns >= TOLD_AFTER_NS:
            self._announcer.say(now_ns, "refusal", f"Targets not sent: {self.refusal}", Severity.CRITICAL)

    def _log_selection(self, decision: Decision | None) -> None:
        """One line per site chosen, changed or lost; not one per frame."""
        if decision is None or decision is self._seen_decision:
            return
        self._seen_decision = decision
        selection = decision.selection
        if isinstance(selection, NoSite):
            if self._site is not None or selection.reason.value != self._no_site_reason:
                more = {} if selection.descend_to_m is None else {"descend_to_m": selection.descend_to_m}
                self._events.write(
                    "no-site", reason=selection.reason, detail=selection.detail, code=selection.reason.problem, **more
                )
            self._site, self._no_site_reason = None, selection.reason.value
            return
        before = self._site
        if before is None:
            self._events.write("site-chosen", site=selection)
        else:
            moved_m = math.dist(before.position_ned_m[:2], selection.position_ned_m[:2])
            if moved_m < MOVED_M:
                return
            self._events.write("site-changed", site=selection, moved_m=moved_m)
        self._site, self._no_site_reason = selection, ""
