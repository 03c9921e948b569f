"""Rules and pitfalls as data: they hold together, and no value or version breaks them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor import ardupilot, px4
from firmware_bridge.doctor.examination import RULES, Examination
from firmware_bridge.doctor.findings import EXIT_STATUS, Level
from firmware_bridge.doctor.latency import LARGEST_LAG_S, SMALLEST_LAG_S, proposed_lag_s
from firmware_bridge.doctor.parameters import AutopilotParameter
from firmware_bridge.doctor.pitfalls import PITFALLS, find_pitfalls
from firmware_bridge.doctor.rules import bits, judge_all, names_of, one_of, within
from firmware_bridge.doctor.trial import _cause_of_silence
from firmware_bridge.doctor.versions import renamed_findings
from firmware_bridge.identity import Identity, ParameterEncoding, identity_of
from firmware_bridge.texts import TextAssembler
from landing.vehicle import Autopilot
from sim.vehicle.autopilot.parameters import TABLE

ALL = [*ardupilot.RULES, *ardupilot.GIMBAL, *px4.RULES, *px4.GIMBAL]
VERSIONS = [None, (4, 0, 0), (4, 6, 2), (4, 7, 0), (1, 13, 0), (1, 15, 4), (1, 16, 0)]
REAL32 = mavlink.MAV_PARAM_TYPE_REAL32


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.parameter)
def test_every_rule_can_be_sent_says_why_and_accepts_what_it_would_write(rule):
    assert 0 < len(rule.parameter) <= 16 and rule.parameter.isascii()
    assert rule.why
    for value in (0.0, 3.0, 1e4):
        mended = rule.expect.mended(value)
        assert mended is None or rule.expect.accepts(mended)
        assert rule.level >= Level.NOTE


@pytest.mark.parametrize("rules", RULES.values())
@pytest.mark.parametrize("version", VERSIONS)
def test_a_parameter_has_one_rule_in_every_version(rules, version):
    names = [rule.parameter for rule in rules if rule.belongs_to(version)]
    assert len(names) == len(set(names))
    assert names == names_of(rules, version)


def test_the_defaults_of_copter_4_6_need_nothing_but_precision_landing_and_its_fast_end():
    parameters = {row.name: AutopilotParameter(row.name, row.default, int(row.type)) for row in TABLE}
    found = judge_all(ardupilot.RULES, parameters, (4, 6, 2))
    wrong = {f.name for f in found if f.level > Level.NOTE}
    assert wrong == {"PLND_ENABLED", "PLND_TYPE", "PLND_OPTIONS"}


@pytest.mark.parametrize("fitted", [*"123456789A", None])
def test_a_rangefinder_that_looks_down_is_seen_whichever_it_is(fitted):
    held = {f"RNGFND{n}_{end}": 0.0 for n in "123456789A" for end in ("TYPE", "ORIENT")}
    held |= {f"RNGFND{n}_MAX_CM": 300.0 for n in "123456789A"}
    held |= {"RNGFND1_TYPE": 10.0, "PLND_ALT_MAX": 8.0}  # looks ahead, and not far
    if fitted is not None:
        held |= {f"RNGFND{fitted}_TYPE": 8.0, f"RNGFND{fitted}_ORIENT": 25.0}
    asked = names_of(ardupilot.RULES, (4, 6, 2))
    read = {name: AutopilotParameter(name, value, REAL32) for name, value in held.items() if name in asked}
    values = {name: parameter.value for name, parameter in read.items()}
    found = {f.name: f for f in find_pitfalls(Identity(Autopilot.ARDUPILOT, 2, (4, 6, 2)), values)}
    assert (found["rangefinder"].level is Level.OK) is (fitted is not None)
    assert ("reach" in found) is (fitted is not None), "the reach of one that looks ahead is none of a landing's"
    judged = {f.name: f.level for f in judge_all(ardupilot.RULES, read, (4, 6, 2))}
    ranges = {name: level for name, level in judged.items() if name.endswith("_MAX_CM")}
    assert ranges == ({} if fitted is None else {f"RNGFND{fitted}_MAX_CM": Level.WARNING}), "whichever looks down"
    del values[f"RNGFND{fitted or 1}_MAX_CM"]
    absent = {f.name for f in renamed_findings(Identity(Autopilot.ARDUPILOT, 2, (4, 6, 2)), values)}
    assert (f"RNGFND{fitted}_MAX" in absent) is (fitted is not None)


@pytest.mark.parametrize(
    ("rules", "values", "expected"),
    [
        (ardupilot.RULES, {"LAND_SPEED_HIGH": 0, "WPNAV_SPEED_DN": 500}, {"WPNAV_SPEED_DN": Level.WARNING}),
        (ardupilot.RULES, {"LAND_SPD_HIGH_MS": 0, "WP_SPD_DN": 5}, {"WP_SPD_DN": Level.WARNING}),
        (ardupilot.RULES, {"LAND_SPEED_HIGH": 100, "WPNAV_SPEED_DN": 500}, {}),
        (ardupilot.RULES, {"RTL_ALT_FINAL": 1000}, {"RTL_ALT_FINAL": Level.NOTE}),
        (px4.RULES, {"MPC_Z_V_AUTO_DN": 4, "MPC_LAND_ALT2": 0.5}, {"MPC_Z_V_AUTO_DN": 2, "MPC_LAND_ALT2": 2}),
        (px4.RULES, {"EKF2_HGT_REF": 2}, {"EKF2_HGT_REF": Level.WARNING}),
        (ardupilot.RULES, {"EK3_SRC1_POSZ": 2, "EK3_RNG_USE_HGT": 70}, {"EK3_SRC1_POSZ": 2, "EK3_RNG_USE_HGT": 2}),
        (ardupilot.RULES, {"EK3_SRC1_POSZ": 3, "EK3_RNG_USE_HGT": -1}, {}),
        (px4.RULES, {"RTL_LAND_DELAY": -1}, {"RTL_LAND_DELAY": Level.NOTE}),
        (ardupilot.RULES, {"SERIAL2_PROTOCOL": 2, "SERIAL2_BAUD": 57_600}, {"SERIAL2_BAUD": Level.NOTE}),
        (ardupilot.RULES, {"SERIAL2_PROTOCOL": 2, "SERIAL2_BAUD": 115}, {}),
        (ardupilot.RULES, {"SERIAL2_PROTOCOL": 2, "SERIAL2_BAUD": 921_600}, {}),
    ],
)
def test_what_another_parameter_does_to_descent_return_and_height_is_told(rules, values, expected):
    read = {name: AutopilotParameter(name, value, REAL32) for name, value in values.items()}
    found = {f.name: f.level for f in judge_all(rules, read, None) if f.level > Level.OK and f.name in values}
    assert found == expected


@pytest.mark.parametrize(
    ("autopilot", "kind", "level"),
    [
        (Autopilot.ARDUPILOT, mavlink.MAV_TYPE_QUADROTOR, None),
        (Autopilot.PX4, mavlink.MAV_TYPE_HEXAROTOR, None),
        (Autopilot.ARDUPILOT, mavlink.MAV_TYPE_FIXED_WING, Level.ERROR),
        (Autopilot.ARDUPILOT, mavlink.MAV_TYPE_VTOL_TILTROTOR, Level.ERROR),
        (Autopilot.ARDUPILOT, mavlink.MAV_TYPE_HELICOPTER, Level.WARNING),
        (Autopilot.PX4, mavlink.MAV_TYPE_VTOL_QUADROTOR, Level.WARNING),
    ],
)
def test_what_is_no_multicopter_is_told(autopilot, kind, level):
    found = {f.name: f.level for f in find_pitfalls(Identity(autopilot, kind, (4, 6, 2)), {})}
    assert found.get("vehicle") is level


def test_renamed_parameters_are_asked_for_by_the_name_of_the_version():
    old, new = (names_of(ardupilot.RULES, v) for v in ((4, 6, 3), (4, 7, 0)))
    assert {"LAND_SPEED", "RNGFND1_MAX_CM", "SYSID_THISMAV"} <= set(old) - set(new)
    assert {"LAND_SPD_MS", "RNGFND1_MAX", "MAV_SYSID"} <= set(new) - set(old)
    unknown = names_of(ardupilot.RULES, None)
    assert {*old, *new} == set(unknown)


@given(
    st.sampled_from(sorted(RULES)),
    st.sampled_from(VERSIONS),
    st.dictionaries(
        st.sampled_from([rule.parameter for rule in ALL]),
        st.one_of(st.integers(-(2**31), 2**31 - 1).map(float), st.floats(width=32)),
    ),
)
def test_no_values_break_the_judgement_or_its_json(autopilot, version, values):
    parameters = {name: AutopilotParameter(name, value, REAL32) for name, value in values.items()}
    identity = Identity(autopilot, 2, version)
    findings = judge_all(RULES[autopilot], parameters, version)
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    findings += find_pitfalls(identity, finite)
    report = Examination(identity, findings, dict(parameters))
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert report.exit_status == EXIT_STATUS[report.level]
    assert all(finding.value for finding in findings)


def test_what_is_expected_is_said_in_words():
    assert one_of((1, 0), {1: "on"}).words == "1 (on) or 0"
    assert within(0.02, 0.25, "s").words == "0.02 to 0.25 s"
    assert within(115, math.inf).words == "at least 115"
    some = bits(set_bits=1, clear_bits=6, names={1: "a", 2: "b", 4: "c"})
    assert some.words == "'a' set, 'b' clear, 'c' clear"
    assert some.meaning(5) == "5 (a, c)"
    assert within(0.02, 1).accepts(0.02 - 1e-9), "float32 of the limit itself"


@pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda pitfall: f"{pitfall.autopilot.value} {pitfall.name}")
def test_a_trap_holds_for_its_autopilot_and_an_unknown_version(pitfall):
    assert pitfall.finding(Identity(pitfall.autopilot, 2)) is not None
    other = Autopilot.PX4 if pitfall.autopilot is Autopilot.ARDUPILOT else Autopilot.ARDUPILOT
    assert pitfall.finding(Identity(other, 2)) is None


@given(st.floats(0, 5000), st.floats(0, 5000))
def test_the_proposed_lag_is_one_that_ardupilot_takes(pose_ms, rtt_ms):
    lag_s = proposed_lag_s(pose_ms, rtt_ms)
    assert SMALLEST_LAG_S <= lag_s <= LARGEST_LAG_S
    expected_s = (pose_ms + rtt_ms / 2) / 1000
    if SMALLEST_LAG_S <= expected_s <= LARGEST_LAG_S:
        assert lag_s == pytest.approx(expected_s, abs=0.0051)


def version_message(packed, custom=b"\0" * 8, capabilities=0):
    return mavlink.MAVLink_autopilot_version_message(
        capabilities, packed, 0, 0, 0, list(custom), [0] * 8, [0] * 8, 0, 0, 0
    )


@pytest.mark.parametrize(
    ("stage", "name"),
    [(255, "ArduPilot 4.6.2"), (192, "ArduPilot 4.6.2 rc"), (130, "ArduPilot 4.6.2 beta"), (0, "ArduPilot 4.6.2 dev")],
)
def test_the_version_is_named_with_its_stage(stage, name):
    message = version_message(4 << 24 | 6 << 16 | 2 << 8 | stage, b"1a132e4b")
    identity = identity_of(Autopilot.ARDUPILOT, 2, message)
    assert identity.name == name and identity.git == "1a132e4b"
    assert identity.encoding is ParameterEncoding.C_CAST


@given(
    st.integers(0, 2**32 - 1),
    st.binary(min_size=8, max_size=8),
    st.integers(0, 2**64 - 1),
    st.sampled_from(list(Autopilot)),
)
def test_any_autopilot_version_is_read(packed, custom, capabilities, autopilot):
    identity = identity_of(autopilot, 2, version_message(packed, custom, capabilities))
    assert identity.name and identity.encoding in ParameterEncoding
    assert identity.git.isprintable() or identity.git == ""


def text(chunk, number, sequence, severity=6, component=1):
    packer = mavlink.MAVLink(None, 1, component)
    message = mavlink.MAVLink_statustext_message(severity, chunk, number, sequence)
    return mavlink.MAVLink(None).decode(bytearray(message.pack(packer)))


def test_long_texts_are_joined_and_missing_chunks_are_marked():
    joiner = TextAssembler()
    assert joiner.add(text(b"a" * 50, 7, 0), 1) is None
    assert joiner.add(text(b"short", 0, 0, component=191), 2).text == "short"
    assert joiner.add(text(b"b" * 50, 7, 1), 3) is None
    whole = joiner.add(text(b"end", 7, 2), 4)
    assert whole.text == "a" * 50 + "b" * 50 + "end" and whole.at_ns == 4
    joiner.add(text(b"a" * 50, 8, 0), 5)
    assert joiner.add(text(b"end", 8, 2), 6).text == "a" * 50 + "[...]end"


def test_a_text_from_the_link_gives_a_terminal_no_orders():
    """Whoever can send a STATUSTEXT must not clear the doctor's report or write lines into it."""
    said = TextAssembler().add(text(b"PrecLand: Target Found\x1b[2J\rok   all", 0, 0), 1)
    assert said.text == "PrecLand: Target Found\\x1b[2J\\rok   all"


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 65535), st.integers(0, 255))))
def test_no_texts_break_the_joiner_or_fill_the_memory(chunks):
    joiner = TextAssembler()
    for chunk, number, sequence in chunks:
        joiner.add(text(chunk, number, sequence), 0)
    assert len(joiner._open) <= 8


