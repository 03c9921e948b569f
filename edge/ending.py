"""The end of `edge serve`: asked for by a signal at any moment, in order, and never without end.

Signal handlers here keep what was asked for and nothing else: a handler that takes a lock can wait for the very thread
that it interrupted. Whoever works looks at it: start-up between its steps, the daemon once a tick.

A thread that is inside a native library when Python ends makes that library abort the process. So nothing is left
running: what does not end in time is named, and the process is ended without it.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType

from landing.errors import TouchdownError
from landing.problems import Problem, with_code

logger = logging.getLogger("edge")

LEFT_RUNNING = 70
"""Exit status (EX_SOFTWARE) when an inference or a camera's driver did not end and was left."""

START_UP_S = 2.0
"""Time that a step of start-up may go on after a signal, s. Nothing is at stake yet."""

REST_S = 5.0
"""Time for camera, recorder, page and link together, s."""

LAST_JOIN_S = 1.0

_BEGIN, _AGAIN = b"\0", b"\xff"
_ENDS = (signal.SIGTERM, signal.SIGINT)


class StoppedError(Exception):
    """The end was asked for while the daemon was starting. Not a failure."""


class UnstoppedError(TouchdownError):
    """Threads do not end."""

    exit_code = LEFT_RUNNING
    problem = Problem.NOT_ENDING


class Ending:
    """Handles SIGTERM, SIGINT and SIGHUP until the process is gone. Made in the main thread.

    Leaving the block ends the process where a thread is left; otherwise it does nothing.

    Attributes:
        reason: The signal that asked for the end; empty before.
        on_end: Called in the handler with `reason`. Must take no lock.
        on_hangup: Called in the handler of SIGHUP. Must take no lock.
        limit_s: From the request to the last resort, s.
        status: Exit status of the last resort.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.on_end: Callable[[str], None] | None = None
        self.on_hangup: Callable[[], None] | None = None
        self.limit_s = START_UP_S
        self.status = 0
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._threads_before = set(threading.enumerate())
        # A thread, since the main one may be inside a library that does not come back.
        self._watch = threading.Thread(target=self._run, name="ending", daemon=True)

    def check(self) -> None:
        """Between two steps of start-up.

        Raises:
            StoppedError: The end was asked for.
        """
        if self.reason:
            raise StoppedError(self.reason)

    def begin(self) -> None:
        """The end begins without a signal."""
        os.write(self._write, _BEGIN)

    def again(self) -> None:
        """It was the end of one run, and another begins."""
        self.limit_s, self.status = START_UP_S, 0
        self.on_end = None
        if not self.reason:
            os.write(self._write, _AGAIN)

    def __enter__(self) -> Ending:
        self._watch.start()
        for number in _ENDS:
            signal.signal(number, self._asked)
        signal.signal(signal.SIGHUP, self._hung_up)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + LAST_JOIN_S
        for thread in self._left():
            thread.join(max(0.0, deadline - time.monotonic()))
        left = self._left()
        if left:
            _say_last(error)
            self._end_now(_status_of(error), left)
        # What comes now would meet the interpreter while it is taken apart.
        for number in (*_ENDS, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        os.close(self._write)
        self._watch.join()
        os.close(self._read)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        self.reason = self.reason or signal.Signals(number).name
        if self.on_end is not None:
            self.on_end(self.reason)

    def _hung_up(self, _number: int, _frame: FrameType | None) -> None:
        if self.on_hangup is not None:
            self.on_hangup()

    def _left(self) -> list[threading.Thread]:
        known = {*self._threads_before, self._watch, threading.current_thread()}
        return [t for t in threading.enumerate() if t not in known]

    def _run(self) -> None:
        """Body of the watch: the last resort."""
        since: float | None = None
        while True:
            left_s = None if since is None else since + self.limit_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                self._end_now(self.status, self._left())
            ready, _, _ = select.select([self._read], [], [], left_s)
            if not ready:
                continue
            said = os.read(self._read, 64)
            if not said:
                return
            if _AGAIN in said:
                since = None
            elif since is None and any(b in (0, *_ENDS) for b in said):
                since = time.monotonic()

    def _end_now(self, status: int, left: list[threading.Thread]) -> None:
        """Ends the process as it is. Events are on the disk, each was written at once."""
        names = ", ".join(thread.name for thread in left) or "start-up"
        # Not through `logging`: its lock may be held by what does not end.
        sys.stderr.write(f"ended without waiting any longer for: {names}\n")
        sys.stderr.flush()
        os._exit(status)


def _status_of(error: BaseException | None) -> int:
    """Exit status that fits the error."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return error.exit_code if isinstance(error, TouchdownError) else 1


def _say_last(error: BaseException | None) -> None:
    """Print the error as the command line does."""
    if isinstance(error, TouchdownError):
        sys.stderr.write(f"error: {with_code(str(error), error.problem.value)}\n")
    elif error is not None and not isinstance(error, SystemExit):
        traceback.print_exception(error, file=sys.stderr)
