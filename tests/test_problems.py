"""Codes of errors: each has its text and its section, each error, gate and finding has a code, and a line holds one."""

from __future__ import annotations

import ast
import json
import pickle
import re
import sys

import click
import pytest

from edge.finding import Finding
from firmware_bridge.doctor.findings import PROBLEMS, DoctorFinding, Level
from firmware_bridge.doctor.show import line_of
from landing.decision import Decision
from landing.errors import CameraError, ModelError, TouchdownError
from landing.guidance.gates import Gate, gates
from landing.problems import Problem, with_code
from landing.settings import DirectorSettings
from landing.site import NoSite, NoSiteReason
from landing.vehicle import VehicleStatus
from tests.command import call
from tests.conftest import ROOT, Source
from touchdown import cli as door
from touchdown.explain import PAGE, errors_page, explanations

Classes = dict[str, ast.ClassDef]


def bases(name: str, classes: Classes) -> list[ast.ClassDef]:
    """The class and what it descends from, in the product."""
    node = classes.get(name)
    if node is None:
        return []
    return [node, *(up for base in node.bases if isinstance(base, ast.Name) for up in bases(base.id, classes))]


def own_problem(node: ast.ClassDef) -> bool:
    return any(isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "problem" for line in node.body)


def test_each_code_has_a_text_and_each_text_a_code() -> None:
    assert [problem.value for problem in Problem] == sorted(explanations())
    assert all(re.fullmatch(r"TD-[1-9]\d\d", problem.value) for problem in Problem)
    assert len({entry.title for entry in explanations().values()}) == len(Problem)


def test_the_page_holds_a_section_for_each_code_and_is_made_of_the_texts() -> None:
    page = (ROOT / PAGE).read_text("utf-8")
    assert re.findall(r"^### (TD-\d+)$", page, re.M) == [problem.value for problem in Problem]
    assert page == errors_page(), "run `python docs/make/errors.py`"


def test_each_class_of_errors_says_its_kind(source: Source) -> None:
    classes: Classes = {node.name: node for _, node in source if isinstance(node, ast.ClassDef)}
    lines = {name: bases(name, classes) for name in classes}
    errors = {name: up for name, up in lines.items() if any(b.name == "TouchdownError" for b in up[1:])}
    assert len(errors) > 25
    without = [name for name, up in errors.items() if not any(own_problem(b) for b in up if b.name != "TouchdownError")]
    assert not without, without


def test_no_error_is_raised_without_a_kind(source: Source) -> None:
    raised = [
        f"{name}:{node.lineno}"
        for name, node in source
        if isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.exc).startswith("TouchdownError(")
    ]
    assert not raised, raised


def test_each_reason_and_each_closed_gate_has_a_code() -> None:
    assert all(isinstance(reason.problem, Problem) for reason in NoSiteReason)
    told = {name for entry in explanations().values() for name in entry.names}
    assert {reason.value for reason in NoSiteReason} <= told
    decision = Decision(NoSite(NoSiteReason.NO_HEIGHT, "height above ground is not known"), 0, 0)
    shut = [
        *gates(10**12, None, None, VehicleStatus(), DirectorSettings(), "too slow", "camera is not looking down"),
        *gates(0, decision, None, VehicleStatus(), DirectorSettings()),
    ]
    problems = {gate.name: gate.problem for gate in shut if not gate.is_open}
    assert problems == {
        "link": Problem.LINK_SILENT,
        "armed": None,
        "pose": Problem.NO_POSE,
        "gimbal": Problem.GIMBAL,
        "speed": Problem.SLOW,
        "decision": Problem.NO_FRAME,
        "site": Problem.NO_HEIGHT,
    }
    assert Gate("armed", "disarmed").problem is None


