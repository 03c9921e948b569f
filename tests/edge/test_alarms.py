"""Alarms of the link: said once, over once, and in the daemon's health."""

from __future__ import annotations

import json
from pathlib import Path

from edge.alarms import LinkAlarms
from edge.log import EventLog
from edge.sdnotify import ServiceNotifier
from edge.sections.watch import HealthSection
from edge.vitals import Vitals
from firmware_bridge.messages import HealthState, Severity
from firmware_bridge.report import Alarm, AlarmKind, SendResult
from landing.guidance.director import DirectorOutput, DirectorState
from landing.vehicle import VehicleStatus

SECOND = 1_000_000_000
TWO = Alarm(AlarmKind.CONTESTED, "2 autopilots are heard: 1 and 2; set system_id")
MORE = Alarm(AlarmKind.CONTESTED, "3 autopilots are heard: 1, 2 and 3; set system_id")
IDS = Alarm(AlarmKind.OWN_IDS, "heartbeats of 1/191 come that we did not send")


class Texts:
    def __init__(self) -> None:
        self.said: list[tuple[str, Severity]] = []

    def send_text(self, text: str, severity: Severity) -> SendResult:
        self.said.append((text, severity))
        return SendResult()


def test_each_alarm_is_said_once_and_ends_once(tmp_path: Path) -> None:
    link = Texts()
    path = tmp_path / "events.jsonl"
    with EventLog(path) as events:
        alarms = LinkAlarms(link, events)
        assert alarms.watch(()) is None
        for now_on in ((TWO,), (MORE,), (MORE, IDS), (IDS,), ()):
            text = alarms.watch(now_on)
            assert (text or "") == "; ".join(alarm.text for alarm in now_on)
        assert alarms.watch((TWO,)) == TWO.text
    assert [said for said, _ in link.said] == [f"No landing targets: {alarm.text}" for alarm in (TWO, IDS, TWO)]
    assert {severity for _, severity in link.said} == {Severity.CRITICAL}
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(e["event"], e["kind"]) for e in written] == [
        ("link-alarm", "contested"),
        ("link-alarm", "own-ids"),
        ("link-alarm-over", "contested"),
        ("link-alarm-over", "own-ids"),
        ("link-alarm", "contested"),
    ]


def test_an_alarm_is_the_links_bad_health(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.jsonl") as events:
        vitals = Vitals(HealthSection(), events, ServiceNotifier(), 0)
        output = DirectorOutput(DirectorState.SEARCH, "", None, ())
        vehicle = VehicleStatus(link_alive=True)
        now_ns = 60 * SECOND
        for monitor in (vitals.camera, vitals.pipeline):
            monitor.arrived(now_ns)
        health = vitals.watch(now_ns, None, vehicle, output, TWO.text)
        link = next(i for i in health.inputs if i.name == "link")
        assert health.state is HealthState.DEGRADED and not link.valid
        assert f"link {TWO.text}" in health.text
        after = vitals.watch(now_ns + 1, None, vehicle, output)
        assert next(i for i in after.inputs if i.name == "link").ok
