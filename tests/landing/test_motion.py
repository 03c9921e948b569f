"""The picture must move as the vehicle does: mistakes of set-up are named from flight, and good set-ups are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from landing.camera import CameraModel, Mount
from landing.geometry import FloatArray, quaternion_from_euler
from landing.motion.check import MotionReport, PictureMotion
from landing.motion.corners import Corners, anchor_rays
from landing.motion.mistakes import KINDS, LEAST_GAIN, STATED, best_mistake, best_of, is_doubtful
from landing.motion.pairs import ANCHORS, CameraTrack, Pairs, Setup, Window
from landing.types import ByteArray, Pose

CAMERA = CameraModel.from_hfov(320, 240, 75.0)
FPS, SECONDS = 8, 10
GROUND_PX_M = 16.0
"""Pixels of the drawn ground in a metre."""

HALF_M = 32.0


@lru_cache(maxsize=1)
def ground() -> ByteArray:
    """Blotches of three sizes, uint8 (n, n)."""
    rng = np.random.default_rng(5)
    side = round(2 * HALF_M * GROUND_PX_M)
    layers = [rng.normal(size=(side // k, side // k)).astype(np.float32) for k in (4, 12, 40)]
    drawn = sum(cv2.resize(layer, (side, side), interpolation=cv2.INTER_CUBIC) for layer in layers)
    return np.asarray(np.clip(128 + 30 * drawn, 0, 255), np.uint8)


def pose_at(t_s: float) -> Pose:
    """A lively flight: across at up to 2.5 m/s, down from 14 m, leaning and turning."""
    north, east = 4 * math.sin(0.6 * t_s), 4 * math.sin(0.45 * t_s + 1)
    height_m = 14.0 - 0.6 * t_s
    q = quaternion_from_euler(0.12 * math.sin(2.0 * t_s), 0.10 * math.sin(1.6 * t_s + 1), 0.5 * math.sin(0.7 * t_s))
    return Pose(round((100 + t_s) * 1e9), q, (north, east, -height_m), height_m)


def picture(pose: Pose, camera: CameraModel = CAMERA, drawn: ByteArray | None = None) -> ByteArray:
    """Grey view of the drawn ground, or another as large, by a camera."""
    drawn = ground() if drawn is None else drawn
    drawn_from_ground = np.array(
        [[0, GROUND_PX_M, HALF_M * GROUND_PX_M], [-GROUND_PX_M, 0, HALF_M * GROUND_PX_M], [0, 0, 1]]
    )
    pixel_from_drawn = camera.pixel_from_ground_plane(pose, 0.0) @ np.linalg.inv(drawn_from_ground)
    size = (camera.width_px, camera.height_px)
    seen = cv2.warpPerspective(drawn, pixel_from_drawn, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
    noise = np.random.default_rng(pose.at_ns % 1000).normal(0, 2, seen.shape)
    return np.asarray(np.clip(seen + noise, 0, 255), np.uint8)


@lru_cache(maxsize=1)
def flight() -> tuple[tuple[float, ByteArray], ...]:
    """Times, s, and pictures."""
    times = [k / FPS for k in range(FPS * SECONDS)]
    return tuple((t, picture(pose_at(t))) for t in times)


def fly(
    camera: CameraModel = CAMERA,
    change: Callable[[ByteArray], ByteArray] = lambda image: image,
    believed: Callable[[float], Pose] = pose_at,
    late_s: float = 0.0,
) -> Iterator[tuple[float, MotionReport]]:
    """Reports after each picture of the flight."""
    motion = PictureMotion(camera)
    for t_s, image in flight():
        pose = believed(t_s + late_s)
        yield t_s, motion.observe(np.ascontiguousarray(change(image)), pose.at_ns, pose)


def first(reports: Iterator[tuple[float, MotionReport]]) -> tuple[float, str, float, str]:
    """When a mistake was named, its kind, size and words."""
    for t_s, report in reports:
        if report.mistake is not None:
            return t_s, report.mistake.kind, report.mistake.value, report.mistake.text
    raise AssertionError("no mistake was named")


def mounted(roll_deg: float = 0.0, pitch_deg: float = 0.0, yaw_deg: float = 0.0) -> CameraModel:
    return replace(CAMERA, mount=Mount(roll_deg, -90.0 + pitch_deg, yaw_deg))


def focal(ratio: float) -> CameraModel:
    return replace(CAMERA, fx=ratio * CAMERA.fx, fy=ratio * CAMERA.fy)


def drifting(t_s: float) -> Pose:
    pose = pose_at(t_s)
    assert pose.position_ned_m is not None
    north, east, down = pose.position_ned_m
    return replace(pose, position_ned_m=(north + 1.2 * t_s, east - 0.9 * t_s, down))


def too_high(ratio: float) -> Callable[[float], Pose]:
    def told(t_s: float) -> Pose:
        pose = pose_at(t_s)
        assert pose.height_agl_m is not None
        return replace(pose, height_agl_m=ratio * pose.height_agl_m)

    return told


def test_a_good_set_up_moves_as_it_should_and_every_mistake_is_ruled_out() -> None:
    reports = [report for _, report in fly()]
    assert all(report.mistake is None for report in reports)
    assert reports[-1].tested == frozenset(KINDS)
    assert reports[-1].text == "moves as it should"
    assert reports[-1].residual_px is not None and reports[-1].residual_px < 1.0


@pytest.mark.parametrize(
    "kind, words, size, setup",
    [
        ("mirrored", "left to right", 0.0, {"change": lambda image: image[:, ::-1]}),
        ("mirrored", "top to bottom", 0.0, {"change": lambda image: image[::-1]}),
        ("turned", "turned by about", 90.0, {"camera": mounted(yaw_deg=90.0)}),
        ("turned", "turned by about", 180.0, {"camera": mounted(yaw_deg=180.0)}),
        ("turned", "turned by about", 30.0, {"camera": mounted(yaw_deg=-30.0)}),
        ("tilted", "tilted by about", 20.0, {"camera": mounted(pitch_deg=20.0)}),
        ("tilted", "tilted by about", 20.0, {"camera": mounted(-90.0, 20.0, 90.0)}),
        ("field of view", "focal length is about 2 times", 2.0, {"camera": focal(0.5)}),
        ("field of view", "focal length is about 0.5 times", 2.0, {"camera": focal(2.0)}),
        ("height", "told is about 1.7 times", 1.7, {"believed": too_high(1.7)}),
        ("height", "told is about 0.6 times", 1 / 0.6, {"believed": too_high(0.6)}),
        ("late", "later than its stamp", 0.3, {"late_s": 0.3}),
        ("drift", "position drifts", 1.5, {"believed": drifting}),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_size(kind: str, words: str, size: float, setup: dict[str, object]) -> None:
    at_s, found, value, text = first(fly(**setup))  # type: ignore[arg-type]
    assert found == kind and words in text
    assert at_s < 6.0
    assert value == pytest.approx(size, rel=0.25, abs=0.05)


def test_a_search_for_a_mistake_looks_the_way_up_once_for_each_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poses that wander by more than is allowed for, as a simulator's in a hover, make one search after another."""
    looked: list[float] = []
    look_up = CameraTrack.at

    def counted(track: CameraTrack, at_ns: npt.NDArray[np.int64], late_s: float) -> tuple[FloatArray, ...]:
        looked.append(late_s)
        return look_up(track, at_ns, late_s)

    monkeypatch.setattr(CameraTrack, "at", counted)
    most = []
    for _ in fly(believed=drifting):
        most.append(len(looked))
        looked.clear()
    assert 20 < max(most) < 60


