"""Workers of a command at Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def started(out: Path, at_sigint: signal.Handlers) -> subprocess.Popen[str]:
    """Start a command with two workers in a group of its own and return it once it writes; SIGINT as shells set it."""
    words = ("sim", "dataset", "--out", out, "--seeds", "1000:1100", "--jobs", "2")
    command = [sys.executable, "-m", "touchdown", *map(str, words)]
    before = signal.signal(signal.SIGINT, at_sigint)
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    while not (out / "split.csv").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("after_s", [0.7, 2.5])
def test_ctrl_c_ends_a_command_and_its_workers_without_a_traceback(after_s: float, tmp_path: Path) -> None:
    with started(tmp_path / "set", signal.SIG_DFL) as process:
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and said.endswith("stopped\n") and "Traceback" not in said


def test_ctrl_c_is_not_for_a_command_in_the_background_of_a_script(tmp_path: Path) -> None:
    with started(tmp_path / "set", signal.SIG_IGN) as process:
        time.sleep(2.5)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(1.5)
        goes_on = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    assert goes_on
