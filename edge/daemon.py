"""The daemon: capture thread -> mailbox -> pipeline thread -> control loop at 20 Hz.

The control loop runs in the main thread. It steps the director with the newest decision and the
newest pose, sends the target, and says how the daemon is. What it says follows evidence: frames
that came, decisions that were made; nothing is kept alive by a timer of its own.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from edge.cameras import Camera
from edge.capture import CaptureLimits, CaptureLoop
from edge.config import EdgeConfig
from edge.health import Health, InputMonitor, overall
from edge.log import EventLog
from edge.mailbox import Mailbox
from edge.pipeline import Pipeline
from edge.sdnotify import ServiceNotifier
from edge.worker import Worker
from firmware_bridge.messages import HealthState, Severity
from firmware_bridge.report import LinkStatus, SendResult
from landing.decider import Decision
from landing.director import Director, DirectorInput, DirectorOutput, DirectorState
from landing.site import LandingSite, NoSite, Selection
from landing.types import Frame, LandingTarget, Pose
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")

CONTROL_PERIOD_NS = 50_000_000
HEARTBEAT_PERIOD_NS = 1_000_000_000
JOIN_TIMEOUT_S = 0.8
RECORD_PERIOD_NS = 10_000_000_000
"""How often counters, drops and latencies are written to the event log."""

BOOT_GRACE_NS = 15_000_000_000
"""How long an input that never delivered is starting, not failed."""

MOVED_M = 0.5
"""A site this far from the last one is another site, worth a line in the log."""

GRAVE = (DirectorState.HOLD, DirectorState.ABORT)
GROUND = (DirectorState.COMMIT, DirectorState.LANDED)
RELIED_ON = (DirectorState.DESCEND, DirectorState.COMMIT, DirectorState.HOLD)


class Link(Protocol):
    """What the daemon needs of `firmware_bridge.link.FlightLink`; none of it waits."""

    def pose_at(self, at_ns: int) -> Pose | None:
        """Interpolated pose at a monotonic time."""

    def latest_pose(self, now_ns: int) -> Pose | None:
        """Newest pose."""

    def vehicle(self, now_ns: int) -> VehicleStatus:
        """What the autopilot says of itself."""

    def status(self, now_ns: int) -> LinkStatus:
        """State of the link."""

    def send_heartbeat(self, state: HealthState) -> SendResult:
        """Says how we are."""

    def send_target(self, target: LandingTarget) -> SendResult:
        """Sends a landing target."""

    def send_text(self, text: str, severity: Severity) -> SendResult:
        """Says something to the pilot."""


@dataclass
class Counters:
    """What happened since the start."""

    decisions: int = 0
    stale_frames: int = 0
    targets_sent: int = 0
    targets_refused: int = 0
    transitions: int = 0
    late_ticks: int = 0
    map_resets: int = 0


class Daemon:
    """Runs until it is stopped, a recording ends or a thread fails.

    Args:
        config: Validated.
        camera: Not open yet.
        pipeline: With its model loaded and warm.
        link: Started.
        events: Open.
        notifier: To the service manager.
        live: Whether the camera may come back after a failure.
    """

    def __init__(
        self,
        config: EdgeConfig,
        camera: Camera,
        pipeline: Pipeline,
        link: Link,
        events: EventLog,
        notifier: ServiceNotifier,
        live: bool,
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._link = link
        self._events = events
        self._notifier = notifier
        self._stop = threading.Event()
        self._stop_reason = ""
        self.mailbox: Mailbox[Frame] = Mailbox()
        health = config.health
        self._camera_monitor = InputMonitor("camera", _ns(health.camera_timeout_ms))
        self._pipeline_monitor = InputMonitor(
            "pipeline", _ns(health.pipeline_timeout_ms), health.min_rate_hz
        )
        self._pose_monitor = InputMonitor("pose", _ns(health.pose_timeout_ms))
        self._link_monitor = InputMonitor("link", _ns(health.pose_timeout_ms))
        limits = CaptureLimits(
            config.camera.start_timeout_ms / 1e3, config.camera.stall_timeout_ms / 1e3
        )
        self._capture = CaptureLoop(
            camera, self.mailbox, self._camera_monitor, limits, events, self._stop, live
        )
        self._director = Director(config.director)
        self._decision: Decision | None = None  # replaced whole, so reading needs no lock
        self._busy_since_ns: int | None = None
        self._frame_of_reference: tuple[int, int] | None = None
        self._started_ns = time.monotonic_ns()
        self.counters = Counters()
        self.health: Health | None = None
        self._ready = False
        self._heartbeat_ns = 0
        self._status_ns = self._started_ns
        self._record_ns = self._started_ns
        self._fed_ns = 0
        self._fed_evidence = 0
        self._sending = False
        self._refusal: str | None = None
        self._site: LandingSite | None = None
        self._no_site_reason = ""
        self._seen_decision: Decision | None = None
        self._hung_said = False

    def stop(self, reason: str) -> None:
        """Asks for a clean shutdown. Callable from a signal handler and from any thread."""
        if not self._stop_reason:
            self._stop_reason = reason
        self._stop.set()

    def run(self, max_seconds: float | None = None) -> None:
        """Runs until the end.

        Args:
            max_seconds: Stop by itself after so long.

        Raises:
            TouchdownError: A thread met an error that a user can act on.
        """
        workers = (
            Worker("capture", self._capture.run),
            Worker("pipeline", self._run_pipeline),
        )
        try:
            for worker in workers:
                worker.start()
            self._control(workers, max_seconds)
        finally:
            self._stop.set()
            self._notifier.stopping()
            self._link.send_heartbeat(HealthState.STOPPING)
            late = [w.name for w in workers if not w.join(JOIN_TIMEOUT_S)]
            if late:
                logger.error("threads that do not stop: %s", ", ".join(late))
            self._events.write(
                "stop", reason=self._stop_reason or "failure", unstopped=late, **self._totals()
            )
        for worker in workers:
            worker.check()

    def _run_pipeline(self) -> None:
        """Body of the pipeline thread."""
        while not self._stop.is_set():
            frame = self._pipeline.ahead or self._take(0.1)
            if frame is None:
                continue
            now_ns = time.monotonic_ns()
            self._busy_since_ns = now_ns
            self._forget_moved_ground(now_ns)
            step = self._pipeline.step(frame, self._link.pose_at, lambda: self._take(0.0))
            self._decision = step.decision
            self.counters.decisions += 1
            self._pipeline_monitor.arrived(time.monotonic_ns())
            if self._pipeline.ahead is None:
                self._busy_since_ns = None

    def _take(self, timeout_s: float) -> Frame | None:
        """The newest frame, unless it is too old to decide on."""
        frame = self.mailbox.take(timeout_s)
        if frame is None:
            return None
        age_ns = time.monotonic_ns() - frame.captured_at_ns
        if age_ns > _ns(self._config.camera.max_frame_age_ms):
            self.counters.stale_frames += 1
            return None
        return frame

    def _forget_moved_ground(self, now_ns: int) -> None:
        """Starts the map anew when the estimator's local frame is not what it was.

        After a reboot or a position reset the same coordinates are another place.
        """
        status = self._link.status(now_ns)
        frame_of_reference = (status.reboots, status.position_resets)
        if frame_of_reference != self._frame_of_reference:
            if self._frame_of_reference is not None:
                self._pipeline.decider.reset()
                self.counters.map_resets += 1
                logger.warning("the autopilot's local frame has moved: the ground map starts anew")
                self._events.write(
                    "map-reset", reboots=status.reboots, position_resets=status.position_resets
                )
            self._frame_of_reference = frame_of_reference

    def _control(self, workers: tuple[Worker, ...], max_seconds: float | None) -> None:
        next_ns = time.monotonic_ns()
        while not self._stop.is_set():
            now_ns = time.monotonic_ns()
            for worker in workers:
                worker.check()
            self._tick(now_ns)
            if max_seconds is not None and now_ns - self._started_ns > max_seconds * 1e9:
                self.stop(f"--max-seconds {max_seconds:g}")
            ended = self._capture.ended
            if ended is not None and not self.mailbox.waiting and self._busy_since_ns is None:
                self.stop(ended)
            next_ns += CONTROL_PERIOD_NS
            wait_ns = next_ns - time.monotonic_ns()
            if wait_ns < 0:
                self.counters.late_ticks += 1
                next_ns -= wait_ns
            self._stop.wait(max(wait_ns, 0) / 1e9)

    def _tick(self, now_ns: int) -> None:
        """One step of the control loop."""
        pose = self._link.latest_pose(now_ns)
        vehicle = self._link.vehicle(now_ns)
        decision = self._decision
        output = self._director.step(DirectorInput(now_ns, decision, pose, vehicle))
        self._send(output)
        self._log_selection(decision)
        self._watch_inputs(now_ns, pose, vehicle, output.state)
        health = overall(
            (
                self._camera_monitor.health(now_ns),
                self._pipeline_monitor.health(now_ns),
                self._pose_monitor.health(now_ns),
                self._link_monitor.health(now_ns),
            ),
            active=output.target is not None,
            relied_on=output.state in RELIED_ON,
            starting=now_ns - self._started_ns < BOOT_GRACE_NS,
        )
        self._log_health(health)
        hung = self._is_hung(now_ns)
        if not hung and now_ns - self._heartbeat_ns >= HEARTBEAT_PERIOD_NS:
            self._heartbeat_ns = now_ns
            self._link.send_heartbeat(health.state)
        self._notify(now_ns, hung)
        if now_ns - self._record_ns >= RECORD_PERIOD_NS:
            self._record_ns = now_ns
            rates = {i.name: i.rate_hz for i in health.inputs}
            self._events.write("status", state=output.state, rates_hz=rates, **self._totals())
        if now_ns - self._status_ns >= self._config.log.status_period_s * 1e9:
            self._status_ns = now_ns
            line = self._status_line(health, output)
            logger.info("%s", line)
            self._notifier.status(line)

    def _send(self, output: DirectorOutput) -> None:
        for change in output.transitions:
            self.counters.transitions += 1
            text = f"{change.from_state.value} -> {change.to_state.value}: {change.reason}"
            logger.info("landing %s", text)
            self._events.write("transition", **vars(change))
            self._link.send_text(
                f"Landing {change.to_state.value}: {change.reason}",
                Severity.WARNING if change.to_state in GRAVE else Severity.INFO,
            )
        sent = False
        if output.target is not None:
            result = self._link.send_target(output.target)
            sent = result.sent
            refusal = None if sent else result.detail or str(result.refusal)
            self.counters.targets_sent += sent
            self.counters.targets_refused += not sent
            if refusal is not None and refusal != self._refusal:
                logger.warning("target not sent: %s", refusal)
                self._events.write("target-refused", reason=refusal)
            self._refusal = refusal
        if sent != self._sending:
            self._sending = sent
            if sent:
                self._events.write("target-start", reason=output.reason, target=output.target)
            else:
                self._events.write("target-stop", reason=self._refusal or output.reason)

    def _log_selection(self, decision: Decision | None) -> None:
        """One line per site chosen, changed or lost; not one per frame."""
        if decision is None or decision is self._seen_decision:
            return
        self._seen_decision = decision
        selection: Selection = decision.selection
        if isinstance(selection, NoSite):
            if self._site is not None or selection.reason.value != self._no_site_reason:
                self._events.write("no-site", reason=selection.reason, detail=selection.detail)
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

    def _watch_inputs(
        self, now_ns: int, pose: Pose | None, vehicle: VehicleStatus, state: DirectorState
    ) -> None:
        # On the ground and right above it a rangefinder is below its range: that is no failure.
        down = state in GROUND or not vehicle.armed or vehicle.airborne is False
        if pose is not None and pose.at_ns != self._pose_monitor.last_ns:
            missing = [
                name
                for name, value in (
                    ("attitude", pose.ned_from_frd),
                    ("position", pose.position_ned_m),
                    ("height", pose.height_agl_m),
                )
                if value is None and not (down and name == "height")
            ]
            problem = f"without {' and '.join(missing)}" if missing else None
            self._pose_monitor.arrived(pose.at_ns, problem)
        if vehicle.link_alive:
            self._link_monitor.arrived(now_ns)
        elif self._link_monitor.last_ns is not None:
            self._link_monitor.failed("no heartbeat from the autopilot")

    def _log_health(self, health: Health) -> None:
        before = self.health
        self.health = health
        if before is not None and before.state is health.state:
            return
        level = logging.WARNING if health.state in _BAD else logging.INFO
        logger.log(level, "health %s", health.text)
        self._events.write("health", state=health.state, reasons=health.reasons)

    def _is_hung(self, now_ns: int) -> bool:
        """Whether the pipeline sits on one frame far too long: then we fall silent."""
        busy_since_ns = self._busy_since_ns
        hung = busy_since_ns is not None and now_ns - busy_since_ns > _ns(
            self._config.health.hang_timeout_ms
        )
        if hung and not self._hung_said:
            logger.error("the pipeline hangs; heartbeats and watchdog stop")
            self._events.write("hang")
        self._hung_said = hung
        return hung

    def _notify(self, now_ns: int, hung: bool) -> None:
        if not self._ready and self.counters.decisions:
            self._ready = True
            self._notifier.ready()
            self._events.write("ready", after_s=(now_ns - self._started_ns) / 1e9)
        period_ns = self._notifier.watchdog_period_ns
        if period_ns is None or hung or now_ns - self._fed_ns < period_ns // 2:
            return
        # A camera that is gone and being reopened is being worked on: a restart would not help.
        evidence = self.counters.decisions + self._capture.attempts_failed
        if evidence != self._fed_evidence:
            self._fed_evidence, self._fed_ns = evidence, now_ns
            self._notifier.watchdog()

    def _status_line(self, health: Health, output: DirectorOutput) -> str:
        rates = {i.name: i.rate_hz for i in health.inputs}
        age = self._pipeline.timings.percentiles().get("age")
        latency = f"{age.p50_ms:.0f}/{age.p95_ms:.0f} ms" if age else "-"
        return (
            f"{health.text} | {output.state.value}: {output.reason} | camera {rates['camera']:.1f} "
            f"Hz, decisions {rates['pipeline']:.1f} Hz, pose {rates['pose']:.1f} Hz | frame to "
            f"decision p50/p95 {latency} | dropped {self._dropped()}, stale "
            f"{self.counters.stale_frames}, targets {self.counters.targets_sent}"
        )

    def _dropped(self) -> int:
        return self.mailbox.dropped + self._capture.dropped_by_camera

    def _totals(self) -> dict[str, object]:
        return {
            **vars(self.counters),
            "frames": self._capture.frames,
            "dropped_frames": self._dropped(),
            "camera_failures": self._capture.attempts_failed,
            "camera_reopened": self._capture.reopened,
            "events_lost": self._events.lost,
            "timings_ms": self._pipeline.timings.percentiles(),
        }


_BAD = (HealthState.DEGRADED, HealthState.FAILED)


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
