"""STATUSTEXT put together again from its chunks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from landing.terminal import printable

CHUNK = 50
# A sender that never ends a text must not fill the memory
MAX_OPEN = 8  # Long texts under way at a time
MOST_CHARACTERS = 1000  # Of a long text; what follows is told as another one


@dataclass(frozen=True)
class StatusText:
    """One whole text."""

    at_ns: int  # Monotonic time of the last chunk
    system: int  # Ids of the sender
    component: int
    severity: int  # MAV_SEVERITY, 0 the worst
    text: str  # One line; what a terminal would obey is written as an escape


class TextAssembler:
    """Joins chunks by sender and id; the last chunk is the first with fewer than 50 characters."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int, int], tuple[int, str]] = {}

    def add(self, message: Any, at_ns: int) -> StatusText | None:
        """Takes a STATUSTEXT; the whole text once its last chunk has come."""
        system, component = message.get_srcSystem(), message.get_srcComponent()
        raw = message.text
        text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw)
        text = text.partition("\0")[0]
        number = getattr(message, "id", 0)
        if number == 0:
            return StatusText(at_ns, system, component, message.severity, printable(text))
        key = (system, component, number)
        expected, so_far = self._open.pop(key, (0, ""))
        if message.chunk_seq != expected:
            so_far = "" if message.chunk_seq == 0 else f"{so_far}[...]"
        if len(text) < CHUNK or len(so_far) > MOST_CHARACTERS - 2 * CHUNK:
            return StatusText(at_ns, system, component, message.severity, printable(so_far + text))
        if len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        self._open[key] = (message.chunk_seq + 1, so_far + text)
        return None
