"""Speed of decisions to expect in flight, by the time of one frame and the rate and latency of the camera."""

from __future__ import annotations

from edge.finding import Finding
from edge.resolved import ResolvedFlight
from landing.choice.approach import DRIVERS_HZ, WALKERS_HZ
from landing.guidance.speed import Slowness
from landing.problems import Problem


def speed_finding(flight: ResolvedFlight, threads: int | None, frame_ms: float, fps: float | None) -> Finding | None:
    """A warning where decisions come too late for a target, or for telling who comes; None where they do not.

    Until the next decision the newest one rests on a frame that is as old as the camera's latency and one decision
    take, and as what then has to be waited for: the next decision, or the camera where that is slower.

    Args:
        flight: Settings that fly.
        threads: Of one inference; None where not known.
        frame_ms: Time of one decision, ms; above 0.
        fps: Frames that the camera gives in a second; None where not known.
    """
    limit_s = flight.director.max_decision_age_s
    knowingly = f"raise director.max_decision_age_s ({limit_s:g} s) knowingly"
    late = _late_camera(flight, knowingly)
    if late is not None:
        return late
    left_s = limit_s - flight.latency_ms * 1e-3
    frame_s, camera_s = frame_ms * 1e-3, 1.0 / fps if fps else 0.0
    if frame_s + max(frame_s, camera_s) <= left_s:
        return _late_approaches(1.0 / max(frame_s, camera_s))
    by_camera = 2 * frame_s <= left_s
    needed_hz = 1.0 / (left_s - frame_s) if by_camera else 2.0 / left_s
    decisions_hz = 1.0 / max(frame_s, camera_s)
    slow = Slowness(decisions_hz, needed_hz, flight.latency_ms + frame_ms, frame_ms, threads, fps, by_camera)
    remedy = f"raise camera.fps, or {knowingly}"
    if not by_camera:
        remedy = (
            "fly a smaller model or its INT8 form (touchdown export int8), more model.threads "
            f"where there are cores, or {knowingly}"
        )
    behind = f" with pictures {flight.latency_ms:g} ms late (camera.latency_ms)" if flight.latency_ms else ""
    text = f"{slow.text}{behind}: no target would be sent; {remedy}"
    return Finding("speed", True, text, vars(slow), warning=True, problem=Problem.SLOW)


def _late_camera(flight: ResolvedFlight, knowingly: str) -> Finding | None:
    """A warning where the camera's latency alone makes each frame too old; None where it does not."""
    said = f"camera.latency_ms = {flight.latency_ms:g}: each picture is"
    remedy = "take a camera with less delay"
    data = {"camera_latency_ms": flight.latency_ms}
    if flight.latency_ms >= flight.max_frame_age_ms:
        text = (
            f"{said} older than camera.max_frame_age_ms ({flight.max_frame_age_ms:g}) when it arrives, so none "
            f"would be decided on; {remedy}, or raise camera.max_frame_age_ms knowingly"
        )
        return Finding("speed", True, text, data, warning=True, problem=Problem.NO_FRAME)
    if flight.latency_ms * 1e-3 >= flight.director.max_decision_age_s:
        text = f"{said} too old for a target when it arrives: no target would be sent; {remedy}, or {knowingly}"
        return Finding("speed", True, text, data, warning=True, problem=Problem.SLOW)
    return None


def _late_approaches(decisions_hz: float) -> Finding | None:
    """A warning where somebody who comes to the site is told only when there; None where they are told ahead."""
    if decisions_hz >= DRIVERS_HZ:
        return None
    who, needed_hz, ahead = "drives", DRIVERS_HZ, f"from {DRIVERS_HZ:g} decisions/s they are told ahead"
    if decisions_hz < WALKERS_HZ:
        who, needed_hz = "walks or drives", WALKERS_HZ
        ahead = f"from {WALKERS_HZ:g} decisions/s walkers are told ahead, from {DRIVERS_HZ:g} drivers too"
    text = f"{decisions_hz:.1f} decisions/s: who {who} to the site is told only when there; {ahead}"
    data = {"decisions_hz": decisions_hz, "needed_hz": needed_hz}
    return Finding("speed", True, text, data, warning=True, problem=Problem.SLOW)
