"""Make the pictures of docs/how-it-decides.md: each step of a decision over one frame of a simulated flight.

    python -m docs.make.how_it_decides

The frames are rendered by the simulator over a world that the demo network was not trained on. Everything else is what
flies: network, pipeline, ground map, picker, tracker, gates, and the drawing of `edge look` and of the live page. The
maps are those that the decision itself used; nothing is computed a second time. Needs matplotlib (extra `train`).
"""

from __future__ import annotations

import argparse
import io
import math
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch
from PIL import Image

from edge.annotate import annotate
from edge.pipeline import Pipeline, Step
from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import RuntimeOptions, load_runtime
from edge.web.preview_frame import ground_rgba, mask_of
from landing.camera import CameraModel
from landing.choice.picker import Candidate
from landing.choice.tracker import MapSnapshot, SiteTracker
from landing.geometry import quaternion_from_euler
from landing.guidance.gates import Gate, gates
from landing.settings import DecisionSection, DirectorSection, DirectorSettings
from landing.site import LandingSite, Selection
from landing.taxonomy import HAZARD_ROLES
from landing.types import ByteArray, Frame, Pose
from landing.vehicle import Autopilot, VehicleStatus
from sim.camera import render
from sim.cli import find_demo_model
from sim.world import World, parse_world_spec

OUT = Path(__file__).resolve().parents[1] / "pictures" / "how-it-decides"
WORLD, SEED = "procedural", 1012
"""A park with trees, a path and people; the demo network was trained on other places."""
START_NE_M, HEIGHT_M, SPEED_MPS, YAW_RAD, TILT_RAD = (-5.0, 2.5), 15.0, (1.0, 0.4), 0.3, 0.04
"""Of the flight, relative to the first person of the world."""
FPS, FRAMES, SIZE_PX, HFOV_DEG = 5.0, 13, (960, 720), 78.0
BEGAN_NS, WORLD_S = 1_000_000_000, 20.0
SHOWN_M = 16.0
"""Half the side of the maps that are drawn."""
APART_M, MOST_DISCS = 5.0, 4
"""Distance between the candidates that are drawn, and how many."""
HAZARD_COLOURS = ("#D55E00", "#0072B2", "#E6003C", "#F0E442")
"""Of obstacle, water, person and vehicle: as on the live page."""


@dataclass(frozen=True)
class Moment:
    """One frame's decision with the maps that it was made from.

    Attributes:
        step: Of the pipeline.
        snapshot: Map after the frame.
        pose: At capture time.
    """

    step: Step
    snapshot: MapSnapshot
    pose: Pose


@dataclass(frozen=True)
class Flown:
    """A short flight, frame by frame.

    Attributes:
        moments: Of all frames; the last one is drawn.
        camera: Lens and mount.
        flies: Settings in force, as the daemon takes them from model and defaults.
    """

    moments: list[Moment]
    camera: CameraModel
    flies: ResolvedDecision

    @property
    def last(self) -> Moment:
        """The moment that is drawn."""
        return self.moments[-1]


@contextmanager
def kept_snapshots() -> Iterator[list[MapSnapshot]]:
    """Keep each map that the tracker is given."""
    kept: list[MapSnapshot] = []
    update = SiteTracker.update

    def keeping(tracker: SiteTracker, snapshot: MapSnapshot) -> Selection:
        kept.append(snapshot)
        return update(tracker, snapshot)

    with patch.object(SiteTracker, "update", keeping):
        yield kept


def pose_at(world: World, seconds: float) -> Pose:
    """Pose of the flight so long after its start."""
    person = next(actor for actor in world.actors_at(WORLD_S) if actor.kind == "person")
    north_m = person.north_m + START_NE_M[0] + SPEED_MPS[0] * seconds
    east_m = person.east_m + START_NE_M[1] + SPEED_MPS[1] * seconds
    return Pose(
        at_ns=BEGAN_NS + round(seconds * 1e9),
        ned_from_frd=quaternion_from_euler(0.0, -TILT_RAD, YAW_RAD),
        position_ned_m=(north_m, east_m, -HEIGHT_M),
        height_agl_m=HEIGHT_M,
    )


