"""The ground the simulated camera looks at: a labelled picture with a scale, and its people."""

from __future__ import annotations

from sim.world.actors import Actor, ActorState, AnyActor, Sun, Timetable, visit
from sim.world.adversarial import TRAPS, Expect, Trap, Zone
from sim.world.label_view import label_view
from sim.world.layouts import LAYOUTS
from sim.world.model import MAX_DISTANCE_M, DiscTruth, World
from sim.world.oracle import Feasibility, Verdict, feasibility
from sim.world.photo import photo
from sim.world.procedural import procedural
from sim.world.scenes import FAMILIES, SEEDS, scene, split_of
from sim.world.spec import check_world_spec, expand_world_spec, parse_world_spec
from sim.world.start import suggest_start
from sim.world.store import load_world, save_world

__all__ = [
    "FAMILIES",
    "LAYOUTS",
    "MAX_DISTANCE_M",
    "SEEDS",
    "TRAPS",
    "Actor",
    "ActorState",
    "AnyActor",
    "DiscTruth",
    "Expect",
    "Feasibility",
    "Sun",
    "Timetable",
    "Trap",
    "Verdict",
    "World",
    "Zone",
    "check_world_spec",
    "expand_world_spec",
    "feasibility",
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
