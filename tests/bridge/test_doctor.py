"""The examination: what is told of which autopilot, what is mended, and what a script gets."""

from __future__ import annotations

import json
import random

import pytest
from click.testing import CliRunner

from firmware_bridge.cli import cli
from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor import Level, ParameterError, Session, examine, repair, tool_settings
from firmware_bridge.doctor.examination import repair_findings, rules_for
from firmware_bridge.doctor.parameters import AutopilotParameter
from firmware_bridge.doctor.rules import judge_all
from firmware_bridge.doctor.session import TOOL_COMPONENT
from firmware_bridge.doctor.trial import try_target
from firmware_bridge.identity import Identity
from firmware_bridge.settings import load_tool_config
from landing.errors import LinkError
from landing.vehicle import Autopilot
from tests.bridge.fake_px4 import FakePx4
from tests.bridge.peers import UdpOutgoingPeer, free_port
from tests.bridge.stand_in import stand_in

READY = {"PLND_ENABLED": 1, "PLND_TYPE": 1, "PLND_OPTIONS": 4, "RNGFND1_TYPE": 100}


def by_name(report):
    return {finding.name: finding for finding in report.findings}


def examined(connection, **options):
    with Session(tool_settings(connection)) as session:
        return examine(session, **{"listen_s": 0, **options})


def test_a_factory_fresh_copter_needs_precision_landing_switched_on_and_a_boot():
    with stand_in() as (connection, autopilot), Session(tool_settings(connection)) as session:
        report = examine(session, listen_s=0)
        assert report.identity.autopilot is Autopilot.ARDUPILOT
        assert report.identity.name == "ArduPilot 4.6.2"
        found = by_name(report)
        assert found["PLND_ENABLED"].level is Level.ERROR
        assert found["PLND_TYPE"].level is Level.ERROR
        assert "boot" in found["PLND_TYPE"].why
        assert found["rangefinder"].level is Level.WARNING
        assert report.exit_status == 2
        assert report.changes() == {"PLND_ENABLED": 1, "PLND_TYPE": 1, "PLND_OPTIONS": 4}

        done = repair(session, report)
        assert [w.name for w in done.written] == ["PLND_ENABLED", "PLND_TYPE", "PLND_OPTIONS"]
        assert done.reboot_needed == ("PLND_ENABLED", "PLND_TYPE")
        assert autopilot.parameters.stored("PLND_TYPE") == 1
        assert examine(session, listen_s=0).changes() == {}


def test_a_copter_that_is_ready_has_nothing_worse_than_notes():
    with stand_in(parameters=READY) as (connection, _):
        report = examined(connection)
    assert report.level is Level.NOTE, [vars(f) for f in report.findings if f.level > Level.NOTE]
    assert report.exit_status == 0


@pytest.mark.parametrize(
    ("name", "value", "level", "mended"),
    [
        ("PLND_ORIENT", 0, Level.ERROR, 25),
        ("PLND_YAW_ALIGN", 9000, Level.ERROR, 0),
        ("PLND_STRICT", 2, Level.WARNING, 1),
        ("PLND_XY_DIST_MAX", 0, Level.WARNING, 2.5),
        ("PLND_CAM_POS_X", 0.3, Level.WARNING, 0),
        ("PLND_OPTIONS", 11, Level.WARNING, 12),
        ("LAND_REPOSITION", 0, Level.WARNING, 1),
        ("LAND_SPEED", 200, Level.WARNING, None),
    ],
)
def test_what_leads_elsewhere_is_told_and_mended(name, value, level, mended):
    with stand_in(parameters={**READY, name: value}) as (connection, _):
        report = examined(connection)
    finding = by_name(report)[name]
    assert finding.level is level and finding.why and finding.expected
    assert report.changes().get(name) == mended


@pytest.mark.parametrize("level", ["advise", "guard"])
def test_where_the_daemon_may_command_its_sticks_and_streams_are_the_autopilots(tmp_path, level):
    """A pilot's stick on a channel that is not looked at takes nothing over."""
    config = tmp_path / "edge.toml"
    config.write_text(f'[authority]\nlevel = "{level}"\n[expert.link]\nstick_channels = [2, 1, 3, 4]\n')
    mapped = {f"RCMAP_{stick}": float(n) for n, stick in enumerate(("ROLL", "PITCH", "THROTTLE", "YAW"), 1)}
    settings = load_tool_config(config).settings("tcp:127.0.0.1:1", None, TOOL_COMPONENT)
    assert ("GLOBAL_POSITION_INT" in settings.asked_rates_hz()) is (level == "guard")
    rules = rules_for(Identity(Autopilot.ARDUPILOT, 2, (4, 6, 2)), settings)
    read = {name: AutopilotParameter(name, value, 9) for name, value in mapped.items()}
    wrong = {f.name for f in judge_all(rules, read, (4, 6, 2)) if f.level is Level.ERROR and f.name in mapped}
    assert wrong == ({"RCMAP_ROLL", "RCMAP_PITCH"} if level == "guard" else set())


