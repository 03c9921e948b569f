"""Mistakes of set-up in a campaign: what is made, what the camera shows then, and what the flight calls it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from landing.camera import CameraModel
from landing.motion.mistakes import LOOPED, STATED
from landing.types import Frame, Pose, Segmentation
from sim.camera import Motion
from sim.campaign import landing as flights
from sim.campaign.command import plan_from
from sim.campaign.mistakes import MISTAKES, MirroredSensor, NamedMistakes, OldPictures, SetupMistake, draw_mistake
from sim.campaign.ranges import draw_conditions
from sim.campaign.report import command_of
from sim.campaign.scene import CampaignError
from sim.campaign.summary import of_policy, words
from sim.campaign.task import Task, run
from sim.flight.loop import CameraSample
from sim.vehicle import Vehicle, Wind
from sim.vehicle.autopilot.estimator import EstimatorErrors, StateEstimator

KEY = (2, 7, 3)
DOWN = CameraModel.from_hfov(320, 240, 70.0)
HOVER = Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -10.0), 10.0)
RAISED = "scenes?heights=drawn"


def made(kind: str, value: float = 0.0, course_deg: float = 0.0, begins_s: float = 0.0) -> SetupMistake:
    return SetupMistake(kind, value, math.radians(course_deg), begins_s)


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_beyond_its_stated_size_and_the_same_again(kind: str) -> None:
    for number in range(20):
        mistake = draw_mistake((2, 7, number), kind)
        assert mistake == draw_mistake((2, 7, number), kind)
        ratio = kind in ("field of view", "height")
        size = max(mistake.value, 1 / mistake.value) if ratio else abs(mistake.value)
        assert size >= STATED.get(kind, 0.0)
        assert (mistake.begins_s > 0) == (kind in ("frozen", LOOPED, "drift"))


def test_the_camera_is_another_than_the_daemon_is_told() -> None:
    def axes(mistake: SetupMistake) -> np.ndarray:
        return mistake.mounted(DOWN).ned_from_camera(HOVER)

    for course_deg, to in ((0.0, (1, 0)), (90.0, (0, 1)), (180.0, (-1, 0))):
        axis = axes(made("tilted", 20.0, course_deg))[:, 2]
        assert axis == pytest.approx(
            (*(math.sin(math.radians(20)) * k for k in to), math.cos(math.radians(20))), abs=1e-9
        )
    top = -axes(made("turned", 90.0))[:, 1]
    assert top == pytest.approx((0.0, 1.0, 0.0), abs=1e-9)
    assert made("field of view", 2.0).mounted(DOWN).fx == pytest.approx(2 * DOWN.fx)
    assert made("late", 0.3).mounted(DOWN) == DOWN


def test_sensors_are_others_than_the_daemon_is_told() -> None:
    right = draw_conditions(KEY)
    assert made("height", 0.5).on(right).range_scale == pytest.approx(0.5 * right.range_scale)
    assert made("late", 0.3).on(right).camera_delay_ms == pytest.approx(300.0 + right.camera_delay_ms)
    assert made("turned", 90.0).on(right) == right


def test_a_drift_moves_the_position_and_the_velocity_tells_of_it() -> None:
    vehicle = Vehicle(wind=Wind(0.0, 0.0, 0.0), seed=0)
    north, east = made("drift", 2.0, 90.0).drift_mps
    estimator = StateEstimator(vehicle, EstimatorErrors(drift_mps=(north, east), drift_begins_s=1.0), 0)
    told = [estimator.estimate(0.1) for _ in range(40)]
    assert told[9].e_m == pytest.approx(vehicle.e_m)
    assert told[39].e_m - vehicle.e_m == pytest.approx(2.0 * 3.0)
    assert (told[9].vn_mps, told[9].ve_mps) == (vehicle.vn_mps, vehicle.ve_mps)
    assert told[39].ve_mps - vehicle.ve_mps == pytest.approx(2.0)
    assert told[39].vn_mps == pytest.approx(vehicle.vn_mps)


def samples(count: int) -> list[CameraSample]:
    """Ten a second, each a metre farther north."""
    still = Motion((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    poses = [replace(HOVER, at_ns=100_000_000 * i, position_ned_m=(float(i), 0.0, -10.0)) for i in range(count)]
    return [CameraSample(i, p.at_ns, p.at_ns, p, 0.1 * i, still) for i, p in enumerate(poses)]


def places(mistake: SetupMistake | None) -> list[float]:
    camera = OldPictures(mistake, 10.0)
    shown = [camera.shown(sample) for sample in samples(12)]
    assert [s.captured_at_ns for s in shown] == [s.captured_at_ns for s in samples(12)]
    return [s.pose.position_ned_m[0] for s in shown if s.pose.position_ned_m]


def test_pictures_freeze_and_come_again_with_the_stamps_of_now() -> None:
    assert places(None) == [*range(12)]
    assert places(made("late", 0.3)) == [*range(12)]
    assert places(made("frozen", begins_s=0.45)) == [0, 1, 2, 3, *(4,) * 8]
    assert places(made(LOOPED, 0.3, begins_s=0.45)) == [0, 1, 2, 3, 4, 2, 3, 4, 2, 3, 4, 2]


class LeftIsLandable:
    """A sensor whose picture is bright, and landable, in its left column alone."""

    overlaps, timings_ms, shows_relief, resolves = False, {"network": 1.0}, True, True
    world = taxonomy = None

    def frame(self, sample: CameraSample) -> Frame:
        image = np.zeros((4, 6, 3), np.uint8)
        image[:, 0] = 200
        return Frame(image, sample.frame_id, sample.captured_at_ns)

    def submit(self, frame: Frame) -> None:
        assert frame.image_bgr[0, 0, 0] == 200

    def result(self) -> Segmentation:
        landable = np.zeros((4, 6), np.uint8)
        landable[:, 0] = 255
        return Segmentation(landable, landable, np.stack([landable] * 4), 1)


def test_a_mirrored_camera_shows_and_answers_the_other_way_round() -> None:
    sensor = MirroredSensor(LeftIsLandable())  # type: ignore[arg-type]
    frame = sensor.frame(samples(1)[0])
    sensor.submit(frame)
    answer = sensor.result()
    assert frame.image_bgr[0, :, 0].tolist() == [0, 0, 0, 0, 0, 200]
    for plane in (answer.class_id, answer.landable, *answer.hazards):
        assert plane[0].tolist() == [0, 0, 0, 0, 0, 255]


def test_a_picture_that_stands_still_is_named_with_those_of_its_motion() -> None:
    named = NamedMistakes()
    named.named.append((9.0, "drift"))
    still = {"t_s": 4.0, "event": "no-site", "reason": "bad-picture", "detail": "the picture is frozen (since 1 m)"}
    other = {"t_s": 1.0, "event": "no-site", "reason": "bad-picture", "detail": "the picture is black"}
    assert named.facts(made("frozen"), [other, still])["named"] == [(4.0, "frozen"), (9.0, "drift")]


def test_a_mistake_is_asked_for_by_kind_over_ground_with_relief() -> None:
    plan = plan_from(policies="touchdown", worlds=RAISED, scenes=20, seed=1, split="val", mistakes="all")
    assert {plan.scene(n).mistake.kind for n in range(20) if plan.scene(n).mistake} == set(MISTAKES)  # type: ignore[union-attr]
    assert command_of(plan).endswith(f"--mistakes '{','.join(MISTAKES)}' --out DIR")
    right = plan_from(policies="touchdown", worlds=RAISED, scenes=20, seed=1, split="val")
    assert right.scene(0).mistake is None and right.scene(0).world_seed == plan.scene(0).world_seed
    with pytest.raises(CampaignError, match="expected mirrored"):
        plan_from(policies="touchdown", worlds=RAISED, scenes=1, seed=1, split="val", mistakes="sideways")
    with pytest.raises(CampaignError, match="heights=drawn"):
        plan_from(policies="touchdown", worlds="scenes", scenes=1, seed=1, split="val", mistakes="turned")


def test_a_flight_with_a_turned_camera_names_it_and_does_not_land(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "LONGEST_S", 9.0)
    worlds = "procedural?layout=park&size_m=80&heights=banks"
    plan = plan_from(policies="touchdown", worlds=worlds, scenes=1, seed=3, split="train", mistakes="turned")
    record = run(Task(plan, 0, plan.policies)).records[0]
    assert record["mistake"]["kind"] == "turned" and record["mistake"]["named"][-1][1] == "turned"
    assert record["touchdown"] is None
    summary = of_policy([record])
    assert summary["shares"]["mistake_named"]["count"] == 1 and summary["shares"]["mistake_named_wrongly"]["count"] == 0
    assert "mistakes of set-up: named 1/1" in words("touchdown", summary)
