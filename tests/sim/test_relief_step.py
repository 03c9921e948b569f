"""The step aside in flight: on a bank that looks like lawn a straight descent in still air shows no relief."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sim.camera.sensor import CameraSensor
from sim.campaign.landing import Landing
from sim.campaign.perception_errors import load_error_model
from sim.campaign.policies import policy_named
from sim.campaign.ranges import stream
from sim.campaign.sensors import SEEN_PX, LabelSensor, believed_camera, camera_effects
from sim.campaign.task import Plan, settle
from sim.campaign.trace import Flown
from sim.world import World
from sim.world.heights import with_heights
from sim.world.procedural import procedural

SLOPE_DEG = 16.0
STILL = {
    **dict.fromkeys(("wind_mps", "gust_mps", "dropped", "vibration_deg", "mount_error_deg"), 0.0),
    **dict.fromkeys(("position_wander_m", "velocity_noise_mps", "attitude_noise_deg", "height_bias_m"), 0.0),
    **{"height_m": 5.0, "hfov_deg": 80.0, "light": 1.0, "lens_blur_px": 0.3, "noise_sd": 1.0, "model_shift": -3.0},
}


def bank() -> World:
    """Lawn by its looks, all of it a bank that rises to the east."""
    world = replace(procedural(seed=3, size_m=40.0, gsd_m=0.1), actors=())
    grass = next(c.id for c in world.taxonomy.classes if c.name == "grass")
    rows, columns = world.labels.shape
    east = (np.arange(columns) - world.origin_px[0]) * world.gsd_m
    heights = (math.tan(math.radians(SLOPE_DEG)) * np.clip(east + 15.0, 0.0, 30.0)).astype(np.float32)
    lawn = replace(world, labels=np.full((rows, columns), grass, np.uint8))
    return with_heights(lawn, np.repeat(heights[None], rows, axis=0))


def landing(aside_m: float) -> Flown:
    """A landing under guard in still air."""
    settle()
    decision = {"relief": {"enabled": True, "aside_m": aside_m}}
    guard = {"max_tries": 1, "max_total_s": 15.0}
    plan = Plan(1, 1, "val", ("scenes?heights=banks",), ("touchdown",), decision=decision, authority=guard, fps=4.0)
    scene = plan.scene(0)
    scene = replace(scene, conditions=replace(scene.conditions, **STILL))
    world, camera = bank(), believed_camera(scene.conditions)
    shutter = CameraSensor(camera.resized(*SEEN_PX), camera_effects(scene.conditions, 1), ray_px=2)
    rng = stream(scene.key, "eyes")
    sensor = LabelSensor(world, camera, load_error_model(), scene.conditions, rng, shutter)
    return Landing(scene, world, (0.0, 0.0), sensor, policy_named("touchdown"), plan.setup()).fly()


def told(flown: Flown, event: str) -> list[str]:
    """Reasons of an event, in order."""
    return [e["reason"] for e in flown.events if e["event"] == event]


def test_without_the_step_it_lands_on_the_bank() -> None:
    flown = landing(0.0)
    assert flown.outcome == "landed"
    assert not any(words.startswith("steps") for words in told(flown, "authority"))


def test_the_step_shows_the_bank_and_the_landing_is_given_up() -> None:
    flown = landing(1.5)
    words = told(flown, "authority")
    assert "steps 1.5 m aside to see the relief" in words
    assert any("a slope of" in each for each in words)
    assert flown.outcome != "landed"
    assert flown.track[-1].height_m > 2.0
