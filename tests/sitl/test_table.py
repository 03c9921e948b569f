"""The table of versions: what a run of the suite says of each case, and what the page makes of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from docs.make.versions import cell, flown
from firmware_bridge.doctor.versions import KNOWN
from tests.sitl.table import Binary, binaries, cases_of, joined

REPORT = """<testsuites><testsuite>
<testcase classname="tests.sitl.test_contract.TestEvery" name="test_lands[shared-fleet-attitude-noise-ardupilot]"/>
<testcase classname="tests.sitl.test_contract.TestEvery" name="test_clear[shared-fleet-attitude-noise-ardupilot]">
  <failure message="AssertionError: 3 m off&#10;assert 3 &lt; 0.4">long</failure></testcase>
<testcase classname="tests.sitl.test_contract.TestEvery" name="test_lands[shared-fleet-wind-ardupilot]">
  <skipped message="no wind"/></testcase>
<testcase classname="tests.sitl.test_landings" name="test_lands[hazard-34000-ardupilot]"/>
<testcase classname="tests.sitl.test_doctor" name="test_a_target_is_taken[ardupilot]"/>
<testcase classname="tests.sitl.test_doctor" name="test_mended[ardupilot]"><error message="boot"/></testcase>
</testsuite></testsuites>"""


def test_every_variable_that_begins_so_names_a_binary():
    found = binaries(
        {"ARDUPILOT_SITL": "/a", "ARDUPILOT_SITL_47": "/b", "PX4_SITL": "", "PX4_SITL_117": "/p", "PATH": "/"}
    )
    assert found == [
        Binary("ardupilot", "ARDUPILOT_SITL", "/a"),
        Binary("ardupilot", "ARDUPILOT_SITL_47", "/b"),
        Binary("px4", "PX4_SITL_117", "/p"),
    ]


def test_a_case_is_as_good_as_the_worst_of_its_tests():
    cases = cases_of(ElementTree.fromstring(REPORT), "ardupilot")
    assert cases == {
        "attitude-noise": {"result": "failed", "why": "AssertionError: 3 m off"},
        "doctor": {"result": "failed", "why": "boot"},
        "hazard-34000": {"result": "passed"},
        "wind": {"result": "skipped", "why": "no wind"},
    }


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ({}, "not run"),
        ({"wind": {"result": "passed"}}, "–"),
        ({"plain": {"result": "passed", "seconds": 31.4}}, "31 s"),
        ({"plain": {"result": "failed", "seconds": 31.4}}, "**failed**"),
        ({"plain": {"result": "passed"}}, "passed"),
        ({"plain": {"result": "skipped"}}, "skipped"),
    ],
)
def test_a_cell_says_how_a_version_did(cases, words):
    assert cell(cases, "plain") == words


def test_cases_flown_alone_join_those_of_the_same_commit():
    first = {"commit": "a", "load": [2.0, 3.0], "wall_min": 2.0, "cases": {"wind": {"result": "passed"}}}
    second = {"commit": "a", "load": [1.0, 2.0], "wall_min": 1.5, "cases": {"plain": {"result": "failed"}}}
    both = joined(first, second)
    assert list(both["cases"]) == ["plain", "wind"] and both["load"] == [1.0, 3.0] and both["wall_min"] == 3.5
    assert joined(first, {**second, "commit": "b"})["cases"] == second["cases"]
    assert joined(None, second) == second


def test_the_page_has_a_column_for_every_known_version():
    head = flown().partition("\n")[0]
    for versions in KNOWN.values():
        assert all(".".join(map(str, one.series)) in head for one in versions)