def fly(frames: int = FRAMES, size_px: tuple[int, int] = SIZE_PX) -> Flown:
    """Fly over the world and decide on each frame.

    Args:
        frames: Number of them.
        size_px: Of a frame, width and height.
    """
    world = parse_world_spec(WORLD, SEED)
    camera = CameraModel.from_hfov(*size_px, HFOV_DEG)
    moments: list[Moment] = []
    with load_runtime(find_demo_model(), RuntimeOptions(threads=1)) as runtime, kept_snapshots() as snapshots:
        flies = resolve_decision(DecisionSection(), runtime.spec)
        now_ns = BEGAN_NS
        pipeline = Pipeline(runtime, flies.decider(camera), camera, lambda: now_ns, time.perf_counter_ns)
        for number in range(frames):
            pose = pose_at(world, number / FPS)
            now_ns = pose.at_ns
            picture, _ = render(world, camera, pose, WORLD_S + number / FPS, labels=False)
            step = pipeline.step(Frame(picture, number, pose.at_ns), lambda _, pose=pose: pose)
            moments.append(Moment(step, snapshots[-1], pose))
    return Flown(moments, camera, flies)


# --- over the frame ---


def draw_frame(flown: Flown) -> Image.Image:
    """The frame as the camera gives it."""
    return _image(flown.last.step.frame.image_bgr)


def draw_classes(flown: Flown) -> Image.Image:
    """The most probable class of each pixel, over the frame, with the names of those that are there."""
    step, taxonomy = flown.last.step, flown.flies.classes
    ids = step.segmentation.class_id
    colours = _stretched(taxonomy.palette_bgr[ids], step.frame)
    image = cv2.addWeighted(step.frame.image_bgr, 0.35, colours, 0.65, 0.0)
    counts = np.bincount(ids.ravel(), minlength=len(taxonomy))
    shown = [k for k in np.argsort(-counts) if counts[k] > 0.0005 * ids.size]
    handles = [
        Patch(
            color=np.array(taxonomy.classes[k].color_rgb) / 255.0,
            label=f"{taxonomy.classes[k].name} ({taxonomy.classes[k].role.value})",
        )
        for k in shown
    ]
    return _over_frame(image, handles, "Most probable class of each pixel")


def draw_landable(flown: Flown) -> Image.Image:
    """Probability of landable ground: the sum over all landable classes."""
    step = flown.last.step
    figure, axes = _frame_figure("Probability that the ground is landable")
    shown = axes.imshow(_stretched(step.segmentation.landable, step.frame) / 255.0, cmap="cividis", vmin=0.0, vmax=1.0)
    figure.colorbar(shown, ax=axes, shrink=0.8)
    return _rendered(figure)


def draw_hazards(flown: Flown) -> Image.Image:
    """Hazards at their thresholds, each in its colour."""
    step, settings = flown.last.step, flown.flies.decision
    mask = _stretched(mask_of(step.segmentation, settings), step.frame)
    image = step.frame.image_bgr.copy()
    handles = []
    for number, (role, colour) in enumerate(zip(HAZARD_ROLES, HAZARD_COLOURS, strict=True)):
        red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
        tinted = mask == number + 2
        image[tinted] = (0.3 * image[tinted] + 0.7 * np.array((blue, green, red))).astype(np.uint8)
        handles.append(Patch(color=colour, label=f"{role.value} from {settings.hazard_thresholds[role]:.2f}"))
    return _over_frame(image, handles, "Hazards, from the probability at which each counts")


def draw_site(flown: Flown) -> Image.Image:
    """The chosen site over the frame, as `edge look` and the recorder draw it."""
    return _image(annotate(flown.last.step, flown.camera, flown.flies.decision))


# --- over the map ---


def draw_map(flown: Flown) -> Image.Image:
    """The ground map: evidence of all frames as a probability, and seconds since a cell was seen."""
    view = flown.last.snapshot.view
    figure = Figure(figsize=(9.6, 4.6), dpi=90, layout="constrained")
    never = np.isinf(view.unseen_s)
    planes = (
        (
            np.where(never, np.nan, view.probability),
            "Landable, all frames together",
            "cividis",
            (0.0, 1.0),
            "probability",
        ),
        (
            np.where(never, np.nan, view.unseen_s),
            "Age of the evidence",
            "viridis_r",
            (0.0, None),
            "seconds since it was seen",
        ),
    )
    for number, (plane, title, colours, (low, high), label) in enumerate(planes):
        axes = figure.add_subplot(1, 2, 1 + number)
        shown = axes.imshow(plane, cmap=colours, vmin=low, vmax=high, **_placed(flown))
        figure.colorbar(shown, ax=axes, shrink=0.75, label=label)
        _finish_map(axes, flown, title)
    return _rendered(figure)


