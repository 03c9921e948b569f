from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from landing.taxonomy import Taxonomy
from tests.trainer import fake_data
from trainer.data.augment import PAD_GREY, vary
from trainer.data.augment.camera import blurred, motion_kernel, noisy
from trainer.data.augment.light import _colour_matrix, relit
from trainer.data.augment.weather import hazed, shadowed
from trainer.data.samples import IGNORE
from trainer.recipe import Variation

STILL = {
    "zoom": (1.0, 1.0),
    "turn_deg": 0.0,
    "perspective_deg": 0.0,
    "light": 0.0,
    "shadow": 0.0,
    "haze": 0.0,
    "motion_blur": 0.0,
    "faults": 0.0,
    "markings": 0.0,
}
LOUD = Variation(shadow=1, haze=1, motion_blur=1, faults=1, markings=1, perspective_deg=30)


def flat(value: int, size_wh: tuple[int, int] = (96, 64)) -> np.ndarray:
    return np.full((size_wh[1], size_wh[0], 3), value, np.uint8)


def test_variation_is_the_generators_alone():
    taxonomy = Taxonomy.load("aeroscapes")
    image, labels = fake_data.picture(taxonomy, 4)
    image.flags.writeable = labels.flags.writeable = False  # as mapped from a file
    before = image.copy()

    def one(seed: int) -> tuple[np.ndarray, np.ndarray]:
        np.random.seed(seed + 100)  # noqa: NPY002  # other sources of chance must not matter
        cv2.setRNGSeed(seed + 200)
        return vary(image, labels, (64, 48), LOUD, np.random.default_rng(7), paintable=(1, 10))

    first, again = one(1), one(2)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    other = vary(image, labels, (64, 48), LOUD, np.random.default_rng(8))
    assert (first[0] != other[0]).any()
    np.testing.assert_array_equal(image, before)
    assert first[0].flags.writeable
    assert first[0].flags.c_contiguous


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (97, 31)])
def test_odd_sizes_work(size):
    image, labels = fake_data.picture(Taxonomy.load("aeroscapes"), 5)
    for seed in range(5):
        out, ids = vary(image, labels, size, LOUD, np.random.default_rng(seed))
        assert out.shape == (size[1], size[0], 3)
        assert ids.shape == out.shape[:2]
        assert out.dtype == ids.dtype == np.uint8
    small = vary(image[:1, :1], labels[:1, :1], (32, 32), LOUD, np.random.default_rng(0))
    assert small[0].shape == (32, 32, 3)


def test_padding_is_exactly_grey_whatever_happens_to_the_picture():
    image, labels = flat(200), np.zeros((64, 96), np.uint8)
    wide = LOUD.model_copy(update={"zoom": (0.4, 0.5)})
    for seed in range(10):
        out, ids = vary(image, labels, (96, 96), wide, np.random.default_rng(seed))
        padding = cv2.erode((ids == IGNORE).astype(np.uint8), np.ones((5, 5))) > 0
        assert padding.sum() > 1000
        assert (out[padding] == PAD_GREY).all()


def test_a_centre_comes_into_view_but_not_always_to_the_middle():
    labels = np.zeros((200, 300), np.uint8)
    labels[150:154, 250:254] = 1
    image = np.zeros((200, 300, 3), np.uint8)
    tilting = Variation(zoom=(2, 3), perspective_deg=40)
    places = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        ids = vary(image, labels, (96, 64), tilting, rng, centre=(252, 152))[1]
        places.append(np.argwhere(ids == 1).mean(0))
    spread = np.ptp(places, axis=0)
    assert spread[0] > 20
    assert spread[1] > 30


def test_a_crop_shows_things_as_large_as_the_input_does():
    image, labels = flat(90, (300, 200)), np.zeros((200, 300), np.uint8)
    labels[80:120, 130:170] = 1
    still = Variation(**STILL)
    rng = np.random.default_rng(0)
    ids = vary(image, labels, (64, 64), still, rng, centre=(150, 100), scale_wh=(150, 100))[1]
    assert np.count_nonzero(ids == 1) == pytest.approx(20 * 20, rel=0.1)


