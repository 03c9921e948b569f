"""Generated parts of pages: `<!-- generated: NAME -->` is replaced by what a generator of that name writes."""

from __future__ import annotations

import re
from collections.abc import Callable

GENERATORS: dict[str, Callable[[], str]] = {}
"""Writers of Markdown, by name."""

_MARK = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.M)


def expand(text: str) -> str:
    """Return a page's text with its generated parts written.

    Raises:
        ValueError: Nothing of a name is generated.
    """

    def write(found: re.Match[str]) -> str:
        if found[1] not in GENERATORS:
            raise ValueError(f"nothing named {found[1]!r} is generated; expected one of {', '.join(GENERATORS)}")
        return GENERATORS[found[1]]()

    return _MARK.sub(write, text)
