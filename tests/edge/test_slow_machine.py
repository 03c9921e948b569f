"""A machine that is too slow: one refusal, few words, and never an old target."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.control import Control
from edge.log import EventLog
from firmware_bridge.messages import HealthState, Severity
from firmware_bridge.report import SendResult
from landing.command.orders import CommandAnswer, CommandRequest
from landing.decision import Decision
from landing.guidance.speed import Load
from landing.settings import DirectorSettings
from landing.site import Intruder, LandingSite
from landing.taxonomy import Role
from landing.types import LandingTarget, Pose
from landing.vehicle import Autopilot, VehicleStatus
from tests.edge.test_daemon import Rig, pipe_source, wait_for

S = 1_000_000_000
TICK_NS = 50_000_000
LANDING = VehicleStatus(True, Autopilot.ARDUPILOT, True, True, True, "LAND")


class Wire:
    """What control sends, kept."""

    def __init__(self) -> None:
        self.targets: list[LandingTarget] = []
        self.texts: list[str] = []

    def send_target(self, target: LandingTarget) -> SendResult:
        self.targets.append(target)
        return SendResult()

    def send_text(self, text: str, severity: Severity) -> SendResult:
        self.texts.append(text)
        return SendResult()

    def command(self, request: CommandRequest) -> SendResult:
        raise AssertionError("nothing is commanded in advise")

    def withdraw_command(self) -> None:
        """Nothing is asked."""

    def take_answers(self) -> tuple[CommandAnswer, ...]:
        return ()


class Descent:
    """A vehicle that lands on a good site, and decisions that come as slowly as they do."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.events: list[Mapping[str, Any]] = []
        log = EventLog(None)
        log.listeners.append(self.events.append)
        self.control = Control(DirectorSettings(hold_timeout_s=600.0), self.wire, log)
        self.now_ns = 100 * S
        self.oldest_s = 0.0

    def count(self, event: str) -> int:
        return sum(e["event"] == event for e in self.events)

    def tick(self, decision: Decision | None) -> None:
        self.now_ns += TICK_NS
        pose = Pose(self.now_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -10.0), 10.0)
        output = self.control.tick(self.now_ns, decision, pose, LANDING, Load(250.0, 2, 20.0))
        if output.target is not None:
            age_s = (self.now_ns - output.target.evidence_at_ns) * 1e-9
            self.oldest_s = max(self.oldest_s, age_s)

    def fly(self, hz: float, jitter: float, seconds: float, seed: int) -> None:
        """Decides on a frame when done with the one before."""
        rng = random.Random(seed)
        decision: Decision | None = None
        captured_ns = done_ns = self.now_ns
        for _ in range(round(seconds * 20)):
            if self.now_ns >= done_ns:
                decision = good(captured_ns, done_ns)
                captured_ns = done_ns - round(rng.uniform(0, 0.05) * S)
                done_ns += round(max(0.02, (1 + rng.gauss(0, jitter)) / hz) * S)
            self.tick(decision)


def good(captured_ns: int, decided_ns: int) -> Decision:
    site = LandingSite((4.0, 3.0, 0.0), 2.0, 40.0, captured_ns - 5 * S, captured_ns)
    return Decision(site, decided_ns, captured_ns)


@pytest.mark.parametrize("jitter", [0.1, 0.3])
@pytest.mark.parametrize("hz", [1.0, 2.0, 3.0, 4.0])
def test_it_settles_in_one_refusal(hz: float, jitter: float) -> None:
    descent = Descent()
    descent.fly(hz, jitter, 60.0, 1)
    assert descent.count("too-slow") == 1
    (event,) = (e for e in descent.events if e["event"] == "too-slow")
    assert event["reason"].startswith("too slow: ")
    assert event["inference_ms"] == 250.0 and event["threads"] == 2
    assert event["decisions_hz"] < event["needed_hz"]
    # Hundreds of each before there was a refusal.
    assert descent.count("transition") <= 7
    assert descent.count("target-stop") <= 20
    assert len(descent.wire.texts) <= 12
    assert "too slow: " in descent.wire.texts[-1]
    assert descent.oldest_s <= 0.5


@pytest.mark.parametrize("jitter", [0.1, 0.3])
@pytest.mark.parametrize("hz", [7.0, 10.0])
def test_a_machine_that_is_fast_enough_lands_without_a_word(hz: float, jitter: float) -> None:
    descent = Descent()
    descent.fly(hz, jitter, 60.0, 1)
    assert descent.count("too-slow") == 0
    assert descent.count("transition") == 1
    assert len(descent.wire.targets) > 1150


def test_one_late_decision_is_no_hold_but_stops_the_target() -> None:
    descent = Descent()
    descent.fly(10.0, 0.0, 5.0, 1)
    last = good(descent.now_ns, descent.now_ns)
    ticks = {"sent": 0, "state": ""}
    for _ in range(18):  # 0.9 s
        before = len(descent.wire.targets)
        descent.tick(last)
        ticks["sent"] += len(descent.wire.targets) - before
    assert ticks["sent"] == 9  # 0.45 s at 20 Hz
    assert descent.count("transition") == 1
    for _ in range(2):
        descent.tick(last)
    assert descent.count("transition") == 2  # and after a second the pilot hears of it
    assert "hold" in descent.wire.texts[-1]


def test_a_person_is_said_at_once_however_much_was_said_before() -> None:
    descent = Descent()
    for _ in range(10):
        descent.fly(10.0, 0.0, 1.0, 1)
        descent.tick(None)
    now_ns = descent.now_ns
    person = Decision(good(now_ns, now_ns).selection, now_ns, now_ns, intruder=Intruder(Role.PERSON, 0.3))
    descent.fly(10.0, 0.0, 0.2, 1)
    descent.tick(person)
    assert descent.wire.texts[-1] == "Landing hold: person at the site"


def test_the_daemon_names_a_camera_that_is_too_slow(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path, fps=2))
    with rig.running():
        wait_for(lambda: rig.logged("too-slow"))
        wait_for(lambda: any("too slow: camera" in text for text, _ in rig.link.texts))
        wait_for(lambda: rig.link.heartbeats[-1][1] is HealthState.DEGRADED)
        count = len(rig.link.targets)
    (event,) = rig.logged("too-slow")
    assert event["by_camera"] and event["camera_hz"] == pytest.approx(2.0, abs=0.5)
    assert event["threads"] >= 1 and event["inference_ms"] > 0
    assert any("too slow: camera" in r for e in rig.logged("health") for r in e["reasons"])
    assert len(rig.link.targets) == count
