"""Landings over photographs: what the network may say of them, how they are judged, what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edge.runtimes import RuntimeOptions, load_runtime
from landing.camera import CameraModel
from landing.errors import DataError
from landing.geometry import quaternion_from_euler
from landing.ground.scale import GroundScale
from landing.model.spec import GroundRange
from landing.taxonomy import Taxonomy
from landing.types import Pose
from sim.camera import Motion
from sim.camera.effects import Effects
from sim.camera.sensor import CameraSensor
from sim.campaign.campaign import run_campaign
from sim.campaign.command import plan_from
from sim.campaign.scene import CampaignError
from sim.flight.loop import CameraSample
from sim.flight.photo_ground import PhotoGround
from sim.flight.photo_sensor import PhotoSensor, resolved_height_m
from sim.vehicle.autopilot.estimator import EstimatorErrors, StateEstimator
from sim.vehicle.multicopter import Vehicle
from sim.world import World, expand_world_spec, parse_world_spec
from tests.command import call
from tests.edge.fake_model import build

TAXONOMY = Taxonomy.load("synthetic")
GRASS, WATER = (next(c.id for c in TAXONOMY.classes if c.name == n) for n in ("grass", "water"))
CAMERA = CameraModel.from_hfov(160, 120, 80.0)


@pytest.fixture(scope="module")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that needs no training: every pixel is the class of the nearest colour."""
    path = tmp_path_factory.mktemp("model") / "nearest-colour.onnx"
    onnx.save(build(TAXONOMY, width_px=160, height_px=120), str(path))
    return path


def write_photo(folder: Path, name: str, labels: np.ndarray, labelled: bool = False) -> Path:
    """A picture in the colours of its classes with a little grain, and its label map."""
    folder.mkdir(exist_ok=True)
    grain = np.random.default_rng(0).integers(-8, 9, (*labels.shape, 3), dtype=np.int16)
    picture = np.clip(TAXONOMY.palette_bgr[labels].astype(np.int16) + grain, 0, 255).astype(np.uint8)
    cv2.imwrite(str(folder / f"{name}.png"), picture)
    if labelled:
        (folder / "labels").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "labels" / f"{name}.png"), labels)
    return folder / f"{name}.png"


def lake_and_lawn() -> np.ndarray:
    """24 by 18 m at 6 cm: grass in the west, water in the east."""
    labels = np.full((300, 400), GRASS, np.uint8)
    labels[:, 260:] = WATER
    return labels


def world_of(tmp_path: Path) -> World:
    return parse_world_spec(f"photo:{write_photo(tmp_path, 'lake', lake_and_lawn())}?gsd_m=0.06&taxonomy=synthetic")


@pytest.mark.parametrize("looks", ["ground", "frames"])
def test_low_down_the_network_says_what_the_photograph_can_show(tmp_path: Path, colour_model: Path, looks: str) -> None:
    world = world_of(tmp_path)
    attitude = quaternion_from_euler(0.03, -0.02, 0.0)
    with load_runtime(colour_model, RuntimeOptions(threads=1)) as runtime:
        ground = PhotoGround(world, CAMERA, runtime)
        sensor = PhotoSensor(world, CameraSensor(CAMERA, Effects()), runtime)
        assert ground.resolved_m == sensor.resolved_m == pytest.approx(1.5 * 0.06 * CAMERA.fx)
        for number, height_m in enumerate((16.0, 9.0, 6.0, 5.5, 1.8)):
            pose = Pose(0, attitude, (1.0, 3.5, -height_m), height_m)
            if looks == "ground":
                answer = ground.answer(CAMERA, pose, 7)
            else:
                frame = sensor.frame(CameraSample(number, 7, 7, pose, 0.0, Motion()))
                sensor.submit(frame)
                answer = sensor.result()
                assert sensor.resolves is (height_m > sensor.resolved_m)
            assert answer.captured_at_ns == 7
            rows, columns = answer.shape
            v, u = np.mgrid[0:rows, 0:columns]
            small = CAMERA.resized(columns, rows)
            pixels = np.column_stack([u.ravel(), v.ravel()]).astype(float)
            places = small.ground_from_pixel(pixels, pose, 0.0)[:, :2]
            north_m, east_m = places[:, 0].reshape(u.shape), places[:, 1].reshape(u.shape)
            beyond = (np.abs(north_m) > 9.5) | (np.abs(east_m) > 12.5)
            grass = (east_m < 3.2) & (np.abs(north_m) < 8.7) & (east_m > -11.7)
            lake = (east_m > 4.0) & (np.abs(north_m) < 8.7) & (east_m < 11.7)
            assert (answer.landable[grass] > 128).all() and (answer.landable[lake] < 128).all()
            assert (answer.class_id[grass] == GRASS).all() and (answer.class_id[lake] == WATER).all()
            assert not answer.landable[beyond].any() and not answer.hazards[:, beyond].any()
            assert beyond.any() == (height_m == 16.0) and lake.any() and grass.any()


