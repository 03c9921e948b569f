"""Texts to the pilot, limited in rate: a flooded ground station is not read. Pure."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.messages import Severity

PERIOD_NS = 2_000_000_000
"""At most one text in so long, but for people: those are said at once."""

SAME_NS = 30_000_000_000
"""The same text on the same topic is not said again within so long, unless another came between."""


class Announcer:
    """Sends one text in `PERIOD_NS`, the gravest first, and of those that wait only the newest by topic.

    Args:
        send: Takes a text and its severity; does not wait.
    """

    def __init__(self, send: Callable[[str, Severity], object]) -> None:
        self._send = send
        self._waiting: dict[str, tuple[str, Severity]] = {}
        self._said: dict[str, tuple[str, int]] = {}
        self._sent_ns: int | None = None

    def say(self, now_ns: int, topic: str, text: str, severity: Severity, *, urgent: bool = False) -> None:
        """Says something, now or as soon as there is room.

        Args:
            now_ns: Monotonic time.
            topic: A newer text takes the place of one on the same topic that still waits.
            text: In words.
            severity: Of the text.
            urgent: It is about people, and does not wait.
        """
        self._waiting.pop(topic, None)
        before = self._said.get(topic)
        if before is not None and before[0] == text and now_ns - before[1] < SAME_NS:
            return
        if urgent:
            self._say(now_ns, topic, text, severity)
        else:
            self._waiting[topic] = (text, severity)
            self.tick(now_ns)

    def drop(self, topic: str) -> None:
        """Does not say what waits on a topic: it is no longer so."""
        self._waiting.pop(topic, None)

    def tick(self, now_ns: int) -> None:
        """Says the gravest text that waits, once there is room for it."""
        if self._waiting and (self._sent_ns is None or now_ns - self._sent_ns >= PERIOD_NS):
            topic = min(self._waiting, key=lambda name: self._waiting[name][1])
            self._say(now_ns, topic, *self._waiting.pop(topic))

    def _say(self, now_ns: int, topic: str, text: str, severity: Severity) -> None:
        self._said[topic] = (text, now_ns)
        self._sent_ns = now_ns
        self._send(text, severity)
