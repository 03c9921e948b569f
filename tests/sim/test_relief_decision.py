"""Pictures, relief and decision together: a bank that looks like lawn is a site without relief and none with it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from landing.camera import CameraModel
from landing.decider import Decider
from landing.decision import Decision
from landing.decision_groups import ReliefSettings
from landing.ground.merge import segmentation_from_labels
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.types import Frame, Pose
from sim.camera import render
from sim.world import World
from sim.world.heights import with_heights
from sim.world.label_view import label_view
from sim.world.procedural import procedural

CAMERA = CameraModel.from_hfov(320, 240, 75.0)
HEIGHT_M, SPEED_MPS, FPS, SECONDS = 12.0, 3.0, 8, 4.0
SLOPE_DEG = 16.0
LEVEL = (1.0, 0.0, 0.0, 0.0)


def bank() -> World:
    """Lawn by its labels, a bank that rises to the east by its heights, as wide as is seen."""
    world = replace(procedural(seed=3, size_m=40.0, gsd_m=0.1), actors=())
    grass = next(c.id for c in world.taxonomy.classes if c.name == "grass")
    rows, columns = world.labels.shape
    east = (np.arange(columns) - world.origin_px[0]) * world.gsd_m
    heights = (math.tan(math.radians(SLOPE_DEG)) * np.clip(east + 10.0, 0.0, 20.0)).astype(np.float32)
    lawn = replace(world, labels=np.full((rows, columns), grass, np.uint8))
    return with_heights(lawn, np.repeat(heights[None], rows, axis=0))


def test_a_bank_that_looks_like_lawn_is_no_site() -> None:
    # The site goes to where nothing is known yet, unless relief must be known.
    world, relief = bank(), ReliefSettings(enabled=True, known_below_m=20.0)
    monitor = PictureMonitor(PictureSettings(), CAMERA, relief)
    with_relief = Decider(DecisionSettings(relief=relief), world.taxonomy, CAMERA)
    without = Decider(DecisionSettings(), world.taxonomy, CAMERA)
    down_m = -HEIGHT_M - 10.0 * math.tan(math.radians(SLOPE_DEG))
    decisions: tuple[Decision, Decision] | None = None
    for number in range(round(SECONDS * FPS)):
        t_s = number / FPS
        pose = Pose(round((1 + t_s) * 1e9), LEVEL, (SPEED_MPS * (t_s - SECONDS / 2), 0.0, down_m), HEIGHT_M)
        image, _ = render(world, CAMERA, pose, t_s, labels=False)
        assert monitor.refusal(Frame(image, number, pose.at_ns), pose) is None
        labels = label_view(world, CAMERA, pose, t_s, (160, 120))
        seen = replace(segmentation_from_labels(labels, world.taxonomy), captured_at_ns=pose.at_ns)
        decisions = (
            with_relief.observe(seen, pose, pose.at_ns, None, monitor.relief),
            without.observe(seen, pose, pose.at_ns),
        )
    assert decisions is not None
    refused, taken = decisions
    assert isinstance(taken.selection, LandingSite)
    assert isinstance(refused.selection, NoSite)
    assert refused.selection.reason in (NoSiteReason.NOT_FLAT, NoSiteReason.RELIEF_NOT_KNOWN)
    report = monitor.relief
    assert report is not None
    assert abs(report.slope_deg - SLOPE_DEG) < 8
    assert report.mask((-3.0, -2.0), 0.5, (6, 8)).mean() > 0.6
