"""The monitor: what it shows, and that nobody notices it."""

from __future__ import annotations

import json
import threading

import pytest
from click.testing import CliRunner

from firmware_bridge import monitor_view
from firmware_bridge.cli import cli
from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor import Session, tool_settings
from firmware_bridge.events import FIRST_BYTES, EventTail
from firmware_bridge.monitor import COMPONENT, MonitorOptions, run
from firmware_bridge.monitor_state import MonitorState
from firmware_bridge.target import landing_target_message
from landing.types import LandingTarget
from landing.vehicle import Autopilot
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.peers import UdpOutgoingPeer, UdpWaitingPeer, wait_for

TARGET = LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), 10**9, 10**9)
MS = 1_000_000


def heard(message, component, system=1):
    packer = mavlink.MAVLink(None, system, component)
    return mavlink.MAVLink(None).decode(bytearray(message.pack(packer)))


def watched(*messages):
    """The state after messages of (message, component), 50 ms apart; and the time."""
    session = Session(tool_settings("udpin:127.0.0.1:0"))
    state = MonitorState(session)
    heartbeat = mavlink.MAVLink_heartbeat_message(2, 3, 128, 9, 4, 3)
    now_ns = 10**9
    for message, component in ((heartbeat, 1), *messages):
        frame = heard(message, component)
        session.telemetry.take(frame, now_ns)
        state.on_message(frame, now_ns)
        now_ns += 50 * MS
    return state, now_ns


def rows(state, now_ns):
    return {(t, r.name): r for t, block in monitor_view.blocks(state, now_ns) for r in block}


def text_message(text, severity=6):
    return mavlink.MAVLink_statustext_message(severity, text.encode(), 0, 0)


def test_texts_and_events_give_a_terminal_no_orders():
    state, now_ns = watched((text_message("hold\x1b]0;owned\x07\nok"), 1))
    state.on_event({"event": "no-site", "reason": "\x1b[31mgood"}, now_ns)
    lines = [monitor_view.told_as_text(said, 0) for said in state.take_news()]
    assert lines and all(line.isprintable() for line in lines)


def test_the_targets_on_the_wire_are_shown_with_their_sender_and_age():
    message = landing_target_message(TARGET, Autopilot.ARDUPILOT)
    state, now_ns = watched(*[(message, 191)] * 10)
    shown = rows(state, now_ns)
    assert shown["target on the wire", "from"].value.startswith("1/191, 2")
    assert "BODY_FRD 1.00 2.00 10.00 m" in shown["target on the wire", "where"].value
    assert shown["target on the wire", "age"].level == 0
    later = rows(state, now_ns + 2000 * MS)
    assert later["target on the wire", "age"].level > 0
    assert "2." in later["target on the wire", "age"].value


def test_angles_are_shown_where_there_is_no_position():
    message = landing_target_message(TARGET, Autopilot.ARDUPILOT)
    message.position_valid = 0
    state, now_ns = watched((message, 191))
    assert "angles +11.3 -5.7 deg" in rows(state, now_ns)["target on the wire", "where"].value


def test_mode_and_companions_are_shown():
    beat = mavlink.MAVLink_heartbeat_message(18, 8, 0, 0, mavlink.MAV_STATE_CRITICAL, 3)
    state, now_ns = watched((beat, 191))
    shown = rows(state, now_ns)
    assert shown["vehicle", "mode"].value == "LAND, landing"
    assert shown["vehicle", "state"].value.startswith("armed")
    assert "1/191 critical" in shown["link", "others"].value


def test_what_was_rejected_is_told_with_who_and_why():
    ack = mavlink.MAVLink_command_ack_message(21, mavlink.MAV_RESULT_DENIED, 0, 0, 1, 191)
    fine = mavlink.MAVLink_command_ack_message(511, mavlink.MAV_RESULT_ACCEPTED, 0, 0, 1, 191)
    state, _ = watched(
        (text_message("Plnd: Frame not supported"), 1),
        (text_message("EKF3 IMU0 is using GPS"), 1),
        (text_message("Landing hold: site lost", 4), 191),
        (ack, 1),
        (fine, 1),
    )
    assert [(s.who, s.text) for s in state.rejections] == [
        ("autopilot", "Plnd: Frame not supported"),
        ("component 191", "Landing hold: site lost"),
        ("autopilot", "command 21 not taken (MAV_RESULT 2)"),
    ]
    assert len(state.said) == 4


def test_the_event_log_tells_what_the_wire_cannot(tmp_path):
    log = tmp_path / "events.jsonl"
    events = [
        {"event": "transition", "from_state": "search", "to_state": "track", "reason": "site"},
        {"event": "site-chosen", "site": {"position_ned_m": [4, 3, 0], "clearance_m": 2.4}},
        {"event": "target-start", "reason": "site 2.4 m clear"},
        {"event": "status", "state": "track", "timings_ms": {"age": {"p50_ms": 88, "p95_ms": 99}}},
        {"event": "health", "state": "degraded", "reasons": ["camera late"]},
        {"event": "target-refused", "reason": "PX4 drops it"},
    ]
    log.write_text("".join(json.dumps(e) + "\n" for e in events))
    state = MonitorState(None)
    for event in EventTail(log).read():
        state.on_event(event, 0)
    shown = rows(state, 0)
    assert shown["daemon", "state"].value == "track: site"
    assert shown["daemon", "targets"].value == "do not go out: PX4 drops it"
    assert shown["daemon", "site"].value == "4.0 N 3.0 E, 2.4 m clear"
    assert shown["daemon", "health"].level > 0
    assert "88/99 ms" in shown["daemon", "latency"].value
    assert any("PX4 drops it" in s.text for s in state.rejections)