def test_pictures_that_stay_while_the_vehicle_moves_do_not_move() -> None:
    still = flight()[0][1]
    assert first(fly(change=lambda _: still))[1] == "frozen"


def test_a_hover_tests_nothing() -> None:
    motion = PictureMotion(CAMERA)
    report = MotionReport()
    for k in range(40):
        pose = replace(pose_at(2.0), at_ns=round((100 + k / FPS) * 1e9))
        report = motion.observe(picture(pose), pose.at_ns, pose)
    assert report.mistake is None and not report.tested - {"frozen"}
    assert report.text.startswith("not tested")


def test_ground_without_structure_tests_nothing() -> None:
    blank = np.full((240, 320), 120, np.uint8)
    report = [report for _, report in fly(change=lambda _: blank)][-1]
    assert report == MotionReport() and report.text == "not tested"


def test_what_corners_showed_before_they_were_lost_counts() -> None:
    """Of water, mist and bare ground corners last for some pictures only."""
    shown = iter(range(10**6))

    def misty(image: ByteArray) -> ByteArray:
        return np.full_like(image, 120) if next(shown) % 4 == 3 else image[:, ::-1]

    assert first(fly(change=misty))[1] == "mirrored"


def test_a_wood_beside_a_smooth_field_does_not_take_all_corners() -> None:
    """The strongest corners of the picture are the wood's: on them alone no homography stands firm."""
    wood = np.random.default_rng(3).normal(0, 45, ground().shape).astype(np.float32)
    wood[:, : wood.shape[1] // 2 - round(2 * GROUND_PX_M)] = 0.0
    drawn = np.clip(110 + 0.15 * (ground().astype(np.float32) - 128) + cv2.blur(wood, (5, 5)), 0, 255)
    pose = replace(pose_at(0.0), position_ned_m=(0.0, 0.0, -14.0), ned_from_frd=(1.0, 0.0, 0.0, 0.0))
    corners = Corners(CAMERA)
    corners.begin(picture(pose, drawn=np.asarray(drawn, np.uint8)))
    start, _ = corners.rays()
    assert ((start[:, 0] < -0.2).sum(), (start[:, 0] > 0.0).sum()) >= (12, 12)


def test_one_move_in_a_hover_is_enough_to_name_a_height() -> None:
    """The pairs of the hover fit any height, and do not hide the few that do not."""

    def pose_of(t_s: float, height: float) -> Pose:
        east = 2.2 * min(max(t_s - 5.0, 0.0), 1.6)
        q = quaternion_from_euler(0.01 * math.sin(t_s), 0.01 * math.sin(1.3 * t_s), 0.0)
        return Pose(round((100 + t_s) * 1e9), q, (0.0, east, -14.0), 14.0 * height)

    motion, named = PictureMotion(CAMERA), []
    for number in range(10 * FPS):
        at_s = number / FPS
        report = motion.observe(picture(pose_of(at_s, 1.0)), pose_of(at_s, 1.0).at_ns, pose_of(at_s, 1.8))
        named.append(None if report.mistake is None else report.mistake.kind)
    assert named[-1] == "height" and set(named) == {None, "height"}


def test_one_look_names_nothing() -> None:
    """A look that went wrong may fit a mistake as well as any; the next ones do not."""
    track, window = CameraTrack(20.0), Window(anchor_rays(CAMERA, ANCHORS))
    for number in range(13):
        track.take(number * 10**9, CAMERA, Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.5 * number, -14.0), 14.0))
    true = window.anchors[:, :2] - np.array([0.5 / 14.0, 0.0])
    for number in range(7):
        off = np.array([-0.2, 0.0]) if number == 3 else 0.0
        window.add(number * 10**9, (number + 1) * 10**9, true + off)
    pairs = window.seen_along(track)
    assert is_doubtful(pairs.against()) and best_mistake(pairs, pairs.against()) is None


