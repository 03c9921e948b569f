"""The list of texts to the pilot, held against every sentence in the source that can become one."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.pilot_texts import AUTHORITY, LANDING, OTHERS, REASONS, explain
from landing.command.authority_io import AuthorityState
from landing.guidance.director import DirectorState
from landing.problems import Problem
from tests.command import call
from tests.flight.test_guard import Intrusion, descending

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("landing", "edge", "firmware_bridge")

SOURCES = (
    "landing/command/authority.py",
    "landing/command/handshake.py",
    "landing/decider.py",
    "landing/guidance/director.py",
    "landing/guidance/gates.py",
    "landing/ground/scale.py",
    "landing/motion/mistakes.py",
    "landing/choice/last_resort.py",
    "landing/pad/fit.py",
    "landing/pad/track.py",
    "landing/pad/watch.py",
    "landing/choice/picker.py",
    "landing/ground/plane.py",
    "landing/picture/monitor.py",
    "landing/picture/usable.py",
    "landing/command/pilot.py",
    "landing/command/pointing.py",
    "landing/relief/ground.py",
    "landing/relief/report.py",
    "landing/picture/repeats.py",
    "landing/site.py",
    "landing/guidance/speed.py",
    "landing/choice/tracker.py",
    "edge/alarms.py",
    "edge/commanding.py",
    "edge/control.py",
    "edge/reload.py",
    "edge/pointing.py",
    "firmware_bridge/commands.py",
    "firmware_bridge/gimbal_manager.py",
    "firmware_bridge/wing.py",
)
"""Modules whose sentences reach the pilot."""

MAKERS = {"NoSite", "Gate", "CommandAnswer", "Intruder", "Verdict"}
"""Values whose words reach the pilot; `Alarm` has whole sentences of the link, told as `<alarm>`."""

WITHHELD = "edge/parameters.py"
"""It has one more sentence, of the off switch, beside those of its parameters."""

SENDERS = {"edge/alarms.py", "edge/announcer.py", "edge/control.py", "edge/daemon.py"}

NOT_SAID = {
    "\0: \0": "joins a reason's name and its words",
    "seen for less than \0 s": "a gate of the live page; the text is 'site found, confirming'",
    "waits for a landing": "the state at the start, which no transition tells",
    "came up in the air: commands nothing in this flight": "a reason of the live page, in the state ready",
    "\0 -> \0: \0": "of the text log",
    "the state is of a map of \0 cells a side, this one has \0": "an error of replay",
    "a pixel shows \0 mm of ground, nearer than the \0 the model was trained for": "a note of `edge look`",
    "does not say from how near and how far it was trained to see the ground, so no height is refused; say it with "
    "`touchdown export range`": "a note of `edge check`",
    "flat where seen, \0 m2": "of the live page",
    "relief not seen": "of the live page",
    "relief cannot be read: \0": "an error of replay",
    "relief of \0 cells or more, expected \0": "an error of replay",
    "no site: \0: \0": "a line of `edge look`, the Python API and ROS 2's diagnostics",
    "site, \0 m clear around it\0\0": "a line of the Python API and of ROS 2's diagnostics",
    "field of view": "a kind of mistake, in metrics",
    "armed; \0 can change on the ground only": "part of <why>",
}
"""Sentences in these modules that are no texts, each with its reason."""


def templates(tree: ast.Module) -> Iterator[str]:
    """Sentences of a module that are values: fixed words, with a NUL for each place; no docstrings, logs or events."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        log = isinstance(node, ast.Call) and re.match(r"logger\.|self\._events\.write|Field$", ast.unparse(node.func))
        if log or isinstance(node, ast.Assert) or is_docstring(node):
            skipped.update(ast.walk(node))
        if isinstance(node, ast.JoinedStr):
            skipped.update(part for value in node.values for part in ast.walk(value))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
        else:
            continue
        if re.search(r"[A-Za-z0]+,? [a-z]{2,}|\0 [a-z]{2,} |: \0", text):
            yield text


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text("utf-8"))


SENTENCES = {(name, text) for name in SOURCES for text in templates(tree_of(name))}
SENTENCES |= {(WITHHELD, text) for text in templates(tree_of(WITHHELD)) if text.startswith("switched off")}
HEADS = [f"{head.pattern}: " for head in (*LANDING.values(), *AUTHORITY.values())]
PATTERNS = [entry.pattern for entry in (*OTHERS, *(one for texts in REASONS.values() for one in texts))]