def test_markings_are_painted_on_paintable_ground_only_and_change_no_label():
    image = flat(90, (80, 60))
    labels = np.zeros((60, 80), np.uint8)
    labels[:, 40:] = 1
    still = Variation(**STILL)
    paint = Variation(**{**STILL, "markings": 1.0})
    painted = 0
    for seed in range(20):
        plain, ids = vary(image, labels, (80, 60), still, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        out, same = vary(image, labels, (80, 60), paint, rng, paintable=(1,))
        np.testing.assert_array_equal(same, ids)
        changed = (out != plain).any(axis=2)
        assert not changed[ids != 1].any()
        painted += changed.any()
    assert painted >= 15


def test_nothing_to_vary_leaves_the_colours():
    image = fake_data.picture(Taxonomy.load("aeroscapes"), 5)[0]
    rng = np.random.default_rng(0)
    assert relit(image, 0.0, rng) is image
    assert blurred(image, 0.0, 0.0, rng) is image


def test_light_keeps_order_and_grey_stays_grey_under_hue_and_saturation():
    for saturation, hue in ((0.3, 0.0), (1.4, 12.0), (1.0, -20.0)):
        np.testing.assert_allclose(_colour_matrix(saturation, hue).sum(1), 1.0)
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 256, 1), 3, axis=2)
    means = []
    for seed in range(40):
        out = relit(ramp, 1.0, np.random.default_rng(seed)).astype(int)
        assert (np.diff(out, axis=1) >= 0).all()
        means.append(out.mean())
    assert min(means) < 115
    assert max(means) > 140


def test_shadows_only_darken_and_leave_something_to_see():
    image = flat(200)
    shares = []
    for seed in range(30):
        out = shadowed(image, np.random.default_rng(seed))
        assert (out <= image).all()
        assert out.min() >= 0.3 * 200
        # The sky lights a shadow: it is bluer than the sunlit ground.
        assert (out[..., 0] >= out[..., 2]).all()
        shares.append((out[..., 2] < 0.9 * 200).mean())
    assert 0.1 < np.mean(shares) < 0.7


def test_haze_lifts_the_dark_takes_contrast_and_is_smooth():
    image = flat(20, (256, 256))
    image[:, ::2] = 120
    for seed in range(20):
        out = hazed(image, np.random.default_rng(seed)).astype(int)
        assert (out[:, 0::2] >= 119).all()
        assert out[:, 1::2].mean() > 25
        assert (out[:, 0::2] - out[:, 1::2]).mean() < 97
        steps = np.abs(np.diff(out[:, 1::2], axis=0))
        assert steps.max() <= 3


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 7))
@pytest.mark.parametrize("length", [2.0, 5.3, 14.0])
def test_motion_kernel_is_a_centred_line(angle, length):
    kernel = motion_kernel(length, angle)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    down, across = (np.indices(kernel.shape) - kernel.shape[0] // 2).reshape(2, -1)
    weights = kernel.ravel()
    assert abs(weights @ across) < 0.15
    assert abs(weights @ down) < 0.15
    along = across * np.cos(angle) + down * np.sin(angle)
    aside = down * np.cos(angle) - across * np.sin(angle)
    # The spread of a line of that length, and hardly any across it.
    assert np.sqrt(weights @ along**2) == pytest.approx((length + 1) / np.sqrt(12), rel=0.2)
    assert np.sqrt(weights @ aside**2) < 0.75


def test_noise_follows_the_light():
    rng = np.random.default_rng(0)

    def deviation(value: int, shot: float, read: float) -> float:
        return float(noisy(flat(value, (256, 256)), shot, read, rng).astype(float).std(0).mean())

    # Photon noise, after the tone curve, is alike in light and dark; read noise is in the dark.
    assert deviation(40, 0.03, 0.0) == pytest.approx(deviation(200, 0.03, 0.0), rel=0.35)
    assert deviation(40, 0.0, 0.01) > 3 * deviation(200, 0.0, 0.01)
    # Full scale: 255 / 2.2 * shot, of which 0.85**2 + 0.5**2 is left in each channel.
    near_full = 255 / 2.2 * 0.05 * np.hypot(0.85, 0.5)
    assert deviation(230, 0.05, 0.0) == pytest.approx(near_full, rel=0.1)
    out = noisy(flat(128, (256, 256)), 0.05, 0.0, rng).astype(float)
    channels = np.corrcoef(out.reshape(-1, 3).T)
    assert 0.6 < channels[0, 1] < 0.85  # grain is mostly brightness
    assert abs(out.mean() - 128) < 1


@pytest.mark.parametrize("zoom", [(0, 1), (2, 1), (-1, 1)])
def test_zoom_must_be_a_range_above_nothing(zoom):
    with pytest.raises(ValidationError, match="zoom"):
        Variation(zoom=zoom)