def draw_clearance(flown: Flown) -> Image.Image:
    """The map's cells by what they are, and the radius that is free around each."""
    snapshot = flown.last.snapshot
    figure = Figure(figsize=(9.6, 4.6), dpi=90, layout="constrained")
    axes = figure.add_subplot(1, 2, 1)
    axes.imshow(ground_rgba(snapshot.view)[::-1], **_placed(flown))
    _finish_map(axes, flown, "Free (green), hazards, not sure (grey)")
    axes = figure.add_subplot(1, 2, 2)
    clear = np.where(snapshot.clearance_m > 0, snapshot.clearance_m, np.nan)
    shown = axes.imshow(clear, cmap="cividis", vmin=0.0, **_placed(flown))
    figure.colorbar(shown, ax=axes, shrink=0.75, label="m")
    _finish_map(axes, flown, "Clear radius around each place")
    return _rendered(figure)


def candidates(flown: Flown) -> list[Candidate]:
    """The best places by score, each at least `APART_M` from the better ones; the picker's own choice is the first."""
    snapshot = flown.last.snapshot
    view, settings = snapshot.view, flown.flies.decision
    wide = snapshot.clearance_m >= settings.required_radius_m + settings.new_site_margin_m
    score = np.where((snapshot.regions.labels > 0) & wide, snapshot.score_m, -np.inf)
    first = snapshot.best
    found = [first] if isinstance(first, Candidate) else []
    rows, columns = np.indices(score.shape)
    while found and len(found) < MOST_DISCS:
        cell = view.cell_of(found[-1].north_m, found[-1].east_m)
        assert cell is not None
        score[np.hypot(rows - cell[0], columns - cell[1]) * view.cell_m < APART_M] = -np.inf
        row, column = (int(k) for k in np.unravel_index(int(np.argmax(score)), score.shape))
        if not np.isfinite(score[row, column]):
            break
        clear_m, area_m2 = float(snapshot.clearance_m[row, column]), snapshot.regions.area_m2(row, column)
        found.append(Candidate(*view.centre_of(row, column), clear_m, area_m2, float(score[row, column])))
    return found


def draw_candidates(flown: Flown) -> Image.Image:
    """The scores of all places, and the best discs with score and clearance."""
    snapshot = flown.last.snapshot
    figure = Figure(figsize=(6.4, 5.6), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    score = np.where(snapshot.regions.labels > 0, snapshot.score_m, np.nan)
    shown = axes.imshow(score, cmap="cividis", **_placed(flown))
    figure.colorbar(shown, ax=axes, shrink=0.8, label="score, m")
    for number, place in enumerate(candidates(flown)):
        north_m, east_m = _from_vehicle(flown, place.north_m, place.east_m)
        best = number == 0
        line = {"fill": False, "linewidth": 2.5 if best else 1.5, "color": "black", "linestyle": "-" if best else "--"}
        axes.add_patch(Circle((east_m, north_m), place.clearance_m, **line))
        text = f"{number + 1}: score {place.score_m:.1f}\n{place.clearance_m:.1f} m clear"
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
        axes.text(east_m, north_m, text, ha="center", va="center", fontsize=8, bbox=box)
    _finish_map(axes, flown, "Where the middle of a site may be, and the best discs")
    return _rendered(figure)


# --- gates ---


def gate_columns(flown: Flown) -> dict[str, tuple[Gate, ...]]:
    """The gates at three moments: after the first frame, now, and one second after the camera stopped."""
    settings = DirectorSettings.beside(DirectorSection(), flown.flies.decision)
    vehicle = VehicleStatus(True, Autopilot.ARDUPILOT, armed=True, airborne=True, landing=True, mode="LAND")

    def at(moment: Moment, later_s: float = 0.0) -> tuple[Gate, ...]:
        now_ns = moment.pose.at_ns + round(later_s * 1e9)
        pose = Pose(now_ns, moment.pose.ned_from_frd, moment.pose.position_ned_m, HEIGHT_M)
        return gates(now_ns, moment.step.decision, pose, vehicle, settings)

    return {
        "after the first frame": at(flown.moments[0]),
        "now": at(flown.last),
        "camera silent for 1 s": at(flown.last, 1.0),
    }


def draw_gates(flown: Flown) -> Image.Image:
    """The gates in their order, open or closed with the reason."""
    columns = gate_columns(flown)
    names = [gate.name for gate in columns["now"]]
    figure = Figure(figsize=(9.6, 0.34 * len(names) + 0.9), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.axis("off")
    cells, colours = [], []
    for name in names:
        row = [next((gate for gate in column if gate.name == name), None) for column in columns.values()]
        cells.append([name, *("not asked" if g is None else _short(g.closed) if g.closed else "open" for g in row)])
        colours.append(["#ffffff", *("#eeeeee" if g is None else "#cfeee0" if g.is_open else "#ffd9c2" for g in row)])
    table = axes.table(
        cells, colours, colLabels=["gate", *columns], cellLoc="left", loc="center", colWidths=[0.16, 0.34, 0.1, 0.36]
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1.0, 1.45)
    return _rendered(figure)


# --- shared ---


def _short(words: str) -> str:
    """Words short enough for a cell of the table."""
    return textwrap.shorten(words, 48, placeholder=" …")


def _stretched(plane: ByteArray, frame: Frame) -> ByteArray:
    """A map of the network at the frame's size."""
    size = (frame.width_px, frame.height_px)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _image(bgr: ByteArray) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))
    image.thumbnail((860, 860), Image.Resampling.LANCZOS)
    return image


