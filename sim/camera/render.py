"""Perspective pictures of a world, and their true labels.

The ground is the plane at down 0, or heights above it, which hide each other (`sim.world.heights`). Resolution follows
the local scale: a pyramid of averaged pictures keeps a high camera from aliasing, and a close-up texture of each
material is added below the resolution of the world's picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray, matrix_from_quaternion, quaternion_from_euler
from landing.types import ByteArray, Pose
from sim.camera.effects import Effects
from sim.camera.printed import draw_pad
from sim.world.figures import draw_actors
from sim.world.heights import LOWEST_M, ground_in_view
from sim.world.label_view import straight_pixels
from sim.world.model import World
from sim.world.texture import DETAIL_GSD_M, DETAIL_SWING, DETAIL_TILE_M, detail_layer

SKY_BGR = (214, 196, 176)
BEYOND_BGR = (96, 104, 104)
"""Ground outside of a world that does not mirror."""

DETAIL_ONSET = 0.25
"""The close-up texture begins this many octaves below the resolution of the picture."""

_PASS_PX = 8
"""Spacing of the coarse grid on which scale is worked out."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Motion:
    """Motion of the vehicle while the shutter is open."""

    velocity_ned_mps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rates_frd_radps: tuple[float, float, float] = (0.0, 0.0, 0.0)


NO_EFFECTS = Effects()
STILL = Motion()


def render(
    world: World,
    camera: CameraModel,
    pose: Pose,
    t_s: float,
    effects: Effects | None = None,
    rng: np.random.Generator | None = None,
    *,
    motion: Motion = STILL,
    labels: bool = True,
    ray_px: int = 1,
) -> tuple[ByteArray, ByteArray | None]:
    """The picture of a camera at a pose and world time, and the true label of each of its pixels.

    Args:
        world: Its ground is at down 0.
        camera: With its mount and distortion.
        pose: With attitude and position.
        t_s: World time, for the actors and the wander of the exposure.
        effects: Faults of the camera; None for none.
        rng: Randomness of this frame; by the effects' seed and `t_s` when None.
        motion: Of the vehicle, for the blur of the effects' exposure time.
        labels: Also make the label raster.
        ray_px: Rays meet ground with heights in each so many pixels; between them places are interpolated.

    Returns:
        Picture, uint8 (H, W, 3), and labels, uint8 (H, W) or None. Sky and ground outside of the world have the
        taxonomy's ignore index.

    Raises:
        InvalidValueError: The pose has no attitude or no position.
    """
    view = _CameraView(world, camera, _lifted(camera, pose), ray_px)
    image = view.ground()
    with_detail = world.detail_seed is not None and view.nearest_scale_m < world.gsd_m
    truth = view.labels() if labels or with_detail else None
    if with_detail and truth is not None:
        view.add_detail(image, truth)
    draw_pad(image, world, camera, view.pose, t_s)
    view.draw_actors(image, truth, t_s)
    view.paint_sky(image, truth)
    if effects is not None and effects != NO_EFFECTS:
        shift = _motion_px(camera, view.pose, motion, effects.exposure_s)
        image = effects.apply(image, t_s, shift, rng)
    return image, truth if labels else None


def _lifted(camera: CameraModel, pose: Pose) -> Pose:
    """The pose, raised if its camera would be at or below the ground."""
    down = float(camera.centre_ned_m(pose)[2])
    if down <= -LOWEST_M or pose.position_ned_m is None:
        return pose
    n, e, d = pose.position_ned_m
    return replace(pose, position_ned_m=(n, e, d - (down + LOWEST_M)))


