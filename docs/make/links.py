"""Links of pages to files of the repository that are no pages of the site."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = "https://github.com/touchdown-landing/touchdown"
"""Home of the source; a fork writes its own."""

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?<=\]\()(\.\.?/[^)\s#]+)")


def beyond_docs(text: str, page: Path) -> str:
    """Return a page's text with its links to files beside `docs/` made to lead to the repository."""

    def lead(found: re.Match[str]) -> str:
        target = (page.parent / found[1]).resolve()
        if target.is_relative_to(ROOT / "docs") or not target.exists():
            return found[1]
        kind = "tree" if target.is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{target.relative_to(ROOT).as_posix()}"

    return _LINK.sub(lead, text)
