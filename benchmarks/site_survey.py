"""Measure if the sites of a survey are safe: photographs of simulated worlds, each site judged by the ground truth.

    python -m benchmarks.site_survey --sensor network --sites 100 --json FILE
    python -m benchmarks.site_survey --sensor measured --sites 100 --json FILE

A mapping drone flies lines over each world and takes overlapping photographs straight down. Receiver, compass and
height are wrong as real ones are. `network`: the photographs are rendered, stored with EXIF, and `edge survey` reads
the folder with a network. `measured`: true labels with the measured mistakes of that network, in worlds of more kinds
(`scenes`: slopes, water, crowds), as if it knew their classes; `--sensor network --worlds scenes` shows that it does
not. Seeds are of test.

A site is unsafe where the vehicle's disc holds ground that is not landable or anybody within 2 m, at the time of any
photograph that shows it clear. `missed_by_2_m` counts sites where a disc wider by 2 m would not be landable: what a
vehicle finds that comes back by satellite alone, and has no camera to land by.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.runner import ROOT, Figures, benchmark
from edge.look.view import View
from edge.resolved import resolve_decision
from edge.runtimes import RuntimeOptions
from edge.survey.command import LOOKS, SurveyOptions, run
from edge.survey.merging import MergedSites, MergeRules, SurveyLooks
from edge.survey.photographs import PlacedPhoto, UnplacedError, judge
from landing.camera import CameraModel
from landing.choice.ground_evidence import fault_radii_m
from landing.choice.known_sites import PLACE_ERROR_M
from landing.choice.site_list import ListedSite
from landing.geometry import quaternion_from_euler
from landing.globe import GlobalPlace
from landing.settings import DecisionSection
from landing.types import Frame, Pose, Segmentation
from sim.camera import render
from sim.camera.effects import Effects
from sim.campaign.perception_errors import PerceptionErrorSampler, load_error_model
from sim.campaign.wilson import share
from sim.flight.plan import PERSON_AWAY_M
from sim.world import SEEDS, World, label_view, parse_world_spec
from tests.edge.geotagged import save_geotagged

ORIGIN = GlobalPlace(47.37, 8.55, 410.0)
HEIGHT_M, HFOV_DEG, SIZE_PX = 30.0, 70.0, (640, 480)
LINE_M, STEP_M, HALF_M = 14.0, 9.0, 30.0
"""Lines of photographs overlap by two thirds, and photographs of a line by as much."""

SECONDS_A_PHOTO = 2.0
PLACE_SD_M, HEADING_SD_DEG, HEIGHT_SD = 0.7, 1.0, 0.02
EFFECTS = Effects(noise_sd=2.5, lens_blur_px=0.6)
FIRST_SEED = SEEDS["test"].start + 6_000
MOST_WORLDS = 200


Surveyed = tuple[MergedSites, dict[str, float]]
"""Sites, and the world's time of each photograph by its name."""


class ErringNetwork:
    """True labels with the measured mistakes of a network; what the survey's pipeline asks of a runtime."""

    overlaps = False

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.timings_ms: dict[str, float] = {}
        self.model = load_error_model()
        self._world = world
        self._sampler = PerceptionErrorSampler(self.model, world.taxonomy, 0.0, rng)
        self.pose: Pose | None = None
        self.t_s = 0.0
        self._at_ns = 0

    def submit(self, frame: Frame) -> None:
        self._at_ns = frame.captured_at_ns

    def result(self) -> Segmentation:
        assert self.pose is not None and self.pose.height_agl_m is not None
        camera = camera_of(self.model.size_px)
        labels = label_view(self._world, camera, self.pose, self.t_s, self.model.size_px)
        back = np.linalg.inv(camera.pixel_from_ground_plane(self.pose, 0.0))
        height_m = self.pose.height_agl_m
        return self._sampler.segment(labels, back, height_m, height_m / camera.fx, self._at_ns, 0.0)


def camera_of(size_px: tuple[int, int]) -> CameraModel:
    return CameraModel.from_hfov(*size_px, HFOV_DEG)


def exposures(rng: np.random.Generator) -> list[tuple[Pose, GlobalPlace, float, float, float]]:
    """True pose, and place, height, heading in degrees and time as the drone tells them."""
    found = []
    for line, east_m in enumerate(np.arange(-HALF_M, HALF_M + 0.1, LINE_M)):
        heading_deg = 180.0 * (line % 2)
        for north_m in np.arange(-HALF_M, HALF_M + 0.1, STEP_M):
            turned = heading_deg + float(rng.normal(0.0, 3.0))
            position = (float(north_m), float(east_m), -HEIGHT_M)
            pose = Pose(0, quaternion_from_euler(0.0, 0.0, math.radians(turned)), position, HEIGHT_M)
            wrong = rng.normal(0.0, PLACE_SD_M, 2)
            below = ORIGIN.moved(position[0] + wrong[0], position[1] + wrong[1])
            told_m = HEIGHT_M * (1.0 + float(rng.normal(0.0, HEIGHT_SD)))
            found.append((pose, below, told_m, turned + float(rng.normal(0.0, HEADING_SD_DEG)), len(found)))
    return [(*e[:4], e[4] * SECONDS_A_PHOTO) for e in found]


def by_network(
    world: World, model: Path, folder: Path, rng: np.random.Generator
) -> tuple[MergedSites, dict[str, float]]:
    """Render, store, and survey the folder; the sites, and the time of each photograph."""
    camera, times = camera_of(SIZE_PX), {}
    for pose, below, height_m, heading_deg, t_s in exposures(rng):
        image, _ = render(world, camera, pose, t_s, EFFECTS, rng, labels=False)
        path = folder / f"{len(times):03d}.jpg"
        save_geotagged(path, image, below, height_m, (heading_deg + 180.0) % 360.0 - 180.0, HFOV_DEG)
        times[path.name] = t_s
    options = SurveyOptions(model, RuntimeOptions(threads=1), DecisionSection(), out=folder / "out")
    report = run(options, [folder], lambda line: None)
    return MergedSites(report.sites, report.contradicted, report.seen_once), times


