"""The doctor by version: each version's parameter list is judged whole, and its traps are told; no other is guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_bridge.doctor import ardupilot
from firmware_bridge.doctor.examination import ALWAYS, RULES
from firmware_bridge.doctor.findings import Level
from firmware_bridge.doctor.parameters import AutopilotParameter
from firmware_bridge.doctor.pitfalls import find_pitfalls
from firmware_bridge.doctor.rules import judge_all, names_of
from firmware_bridge.doctor.versions import (
    KNOWN,
    RENAMED,
    names_version,
    renamed_findings,
    series_text,
    unread_findings,
    version_finding,
)
from firmware_bridge.identity import Identity
from landing.vehicle import Autopilot
from tests.bridge.fake_px4 import FakePx4
from tests.bridge.peers import UdpOutgoingPeer
from tests.bridge.test_doctor import by_name, examined

LISTS = {
    path.stem: json.loads(path.read_text("utf-8")) for path in Path(__file__).parent.glob("parameter_lists/*.json")
}
ARDUPILOT, PX4 = Autopilot.ARDUPILOT, Autopilot.PX4
SWITCHED_OFF = {"PLND_TYPE", "PLND_OPTIONS"}
"""Findings on an autopilot from the factory, once PLND_ENABLED is set."""


def identity_of_list(name):
    data = LISTS[name]
    return Identity(Autopilot(data["autopilot"]), 2, tuple(data["version"]), data["stage"])


def judged(name, **changes):
    """Findings by name, of a version's list with some values changed; None takes one away."""
    identity = identity_of_list(name)
    rules, asked = RULES[identity.autopilot], names_version(identity)
    values = {**LISTS[name]["parameters"], **changes}
    values = {n: float(v) for n, v in values.items() if v is not None and n in names_of(rules, asked)}
    read = {n: AutopilotParameter(n, values[n], 9) if n in values else None for n in names_of(rules, asked)}
    findings = judge_all(rules, read, asked) + find_pitfalls(identity, values) + renamed_findings(identity, values)
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize("name", LISTS)
class TestEveryList:
    def test_is_of_a_known_version_and_says_where_it_comes_from(self, name):
        identity = identity_of_list(name)
        assert identity.version[:2] in [known.series for known in KNOWN[identity.autopilot]]
        assert LISTS[name]["source"]

    def test_has_every_parameter_that_the_rules_ask_of_its_version(self, name):
        identity = identity_of_list(name)
        missing = set(names_of(RULES[identity.autopilot], identity.version)) - set(LISTS[name]["parameters"])
        missing.discard("MAV4_OPTIONS")  # One for each MAVLink channel, and the simulator has three
        # Firmware is built with room for more or fewer rangefinders; the lists hold the first two.
        missing -= {f"RNGFND{n}_{end}" for n in ardupilot.RANGEFINDERS[2:] for end in ("TYPE", "ORIENT")}
        ends = ("MIN", "MAX", "MIN_CM", "MAX_CM")
        missing -= {f"RNGFND{n}_{end}" for n in ardupilot.RANGEFINDERS[1:] for end in ends}
        # 4.7 got its last new names in January 2026, after the development build of the list.
        late = {"LAND_SPD_MS", "LAND_SPD_HIGH_MS", "LAND_ALT_LOW_M", "WP_SPD_DN", "RTL_ALT_FINAL_M"}
        assert missing == (late if identity.stage else set())

    def test_is_judged_whole(self, name):
        assert not [n for n, finding in judged(name).items() if "neither" in finding.value]
        identity = identity_of_list(name)
        assert not unread_findings(identity, ALWAYS[identity.autopilot], LISTS[name]["parameters"])

    def test_from_the_factory_lacks_only_what_switches_precision_landing_on(self, name):
        wrong = {n for n, f in judged(name).items() if f.level > Level.NOTE and f.section == "parameters"}
        expected = {"arducopter": SWITCHED_OFF, "px4": set()}[name.partition("-")[0]]
        # PX4's 1.18 has a second estimator of landing targets, on by default where it is built in.
        assert wrong == expected | ({"VTE_EN"} if name == "px4-1.18.0" else set())


