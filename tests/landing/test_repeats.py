"""Frozen and looped pictures are told from live ones, with noise on them and with a pose that errs.

The camera flies over one plane: its pictures are homographies of a texture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from landing.camera import CameraModel
from landing.geometry import quaternion_from_euler
from landing.motion.mistakes import LOOPED
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.site import NoSiteReason
from landing.types import ByteArray, Frame, Pose

WIDTH, HEIGHT = 160, 120
CAMERA = CameraModel.from_hfov(WIDTH, HEIGHT, 70.0)
SIDE_PX = 1024
DRAWN = PictureSettings(least_colour=0.0)
"""The grounds here are grey."""

FPS = 10
START = 30
"""Frame at which the fault begins."""

Picture = Callable[[int], ByteArray]
"""Of the frame with a number."""


def bytes_of(values: npt.NDArray[Any]) -> ByteArray:
    """Grey steps from 0 to 255."""
    return np.asarray(np.clip(values, 0, 255), np.uint8)


@lru_cache(maxsize=8)
def ground(kind: str) -> ByteArray:
    """A square texture of the ground."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    if kind == "snow":
        flat = np.full((SIDE_PX, SIDE_PX), 215.0)
    elif kind == "rows":
        flat = 110 + 40 * np.sign(np.sin(x * (2 * math.pi / 24)))
    elif kind == "tiles":
        flat = 110 + 40 * (((x // 16) + (y // 16)) % 2)
    elif kind == "road":
        flat = np.where(np.abs(x - SIDE_PX / 2) < 60, 90.0, 130.0)
    else:
        flat = np.full((SIDE_PX, SIDE_PX), 110.0)
        for step in (64, 16, 4, 2):
            small = rng.normal(0, 12, (SIDE_PX // step, SIDE_PX // step)).astype(np.float32)
            flat += cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    if kind == "dusk":
        flat = flat / 5
    return bytes_of(np.repeat(flat[..., None], 3, axis=2))


def where(motion: str, height_m: float, t_s: float) -> tuple[float, float, float, float, float]:
    """North, east, height, m, roll and yaw, radians."""
    sway = math.sin(1.9 * t_s) + 0.5 * math.sin(5.3 * t_s)
    roll, north_m = math.radians(0.4) * sway, 0.03 * sway
    if motion == "hover":
        return north_m, 0.5 * north_m, height_m, roll, 0.0
    if motion == "gusts":
        return 8 * north_m, 4 * north_m, height_m, 6 * roll, 0.0
    if motion == "descend":
        return north_m, 0.0, height_m * math.exp(-0.09 * t_s), roll, 0.0
    if motion == "turn":
        return north_m, 0.0, height_m, roll, 0.4 * t_s
    assert motion == "slide"
    return north_m, 0.12 * height_m * t_s, height_m, roll, 0.0


class Flight:
    """Pictures from a camera above some ground, and poses that err.

    Args:
        kind: Of the ground.
        motion: See `where`.
        height_m: At the start.
        frames: How many.
        noise: Of the sensor, standard deviation in grey steps.
        wrong_deg: Of the attitude, standard deviation of each axis, degrees.
    """

    def __init__(
        self, kind: str, motion: str, height_m: float, frames: int, noise: float, wrong_deg: float = 0.15
    ) -> None:
        rng = self._rng = np.random.default_rng(7)
        self._noise = noise
        gsd_m = height_m / 120
        to_texture = np.array([[0, 1 / gsd_m, SIDE_PX / 2], [-1 / gsd_m, 0, SIDE_PX / 2], [0, 0, 1]])
        self.clean: list[ByteArray] = []
        self.poses: list[Pose] = []
        drift = np.zeros(3)
        for number in range(frames):
            t_s = number / FPS
            north, east, height, roll, yaw = where(motion, height_m, t_s)
            at_ns = round(t_s * 1e9)
            true = Pose(at_ns, quaternion_from_euler(roll, 0, yaw), (north, east, -height), height)
            onto = CAMERA.pixel_from_ground_plane(true, 0.0) @ np.linalg.inv(to_texture)
            seen = cv2.warpPerspective(ground(kind), onto, (WIDTH, HEIGHT), borderMode=cv2.BORDER_WRAP)
            self.clean.append(np.asarray(seen, np.uint8))
            drift += rng.normal(0, 0.01, 3)
            error = rng.normal(0, math.radians(wrong_deg), 3)
            believed = np.array([north, east, -height]) + drift
            attitude = quaternion_from_euler(roll + error[0], error[1], yaw + error[2])
            self.poses.append(Pose(at_ns, attitude, (believed[0], believed[1], believed[2]), -float(believed[2])))

    def live(self, number: int) -> ByteArray:
        """A new picture each time."""
        return self.clean[number]

    def frozen(self, number: int) -> ByteArray:
        """The same one from the start of the fault."""
        return self.clean[min(number, START)]

    def loop(self, seconds: float) -> Picture:
        """The last seconds before the fault, again and again."""
        count = round(seconds * FPS)
        return lambda n: self.clean[n if n < START else START - count + (n - START) % count]

    def said(self, picture: Picture | None = None) -> list[str | None]:
        """What is said of each picture, noise added."""
        monitor = PictureMonitor(DRAWN, CAMERA)
        picture = picture or self.live
        return [
            monitor.problem(Frame(self.noisy(picture(n)), n, pose.at_ns), pose) for n, pose in enumerate(self.poses)
        ]

    def noisy(self, image: ByteArray) -> ByteArray:
        """With the noise of a sensor."""
        if self._noise == 0:
            return image.copy()
        noise = np.zeros(image.shape, np.int16)
        cv2.setRNGSeed(int(self._rng.integers(1 << 30)))
        cv2.randn(noise, (0, 0, 0), (self._noise,) * 3)
        return bytes_of(image + noise)

    def shift_px(self, since: int, number: int) -> float:
        """How far the ground moved between two frames, of 160 px: the median over the picture."""
        u, v = np.meshgrid(np.linspace(10, 150, 8), np.linspace(10, 110, 6))
        pixels = np.column_stack([u.ravel(), v.ravel()])
        points = CAMERA.ground_from_pixel(pixels, self.poses[number], 0.0)
        moved = CAMERA.pixel_from_ned(points, self.poses[since]) - pixels
        return float(np.median(np.hypot(*moved.T)))

    def proof(self) -> int:
        """Frame by which the ground has moved by 4 px more than an error of 0.1 m explains."""
        height_m = self.poses[START].height_agl_m
        assert height_m is not None
        least_px = 4.0 + 0.1 * CAMERA.fx / height_m
        return next(n for n in range(START, len(self.poses)) if self.shift_px(START, n) > least_px)


def delay_s(said: list[str | None], since: int, word: str) -> float:
    """From a frame to the first one that is refused with a word."""
    first = next((n for n, s in enumerate(said) if s is not None and word in s), None)
    assert first is not None, f"nothing is {word}"
    assert first >= START, f"{word} before it was: {said[first]}"
    return (first - since) / FPS


@pytest.mark.parametrize("noise", [0.0, 4.0, 12.0])
@pytest.mark.parametrize("motion", ["descend", "slide", "turn"])
@pytest.mark.parametrize("height_m", [3.0, 10.0, 40.0])
def test_a_frozen_picture_is_told_within_half_a_second_of_the_motion_that_shows_it(
    height_m: float, motion: str, noise: float
) -> None:
    flight = Flight("lawn", motion, height_m, 60, noise)
    assert delay_s(flight.said(flight.frozen), flight.proof(), "frozen") <= 0.5


@pytest.mark.parametrize("noise", [0.0, 12.0])
@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("motion", ["descend", "slide", "turn"])
def test_a_loop_is_told_within_two_seconds(motion: str, seconds: float, noise: float) -> None:
    flight = Flight("lawn", motion, 15.0, 60, noise)
    assert delay_s(flight.said(flight.loop(seconds)), START, "the picture is") <= 2.0


@pytest.mark.parametrize(("height_m", "noise"), [(2.0, 12.0), (20.0, 1.0)])
@pytest.mark.parametrize("motion", ["hover", "gusts", "descend", "slide", "turn"])
@pytest.mark.parametrize("kind", ["lawn", "dusk", "snow", "rows", "tiles", "road"])
def test_a_live_picture_is_neither(kind: str, motion: str, height_m: float, noise: float) -> None:
    said = [s for s in Flight(kind, motion, height_m, 60, noise).said() if s is not None]
    assert not [s for s in said if "frozen" in s or "loop" in s], said


@pytest.mark.parametrize(
    ("motion", "height_m", "wrong_deg"),
    [
        ("hover", 4.0, 0.8),
        ("hover", 5.0, 0.4),
        ("hover", 10.0, 0.6),
        ("hover", 25.0, 0.6),
        ("hover", 30.0, 0.5),
        ("descend", 20.0, 0.4),
        ("gusts", 10.0, 0.7),
        ("gusts", 30.0, 0.6),
    ],
)
def test_nor_is_one_whose_attitude_is_wrong(motion: str, height_m: float, wrong_deg: float) -> None:
    said = [s for s in Flight("lawn", motion, height_m, 200, 2.0, wrong_deg=wrong_deg).said() if s is not None]
    assert not [s for s in said if "frozen" in s or "loop" in s], said


@pytest.mark.parametrize("period_s", [4.0, 9.0])
def test_nor_is_a_low_hover_whose_position_wanders(period_s: float) -> None:
    """The picture comes back to where it was to a pixel, as the position does not."""
    flight = Flight("lawn", "hover", 3.0, 150, 2.0)
    for number, pose in enumerate(flight.poses):
        assert pose.position_ned_m is not None
        north, east, down = pose.position_ned_m
        off_m = 0.15 * math.sin(2 * math.pi * number / FPS / period_s)
        flight.poses[number] = replace(pose, position_ned_m=(north + off_m, east + off_m, down))
    said = [s for s in flight.said() if s is not None]
    assert not [s for s in said if "frozen" in s or "loop" in s], said


def test_live_pictures_beside_the_one_that_was_frozen_are_new() -> None:
    """The vehicle is back over that place, nearly: only a part of a pixel tells them apart."""
    flight = Flight("lawn", "slide", 10.0, 90, 4.0)
    flight.poses[60:] = [replace(flight.poses[START], at_ns=pose.at_ns) for pose in flight.poses[60:]]

    def seen(number: int) -> ByteArray:
        if number < 60:
            return flight.frozen(number)
        moved = np.array([[1.0, 0.0, 0.8], [0.0, 1.0, 0.1 * math.sin(number)]])
        return np.asarray(cv2.warpAffine(flight.frozen(number), moved, (WIDTH, HEIGHT)), np.uint8)

    said = flight.said(seen)
    assert said[59] is not None and not any(said[70:])


@pytest.mark.parametrize("every", [3, 5])
@pytest.mark.parametrize("word", ["frozen", "loop"])
def test_slow_cameras_are_told_too(word: str, every: int) -> None:
    flight = Flight("lawn", "slide", 10.0, 150, 4.0)
    old = flight.frozen if word == "frozen" else flight.loop(2.0)
    monitor = PictureMonitor(DRAWN, CAMERA)
    said: list[str | None] = [None] * len(flight.poses)
    for number in range(0, len(flight.poses), every):
        pose = flight.poses[number]
        said[number] = monitor.problem(Frame(flight.noisy(old(number)), number, pose.at_ns), pose)
    assert delay_s(said, START, word) <= 0.6 * every


def test_what_does_not_show_motion_is_not_judged() -> None:
    flight = Flight("snow", "slide", 10.0, 60, 4.0)
    assert not [s for s in flight.said(flight.frozen) if s is not None and "frozen" in s]
    hover = Flight("lawn", "hover", 10.0, 60, 4.0)
    assert not [s for s in hover.said(hover.frozen) if s is not None]


def flickering(image: ByteArray, number: int) -> ByteArray:
    return bytes_of(image * (1 + 0.3 * math.sin(2.1 * number)))


def stamped(image: ByteArray, number: int) -> ByteArray:
    image = image.copy()
    cv2.putText(image, f"12:00:{number:02d}", (3, 8), 0, 0.25, (255, 255, 255), 1)
    return image


def compressed(image: ByteArray, _number: int) -> ByteArray:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def dithered(image: ByteArray, number: int) -> ByteArray:
    cell = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) - 8
    pattern = np.tile(np.roll(cell, number, 1), (30, 40))[..., None]
    return bytes_of(image + pattern)


@pytest.mark.parametrize("spoil", [flickering, stamped, compressed, dithered])
def test_what_else_changes_on_a_frozen_picture_does_not_hide_it(spoil: Callable[[ByteArray, int], ByteArray]) -> None:
    flight = Flight("lawn", "slide", 10.0, 60, 4.0)
    said = flight.said(lambda n: spoil(flight.frozen(n), n))
    assert delay_s(said, flight.proof(), "frozen") <= 0.5
    assert not [s for s in flight.said(lambda n: spoil(flight.live(n), n)) if s is not None]


@pytest.mark.parametrize("half", [np.s_[60:], np.s_[:60], np.s_[:, :80], np.s_[:, 80:]])
def test_half_a_frozen_picture_is_told(half: tuple[slice, ...]) -> None:
    flight = Flight("lawn", "slide", 10.0, 60, 4.0)

    def torn(number: int) -> ByteArray:
        image = flight.live(number).copy()
        image[half] = flight.frozen(number)[half]
        return image

    assert delay_s(flight.said(torn), flight.proof(), "frozen") <= 1.0


def test_a_crossfade_hides_no_loop() -> None:
    flight = Flight("lawn", "slide", 10.0, 60, 4.0)
    loop = flight.loop(2.0)

    def faded(number: int) -> ByteArray:
        to_seam = 20 - (number - START) % 20
        if number < START or to_seam > 4:
            return loop(number)
        share = to_seam / 5
        return np.asarray(cv2.addWeighted(loop(number), share, loop(START), 1 - share, 0), np.uint8)

    assert delay_s(flight.said(faded), START, "loop") <= 2.0


@pytest.mark.parametrize("kind", ["lawn", "snow"])
@pytest.mark.parametrize("motion", ["gusts", "descend", "slide"])
def test_landing_gear_a_shadow_and_an_overlay_stay_where_they_are(kind: str, motion: str) -> None:
    flight = Flight(kind, motion, 5.0, 60, 4.0)

    def seen(number: int) -> ByteArray:
        image = flight.live(number).copy()
        cv2.line(image, (5, 0), (15, 120), (20, 20, 20), 5)
        cv2.line(image, (155, 0), (145, 120), (20, 20, 20), 5)
        image[30:40, 45:55] //= 2
        return stamped(image, number)

    assert not [s for s in flight.said(seen) if s is not None and "frozen" in s]


@pytest.mark.parametrize("word", ["frozen", "loop"])
def test_it_resumes_after_some_new_pictures_not_after_one(word: str) -> None:
    flight = Flight("lawn", "slide", 10.0, 70, 4.0)
    old = flight.frozen if word == "frozen" else flight.loop(2.0)
    said = flight.said(lambda n: old(n) if n < 50 else flight.live(n))
    assert all(s is not None and "the picture is" in s for s in said[49:52])
    resumed = next(n for n in range(50, 70) if said[n] is None)
    assert (resumed - 50) / FPS <= 1.0
    assert not any(said[resumed:])


def test_a_loop_stays_refused_while_the_vehicle_hovers_under_it() -> None:
    flight = Flight("lawn", "slide", 10.0, 120, 4.0)
    flight.poses[60:] = [
        Pose(p.at_ns, flight.poses[60].ned_from_frd, flight.poses[60].position_ned_m, 10.0) for p in flight.poses[60:]
    ]
    said = flight.said(flight.loop(2.0))
    assert all(said[START + 20 :])


@pytest.mark.parametrize(
    ("word", "reason"), [("frozen", NoSiteReason.BAD_PICTURE), ("loop", NoSiteReason.PICTURE_MOTION)]
)
def test_a_loop_is_a_mistake_of_set_up_with_its_age(word: str, reason: NoSiteReason) -> None:
    flight = Flight("lawn", "slide", 10.0, 60, 4.0)
    monitor = PictureMonitor(DRAWN, CAMERA)
    old = flight.frozen if word == "frozen" else flight.loop(2.0)
    refused = [monitor.refusal(Frame(flight.noisy(old(n)), n, p.at_ns), p) for n, p in enumerate(flight.poses)][-1]
    assert refused is not None and refused.reason is reason and word in refused.detail
    mistake = None if monitor.motion is None else monitor.motion.mistake
    if word == "loop":
        assert mistake is not None and mistake.kind == LOOPED and abs(mistake.value - 2.0) < 0.3


def test_the_same_place_again_is_no_loop() -> None:
    flight = Flight("lawn", "slide", 10.0, 60, 4.0)
    back = list(range(30)) + list(range(29, -1, -1))
    poses = [flight.poses[n] for n in back]
    flight.poses = [Pose(n * 10**8, p.ned_from_frd, p.position_ned_m, p.height_agl_m) for n, p in enumerate(poses)]
    assert not any(flight.said(lambda n: flight.clean[back[n]]))


def test_without_a_pose_nothing_is_known() -> None:
    flight = Flight("lawn", "slide", 10.0, 60, 4.0)
    flight.poses = [Pose(p.at_ns, p.ned_from_frd, p.position_ned_m) for p in flight.poses]
    assert not any(flight.said(flight.frozen))
