"""A token bucket: limits the bytes per second. Pure: time is given."""

from __future__ import annotations

NS_PER_S = 1_000_000_000


class TokenBucket:
    """Bytes that may pass: they come back at a steady rate, up to a burst.

    A taker may overdraw once, by the size of what it takes, so that one large frame always passes; the next waits until
    the debt is paid.
    """

    def __init__(self, bytes_per_s: float, burst_bytes: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._burst_bytes = burst_bytes
        self._left = burst_bytes
        self._at_ns: int | None = None

    def open(self, now_ns: int) -> bool:
        """Return whether something may pass now."""
        if self._at_ns is not None:
            gained = (now_ns - self._at_ns) * self._bytes_per_s / NS_PER_S
            self._left = min(self._burst_bytes, self._left + max(0.0, gained))
        self._at_ns = now_ns
        return self._left > 0.0

    def take(self, size: int) -> None:
        """Note that bytes have passed."""
        self._left -= size
