"""Perfect segmentation of a camera's picture, made without the picture.

The lean path for landings by the thousand: one perspective warp of a label raster at the scale of the view, and the
actors drawn over it. `sim.camera.render` gives the pixel-exact labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.types import ByteArray, Pose
from sim.world.actors import CAR_HEIGHT_M, KINDS, PERSON_HEIGHT_M, ActorState, outline_m
from sim.world.heights import LOWEST_M, ground_in_view
from sim.world.model import LARGEST_ACTOR_M, World

Floats = npt.NDArray[np.float32]

_SKY = 1e-6
"""Inverse depth, 1/m, of what counts as sky."""

_STEEPEST_RAD = 1.4
"""Beyond this angle from straight down the ground in the picture has no useful end."""

_SHIFT_BITS = 4
_HEIGHT_M = {"person": PERSON_HEIGHT_M, "car": CAR_HEIGHT_M}
_TAPER = {"person": 0.6, "car": 0.8}
"""Width of an actor's top against its foot."""

_CORNERS = 10
"""Of an outline: fewer than in a picture, as pixels of labels are coarse."""


def label_view(
    world: World,
    camera: CameraModel,
    pose: Pose,
    t_s: float,
    size_px: tuple[int, int] = (96, 72),
    finest_px: float = 0.0,
) -> ByteArray:
    """Class ids of the ground and of the actors on it, as a camera sees them.

    Args:
        world: Its ground is at down 0, or has heights.
        camera: With its mount and distortion; its whole picture is covered.
        pose: With attitude and position.
        t_s: World time, for the actors.
        size_px: Width and height of the result.
        finest_px: Actors whose height or length is less than this many pixels of the result are left out; with 0 each
            one in view covers at least a pixel.

    Returns:
        uint8, shape (height, width): ids of the world's taxonomy; its ignore index for the sky and for ground beyond
        the world.

    Raises:
        InvalidValueError: The pose has no attitude or no position.
    """
    view = _resized(camera, size_px)
    centre = view.centre_ned_m(pose)
    centre[2] = min(float(centre[2]), -LOWEST_M)
    camera_from_ned = view.ned_from_camera(pose).T
    plane = np.column_stack([camera_from_ned[:, :2], -camera_from_ned @ centre])
    ground_from_view: FloatArray = np.asarray(np.linalg.inv(view.matrix @ plane), np.float64)
    straight = straight_pixels(view) if view.has_distortion else None
    if world.heights_m is None:
        labels = _ground(world, view, ground_from_view, straight, -float(centre[2]))
    else:
        labels = _raised_ground(world, view, pose, -float(centre[2]))
    _draw_actors(labels, world, view, camera_from_ned, centre, t_s, finest_px)
    _clear_sky(labels, ground_from_view[2], straight, world.taxonomy.ignore_index)
    return labels


@lru_cache(maxsize=64)
def _resized(camera: CameraModel, size_px: tuple[int, int]) -> CameraModel:
    return camera.resized(*size_px)


@lru_cache(maxsize=8)
def straight_pixels(view: CameraModel) -> Floats:
    """Undistorted position of each pixel, shape (height, width, 2)."""
    v, u = np.mgrid[0 : view.height_px, 0 : view.width_px]
    ahead = (1.0, 0.0, 0.0, 0.0)
    level = Pose(at_ns=0, ned_from_frd=ahead, position_ned_m=(0.0, 0.0, 0.0), ned_from_gimbal=ahead)
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(np.float64)
    rays = view.rays_ned(pixels, level) @ view.mount.frd_from_camera
    straight = rays[:, :2] / rays[:, 2:] * [view.fx, view.fy] + [view.cx, view.cy]
    return straight.reshape(view.height_px, view.width_px, 2).astype(np.float32)


def _ground(
    world: World, view: CameraModel, ground_from_view: FloatArray, straight: Floats | None, height_m: float
) -> ByteArray:
    """The label raster of the view's scale, by the nearest cell."""
    source, coarser = _level(world, height_m / math.sqrt(view.fx * view.fy))
    matrix = coarser @ world.pixel_from_ground @ ground_from_view
    beyond = world.taxonomy.ignore_index
    if straight is None:
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        size = (view.width_px, view.height_px)
        return np.asarray(
            cv2.warpPerspective(source, matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond)
        )
    places = cv2.perspectiveTransform(straight, matrix)
    return np.asarray(
        cv2.remap(source, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond)
    )


def _raised_ground(world: World, view: CameraModel, pose: Pose, height_m: float) -> ByteArray:
    """The label raster of the view's scale where rays meet the ground of a world with heights, by the nearest cell."""
    places = ground_in_view(world, view, pose)
    source, coarser = _level(world, height_m / math.sqrt(view.fx * view.fy))
    pixels = cv2.transform(places, (coarser @ world.pixel_from_ground)[:2])
    beyond = world.taxonomy.ignore_index
    return np.asarray(
        cv2.remap(source, pixels, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond)
    )


def _level(world: World, gsd_m: float) -> tuple[ByteArray, FloatArray]:
    """The label raster of a scale, m a pixel, and the map from the world's own pixels to it, shape (3, 3)."""
    pyramid = world.label_pyramid
    level = min(max(0, round(math.log2(gsd_m / world.gsd_m))), len(pyramid) - 1)
    cells = float(1 << level)
    coarser = np.array([[1 / cells, 0, 0.5 / cells - 0.5], [0, 1 / cells, 0.5 / cells - 0.5], [0, 0, 1]])
    return pyramid[level], coarser


