"""The landing loop: frames in, targets, commands and heartbeats out. No thread and no clock; time is an argument.

`edge serve` calls it from three threads: `frame_arrived` from the capture thread, `take_frame` and `decide` from the
pipeline thread, `tick` from the control loop. A simulated flight (`sim.flight.loop`) calls the same methods in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from edge.alarms import LinkAlarms
from edge.control import Control, ControlLink
from edge.depth_watch import DepthWatch
from edge.ground import GroundWatch
from edge.known import KnownSites
from edge.log import EventLog
from edge.mailbox import Mailbox
from edge.observer import DaemonStatus
from edge.pipeline import Pipeline, PoseAt, Step
from edge.pointing import GimbalLink
from edge.sdnotify import ServiceNotifier
from edge.sections.camera import CameraSection
from edge.sections.watch import HealthSection
from edge.vitals import Vitals
from firmware_bridge.messages import HealthState
from firmware_bridge.report import LinkStatus, SendResult
from landing.choice.known_sites import SiteBook
from landing.decision import Decision
from landing.globe import GlobalFix
from landing.guidance.descent import DescentWatch
from landing.guidance.director import DirectorOutput
from landing.guidance.speed import Load
from landing.settings import AuthoritySettings, DirectorSettings
from landing.types import Frame, Pose
from landing.vehicle import VehicleStatus

RECORD_PERIOD_NS = 10_000_000_000
"""Period of the event `status`: counters, drops and latencies."""


class LoopLink(ControlLink, Protocol):
    """The part of `firmware_bridge.link.FlightLink` that a landing needs; none of it waits."""

    def pose_at(self, at_ns: int) -> Pose | None:
        """Return the interpolated pose at a monotonic time."""

    def latest_pose(self, now_ns: int) -> Pose | None:
        """Return the newest pose."""

    def vehicle(self, now_ns: int) -> VehicleStatus:
        """Return the autopilot's own description of the vehicle."""

    def status(self, now_ns: int) -> LinkStatus:
        """Return the state of the link."""

    def global_fix(self) -> GlobalFix | None:
        """Return the vehicle's newest place on the globe."""

    def send_heartbeat(self, state: HealthState) -> SendResult:
        """Send our state."""


class Stamped(Protocol):
    """A frame, or a camera sample that becomes one."""

    @property
    def captured_at_ns(self) -> int:
        """Monotonic time of the capture."""


F = TypeVar("F", bound=Stamped)


@dataclass(frozen=True)
class LoopSettings:
    """Rules of a landing.

    Attributes:
        director: Settings of the director.
        authority: Commands that are allowed.
        max_frame_age_ms: An older frame is dropped when it is taken.
        health: Limits after which an input counts as lost.
        threads: Of one inference, for the words of a slow machine; None if not known.
    """

    director: DirectorSettings
    authority: AuthoritySettings
    max_frame_age_ms: float = CameraSection.model_fields["max_frame_age_ms"].default
    health: HealthSection = field(default_factory=HealthSection)
    threads: int | None = None


@dataclass
class LoopCounters:
    """Counts since the start, beside those of `edge.control`."""

    decisions: int = 0
    stale_frames: int = 0
    late_ticks: int = 0
    frames: int = 0
    dropped_by_camera: int = 0
    camera_failures: int = 0
    camera_reopened: int = 0