def _frame_figure(title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(9.0, 5.6), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title)
    return figure, axes


def _over_frame(bgr: ByteArray, handles: list[Patch], title: str) -> Image.Image:
    figure, axes = _frame_figure(title)
    axes.imshow(bgr[..., ::-1])
    figure.legend(handles=handles, loc="outside right center", fontsize=9)
    return _rendered(figure)


def _from_vehicle(flown: Flown, north_m: float, east_m: float) -> tuple[float, float]:
    here = flown.last.pose.position_ned_m
    assert here is not None
    return north_m - here[0], east_m - here[1]


def _placed(flown: Flown) -> dict[str, Any]:
    """Place of the map's picture in metres from the vehicle, north up."""
    view = flown.last.snapshot.view
    south_m, west_m = _from_vehicle(flown, *view.south_west_m)
    rows, columns = view.free.shape
    extent = (west_m, west_m + columns * view.cell_m, south_m, south_m + rows * view.cell_m)
    return {"origin": "lower", "extent": extent, "interpolation": "nearest"}


def _finish_map(axes: Any, flown: Flown, title: str) -> None:
    site = flown.last.step.decision.selection
    if isinstance(site, LandingSite):
        north_m, east_m = _from_vehicle(flown, *site.position_ned_m[:2])
        axes.plot(east_m, north_m, "+", color="#E6003C", markersize=12, markeredgewidth=2)
    axes.plot(0.0, 0.0, marker=(3, 0, -math.degrees(YAW_RAD)), color="white", markeredgecolor="black", markersize=10)
    axes.set(xlim=(-SHOWN_M, SHOWN_M), ylim=(-SHOWN_M, SHOWN_M), title=title, aspect="equal", facecolor="#d9d9de")
    axes.set(xlabel="m east of the drone", ylabel="m north of the drone")


def _rendered(figure: Figure) -> Image.Image:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return Image.open(stream).convert("RGB")


PICTURES = {
    "1-frame": draw_frame,
    "2-classes": draw_classes,
    "3-landable": draw_landable,
    "4-hazards": draw_hazards,
    "5-map": draw_map,
    "6-clearance": draw_clearance,
    "7-candidates": draw_candidates,
    "8-site": draw_site,
    "9-gates": draw_gates,
}


def write(flown: Flown, out: Path) -> list[Path]:
    """Write all pictures as WebP; return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{name}.webp" for name in PICTURES]
    for path, draw in zip(paths, PICTURES.values(), strict=True):
        draw(flown).save(path, quality=72, method=6)
    return paths


def main() -> None:
    """Make the pictures and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    for path in write(fly(), parser.parse_args().out):
        print(f"{path} {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