def test_each_section_of_the_doctor_has_a_code(source: Source) -> None:
    sections = set()
    for name, node in source:
        if name.startswith("firmware_bridge/doctor/") and isinstance(node, ast.Call):
            words = [ast.unparse(node.func), *map(ast.unparse, node.args)]
            place = 1 if words[0] == "DoctorFinding" else 2 if words[:2] == ["partial", "DoctorFinding"] else 0
            if place:
                sections.add(ast.literal_eval(node.args[place - 1]))
    assert sections == set(PROBLEMS)
    bad = DoctorFinding("parameters", "PLND_TYPE", Level.ERROR, "0", "1")
    assert line_of(bad).endswith("[touchdown explain TD-504]") and bad.as_dict()["code"] == "TD-504"
    good = DoctorFinding("parameters", "PLND_TYPE", Level.OK, "1")
    assert "TD-" not in line_of(good) and "code" not in good.as_dict()


def test_a_line_holds_one_code_the_innermost() -> None:
    inner = with_code("camera gone", Problem.CAMERA.value)
    assert with_code(inner, Problem.INSTALL.value) == inner
    assert (
        Finding("camera", False, "gone", problem=Problem.CAMERA).line == "FAIL camera: gone [touchdown explain TD-401]"
    )
    assert Finding("camera", True, "well").line == "ok   camera: well"
    assert CameraError("x").problem is Problem.CAMERA
    assert CameraError("x", Problem.CAMERA_SILENT).problem is Problem.CAMERA_SILENT
    assert str(ModelError("x", Problem.GATE)) == "x"


def command_that_raises(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("fail", callback=fail)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelError("m"), 2, "TD-301"),
        (FileNotFoundError(2, "No such file", "a"), 2, "TD-102"),
        (ModuleNotFoundError("no torch", name="torch.nn"), 2, "TD-103"),
        (ModuleNotFoundError("no pydantic", name="pydantic"), 2, "TD-103"),
    ],
)
def test_the_door_ends_a_line_with_the_code(error, status, code, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(SystemExit) as ended:
        door.run(command_that_raises(error), "touchdown", [])
    said = capsys.readouterr().err
    assert ended.value.code == status
    assert said.startswith("error: ") and said.endswith(f"[touchdown explain {code}]\n") and said.count("\n") == 1


def test_a_module_of_ours_that_is_missing_is_a_fault(monkeypatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(ModuleNotFoundError):
        door.run(command_that_raises(ModuleNotFoundError("no", name="landing.gone")), "touchdown", [])


def test_a_fault_says_so_before_its_traceback(capsys) -> None:
    door._crashed(ZeroDivisionError, ZeroDivisionError("by zero"), None)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.endswith("[touchdown explain TD-199]") and last == "ZeroDivisionError: by zero"
    door._crashed(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "TD-199" not in capsys.readouterr().err


WORDS = ["TD-603", "td-603", "603", "no-height", "no height", "No height above ground"]
LINES = ["height above ground is not known", "error: gone [touchdown explain TD-603]"]


@pytest.mark.parametrize("word", WORDS + LINES)
def test_explain_takes_codes_words_and_whole_lines(word) -> None:
    done = call("explain", word)
    assert done.returncode == 0 and "TD-603  No height above ground\n" in done.stdout
    assert "rangefinder" in done.stdout and f"{PAGE}#td-603" in done.stdout


def test_explain_lists_names_neighbours_and_speaks_json() -> None:
    assert len(call("explain").stdout.splitlines()) == len(Problem)
    (entry,) = json.loads(call("explain", "intruder", "--json").stdout)
    assert entry["code"] == "TD-612" and entry["page"] == f"{PAGE}#td-612" and entry["remedy"].startswith("- ")
    wrong = call("explain", "no hight")
    assert wrong.returncode == 2 and "TD-603" in wrong.stderr and wrong.stderr.count("\n") == 1


def test_every_error_can_be_pickled_with_its_kind() -> None:
    error: TouchdownError = pickle.loads(pickle.dumps(ModelError("m", Problem.GATE)))
    assert (str(error), error.problem) == ("m", Problem.GATE)