@pytest.mark.parametrize("step", [1, 7])
def test_a_text_that_never_ends_is_told_in_pieces(step):
    joiner = TextAssembler()
    told = [joiner.add(text(b"a" * 50, 7, n * step % 256), n) for n in range(1000)]
    pieces = [len(piece.text) for piece in told if piece is not None]
    assert len(pieces) > 40 and max(pieces) <= 1000


@pytest.mark.parametrize(
    ("values", "has_position", "word"),
    [
        ({"PLND_ENABLED": 0.0, "PLND_TYPE": 1.0}, True, "--fix --reboot"),
        ({"PLND_ENABLED": 1.0, "PLND_TYPE": 0.0}, True, "--fix --reboot"),
        ({"PLND_ENABLED": 1.0, "PLND_TYPE": 1.0, "PLND_EST_TYPE": 0.0}, False, "PLND_EST_TYPE = 0"),
        ({"PLND_ENABLED": 1.0, "PLND_TYPE": 1.0, "PLND_EST_TYPE": 1.0}, False, "no position yet"),
        ({"PLND_ENABLED": 1.0, "PLND_TYPE": 1.0}, True, "tells of a target once"),
    ],
)
def test_a_silence_about_a_test_target_has_its_own_cause(values, has_position, word):
    why = _cause_of_silence(values, has_position)
    assert word in why
