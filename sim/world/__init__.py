"""The ground the simulated camera looks at: a labelled picture with a scale, and its people."""

from __future__ import annotations

from sim.world.actors import Actor, ActorState, Sun
from sim.world.model import DiscTruth, World
from sim.world.photo import photo
from sim.world.procedural import LAYOUTS, procedural
from sim.world.spec import parse_world_spec
from sim.world.start import suggest_start
from sim.world.store import load_world, save_world

__all__ = [
    "LAYOUTS", "Actor", "ActorState", "DiscTruth", "Sun", "World",
    "load_world", "parse_world_spec", "photo", "procedural", "save_world", "suggest_start",
]  # fmt: skip