def test_a_photograph_is_seen_no_coarser_than_the_network_was_trained_for(tmp_path: Path) -> None:
    world, fx = world_of(tmp_path), CAMERA.fx
    assert resolved_height_m(world, CAMERA, None) == pytest.approx(0.09 * fx)
    for coarsest_mm, expected_mm in ((100.0, 90.0), (75.0, 75.0), (50.0, 60.0)):
        scale = GroundScale(GroundRange(finest_mm=1.0, coarsest_mm=coarsest_mm, source="a test"), fx)
        assert resolved_height_m(world, CAMERA, scale) == pytest.approx(1e-3 * expected_mm * fx)


def test_the_same_pixels_are_not_asked_about_twice(tmp_path: Path, colour_model: Path) -> None:
    world = world_of(tmp_path)
    with load_runtime(colour_model, RuntimeOptions(threads=1)) as runtime:
        ground, asked = PhotoGround(world, CAMERA, runtime), 0
        for height_m in (3.0, 2.5, 2.0, 1.0):
            ground.answer(CAMERA, Pose(0, (1.0, 0.0, 0.0, 0.0), (6.0, -9.0, -height_m), height_m), 0)
            asked = ground.looks if height_m == 3.0 else asked
        assert ground.looks == asked < 9, "what was seen from higher up is not asked again, what is out of view never"
        ground.answer(CAMERA, Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 8.0, -1.0), 1.0), 0)
        assert ground.looks > asked


def campaign_over(folder: Path, model: Path, out: Path, **asked: object) -> list[dict]:
    plan = plan_from(
        policies="touchdown",
        worlds=f"photo:{folder}?taxonomy=synthetic&labels={folder / 'labels'}",
        seed=1,
        split="val",
        segmentation="model",
        model=model,
        **{"gsd_m": 0.06, **asked},
    )
    records, _ = run_campaign(plan, out, "processes", 1)
    return records


def test_a_folder_is_flown_with_and_without_labels(tmp_path: Path, colour_model: Path) -> None:
    folder = tmp_path / "photos"
    write_photo(folder, "labelled", lake_and_lawn(), labelled=True)
    write_photo(folder, "plain", lake_and_lawn())
    write_photo(folder, "pond", np.full((300, 400), WATER, np.uint8))
    labelled, plain, pond = campaign_over(folder, colour_model, tmp_path / "out")
    assert (labelled["site"], labelled["verdict"]) == ("site", "landed-safe")
    assert labelled["touchdown"]["classes"] == ["grass"]
    assert (plain["site"], plain["verdict"]) == ("unknown", "landed-unjudged")
    assert plain["reason"] == "not judged: no labels" and plain["start_ne_m"] == [0.0, 0.0]
    east_m = plain["touchdown"]["ne_m"][1]
    assert -12.0 < east_m < 3.6
    facts = plain["photograph"]
    assert facts["size_m"] == [24.0, 18.0] and "coarser than the camera" in facts["words"]
    # From no higher than the photograph fills the view.
    c = plain["conditions"]
    assert 2 * c["height_m"] * np.tan(np.radians(c["hfov_deg"]) / 2) <= 24.001
    assert pond["verdict"] == "no-site" and pond["refusal"]["cause"] == "water"
    assert pond["story"] and "no site" in pond["story"][-1][2] + pond["story"][0][2]


