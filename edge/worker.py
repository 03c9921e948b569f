"""A thread whose failure is not lost: its owner finds it and fails with it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """Runs `body` in a daemon thread and keeps what it raised.

    Args:
        name: Of the thread, for logs.
        body: Returns when it is told to stop by means of its own.
    """

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self.name = name
        self._body = body
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def check(self) -> None:
        """Raises what the body raised, in the caller's thread."""
        if self._error is not None:
            raise self._error

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread; False when it does not end in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._body()
        except BaseException as error:  # noqa: BLE001 - kept whole; `check` raises it again
            self._error = error
