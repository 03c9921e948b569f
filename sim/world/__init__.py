"""The ground the simulated camera looks at: a labelled picture with a scale, and its people."""

from __future__ import annotations

from sim.world.actors import Actor, ActorState, AnyActor, Sun, Timetable, visit
from sim.world.feasibility import Feasibility, Verdict, feasibility
from sim.world.label_view import label_view
from sim.world.layouts import LAYOUTS
from sim.world.model import MAX_DISTANCE_M, DiscTruth, World
from sim.world.photo import photo
from sim.world.procedural import procedural
from sim.world.spec import parse_world_spec
from sim.world.start import suggest_start
from sim.world.store import load_world, save_world

__all__ = [
    "LAYOUTS", "MAX_DISTANCE_M", "Actor", "ActorState", "AnyActor", "DiscTruth", "Feasibility",
    "Sun", "Timetable", "Verdict", "World", "feasibility", "label_view", "load_world",
    "parse_world_spec", "photo", "procedural", "save_world", "suggest_start", "visit",
]  # fmt: skip
