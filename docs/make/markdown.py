"""Markdown from data: tables, escaped text, and docstrings taken apart."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


def escaped(text: str) -> str:
    """Return a sentence in which Markdown and HTML find nothing to read but `code` in single backticks."""
    parts = re.split(r"(`+[^`]+`+)", " ".join(text.split()))
    return "".join(_code_in_table(p) if p.startswith("`") else re.sub(r"([\\*_<>\[\]#~$])", r"\\\1", p) for p in parts)


def _code_in_table(span: str) -> str:
    return "`" + span.strip("`") + "`"


def code(text: object) -> str:
    """Return a code span; empty for nothing."""
    words = str(text)
    if not words:
        return ""
    fence = "``" if "`" in words else "`"
    return f"{fence}{words}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; columns that are empty in every row are left out."""
    kept = [list(row) for row in rows]
    columns = [i for i in range(len(head)) if any(row[i] for row in kept)]
    lines = [[head[i] for i in columns], ["---"] * len(columns), *([row[i] for i in columns] for row in kept)]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines) + "\n"


def write_or_compare(page: Path, text: str) -> int:
    """Write a page; with `--check` on the command line return 1 where it differs, and leave it."""
    if "--check" in sys.argv:
        return int(text != page.read_text("utf-8"))
    page.write_text(text, "utf-8")
    return 0


def summary(thing: object) -> str:
    """Return the first sentence or line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def attributes(cls: type) -> dict[str, str]:
    """Return the meaning of each attribute from the `Attributes:` part of a class's docstring (Google style)."""
    meanings: dict[str, str] = {}
    _, _, part = (inspect.getdoc(cls) or "").partition("Attributes:\n")
    names: list[str] = []
    for line in part.splitlines():
        if line and not line.startswith(" "):
            break
        if found := re.match(r" {4}(\w[\w, ]*?): (.*)", line):
            names = [name.strip() for name in found[1].split(",")]
            meanings |= dict.fromkeys(names, found[2])
        elif line.strip():
            meanings |= {name: f"{meanings[name]} {line.strip()}" for name in names}
    return meanings
