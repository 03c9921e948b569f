"""Every block of every page has its mark, its commands exist with their options, and its TOML is valid."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.check import example_text
from edge.config import EdgeConfig, parse_config
from landing.errors import ConfigError
from landing.taxonomy import Taxonomy
from tests.docs.command_lines import WrongLineError, check_line, lines_of
from tests.docs.pages import DATA, ROOT, Block, all_blocks, inline_code, pages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BLOCKS = all_blocks()


def test_every_block_says_if_it_runs() -> None:
    wrong = []
    for block in BLOCKS:
        if not block.fenced:
            if block.page.startswith("docs/"):
                wrong.append(f"{block.place}: an indented block; use a fence with a mark before it")
        elif not block.kind and block.language not in ("toml", "mermaid"):
            wrong.append(f"{block.place}: no mark (run: NAME, output, or not run: REASON) in the line before the fence")
        elif block.kind == "run" and not re.fullmatch(r"[\w-]+", block.about):
            wrong.append(f"{block.place}: `run:` needs a name of one word, not {block.about!r}")
        elif block.kind == "run" and block.language not in ("bash", "sh", "python"):
            wrong.append(
                f"{block.place}: a block of {block.language or 'no language'} does not run; bash or python does"
            )
        elif block.kind == "not run" and len(block.about.split()) < 2:
            wrong.append(f"{block.place}: `not run:` needs a reason in words")
        elif block.kind == "output" and block.about:
            wrong.append(f"{block.place}: `output` takes nothing after it")
    assert not wrong, "\n".join(wrong)


def test_every_command_line_is_one_of_the_real_commands() -> None:
    wrong, count = [], 0
    for block in BLOCKS:
        if block.kind == "output" or block.language in (*DATA, "python", "mermaid"):
            continue
        for line in lines_of(block.text):
            try:
                count += check_line(line)
            except WrongLineError as error:
                wrong.append(f"{block.place}: {line}\n    {error}")
    assert not wrong, "\n".join(wrong)
    assert count > 20


def test_every_command_named_in_a_sentence_exists() -> None:
    wrong, count = [], 0
    for page in pages():
        for code in inline_code(page):
            if re.match(r"(touchdown|trainer|edge|make) [a-z-]", code) and "…" not in code and "..." not in code:
                try:
                    count += check_line(code, whole=False)
                except WrongLineError as error:
                    wrong.append(f"{page.relative_to(ROOT)}: {code}\n    {error}")
    assert not wrong, "\n".join(wrong)
    assert count > 20


def test_python_that_does_not_run_is_python() -> None:
    for block in BLOCKS:
        if block.language == "python" and block.kind == "not run":
            compile(block.text, block.place, "exec")


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "toml"], ids=lambda b: b.place)
def test_toml_is_valid(block: Block, tmp_path: Path) -> None:
    """Tables of edge.toml are laid over the example of `edge check --print-default`, so that a part is enough."""
    data = tomllib.loads(block.text)
    if "classes" in data:
        path = tmp_path / "taxonomy.toml"
        path.write_text(block.text, "utf-8")
        Taxonomy.load_open(path)
    elif any(name in EdgeConfig.model_fields for name in data):
        parse_config(_over(tomllib.loads(example_text()), data), tmp_path / "edge.toml")
    else:
        assert block.kind == "not run", f"{block.place}: neither edge.toml nor a taxonomy; `not run:` says what it is"


def _over(example: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The example with a part laid over it; a lens that the part gives takes the place of the example's."""
    laid = dict(example)
    for name, value in part.items():
        both = isinstance(value, dict) and isinstance(laid.get(name), dict)
        laid[name] = _over(laid[name], value) if both else value
    lens = set(part) & {"hfov_deg", "calibration", "fx"}
    if lens and "hfov_deg" not in lens:
        laid.pop("hfov_deg", None)
    if part.get("gimbal") not in (None, "none"):
        laid.pop("mount", None)
    return laid


class TestTheCheckItself:
    """Lines that it must refuse, and lines that it must let through."""

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("touchdown edge flies", "no command"),
            ("touchdown edge serve", "needs"),
            ("touchdown edge serve --config edge.toml --fast", "no option --fast"),
            ("touchdown edge serve --conf edge.toml", "no option --conf"),
            ("touchdown sim land --seed 3 && touchdown edge look a --mdoel m.onnx", "no option --mdoel"),
            ("touchdown edge look a --model m.onnx --height-agl-m high", "not a valid"),
            ("touchdown edge look a --model m.onnx --labels-as colours", "not one of"),
            ("trainer fit --preset slow", "not one of"),
            ("make everything", "no target"),
            ("make demo HEIGHT_FT=30", "no variable"),
        ],
    )
    def test_it_refuses(self, line: str, reason: str) -> None:
        with pytest.raises(WrongLineError, match=reason):
            check_line(line)

    @pytest.mark.parametrize(
        "line",
        [
            "touchdown edge check --print-default > edge.toml   # a comment's word --nothing",
            "$ sudo .venv/bin/touchdown edge serve -c edge.toml 2>&1 | tail -3",
            "TOUCHDOWN_DATA=here nice -n 10 trainer fit --data a --out b",
            "python3 -m touchdown --version",
            "make demo PHOTOS=photos HEIGHT_M=30 NADIR=1",
            "touchdown edge serve --help",
        ],
    )
    def test_it_lets_through(self, line: str) -> None:
        assert check_line(line)

    def test_a_wrong_key_of_edge_toml_is_refused(self, tmp_path: Path) -> None:
        block = Block("p.md", 1, "toml", "[decision]\nvehicle_radius = 1\n", "", "")
        with pytest.raises(ConfigError, match="vehicle_radius_m"):
            test_toml_is_valid(block, tmp_path)
