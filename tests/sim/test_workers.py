"""Workers of a command at Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("after_s", [0.7, 2.5])
def test_ctrl_c_ends_a_command_and_its_workers_without_a_traceback(after_s: float, tmp_path: Path) -> None:
    words = ("sim", "dataset", "--out", tmp_path / "set", "--seeds", "1000:1100", "--jobs", "2")
    command = [sys.executable, "-m", "touchdown", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not (tmp_path / "set" / "split.csv").exists():
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and said.endswith("stopped\n") and "Traceback" not in said