class FlightLoop(Generic[F]):
    """Owns the way from a frame to a target. Each method has one caller at a time.

    Args:
        settings: Rules of the landing.
        pipeline: With its model loaded and warm.
        link: To the autopilot.
        events: Takes every change.
        started_ns: Monotonic time of the start.
        notifier: To the service manager; silent by default.
        book: Keeps the sites that are seen; None keeps none.
        gimbal: Takes orders to a gimbal that is pointed down for landings; None for none.

    Attributes:
        mailbox: The newest frame that nobody has taken.
        decision: The newest; replaced whole, so reading needs no lock.
        busy_since_ns: Start of the decision under way; None between decisions.
        counters: Since the start.
        control: Director and authority.
        pipeline: The decision.
    """

    def __init__(
        self,
        settings: LoopSettings,
        pipeline: Pipeline,
        link: LoopLink,
        events: EventLog,
        started_ns: int,
        notifier: ServiceNotifier | None = None,
        book: SiteBook | None = None,
        gimbal: GimbalLink | None = None,
    ) -> None:
        self.mailbox: Mailbox[F] = Mailbox()
        self.decision: Decision | None = None
        self.busy_since_ns: int | None = None
        self.counters = LoopCounters()
        self.pipeline = pipeline
        self.control = Control(settings.director, link, events, settings.authority, gimbal)
        self._max_frame_age_ns = round(settings.max_frame_age_ms * 1e6)
        self._threads = settings.threads
        self._link = link
        self._events = events
        self._started_ns = self._recorded_ns = started_ns
        self._vitals = Vitals(settings.health, events, notifier or ServiceNotifier({}), started_ns)
        self._alarms = LinkAlarms(link, events)
        self._ground = GroundWatch(events)
        self._depth = DepthWatch(events)
        self._known = None if book is None else KnownSites(book, events, link.global_fix)
        self._descent = DescentWatch()
        self._inference_ms: float | None = None
        self._status: Callable[[], DaemonStatus] | None = None
        self._hung = False

    # --- capture ---

    def frame_arrived(self, frame: F, now_ns: int, dropped_by_camera: int = 0) -> None:
        """Take a frame that has just arrived; it replaces one that still waits.

        Args:
            frame: Stamped with its capture time.
            now_ns: Monotonic time.
            dropped_by_camera: Frames that the camera itself has dropped since the start.
        """
        self.counters.frames += 1
        self.counters.dropped_by_camera = dropped_by_camera
        self._vitals.camera.arrived(now_ns)
        self.mailbox.put(frame)

    def camera_failed(self, problem: str) -> None:
        """Note a failure of the camera; a frame that waits is forgotten."""
        self.counters.camera_failures += 1
        self._vitals.camera.failed(problem)
        self.mailbox.clear()

    # --- pipeline ---

    def take_frame(self, now_ns: int) -> F | None:
        """Return the newest frame unless it is too old to decide on; None if there is none."""
        frame = self.mailbox.take()
        if frame is None:
            return None
        if now_ns - frame.captured_at_ns > self._max_frame_age_ns:
            self.counters.stale_frames += 1
            return None
        return frame

    def decide(
        self, frame: Frame, now_ns: int, pose_at: PoseAt, upcoming: Callable[[], Frame | None] | None = None
    ) -> Step:
        """Decide on a frame; the decision is the newest from then on.

        Args:
            frame: From `take_frame`, or `pipeline.ahead`.
            now_ns: Monotonic time of the begin.
            pose_at: The vehicle's poses.
            upcoming: See `Pipeline.step`.

        Raises:
            InferenceCancelledError: The network was told to stop.
            ModelError: The network does not run.
            CameraError: The frame is of another shape than the camera model.
        """
        self.busy_since_ns = now_ns
        pointing = self.control.pointing
        step = self.pipeline.step(frame, pose_at if pointing is None else pointing.seen(pose_at), upcoming)
        self._inference_ms = step.timings_ms.get("inference")
        self._ground.observe(step.decision)
        self._depth.observe(step.depth, step.decision.decided_at_ns)
        if self._known is not None:
            self._known.observe(step)
        self.decision = step.decision
        self.counters.decisions += 1
        self._vitals.pipeline.arrived(step.decision.decided_at_ns)
        if self.pipeline.ahead is None:
            self.busy_since_ns = None
        return step

    # --- control ---

    def tick(self, now_ns: int, *, leaving: bool = False) -> DirectorOutput:
        """Act on the newest evidence: heartbeat, director, target, commands, health; 20 times a second.

        A heartbeat tells the health of the tick before. While the pipeline hangs there is none.

        Args:
            now_ns: Monotonic time.
            leaving: Few ticks follow.
        """
        link, vitals, decision = self._link, self._vitals, self.decision
        pose = link.latest_pose(now_ns)
        vehicle = self._descent.step(now_ns, link.vehicle(now_ns), pose)
        before, hung = self._hung, vitals.hung(now_ns, self.busy_since_ns)
        if hung and not before:
            self.control.leaves("hangs", vehicle)
        self._hung = hung
        if not hung and vitals.heartbeat_due(now_ns):
            link.send_heartbeat(vitals.state)
        load = Load(self._inference_ms, self._threads, vitals.camera.health(now_ns).rate_hz or None)
        output = self.control.tick(now_ns, decision, pose, vehicle, load, leaving=leaving)
        status = link.status(now_ns)
        slow = None if self.control.slow is None else self.control.slow.text
        health = vitals.watch(now_ns, pose, vehicle, output, self._alarms.watch(status.alarms), slow)
        if not hung:
            vitals.notify(now_ns, self.counters.decisions, self.counters.camera_failures)
        if now_ns - self._recorded_ns >= RECORD_PERIOD_NS:
            self._recorded_ns = now_ns
            self._events.write("status", state=output.state, rates_hz=health.rates_hz, **self.totals())
        fix = link.global_fix()
        self._status = lambda: DaemonStatus(
            now_ns,
            self._started_ns,
            output,
            self.control.state_dict(),
            self.control.refusal,
            decision,
            pose,
            vehicle,
            status,
            health,
            self.counts(),
            self.control.authority,
            slow,
            fix,
            None if self._known is None else self._known.book,
            self.control.gimbal,
            self._depth.text,
        )
        return output

    @property
    def holds_failsafe(self) -> bool:
        """True while a failsafe landing stays up on our word; see `edge.control.Control.holds_failsafe`."""
        return self._status is not None and self.control.holds_failsafe(self._status().vehicle)

    def end(self) -> None:
        """Give back what is held, before the link closes, and tell the pilot of a vehicle in the air."""
        self.control.end(None if self._status is None else self._status().vehicle)

    def status(self) -> DaemonStatus:
        """Return everything the last tick knew."""
        assert self._status is not None
        return self._status()

    # --- counters ---

    @property
    def dropped_frames(self) -> int:
        """Frames that a newer one replaced before they were taken, here or in the camera."""
        return self.mailbox.dropped + self.counters.dropped_by_camera

    def counts(self) -> dict[str, int]:
        """Return all counters by name."""
        counters = {k: v for k, v in vars(self.counters).items() if k != "dropped_by_camera"}
        return {
            **counters,
            **vars(self.control.counters),
            "dropped_frames": self.dropped_frames,
            "map_resets": self._ground.resets,
            "map_shifts": self._ground.shifts,
            "events_lost": self._events.lost,
        }

    def totals(self) -> dict[str, Any]:
        """Return the counters and the latencies, for the event log."""
        return {**self.counts(), "timings_ms": self.pipeline.timings.percentiles()}
