"""The ground of a scene: its world, where the landing begins, and whether it can be done at all."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from landing.settings import DecisionSettings
from landing.taxonomy import Role
from landing.types import ByteArray
from sim.campaign.ranges import stream
from sim.campaign.scene import Scene
from sim.campaign.sensors import believed_camera
from sim.world import World, parse_world_spec
from sim.world.adversarial import ExpectedOutcome
from sim.world.oracle import OracleVerdict, feasibility_oracle
from sim.world.raster import deferred
from sim.world.spec import adversarial_scenario
from sim.world.start import photo_height_m

NO_SITE_SHARE = 0.08
"""Part of the scenes that are made without any site, beside those that have none by themselves."""

TRIES = 6
"""Places looked at for one that has a site in view."""

WINDOW_S = (0.0, 120.0)
NARROWEST_REACH_M = 3.0

BUSH_EVERY_M = 1.5
BUSH_RADIUS_M = (0.45, 0.8)
BUSH_BGR = (38, 74, 44)


PHOTO_MIDDLE = 0.4
"""Part of a photograph's half sides in which it is flown again from."""

PHOTO_FPS = 5.0
"""Of the camera over a photograph: as many decisions as a landing needs, and no more of them to compute."""


EXPECTED = {
    ExpectedOutcome.LAND: OracleVerdict.SITE,
    ExpectedOutcome.NO_SITE: OracleVerdict.NONE,
    ExpectedOutcome.EITHER: OracleVerdict.MARGINAL,
}
"""Expected outcome of a scenario, in the words of the oracle."""


@dataclass(frozen=True)
class SceneGround:
    """World and start of a landing.

    Attributes:
        world: The ground and who moves on it.
        start_ne_m: Below the start.
        site: The oracle's verdict for the start, see `site_verdict`.
    """

    world: World
    start_ne_m: tuple[float, float]
    site: OracleVerdict


def make_scene_ground(scene: Scene, decision: DecisionSettings) -> SceneGround:
    """Makes the world of a scene and chooses the start.

    Raises:
        TouchdownError: The world cannot be made.
    """
    scenario = adversarial_scenario(scene.world)
    if scenario is not None:
        return SceneGround(scenario.build(), scenario.start_ne_m, EXPECTED[scenario.expect])
    rng = stream(scene.key, "place")
    world = parse_world_spec(scene.world, scene.world_seed)
    if world.photograph is not None:
        return _photo_ground(scene, world, rng, decision)
    if rng.random() < NO_SITE_SHARE and world.heights_m is None:
        world = overgrown(world, rng)
        wanted = OracleVerdict.NONE
    else:
        wanted = OracleVerdict.SITE
    place = None
    for _ in range(TRIES):
        start_ne_m = _start(world, rng)
        place = SceneGround(world, start_ne_m, site_verdict(world, start_ne_m, scene, decision))
        if place.site is wanted:
            break
    assert place is not None
    return place


def _photo_ground(scene: Scene, world: World, rng: np.random.Generator, decision: DecisionSettings) -> SceneGround:
    """Start over the middle of a photograph; each further time over another place of its middle part."""
    south, north, west, east = (PHOTO_MIDDLE * edge_m for edge_m in world.known_extent_m)
    start_ne_m = (float(rng.uniform(south, north)), float(rng.uniform(west, east))) if scene.again else (0.0, 0.0)
    if not world.judged:
        return SceneGround(world, start_ne_m, OracleVerdict.UNKNOWN)
    return SceneGround(world, start_ne_m, site_verdict(world, start_ne_m, over_photo(scene, world), decision))


def over_photo(scene: Scene, world: World) -> Scene:
    """The scene with what a photograph decides; itself over another world.

    The camera looks along the picture's sides, from no higher than shows its ground alone. Light is the picture's.
    """
    if world.photograph is None:
        return scene
    c = scene.conditions
    height_m = min(c.height_m, photo_height_m(world, believed_camera(c)))
    return replace(scene, conditions=replace(c, height_m=height_m, yaw_deg=0.0, light=1.0, fps=PHOTO_FPS))


def site_verdict(
    world: World, start_ne_m: tuple[float, float], scene: Scene, decision: DecisionSettings
) -> OracleVerdict:
    """Return the oracle's verdict: a site that a policy must find, or none that it may take.

    `SITE`: one with all clearances and room to spare, for two minutes, inside the circle that the level camera sees
    whole from the start. `NONE`: not even a tight one, at any moment, as far as a site may lie from the start.
    `MARGINAL`: between; no rate counts it.
    """
    c = scene.conditions
    half_v_rad = math.atan(0.75 * math.tan(math.radians(c.hfov_deg) / 2))
    seen_m = c.height_m * math.tan(half_v_rad) - decision.required_radius_m
    reach_m = min(max(seen_m, NARROWEST_REACH_M), decision.max_distance_m)
    radius_m = decision.vehicle_radius_m
    near = feasibility_oracle(world, start_ne_m, reach_m, decision.required_radius_m, window_s=WINDOW_S).verdict
    if near is OracleVerdict.SITE:
        return OracleVerdict.SITE
    far = feasibility_oracle(world, start_ne_m, decision.max_distance_m, radius_m, window_s=WINDOW_S)
    return OracleVerdict.NONE if far.verdict is OracleVerdict.NONE else OracleVerdict.MARGINAL


def _start(world: World, rng: np.random.Generator) -> tuple[float, float]:
    """A place in the middle part of the world; two times in three over what must be avoided."""
    south, north, west, east = world.extent_m
    over_hazard = rng.random() < 0.67
    north_m, east_m = 0.0, 0.0
    for _ in range(40):
        north_m = float(rng.uniform(0.7 * south + 0.3 * north, 0.3 * south + 0.7 * north))
        east_m = float(rng.uniform(0.7 * west + 0.3 * east, 0.3 * west + 0.7 * east))
        landable = bool(world.taxonomy.landable_lut[world.label_at(north_m, east_m)])
        if landable is not over_hazard:
            break
    return north_m, east_m


def overgrown(world: World, rng: np.random.Generator) -> World:
    """The same world with bushes so dense that nothing lands between them."""
    rows, columns = world.labels.shape
    mask = np.zeros((rows, columns), np.uint8)
    every = BUSH_EVERY_M / world.gsd_m
    for v in np.arange(0, rows + every, every):
        for u in np.arange(0, columns + every, every):
            du, dv = rng.uniform(-0.2, 0.2, 2) * every
            radius = round(float(rng.uniform(*BUSH_RADIUS_M)) / world.gsd_m)
            cv2.circle(mask, (round(u + du), round(v + dv)), radius, 255, -1)
    bush = world.taxonomy.ids_of(Role.OBSTACLE)
    tree = next((c.id for c in world.taxonomy.classes if c.name == "tree"), bush[0])
    labels = np.where((mask > 0) & world.taxonomy.landable_lut[world.labels], tree, world.labels)

    def paint() -> ByteArray:
        picture = world.ortho_bgr.copy()
        shade = np.random.default_rng(3).uniform(0.6, 1.3, (rows, columns, 1)).astype(np.float32)
        bushes = np.clip(np.array(BUSH_BGR, np.float32) * shade, 0, 255).astype(np.uint8)
        grown = labels != world.labels
        picture[grown] = bushes[grown]
        return picture

    return replace(world, labels=labels.astype(np.uint8), ortho_bgr=deferred(paint))