def test_nothing_is_mended_while_armed():
    with stand_in(airborne_height_m=10.0) as (connection, autopilot), Session(tool_settings(connection)) as session:
        report = examine(session, listen_s=0)
        assert report.changes()
        with pytest.raises(ParameterError, match="armed"):
            repair(session, report)
        assert autopilot.parameters.stored("PLND_ENABLED") == 0


@pytest.mark.parametrize(("lost", "level"), [(0.0, Level.OK), (0.5, Level.ERROR)])
def test_what_is_lost_on_the_way_up_is_told(lost, level):
    """Targets go up, and the autopilot's frames, whose gaps are counted, come down."""

    class DeafPx4(FakePx4):
        chance = random.Random(1)

        def _answer(self, message):
            if message.get_type() == "COMMAND_LONG" or self.chance.random() >= lost:
                super()._answer(message)

    with DeafPx4(UdpOutgoingPeer()) as px4:
        found = by_name(examined(px4.peer.connection, listen_s=3))
    assert found["loss"].level is Level.OK
    assert found["loss there and back"].level is level, found["loss there and back"].value


def test_one_parameter_that_refuses_keeps_no_other_from_being_mended():
    with (
        FakePx4(UdpOutgoingPeer(), parameters={"PLD_BTOUT": 0.0, "PLD_HACC_RAD": 9.0}) as px4,
        Session(tool_settings(px4.peer.connection)) as session,
    ):
        px4.read_only = frozenset({"PLD_BTOUT"})
        report = examine(session, listen_s=0)
        assert report.changes() == {"PLD_BTOUT": 5, "PLD_HACC_RAD": 0.2}
        done = repair(session, report)
        assert [w.name for w in done.written] == ["PLD_HACC_RAD"]
        assert "was set to 5 but reads 0" in done.failed["PLD_BTOUT"]
        assert px4.parameters["PLD_HACC_RAD"] == pytest.approx(0.2)
        told = {f.name: f.level for f in repair_findings(done, rebooted=False)}
        assert told == {"PLD_HACC_RAD": Level.OK, "PLD_BTOUT": Level.ERROR}


def test_the_command_refuses_to_mend_an_armed_vehicle_in_one_line():
    with stand_in(airborne_height_m=10.0) as (connection, autopilot):
        done = run("--link", connection, "--fix", "--json")
        assert autopilot.parameters.stored("PLND_ENABLED") == 0
    assert done.exit_code == 2
    assert "armed" in json.loads(done.output)["error"]


def test_a_daemon_that_does_not_run_is_told_in_one_line(tmp_path):
    config = tmp_path / "edge.toml"
    config.write_text('[log]\nevents = "events.jsonl"\n')
    done = run("--link", "udpin:127.0.0.1:0", "--config", str(config), "--timed-run", "5", "--json")
    assert done.exit_code == 2
    assert "ended with status 78" in json.loads(done.output)["error"]


def test_the_link_is_measured():
    with stand_in(parameters=READY) as (connection, _):
        report = examined(connection, listen_s=1.5)
    found = by_name(report)
    assert found["loss"].data["loss"] == 0
    assert found["round trip"].data["by"] == "TIMESYNC"
    assert found["rate of ATTITUDE_QUATERNION"].data["rate_hz"] > 10
    assert found["rate of LOCAL_POSITION_NED"].level is Level.OK
    lag = [f for f in report.findings if f.section == "latency" and f.name == "PLND_LAG"]
    assert lag and 0.02 <= lag[0].data["lag_s"] <= 0.25


def test_a_target_is_tried_and_accepted_and_never_while_armed():
    with stand_in(parameters=READY) as (connection, _), Session(tool_settings(connection)) as session:
        report = examine(session, listen_s=0)
        session.ask_streams()
        [finding] = try_target(session, report.identity, seconds=4.0)
        assert finding.level is Level.OK and "PrecLand" in finding.value
    with (
        stand_in(parameters=READY, airborne_height_m=8.0) as (connection, _),
        Session(tool_settings(connection)) as session,
    ):
        identity = session.identify()
        with pytest.raises(LinkError, match="armed"):
            try_target(session, identity)


def test_silence_about_a_target_is_told():
    with stand_in() as (connection, _), Session(tool_settings(connection)) as session:
        [finding] = try_target(session, session.identify(), seconds=0.5)
    assert finding.level is Level.WARNING and "boot" in finding.why


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("Plnd: Frame not supported", Level.ERROR),
        ("landing target: coordinate frame 12 unsupported", Level.ERROR),
        ("something else", Level.NOTE),
    ],
)
def test_px4_says_only_no(said, level):
    with FakePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        identity = session.identify()
        seen = []

        def answer(message, _):
            # The autopilot's word comes while our targets go out.
            if not seen:
                seen.append(message)
                px4.send(mavlink.MAVLink_statustext_message(2, said.encode(), 0, 0))

        session.listeners.append(answer)
        [finding] = try_target(session, identity, seconds=0.7)
        sent = px4.of_type("LANDING_TARGET")
    assert finding.level is level
    assert sent and all(m.frame == mavlink.MAV_FRAME_LOCAL_NED for m in sent)
    assert {m.get_srcComponent() for m in sent} == {192}


