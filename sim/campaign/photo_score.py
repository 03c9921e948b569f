"""Facts of a landing over a photograph for its record: what the picture shows, and how the landing went."""

from __future__ import annotations

import math
from typing import Any

from landing.ground.scale import GroundScale
from sim.campaign.scene import Scene
from sim.campaign.sensors import believed_camera
from sim.campaign.trace import Flown
from sim.flight.photo_judge import coarser_words
from sim.flight.photo_sensor import resolved_height_m
from sim.world import World

STORY = ("transition", "authority", "no-site", "site-chosen", "pilot")
"""Events that tell how a landing went."""


def photograph_facts(world: World, scene: Scene, scale: GroundScale | None) -> dict[str, Any] | None:
    """Size, scale and resolution of the world's photograph, for the record; None of another world."""
    photo = world.photograph
    if photo is None:
        return None
    height_m = resolved_height_m(world, believed_camera(scene.conditions), scale)
    south, north, west, east = world.known_extent_m
    return {
        "size_m": [east - west, north - south],
        "gsd_m": world.gsd_m,
        "scale": photo.scale,
        "labelled": photo.labelled,
        "coarser_below_m": height_m,
        "words": coarser_words(height_m),
    }


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
