"""The recorder of a daemon, from its configuration."""

from __future__ import annotations

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


def make_recorder(config: EdgeConfig, runtime: Runtime, decider: Decider, flight: ResolvedFlight) -> Recorder:
    """A recorder that is not started yet.

    Args:
        config: Of the daemon.
        runtime: Its network.
        decider: Whose memory goes into the files.
        flight: What it flies.
    """
    section = config.recorder
    model: dict[str, Any] = {
        "path": str(runtime.path),
        "sha256": sha256_of(runtime.path),
        "backend": runtime.backend,
        "gate": runtime.gate.describe() if runtime.gate else "never verified",
    }
    start = Start(
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
    limits = Retention(
        section.ring_s, section.before_s, section.after_s, round(section.budget_mb * 1e6), round(section.free_mb * 1e6)
    )
    return Recorder(section.folder, start, decider.state_dict, limits, section.segment_s, section.image_quality)
