"""Monitors of the inputs, the health that follows, and reports of it.

The autopilot's heartbeat and the service manager's watchdog follow evidence of work done; nothing is kept alive by a
timer of its own.
"""

from __future__ import annotations

import logging

from edge.health import Health, InputMonitor, overall
from edge.log import EventLog
from edge.sdnotify import ServiceNotifier
from edge.sections.watch import HealthSection
from firmware_bridge.messages import HealthState
from landing.guidance.director import DirectorOutput, DirectorState
from landing.types import Pose
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")

HEARTBEAT_PERIOD_NS = 1_000_000_000
BOOT_GRACE_NS = 15_000_000_000
"""An input that never delivered is starting, not failed, for so long."""

GROUND = (DirectorState.COMMIT, DirectorState.LANDED)
RELIED_ON = (DirectorState.DESCEND, DirectorState.COMMIT, DirectorState.HOLD)
BAD = (HealthState.DEGRADED, HealthState.FAILED)


class Vitals:
    """Watches the inputs and the pipeline's progress.

    `camera` and `pipeline` are told of arrivals by their threads; the rest is one caller's.

    Args:
        limits: Of each input.
        events: Takes changes of state.
        notifier: To the service manager.
        started_ns: Monotonic time of the start.
    """

    def __init__(self, limits: HealthSection, events: EventLog, notifier: ServiceNotifier, started_ns: int) -> None:
        pose_timeout_ns = _ns(limits.pose_timeout_ms)
        self.camera = InputMonitor("camera", _ns(limits.camera_timeout_ms))
        self.pipeline = InputMonitor("pipeline", _ns(limits.pipeline_timeout_ms), limits.min_rate_hz)
        self._pose = InputMonitor("pose", pose_timeout_ns)
        self._link = InputMonitor("link", pose_timeout_ns)
        self._hang_ns = _ns(limits.hang_timeout_ms)
        self._events = events
        self._notifier = notifier
        self._started_ns = started_ns
        self._ready = False
        self._hung_said = False
        self._heartbeat_second = (started_ns - 1) // HEARTBEAT_PERIOD_NS
        self._fed_ns = 0
        self._fed_evidence = 0
        self._health: Health | None = None

    @property
    def state(self) -> HealthState:
        """Overall state of the last `watch`."""
        return HealthState.STARTING if self._health is None else self._health.state

    def watch(
        self,
        now_ns: int,
        pose: Pose | None,
        vehicle: VehicleStatus,
        output: DirectorOutput,
        alarm: str | None = None,
        slow: str | None = None,
    ) -> Health:
        """Check pose and link and return the health of the whole; a change is logged.

        Args:
            now_ns: Monotonic time.
            pose: The newest.
            vehicle: The autopilot's own description.
            output: The director's last step.
            alarm: Words of a link alarm that ends targets, or None.
            slow: Words of decisions that are too slow, or None.
        """
        self._watch_pose(pose, vehicle, output.state)
        if vehicle.link_alive:
            self._link.arrived(now_ns, alarm)
        elif self._link.last_ns is not None:
            self._link.failed("no heartbeat from the autopilot")
        inputs = (self.camera, self.pipeline, self._pose, self._link)
        health = overall(
            tuple(monitor.health(now_ns) for monitor in inputs),
            active=output.target is not None,
            relied_on=output.state in RELIED_ON,
            starting=now_ns - self._started_ns < BOOT_GRACE_NS,
            slow=slow,
        )
        before, self._health = self._health, health
        if before is None or before.state is not health.state:
            level = logging.WARNING if health.state in BAD else logging.INFO
            logger.log(level, "health %s", health.text)
            self._events.write("health", state=health.state, reasons=health.reasons)
        return health

    def hung(self, now_ns: int, busy_since_ns: int | None) -> bool:
        """Return True if the pipeline has worked on one frame for far too long: then the daemon falls silent."""
        hung = busy_since_ns is not None and now_ns - busy_since_ns > self._hang_ns
        if hung and not self._hung_said:
            logger.error("the pipeline hangs; heartbeats and watchdog stop")
            self._events.write("hang")
        self._hung_said = hung
        return hung

    def heartbeat_due(self, now_ns: int) -> bool:
        """Return True once in each second of the clock; it counts as sent."""
        before, self._heartbeat_second = self._heartbeat_second, now_ns // HEARTBEAT_PERIOD_NS
        return self._heartbeat_second != before

    def notify(self, now_ns: int, decisions: int, camera_attempts: int) -> None:
        """Tell the service manager of progress. Not to be called while hung.

        Args:
            now_ns: Monotonic time.
            decisions: Made since the start.
            camera_attempts: Failed ones. A camera that is gone and being reopened is being worked
                on: a restart would not help.
        """
        if not self._ready and decisions:
            self._ready = True
            self._notifier.ready()
            self._events.write("ready", after_s=(now_ns - self._started_ns) / 1e9)
        period_ns = self._notifier.watchdog_period_ns
        if period_ns is None or now_ns - self._fed_ns < period_ns // 2:
            return
        evidence = decisions + camera_attempts
        if evidence != self._fed_evidence:
            self._fed_evidence, self._fed_ns = evidence, now_ns
            self._notifier.watchdog()

    def _watch_pose(self, pose: Pose | None, vehicle: VehicleStatus, state: DirectorState) -> None:
        if pose is None or pose.at_ns == self._pose.last_ns:
            return
        # On the ground and right above it a rangefinder is below its range: that is no failure.
        down = state in GROUND or not vehicle.armed or vehicle.airborne is False
        missing = [
            name
            for name, value in (
                ("attitude", pose.ned_from_frd),
                ("position", pose.position_ned_m),
                ("height", pose.height_agl_m),
            )
            if value is None and not (down and name == "height")
        ]
        self._pose.arrived(pose.at_ns, f"without {' and '.join(missing)}" if missing else None)


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
