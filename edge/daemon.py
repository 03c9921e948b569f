"""The daemon: capture thread -> mailbox -> pipeline thread -> control loop at 20 Hz.

The control loop runs in the main thread. It gives `edge.control` the newest decision and the newest pose, and says how
the daemon is (`edge.vitals`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.alarms import LinkAlarms
from edge.allocator import TRIM_PERIOD_NS, give_back_free_memory
from edge.cameras import Camera
from edge.capture import CaptureLimits, CaptureLoop
from edge.config import EdgeConfig
from edge.control import Control, ControlLink
from edge.ending import UnstoppedError
from edge.ground import GroundWatch
from edge.health import Health
from edge.log import EventLog
from edge.mailbox import Mailbox
from edge.observer import DaemonStatus, Observer, Observers
from edge.pipeline import Pipeline
from edge.reload import Reloader
from edge.resolved import ResolvedFlight
from edge.runtimes.contract import InferenceCancelledError
from edge.sdnotify import ServiceNotifier
from edge.vitals import Vitals
from edge.worker import Worker
from firmware_bridge.messages import HealthState, Severity
from firmware_bridge.report import LinkStatus, SendResult
from landing.decider import Decision
from landing.director import DirectorOutput
from landing.speed import Load
from landing.types import Frame, LandingTarget, Pose
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")

CONTROL_PERIOD_NS = 50_000_000
JOIN_TIMEOUT_S = 1.5
"""How long threads may take to end, beside the inference that runs."""

POSE_WAIT_NS = 60_000_000
"""Three periods of the attitude stream."""

POSE_POLL_S = 0.005
RECORD_PERIOD_NS = 10_000_000_000
"""How often counters, drops and latencies are written to the event log."""


class Link(ControlLink, Protocol):
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


@dataclass
class Counters:
    """What happened since the start, beside what `edge.control` counts."""

    decisions: int = 0
    stale_frames: int = 0
    late_ticks: int = 0


class Daemon:
    """Runs until it is stopped, a recording ends or a thread fails.

    Args:
        config: Validated.
        flight: What it flies.
        camera: Not open yet.
        pipeline: With its model loaded and warm.
        link: Started.
        events: Open.
        notifier: To the service manager.
        live: Whether the camera may come back after a failure.
        observers: Who looks on.
        reloader: Asked once a tick whether another configuration is to be taken.
        cancel: Ends the inference that runs, where it can be; see `edge.runtimes.Runtime.cancel`.
    """

    def __init__(
        self,
        config: EdgeConfig,
        flight: ResolvedFlight,
        camera: Camera,
        pipeline: Pipeline,
        link: Link,
        events: EventLog,
        notifier: ServiceNotifier,
        live: bool,
        observers: tuple[Observer, ...] = (),
        reloader: Reloader | None = None,
        cancel: Callable[[], None] | None = None,
    ) -> None:
        self._config = config
        self._flight = flight
        self._pipeline = pipeline
        self._link = link
        self._events = events
        self._notifier = notifier
        self._observers = Observers(observers)
        self._reloader = reloader
        self._cancel = cancel
        self._restarting = False
        events.listeners.append(self._observers.event)
        self._stop = threading.Event()
        self._stop_reason = ""
        self._started_ns = time.monotonic_ns()
        self.mailbox: Mailbox[Frame] = Mailbox()
        self._vitals = Vitals(config.health, events, notifier, self._started_ns)
        limits = CaptureLimits(config.camera.start_timeout_ms / 1e3, config.camera.stall_timeout_ms / 1e3)
        self._capture = CaptureLoop(camera, self.mailbox, self._vitals.camera, limits, events, self._stop, live)
        self._control = Control(flight.director, link, events, flight.authority)
        self._alarms = LinkAlarms(link, events)
        self._ground = GroundWatch(events)
        self._decision: Decision | None = None  # replaced whole, so reading needs no lock
        self._busy_since_ns: int | None = None
        self._inference_ms: float | None = None
        self.counters = Counters()
        self._status_period_s = config.log.status_period_s
        self._status_ns = self._started_ns
        self._record_ns = self._started_ns
        self._trim_ns = self._started_ns

    def stop(self, reason: str) -> None:
        """Asks for a clean shutdown. Callable from a signal handler and from any thread.

        It takes no lock: the control loop looks at it within a tick.
        """
        self._stop_reason = self._stop_reason or reason

    def run(self, max_seconds: float | None = None) -> None:
        """Runs until the end.

        Args:
            max_seconds: Stop by itself after so long.

        Raises:
            TouchdownError: A thread met an error that a user can act on.
            UnstoppedError: A thread does not end; its inference or driver does not return.
        """
        workers = (Worker("capture", self._capture.run), Worker("pipeline", self._run_pipeline))
        try:
            for worker in workers:
                worker.start()
            self._loop(workers, max_seconds)
        finally:
            self._stop.set()
            if self._cancel is not None:
                self._cancel()
            if self._restarting:
                self._notifier.reloading(time.monotonic_ns() // 1000)
            else:
                self._notifier.stopping()
            self._link.send_heartbeat(HealthState.STOPPING)
            late = self._join(workers)
            self._events.write("stop", reason=self._stop_reason or "failure", unstopped=late, **self._totals())
            if late:
                logger.error("threads that do not stop: %s", ", ".join(late))
        for worker in workers:
            worker.check()
        if late:
            raise UnstoppedError(f"threads that do not stop: {', '.join(late)}")

    def _join(self, workers: tuple[Worker, ...]) -> list[str]:
        """Waits for the threads; names of those that do not end.

        An inference may take as long as one that counts as hanging: a native runtime that is left behind at work aborts
        the process.
        """
        now_ns = time.monotonic_ns()
        busy_since_ns = self._busy_since_ns
        inference_ns = 0
        if busy_since_ns is not None:
            hang_ns = _ns(self._config.health.hang_timeout_ms)
            inference_ns = max(0, busy_since_ns + hang_ns - now_ns)
        deadline_ns = now_ns + inference_ns + round(JOIN_TIMEOUT_S * 1e9)
        return [w.name for w in workers if not w.join(max(0.0, (deadline_ns - time.monotonic_ns()) * 1e-9))]

    def set_status_period(self, period_s: float) -> None:
        """Another period of the status line, s."""
        self._status_period_s = period_s

    def _run_pipeline(self) -> None:
        """Body of the pipeline thread."""
        while not self._stop.is_set():
            frame = self._pipeline.ahead or self._take(0.1)
            if frame is None:
                continue
            now_ns = time.monotonic_ns()
            self._busy_since_ns = now_ns
            try:
                step = self._pipeline.step(frame, self._pose_at, lambda: self._take(0.0))
            except InferenceCancelledError:
                return
            self._inference_ms = step.timings_ms.get("inference")
            self._ground.look(step.decision)
            self._decision = step.decision
            self.counters.decisions += 1
            self._vitals.pipeline.arrived(time.monotonic_ns())
            self._observers.step(step)
            if self._pipeline.ahead is None:
                self._busy_since_ns = None

    def _pose_at(self, at_ns: int) -> Pose | None:
        """The pose at a frame's capture; waits a little for one that is still on its way.

        A fast network is done before the next attitude has arrived. To refuse the frame for that would end the target
        for a tick and have the pilot told to hold.
        """
        deadline_ns = time.monotonic_ns() + POSE_WAIT_NS
        while True:
            pose = self._link.pose_at(at_ns)
            known = pose is not None and None not in (pose.ned_from_frd, pose.position_ned_m)
            now_ns = time.monotonic_ns()
            if known or now_ns >= deadline_ns or not self._link.vehicle(now_ns).link_alive:
                return pose
            self._stop.wait(POSE_POLL_S)

    def _take(self, timeout_s: float) -> Frame | None:
        """The newest frame, unless it is too old to decide on."""
        frame = self.mailbox.take(timeout_s)
        if frame is None:
            return None
        age_ns = time.monotonic_ns() - frame.captured_at_ns
        if age_ns > _ns(self._flight.max_frame_age_ms):
            self.counters.stale_frames += 1
            return None
        return frame

    def _loop(self, workers: tuple[Worker, ...], max_seconds: float | None) -> None:
        next_ns = time.monotonic_ns()
        while not self._stop_reason:
            now_ns = time.monotonic_ns()
            for worker in workers:
                worker.check()
            self._tick(now_ns)
            if now_ns - self._trim_ns >= TRIM_PERIOD_NS:
                self._trim_ns = now_ns
                give_back_free_memory()
            self._reload(now_ns)
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
        camera_hz = self._vitals.camera.health(now_ns).rate_hz
        load = Load(self._inference_ms, self._config.model.threads_of_one, camera_hz or None)
        output = self._control.tick(now_ns, decision, pose, vehicle, load)
        self._time_target(output.target)
        link = self._link.status(now_ns)
        slow = None if self._control.slow is None else self._control.slow.text
        alarm = self._alarms.watch(link.alarms)
        health = self._vitals.watch(now_ns, pose, vehicle, output, alarm, slow)
        if not self._vitals.hung(now_ns, self._busy_since_ns):
            if self._vitals.heartbeat_due(now_ns):
                self._link.send_heartbeat(health.state)
            self._vitals.notify(now_ns, self.counters.decisions, self._capture.attempts_failed)
        if self._observers:
            self._observers.status(
                DaemonStatus(
                    now_ns,
                    self._started_ns,
                    output,
                    self._control.state_dict(),
                    self._control.refusal,
                    decision,
                    pose,
                    vehicle,
                    link,
                    health,
                    self._counts(),
                    self._control.authority,
                    slow,
                )
            )
        if now_ns - self._record_ns >= RECORD_PERIOD_NS:
            self._record_ns = now_ns
            rates = {i.name: i.rate_hz for i in health.inputs}
            self._events.write("status", state=output.state, rates_hz=rates, **self._totals())
        if now_ns - self._status_ns >= self._status_period_s * 1e9:
            self._status_ns = now_ns
            line = self._status_line(health, output)
            logger.info("%s", line)
            self._notifier.status(line)

    def _reload(self, now_ns: int) -> None:
        """Takes another configuration if one was asked for: at once, or by ending this run."""
        if self._reloader is None:
            return
        verdict = self._reloader.poll(self._link.vehicle(now_ns))
        if verdict is None:
            return
        self._link.send_text(verdict.text, Severity.NOTICE)
        if verdict.restart:
            self._restarting = True
            self.stop("another configuration")
        else:
            logging.getLogger().setLevel(verdict.config.log.level.upper())
            self.set_status_period(verdict.config.log.status_period_s)

    def _status_line(self, health: Health, output: DirectorOutput) -> str:
        rates = {i.name: i.rate_hz for i in health.inputs}
        age = self._pipeline.timings.percentiles().get("age")
        latency = f"{age.p50_ms:.0f}/{age.p95_ms:.0f} ms" if age else "-"
        authority = self._control.authority
        may = f" | authority {authority.state.value}: {authority.reason}" if authority else ""
        return (
            f"{health.text} | {output.state.value}: {output.reason}{may} | "
            f"camera {rates['camera']:.1f} "
            f"Hz, decisions {rates['pipeline']:.1f} Hz, pose {rates['pose']:.1f} Hz | frame to "
            f"decision p50/p95 {latency} | dropped {self._dropped()}, stale "
            f"{self.counters.stale_frames}, targets {self._control.counters.targets_sent}"
        )

    def _time_target(self, target: LandingTarget | None) -> None:
        """Times what was sent: the age of its evidence, and of its pose (what PLND_LAG means)."""
        if target is None or self._control.refusal is not None:
            return
        sent_ns = time.monotonic_ns()
        self._pipeline.timings.add(
            {
                "frame_to_send": (sent_ns - target.evidence_at_ns) * 1e-6,
                "pose_to_send": (sent_ns - target.pose_at_ns) * 1e-6,
            }
        )

    def _dropped(self) -> int:
        return self.mailbox.dropped + self._capture.dropped_by_camera

    def _counts(self) -> dict[str, int]:
        return {
            **vars(self.counters),
            **vars(self._control.counters),
            "map_resets": self._ground.resets,
            "map_shifts": self._ground.shifts,
            "frames": self._capture.frames,
            "dropped_frames": self._dropped(),
            "camera_failures": self._capture.attempts_failed,
            "camera_reopened": self._capture.reopened,
            "events_lost": self._events.lost,
        }

    def _totals(self) -> dict[str, object]:
        return {**self._counts(), "timings_ms": self._pipeline.timings.percentiles()}


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
