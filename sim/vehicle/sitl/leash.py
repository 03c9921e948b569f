"""Becomes a program that dies with whoever started it: ``python leash.py PARENT PROGRAM ...``.

PX4's simulator as a daemon outlives a flight that was killed, and then holds its ports and locks. Linux sends the
signal when the *thread* that started the process ends: in `sim.flight.fly` that is the one that flies, and it ends
last. It runs as a file, so that any working folder will do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Entry point; does not return."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("who started it has already gone")
    os.execv(program, sys.argv[2:])


def leashed(command: list[str]) -> list[str]:
    """The command that runs one on a leash; its first word is the path of a program."""
    return [sys.executable, str(Path(__file__).resolve()), str(os.getpid()), *command]


if __name__ == "__main__":
    main()
