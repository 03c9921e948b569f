"""The threads of `edge serve` around the landing loop (`edge.flight_loop`).

The capture thread delivers frames, the pipeline thread decides on the newest one, the main thread ticks at 20 Hz.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from edge.allocator import TRIM_PERIOD_NS, give_back_free_memory
from edge.cameras import Camera
from edge.capture import CaptureLimits, CaptureLoop
from edge.config import EdgeConfig
from edge.depth_feed import DepthFeed
from edge.ending import UnstoppedError
from edge.flight_loop import FlightLoop, LoopLink, LoopSettings
from edge.log import EventLog
from edge.observer import Observer, Observers
from edge.pipeline import Pipeline
from edge.pointing import GimbalLink
from edge.reload import Reloader
from edge.resolved import ResolvedFlight
from edge.runtimes.contract import InferenceCancelledError
from edge.sdnotify import ServiceNotifier
from edge.worker import Worker
from firmware_bridge.messages import HealthState, Severity
from landing.relief.depth_image import DepthFrame
from landing.types import Frame, LandingTarget, Pose

logger = logging.getLogger("edge")

CONTROL_PERIOD_NS = 50_000_000
LAND_S = 2.5
"""Two heartbeats of an autopilot, which tell that it lands."""

JOIN_TIMEOUT_S = 1.5
"""Time that threads may take to end, beside the inference that runs."""

POSE_WAIT_NS = 60_000_000
"""Three periods of the attitude stream."""

POSE_POLL_S = 0.005
TAKE_S = 0.1
"""Period at which a pipeline without a frame looks for the end of the run."""


class DaemonLink(LoopLink, GimbalLink, Protocol):
    """Link of a landing and, where one is pointed, of its gimbal."""


class Daemon:
    """Runs until it is stopped, a recording ends or a thread fails.

    Args:
        config: Validated.
        flight: Resolved configuration.
        camera: Not open yet.
        pipeline: With its model loaded and warm.
        link: Started.
        events: Open.
        notifier: To the service manager.
        live: The camera may come back after a failure.
        observers: Given every decision and status.
        reloader: Asked once a tick for another configuration.
        cancel: Ends the inference that runs, where it can be; see `edge.runtimes.Runtime.cancel`.
        depth: The depth sensor, not open yet, and what takes its images; None without one.
    """

    def __init__(
        self,
        config: EdgeConfig,
        flight: ResolvedFlight,
        camera: Camera,
        pipeline: Pipeline,
        link: DaemonLink,
        events: EventLog,
        notifier: ServiceNotifier,
        live: bool,
        observers: tuple[Observer, ...] = (),
        reloader: Reloader | None = None,
        cancel: Callable[[], None] | None = None,
        depth: tuple[Camera, DepthFeed] | None = None,
    ) -> None:
        self._config = config
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
        settings = LoopSettings(
            flight.director, flight.authority, flight.max_frame_age_ms, config.health, config.model.threads_of_one
        )
        self._loop: FlightLoop[Frame] = FlightLoop(
            settings,
            pipeline,
            link,
            events,
            self._started_ns,
            notifier,
            flight.site_book(),
            link if flight.link.gimbal_down else None,
        )
        self.counters = self._loop.counters
        limits = CaptureLimits(config.camera.start_timeout_ms / 1e3, config.camera.stall_timeout_ms / 1e3)
        self._capture = CaptureLoop(camera, camera.grab, self._loop, limits, events, self._stop, live)
        self._depth: CaptureLoop[DepthFrame] | None = None
        if depth is not None:
            sensor, feed = depth
            self._depth = CaptureLoop(sensor, sensor.grab_depth, feed, limits, events, self._stop, True, "depth")
        self._status_period_s = config.log.status_period_s
        self._status_ns = self._started_ns
        self._trim_ns = self._started_ns

    def stop(self, reason: str) -> None:
        """Ask for a clean shutdown. Callable from a signal handler and from any thread.

        It takes no lock: the control loop looks at it within a tick.
        """
        self._stop_reason = self._stop_reason or reason

    def run(self, max_seconds: float | None = None) -> None:
        """Run until the end.

        Args:
            max_seconds: Stop by itself after so long.

        Raises:
            TouchdownError: A thread met an error that a user can act on.
            UnstoppedError: A thread does not end; its inference or driver does not return.
        """
        workers: tuple[Worker, ...] = (Worker("capture", self._capture.run), Worker("pipeline", self._run_pipeline))
        if self._depth is not None:
            workers += (Worker("depth", self._depth.run),)
        try:
            for worker in workers:
                worker.start()
            self._control(workers, max_seconds)
        finally:
            self._stop.set()
            try:
                self._land_what_is_held()
            finally:
                late = self._leave(workers)
        for worker in workers:
            worker.check()
        if late:
            raise UnstoppedError(f"threads that do not stop: {', '.join(late)}")

    def _land_what_is_held(self) -> None:
        """Let a failsafe landing that is held up go on: nobody may be there to take over.

        The order is repeated until the autopilot reports it done, or `LAND_S` are over.
        """
        deadline_ns = time.monotonic_ns() + round(LAND_S * 1e9)
        while self._loop.holds_failsafe and (now_ns := time.monotonic_ns()) < deadline_ns:
            self._loop.tick(now_ns, leaving=True)
            time.sleep(CONTROL_PERIOD_NS * 1e-9)

    def _leave(self, workers: tuple[Worker, ...]) -> list[str]:
        """Give back what is held and end the threads; return the names of those that do not end."""
        self._loop.end()
        if self._cancel is not None:
            self._cancel()
        if self._restarting:
            self._notifier.reloading(time.monotonic_ns() // 1000)
        else:
            self._notifier.stopping()
        self._link.send_heartbeat(HealthState.STOPPING)
        late = self._join(workers)
        self._events.write("stop", reason=self._stop_reason or "failure", unstopped=late, **self._loop.totals())
        if late:
            logger.error("threads that do not stop: %s", ", ".join(late))
        return late

    def _join(self, workers: tuple[Worker, ...]) -> list[str]:
        """Wait for the threads; return the names of those that do not end.

        An inference may take as long as one that counts as hanging: a native runtime that is left behind at work aborts
        the process.
        """
        now_ns = time.monotonic_ns()
        busy_since_ns = self._loop.busy_since_ns
        inference_ns = 0
        if busy_since_ns is not None:
            hang_ns = round(self._config.health.hang_timeout_ms * 1e6)
            inference_ns = max(0, busy_since_ns + hang_ns - now_ns)
        deadline_ns = now_ns + inference_ns + round(JOIN_TIMEOUT_S * 1e9)
        return [w.name for w in workers if not w.join(max(0.0, (deadline_ns - time.monotonic_ns()) * 1e-9))]

    def set_status_period(self, period_s: float) -> None:
        """Change the period of the status line, s."""
        self._status_period_s = period_s

    def _run_pipeline(self) -> None:
        """Body of the pipeline thread."""
        while not self._stop.is_set():
            frame = self._pipeline.ahead
            if frame is None and self._loop.mailbox.wait(TAKE_S):
                frame = self._take_frame()
            if frame is None:
                continue
            try:
                step = self._loop.decide(frame, time.monotonic_ns(), self._pose_at, self._take_frame)
            except InferenceCancelledError:
                return
            self._observers.step(step)

    def _take_frame(self) -> Frame | None:
        return self._loop.take_frame(time.monotonic_ns())

    def _pose_at(self, at_ns: int) -> Pose | None:
        """Return the pose at a frame's capture; wait a little for one that is still on its way.

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

    def _control(self, workers: tuple[Worker, ...], max_seconds: float | None) -> None:
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
            if ended is not None and not self._loop.mailbox.waiting and self._loop.busy_since_ns is None:
                self.stop(ended)
            next_ns += CONTROL_PERIOD_NS
            wait_ns = next_ns - time.monotonic_ns()
            if wait_ns < 0:
                self.counters.late_ticks += 1
                next_ns -= wait_ns
            self._stop.wait(max(wait_ns, 0) / 1e9)

    def _tick(self, now_ns: int) -> None:
        """One step of the control loop."""
        output = self._loop.tick(now_ns)
        self._time_target(output.target)
        if self._observers:
            self._observers.status(self._loop.status())
        if now_ns - self._status_ns >= self._status_period_s * 1e9:
            self._status_ns = now_ns
            line = self._status_line()
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

    def _status_line(self) -> str:
        status, counters = self._loop.status(), self._loop.counters
        output, authority, rates = status.output, status.authority, status.health.rates_hz
        age = self._pipeline.timings.percentiles().get("age")
        latency = f"{age.p50_ms:.0f}/{age.p95_ms:.0f} ms" if age else "-"
        may = f" | authority {authority.state.value}: {authority.reason}" if authority else ""
        return (
            f"{status.health.text} | {output.state.value}: {output.reason}{may} | "
            f"camera {rates['camera']:.1f} "
            f"Hz, decisions {rates['pipeline']:.1f} Hz, pose {rates['pose']:.1f} Hz | frame to "
            f"decision p50/p95 {latency} | dropped {self._loop.dropped_frames}, stale "
            f"{counters.stale_frames}, targets {self._loop.control.counters.targets_sent}"
        )

    def _time_target(self, target: LandingTarget | None) -> None:
        """Times what was sent: the age of its evidence, and of its pose (what PLND_LAG means)."""
        if target is None or self._loop.control.refusal is not None:
            return
        sent_ns = time.monotonic_ns()
        self._pipeline.timings.add(
            {
                "frame_to_send": (sent_ns - target.evidence_at_ns) * 1e-6,
                "pose_to_send": (sent_ns - target.pose_at_ns) * 1e-6,
            }
        )
