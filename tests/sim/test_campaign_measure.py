"""The statistics behind the measured model, on outputs put together by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from landing.camera import CameraModel
from landing.errors import DataError
from landing.taxonomy import HAZARD_ROLES, Taxonomy
from landing.types import Frame, Segmentation
from sim.camera.effects import Effects
from sim.campaign.eval_samples import (
    PICTURE_PX,
    SIZE_PX,
    EvalSample,
    classes_in,
    closer_sample,
    look,
    own_plane,
    random_place,
    reduced,
    tilted_pose,
)
from sim.campaign.fault_shifts import FaultTally
from sim.campaign.measure import (
    BANDS_M,
    LEAST_PICTURES,
    LEAST_PIXELS,
    TRUTH,
    _band,
    _count,
    _enough,
    _in_all_classes,
    _nearest_zone,
    _quantiles,
    _Tally,
    _wrong_of,
    octave_persistence,
    write_measured,
)
from sim.campaign.patches import Patches, Place
from sim.campaign.perception_errors import FORMAT, LEVELS, PLANES, ZONES, load_error_model
from sim.world import scene


class Says:
    """A network that calls all it sees one class of `synthetic`, and landable."""

    spec = SimpleNamespace(taxonomy=Taxonomy.load("synthetic"))

    def __init__(self, class_id: int) -> None:
        self._class_id = class_id

    def segment(self, frame: Frame) -> Segmentation:
        shape = frame.image_bgr.shape[:2]
        planes = np.zeros((1 + len(HAZARD_ROLES), *shape), np.uint8)
        planes[0] = 255
        return Segmentation(np.full(shape, self._class_id, np.uint8), planes[0], planes[1:])


def test_of_a_class_without_a_name_in_the_network_it_is_measured_what_it_says() -> None:
    truth = Taxonomy.load(TRUTH)
    slope = next(c.id for c in truth.classes if c.name == "slope")
    world = scene(10_003, family="hillside", size_m=60.0, gsd_m=0.4)
    rows, columns = np.nonzero(world.labels == slope)
    u0, v0 = world.origin_px
    place = ((v0 - rows[0]) * world.gsd_m, (columns[0] - u0) * world.gsd_m)
    rng, tally = np.random.default_rng(1), _Tally()
    camera = CameraModel.from_hfov(*PICTURE_PX, 70.0)
    one = look(Says(1), world, camera, tilted_pose(*place, 20.0, 0.0, rng), 0.0, Effects(), rng)  # type: ignore[arg-type]
    _count(tally, one, truth, rng)
    zone = min(zone for zone, seen_id in tally.samples if seen_id == slope)
    assert set(tally.samples[zone, slope][0][:, 0]) == {255}
    assert tally.confusion is not None
    assert tally.confusion[slope, 1] == tally.confusion[slope].sum() > 0


def test_a_networks_classes_are_found_in_the_truths_by_name_and_role() -> None:
    truth, network = Taxonomy.load(TRUTH), Taxonomy.load("semantic-drone")
    lut = classes_in(truth, network)
    for info in network.classes:
        found = next((c for c in truth.classes if c.id == lut[info.id]), None)
        assert found is None or found.role is info.role
    assert lut[255] == truth.ignore_index


def test_worlds_of_other_classes_are_refused() -> None:
    world = replace(scene(10_003, size_m=60.0, gsd_m=0.4), taxonomy=Taxonomy.load("semantic-drone"))
    with pytest.raises(DataError, match="none of scenes"):
        _in_all_classes(world, Taxonomy.load(TRUTH))


def test_wrong_is_missing_the_own_role_or_a_phantom_hazard() -> None:
    right = np.array([[255, 0, 0, 0, 0]], np.uint8)
    unsure = np.array([[100, 0, 0, 0, 0]], np.uint8)
    phantom = np.array([[250, 0, 0, 200, 0]], np.uint8)
    wrong = [float(_wrong_of(o, 0)[0]) for o in (right, unsure, phantom)]
    assert wrong[0] < wrong[1] < wrong[2]
    seen = np.array([[0, 0, 0, 240, 0]], np.uint8)
    missed = np.array([[250, 0, 0, 5, 0]], np.uint8)
    assert _wrong_of(seen, 3)[0] < _wrong_of(missed, 3)[0]


def test_quantiles_keep_the_share_of_bad_outputs() -> None:
    outputs = np.zeros((10_000, PLANES), np.uint8)
    outputs[:, 0] = 250
    outputs[:500, 0], outputs[:500, 1] = 10, 240  # one in twenty looks like an obstacle
    rows = np.array(_quantiles([outputs], 0, np.random.default_rng(1)))
    bad = rows[:, 0] < 128
    assert list(bad) == sorted(bad)
    widths = np.diff([0.0, *LEVELS])
    assert widths[bad].sum() == pytest.approx(0.05, abs=0.02)


def test_a_class_that_was_never_seen_says_nothing() -> None:
    assert _quantiles(None, 0, np.random.default_rng(1)) == [[0] * PLANES for _ in LEVELS]


def test_a_band_that_shows_too_little_of_a_class_asks_its_neighbours() -> None:
    def seen(pictures: int, pixels: int, value: int) -> _Tally:
        outputs = [np.full((pixels, PLANES), value, np.uint8) for _ in range(pictures)]
        return _Tally(samples={(0, 6): outputs} if outputs else {})

    plenty, little, nothing = (LEAST_PICTURES, LEAST_PIXELS), (2, 30), (0, 0)
    sizes = [plenty, plenty, plenty, little, nothing, nothing, nothing]
    tallies = [seen(*size, value) for value, size in enumerate(sizes)]
    own, heights_m = _enough(tallies, 0, (0, 6))
    assert heights_m == BANDS_M[0]
    assert {int(o[0, 0]) for o in own} == {0}
    near, heights_m = _enough(tallies, 3, (0, 6))
    assert heights_m == (BANDS_M[2][0], BANDS_M[4][1])
    assert {int(o[0, 0]) for o in near} == {2, 3}
    far, heights_m = _enough(tallies, 6, (0, 6))
    assert heights_m == (BANDS_M[2][0], BANDS_M[6][1])
    assert len(far) >= LEAST_PICTURES
    assert _enough(tallies, 0, (1, 6)) == ([], (BANDS_M[0][0], BANDS_M[6][1]))


def test_what_was_hardly_seen_is_not_made_up() -> None:
    taxonomy = Taxonomy.load("synthetic")
    tallies = [_Tally(confusion=np.zeros((12, 12), np.int64)) for _ in BANDS_M]
    with pytest.raises(DataError, match="take more --frames"):
        _band(tallies, 2, taxonomy, np.random.default_rng(1))


def test_a_zone_a_class_was_never_seen_in_is_like_the_next() -> None:
    tallies = [_Tally(samples={(0, 4): []}), _Tally(samples={(2, 4): []})]
    assert [_nearest_zone(tallies, zone, 4) for zone in range(4)] == [0, 0, 2, 2]
    assert _nearest_zone(tallies, 3, 5) == 3


def test_pictures_are_taken_over_every_class_that_a_world_has() -> None:
    world = scene(10_003, family="pools", size_m=80.0, gsd_m=0.4)
    own = own_plane(world.taxonomy)
    there = {int(c) for c in np.unique(world.labels) if own[c] >= 0}
    rng = np.random.default_rng(2)
    hit = [world.label_at(*random_place(world, 0.0, rng)) for _ in range(40 * len(there))]
    counts = np.bincount(hit, minlength=12)
    expected = len(hit) / (len(there) + 1)
    # Somebody may stand on what was aimed at, and an actor may be aimed at himself.
    assert all(counts[c] > 0.3 * expected for c in there)
    assert {c for c in range(len(counts)) if counts[c] and own[c] < 0} == set()


def test_a_fault_shifts_by_what_it_adds_to_the_wrong_share() -> None:
    tally = FaultTally()
    for name, wrong in (("", 100), ("noise_sd", 200), ("lens_blur_px", 90), ("darkness", 1000)):
        tally.wrong[name], tally.total[name] = wrong, 1000
    shifts = tally.shifts()
    # 10 and 20 % are 1.2816 and 0.8416 standard deviations below the middle; strength is 8.
    assert shifts["noise_sd"] == pytest.approx((1.2816 - 0.8416) / 8.0, abs=1e-3)
    assert shifts["lens_blur_px"] == 0.0
    assert math.isfinite(shifts["darkness"])


def test_a_reduced_segmentation_keeps_a_person_of_one_pixel() -> None:
    shape = (288, 384)
    hazards = np.zeros((4, *shape), np.uint8)
    hazards[2, 100, 200] = 255
    said = Segmentation(np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), hazards, 3)
    small = reduced(said)
    assert small.shape == (SIZE_PX[1], SIZE_PX[0])
    assert small.hazards[2].max() == 255
    assert small.captured_at_ns == 3


def test_every_role_has_its_plane() -> None:
    taxonomy = Taxonomy.load("synthetic")
    own = own_plane(taxonomy)
    by_name = {c.name: own[c.id] for c in taxonomy.classes}
    assert by_name["grass"] == 0
    assert (by_name["roof"], by_name["pool"], by_name["person"], by_name["car"]) == (1, 2, 3, 4)
    assert by_name["unknown"] == -1


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    model = load_error_model()
    names = list(model.class_names)
    data = {
        "format": FORMAT,
        "origin": "test",
        "size_px": [160, 120],
        "levels": list(LEVELS),
        "classes": names,
        "shifts": {"darkness": 0.5},
        "octave_persistence": 0.6,
        "bands": [
            {
                "height_m": [2.0, 9.0],
                "correlation_px": 4.0,
                "region_share": 0.5,
                "world_share": 0.2,
                "persistence": 0.5,
                "mover_persistence": 0.9,
                "confusion": {n: [float(m == n) for m in names] for n in names},
                "outputs": {z: {n: [[1] * PLANES] * len(LEVELS) for n in names} for z in ZONES},
            }
        ],
    }
    path = tmp_path / "m.json"
    write_measured(data, path)
    assert json.loads(path.read_text("utf-8")) == data
    again = load_error_model(path)
    assert again.bands[0].outputs.max() == 1
    assert math.isclose(again.shift_of({"darkness": 0.5, "unheard": 9.0}), 0.25)


def test_of_the_octaves_what_could_be_shared_at_all_is_the_measure() -> None:
    rng = np.random.default_rng(4)

    def seen(kept: float) -> Patches:
        """Errors of two pictures that correlate by so much."""
        patches = Patches()
        for _ in range(30):
            first = rng.standard_normal((60, 80))
            second = kept * first + np.sqrt(1 - kept**2) * rng.standard_normal((60, 80))
            bytes_of = [np.clip(128 + 30 * z, 0, 255).astype(np.uint8) for z in (first, second)]
            labels = np.zeros((60, 80), np.uint8)
            patches.add(bytes_of[0], labels, bytes_of[1], labels, Place(0, 0.0, 0.0, 10.0))
        return patches

    assert octave_persistence([seen(0.45), Patches()], [0.9, 0.9]) == pytest.approx(0.5, abs=0.05)
    # No more than all of it, and nothing is made up.
    assert octave_persistence([seen(0.9)], [0.5]) == 0.98
    with pytest.raises(DataError, match="half the height"):
        octave_persistence([Patches()], [0.9])


def test_a_nearer_look_is_over_the_same_place_from_half_the_height() -> None:
    camera = CameraModel.from_hfov(*PICTURE_PX, 70.0).resized(*SIZE_PX)
    pose = tilted_pose(3.0, -4.0, 20.0, 0.7, np.random.default_rng(1))

    world = scene(10_003, family="pools", size_m=60.0, gsd_m=0.4)
    first = EvalSample(camera, pose, 1.0, np.zeros((120, 160), np.uint8), None)  # type: ignore[arg-type]
    nearer = closer_sample(Says(0), world, first, np.random.default_rng(2))  # type: ignore[arg-type]
    assert nearer is not None and nearer.pose.height_agl_m == 10.0 and nearer.t_s > first.t_s
    assert nearer.pose.position_ned_m == pytest.approx((3.0, -4.0, -10.0), abs=3.0)
    assert nearer.camera == camera and nearer.labels.shape == (120, 160)
    low = EvalSample(camera, tilted_pose(0, 0, 0.7, 0.0, np.random.default_rng(1)), 0.0, first.labels, first.said)
    assert closer_sample(Says(0), world, low, np.random.default_rng(2)) is None  # type: ignore[arg-type]
