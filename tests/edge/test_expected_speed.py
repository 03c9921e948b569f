"""`edge check` says beforehand what a flight would find: whether decisions come soon enough for a target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import parse_config
from edge.expected_speed import speed_finding
from edge.resolved import ResolvedFlight, resolve_flight
from landing.decision import Decision
from landing.guidance.speed import Load, SpeedMonitor
from landing.problems import Problem
from landing.site import NoSite, NoSiteReason
from tests.edge.test_depth_feed import BASE

FRAME_MS, TICK_NS, S = 60.0, 50_000_000, 1_000_000_000


def flight(latency_ms: float) -> ResolvedFlight:
    config = parse_config({**BASE, "camera": {**BASE["camera"], "latency_ms": latency_ms}}, Path("/edge.toml"))
    return resolve_flight(config, None, {})


def found_in_flight(latency_ms: float, fps: float) -> bool:
    """True where half a minute of decisions, on frames that arrive late, counts as too slow."""
    monitor, slow = SpeedMonitor(flight(0.0).director.max_decision_age_s), None
    for now_ns in range(S, 31 * S, TICK_NS):
        arrived_ns = round(((now_ns / S - FRAME_MS * 1e-3) * fps) // 1 / fps * S)
        captured_ns = arrived_ns - round(latency_ms * 1e6)
        decision = Decision(NoSite(NoSiteReason.NO_POSE, ""), arrived_ns + round(FRAME_MS * 1e6), captured_ns)
        slow = monitor.step(now_ns, decision, Load(FRAME_MS, 2, fps))
    return slow is not None


@pytest.mark.parametrize(("latency_ms", "fps"), [(0.0, 5.0), (100.0, 5.0), (250.0, 5.0), (250.0, 30.0), (0.0, 2.0)])
def test_the_latency_of_the_camera_counts_as_in_flight(latency_ms: float, fps: float) -> None:
    told = speed_finding(flight(latency_ms), 2, FRAME_MS, fps)
    assert (told is not None) is found_in_flight(latency_ms, fps)
    if told is not None:
        assert told.warning and told.problem is Problem.SLOW and f"camera gives {fps:.1f} frames/s, needs" in told.text
        assert (f"{latency_ms:g} ms late" in told.text) is (latency_ms > 0)


@pytest.mark.parametrize(("latency_ms", "oldest_ms"), [(300.0, 300.0), (450.0, 1000.0), (1000.0, 5000.0)])
def test_pictures_too_old_when_they_arrive_are_named_whatever_the_rate(latency_ms: float, oldest_ms: float) -> None:
    told = speed_finding(replace(flight(latency_ms), max_frame_age_ms=oldest_ms), 2, 1.0, 60.0)
    assert told is not None and told.warning and f"camera.latency_ms = {latency_ms:g}" in told.text
    never = latency_ms >= oldest_ms
    assert told.problem is (Problem.NO_FRAME if never else Problem.SLOW)
    assert ("none would be decided on" in told.text) is never


@pytest.mark.parametrize(("fps", "word"), [(1.5, "walks or drives"), (4.0, "drives"), (5.0, None), (15.0, None)])
def test_rates_at_which_who_comes_is_told_only_when_there_are_named(fps: float, word: str | None) -> None:
    patient = flight(0.0)
    patient = replace(patient, director=patient.director.model_copy(update={"max_decision_age_s": 1.0}))
    told = speed_finding(patient, 2, 20.0, fps)
    assert (told is None) is (word is None)
    if told is not None:
        assert told.ok and told.warning and f"{fps:.1f} decisions/s: who {word} to the site" in told.text
