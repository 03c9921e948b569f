"""The questions that people ask: thirty, each with a short answer and a page that is there."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, anchors

PAGE = ROOT / "docs" / "questions.md"
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)(?:#([\w-]+))?\)")
LONGEST_ANSWER = 160
"""Letters of an answer that is read at a glance."""


def rows() -> list[tuple[str, str, str]]:
    found = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "Question" and not set(cells[0]) <= set("-: "):
            assert len(cells) == 3, line
            found.append((cells[0], cells[1], cells[2]))
    return found


def test_thirty_questions_have_a_short_answer_and_a_page() -> None:
    asked = rows()
    assert len(asked) >= 30 and len({question for question, _, _ in asked}) == len(asked)
    for question, answer, pages in asked:
        assert question.endswith("?") and 0 < len(answer) <= LONGEST_ANSWER, question
        assert LINK.search(pages), question


def test_each_page_exists_and_is_more_than_a_heading() -> None:
    for question, _, pages in rows():
        for name, anchor in LINK.findall(pages):
            target = (PAGE.parent / name).resolve()
            assert target.is_file(), f"{question}: {name} is not there"
            assert len(target.read_text("utf-8").split()) > 50, f"{question}: {name} answers nothing"
            assert not anchor or anchor in anchors(target), f"{question}: {name} has no heading {anchor}"
