"""Durations of the parts of the last few hundred decisions, as percentiles."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

WINDOW = 512


@dataclass(frozen=True)
class Percentiles:
    """Of one part, milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    count: int


class Timings:
    """Keeps recent durations by name, in order of first appearance. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._durations: dict[str, deque[float]] = {}

    def add(self, durations_ms: Mapping[str, float]) -> None:
        """Adds the parts of one decision."""
        with self._lock:
            for name, value in durations_ms.items():
                self._durations.setdefault(name, deque(maxlen=WINDOW)).append(value)

    def percentiles(self) -> dict[str, Percentiles]:
        """Percentiles of each part."""
        with self._lock:
            kept = {name: np.array(values) for name, values in self._durations.items()}
        result = {}
        for name, values in kept.items():
            p50, p95, p99 = (float(p) for p in np.percentile(values, (50, 95, 99)))
            result[name] = Percentiles(p50, p95, p99, len(values))
        return result

    def table(self) -> list[str]:
        """Lines for people."""
        lines = [f"{'stage':<18}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'n':>7}"]
        for name, p in self.percentiles().items():
            lines.append(f"{name:<18}{p.p50_ms:9.2f}{p.p95_ms:9.2f}{p.p99_ms:9.2f}{p.count:7d}")
        return lines
