"""The umbrella command as a user types it: in a process of its own, or in this one where a process adds nothing."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
from pathlib import Path

from touchdown.cli import cli
from touchdown.cli import run as run_command

ROOT = Path(__file__).resolve().parents[1]


def run(*words: object, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run `touchdown WORDS...` in a process of its own."""
    command = [sys.executable, "-m", "touchdown", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """Run `touchdown WORDS...` here, a second of imports cheaper; a bug raises instead of printing its traceback."""
    out, err = io.StringIO(), io.StringIO()
    arguments = [str(word) for word in words]
    hooks = sys.excepthook, threading.excepthook
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run_command(cli, "touchdown", arguments)
    except SystemExit as end:
        status = end.code
    finally:
        sys.excepthook, threading.excepthook = hooks
    assert isinstance(status, int)
    return subprocess.CompletedProcess(["touchdown", *arguments], status, out.getvalue(), err.getvalue())
