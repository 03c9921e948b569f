"""Judgement of a landing over a photograph: what labels can tell, what only a person can, and what the picture shows."""

from __future__ import annotations

import math
from typing import Any

from landing.camera import CameraModel
from sim.campaign.scene import Scene
from sim.campaign.sensors import believed_camera
from sim.campaign.trace import Flown
from sim.flight.photo_sensor import resolved_height_m
from sim.flight.plan import PERSON_AWAY_M
from sim.world import World

UNJUDGED = "landed-unjudged"
"""Verdict of a touchdown of which labels tell nothing."""

UNKNOWN_GROUND = "unknown ground"
STORY = ("transition", "authority", "no-site", "site-chosen", "pilot")
"""Events that tell how a landing went."""


def unjudged_because(world: World, touchdown: dict[str, Any], radius_m: float) -> str | None:
    """Return why labels do not tell whether a touchdown was safe; None where they do.

    Args:
        world: Any; only a photograph's labels can leave something open.
        touchdown: See `sim.campaign.score`.
        radius_m: Of the vehicle.
    """
    if world.photograph is None:
        return None
    if not world.holds(*touchdown["ne_m"], radius_m):
        return "not judged: it came down beyond the edge of the photograph"
    if not world.photograph.labelled:
        return "not judged: no labels"
    known_bad = [name for name in touchdown["unsafe_on"] if name != UNKNOWN_GROUND]
    if UNKNOWN_GROUND in touchdown["classes"] and not known_bad and touchdown["person_m"] >= PERSON_AWAY_M:
        return "not judged: ground without labels under the vehicle"
    return None


def photograph_facts(world: World, scene: Scene) -> dict[str, Any] | None:
    """Size, scale and resolution of the world's photograph, for the record; None of another world."""
    photo = world.photograph
    if photo is None:
        return None
    camera = believed_camera(scene.conditions)
    south, north, west, east = world.known_extent_m
    return {
        "size_m": [east - west, north - south],
        "gsd_m": world.gsd_m,
        "scale": photo.scale,
        "labelled": photo.labelled,
        "coarser_below_m": resolved_height_m(world, camera),
        "words": coarser_words(world, camera),
    }


def coarser_words(world: World, camera: CameraModel) -> str:
    """In words, from where on the photograph shows nothing new."""
    height_m = resolved_height_m(world, camera)
    return f"below {height_m:.1f} m this picture is coarser than the camera: the network sees it as from there"


def story(flown: Flown) -> list[list[Any]]:
    """Time, height and words of each event of a landing, in order."""
    told: list[list[Any]] = []
    for event in flown.events:
        if event["event"] not in STORY:
            continue
        height_m = min(flown.track, key=lambda m: abs(m.t_s - event["t_s"])).height_m if flown.track else math.nan
        told.append([event["t_s"], height_m, words_of(event)])
    return told


def words_of(event: dict[str, Any]) -> str:
    """An event of `STORY` in words."""
    name = event["event"]
    if name == "site-chosen":
        site = event["site"]
        north_m, east_m, _ = site["position_ned_m"]
        return f"site at N {north_m:.1f} E {east_m:.1f} m, {site['clearance_m']:.1f} m clear"
    if name == "no-site":
        return f"no site: {event['reason']}: {event.get('detail', '')}"
    if name == "pilot":
        return f"pilot: {event.get('mode', 'goes down')}"
    return f"{name} {event['to_state']}: {event['reason']}"
