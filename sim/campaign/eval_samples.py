"""Evaluation samples: a place in a world, its true labels and the network's output."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.runtimes import Runtime
from landing.camera import CameraModel
from landing.geometry import quaternion_from_euler
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray, Frame, Pose, Segmentation
from sim.camera import render
from sim.camera.effects import Effects
from sim.campaign.perception_errors import ZONES, roles_of, zones_of
from sim.world import World
from sim.world.actors import ActorState
from sim.world.label_view import label_view

SIZE_PX = (160, 120)
"""Of the label pictures of a campaign; a network's output is reduced to it."""

PICTURE_PX = (640, 480)
HFOV_DEG = (55.0, 95.0)
TILT_DEG = 8.0

AIM = 0.35
"""Largest distance of the aimed place from the middle of the picture, part of the height."""

LOWEST_M, DESCENT_S = 0.4, 5.0
"""From half the height: not lower than this, and so much later."""

PLANE_ORDER = (Role.LANDABLE, *HAZARD_ROLES)


@dataclass(frozen=True)
class EvalSample:
    """A rendered picture: pose, time, truth and the network's output.

    Attributes:
        camera: At `SIZE_PX`.
        pose: Of the vehicle.
        t_s: World time.
        labels: uint8 (h, w).
        said: The same size.
    """

    camera: CameraModel
    pose: Pose
    t_s: float
    labels: ByteArray
    said: Segmentation

    @property
    def planes(self) -> ByteArray:
        """The network's output, uint8 (planes, h, w), in `PLANE_ORDER`."""
        return np.concatenate([self.said.landable[None], self.said.hazards])

    @property
    def view_m(self) -> float:
        """Width of ground in the picture, right below the camera."""
        return -float(self.camera.centre_ned_m(self.pose)[2]) / self.camera.fx * self.camera.width_px

    def zones(self, taxonomy: Taxonomy) -> ByteArray:
        """In which of `sim.campaign.perception_errors.ZONES` each pixel lies."""
        roles = np.asarray(cv2.LUT(self.labels, roles_of(taxonomy)), np.uint8)
        return zones_of(self.labels, roles, self.view_m / self.camera.width_px)

    def interior(self, taxonomy: Taxonomy) -> npt.NDArray[np.bool_]:
        """Mask of the pixels inside areas."""
        return np.asarray(self.zones(taxonomy) == ZONES.index("interior"))

    def said_of(self, actor: ActorState, plane: int) -> int | None:
        """The most a plane says within somebody's outline; None when they are not all in view."""
        outline = actor.footprint_ne_m()
        on_ground = np.column_stack([outline, np.zeros(len(outline))])
        uv = self.camera.pixel_from_ned(on_ground, self.pose)
        if not np.isfinite(uv).all():
            return None
        low, high = np.floor(uv.min(axis=0)).astype(int), np.ceil(uv.max(axis=0)).astype(int) + 1
        height, width = self.labels.shape
        if low.min() < 0 or high[0] > width or high[1] > height:
            return None
        return int(self.planes[plane, low[1] : high[1], low[0] : high[0]].max())


def own_plane(taxonomy: Taxonomy) -> npt.NDArray[np.int64]:
    """Plane that is right for each label value; -1 for ignored ones."""
    own = np.full(256, -1)
    for info in taxonomy.classes:
        if info.role in PLANE_ORDER:
            own[info.id] = PLANE_ORDER.index(info.role)
    return own


def look(
    runtime: Runtime,
    world: World,
    camera: CameraModel,
    pose: Pose,
    t_s: float,
    effects: Effects,
    rng: np.random.Generator,
) -> EvalSample:
    """Render a picture and ask the network; both in the world's classes, at the size of label pictures."""
    picture, _ = render(world, camera, pose, t_s, effects, rng, labels=False)
    said = runtime.segment(Frame(picture, 0, 0))
    classes = classes_in(world.taxonomy, runtime.spec.taxonomy)
    said = replace(said, class_id=np.asarray(cv2.LUT(said.class_id, classes), np.uint8))
    labels = label_view(world, camera, pose, t_s, SIZE_PX)
    return EvalSample(camera.resized(*SIZE_PX), pose, t_s, labels, reduced(said))


def classes_in(truth: Taxonomy, network: Taxonomy) -> ByteArray:
    """Class of the truth for each of a network's: of its name and role, else the first of its role; uint8 (256,)."""
    lut = np.full(256, truth.ignore_index, np.uint8)
    for info in network.classes:
        of_role = [c for c in truth.classes if c.role is info.role]
        named = [c.id for c in of_role if c.name == info.name]
        if of_role:
            lut[info.id] = (named or [of_role[0].id])[0]
    return lut


