"""The recorder of a daemon, from its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.blackbox.recorder import Recorder
from edge.blackbox.records import FORMAT, Start
from edge.blackbox.ring import Retention
from edge.config import EdgeConfig
from edge.resolved import ResolvedFlight
from edge.runtimes import Runtime
from landing.decider import Decider
from landing.distribution import VERSION
from landing.reading import sha256_of
from landing.redaction import redact_all

FOREVER_S, UNLIMITED_BYTES = 1e9, 1 << 62
"""A bag is kept as a whole."""


def make_recorder(config: EdgeConfig, runtime: Runtime, decider: Decider, flight: ResolvedFlight) -> Recorder:
    """A recorder that is not started yet.

    Args:
        config: Of the daemon.
        runtime: Its network.
        decider: Whose memory goes into the files.
        flight: What it flies.
    """
    section = config.recorder
    limits = Retention(
        section.ring_s, section.before_s, section.after_s, round(section.budget_mb * 1e6), round(section.free_mb * 1e6)
    )
    start = _start(config, runtime, flight)
    return Recorder(section.folder, start, decider.state_dict, limits, section.segment_s, section.image_quality)


def make_bag_recorder(
    config: EdgeConfig, runtime: Runtime, decider: Decider, flight: ResolvedFlight, folder: Path
) -> Recorder:
    """A recorder of a bag's flight that is not started yet: it keeps all from the first `keep` on.

    Args:
        config: Whose settings decide.
        runtime: Its network.
        decider: Whose memory goes into the files.
        flight: What it flies.
        folder: To write to.
    """
    section = config.recorder
    limits = Retention(section.ring_s, 0.0, FOREVER_S, UNLIMITED_BYTES, round(section.free_mb * 1e6))
    start = _start(config, runtime, flight)
    return Recorder(folder, start, decider.state_dict, limits, section.segment_s, section.image_quality)


def _start(config: EdgeConfig, runtime: Runtime, flight: ResolvedFlight) -> Start:
    """Return what opens every file."""
    model: dict[str, Any] = {
        "path": str(runtime.path),
        "sha256": sha256_of(runtime.path),
        "backend": runtime.backend,
        "gate": runtime.gate.describe() if runtime.gate else "never verified",
    }
    return Start(
        FORMAT,
        VERSION,
        "",
        0,
        0,
        redact_all(config.model_dump(mode="json")),
        model,
        runtime.spec.model_dump(mode="json"),
        flight.as_dict(),
        flight.digest,
    )