def test_relief_is_measured_over_a_photograph_and_finds_it_flat(tmp_path: Path, colour_model: Path) -> None:
    write_photo(tmp_path / "photos", "lake", lake_and_lawn(), labelled=True)
    asked = {name: (f"decision.relief.enabled={name}",) for name in ("true", "false")}
    on, off = (
        campaign_over(tmp_path / "photos", colour_model, tmp_path / name, settings=settings)[0]
        for name, settings in asked.items()
    )
    assert on["verdict"] == off["verdict"] == "landed-safe"
    stepped = ["steps 1.5 m aside to see the relief" in " ".join(words for *_, words in r["story"]) for r in (on, off)]
    assert stepped == [True, False]
    assert not any("slope" in words or "tall" in words for *_, words in on["story"])


def test_photographs_that_cannot_be_flown_are_left_out_with_the_reason(tmp_path: Path, colour_model: Path) -> None:
    write_photo(tmp_path / "p", "plain", lake_and_lawn())
    said: list[str] = []
    asked = {"policies": "touchdown", "seed": 1, "split": "val", "segmentation": "model", "model": colour_model}
    with pytest.raises(DataError, match="scale is not known"):
        plan_from(worlds=f"photo:{tmp_path / 'p'}", say=said.append, **asked)
    assert len(said) == 1 and said[0].startswith("left out: picture")
    with pytest.raises(CampaignError, match="--segmentation model"):
        plan_from(worlds=f"photo:{tmp_path / 'p'}", **{**asked, "segmentation": "errors"}, gsd_m=0.06)
    with pytest.raises(DataError, match="holds no pictures"):
        (tmp_path / "empty").mkdir()
        expand_world_spec(f"photo:{tmp_path / 'empty'}")
    plan = plan_from(worlds=f"photo:{tmp_path / 'p'},photo:{tmp_path / 'p'}", gsd_m=0.06, **asked)
    assert plan.scenes == 2 and "gsd_m=0.06" in plan.worlds[0]


def test_one_landing_without_labels_waits_for_a_person_to_judge_it(tmp_path: Path, colour_model: Path) -> None:
    photo = write_photo(tmp_path, "plain", lake_and_lawn())
    options = f"--gsd-m 0.06 --model {colour_model} --size 160x120 --height-m 8 --out {tmp_path / 'out'} --json"
    done = call(*f"sim land --world photo:{photo} {options}".split())
    assert done.returncode == 4, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["verdict"], result["clock"]) == ("landed-unjudged", "simulated")
    assert result["start_ne_m"] == [0.0, 0.0] and "coarser than the camera" in result["photograph"]
    assert (tmp_path / "out/landing.png").is_file()


def test_the_drift_of_the_estimator_is_no_reset() -> None:
    """Within a second it moves by less than ArduCopter's own does: 0.29 m, 0.14 m down, with sd of half a metre."""
    estimator = StateEstimator(Vehicle(), EstimatorErrors(position_wander_m=0.5), seed=3)
    track = np.array([estimator.estimate(0.01)[1:4] for _ in range(60_000)])
    within_s = track[100:] - track[:-100]
    assert np.hypot(within_s[:, 0], within_s[:, 1]).max() < 0.29
    assert np.abs(within_s[:, 2]).max() < 0.14
    assert track[20_000:].std(axis=0).mean() == pytest.approx(0.5, abs=0.2)