def test_every_known_version_has_a_list():
    listed = {(identity_of_list(name).autopilot, identity_of_list(name).version[:2]) for name in LISTS}
    assert listed == {(autopilot, known.series) for autopilot, all_known in KNOWN.items() for known in all_known}


@pytest.mark.parametrize("autopilot", RENAMED)
def test_of_a_renamed_parameter_each_version_is_asked_for_one_name(autopilot):
    rules = {rule.parameter: rule for rule in RULES[autopilot]}
    for pair in RENAMED[autopilot]:
        old, new = (rules[name] for name in pair.names)
        assert old.before == new.since == pair.since


@pytest.mark.parametrize(
    ("name", "parameter", "right", "wrong"),
    [
        ("arducopter-4.6.2", "RNGFND1_MAX_CM", 1300, 13),
        ("arducopter-4.7.0-dev", "RNGFND1_MAX", 13, 1300),
        ("arducopter-4.7.0", "RNGFND1_MAX", 13, 1300),
        ("arducopter-4.7.0", "RNGFND1_MIN", 0.2, 20),
        ("arducopter-4.6.2", "LAND_SPEED", 50, 0.5),
        ("arducopter-4.7.0-dev", "LAND_SPEED", 50, 150),
        ("arducopter-4.7.0", "LAND_SPD_MS", 0.5, 50),
        ("arducopter-4.7.0", "LAND_ALT_LOW_M", 10, 1000),
        ("px4-1.17.0", "COM_RC_OVERRIDE", 1, 0),
        ("px4-1.18.0", "MAN_OVERRIDE_SPD", 1, -1),
        ("px4-1.18.0", "VTE_EN", 0, 1),
    ],
)
def test_a_value_is_judged_in_the_unit_of_its_version(name, parameter, right, wrong):
    assert judged(name, **{parameter: right})[parameter].level is Level.OK
    assert judged(name, **{parameter: wrong})[parameter].level >= Level.WARNING


@pytest.mark.parametrize("name", ["arducopter-4.6.2", "arducopter-4.7.0-dev", "arducopter-4.7.0"])
def test_a_rangefinder_that_ends_below_plnd_alt_max_is_told_in_every_unit(name):
    assert "7 m, PLND_ALT_MAX is 8 m" in judged(name)["reach"].value
    assert "reach" not in judged(name, RNGFND1_MAX=13, RNGFND1_MAX_CM=1300)
    assert "reach" not in judged(name, RNGFND1_TYPE=0)


def test_the_frames_and_the_headings_sign_of_4_7_are_told_of_4_7_alone():
    assert "LOCAL_FRD" not in judged("arducopter-4.6.2")
    assert "BODY_FRD only" in judged("arducopter-4.6.2")["frame"].value
    for name in ("arducopter-4.7.0-dev", "arducopter-4.7.0"):
        assert "wrong sign" in judged(name)["LOCAL_FRD"].value
        assert "BODY_FRD and LOCAL_FRD" in judged(name)["frame"].value


@pytest.mark.parametrize(
    ("name", "changes", "level", "word"),
    [
        ("px4-1.15.4", {"RTL_PLD_MD": 2}, Level.ERROR, "ignored by 1.15 (this is 1.15.4)"),
        ("px4-1.16.0", {"RTL_PLD_MD": 2}, Level.OK, "lands on a target"),
        ("px4-1.17.0", {"RTL_PLD_MD": 1, "RTL_TYPE": 2}, Level.NOTE, "by the mission's landing"),
        ("px4-1.18.0", {"RTL_PLD_MD": 2, "RTL_TYPE": 5}, Level.OK, "lands on a target"),
        ("px4-1.18.0", {}, Level.NOTE, "lands without a target"),
    ],
)
def test_px4s_way_home_is_told_by_version(name, changes, level, word):
    found = judged(name, **changes)["RTL"]
    assert found.level is level and word in found.value


@pytest.mark.parametrize("name", [name for name in LISTS if name.startswith("px4")])
def test_a_commanded_nav_land_and_registered_modes_are_told_of_every_px4(name):
    found = judged(name)
    assert found["commanded NAV_LAND"].level is Level.WARNING
    assert "EXTERNAL" in found["registered modes"].value


