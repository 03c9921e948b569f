"""A machine that is new to us: a fresh clone, an installation that borrows this environment, an empty home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

COMMANDS = {
    "python": "",
    "python3": "",
    **{
        name: f' -c "import touchdown.cli as c; import sys; sys.argv[0] = {name!r}; c.{entry}()"'
        for name, entry in (("touchdown", "main"), ("trainer", "trainer"), ("edge", "edge"))
    },
}
"""Commands of an installation, and what this environment's Python makes of each."""


def install(folder: Path) -> Path:
    """Write the commands of an installation into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in COMMANDS.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable}{words} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def clone(folder: Path) -> Path:
    """Write the tracked files into a folder, with an environment that `make` takes for installed; return the folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/results")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    install(folder / ".venv" / "bin")
    (folder / ".venv" / ".base").touch()
    return folder


def environment(source: Path, commands: Path, home: Path) -> dict[str, str]:
    """Return the environment of somebody who has just logged in.

    Args:
        source: Folder that the packages are imported from.
        commands: From `install`.
        home: Made if it is not there.
    """
    home.mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(source),
        "PYTHONSAFEPATH": "1",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "OMP_NUM_THREADS": "2",
    }
