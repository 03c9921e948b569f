"""Rules of the house, read from the source: first words of docstrings, names of classes, and sizes."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.conftest import ROOT, Source

FIRST_WORDS = re.compile(r"(What|Whether|How|Who|Whose|That|Where|When|Why)\b")
LONGEST_FUNCTION, LONGEST_FILE = 60, 400

LONG = {
    "edge/cli.py:look": "the options of one command, each a line",
    "sim/cli.py:land": "the options of one command, each a line",
    "trainer/evaluation/evaluate.py:evaluate": "the steps of one evaluation in their order",
    "edge/web/server.py": "the pages and streams of one server share its limits",
    "sim/vehicle/autopilot/flight.py": "one flight controller, mode by mode",
    "landing/command/authority.py": "one state machine, read as a whole by reviewers",
    "landing/choice/picker.py": "one choice from one map, step by step",
}
"""Longer functions (FILE:NAME) and files, each with its reason."""


def docstrings(source: Source) -> Iterator[tuple[str, int, str]]:
    """Docstrings of modules, classes, functions, and of the attributes that a string follows."""
    for name, node in source:
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for line in node.body:
            value = line.value if isinstance(line, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield name, line.lineno, value.value.strip()


def test_docstrings_begin_with_a_verb_or_a_noun(source: Source) -> None:
    begun = [(f"{name}:{line}", text.splitlines()[0]) for name, line, text in docstrings(source) if text]
    found = [f"{place}: {first}" for place, first in begun if FIRST_WORDS.match(first)]
    assert not found, "\n".join(found)


def test_no_class_name_is_defined_twice(source: Source) -> None:
    places = defaultdict(list)
    for name, node in source:
        if isinstance(node, ast.ClassDef):
            places[node.name].append(f"{name}:{node.lineno}")
    twice = [f"{name}: {', '.join(where)}" for name, where in places.items() if len(where) > 1]
    assert not twice, "\n".join(twice)


def test_long_functions_and_files_have_a_reason(source: Source) -> None:
    modules = {name: last_line(node) for name, node in source if isinstance(node, ast.Module)}
    long = {name: lines for name, lines in modules.items() if lines > LONGEST_FILE}
    for name, node in source:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                long[f"{name}:{node.name}"] = lines
    assert not (found := [f"{name}: {lines} lines" for name, lines in long.items() if name not in LONG]), found


def last_line(tree: ast.Module) -> int:
    return (tree.body[-1].end_lineno or 0) if tree.body else 0


def test_make_test_looks_for_waiting_tests_where_they_are() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    folders = re.search(r"^WAITING_TESTS := (.+)$", makefile, re.M)
    marks = re.search(r"^WHOLE := (.+)$", makefile, re.M)
    assert folders and marks
    mark = re.compile(rf"mark\.({'|'.join(marks.group(1).split(' or '))})\b")
    marked = [path for path in (ROOT / "tests").rglob("test_*.py") if mark.search(path.read_text("utf-8"))]
    elsewhere = [
        path for path in marked if f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" not in folders.group(1)
    ]
    assert len(marked) > 10 and not elsewhere
