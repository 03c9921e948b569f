"""Others on the link, or a second daemon: what is promised, and that it is kept."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_bridge.dialect import mavlink
from tests.faults.bench import Bench
from tests.faults.matrix import SILENCE_S, Row
from tests.faults.measure import Keep, goes_on, stops, unread
from tests.faults.strangers import QUADROTOR, Strangers
from tests.faults.wire import UdpWire

pytestmark = [pytest.mark.flight, pytest.mark.timeout(200)]

ROOT = Path(__file__).resolve().parents[2]
ARDUPILOT = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
NO_AUTOPILOT = mavlink.MAV_AUTOPILOT_INVALID
COMPANION = mavlink.MAV_TYPE_ONBOARD_CONTROLLER


def port_of(bench: Bench) -> int:
    assert isinstance(bench.wire, UdpWire)
    return bench.wire.daemon_port


def flights_of(folder: Path) -> set[str]:
    return {p.name for p in (folder / "recordings" / "flights").glob("*")}


def alarm_stops(bench: Bench, strangers: Strangers) -> tuple[float, float, str]:
    """Silence and recovery, s, and what the event log says."""
    bench.wait_for_targets()

    def fail() -> None:
        strangers.__enter__()

    silence_s = stops(bench, fail, lambda: strangers.began_ns)
    strangers.__exit__()
    recovery_s = bench.wait_for_targets(5)
    (alarm,) = bench.events("link-alarm")
    assert len(bench.events("link-alarm-over")) == 1
    return silence_s, recovery_s, str(alarm["text"])


def test_second_autopilot(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path, udp=True) as bench:
        other = Strangers(port_of(bench), range(2, 3), 1, QUADROTOR, ARDUPILOT, poses=True)
        silence_s, recovery_s, text = alarm_stops(bench, other)
        resets = len(bench.events("map-reset"))
    named = all(words in text for words in ("system 1 (", "system 2 (", "set system_id"))
    keep(
        Row(
            30,
            "second autopilot on the UDP port, no system_id set",
            "silent while both are heard, both named; nothing of the other one is taken; resumes 5 s after it has left",
            f"refused, named, {other.targets} targets to it, {resets} map resets",
            max(silence_s, 0.0),
            recovery_s,
            silence_s <= SILENCE_S and named and other.targets == 0 and resets == 0,
        )
    )


def test_stray_heartbeat(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    generic = mavlink.MAV_AUTOPILOT_GENERIC
    with Bench(tmp_path, model_path, udp=True) as bench:
        bench.wait_for_targets(1)
        bench.stop_daemon()
        bench.wire.order = "cut"
        with Strangers(port_of(bench), range(9, 10), 1, QUADROTOR, generic, 0.1) as stray:
            bench.start_daemon()
            started = time.monotonic()
            while time.monotonic() - started < 8.0:
                time.sleep(0.1)
            bench.wire.order = "good"
            recovery_s = bench.wait_for_targets(5)
            count, gap_s = goes_on(bench, 3.0)
            misled = stray.targets
    keep(
        Row(
            31,
            "heartbeats of a GENERIC autopilot, before ours is heard and in flight",
            "no autopilot to serve: ours is served as soon as it is heard; goes on",
            f"served, {count} targets in 3 s, longest gap {gap_s:.2f} s, {misled} to the other",
            None,
            recovery_s,
            count > 40 and misled == 0,
        )
    )


def test_fifty_senders(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path, udp=True) as bench:
        bench.wait_for_targets()
        station = mavlink.MAV_TYPE_GCS
        crowd = Strangers(port_of(bench), range(100, 150), 190, station, NO_AUTOPILOT, 0.1, True)
        with crowd:
            count, gap_s = goes_on(bench, 4.0)
            waiting, dropped = unread(port_of(bench))
    if count <= 60 and (dropped > 0 or waiting > 100_000):
        pytest.skip(f"this machine reads less than 5,500 datagrams a second: {dropped} dropped, {waiting} bytes wait")
    keep(
        Row(
            32,
            "50 foreign senders on the UDP port, 5,500 messages a second together",
            "goes on; every target goes to the autopilot, none to them",
            f"{count} targets in 4 s, longest gap {gap_s:.2f} s, {crowd.targets} to others",
            None,
            None,
            count > 60 and crowd.targets == 0,
        )
    )


def test_two_daemons(bench: Bench, keep: Keep) -> None:
    starts_before, flights_before = len(bench.events("start")), flights_of(bench.folder)
    command = [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(bench.folder / "edge.toml")]
    started = time.monotonic()
    with (bench.folder / "second.log").open("wb") as log:
        second = subprocess.Popen(command, stderr=log, cwd=ROOT)
        count, gap_s = goes_on(bench, 4.0)
        status = second.wait(60.0)
    took_s = time.monotonic() - started
    said = (bench.folder / "second.log").read_text("utf-8")
    alone = len(bench.events("start")) == starts_before
    alone &= flights_of(bench.folder) == flights_before
    bench.wait_for_targets(5)
    keep(
        Row(
            33,
            "second daemon on the same configuration",
            "the first goes on; the second names it, exits 78 and touches nothing",
            f"exit {status} within {took_s:.1f} s; {count} targets in 4 s, longest gap {gap_s:.2f} s",
            None,
            None,
            status == 78 and f"process {bench.daemon.pid}" in said and alone and count > 40,
        )
    )


def test_our_own_ids(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path, udp=True) as bench:
        other = Strangers(port_of(bench), range(1, 2), 191, COMPANION, NO_AUTOPILOT)
        silence_s, recovery_s, text = alarm_stops(bench, other)
    keep(
        Row(
            34,
            "heartbeats with our own ids that we did not send",
            "an alarm, silent; resumes 5 s after the last one",
            "alarm in event log and STATUSTEXT, silent",
            max(silence_s, 0.0),
            recovery_s,
            silence_s <= SILENCE_S and "1/191" in text,
        )
    )
