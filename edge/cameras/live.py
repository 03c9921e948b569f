"""Reader thread of live cameras; it keeps only the newest picture."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge.cameras.contract import CameraTimeout, Grabbed
from edge.mailbox import Mailbox
from landing.errors import CameraError

logger = logging.getLogger("edge.cameras")

JOIN_TIMEOUT_S = 0.5
"""Longest wait for a reader that may hang in a driver, s."""


class NewestReader:
    """Runs a blocking `read` in a thread and hands out its newest result with a timeout.

    Args:
        name: Of the camera, for messages and the thread.
        read: Blocks until the next picture; None ends the thread; `CameraError` is kept for the next `newest`.
        release: Run in the thread when it ends, so nothing is taken from under a blocked `read`.
    """

    def __init__(
        self, name: str, read: Callable[[], Grabbed | None], release: Callable[[], None] | None = None
    ) -> None:
        self._name = name
        self._read = read
        self._release = release
        self._box: Mailbox[Grabbed | CameraError] = Mailbox()
        self._failure: CameraError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Pictures replaced by a newer one before anybody took them."""
        return self._box.dropped

    def newest(self, timeout_s: float) -> Grabbed:
        """The newest picture that was not handed out yet.

        Raises:
            CameraTimeout: None came in time.
            CameraError: The source has failed.
        """
        if self._failure is not None:
            raise self._failure
        item = self._box.take(timeout_s)
        if item is None:
            raise CameraTimeout(f"camera {self._name}: no new frame within {timeout_s:.2f} s")
        if isinstance(item, CameraError):
            self._failure = item
            raise item
        return item

    def close(self) -> None:
        """Asks the thread to end and waits briefly for it."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            logger.warning("camera %s: its driver does not return; left behind", self._name)

    @property
    def alive(self) -> bool:
        """True while the thread runs, perhaps stuck in a driver."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                item = self._read()
                if item is None:
                    return
                self._box.put(item)
        except CameraError as error:
            self._box.put(error)
        finally:
            if self._release is not None:
                self._release()
