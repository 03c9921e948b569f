"""Depth sensors as the relief took them: what becomes of each, told once when it changes."""

from __future__ import annotations

import logging

from edge.log import EventLog
from landing.relief.depth import DepthTaken

logger = logging.getLogger("edge")

SILENT_NS = 2_000_000_000
"""A sensor without a look for so long is silent."""


class DepthWatch:
    """Watches the looks of one frame after another. One caller at a time.

    Args:
        events: Takes `depth`.

    Attributes:
        text: The sensors in words; empty while none was heard.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._newest: dict[str, DepthTaken] = {}
        self._told: dict[str, bool] = {}
        self.text = ""

    def observe(self, taken: tuple[DepthTaken, ...], now_ns: int) -> None:
        """Take the looks of a frame, and write what has changed: of use, refused with the reason, or silent."""
        self._newest.update({one.look.source: one for one in taken})
        texts = []
        for source, newest in self._newest.items():
            silent = now_ns - newest.look.at_ns > SILENT_NS
            problem = "silent" if silent else newest.problem
            texts.append(f"{source}: {problem}" if problem else newest.text)
            used = problem is None
            if self._told.get(source) is not used:
                self._told[source] = used
                (logger.info if used else logger.warning)("depth, %s", texts[-1])
                self._events.write("depth", source=source, problem=problem)
        self.text = "; ".join(texts)
