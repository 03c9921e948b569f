"""Digest of the code that made a result."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

CODE = ("landing", "firmware_bridge", "edge", "sim")
CODE_SUFFIXES = (".py", ".toml", ".json")
ONLY_SHOWS = frozenset(
    f"sim/campaign/{name}.py" for name in ("cli", "command", "plots", "replay", "report", "summary", "wilson")
) | {"sim/cli.py", "sim/flight/picture.py"}
"""Sources that show results and make none: a better plot does not undo a campaign."""


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of everything that a result can depend on: the sources of what flies and the sim."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in CODE:
        for path in sorted((root / package).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in CODE_SUFFIXES and name not in ONLY_SHOWS and path.is_file():
                digest.update(name.encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
