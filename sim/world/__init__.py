"""The ground the simulated camera looks at: a labelled picture with a scale, and its people."""

from __future__ import annotations

from sim.world.actors import Actor, ActorState, AnyActor, Sun, Timetable, visit
from sim.world.adversarial import ADVERSARIAL, AdversarialScenario, ExpectedOutcome, ForbiddenZone
from sim.world.label_view import label_view
from sim.world.model import MAX_DISTANCE_M, DiscTruth, World
from sim.world.oracle import OracleResult, OracleVerdict, feasibility_oracle
from sim.world.photo import photo
from sim.world.procedural import procedural
from sim.world.procedural_layouts import LAYOUTS
from sim.world.scenes import FAMILIES, SEEDS, scene, split_of
from sim.world.spec import check_world_spec, expand_world_spec, parse_world_spec
from sim.world.start import suggest_start
from sim.world.store import load_world, save_world

__all__ = [
    "ADVERSARIAL",
    "FAMILIES",
    "LAYOUTS",
    "MAX_DISTANCE_M",
    "SEEDS",
    "Actor",
    "ActorState",
    "AdversarialScenario",
    "AnyActor",
    "DiscTruth",
    "ExpectedOutcome",
    "ForbiddenZone",
    "OracleResult",
    "OracleVerdict",
    "Sun",
    "Timetable",
    "World",
    "check_world_spec",
    "expand_world_spec",
    "feasibility_oracle",
    "label_view",
    "load_world",
    "parse_world_spec",
    "photo",
    "procedural",
    "save_world",
    "scene",
    "split_of",
    "suggest_start",
    "visit",
]