def _motion_px(camera: CameraModel, pose: Pose, motion: Motion, exposure_s: float) -> tuple[float, float]:
    """Movement of the middle of the picture during an exposure."""
    if exposure_s <= 0 or pose.position_ned_m is None or pose.ned_from_frd is None:
        return 0.0, 0.0
    middle = np.array([[(camera.width_px - 1) / 2, (camera.height_px - 1) / 2]])
    point = camera.ground_from_pixel(middle, pose, 0.0)
    if not np.isfinite(point).all():
        return 0.0, 0.0
    turn = matrix_from_quaternion(quaternion_from_euler(*(rate * exposure_s for rate in motion.rates_frd_radps)))
    moved = np.asarray(pose.position_ned_m) + np.asarray(motion.velocity_ned_mps) * exposure_s
    rotation = pose.rotation_ned_from_frd @ turn
    centre = moved + rotation @ np.asarray(camera.mount.offset_frd_m)
    steady = camera.mount.gimbal  # a gimbal does not turn with the vehicle
    looks = camera.ned_from_camera(pose) if steady else rotation @ camera.mount.frd_from_camera
    seen = looks.T @ (point[0] - centre)
    if seen[2] <= 1e-3:
        return 0.0, 0.0
    u, v = camera.fx * seen[0] / seen[2] + camera.cx, camera.fy * seen[1] / seen[2] + camera.cy
    return float(u - middle[0, 0]), float(v - middle[0, 1])


