"""Pages of Markdown, taken apart: fenced blocks with the mark in the line before them, links, anchors."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs.make.reference import expand

ROOT = Path(__file__).resolve().parents[2]

MARK = re.compile(r"<!-- (run|output|not run)(?:: (.+?))? -->")
DATA = ("toml", "json", "yaml", "ini", "xml")
"""Languages of blocks that are no commands; TOML is validated, so it may go without a mark."""


@dataclass(frozen=True)
class Block:
    """A fenced or an indented block of a page.

    Attributes:
        page: Path from the root of the repository.
        line: Of the fence, counted from 1.
        language: First word after the fence; empty for an indented block.
        text: Its lines.
        kind: `run`, `output` or `not run`; empty without a mark.
        about: The name of a run, or the reason for none.
        fenced: False for a block that is only indented.
    """

    page: str
    line: int
    language: str
    text: str
    kind: str
    about: str
    fenced: bool = True

    @property
    def place(self) -> str:
        """Place of it, for messages."""
        return f"{self.page}:{self.line}"


@cache
def pages() -> tuple[Path, ...]:
    """Every page of the site, and every README, that git has or would take."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    kept = ("docs/", "README.md", "SAFETY.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
    names = sorted({name for name in listed.split("\0") if name.startswith(kept) or name.endswith("/README.md")})
    return tuple(ROOT / name for name in names if (ROOT / name).is_file())


@cache
def text_of(page: Path) -> str:
    """Its text, generated parts written."""
    return expand(page.read_text("utf-8"))


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(text_of(page)))


def blocks(page: Path) -> Iterator[Block]:
    """Its blocks, but those that are directives of MyST."""
    lines = text_of(page).splitlines()
    for token in tokens(page):
        if token.type not in ("fence", "code_block") or token.map is None or token.info.startswith("{"):
            continue
        first = token.map[0]
        mark = MARK.fullmatch(lines[first - 1].strip()) if first else None
        kind, about = (mark[1], mark[2] or "") if mark else ("", "")
        language = token.info.split()[0] if token.info.strip() else ""
        name = page.relative_to(ROOT).as_posix()
        yield Block(name, first + 1, language, token.content, kind, about, token.type == "fence")


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


def inline_code(page: Path) -> Iterator[str]:
    """Contents of its `code` spans."""
    for token in tokens(page):
        for child in token.children or ():
            if child.type == "code_inline":
                yield child.content


def links(page: Path) -> Iterator[str]:
    """Targets of its links and pictures."""
    for token in tokens(page):
        for child in token.children or ():
            target = child.attrGet("href") if child.type == "link_open" else child.attrGet("src")
            if target and child.type in ("link_open", "image"):
                yield str(target)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Anchors of its headings, as GitHub and MyST make them, and those set by hand."""
    found: dict[str, int] = {}
    by_hand = re.findall(r"^\(([\w-]+)\)=$|\{#([\w.-]+)\}", text_of(page), re.M)
    names = {name for pair in by_hand for name in pair if name}
    items = tokens(page)
    for heading, title in pairwise(items):
        if heading.type != "heading_open":
            continue
        words = "".join(c.content for c in title.children or () if c.type in ("text", "code_inline"))
        slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        names.add(f"{slug}-{count}" if count else slug)
    return frozenset(names)
