"""Link alarms end landing targets; each is reported once when it begins and once when it is over."""

from __future__ import annotations

import logging
from typing import Protocol

from edge.log import EventLog
from firmware_bridge.messages import Severity
from firmware_bridge.report import Alarm, AlarmKind, SendResult
from landing.problems import Problem

logger = logging.getLogger("edge")


class TextLink(Protocol):
    """Sends texts to the pilot."""

    def send_text(self, text: str, severity: Severity) -> SendResult:
        """Says something to the pilot."""


class LinkAlarms:
    """Tells the pilot, the event log and the text log. One caller.

    Args:
        link: Where texts go.
        events: Where begin and end are written.
    """

    def __init__(self, link: TextLink, events: EventLog) -> None:
        self._link = link
        self._events = events
        self._on: frozenset[AlarmKind] = frozenset()

    def watch(self, alarms: tuple[Alarm, ...]) -> str | None:
        """Take what is wrong now; returns it in words, None when nothing is."""
        for alarm in alarms:
            if alarm.kind not in self._on:
                logger.error("link alarm, no targets: %s", alarm.text)
                self._events.write("link-alarm", kind=alarm.kind, text=alarm.text, code=Problem.SECOND_SENDER)
                self._link.send_text(f"No landing targets: {alarm.text}", Severity.CRITICAL)
        now_on = frozenset(alarm.kind for alarm in alarms)
        for kind in sorted(self._on - now_on):
            logger.warning("link alarm over: %s", kind.value)
            self._events.write("link-alarm-over", kind=kind)
        self._on = now_on
        return "; ".join(alarm.text for alarm in alarms) or None
