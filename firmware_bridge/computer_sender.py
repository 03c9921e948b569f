"""Reads the computer's figures in a thread of its own, whenever it is told that we still work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from firmware_bridge.computer import ComputerMonitor

JOIN_TIMEOUT_S = 2.0


class ComputerStatusSender:
    """One message per `wake`, and none without: it must not outlive the work it reports on.

    A sensor on a slow bus may take tens of milliseconds to read, which neither the control loop nor a reader of a
    connection can spare.
    """

    def __init__(self, monitor: ComputerMonitor, send: Callable[[Any], object]) -> None:
        self._monitor = monitor
        self._send = send
        self._due = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to wait."""
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="computer-status", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have one message sent soon."""
        self._due.set()

    def close(self) -> None:
        """Stop. Harmless when it is not started."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop = True
        self._due.set()
        thread.join(JOIN_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._stop:
                return
            self._send(self._monitor.message(time.monotonic_ns()))
