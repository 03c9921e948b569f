"""Name and version of the distribution, and the command that installs one of its extras."""

from __future__ import annotations

DISTRIBUTION = "touchdown-landing"
"""Name on the package index. The commands and the packages have other names: `touchdown` there is another program."""

VERSION = "0.2.0"


def install_command(extra: str) -> str:
    """Return the command that installs an extra, as ``pip install "touchdown-landing[train]"``."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'
