"""Segmentations drawn from the measured model behave as it was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from landing.types import Segmentation
from sim.campaign.perception_errors import (
    BESIDE_M,
    BESIDE_PX,
    LEVELS,
    PLANES,
    ZONES,
    PerceptionErrorSampler,
    load_error_model,
    octave_weights,
    roles_of,
    zones_of,
)

TAXONOMY = Taxonomy.load("scenes")
GRASS, PAVED, TREE, PERSON = 1, 2, 8, 10
HEIGHT_M, M_PER_PX = 10.0, 0.1


def ground_from_pixel(north_m: float = 0.0) -> np.ndarray:
    """Level and right below: column to east, row to south."""
    return np.array([[0.0, -M_PER_PX, north_m], [M_PER_PX, 0.0, 0.0], [0.0, 0.0, 1.0]])


def sampler(shift: float = 0.0, seed: int = 1) -> PerceptionErrorSampler:
    return PerceptionErrorSampler(load_error_model(), TAXONOMY, shift, np.random.default_rng(seed))


def look(drawn: PerceptionErrorSampler, labels: np.ndarray, north_m: float = 0.0) -> Segmentation:
    return drawn.segment(labels, ground_from_pixel(north_m), HEIGHT_M, M_PER_PX, 7)


def grass() -> np.ndarray:
    return np.full((120, 160), GRASS, np.uint8)


def test_the_committed_model_is_whole() -> None:
    model = load_error_model()
    assert set(model.class_names) == {c.name for c in TAXONOMY.classes}
    assert [b.low_m for b in model.bands[1:]] == [b.high_m for b in model.bands[:-1]]
    for band in model.bands:
        assert 1.0 < band.correlation_px < 30.0
        assert 0.0 <= band.persistence < 1.0
        assert band.outputs.shape == (len(ZONES), len(TAXONOMY), len(LEVELS), PLANES)
        landable = band.outputs[:, GRASS, :, 0]
        assert (landable[:, 0] >= landable[:, -1]).all()  # from right to wrong


def test_quantiles_of_the_outputs_are_those_measured() -> None:
    model = load_error_model()
    band = model.bands[model.band_number_at(HEIGHT_M)]
    seen = [look(sampler(seed=s), grass()).landable for s in range(60)]
    share_bad = np.mean(np.stack(seen) < 128)
    outputs = band.outputs[ZONES.index("interior"), GRASS, :, 0]
    widths = np.diff([0.0, *LEVELS])
    measured = float(widths[outputs < 128].sum())
    assert share_bad == pytest.approx(measured, abs=0.4 * measured + 0.01)


def test_mistakes_come_in_patches_and_stay_with_the_ground() -> None:
    drawn = sampler(shift=1.5)
    first = (look(drawn, grass()).landable < 128).astype(float)
    again = (look(drawn, grass()).landable < 128).astype(float)
    # 2 m north is 20 px: the ground's patches have moved down by as much.
    moved = (look(drawn, grass(), north_m=2.0).landable < 128).astype(float)

    def alike(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    assert alike(first[:, :-1], first[:, 1:]) > 0.5
    assert alike(first, again) > 0.15
    assert alike(first[:-20], moved[20:]) > alike(first, moved) + 0.1


def test_a_worse_network_errs_more() -> None:
    shares = [np.mean(look(sampler(shift), grass()).landable < 128) for shift in (-1.0, 0.0, 1.0)]
    assert shares[0] <= shares[1] <= shares[2]
    assert shares[2] > shares[0]


def test_ignored_ground_says_nothing_and_people_are_mostly_seen() -> None:
    labels = grass()
    labels[:, :40] = TAXONOMY.ignore_index
    labels[50:60, 100:106] = PERSON
    said = look(sampler(), labels)
    assert not said.landable[:, :40].any()
    assert not said.hazards[:, :, :40].any()
    person = np.mean([look(sampler(seed=s), labels).hazards[2] for s in range(10)], axis=0)
    assert person[50:60, 100:106].mean() > 4 * person[:, 110:].mean()
    assert said.captured_at_ns == 7


def test_zones_tell_seams_from_edges_and_what_lies_beside_people() -> None:
    labels = grass()
    labels[:, 80:120], labels[:, 120:] = PAVED, TREE
    labels[60, 20] = PERSON
    zones = zones_of(labels, roles_of(TAXONOMY)[labels], M_PER_PX)
    interior, seam, edge, beside = range(4)
    assert (zones[:, 79:81] == seam).all()
    assert (zones[:, 119:121] == edge).all()
    assert set(zones[:, 121:].ravel()) == set(zones[:, 81:119].ravel()) == {interior}
    assert zones[60, 20] == edge  # the person's own
    reach = round(BESIDE_M / M_PER_PX)
    assert reach > BESIDE_PX
    around = zones[60 - reach - 2 : 63 + reach, : 23 + reach]
    assert zones[60, 20 - reach] == zones[60 + reach, 20] == beside
    assert np.count_nonzero(zones == beside) == np.count_nonzero(around == beside)
    high = zones_of(labels, roles_of(TAXONOMY)[labels], 1.0)  # a person is less than a pixel
    assert high[60, 20 - int(BESIDE_PX)] == beside
    assert high[60, 19 - int(BESIDE_PX)] == interior


def test_phantom_people_are_drawn_beside_people_not_along_paths() -> None:
    labels = grass()
    labels[:, 80:] = PAVED
    seam = look(sampler(), labels).hazards[2]
    labels[58:62, 30:34] = PERSON
    zones = zones_of(labels, roles_of(TAXONOMY)[labels], M_PER_PX)
    said = np.mean([look(sampler(seed=s), labels).hazards[2] for s in range(10)], axis=0)
    assert said[zones == 3].mean() > 5 * said[zones == 1].mean()
    assert seam[zones == 1].mean() < 5.0


def fields(persistence: float, *nearer: float) -> list[np.ndarray]:
    """The ground's field over one place from a height and from parts of it, of 120 landings each."""
    model = replace(load_error_model(), octave_persistence=persistence)
    found: list[list[np.ndarray]] = [[] for _ in nearer]
    for seed in range(120):
        drawn = PerceptionErrorSampler(model, TAXONOMY, 0.0, np.random.default_rng(seed))
        for part, fields_of in zip(nearer, found, strict=True):
            over = ground_from_pixel(37.0 * seed)
            fields_of.append(drawn._ground(grass(), over, model.bands[3], part * M_PER_PX))
    return [np.stack(fields_of) for fields_of in found]


