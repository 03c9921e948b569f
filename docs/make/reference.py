"""Generated parts of pages: `<!-- generated: NAME -->` is replaced by what a generator of that name writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from docs.make import commands, formats, mavlink, settings

GENERATORS: dict[str, Callable[[], str]] = {
    "settings": settings.settings,
    "settings-together": settings.together,
    "strictness": settings.strictness,
    "commands": commands.overview,
    "commands-touchdown": commands.commands,
    **{f"commands-{name}": partial(commands.commands, name) for name in commands.PAGES},
    "mavlink-messages": mavlink.messages,
    "mavlink-commands": mavlink.commanded,
    "mavlink-streams": mavlink.streams,
    "own-parameters": mavlink.own_parameters,
    "ardupilot-parameters": partial(mavlink.doctor_parameters, "ardupilot"),
    "px4-parameters": partial(mavlink.doctor_parameters, "px4"),
    "model-format": formats.model_format,
    "taxonomy-format": formats.taxonomy_format,
    "recording-format": formats.recording,
}
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
