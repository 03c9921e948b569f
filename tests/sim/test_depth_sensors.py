"""Depth sensors of the simulator: an image and an array over banks, their relief in the decision, and its replay."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edge.blackbox.records import StepRecord, step_from, to_json
from edge.exact import exact
from firmware_bridge.settings import LinkSettings
from landing.camera import CameraModel
from landing.decider import Decider
from landing.decision import Decision
from landing.decision_groups import ReliefSettings
from landing.ground.merge import segmentation_from_labels
from landing.relief.depth_image import DepthCamera
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.types import Frame, Pose
from sim.camera.depth import depth_image
from sim.campaign.landing import BEAMS
from sim.flight.depth_sensor import STEREO, UnseenPictureMonitor
from sim.flight.link import InProcessLink, LinkFaults
from sim.flight.loop import BOOT_NS, TICK_NS
from sim.vehicle.autopilot import AutopilotConfig, Mode
from sim.vehicle.autopilot.beams import ring
from sim.vehicle.autopilot.core import TICK_S, StandInAutopilot
from sim.vehicle.standin import RANGEFINDER
from sim.world.label_view import label_view
from sim.world.procedural import procedural
from tests.sim.test_relief_decision import HEIGHT_M, LEVEL, SLOPE_DEG, bank

RISE = math.tan(math.radians(SLOPE_DEG))
BLACK = np.zeros((240, 320, 3), np.uint8)
CAMERA = CameraModel.from_hfov(320, 240, 75.0)
RELIEF = ReliefSettings(enabled=True, known_below_m=20.0)


def hover(at_ns: int) -> Pose:
    """Above the middle of the bank."""
    return Pose(at_ns, LEVEL, (0.0, 0.0, -HEIGHT_M - 10.0 * RISE), HEIGHT_M)


def test_a_depth_image_shows_the_heights_of_the_world() -> None:
    world, camera = bank(), STEREO.camera
    depth = depth_image(world, camera, hover(0))
    rays = camera.rays_ned(np.array([[5.0, 10.0], [40.0, 30.0], [75.0, 50.0]]), hover(0))
    for (u, v), ray in zip(((5, 10), (40, 30), (75, 50)), rays, strict=True):
        assert depth[v, u] == pytest.approx(HEIGHT_M / (1.0 + RISE * ray[1]), rel=0.03)
    noisy = depth_image(world, camera, hover(0), np.random.default_rng(1))
    assert 0.01 < np.std(noisy / depth) < 0.05
    flat = procedural(seed=3, size_m=40.0, gsd_m=0.1)
    assert depth_image(flat, camera, hover(0)) == pytest.approx(HEIGHT_M + 10.0 * RISE, rel=1e-5)


def test_a_bank_is_refused_from_a_hover_by_a_depth_camera_and_decided_again_from_the_record() -> None:
    world, rng = bank(), np.random.default_rng(5)
    sensor, monitor = DepthCamera(STEREO.camera, STEREO.settings), UnseenPictureMonitor(CAMERA, RELIEF)
    flies, again, without = (
        Decider(settings, world.taxonomy, CAMERA)
        for settings in (DecisionSettings(relief=RELIEF), DecisionSettings(relief=RELIEF), DecisionSettings())
    )
    decision: Decision | None = None
    for number in range(16):
        pose = hover(round((1 + 0.15 * number) * 1e9))
        assert monitor.refusal(Frame(BLACK, number, pose.at_ns), pose) is None
        look = sensor.look(depth_image(world, STEREO.camera, pose, rng), pose.at_ns)
        taken = monitor.take_depth([look], hover, pose.at_ns)
        assert taken[0].problem is None
        labels = label_view(world, CAMERA, pose, 0.0, (160, 120))
        seen = replace(segmentation_from_labels(labels, world.taxonomy), captured_at_ns=pose.at_ns)
        maps = [replace(seen, landable=seen.landable.copy()) for _ in range(3)]
        decision = flies.observe(maps[0], pose, pose.at_ns, None, monitor.relief)
        told = (taken[0].text,)
        record = StepRecord(
            number, number, pose.at_ns, pose, None, None, decision, None, {}, None, monitor.relief, told
        )
        read = step_from(to_json(record))
        assert read == record and read.depth == told
        assert read.pose is not None
        replayed = again.observe(maps[1], read.pose, read.decided_at_ns, read.sighting, read.relief)
        assert exact(replayed) == exact(decision)
        plain = without.observe(maps[2], pose, pose.at_ns)
    assert decision is not None and isinstance(plain.selection, LandingSite)
    assert isinstance(decision.selection, NoSite) and decision.selection.reason is NoSiteReason.NOT_FLAT
    assert monitor.relief is not None and abs(monitor.relief.slope_deg - SLOPE_DEG) < 5


def test_an_array_on_the_way_down_shows_a_bank_over_the_link() -> None:
    world = bank()
    config = AutopilotConfig(RANGEFINDER, airborne_height_m=7.0, airborne_mode=Mode.LAND, beams=ring(*BEAMS))
    autopilot = StandInAutopilot(config, ground_height_m=world.height_at)
    settings = LinkSettings("udpin:127.0.0.1:0", ground_down_m=-10.0 * RISE, depth=True)
    link = InProcessLink(autopilot, settings, LinkFaults(5.0, range_noise_m=0.02), np.random.default_rng(2), BOOT_NS)
    monitor, taken = UnseenPictureMonitor(CAMERA, ReliefSettings(enabled=True)), []
    for tick in range(1, 1000):
        now_ns = BOOT_NS + tick * TICK_NS
        autopilot.step(TICK_S)
        link.carry(now_ns)
        if tick % 20 == 0:
            monitor.refusal(Frame(BLACK, tick, now_ns), link.pose_at(now_ns - 10**8))
            taken += monitor.take_depth(link.take_depth(now_ns - 10**8), link.pose_at, now_ns)
    used = [one for one in taken if one.problem is None]
    assert len(used) > 0.7 * len(taken) > 50 and {one.look.source for one in used} == {"distance sensors"}
    assert monitor.relief is not None and abs(monitor.relief.slope_deg - SLOPE_DEG) < 8