def test_what_no_mistake_explains_well_is_not_named() -> None:
    """Poses that err by more than is allowed for fit one mistake a little better than the others."""
    track, anchors = CameraTrack(20.0), anchor_rays(CAMERA, ANCHORS)
    for number in range(7):
        place = (1.5 * (number // 2), 1.5 * ((number + 1) // 2), -14.0)
        track.take(number * 10**9, CAMERA, Pose(0, (1.0, 0.0, 0.0, 0.0), place, 14.0))
    from_ns = np.arange(6) * 10**9
    turned = Pairs(anchors, from_ns, from_ns + 10**9, np.zeros((6, 9, 2)), track).predicted(
        Setup(turn_rad=math.radians(30.0))
    )
    off = np.array([0.035, 0.0]) * (-1.0) ** np.arange(6)[:, None, None]
    pairs = Pairs(anchors, from_ns, from_ns + 10**9, turned + off, track)
    best = min((best_of(pairs, kind) for kind in KINDS), key=lambda fit: fit.cost)
    assert pairs.against().cost - best.cost > LEAST_GAIN and best.cost > 24.0
    assert best_mistake(pairs, pairs.against()) is None
    clear = Pairs(anchors, from_ns, from_ns + 10**9, turned, track)
    named = best_mistake(clear, clear.against())
    assert named is not None and named.kind == "turned"


@pytest.mark.parametrize(("way_m", "named"), [(0.28, None), (0.9, "height")])
def test_a_position_that_wanders_in_a_low_hover_is_no_height(way_m: float, named: str | None) -> None:
    """Ground far below would not move either; only a way that no position wanders shows that."""
    track, anchors = CameraTrack(20.0), anchor_rays(CAMERA, ANCHORS)
    for number in range(9):
        q = quaternion_from_euler(0.1 * (number % 2), 0.0, 0.0)
        place = (way_m * (number // 2 % 2), way_m * ((number + 1) // 2 % 2), -3.0)
        track.take(number * 10**9, CAMERA, Pose(0, q, place, 3.0))
    from_ns = np.arange(8) * 10**9
    none = Pairs(anchors, from_ns, from_ns + 10**9, np.zeros((8, 9, 2)), track)
    pairs = Pairs(anchors, from_ns, from_ns + 10**9, none.predicted(Setup(height=3.0)), track)
    fit = pairs.against()
    assert fit.cost - best_of(pairs, "height").cost > LEAST_GAIN
    mistake = best_mistake(pairs, fit)
    assert (None if mistake is None else mistake.kind) == named


@pytest.mark.parametrize("course_deg", [0.0, 90.0, 135.0, 180.0])
@pytest.mark.parametrize("degrees", [12.0, 25.0])
def test_a_hillside_is_no_tilted_camera(degrees: float, course_deg: float) -> None:
    rise = math.tan(math.radians(degrees))  # towards north
    corners = np.array([(n, e) for n in (-3.0, 3.0) for e in (-3.0, 3.0)])
    on_ground = np.column_stack([corners, -rise * corners[:, 0]])
    drawn = np.column_stack([corners[:, 1], -corners[:, 0]]) * GROUND_PX_M + HALF_M * GROUND_PX_M
    motion = PictureMotion(CAMERA)
    for number in range(10 * FPS):
        t_s = number / FPS
        along_m = 2.5 * (t_s - 5.0)
        north, east = (along_m * f(math.radians(course_deg)) for f in (math.cos, math.sin))
        height_m = 14.0
        q = quaternion_from_euler(0.02 * math.sin(t_s), 0.02 * math.sin(1.3 * t_s), 0.0)
        pose = Pose(round((100 + t_s) * 1e9), q, (north, east, -height_m), height_m - rise * north)
        pixels = CAMERA.pixel_from_ned(on_ground, pose)
        seen = cv2.warpPerspective(
            ground(),
            cv2.getPerspectiveTransform(drawn.astype(np.float32), pixels.astype(np.float32)),
            (CAMERA.width_px, CAMERA.height_px),
            flags=cv2.INTER_AREA,
            borderMode=cv2.BORDER_REFLECT,
        )
        report = motion.observe(seen, pose.at_ns, pose)
        assert report.mistake is None, report.mistake
    assert report.pairs > 5


def test_a_crowd_that_walks_is_no_mistake() -> None:
    walk = np.random.default_rng(1).uniform(0, 1, (12, 2))
    speed = np.random.default_rng(2).normal(0, 0.08, (12, 2))
    shown = iter(range(10**6))

    def crowded(image: ByteArray) -> ByteArray:
        t_s = next(shown) / FPS
        image = image.copy()
        for (x, y), (vx, vy) in zip(walk, speed, strict=True):
            at = (round((x + vx * t_s) % 1 * 320), round((y + vy * t_s) % 1 * 240))
            cv2.circle(image, at, 7, 250, -1)
        return image

    assert all(report.mistake is None for _, report in fly(change=crowded))


def test_a_mistake_is_over_when_the_set_up_is_mended() -> None:
    motion, reports = PictureMotion(CAMERA), []
    for t_s, image in flight():
        image = np.ascontiguousarray(image[:, ::-1]) if t_s < 4.0 else image
        reports.append(motion.observe(image, pose_at(t_s).at_ns, pose_at(t_s)))
    for k in range(FPS * SECONDS):  # the same way again
        t_s, image = flight()[k]
        pose = replace(pose_at(t_s), at_ns=round((100 + SECONDS + t_s) * 1e9))
        reports.append(motion.observe(image, pose.at_ns, pose))
    assert any(report.mistake is not None for report in reports)
    assert reports[-1].mistake is None


def test_poses_without_height_or_of_another_frame_begin_anew() -> None:
    motion = PictureMotion(CAMERA)
    for t_s, image in flight()[:40]:
        motion.observe(image, pose_at(t_s).at_ns, pose_at(t_s))
    for t_s, image in flight()[40:]:
        report = motion.observe(image, pose_at(t_s).at_ns, replace(pose_at(t_s), height_agl_m=None))
    assert report.mistake is None
    assert STATED.keys() == set(KINDS)


def test_no_way_is_told_across_a_step_that_no_vehicle_flies() -> None:
    """Relief takes pairs of looks; one across a jump of the position would have a way that was never flown."""
    motion, ended = PictureMotion(CAMERA), []
    for number, (t_s, image) in enumerate(flight()):
        pose = pose_at(t_s)
        assert pose.position_ned_m is not None
        north_m, east_m, down_m = pose.position_ned_m
        off_m = 20.0 * (number // 5 % 2)  # to and fro, within what a pair takes
        motion.observe(image, pose.at_ns, replace(pose, position_ned_m=(north_m + off_m, east_m, down_m)))
        if motion.pair is not None:
            ended.append(number)
            times = np.array([motion.pair.from_ns, motion.pair.to_ns])
            centres, _, _ = motion.track.at(times, 0.0)
            assert math.dist(*centres) < 5.0
    assert ended


def test_the_height_of_a_camera_below_the_body_is_its_own() -> None:
    """At 2 m, 0.4 m below the body, it would see the ground move by a quarter more than told."""
    camera = CameraModel.from_hfov(320, 240, 75.0, Mount(offset_frd_m=(0.3, 0.0, 0.4)))
    track, pitch_rad = CameraTrack(10.0), 0.2
    q = quaternion_from_euler(0.0, pitch_rad, 0.0)
    track.take(0, camera, Pose(0, q, (0.0, 0.0, -2.0), 2.0))
    centre, height_m, _ = track.at(np.array([0]), 0.0)
    assert height_m[0] == pytest.approx(2.0 - 0.4 * math.cos(pitch_rad) + 0.3 * math.sin(pitch_rad))
    assert height_m[0] == pytest.approx(-centre[0, 2])
    motion = PictureMotion(camera)
    for number in range(40):  # a slow crossing so low
        t_s = number / FPS
        pose = Pose(round((100 + t_s) * 1e9), (1.0, 0.0, 0.0, 0.0), (0.0, 0.8 * t_s - 2.0, -2.0), 2.0)
        report = motion.observe(picture(pose, camera), pose.at_ns, pose)
    assert report.mistake is None and report.residual_px is not None and report.residual_px < 1.0
