"""Processes of a simulated flight: started with a log, and ended with it, by force if need be."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from landing.errors import TouchdownError
from landing.problems import Problem

START_S = 30.0
STOP_S = 5.0


class FlightError(TouchdownError):
    """A process of the simulation failed, so nothing can be said of the landing."""

    exit_code = 4
    problem = Problem.FLIGHT


class TooLateError(FlightError):
    """Something awaited did not come in time, as on an overloaded machine."""


def start_process(
    command: Sequence[str],
    log: Path,
    stack: ExitStack,
    *,
    stdout: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own that ends, at the latest, when the stack unwinds.

    Its output is appended to the log, unless `stdout` is given, e.g. `subprocess.PIPE`.

    Raises:
        FlightError: It cannot be started.
    """
    stream = stack.enter_context(log.open("ab"))
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=stdout or stream,
            stderr=stream,
            start_new_session=True,
            env=None if env is None else dict(env),
            cwd=cwd,
        )
    except OSError as error:
        raise FlightError(f"{command[0]}: {error.strerror or error}") from error
    stack.callback(stop_process, process)
    return process


def go_first(pid: int = 0) -> None:
    """Raise a process that has real-time priority above the daemon's: the world waits for no inference.

    Camera and simulator share the processor with the daemon here alone. Of equal priority they wait for its threads.

    Args:
        pid: Of the process; 0: this one, and the threads that it starts from now on.
    """
    policy = os.sched_getscheduler(pid)
    if policy in (os.SCHED_RR, os.SCHED_FIFO):
        with suppress(PermissionError):  # a user may have a limit, and be at it
            os.sched_setscheduler(pid, policy, os.sched_param(os.sched_getparam(pid).sched_priority + 1))


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, and makes it. Harmless for one that has ended."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
    if process.stdout is not None:
        process.stdout.close()
