"""README, Start and Fly are read by people in a hurry: grade 9 of Flesch and Kincaid at most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, tokens

readability = pytest.importorskip("readability")

GRADE = 9.0
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "start").glob("*.md")),
    *sorted((ROOT / "docs" / "fly").glob("*.md")),
]
README_LINES = 150


def prose(page: Path) -> Iterator[str]:
    """Paragraphs and points of lists; no code, no tables, no headings, and of links only their words."""
    in_table = in_heading = False
    for token in tokens(page):
        if token.type in ("table_open", "table_close"):
            in_table = token.nesting == 1
        elif token.type in ("heading_open", "heading_close"):
            in_heading = token.nesting == 1
        elif token.type == "inline" and not in_table and not in_heading:
            yield "".join(
                " " if child.type in ("softbreak", "hardbreak") else child.content
                for child in token.children or ()
                if child.type in ("text", "softbreak", "hardbreak")
            )


def sentences(paragraphs: Iterator[str]) -> Iterator[list[str]]:
    """Words of each sentence; the end of a paragraph ends one."""
    for paragraph in paragraphs:
        for sentence in re.split(r"(?<=[.!?])\s+", paragraph):
            words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", sentence)
            if words:
                yield words


def grade(page: Path) -> float:
    text = "\n".join(" ".join([*words, "."]) for words in sentences(prose(page)))
    return float(readability.getmeasures(text, lang="en")["readability grades"]["Kincaid"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_is_easy_to_read(page: Path) -> None:
    assert sum(len(words) for words in sentences(prose(page))) > 50
    assert grade(page) <= GRADE, f"grade {grade(page):.1f}; shorter sentences and words, please"


def test_the_measure_tells_hard_from_easy(tmp_path: Path) -> None:
    easy, hard = tmp_path / "easy.md", tmp_path / "hard.md"
    easy.write_text("The drone looks down. It sees grass. It lands there.\n\n| a | table | is left out |\n|-|-|-|\n")
    hard.write_text(
        "Notwithstanding considerable uncertainty regarding instrumentation, the aforementioned configuration "
        "necessitates comprehensive verification procedures before operational deployment is contemplated.\n"
    )
    assert grade(easy) < 4 and grade(hard) > 15


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES
