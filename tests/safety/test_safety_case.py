"""The safety case: every claim has its tests, code and results; its page is what the command writes."""

from __future__ import annotations

import ast
import importlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docs.make.safety_case import PAGE, evidence, page
from edge.check import example_text
from tests.command import call
from touchdown.safety import case
from touchdown.safety.claims import EVIDENCE, SafetyClaim, load_claims, load_figures

ROOT = Path(__file__).resolve().parents[2]
CLAIMS = load_claims()


def missing(claim: SafetyClaim) -> list[str]:
    """What a claim names and is not there."""
    gone = [path for path in claim.results if not (ROOT / path).is_file()]
    for node in claim.tests:
        name, _, function = node.partition("::")
        path = ROOT / name
        tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
        if not any(isinstance(one, ast.FunctionDef) and one.name == function for one in ast.walk(tree)):
            gone.append(node)
    for symbol in claim.code:
        module, _, name = symbol.partition(":")
        try:
            getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            gone.append(symbol)
    return gone


@pytest.mark.parametrize("claim", CLAIMS.claims, ids=lambda claim: claim.id)
def test_each_claim_has_its_tests_code_and_results(claim: SafetyClaim) -> None:
    assert not missing(claim)


def test_a_claim_whose_evidence_is_gone_is_told() -> None:
    true = CLAIMS.claims[0]
    gone = "tests/landing/test_director.py::test_that_is_gone"
    for change in (
        {"tests": (gone,)},
        {"code": ("landing.guidance.gates:Gone",)},
        {"results": ("benchmarks/results/gone.json",)},
    ):
        assert missing(true.model_copy(update=change)) == list(next(iter(change.values())))


def test_hazards_and_monitors_lead_to_claims_and_every_figure_is_used() -> None:
    ids = [claim.id for claim in CLAIMS.claims]
    used = {name for entry in (*CLAIMS.hazards, *CLAIMS.monitors) for name in entry.claims}
    assert len(set(ids)) == len(ids) and used == set(ids)
    texts = " ".join([*(h.residual for h in CLAIMS.hazards), *(m.measured for m in CLAIMS.monitors)])
    asked = set(re.findall(r"\{(\w+)\}", texts))
    source = Path(case.__file__).read_text("utf-8")
    named = {name for name in CLAIMS.figures if f'"{name}"' in source or f"'{name}'" in source}
    built = {f"unsafe_{name}" for name in ("ours", "straight", "ours_beside")}
    assert asked <= set(CLAIMS.figures) and asked | named | built == set(CLAIMS.figures)


def test_figures_and_page_are_as_the_results_say() -> None:
    assert EVIDENCE.read_text("utf-8") == evidence(), "run `python -m docs.make.safety_case`"
    assert PAGE.read_text("utf-8") == page(), "run `python -m docs.make.safety_case`"


def test_the_page_claims_no_more_than_it_may() -> None:
    text = PAGE.read_text("utf-8")
    assert "M2, effects of impact | **never claimed**" in text and "M1(C), ground observation | may support it" in text
    assert "It is evidence, and no approval" in text and "No flight hours on real vehicles" in text
    figures = load_figures()
    same = figures["scenes_ours"].value == figures["scenes_straight"].value
    assert ("different scene sets" in text) is not same


def test_risk_on_the_same_scenes_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = load_figures()
    figures["scenes_straight"] = figures["scenes_ours"]
    monkeypatch.setattr("touchdown.safety.claims.load_figures", lambda: figures)
    text = call("safety-case").stdout
    assert "in simulation on the same scenes" in text and "different scene sets" not in text


def test_a_configuration_and_a_model_of_ones_own(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    text = example_text().replace('path = "model.onnx"', f'path = "{ROOT / "models" / "synthetic-unet.onnx"}"')
    config.write_text(text.replace("vehicle_radius_m = 0.5", "vehicle_radius_m = 0.9").replace('"advise"', '"guard"'))
    out = tmp_path / "case.html"
    assert call("safety-case", "--config", config, "-o", out).returncode == 0
    html = out.read_text("utf-8")
    for words in (
        "Safety case: synthetic-unet, mine.toml",
        "radius 0.9 m",
        "<code>guard</code>",
        "CC0",
        "settings in force",
    ):
        assert words in html
    assert "test part of unseen scenes" not in html  # of another model
    opened: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "br"):
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Balance().feed(html)
    assert not opened and "](" not in html and "`" not in html


@pytest.mark.parametrize(
    "words, said",
    [
        (("-o", "case.pdf"), ".md or .html"),
        (("--model", "missing.onnx"), "does not exist"),
        (("--model", "fast.engine"), "name the .onnx file"),
        (("--config", "missing.toml"), "does not exist"),
    ],
)
def test_what_it_cannot_do_is_said_in_a_line(words: tuple[str, str], said: str) -> None:
    done = call("safety-case", *words)
    assert done.returncode in (2, 78) and said in done.stderr and "Traceback" not in done.stderr