def by_measured(world: World, rng: np.random.Generator) -> Surveyed:
    """Survey true labels with measured mistakes."""
    erring = ErringNetwork(world, rng)
    flies = replace(resolve_decision(DecisionSection(), None), taxonomy=world.taxonomy)
    settings = flies.decision.single_look()
    required_m = settings.required_radius_m
    least_m = required_m + PLACE_ERROR_M
    blank = np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)
    looks, times = [], {}
    for number, (pose, below, height_m, heading_deg, t_s) in enumerate(exposures(rng)):
        erring.pose, erring.t_s = pose, t_s
        name = f"{number:03d}.jpg"
        photo = PlacedPhoto(
            name, blank, View(camera_of(SIZE_PX), height_m, "simulated"), below, math.radians(heading_deg), ""
        )
        times[name] = t_s
        try:
            looks.append(judge(photo, erring, flies, settings, least_m))
        except UnplacedError:
            continue
    rules = MergeRules(required_m, least_m, LOOKS, fault_radii_m(world.taxonomy, required_m))
    return SurveyLooks(looks, rules).merge(), times


def judged(site: ListedSite, world: World, times: dict[str, float], radius_m: float) -> dict[str, Any]:
    """A site by the ground truth."""
    north_m, east_m = ORIGIN.offset_to(site.place)
    bare = replace(world, actors=())
    ground = bare.landable_disc(north_m, east_m, radius_m)
    wide = bare.landable_disc(north_m, east_m, radius_m + PLACE_ERROR_M)
    shown = [times[name] for name in site.source.split(", ")]
    truths = [world.landable_disc(north_m, east_m, radius_m, t_s) for t_s in shown]
    occupied = any(not t.all_landable or t.person_m < PERSON_AWAY_M for t in truths) and ground.all_landable
    return {
        "ne_m": [round(north_m, 2), round(east_m, 2)],
        "clearance_m": round(site.clearance_m, 2),
        "true_clearance_m": round(ground.clearance_m, 2),
        "looks": site.looks,
        "surface": site.surface,
        "bad_ground": [] if ground.all_landable else list(ground.classes),
        "occupied": occupied,
        "missed_by_2_m": not wide.all_landable,
    }


def _survey(spec: str, seed: int, sensor: str, model: Path) -> tuple[World, MergedSites, dict[str, float]]:
    world = parse_world_spec(spec, seed)
    rng = np.random.default_rng((seed, 7))
    if sensor == "measured":
        return world, *by_measured(world, rng)
    folder = Path(tempfile.mkdtemp(prefix="survey-"))
    try:
        return world, *by_network(world, model, folder, rng)
    finally:
        shutil.rmtree(folder)


@benchmark
@click.option("--sensor", type=click.Choice(("network", "measured")), default="network", show_default=True)
@click.option("--model", type=click.Path(path_type=Path), default=ROOT / "models" / "synthetic-unet.onnx")
@click.option("--worlds", default="", help="Specification; procedural for network, scenes for measured by default.")
@click.option("--sites", "wanted", default=100, show_default=True, help="Survey worlds until so many are found.")
@click.option("--first-seed", default=FIRST_SEED, show_default=True)
def main(sensor: str, model: Path, worlds: str, wanted: int, first_seed: int) -> Figures:
    spec = worlds or ("procedural" if sensor == "network" else "scenes")
    radius_m = DecisionSection().vehicle_radius_m
    rows: list[dict[str, Any]] = []
    surveyed: list[dict[str, Any]] = []
    while len(rows) < wanted and len(surveyed) < MOST_WORLDS:
        seed = first_seed + len(surveyed)
        world, merged, times = _survey(spec, seed, sensor, model)
        found = [{"seed": seed, **judged(site, world, times, radius_m)} for site in merged.sites]
        rows += found
        surveyed.append(
            {
                "seed": seed,
                "world": world.name,
                "photographs": len(times),
                "sites": len(found),
                "contradicted": merged.contradicted,
                "seen_once": merged.seen_once,
            }
        )
        unsafe = sum(bool(row["bad_ground"]) or row["occupied"] for row in rows)
        click.echo(f"{world.name} {seed}: {len(found)} sites; {unsafe} unsafe of {len(rows)} so far")
    bad = [row for row in rows if row["bad_ground"] or row["occupied"]]
    return {
        "sensor": sensor,
        "worlds": spec,
        "network": model.name if sensor == "network" else load_error_model().origin,
        "surveyed": surveyed,
        "photographs": sum(s["photographs"] for s in surveyed),
        "worlds_without_a_site": sum(not s["sites"] for s in surveyed),
        "sites": len(rows),
        "unsafe": asdict(share(len(bad), len(rows))),
        "bad_ground": dict(Counter(", ".join(row["bad_ground"]) for row in bad if row["bad_ground"])),
        "occupied": sum(row["occupied"] for row in rows),
        "missed_by_2_m": asdict(share(sum(row["missed_by_2_m"] for row in rows), len(rows))),
        "place_error_m": {
            "sd": PLACE_SD_M,
            "heading_sd_deg": HEADING_SD_DEG,
            "height_sd": HEIGHT_SD,
            "cut_off_sd": None,
        },
        "rows": rows,
        "within_limits": not bad,
    }
