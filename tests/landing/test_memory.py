"""Memory of a decider: kept at any moment of any flight, it decides on as the decider itself does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from edge.blackbox.records import memory_from_bytes, memory_to_bytes
from landing.camera import CameraModel
from landing.decider import Decider
from landing.decision import Decision
from landing.decision_groups import Grid, ReliefSettings
from landing.estimator import FIRST_FRAME, FrameShift
from landing.geometry import quaternion_from_euler
from landing.pad.tag import PadSettings, PadSighting
from landing.relief.report import CELLS, ReliefReport, packed
from landing.settings import DecisionSettings
from landing.site import NoSite, NoSiteReason
from landing.types import Pose, Segmentation
from tests.landing.worlds import CAR, GRASS, PERSON, ROOF, TAXONOMY, TREE, WATER, seen

S = 1_000_000_000
CAMERA = CameraModel.from_hfov(80, 60, 80.0)
SETTINGS = DecisionSettings(grid=Grid(cells=96), relief=ReliefSettings(known_below_m=4.0))
PAD = PadSettings(dictionary="apriltag_36h11", id=7, edge_m=0.8, max_speed_mps=0.6)
CUTS, FRAMES = 4, 90


@dataclass(frozen=True)
class Given:
    """One frame, as a decider takes it; without a segmentation its picture was refused."""

    segmentation: Segmentation | None
    pose: Pose | None
    at_ns: int
    sighting: PadSighting | None
    relief: ReliefReport | None


def flight(seed: int) -> Iterator[Given]:
    """A descent with all that may happen: people, a pad, resets, jumps, refused pictures, gaps and uneven ground."""
    rng = np.random.default_rng(seed)
    patches = [(rng.choice([ROOF, WATER, TREE, CAR]), *rng.uniform(-9, 9, 2), rng.uniform(0.5, 2.5)) for _ in range(5)]
    walker, speed = rng.uniform(-8, 8, 2), rng.uniform(-1.5, 1.5, 2)
    frame, off, at_ns, height_m = FIRST_FRAME, np.zeros(2), 0, float(rng.uniform(8, 14))
    report = None
    for _ in range(FRAMES):
        at_ns += round(float(rng.choice([0.1, 0.2, 0.4, 3.0], p=[0.6, 0.25, 0.13, 0.02])) * S)
        t_s, chance = at_ns / S, rng.random(8)
        height_m = max(0.5, height_m - float(rng.uniform(-0.1, 0.35)))
        if chance[0] < 0.02:
            shift = FrameShift(float(rng.uniform(-1, 1)), (*rng.uniform(-5, 5, 2), 0.0)) if chance[1] < 0.7 else None
            frame = frame.moved(shift)
        if chance[2] < 0.01:
            off = off + rng.uniform(-30, 30, 2)
        place = np.array([0.6 * math.sin(t_s), 0.6 * math.cos(0.7 * t_s)])
        q = quaternion_from_euler(*(0.05 * rng.normal(size=2)), 0.3 * math.sin(0.2 * t_s))
        range_m = height_m + (3.0 if chance[3] < 0.04 else 0.0)
        pose = Pose(at_ns, q, (*(place + off), -height_m), None if chance[4] < 0.04 else range_m, frame=frame)
        true = Pose(at_ns, q, (*place, -height_m), height_m)
        someone = walker + speed * t_s

        def labels(north: Any, east: Any, someone: Any = someone) -> Any:
            found = np.full(north.shape, GRASS)
            for label, n, e, half_m in patches:
                found[(abs(north - n) < half_m) & (abs(east - e) < half_m)] = label
            found[np.hypot(north - someone[0], east - someone[1]) < 0.5] = PERSON
            return found

        segmentation = seen(labels, true, CAMERA, at_ns)
        corners = [(n + 2.0, e + 1.0, 0.0) for n, e in ((0.4, -0.4), (0.4, 0.4), (-0.4, 0.4), (-0.4, -0.4))]
        tag = CAMERA.pixel_from_ned(np.array(corners), true)
        shown = np.isfinite(tag).all() and tag.min() > 0 and tag[:, 0].max() < 79 and tag[:, 1].max() < 59
        read = seed % 2 and shown and chance[5] < 0.8
        sighting = PadSighting((tuple((float(u), float(v)) for u, v in tag),)) if read else None
        if chance[6] < 0.1:
            stands = 0.6 * (rng.random((CELLS, CELLS)) < 0.003)
            report = packed((-CELLS // 2, -CELLS // 2), rng.random((CELLS, CELLS)) < 0.9, 0 * stands, stands)
        good = chance[7] > 0.06
        yield Given(segmentation if good else None, pose if chance[7] < 0.97 else None, at_ns, sighting, report)


def decided(decider: Decider, given: Given) -> Decision:
    """The decision on a frame, without what it took."""
    now_ns = given.at_ns + S // 20
    if given.segmentation is None:
        problem = NoSite(NoSiteReason.BAD_PICTURE, "the picture is black")
        return replace(decider.refuse(problem, given.pose, given.at_ns, now_ns), timings_ms={})
    decision = decider.observe(given.segmentation, given.pose, now_ns, given.sighting, given.relief)
    return replace(decision, timings_ms={})


def made(seed: int) -> Decider:
    return Decider(SETTINGS, TAXONOMY, CAMERA, pad=PAD if seed % 2 else None)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_remembered_decides_on_to_the_last_digit(seed: int) -> None:
    frames, first = list(flight(seed)), made(seed)
    cuts = set(np.random.default_rng(seed).choice(FRAMES - 5, CUTS, replace=False).tolist())
    others: list[Decider] = []
    for number, given in enumerate(frames):
        if number in cuts:
            others.append(made(seed))
            others[-1].load_state_dict(memory_from_bytes(memory_to_bytes(first.state_dict())))
        decision = decided(first, given)
        assert all(decided(other, given) == decision for other in others), number
    state = memory_to_bytes(first.state_dict())
    assert len(others) == CUTS and all(memory_to_bytes(other.state_dict()) == state for other in others)
