"""Relief from rendered pictures: the monitor of a flight over a bank refuses the bank and knows the lawn to be flat."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from landing.camera import CameraModel
from landing.decision_groups import ReliefSettings
from landing.estimator import EstimatorFrame
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.relief.report import ReliefReport
from landing.types import Frame, Pose
from sim.camera import render
from sim.world import World
from sim.world.heights import with_heights
from sim.world.procedural import procedural

CAMERA = CameraModel.from_hfov(320, 240, 75.0)
HEIGHT_M, SPEED_MPS, FPS = 12.0, 3.0, 8
LEVEL = (1.0, 0.0, 0.0, 0.0)


def with_bank() -> World:
    """Flat but for a bank of 20 degrees to the east from 2 m on, 6 m wide."""
    world = replace(procedural(seed=3, size_m=50.0, gsd_m=0.1), actors=())
    rows, columns = world.labels.shape
    east = (np.arange(columns) - world.origin_px[0]) * world.gsd_m
    bank = (np.tan(np.radians(20.0)) * np.clip(east - 2.0, 0.0, 6.0)).astype(np.float32)
    return with_heights(world, np.repeat(bank[None], rows, axis=0))


def fly(monitor: PictureMonitor, world: World, seconds: float = 4.0) -> None:
    """Flies to the north over the origin."""
    for number in range(round(seconds * FPS)):
        t_s = number / FPS
        north_m = SPEED_MPS * (t_s - seconds / 2)
        pose = Pose(round((1 + t_s) * 1e9), LEVEL, (north_m, 0.0, -HEIGHT_M), HEIGHT_M)
        image, _ = render(world, CAMERA, pose, t_s, labels=False)
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.5), np.uint8)
        assert monitor.refusal(Frame(image, number, pose.at_ns), pose) is None


def test_a_bank_is_refused_and_the_lawn_beside_it_is_flat() -> None:
    monitor = PictureMonitor(PictureSettings(), CAMERA, ReliefSettings(enabled=True))
    fly(monitor, with_bank())
    report = monitor.relief
    assert report is not None
    assert 14 < report.slope_deg < 28
    on_bank, on_lawn = report.mask((-2.0, 4.0), 0.5, (8, 4)), report.mask((-2.0, -6.0), 0.5, (8, 8))
    assert on_bank.mean() > 0.4 and on_lawn.mean() < 0.1
    assert (report.on_grid((-2.0, -6.0), 0.5, (8, 8)) > 0).mean() > 0.5
    moved = replace(Pose(10**10, LEVEL, (0.0, 0.0, -HEIGHT_M), HEIGHT_M), frame=EstimatorFrame(1))
    image, _ = render(with_bank(), CAMERA, moved, 6.0, labels=False)
    assert monitor.refusal(Frame(image, 99, moved.at_ns), moved) is None
    assert monitor.relief == ReliefReport()  # in another frame nothing is known


def test_relief_is_measured_only_where_it_is_asked_for() -> None:
    assert PictureMonitor(PictureSettings(), CAMERA).relief is None
    assert PictureMonitor(PictureSettings(), CAMERA, ReliefSettings(enabled=False)).relief is None


def test_relief_is_measured_where_the_motion_of_pictures_is_not_checked() -> None:
    monitor = PictureMonitor(PictureSettings(check_motion=False), CAMERA, ReliefSettings(enabled=True))
    fly(monitor, with_bank(), seconds=2.0)
    assert monitor.motion is None and monitor.relief is not None and monitor.relief.rough_m2 > 0
