"""Observer of the daemon that gives its answers to a ROS 2 graph, in a thread of its own: nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Any

from edge.annotate import annotate
from edge.dds import messages
from edge.dds.graph import RosNode, latched, reliable, sensor_data
from edge.dds.stamps import wall_offset_ns
from edge.observer import DaemonStatus
from edge.pipeline import Step
from edge.resolved import ResolvedFlight
from edge.ros import answers
from edge.sections.ros2 import Ros2Section
from landing.guidance.gates import gates
from landing.site import LandingSite

logger = logging.getLogger("edge.ros")

NODE = "touchdown"
DIAGNOSTICS_PERIOD_NS = 1_000_000_000
RIVALS_PERIOD_NS = 1_000_000_000
MAP_PERIOD_NS = 500_000_000
JOIN_S = 1.5


class RosPublisher:
    """Gives site, target, state, map, picture and transforms. Use it with `with`.

    Args:
        section: Names and rates.
        flight: What flies.
        hardware: Name of the vehicle or model, for the diagnostics.

    Raises:
        LinkError: DDS does not start.
    """

    def __init__(self, section: Ros2Section, flight: ResolvedFlight, hardware: str) -> None:
        self._section = section
        self._flight = flight
        self._hardware = hardware
        self._wake = threading.Condition()
        self._step: Step | None = None
        self._status: DaemonStatus | None = None
        self._closing = False
        self._told: tuple[object, ...] = ()
        self._told_ns = self._map_ns = self._picture_ns = self._asked_ns = 0
        self._has_rival = False
        self._node = node = RosNode(NODE, section.namespace)
        own, placed = node.namespace, messages.RosPoseWithCovarianceStamped
        self._send_site = node.writer(f"{own}/site", placed, reliable())
        self._send_target = node.writer(f"{own}/target", placed, reliable())
        self._send_state = node.writer("/diagnostics", messages.RosDiagnosticArray, reliable())
        self._send_map = node.writer(f"{own}/landable", messages.RosOccupancyGrid, latched())
        self._send_tf = node.writer("/tf", messages.RosTransforms, reliable(100))
        self._send_static = node.writer("/tf_static", messages.RosTransforms, latched())
        self._send_picture, self._looked_at = node.watched_writer(
            f"{own}/picture/compressed", messages.RosCompressedImage, sensor_data(1)
        )
        self._thread = threading.Thread(target=self._run, name="ros2", daemon=True)

    def __enter__(self) -> RosPublisher:
        mounted = answers.mount_transform(
            self._flight.camera.mount, time.monotonic_ns() + wall_offset_ns(), self._section.body_frame
        )
        if mounted is not None:
            self._send_static(messages.RosTransforms([mounted]))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(JOIN_S)
        self._node.close()

    def on_step(self, step: Step) -> None:
        """Keep a decision, in the pipeline thread."""
        with self._wake:
            self._step = step
            self._wake.notify()

    def on_status(self, status: DaemonStatus) -> None:
        """Keep a tick, in the control loop's thread."""
        with self._wake:
            self._status = status
            self._wake.notify()

    def on_event(self, line: Any) -> None:
        """Leave an event to the log."""

    def _run(self) -> None:
        """Give answers until the end. A node that fails leaves the graph: silence must not look like an old answer."""
        try:
            self._give_answers()
        except Exception:  # the landing goes on over MAVLink; the log says why ROS 2 is silent
            logger.exception("the ROS 2 node has failed and leaves the graph")
            self._node.close()

    def _give_answers(self) -> None:
        self._look_for_rivals()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closing or self._step is not None or self._status is not None)
                if self._closing:
                    return
                step, self._step = self._step, None
                status, self._status = self._status, None
            offset_ns = wall_offset_ns()
            if step is not None:
                self._give_decision(step, offset_ns)
            if status is not None:
                self._give_status(status, offset_ns)
            self._look_for_rivals()

    def _look_for_rivals(self) -> None:
        """Note whether somebody else writes our places too: readers could not tell them apart, so ours are not sent.

        Takes milliseconds, so it runs when the answers are out.
        """
        now_ns = time.monotonic_ns()
        if now_ns - self._asked_ns < RIVALS_PERIOD_NS:
            return
        self._asked_ns, own = now_ns, self._node.namespace
        found = self._node.has_rival(f"{own}/site", f"{own}/target")
        if found == self._has_rival:
            return
        self._has_rival = found
        if found:
            logger.warning(
                "ROS 2: somebody else writes %s/site or target too, so ours are not sent: give one of the vehicles "
                "another [ros2] namespace or ROS_DOMAIN_ID",
                own,
            )
        else:
            logger.info("ROS 2: nobody else writes %s/site or target any more", own)

    def _give_decision(self, step: Step, offset_ns: int) -> None:
        frame, ros_ns = self._section.map_frame, step.frame.captured_at_ns + offset_ns
        selection = step.decision.selection
        if isinstance(selection, LandingSite) and not self._has_rival:
            margin_m = self._flight.decision.margin_m
            self._send_site(answers.place(selection.position_ned_m, margin_m, ros_ns, frame))
        transform = answers.camera_transform(self._flight.camera, step.pose, ros_ns, frame)
        if transform is not None:
            self._send_tf(messages.RosTransforms([transform]))
        now_ns = time.monotonic_ns()
        if step.view is not None and now_ns - self._map_ns >= MAP_PERIOD_NS:
            self._map_ns = now_ns
            self._send_map(answers.grid(step.view, ros_ns, frame))
        fps = self._section.picture_fps
        if fps > 0 and now_ns - self._picture_ns >= 1e9 / fps and self._looked_at():
            self._picture_ns = now_ns
            drawn = annotate(step, self._flight.camera, self._flight.decision)
            self._send_picture(answers.picture(drawn, ros_ns))

    def _give_status(self, status: DaemonStatus, offset_ns: int) -> None:
        target = status.output.target
        if target is not None and status.refusal is None and not self._has_rival:
            ros_ns = target.evidence_at_ns + offset_ns
            margin_m, frame = self._flight.decision.margin_m, self._section.map_frame
            self._send_target(answers.place(target.position_ned_m, margin_m, ros_ns, frame))
        selection = None if status.decision is None else status.decision.selection
        kind = selection.reason if not isinstance(selection, LandingSite) and selection is not None else type(selection)
        told = (status.output.state, status.output.reason, status.health.state, kind)
        if told == self._told and status.at_ns - self._told_ns < DIAGNOSTICS_PERIOD_NS:
            return
        self._told, self._told_ns = told, status.at_ns
        judged = status.vehicle, self._flight.director, status.slow, status.gimbal
        asked = gates(status.at_ns, status.decision, status.pose, *judged)
        self._send_state(answers.diagnostics(status, asked, status.at_ns + offset_ns, self._hardware))
