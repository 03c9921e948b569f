"""Pictures that are not worth deciding on are told from those that are."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from landing.camera import CameraModel
from landing.geometry import quaternion_from_euler
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import STILL, PictureSettings, grey_of, sharpness, thumbnail
from landing.types import ByteArray, Frame, Pose
from tests.landing.test_motion import CAMERA as LENS
from tests.landing.test_motion import picture

CAMERA = CameraModel.from_hfov(640, 480, 70.0)
LEVEL = quaternion_from_euler(0, 0, 0)


def ground(seed: int = 0, width: int = 640, height: int = 480) -> ByteArray:
    """Texture at every scale, as ground has."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for step in (64, 16, 4, 1):
        coarse = rng.normal(0, 12, (height // step + 1, width // step + 1, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(total + 110, 0, 255).astype(np.uint8)


def pose(north_m: float = 0.0, yaw_rad: float = 0.0) -> Pose:
    return Pose(0, quaternion_from_euler(0, 0, yaw_rad), (north_m, 0.0, -20.0), 20.0)


def problem(image: ByteArray) -> str | None:
    return PictureMonitor(STILL, CAMERA).problem(Frame(image, 0, 0), None)


def test_good_pictures_pass() -> None:
    assert problem(ground()) is None
    assert problem(ground(1, 1920, 1080)) is None
    assert problem(ground(2, 100, 80)) is None
    assert problem((ground(3) // 3).astype(np.uint8)) is None  # dusk


@pytest.mark.parametrize(
    ("image", "word"),
    [
        (np.zeros((480, 640, 3), np.uint8), "black"),
        (np.full((480, 640, 3), 255, np.uint8), "white"),
        (np.full((480, 640, 3), 128, np.uint8), "blank"),
        (np.clip(np.random.default_rng(0).normal(3, 2, (480, 640, 3)), 0, 255).astype(np.uint8), "black"),
        (cv2.GaussianBlur(ground(), (0, 0), 8), "blurred"),
    ],
)
def test_bad_pictures_are_named(image: ByteArray, word: str) -> None:
    said = problem(image)
    assert said is not None and word in said


SNOW_BGR = np.array((1.03, 1.0, 0.98))


def shaded_snow(seed: int, blur_px: float) -> ByteArray:
    """Pale ground of fine and middling structure, a third of it in deep shade; out of focus, with a sensor's noise."""
    rng = np.random.default_rng(seed)
    layers = [rng.normal(0, sd, (480 // step, 640 // step)) for step, sd in ((4, 8.5), (16, 6.0))]
    snow = sum(cv2.resize(layer, (640, 480), interpolation=cv2.INTER_LINEAR) for layer in layers)
    shade = 60.0 + 130.0 / (1.0 + np.exp((210.0 - np.arange(640)) / 10.0))[None, :]
    seen = cv2.GaussianBlur(shade + snow, (0, 0), blur_px) + rng.normal(0, 2.5, (480, 640))
    return np.clip(seen[..., None] * SNOW_BGR, 0, 255).astype(np.uint8)


def test_shades_on_snow_are_no_blur_and_a_blur_there_is_told() -> None:
    for seed in range(4):
        sharp, soft = (shaded_snow(seed, blur_px) for blur_px in (0.5, 4.0))
        assert 0.0035 < sharpness(grey_of(thumbnail(sharp))) < 0.007
        assert problem(sharp) is None
        assert "blurred" in (problem(soft) or "")


def snow_with_paths(seed: int, blur_px: float) -> ByteArray:
    """Smooth snow with dark paths that have edges; out of focus, with a sensor's noise."""
    rng = np.random.default_rng(seed)
    snow = cv2.resize(rng.normal(0, 4.0, (30, 40)), (640, 480), interpolation=cv2.INTER_CUBIC)
    snow += 205.0 - 150.0 * (np.abs(np.arange(640) - 200 - 60 * seed) < 70)[None, :]
    seen = cv2.GaussianBlur(snow, (0, 0), blur_px) + rng.normal(0, 2.5, (480, 640))
    return np.clip(seen[..., None] * SNOW_BGR, 0, 255).astype(np.uint8)


def test_smooth_ground_with_a_sharp_edge_is_in_focus_and_a_blur_there_is_told() -> None:
    for seed in range(4):
        sharp, soft = (snow_with_paths(seed, blur_px) for blur_px in (1.2, 6.0))
        assert sharpness(grey_of(thumbnail(sharp))) < 0.01
        assert problem(sharp) is None
        assert "blurred" in (problem(soft) or "")


def covered(part: float, seed: int) -> ByteArray:
    """Ground with a finger before the left part of the lens, and the noise of a sensor."""
    image = ground(seed).astype(np.float32)
    edge = 1.0 / (1.0 + np.exp((np.arange(640) - 640 * part) / 12.0))[None, :, None]
    skin = np.array((50, 70, 140)) + 40.0 * np.sin(np.arange(480) / 150.0)[:, None, None]
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    return np.clip(image * (1 - edge) + skin * edge + noise, 0, 255).astype(np.uint8)


def fog(left: float, seed: int) -> ByteArray:
    """Ground, a tenth of it in shade, in fog that leaves a part of its contrast, and the noise of a sensor."""
    shade = np.linspace(-12, 12, 640)[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 3, (480, 640, 3))
    clear = ground(seed).astype(np.float32)
    clear[:48] *= 0.3
    return np.clip(170 + shade + left * (clear - 110) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("part", [0.5, 0.8, 1.2])
def test_a_covered_lens_is_told(part: float) -> None:
    for seed in range(3):
        assert "covered or fogged" in (problem(covered(part, seed)) or "")


def test_thick_fog_is_told_and_haze_is_flown_in() -> None:
    for seed in range(3):
        for left in (0.06, 0.12, 0.25):
            assert "fog or haze" in (problem(fog(left, seed)) or "")
        assert problem(fog(0.5, seed)) is None


def test_a_lens_that_is_fogged_over_dark_ground_is_covered() -> None:
    dark = np.clip(0.05 * ground(0).astype(np.float32) + np.linspace(8, 60, 640)[None, :, None], 0, 255)
    assert "covered or fogged" in (problem(dark.astype(np.uint8)) or "")


def in_flight(*seen: tuple[ByteArray, float]) -> list[str | None]:
    """Problem of each of some pictures, from heights above ground, m."""
    monitor = PictureMonitor(PictureSettings(), CAMERA)
    return [monitor.problem(Frame(image, 0, 0), replace(pose(), height_agl_m=m)) for image, m in seen]


GREY = np.repeat(ground()[..., :1], 3, axis=2)


@pytest.mark.parametrize(("image", "word"), [(fog(0.12, 0), "fog or haze"), (GREY, "no colour")])
def test_bare_ground_may_fill_the_picture_from_near_and_a_poor_picture_from_higher_up(image, word) -> None:
    clear, low, high = in_flight((ground(), 12.0), (image, 3.0), (image, 12.0))
    assert clear is None and low is None and word in (high or "")


@pytest.mark.parametrize(("image", "word"), [(fog(0.12, 0), "fog or haze"), (GREY, "no colour")])
def test_a_picture_that_was_refused_higher_up_is_not_believed_because_it_sank(image, word) -> None:
    high, low, clear, near = in_flight((image, 12.0), (image, 3.0), (ground(), 3.0), (image, 3.0))
    assert word in (high or "") and word in (low or "")
    assert clear is None and near is None


def test_a_camera_that_never_showed_colour_is_refused_from_near_too() -> None:
    (low,) = in_flight((GREY, 3.0))
    assert low == "the picture has no colour"


@pytest.mark.parametrize("blue", [0, 1])
def test_a_grey_camera_is_told(blue: int) -> None:
    image = cv2.cvtColor(cv2.cvtColor(ground(), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    image[..., 0] += np.uint8(blue)  # rounded on the way through a video's colours
    assert problem(image) == "the picture has no colour"
    assert PictureMonitor(PictureSettings(least_colour=0), CAMERA).problem(Frame(image, 0, 0), None) is None


def test_grey_pictures_of_ground_with_a_little_colour_pass() -> None:
    grey = cv2.cvtColor(ground(), cv2.COLOR_BGR2GRAY).astype(np.float32)[..., None]
    assert problem(np.clip(grey * SNOW_BGR, 0, 255).astype(np.uint8)) is None


def test_a_dim_picture_is_no_cover() -> None:
    assert problem((ground(4) // 5).astype(np.uint8)) is None


def test_flight_asks_for_detail_where_it_is_set() -> None:
    assert PictureMonitor(PictureSettings(), CAMERA).problem(Frame(covered(0.8, 0), 0, 0), None) is None


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    grey = cv2.cvtColor(ground(), cv2.COLOR_BGR2GRAY)
    values = [sharpness(np.asarray(cv2.GaussianBlur(grey, (0, 0), s), np.uint8)) for s in (1, 2, 4)]
    assert sharpness(grey) > values[0] > values[1] > values[2]
    dull = np.asarray(110 + (grey.astype(np.float32) - 110) * 0.5, np.uint8)
    assert sharpness(dull) == pytest.approx(sharpness(grey), rel=0.1)


def test_a_frozen_picture_is_told_by_the_vehicle_that_moves() -> None:
    monitor = PictureMonitor(PictureSettings(), CAMERA)
    image = ground()

    def look(picture: ByteArray, at_s: float, where: Pose | None) -> str | None:
        return monitor.problem(Frame(picture.copy(), 0, round(at_s * 1e9)), where)

    assert look(image, 0.0, pose(0.0)) is None
    assert look(image, 0.1, pose(0.5)) is None  # a picture that came twice
    assert look(ground(5), 0.2, pose(0.5)) is None
    assert look(ground(5), 0.7, pose(0.55)) is None  # it hovers: that is no proof
    said = look(ground(5), 0.8, pose(1.0))
    assert said is not None and "frozen (since 0.5 m" in said
    assert look(ground(5), 0.9, None) is None  # nothing is known of its motion
    assert look(ground(9), 1.0, pose(1.1)) is None  # new pictures come again
    assert look(ground(9), 1.3, pose(1.1, math.radians(10))) is not None


def test_a_frozen_picture_is_told_with_noise_on_it() -> None:
    monitor = PictureMonitor(PictureSettings(), CAMERA)
    image, rng = ground(), np.random.default_rng(0)
    said = []
    for step in range(5):
        noisy = np.clip(image + rng.normal(0, 1.5, image.shape), 0, 255).astype(np.uint8)
        said.append(monitor.problem(Frame(noisy, step, step * 10**9), pose(float(step))))
    assert said[:2] == [None, None]
    assert all(s is not None and "frozen (since" in s for s in said[3:])


def test_another_size_is_not_compared() -> None:
    monitor = PictureMonitor(PictureSettings(), CAMERA)
    assert monitor.problem(Frame(ground(0, 640, 480), 0, 0), pose(0)) is None
    assert monitor.problem(Frame(ground(0, 320, 240), 1, 1), pose(5)) is None


def test_a_position_that_drifts_over_a_hover_is_not_called_a_frozen_picture() -> None:
    watched, unwatched = (
        PictureMonitor(PictureSettings(check_motion=on, least_colour=0), LENS) for on in (True, False)
    )
    said, repeats = [], 0
    for number in range(125):
        t_s = number / 10
        still = 1.0 if t_s < 9.4 else 0.02
        sway = still * (0.6 * math.sin(0.9 * t_s) + 0.4 * math.sin(2.3 * t_s + 1))
        q = quaternion_from_euler(*(still * a * math.sin(w * t_s) for a, w in ((0.04, 2.0), (0.04, 1.6), (0.1, 0.7))))
        true = Pose(round((100 + t_s) * 1e9), q, (sway, -0.5 * sway, -8.0), 8.0)
        told = replace(true, position_ned_m=(sway + 2.0 * t_s, -0.5 * sway - 1.5 * t_s, -8.0))
        frame = Frame(np.repeat(picture(true, LENS)[..., None], 3, axis=2), number, true.at_ns)
        refused = watched.refusal(frame, told)
        said.append("" if refused is None else refused.detail)
        other = unwatched.refusal(frame, told)
        repeats += number >= 94 and other is not None and "frozen" in other.detail
    assert repeats, "nothing looked like a repeat"
    assert all("the position drifts by about 2.5 m/s" in text for text in said[94:]), said