def test_every_sentence_that_can_become_a_text_is_listed() -> None:
    assert len(SENTENCES) > 80 and not set(NOT_SAID) - {text for _, text in SENTENCES}
    known = "\n".join([*HEADS, *PATTERNS])
    missing = [
        f"{name}: {text!r}"
        for name, text in sorted(SENTENCES)
        if text not in NOT_SAID and not re.search(".*".join(map(re.escape, text.split("\0"))), known)
    ]
    assert not missing, "not in edge/pilot_texts.py or a *_reasons.py beside it:\n" + "\n".join(missing)


def test_every_listed_text_is_in_the_source() -> None:
    source = "\n".join(text.replace("\0", "\n") for _, text in SENTENCES)
    values = [state.value for state in (*DirectorState, *AuthorityState)]
    for pattern in PATTERNS:
        words = re.sub(r"^[a-z]+-[a-z-]+: ", "", pattern)
        for piece in re.split(r"<[^<>]+>|[;:,] | \(|the picture is ", words):
            if len(piece.split()) > 1 and len(piece.strip()) > 6 and piece not in values:
                assert piece.strip() in source, f"no sentence has {piece!r} of {pattern!r}"


def test_what_makes_texts_does_so_in_these_modules_alone() -> None:
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(tree_of(name)):
                called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
                assert called not in MAKERS or name in SOURCES, f"{name} makes a {called}: list its sentences"
                assert called != "send_text" or name in SENDERS, f"{name} sends texts: list its sentences"
                assert called != "MAVLink_statustext_message" or name == "firmware_bridge/messages.py"


def test_every_state_and_every_reason_without_a_site_has_an_entry() -> None:
    assert set(LANDING) == set(DirectorState) and set(AUTHORITY) == set(AuthorityState) - {AuthorityState.OFF}
    source = "\n".join((ROOT / name).read_text("utf-8") for name in SOURCES)
    used = set(re.findall(r"NoSite\(\s*NoSiteReason\.(\w+)", source))
    assert len(used) >= 9
    for reason in used:
        prefix = reason.lower().replace("_", "-")
        assert any(pattern.startswith(f"{prefix}: ") for pattern in PATTERNS), reason


def test_every_text_of_a_disturbed_flight_is_explained() -> None:
    intrusion = Intrusion()
    flight = descending(intrusion=intrusion)
    flight.run(lambda: flight.authority == "climb", 60)
    flight.sticks(roll=1900)
    flight.run(lambda: flight.authority == "ended", 5)
    flight.seeing = False
    flight.run_for(2)
    texts = set(flight.said)
    assert {text.partition(":")[0] for text in texts} >= {"Landing track", "Authority hold", "Authority ended"}
    for text in texts:
        assert len(explain(text)) >= 1 + text.startswith(("Landing", "Authority")), text


def test_a_reason_has_the_code_of_its_gate() -> None:
    codes = {}
    for node in ast.walk(tree_of("landing/guidance/gates.py")):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Gate" and len(node.args) == 3:
            problem = re.fullmatch(r"Problem\.(\w+)", ast.unparse(node.args[2]))
            words = [part for part in ast.walk(node.args[1]) if isinstance(part, ast.Constant) and part.value]
            if problem and words:
                codes[max((str(part.value) for part in words), key=len)] = Problem[problem[1]]
    assert len(codes) >= 7
    for words, code in codes.items():
        found = [one for texts in REASONS.values() for one in texts if words in one.pattern]
        assert found or words in str(NOT_SAID), words
        assert not found or code in {one.code for one in found}, f"{words}: {code}"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (
            "Landing abort: too slow: 1.0 decisions/s, needs 4.6; inference 733 ms on 2 threads; "
            "no site for 10 s while landing",
            "no site for <seconds> s while landing",
        ),
        ("Landing track: site 4.2 m clear, 80 m2, on road: traffic may come", ", on <surface>"),
        (
            "No landing targets: 2 autopilots are heard: system 1; set system_id to the one",
            "No landing targets: <alarm>",
        ),
        ("Authority hold: person at the site", "<person or vehicle> at the site"),
    ],
)
def test_texts_of_several_pieces_are_explained_piece_by_piece(text: str, last: str) -> None:
    assert explain(text)[-1].pattern == last


def test_the_command_explains_a_text_and_the_reason_in_it() -> None:
    done = call("explain", "Info: Landing hold: no-height: height above ground is not known")
    assert done.returncode == 0 and "Take over" in done.stdout and "TD-603" in done.stdout
    assert call("explain", "PrecLand: Target Found").returncode == 2
    entries = json.loads(call("explain", "--json", "Authority hold: person at the site").stdout)
    assert [entry.get("text") for entry in entries] == ["Authority hold", "<person or vehicle> at the site", None]
    assert entries[-1]["code"] == "TD-612"