def reduced(said: Segmentation) -> Segmentation:
    """A segmentation at `SIZE_PX`: means of landable, maxima of hazards."""
    _rows, columns = said.shape
    side = max(1, round(columns / SIZE_PX[0]))
    kernel = np.ones((side, side), np.uint8)

    def shrink(plane: ByteArray, interpolation: int) -> ByteArray:
        return np.asarray(cv2.resize(plane, SIZE_PX, interpolation=interpolation), np.uint8)

    hazards = np.stack([shrink(np.asarray(cv2.dilate(p, kernel)), cv2.INTER_NEAREST) for p in said.hazards])
    return Segmentation(
        shrink(said.class_id, cv2.INTER_NEAREST), shrink(said.landable, cv2.INTER_AREA), hazards, said.captured_at_ns
    )


def random_place(world: World, t_s: float, rng: np.random.Generator) -> tuple[float, float]:
    """A place (north, east) of a class or kind of actor, each that the world has alike."""
    actors = world.actors_at(t_s)
    kinds = sorted({actor.kind for actor in actors})
    ground = [int(c) for c in np.unique(world.labels) if own_plane(world.taxonomy)[c] >= 0]
    choice = int(rng.integers(len(ground) + len(kinds)))
    if choice >= len(ground):
        there = [actor for actor in actors if actor.kind == kinds[choice - len(ground)]]
        chosen = there[int(rng.integers(len(there)))]
        return chosen.north_m, chosen.east_m
    pixels = np.flatnonzero(world.labels == ground[choice])
    row, column = divmod(int(pixels[int(rng.integers(len(pixels)))]), world.labels.shape[1])
    u0, v0 = world.origin_px
    return (v0 - row) * world.gsd_m, (column - u0) * world.gsd_m


def tilted_pose(north_m: float, east_m: float, height_m: float, yaw_rad: float, rng: np.random.Generator) -> Pose:
    """Above a place, tilted as in flight."""
    roll, pitch = np.radians(rng.normal(0.0, TILT_DEG / 2, 2))
    attitude = quaternion_from_euler(float(roll), float(pitch), yaw_rad)
    return Pose(0, attitude, (north_m, east_m, -height_m), height_m)


def usual_effects(rng: np.random.Generator) -> Effects:
    """A camera with nothing wrong."""
    return Effects(
        seed=int(rng.integers(1 << 30)),
        noise_sd=2.5,
        lens_blur_px=0.6,
        vignetting=0.15,
        gain=float(rng.uniform(0.85, 1.1)),
    )


def sample_pair(
    runtime: Runtime, world: World, heights_m: tuple[float, float], rng: np.random.Generator
) -> tuple[EvalSample, EvalSample]:
    """Two pictures of one place, the second 0.3 s later from a little further, as in flight."""
    height_m = float(rng.uniform(*heights_m))
    camera = CameraModel.from_hfov(*PICTURE_PX, float(rng.uniform(*HFOV_DEG)))
    yaw_rad, t_s = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0, 60))
    north_m, east_m = (place_m + float(rng.uniform(-AIM, AIM)) * height_m for place_m in random_place(world, t_s, rng))
    first = look(
        runtime, world, camera, tilted_pose(north_m, east_m, height_m, yaw_rad, rng), t_s, usual_effects(rng), rng
    )
    north_m += 0.04 * height_m * float(rng.standard_normal())
    east_m += 0.04 * height_m * float(rng.standard_normal())
    second = look(
        runtime,
        world,
        camera,
        tilted_pose(north_m, east_m, 0.98 * height_m, yaw_rad, rng),
        t_s + 0.3,
        usual_effects(rng),
        rng,
    )
    return first, second


def closer_sample(runtime: Runtime, world: World, first: EvalSample, rng: np.random.Generator) -> EvalSample | None:
    """The place of a picture from half its height, as on the way down; None where that is too low.

    Args:
        runtime: Loaded network.
        world: Of that picture.
        first: The picture from above.
        rng: Randomness of this one.
    """
    north_m, east_m, down_m = (float(x) for x in first.pose.position_ned_m or (0.0, 0.0, 0.0))
    height_m = -down_m
    if height_m / 2 < LOWEST_M:
        return None
    forward = first.pose.rotation_ned_from_frd[:, 0]
    pose = tilted_pose(
        north_m + 0.04 * height_m * float(rng.standard_normal()),
        east_m + 0.04 * height_m * float(rng.standard_normal()),
        height_m / 2,
        math.atan2(float(forward[1]), float(forward[0])),
        rng,
    )
    camera = first.camera.resized(*PICTURE_PX)
    return look(runtime, world, camera, pose, first.t_s + DESCENT_S, usual_effects(rng), rng)
