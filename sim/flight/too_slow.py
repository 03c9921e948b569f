"""Tells from a daemon's event log that its computer was too slow for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NEEDED_HZ = 4.0
"""Decisions a second below which the newest one is older than the director takes it (`director.max_decision_age_s`,
0.45 s by default)."""

SLOWEST_MS = 1000.0 / NEEDED_HZ


def too_slow(events: Sequence[Mapping[str, Any]]) -> str | None:
    """In words, with figures, how the daemon fell behind; None when it kept up.

    A camera that delivers nothing, or a link that is cut, makes few decisions too. So the rate counts only where the
    decision itself takes too long.

    Args:
        events: Of the event log, in order: `too-slow` where the daemon says so itself, and its regular `status`, whose
            rate is that since the one before.
    """
    words = None
    before: tuple[int, int] | None = None
    for event in events:
        if event["event"] == "too-slow":
            words = event["reason"]
        elif event["event"] == "ready":
            before = (event["mono_ns"], 0)
        elif event["event"] == "status":
            hz = event["rates_hz"]["pipeline"]
            if before is not None:
                passed_s = (event["mono_ns"] - before[0]) * 1e-9
                hz = (event["decisions"] - before[1]) / max(passed_s, 1e-3)
            before = (event["mono_ns"], event["decisions"])
            inference_ms, age_ms = (_median_ms(event, name) for name in ("inference", "age"))
            if hz < NEEDED_HZ and max(inference_ms, age_ms) > SLOWEST_MS:
                took = f"inference {inference_ms:.0f} ms"
                if age_ms > 2.0 * inference_ms:
                    took += f", frame to decision {age_ms:.0f} ms"
                words = f"too slow: {hz:.1f} decisions/s, needs {NEEDED_HZ:g}; {took}"
    return words


def _median_ms(status: Mapping[str, Any], name: str) -> float:
    return float(status["timings_ms"].get(name, {}).get("p50_ms", 0.0))
