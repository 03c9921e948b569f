"""Name and version of the distribution, and the command that installs one of its extras."""

from __future__ import annotations

DISTRIBUTION = "touchdown-landing"
"""Name on the package index. The commands and the packages have other names: `touchdown` there is another program."""

VERSION = "0.2.0"


def install_command(extra: str | None = None) -> str:
    """Return the command that installs an extra, ``pip install "touchdown-landing[train]"``; without one, the base."""
    return f'pip install "{DISTRIBUTION}{f"[{extra}]" if extra else ""}"'
