"""The daemon for Prometheus, computed when it is asked for; `deploy/grafana` uses the names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from edge.observer import DaemonStatus
from edge.web.feed import Feed
from edge.web.status import alive, ready
from firmware_bridge.messages import HealthState
from landing.guidance.director import DirectorState
from landing.motion.check import MotionReport
from landing.motion.mistakes import KINDS
from landing.site import LandingSite, NoSite, NoSiteReason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RecorderCounts(Protocol):
    """Counters of the black box."""

    written: int
    dropped: int
    failures: int


class DaemonCollector:
    """Turns the newest status into metrics.

    Args:
        feed: Of the daemon.
        temperature_c: The hottest core, or None where no sensor can be read.
        recorder: Counters of the black box; None when nothing is recorded.
    """

    def __init__(self, feed: Feed, temperature_c: Callable[[], float | None], recorder: RecorderCounts | None) -> None:
        self._feed = feed
        self._temperature_c = temperature_c
        self._recorder = recorder

    def collect(self) -> Iterator[Metric]:
        """All metrics by now."""
        now_ns = time.monotonic_ns()
        status = self._feed.status
        yield _gauge("up", "1 while the control loop ticks", alive(status, now_ns)[0])
        yield _gauge("ready", "1 while decisions come from good inputs", ready(status, now_ns)[0])
        yield from self._stages()
        temperature_c = self._temperature_c()
        if temperature_c is not None:
            yield _gauge("temperature_celsius", "hottest core", temperature_c)
        if self._recorder is not None:
            for name in ("written", "dropped", "failures"):
                yield CounterMetricFamily(
                    f"touchdown_recorder_{name}", f"black box: {name}", value=getattr(self._recorder, name)
                )
        if status is not None:
            yield from self._of(status, now_ns)

    def _stages(self) -> Iterator[Metric]:
        sums = self._feed.timings()
        seconds = CounterMetricFamily("touchdown_stage_seconds", "time spent by stage of a decision", labels=["stage"])
        for stage, total in sums.seconds.items():
            seconds.add_metric([stage], total)
        yield seconds
        yield CounterMetricFamily("touchdown_stage_decisions", "decisions timed", value=sums.count)

    def _of(self, status: DaemonStatus, now_ns: int) -> Iterator[Metric]:
        for name, value in status.counters.items():
            yield CounterMetricFamily(f"touchdown_{name}", name.replace("_", " "), value=value)
        yield _choice("state", "of the director", status.output.state, DirectorState)
        yield _choice("health", "of the whole", status.health.state, HealthState)
        yield _gauge("sending", "1 while targets are sent", status.output.target is not None)
        rates = GaugeMetricFamily("touchdown_input_hz", "rate of an input", labels=["input"])
        well = GaugeMetricFamily("touchdown_input_ok", "1 while an input is well", labels=["input"])
        for item in status.health.inputs:
            rates.add_metric([item.name], item.rate_hz)
            well.add_metric([item.name], float(item.ok))
        yield from (rates, well)
        gates = GaugeMetricFamily("touchdown_gate_open", "1 while a gate is open", labels=["gate"])
        for held in self._feed.held:
            gates.add_metric([held.gate.name], float(held.gate.is_open))
        yield gates
        step = self._feed.step
        if step is not None and step.motion is not None:
            yield from _of_motion(step.motion)
        if step is not None and step.relief is not None:
            yield _gauge("relief_known_square_metres", "ground whose relief is known", step.relief.seen_m2)
            yield _gauge("relief_refused_square_metres", "ground that is not flat", step.relief.rough_m2)
        yield _gauge("link_alive", "1 while the autopilot is heard", status.link.alive)
        link = status.link
        for name, words, value in (
            ("bad_bytes", "bytes in no good MAVLink frame", link.bytes_bad),
            ("stranger_bytes", "bytes of strangers over their budget", link.bytes_over),
            ("lost_frames", "frames of the autopilot that did not come", link.frames_lost),
            ("sequence_turns", "its numbers went to and fro", link.sequence_turns),
        ):
            yield CounterMetricFamily(f"touchdown_link_{name}", words, value=value)
        yield _gauge("link_alarms", "what ends targets on the link", len(link.alarms))
        if status.decision is not None:
            yield from _of_decision(status, now_ns)
        if status.pose is not None:
            yield _gauge("pose_age_seconds", "of the newest pose", _age_s(now_ns, status.pose.at_ns))
            if status.pose.height_agl_m is not None:
                yield _gauge("height_metres", "above ground", status.pose.height_agl_m)


def make_registry(collector: DaemonCollector) -> CollectorRegistry:
    """A registry of its own, with memory, CPU time and descriptors of the process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(collector)
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """The text that Prometheus reads."""
    return generate_latest(registry)


def _of_motion(motion: MotionReport) -> Iterator[Metric]:
    shown = GaugeMetricFamily(
        "touchdown_motion_tested", "1 if the picture's motion rules a mistake out", labels=["kind"]
    )
    for kind in KINDS:
        shown.add_metric([kind], float(kind in motion.tested))
    yield shown
    yield _gauge("motion_mistaken", "1 while the picture does not move as it should", motion.mistake is not None)
    if motion.residual_px is not None:
        yield _gauge(
            "motion_residual_pixels", "of a picture 320 wide, where ground is not where it should", motion.residual_px
        )


def _of_decision(status: DaemonStatus, now_ns: int) -> Iterator[Metric]:
    decision = status.decision
    assert decision is not None
    yield _gauge("frame_age_seconds", "of the newest decision", _age_s(now_ns, decision.evidence_at_ns))
    selection = decision.selection
    if isinstance(selection, LandingSite):
        yield _gauge("site_clearance_metres", "clear radius at the site", selection.clearance_m)
        yield _gauge("site_area_square_metres", "clean area of its region", selection.area_m2)
        confidence = selection.confidence
        if confidence is not None:
            yield _gauge("site_safe_share", "of held-out sites of such a score", confidence.share)
            yield _gauge("site_safe_share_sites", "sites behind that share", confidence.sites)
    reason = selection.reason if isinstance(selection, NoSite) else None
    yield _choice("no_site", "why there is no site", reason, NoSiteReason)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"touchdown_{name}", text, value=float(value))


def _choice(
    name: str, text: str, chosen: object, choices: type[DirectorState] | type[HealthState] | type[NoSiteReason]
) -> Metric:
    family = GaugeMetricFamily(f"touchdown_{name}", f"1 for the present one, {text}", labels=[name])
    for choice in choices:
        family.add_metric([str(choice.value)], float(choice is chosen))
    return family


def _age_s(now_ns: int, at_ns: int) -> float:
    return max(0, now_ns - at_ns) * 1e-9
