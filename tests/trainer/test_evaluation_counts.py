"""What is counted, against the same counted the slow and obvious way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.errors import InvalidValueError
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from tests.trainer import fake_checkpoint
from trainer.checkpoint import Checkpoint
from trainer.data.samples import IGNORE
from trainer.evaluation.calibration import (
    TEMPERATURE_LIMITS,
    Reliability,
    fit_temperature,
    negative_log_likelihood,
    sample_places,
)
from trainer.evaluation.pixel_counts import LEAST_LANDABLE, PixelCounts, byte_of, threshold_of
from trainer.evaluation.predictor import Predictor, RoleMerger, choose_device, class_map, strips
from trainer.model import ModelConfig, build, normalise

SYNTHETIC = Taxonomy.load("synthetic")
CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(96, 64), (75, 50), (301, 7), (8, 6), (3, 200)])
def test_strips_are_bilinear_scaling(size, monkeypatch):
    monkeypatch.setattr("trainer.evaluation.predictor._STRIP_VALUES", 5 * 96 * 3)
    logits = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(0))
    whole = torch.nn.functional.interpolate(logits[None], size[::-1], mode="bilinear", align_corners=False)[0]
    parts = list(strips(logits, size))
    assert len(parts) > 1 or size[0] * size[1] < 300
    assert torch.allclose(torch.cat([part for _, part in parts], 1), whole, atol=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_merge_is_what_the_drone_does(temperature):
    logits = torch.randn(len(SYNTHETIC), 9, 7, generator=torch.Generator().manual_seed(1)) * 4
    ours = RoleMerger(SYNTHETIC, CPU).segmentation(logits, temperature)
    probabilities = torch.softmax(logits / temperature, 0).numpy()
    assert (ours.class_id == probabilities.argmax(axis=0)).all()
    of_roles = np.rint(np.tensordot(SYNTHETIC.merge_matrix, probabilities, axes=1) * 255)
    for mine, theirs in ((ours.landable, of_roles[0]), (ours.hazards, of_roles[1:])):
        assert np.abs(mine.astype(int) - theirs).max() <= 1
    with pytest.raises(InvalidValueError, match="temperature"):
        RoleMerger(SYNTHETIC, CPU).merge(logits, 0.0)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("size", [(96, 64), (192, 100), (50, 90)])
def test_predictor_covers_just_the_picture_at_any_stride(stride, size):
    predictor = Predictor(fake_checkpoint.checkpoint(SYNTHETIC, stride=stride), CPU)
    assert predictor.stride == stride
    half = size[0] // 2
    image = np.empty((size[1], size[0], 3), np.uint8)
    image[:, :half], image[:, half:] = SYNTHETIC.palette_bgr[1], SYNTHETIC.palette_bgr[3]
    found = class_map(predictor.logits(image), size)
    assert found.shape == (size[1], size[0])
    edge = 2 * stride * max(1, -(-size[0] // 96)) + 1
    assert (found[:, : half - edge] == 1).all()
    assert (found[:, half + edge :] == 3).all()


def test_what_smp_enlarges_is_judged_as_trained_and_decided_on_as_it_flies():
    config = ModelConfig(arch="fpn", classes=12, width_px=128, height_px=64)
    torch.manual_seed(0)
    known = Checkpoint(config, SYNTHETIC, build(config).state_dict())
    predictor = Predictor(known, CPU)
    assert predictor.stride == 4
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    trained, flying = predictor.both(image)
    assert trained.shape == (12, 64, 96) and flying.shape == (12, 16, 24)
    padded = np.full((1, 64, 128, 3), 127, np.uint8)
    padded[0, :, :96] = image
    with torch.inference_mode():
        whole = known.network()(normalise(torch.from_numpy(padded), config))[0]
    assert torch.allclose(trained, whole[:, :, :96], atol=1e-4)


def test_no_such_device():
    with pytest.raises(InvalidValueError, match="toaster"):
        choose_device("toaster")


def planes_and_labels(seed: int, shape=(12, 17)):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(SYNTHETIC), shape).astype(np.uint8)
    labels[rng.random(shape) < 0.1] = IGNORE
    planes = rng.integers(0, 256, (5, *shape)).astype(np.uint8)
    planes[1:] //= int(rng.integers(1, 6))
    return labels, planes


def role_of(label: int) -> Role | None:
    return None if label == IGNORE else SYNTHETIC.classes[label].role


@given(st.integers(0, 2**32 - 1), st.tuples(*(st.integers(0, 255) for _ in range(4))))
@settings(max_examples=40, deadline=None)
def test_recall_and_called_free_are_what_a_loop_over_pixels_finds(seed, least):
    thresholds = {role: threshold_of(b) for role, b in zip(HAZARD_ROLES, least, strict=True)}
    tally = PixelCounts(SYNTHETIC)
    expected = {role: np.zeros(257, int) for role in (*HAZARD_ROLES, Role.IGNORE)}
    seen = dict.fromkeys(HAZARD_ROLES, 0)
    hit = dict.fromkeys(HAZARD_ROLES, 0)
    for k in range(3):
        labels, planes = planes_and_labels(seed + k)
        tally.add(f"{k}", "g", labels, labels % len(SYNTHETIC), planes)
        for label, values in zip(labels.ravel(), planes.reshape(5, -1).T, strict=True):
            role = role_of(int(label))
            if role in seen:
                index = HAZARD_ROLES.index(role)
                seen[role] += 1
                hit[role] += int(values[1 + index]) >= least[index]
            if role in expected and all(int(v) < b for v, b in zip(values[1:], least, strict=True)):
                expected[role][: int(values[0]) + 1] += 1
    for role in HAZARD_ROLES:
        assert tally.recall(role, thresholds[role]) == pytest.approx(hit[role] / seen[role])
    found = tally.called_free(thresholds)
    for role, counts in expected.items():
        assert (found[role][LEAST_LANDABLE:] == counts[LEAST_LANDABLE:]).all()


@given(st.integers(1, 255))
def test_thresholds_and_bytes_agree(byte):
    assert byte_of(threshold_of(byte)) == byte


def test_a_picture_without_labels_counts_nothing():
    tally = PixelCounts(SYNTHETIC)
    labels = np.full((4, 5), IGNORE, np.uint8)
    tally.add("a", "g", labels, np.zeros_like(labels), np.full((5, 4, 5), 255, np.uint8))
    assert tally.matrix.sum() == 0 and tally.pictures[0].miou == 0.0
    assert tally.recall(Role.PERSON, 0.2) is None
    free = tally.called_free(dict.fromkeys(HAZARD_ROLES, 0.3))
    assert all(not counts.any() for counts in free.values())


def test_honest_probabilities_have_no_calibration_error():
    rng = np.random.default_rng(0)
    stated = rng.random(400_000)
    honest, sure = Reliability(), Reliability()
    honest.add(stated, rng.random(len(stated)) < stated)
    assert honest.ece is not None and honest.ece < 0.004
    sure.add(np.full(1000, 1.0), np.arange(1000) < 700)
    assert sure.ece == pytest.approx(0.3)
    assert sure.to_mapping()["accuracy"][-1] == pytest.approx(0.7)
    assert Reliability().ece is None


def test_calibration_error_by_hand():
    found = Reliability(bins=2)
    found.add(np.array([0.2, 0.4, 0.9]), np.array([True, False, True]))
    # Lower bin: 2 of 3 pixels, stated 0.3, true 0.5; upper: stated 0.9, true 1.
    assert found.ece == pytest.approx(2 / 3 * 0.2 + 1 / 3 * 0.1)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found_again(true_temperature):
    maker = torch.Generator().manual_seed(3)
    honest = torch.randn(40_000, 6, generator=maker) * 2
    labels = torch.multinomial(torch.softmax(honest, 1), 1, generator=maker).squeeze(1)
    logits = honest * true_temperature
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(true_temperature, rel=0.03)
    best = negative_log_likelihood(logits, labels, found)
    for factor in (0.9, 1.1):
        assert best < negative_log_likelihood(logits, labels, found * factor)


def test_temperature_of_perfect_wrong_and_no_predictions():
    logits = torch.eye(4) * 10
    assert fit_temperature(logits, torch.arange(4)) == TEMPERATURE_LIMITS[0]
    assert fit_temperature(logits, torch.tensor([1, 2, 3, 0])) == TEMPERATURE_LIMITS[1]
    assert fit_temperature(logits[:0], torch.arange(0)) == 1.0


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 5000))
def test_sampled_places_are_some_and_not_too_many(rows, columns, most):
    picked = np.zeros((rows, columns), bool)
    picked[sample_places((rows, columns), most)] = True
    assert 1 <= picked.sum() <= most + rows + columns