class _CameraView:
    """One camera at one pose over one world."""

    def __init__(self, world: World, camera: CameraModel, pose: Pose, ray_px: int = 1) -> None:
        self.world = world
        self.camera = camera
        self.pose = pose
        self.size = (camera.width_px, camera.height_px)
        self.height_m = -float(camera.centre_ned_m(pose)[2])
        self.ground_from_pixel = np.linalg.inv(camera.pixel_from_ground_plane(pose, 0.0))
        self._straight = straight_pixels(camera) if camera.has_distortion else None
        self._relief_places = self._meet(ray_px) if world.heights_m is not None else None
        self._inverse_depth = self._coarse_inverse_depth()
        seen = self._inverse_depth > 1e-7
        depth = 1 / np.where(seen, self._inverse_depth, np.inf)
        depth = np.where(seen, depth, depth.max(initial=1.0))
        # Side of the ground area of a pixel is z^1.5 / (f h^0.5), its longer side z^2 / (f h): between the two, so that
        # distant ground neither shimmers nor smears.
        focal = math.sqrt(camera.fx * camera.fy)
        self._scale_m = depth**1.65 / (focal * self.height_m**0.65)
        self.nearest_scale_m = float(self._scale_m.min())

    def _meet(self, ray_px: int) -> Floats:
        """North and east of the ground in each pixel of a world with heights, m."""
        view = self.camera.resized(self.size[0] // ray_px, self.size[1] // ray_px)
        places = ground_in_view(self.world, view, self.pose)
        return places if ray_px == 1 else np.asarray(cv2.resize(places, self.size), np.float32)

    def _coarse_inverse_depth(self) -> FloatArray:
        """1 / depth in metres on a grid that covers the picture, its corners included."""
        width, height = self.size
        u = np.linspace(0, width - 1, max(2, width // _PASS_PX))
        v = np.linspace(0, height - 1, max(2, height // _PASS_PX))
        if self._straight is None:
            grid_u, grid_v = np.meshgrid(u, v)
        else:
            part = self._straight[np.rint(v).astype(int)][:, np.rint(u).astype(int)]
            grid_u, grid_v = part[..., 0].astype(np.float64), part[..., 1].astype(np.float64)
        row = self.ground_from_pixel[2]
        return np.asarray(row[0] * grid_u + row[1] * grid_v + row[2])

    def _warp(
        self,
        source: ByteArray,
        source_from_ground: FloatArray,
        interpolation: int,
        border: int,
        value: tuple[float, ...] | float = 0,
        rows: slice | None = None,
    ) -> ByteArray:
        """View of a raster on the ground, in all rows of the picture or a few."""
        matrix = source_from_ground @ self.ground_from_pixel
        rows = slice(0, self.size[1]) if rows is None else rows
        if self._relief_places is not None:
            places = cv2.transform(self._relief_places[rows], source_from_ground[:2])
            return np.asarray(cv2.remap(source, places, None, interpolation, borderMode=border, borderValue=value))
        if self._straight is None:
            down = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, rows.start], [0.0, 0.0, 1.0]])
            return np.asarray(
                cv2.warpPerspective(
                    source,
                    matrix @ down,
                    (self.size[0], rows.stop - rows.start),
                    flags=interpolation | cv2.WARP_INVERSE_MAP,
                    borderMode=border,
                    borderValue=value,
                )
            )
        places = cv2.perspectiveTransform(self._straight[rows], matrix)
        return np.asarray(cv2.remap(source, places, None, interpolation, borderMode=border, borderValue=value))

    def ground(self) -> ByteArray:
        """The ground from the pyramid, mixed between levels by the local scale."""
        border = cv2.BORDER_CONSTANT if self.world.photograph is None else cv2.BORDER_REFLECT
        pyramid = self.world.pyramid
        octaves = np.clip(np.log2(self._scale_m / self.world.gsd_m), 0, len(pyramid) - 1)
        # Half an octave past a level is already the next one: a cell is never skipped.
        level = np.floor(octaves) + np.minimum(1.0, 2.0 * (octaves % 1.0))
        level = level.clip(0, len(pyramid) - 1).astype(np.float32)

        def warped(k: int, rows: slice | None = None) -> ByteArray:
            full, part = pyramid[0].shape, pyramid[k].shape
            sx, sy = part[1] / full[1], part[0] / full[0]
            shrink = np.array([[sx, 0, sx / 2 - 0.5], [0, sy, sy / 2 - 0.5], [0, 0, 1]])
            to_source = shrink @ self.world.pixel_from_ground
            return self._warp(pyramid[k], to_source, cv2.INTER_LINEAR, border, BEYOND_BGR, rows)

        low, high = float(level.min()), float(level.max())
        if high - low < 0.02:
            level = np.full_like(level, round((low + high) / 2, 2))
            low = high = float(level[0, 0])
        first = math.floor(low)
        image = warped(first)
        for k in range(first + 1, math.ceil(high) + 1):
            if low == high:
                share = low - first  # one scale everywhere, as when looking straight down
                image = np.asarray(cv2.addWeighted(image, 1 - share, warped(k), share, 0))
            else:
                coarse = np.clip(level - np.float32(k - 1), 0, 1)
                rows = self._rows_of(coarse.any(axis=1))
                weight = cv2.resize(coarse, self.size, interpolation=cv2.INTER_LINEAR)[rows]
                image[rows] = cv2.blendLinear(image[rows], warped(k, rows), 1 - weight, weight)
        return image

    def _rows_of(self, coarse_rows: npt.NDArray[np.bool_]) -> slice:
        """Rows of the picture around those of the coarse grid."""
        found = np.flatnonzero(coarse_rows)
        per_row = self.size[1] / len(coarse_rows)
        top = math.floor((found[0] - 1) * per_row)
        bottom = math.ceil((found[-1] + 2) * per_row)
        return slice(max(0, top), min(self.size[1], bottom))

    def labels(self) -> ByteArray:
        """Labels of the ground by its looks, by the nearest cell."""
        beyond = self.world.taxonomy.ignore_index
        source = self.world.labels if self.world.looks is None else self.world.looks
        return self._warp(source, self.world.pixel_from_ground, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, beyond)

    def add_detail(self, image: ByteArray, labels: ByteArray) -> None:
        """Multiplies the close-up texture of each material in, where the camera is close."""
        world = self.world
        if world.detail_seed is None:
            return
        present = np.flatnonzero(np.bincount(labels[::4, ::4].ravel(), minlength=256))
        scale_m = self.nearest_scale_m
        blur_px = scale_m / DETAIL_GSD_M
        # Averaged to the resolution of the view; what is left at the world's own is dropped.
        octave = min(4, max(0, math.ceil(math.log2(max(1.0, blur_px)) - 0.3)))
        strength = min(1.0, math.log2(world.gsd_m / scale_m) - DETAIL_ONSET)
        if strength <= 0:
            return
        step = DETAIL_GSD_M * (1 << octave)
        north, east = self._nearest_corner()
        first_north = math.ceil(north / DETAIL_TILE_M) * DETAIL_TILE_M
        first_east = math.floor(east / DETAIL_TILE_M) * DETAIL_TILE_M
        to_layer = np.array([[0, 1 / step, -first_east / step], [-1 / step, 0, first_north / step], [0, 0, 1]])
        relief: ByteArray = np.full(labels.shape, 128, dtype=np.uint8)
        for class_id in present:
            if class_id >= len(world.taxonomy):
                continue
            layer = _detail_mip(world.taxonomy.classes[class_id].name, world.detail_seed, octave)
            close = self._warp(layer, to_layer, cv2.INTER_LINEAR, cv2.BORDER_WRAP)
            cv2.copyTo(close, cv2.compare(labels, float(class_id), cv2.CMP_EQ), relief)
        if self._scale_m.max() > 2 * scale_m:  # the distance keeps none of it
            fade = np.log2(world.gsd_m / self._scale_m) - DETAIL_ONSET
            near = np.clip(fade / strength, 0, 1).astype(np.float32)
            weight = cv2.resize(near, self.size, interpolation=cv2.INTER_LINEAR)
            relief = np.asarray(cv2.blendLinear(relief, np.full_like(relief, 128), weight, 1 - weight))
        swing = cv2.merge([relief] * 3)
        gain = strength / DETAIL_SWING
        # image * (1 + gain * (relief - 128)), in one saturating pass each
        bright = cv2.multiply(image, swing, scale=gain, dtype=cv2.CV_16S)
        cv2.addWeighted(image, 1 - 128 * gain, bright, 1.0, 0, dst=image, dtype=cv2.CV_8U)

    def _nearest_corner(self) -> tuple[float, float]:
        """Largest north and smallest east seen where the ground is near, metres."""
        width, height = self.size
        edge = np.array([[u, v, 1.0] for u in (0, width / 2, width) for v in (0, height / 2, height)])
        ground = edge @ self.ground_from_pixel.T
        ground = ground[ground[:, 2] > 0.2 / self.height_m]
        if not len(ground):
            return 0.0, 0.0
        flat = ground[:, :2] / ground[:, 2:]
        return float(flat[:, 0].max()), float(flat[:, 1].min())

    def draw_actors(self, image: ByteArray, labels: ByteArray | None, t_s: float) -> None:
        """Draws the actors that are in front of the camera and not too far away."""
        states = self.world.actors_at(t_s)
        if not states:
            return
        middles = np.array([[state.north_m, state.east_m, -state.up_m] for state in states])
        pixels = self._project(middles)
        away = np.linalg.norm(middles - self.camera.centre_ned_m(self.pose), axis=1)
        # A bound on the size in the picture of an actor with its shadow.
        reach = (6.0 * self.camera.fx / np.maximum(0.3, away - 4.0))[:, None]
        with np.errstate(invalid="ignore"):
            near = ((pixels > -reach) & (pixels < np.array(self.size) + reach)).all(axis=1)
        states = tuple(state for state, seen in zip(states, near, strict=True) if seen)
        if states:
            draw_actors(
                image,
                labels,
                states,
                self.world.actor_class_ids,
                self._project,
                self.world.sun,
                ceiling_m=self.height_m - 0.3 - max(state.up_m for state in states),
                finest_m=1.3 * self.nearest_scale_m,
            )

    def _project(self, points: FloatArray) -> FloatArray:
        return self.camera.pixel_from_ned(points, self.pose)

    def paint_sky(self, image: ByteArray, labels: ByteArray | None) -> None:
        """Replaces what is above the horizon."""
        if self._inverse_depth.min() > 1e-6:
            return
        row = self.ground_from_pixel[2]
        if self._straight is None:
            width, height = self.size
            u = np.arange(width, dtype=np.float32)[None, :]
            v = np.arange(height, dtype=np.float32)[:, None]
        else:
            u, v = self._straight[..., 0], self._straight[..., 1]
        above = row[0] * u + row[1] * v + row[2] <= 1e-6
        image[above] = SKY_BGR
        if labels is not None:
            labels[above] = self.world.taxonomy.ignore_index


@lru_cache(maxsize=64)
def _detail_mip(family: str, seed: int, octave: int) -> ByteArray:
    layer = detail_layer(family, seed)
    side = layer.shape[0] >> octave
    small = cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)
    # Repeated so that a level view falls inside: beyond the edge OpenCV is three times slower.
    times = max(1, 1536 // side)
    return np.tile(np.asarray(small), (times, times))