def test_what_is_bad_from_above_often_is_from_half_the_height_as_it_was_measured() -> None:
    measured = load_error_model().octave_persistence
    assert 0.3 < measured < 0.9
    weights = np.array(octave_weights(measured))
    above, half, quarter = fields(measured, 1.0, 0.5, 0.25)
    assert np.mean(above**2) == pytest.approx(1.0, abs=0.2)
    assert np.mean(above * half) == pytest.approx(weights[:-1] @ weights[1:], abs=0.12)
    assert np.mean(above * quarter) == pytest.approx(weights[:-2] @ weights[2:], abs=0.12)
    alone, other = fields(0.0, 1.0, 0.5)
    assert np.mean(alone * other) == pytest.approx(0.0, abs=0.1)


def test_the_mixture_of_octaves_is_as_coarse_as_one_alone() -> None:
    def apart(field: np.ndarray, lag: int) -> float:
        return float((field[..., :-lag] * field[..., lag:]).mean() / (field**2).mean())

    (mixed,), (alone,) = fields(0.6, 1.0), fields(0.0, 1.0)
    for lag in (4, 8, 16, 32):
        assert apart(mixed, lag) == pytest.approx(apart(alone, lag), abs=0.1)


def test_what_a_network_does_not_know_is_bad_wherever_it_lies() -> None:
    share = 0.5
    model = load_error_model()
    band = replace(model.bands[3], world_share=share, persistence=0.9)
    labels = grass()
    labels[:, 80:] = PAVED
    means: list[list[float]] = []
    for seed in range(90):
        drawn = PerceptionErrorSampler(model, TAXONOMY, 0.0, np.random.default_rng(seed))
        here, there = (drawn._ground(labels, ground_from_pixel(m), band, M_PER_PX)[60, (40, 120)] for m in (0.0, 900.0))
        means.append([*here, *there])
    alike = np.corrcoef(np.array(means).T)
    assert alike[0, 2] == pytest.approx(share / 0.9, abs=0.2)  # grass here and grass there
    assert abs(alike[0, 3]) < 0.3  # paved is another draw
    assert np.std(means) == pytest.approx(1.0, abs=0.1)


def test_the_octaves_weights_add_up_to_one_field() -> None:
    for persistence in (0.0, 0.3, 0.6, 0.9):
        weights = octave_weights(persistence)
        assert sum(w * w for w in weights) == pytest.approx(1.0)
    assert octave_weights(0.0) == (1.0, 0.0, 0.0)


def test_equal_seeds_draw_equal_segmentations() -> None:
    a, b, c = (look(sampler(seed=s), grass()).landable for s in (5, 5, 6))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_classes_the_network_does_not_know_take_those_of_their_role() -> None:
    scenes = Taxonomy.load("aeroscapes")
    drawn = PerceptionErrorSampler(load_error_model(), scenes, 0.0, np.random.default_rng(1))
    road = next(c.id for c in scenes.classes if c.name == "road")
    said = look(drawn, np.full((120, 160), road, np.uint8))
    assert said.landable.mean() > 128


def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"format": 99, "levels": []}), "utf-8")
    with pytest.raises(DataError, match="touchdown sim errors"):
        load_error_model(path)
