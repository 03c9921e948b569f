"""A model that runs without a pause: what speed, power and heat the board settles at."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edge.runtimes.contract import Runtime
from firmware_bridge.board import INPUT_RAILS, BoardReading, BoardSensors, happened
from landing.types import Frame

READ_EVERY_S = 0.5
NS_PER_S = 1_000_000_000


class Sustained(BaseModel):
    """One model alone, frame after frame.

    Attributes:
        seconds, frames: How long, and how many.
        first_ms, last_ms: Medians of the first and the last quarter of the frames.
        temperature_c: Of the hottest core in the end, degrees Celsius; None where the board does not tell.
        watts: Median by rail, read between frames; a sensor gives the mean of the moment before.
        throttled: Why the board ran slower than it could, none where it did not; None where it does not tell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(ge=0, le=86_400)
    frames: int = Field(ge=1)
    first_ms: float = Field(gt=0)
    last_ms: float = Field(gt=0)
    temperature_c: int | None = Field(default=None, ge=-126, le=126)
    watts: dict[str, float] = Field(default_factory=dict, max_length=32)
    throttled: tuple[str, ...] | None = Field(default=None, max_length=32)

    def power_words(self) -> str:
        """Power of the whole board where it tells that, else of the rails that it tells; empty without any."""
        whole = [name for name in INPUT_RAILS if name in self.watts]
        shown = whole[:1] or list(self.watts)
        return ", ".join(f"{self.watts[name]:.1f} W ({name})" for name in shown)


def sustain(
    runtime: Runtime,
    frame: Frame,
    seconds: float,
    sensors: BoardSensors,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Sustained:
    """Runs a model for some seconds, at least one frame, and reads the sensors twice a second meanwhile.

    Raises:
        ModelError: It does not run.
    """
    before = last = sensors.read()
    readings: list[BoardReading] = []
    times: list[float] = []
    began_ns = read_ns = clock_ns()
    while True:
        start_ns = clock_ns()
        runtime.segment(frame)
        done_ns = clock_ns()
        times.append(max(done_ns - start_ns, 1) / 1e6)
        over = done_ns - began_ns >= seconds * NS_PER_S
        if over or done_ns - read_ns >= READ_EVERY_S * NS_PER_S:
            last, read_ns = sensors.read(), done_ns
            readings.append(last)
        if over:
            break
    quarter = max(1, len(times) // 4)
    return Sustained(
        seconds=round((done_ns - began_ns) / NS_PER_S, 1),
        frames=len(times),
        first_ms=statistics.median(times[:quarter]),
        last_ms=statistics.median(times[-quarter:]),
        temperature_c=last.temperature_c,
        watts=_medians(readings),
        throttled=_causes(before, readings) if last.tells_throttling else None,
    )


def _medians(readings: list[BoardReading]) -> dict[str, float]:
    names = sorted({name for reading in readings for name in reading.watts})
    found: dict[str, Any] = {name: [r.watts[name] for r in readings if name in r.watts] for name in names}
    return {name: round(statistics.median(values), 3) for name, values in found.items()}


def _causes(before: BoardReading, readings: list[BoardReading]) -> tuple[str, ...]:
    now = (cause for reading in readings for cause in reading.slowed)
    return tuple(dict.fromkeys([*now, *happened(before, readings[-1])]))
