"""Adversarial scenarios: hand-made worlds, each with the outcome that a landing must and must not have."""

from __future__ import annotations

from sim.world.adversarial import ground as ground
from sim.world.adversarial import people as people
from sim.world.adversarial.scenario import AdversarialScenario, ExpectedOutcome, ForbiddenZone
from sim.world.adversarial.stage import ADVERSARIAL

__all__ = ["ADVERSARIAL", "AdversarialScenario", "ExpectedOutcome", "ForbiddenZone"]
