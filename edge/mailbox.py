"""A one-slot mailbox: the newest item wins, what it replaces is counted as dropped."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands items from one thread to another without ever queueing an old one.

    A queue would make a slow reader fall behind the world; here it skips instead.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._dropped = 0

    def put(self, item: T) -> None:
        """Leave an item, replacing one that nobody took."""
        with self._changed:
            if self._item is not None:
                self._dropped += 1
            self._item = item
            self._changed.notify()

    def wait(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for an item; True if one is there."""
        with self._changed:
            return self._changed.wait_for(lambda: self._item is not None, timeout_s)

    def take(self, timeout_s: float = 0.0) -> T | None:
        """Take the newest item, waiting up to `timeout_s` for one; None when none came."""
        with self._changed:
            if self._item is None and timeout_s > 0:
                self._changed.wait_for(lambda: self._item is not None, timeout_s)
            item, self._item = self._item, None
            return item

    def clear(self) -> None:
        """Forget the item that waits, if any, without counting it as dropped."""
        with self._changed:
            self._item = None

    @property
    def waiting(self) -> bool:
        """True while an item waits to be taken."""
        with self._changed:
            return self._item is not None

    @property
    def dropped(self) -> int:
        """Items that were replaced before anybody took them."""
        with self._changed:
            return self._dropped