@pytest.mark.parametrize(
    ("version", "mode", "level"), [((1, 15, 4), 2, Level.ERROR), ((1, 15, 4), 0, Level.NOTE), ((1, 16, 0), 2, Level.OK)]
)
def test_px4_rtl_ignores_precision_in_1_15(version, mode, level):
    with FakePx4(UdpOutgoingPeer(), version, {"RTL_PLD_MD": mode}) as px4:
        report = examined(px4.peer.connection)
    assert report.identity.name == "PX4 " + ".".join(map(str, version))
    assert report.identity.git == "99c40407ffd7ac18"
    found = by_name(report)
    assert found["RTL"].level is level
    assert found["commanded NAV_LAND"].level is Level.WARNING
    assert "DO_SET_MODE 1/4/9" in found["commanded NAV_LAND"].why


def test_an_answered_timesync_is_told():
    with FakePx4(UdpOutgoingPeer()) as px4:
        px4.asks_timesync = True
        report = examined(px4.peer.connection, listen_s=1.0)
    found = by_name(report)["TIMESYNC"]
    assert found.level is Level.OK and "nobody was heard" in found.value
    assert all(m.tc1 == 0 for m in px4.of_type("TIMESYNC")), "the doctor must never answer"


def test_no_autopilot_is_told_in_words():
    with pytest.raises(LinkError, match="nothing comes"):
        examined(f"udpin:127.0.0.1:{free_port()}", timeout_s=0.5)


def run(*arguments):
    return CliRunner().invoke(cli, ["doctor", "--listen", "0", *arguments])


def test_the_command_mends_boots_and_says_so_in_json():
    with stand_in() as (connection, autopilot):
        before = run("--link", connection, "--json")
        assert before.exit_code == 2
        assert json.loads(before.output)["status"] == "error"
        after = run("--link", connection, "--json", "--fix", "--reboot")
        report = json.loads(after.output)
        assert autopilot.reboots == 1 and autopilot.parameters["PLND_TYPE"] == 1
    assert after.exit_code == 1, "no rangefinder"
    assert report["parameters"]["PLND_ENABLED"] == 1
    fixed = [f for f in report["findings"] if f["section"] == "fix"]
    assert [f["name"] for f in fixed] == ["PLND_ENABLED", "PLND_TYPE", "PLND_OPTIONS", "reboot"]


def test_the_command_prints_lines_and_asks_for_the_boot_it_may_not_do():
    with stand_in(parameters={"RNGFND1_TYPE": 100}) as (connection, autopilot):
        done = run("--link", connection, "--fix")
        assert autopilot.reboots == 0
    assert done.exit_code == 1
    assert "FAIL PLND_TYPE: 0 (none), should be 1 (MAVLink)" in done.output
    assert "WARN reboot: PLND_ENABLED, PLND_TYPE count only from the next boot" in done.output


def test_no_link_is_an_error_in_json_too():
    done = run("--link", f"udpin:127.0.0.1:{free_port()}", "--timeout", "0.5", "--json")
    assert done.exit_code == 2
    assert "nothing comes" in json.loads(done.output)["error"]


def test_the_configuration_gives_the_link_and_its_own_component_stays_the_daemons(tmp_path):
    with stand_in(parameters=READY) as (connection, _):
        config = tmp_path / "edge.toml"
        expert = "[expert.link]\ncomponent_id = 191\nattitude_rate_hz = 30\n"
        config.write_text(f'[link]\nconnection = "{connection}"\n{expert}')
        done = run("--config", str(config), "--json")
    assert done.exit_code == 0, done.output


def test_latency_comes_from_the_event_log(tmp_path):
    events = tmp_path / "events.jsonl"
    percentiles = {"p50_ms": 90.0, "p95_ms": 140.0, "p99_ms": 160.0, "count": 200}
    timings = {"age": percentiles, "pose_to_send": {**percentiles, "p50_ms": 80.0}}
    lines = [{"event": "ready", "mono_ns": 1}, {"event": "status", "mono_ns": 2, "timings_ms": timings}]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"cut')
    with stand_in(parameters=READY) as (connection, _):
        arguments = ["--link", connection, "--events", str(events), "--json", "--listen", "0.5"]
        report = json.loads(CliRunner().invoke(cli, ["doctor", *arguments]).output)
    lag = next(f for f in report["findings"] if f["section"] == "latency" and "fix" in f)
    assert lag["fix"]["parameter"] == "PLND_LAG" and lag["fix"]["reboot"]
    assert lag["fix"]["value"] == pytest.approx(0.08, abs=0.011)
    frame = next(f for f in report["findings"] if f["name"] == "frame to decision")
    assert frame["data"]["median_ms"] == 90.0


def test_a_log_without_timings_is_told(tmp_path):
    events = tmp_path / "events.jsonl"
    events.write_text('{"event":"ready","mono_ns":1}\n')
    with stand_in() as (connection, _):
        done = run("--link", connection, "--events", str(events), "--json")
    assert done.exit_code == 2 and "timings_ms" in json.loads(done.output)["error"]