def _draw_actors(
    labels: ByteArray,
    world: World,
    view: CameraModel,
    camera_from_ned: FloatArray,
    centre_ned_m: FloatArray,
    t_s: float,
    finest_px: float,
) -> None:
    """Each actor as the hull of its foot and its top, the farthest first."""
    # Distortion may move a pixel, not a picture: half a picture is a bound on both.
    limit_px = np.array([view.width_px, view.height_px]) * (0.9 if view.has_distortion else 0.55)
    around_m = 2.0 * (LARGEST_ACTOR_M + 1.0)
    reach_m = _reach_m(view, limit_px, around_m, camera_from_ned, centre_ned_m)
    states = world.actors_near(float(centre_ned_m[0]), float(centre_ned_m[1]), reach_m, t_s)
    if not states:
        return
    middles = np.array([(state.north_m, state.east_m, -state.up_m) for state in states]) - centre_ned_m
    seen = middles @ camera_from_ned.T
    depth = seen[:, 2]
    safe = np.maximum(depth, 0.1)[:, None]
    away_px = np.abs(seen[:, :2]) * [view.fx, view.fy] / safe
    reach_px = around_m * view.fx / safe[:, 0]
    near = (depth > 0.1) & (away_px <= limit_px + reach_px[:, None]).all(axis=1)
    if finest_px > 0:
        length_m = np.array([_HEIGHT_M[s.kind] if s.kind == "person" else 4.5 for s in states])
        near &= length_m * view.fx / safe[:, 0] >= finest_px
    order = np.flatnonzero(near)
    if not len(order):
        return
    order = order[np.argsort(-depth[order])]
    ceiling_m = -float(centre_ned_m[2]) - 0.3
    solids = _solids([states[i] for i in order], ceiling_m)
    pixels = _project(view, (solids.reshape(-1, 3) - centre_ned_m) @ camera_from_ned.T)
    pixels = np.clip(np.rint(pixels * (1 << _SHIFT_BITS)), -(1 << 19), 1 << 19).astype(np.int32)
    for i, points in zip(order, pixels.reshape(len(order), -1, 2), strict=True):
        label = (world.actor_class_ids[states[i].kind],)
        cv2.fillConvexPoly(labels, cv2.convexHull(points), label, cv2.LINE_8, _SHIFT_BITS)


def _reach_m(
    view: CameraModel, limit_px: FloatArray, around_m: float, camera_from_ned: FloatArray, centre_ned_m: FloatArray
) -> float:
    """Horizontal distance beyond which no ground is so near to the picture, m.

    The picture lies in a cone around the axis; what is `around_m` beside it (more along the shorter focal length) in a
    slab of ground as thick as that.
    """
    half_angle = math.atan(math.hypot(limit_px[0] / view.fx, limit_px[1] / view.fy))
    tilt = math.acos(min(1.0, max(-1.0, float(camera_from_ned[2, 2]))))
    if half_angle + tilt > _STEEPEST_RAD:
        return math.inf
    beside_m = around_m * math.hypot(1.0, view.fx / view.fy)
    return (beside_m - float(centre_ned_m[2])) * math.tan(half_angle + tilt) + beside_m


@lru_cache(maxsize=1)
def _foot_and_top() -> tuple[dict[str, int], FloatArray, FloatArray]:
    """Row of each kind, and its outline: forward and right of foot and top; height of each."""
    outlines, heights = [], []
    for kind in KINDS:
        around = outline_m(kind)
        foot = around[np.linspace(0, len(around), _CORNERS, endpoint=False).astype(int)]
        outlines.append(np.vstack([foot, foot * _TAPER[kind]]))
        heights.append(np.repeat([0.0, _HEIGHT_M[kind]], _CORNERS))
    return {kind: row for row, kind in enumerate(KINDS)}, np.array(outlines), np.array(heights)


def _solids(states: Sequence[ActorState], ceiling_m: float) -> FloatArray:
    """Points of the foot and the top of actors, NED metres, shape (actors, points, 3)."""
    rows, outlines, heights = _foot_and_top()
    kinds = [rows[state.kind] for state in states]
    placed = np.array([(state.north_m, state.east_m, state.heading_rad) for state in states])
    cos, sin = np.cos(placed[:, 2:]), np.sin(placed[:, 2:])
    forward, right = outlines[kinds, :, 0], outlines[kinds, :, 1]
    north = placed[:, :1] + forward * cos - right * sin
    east = placed[:, 1:2] + forward * sin + right * cos
    up = np.array([[state.up_m] for state in states])
    down = -up - np.clip(heights[kinds], 0.0, np.maximum(0.0, ceiling_m - up))
    return np.stack([north, east, down], axis=-1)


def _project(view: CameraModel, points: FloatArray) -> FloatArray:
    """From camera axes, shape (n, 3), to pixels; points that are not in front end up far away."""
    ahead = points[:, 2:]
    flat = points[:, :2] / np.where(ahead > 0.05, ahead, 1e-4)
    if view.has_distortion:
        k1, k2, p1, p2, k3 = view.distortion
        x, y = flat[:, 0], flat[:, 1]
        r2 = x * x + y * y
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3)))[:, None]
        flat = flat * radial + np.column_stack(
            [2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y]
        )
    return np.asarray(flat * [view.fx, view.fy] + [view.cx, view.cy])


def _clear_sky(labels: ByteArray, inverse_depth: FloatArray, straight: Floats | None, ignore_index: int) -> None:
    """Unlabels what is above the horizon; `inverse_depth` is linear in the straight pixels."""
    height, width = labels.shape
    a, b, c = (float(x) for x in inverse_depth)
    if straight is None:
        corners = [a * u + b * v + c for u in (0, width - 1) for v in (0, height - 1)]
        if min(corners) > _SKY:
            return
        depth = a * np.arange(width)[None, :] + b * np.arange(height)[:, None] + c
    else:
        depth = straight[..., 0] * a + straight[..., 1] * b + c
    labels[depth <= _SKY] = ignore_index