def test_the_live_view_draws_whatever_is_known():
    rich_console = pytest.importorskip("rich.console")
    message = landing_target_message(TARGET, Autopilot.PX4)
    state, now_ns = watched((message, 191), (text_message("[bold]no markup[/bold]"), 1))
    state.on_event({"event": "transition", "to_state": "hold", "reason": "x"}, now_ns)
    console = rich_console.Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(monitor_view.picture(state, now_ns))
    console.print(monitor_view.picture(MonitorState(None), now_ns))
    drawn = console.export_text()
    assert "LOCAL_NED 4.00 3.00 0.50 m" in drawn
    assert "[bold]no markup[/bold]" in drawn, "texts from the wire are no markup"


# --- on a live link ---


class Watching:
    """`bridge monitor` in a thread, for as long as the block lasts."""

    def __init__(self, connection, seconds=30.0, **options):
        self.lines = []
        self._options = MonitorOptions(connection, seconds=seconds, plain=True, **options)
        self._thread = threading.Thread(target=run, args=(self._options, self.lines.append))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_it_asks_only_for_what_does_not_come_and_never_as_the_daemon():
    with FakeAutopilot(UdpOutgoingPeer()) as autopilot:
        # Somebody, on this very link, has asked for attitudes already.
        attitude_id = mavlink.MAVLINK_MSG_ID_ATTITUDE_QUATERNION
        autopilot._intervals_s[attitude_id] = 0.02
        with Watching(autopilot.peer.connection, seconds=12.0) as monitor:
            pass
        asked = autopilot.asked()
        assert attitude_id not in asked
        assert mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED in asked
        assert autopilot._intervals_s[attitude_id] == 0.02
        assert {m.get_srcComponent() for m in autopilot.received} == {COMPONENT}
        assert not autopilot.of_type("HEARTBEAT")
        assert all(m.tc1 == 0 for m in autopilot.of_type("TIMESYNC")), "it answers nothing"
    assert any("mode LAND" in line and "NED 1.0 2.0 -10.0" in line for line in monitor.lines)


def test_passive_sends_nothing_at_all():
    with FakeAutopilot(UdpOutgoingPeer()) as autopilot:
        with Watching(autopilot.peer.connection, seconds=5.0, passive=True) as monitor:
            pass
        assert autopilot.received == []
    assert any("mode LAND" in line for line in monitor.lines)


def test_where_one_must_speak_first_it_speaks_as_itself():
    with FakeAutopilot(UdpWaitingPeer()) as autopilot:
        with Watching(autopilot.peer.connection, seconds=3.0):
            assert wait_for(lambda: autopilot.of_type("HEARTBEAT"), 20)
        assert {m.get_srcComponent() for m in autopilot.received} == {COMPONENT}


def monitor(*arguments):
    return CliRunner().invoke(cli, ["monitor", *map(str, arguments)])


def test_the_command_shows_a_log_alone_and_ends_by_itself(tmp_path):
    log = tmp_path / "events.jsonl"
    log.write_text('{"event":"target-stop","reason":"pose is older than 0.3 s"}\n')
    config = tmp_path / "edge.toml"
    config.write_text('[link]\nconnection = "/dev/ttyACM9"\n[log]\nevents = "events.jsonl"\n')
    done = monitor("--config", config, "--seconds", 0.4)
    assert done.exit_code == 0, done.output
    assert "WARN daemon: targets stop: pose is older than 0.3 s" in done.output


def test_a_script_reads_json_lines(tmp_path):
    log = tmp_path / "events.jsonl"
    log.write_text('{"event":"no-site","reason":"no-height","detail":"height above ground is not known"}\n')
    done = monitor("--events", log, "--seconds", 1.3, "--json")
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.output.splitlines()]
    words = "no-height: height above ground is not known"
    said = {"kind": "said", "who": "daemon", "text": f"no site, {words}", "bad": False}
    assert said.items() <= told[0].items() and told[0]["at_s"] >= 0
    status = next(entry for entry in told if entry["kind"] == "status")
    assert status["daemon"]["site"] == {"value": f"none, {words}", "level": "ok"}


def test_the_daemons_own_port_is_refused_and_nothing_to_watch_is_told(tmp_path):
    config = tmp_path / "edge.toml"
    config.write_text('[link]\nconnection = "/dev/ttyACM9,57600"\n')
    done = monitor("--config", config, "--link", "/dev/ttyACM9", "--seconds", 1)
    assert "the daemon's own port" in str(done.exception)
    assert "nothing to watch" in str(monitor("--seconds", 1).exception)


# --- the tail of the log ---


def test_the_tail_survives_cut_lines_and_a_log_begun_anew(tmp_path):
    log = tmp_path / "events.jsonl"
    tail = EventTail(log)
    assert tail.read() == []
    log.write_text('{"event":"a"}\nnot json\n[1]\n{"event":"b"')
    assert [e["event"] for e in tail.read()] == ["a"]
    with log.open("a") as stream:
        stream.write(',"x":1}\n')
    assert tail.read() == [{"event": "b", "x": 1}]
    log.write_text('{"event":"c"}\n')
    assert [e["event"] for e in tail.read()] == ["c"]
    assert EventTail(log, from_end=True).read() == []


def test_of_a_long_log_only_the_end_is_read(tmp_path):
    log = tmp_path / "events.jsonl"
    lines = [json.dumps({"event": "x", "n": n, "pad": "p" * 100}) for n in range(5000)]
    log.write_text("\n".join(lines) + "\n")
    found = EventTail(log).read()
    assert 0 < len(found) * 100 <= FIRST_BYTES
    assert [e["n"] for e in found] == list(range(5000 - len(found), 5000))
