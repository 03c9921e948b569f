"""The table of versions: what a run of the suite says of each case, and what the page makes of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from docs.make.versions import cell, flown, when
from firmware_bridge.doctor.versions import KNOWN
from tests.sitl.table import Binary, binaries, cases_of, joined

RUN = {"date": "2026-11-29", "load": [2.0, 3.0], "cores": 2, "wall_min": 2.0}

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
    assert cell({"runs": {"a": {}}, "cases": cases}, "plain") == words


def test_a_cell_names_its_run_where_there_are_several():
    cases = {"plain": {"result": "passed", "seconds": 31.4, "commit": "b"}}
    did = {"runs": {"a": RUN, "b": RUN}, "cases": cases}
    assert cell(did, "plain") == "31 s (b)"
    assert when(did).startswith("a: 2026-11-29, `a`, 2 min, load 2.0 to 3.0 on 2 cores; b: 2026-11-29, `b`,")


def did_of(commit: str, **cases: str) -> dict[str, Any]:
    """Answers of a version in a run of a commit."""
    flown = {name.replace("_", "-"): {"result": result, "commit": commit} for name, result in cases.items()}
    return {"git": "g", "runs": {commit: RUN}, "cases": flown}


def test_a_case_flown_anew_takes_the_place_of_the_old_one_and_others_stay_with_their_commit():
    both = joined(did_of("a", wind="passed", plain="passed"), did_of("b", fence_person="passed", plain="failed"))
    assert {name: case["commit"] for name, case in both["cases"].items()} == {
        "fence-person": "b",
        "plain": "b",
        "wind": "a",
    }
    assert both["cases"]["plain"]["result"] == "failed" and list(both["runs"]) == ["a", "b"]


def test_a_flight_that_says_nothing_takes_the_place_of_none_that_did():
    both = joined(did_of("a", wind="failed"), did_of("b", wind="skipped", plain="skipped"))
    assert both["cases"]["wind"] == {"result": "failed", "commit": "a"}
    assert both["cases"]["plain"]["result"] == "skipped"


def test_a_run_of_which_no_case_is_left_is_gone():
    assert list(joined(did_of("a", plain="passed"), did_of("b", plain="passed"))["runs"]) == ["b"]


def test_runs_of_one_commit_are_one():
    first, second = did_of("a", wind="passed"), did_of("a", plain="passed")
    second["runs"]["a"] = {**RUN, "load": [1.0, 2.0], "wall_min": 1.5}
    assert joined(first, second)["runs"] == {"a": {**RUN, "load": [1.0, 3.0], "wall_min": 3.5}}


def test_of_another_build_of_the_autopilot_nothing_stays():
    second = {**did_of("b", plain="passed"), "git": "h"}
    assert joined(did_of("a", wind="passed"), second) == second
    assert joined(None, second) == second


def test_the_page_has_a_column_for_every_known_version():
    head = flown().partition("\n")[0]
    for versions in KNOWN.values():
        assert all(".".join(map(str, one.series)) in head for one in versions)
