"""The worst set: hand-made traps, each with what a landing there must and must not do."""

from __future__ import annotations

from collections.abc import Mapping

from sim.world.adversarial import ground, people
from sim.world.adversarial.trap import Expect, Trap, Zone

TRAPS: Mapping[str, Trap] = {trap.name: trap for trap in (*ground.TRAPS, *people.TRAPS)}

__all__ = ["TRAPS", "Expect", "Trap", "Zone"]
