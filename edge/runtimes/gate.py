"""A model that was found to decide otherwise than the one it was made from does not fly."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.runtimes.contract import RuntimeOptions
from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.problems import Problem

logger = logging.getLogger("edge")


def require_gate(path: Path, gate: GateReport | None, options: RuntimeOptions) -> None:
    """Refuses a model whose verification failed, unless the options allow it.

    A model that was never verified is taken: whoever made it had the choice. `edge check` says so.

    Raises:
        ModelError: It failed.
    """
    if gate is None or gate.passed:
        return
    if not options.allow_failed_gate:
        raise ModelError(
            f"model {path}: {gate.describe()}. Make a better one, or allow it: [model] "
            "allow_failed_gate = true (--allow-failed-gate)",
            Problem.GATE,
        )
    logger.warning("model %s is allowed although its %s", path, gate.describe())