@pytest.mark.parametrize(
    ("autopilot", "version", "stage", "level", "word"),
    [
        (ARDUPILOT, (4, 6, 3), "", Level.OK, "flown"),
        (ARDUPILOT, (4, 5, 7), "", Level.NOTE, "read in the source"),
        (ARDUPILOT, (4, 7, 0), "dev", Level.NOTE, "4.7.0-dev of December 2025 flown"),
        (ARDUPILOT, (4, 8, 0), "", Level.WARNING, "4.7 is the newest"),
        (ARDUPILOT, (5, 0, 0), "dev", Level.WARNING, "4.7 is the newest"),
        (ARDUPILOT, (4, 4, 4), "", Level.WARNING, "4.5 is the oldest"),
        (PX4, (1, 15, 0), "", Level.OK, "flown"),
        (PX4, (1, 18, 1), "beta", Level.NOTE, "1.18.0-beta of August 2026 flown"),
        (PX4, (1, 19, 0), "", Level.WARNING, "1.18 is the newest"),
        (PX4, (1, 14, 3), "", Level.WARNING, "1.15 is the oldest"),
    ],
)
def test_a_version_is_said_to_be_known_or_not(autopilot, version, stage, level, word):
    found = version_finding(Identity(autopilot, 2, version, stage))
    assert found.level is level and word in found.value
    assert (level is Level.OK) == (found.why == "")
    known = [series_text(one.series) for one in KNOWN[autopilot]]
    assert found.expected == (f"{known[0]} to {known[-1]}" if level is Level.WARNING else "")


def test_without_a_version_nothing_is_said_of_it():
    assert version_finding(Identity(ARDUPILOT, 2)) is None


@pytest.mark.parametrize("version", [(4, 7, 0), (4, 8, 0), None])
def test_where_either_name_may_be_both_are_asked_for(version):
    identity = Identity(ARDUPILOT, 2, version, "" if version == (4, 8, 0) else "dev")
    asked = names_of(RULES[ARDUPILOT], names_version(identity))
    assert {"LAND_SPEED", "LAND_SPD_MS", "RNGFND1_MAX_CM", "RNGFND1_MAX"} <= set(asked)


def test_a_parameter_without_any_known_name_is_said_not_to_be_judged():
    found = judged("arducopter-4.7.0", LAND_SPD_MS=None)["LAND_SPD_MS"]
    assert found.level is Level.WARNING and "neither LAND_SPEED nor LAND_SPD_MS" in found.value
    assert "RNGFND1_MAX" not in judged("arducopter-4.7.0", RNGFND1_TYPE=0, RNGFND1_MAX=None)


def test_the_command_says_that_it_does_not_know_a_newer_px4():
    with FakePx4(UdpOutgoingPeer(), (1, 19, 0), LISTS["px4-1.18.0"]["parameters"]) as px4:
        report = examined(px4.peer.connection)
    found = by_name(report)
    assert report.exit_status == 2, "the second estimator"
    assert "1.19 is not known here" in found["version"].value and found["version"].code
    assert found["MAN_OVERRIDE_SPD"].level is Level.OK


@pytest.mark.parametrize("name", [name for name in LISTS if name.startswith("arducopter")])
def test_a_lost_link_that_breaks_a_landing_off_is_told(name):
    assert judged(name)["FS_OPTIONS"].level is Level.NOTE
    assert judged(name, FS_OPTIONS=16 + 8)["FS_OPTIONS"].level is Level.OK
    assert "FS_OPTIONS" not in judged(name, FS_THR_ENABLE=0, FS_GCS_ENABLE=0)


def test_what_the_link_lost_or_a_version_renamed_again_is_told_as_not_judged():
    """A parameter that leads elsewhere, and was not read, must not be passed over."""
    never_met = Identity(ARDUPILOT, 2, (9, 1, 0))
    for name, identity in (("arducopter-4.6.2", None), ("arducopter-4.7.0", None), ("arducopter-4.7.0", never_met)):
        values = {**LISTS[name]["parameters"]}
        del values["PLND_YAW_ALIGN"]
        (finding,) = unread_findings(identity or identity_of_list(name), ardupilot.ALWAYS, values)
        assert finding.level is Level.WARNING
        assert finding.value.endswith("PLND_YAW_ALIGN"), "and nothing of the other versions' names"
