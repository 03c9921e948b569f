"""A camera over a photograph, and the network behind it.

A photograph has one resolution. From lower down the rendered picture would be an enlarged, blurred one, which no real
camera at that height would show (`resolved_height_m`). There the network looks from that height instead, along the
same axis, and its answer is cut to what the camera sees: the same ground at the finest scale the photograph has.
Nothing new is learnt on the rest of the way, and a result says from where on.

Beyond the photograph's edge the picture is mirrored, so that the network has surroundings; its answer there is taken
away: that ground is not known.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from edge.runtimes import Runtime
from landing.camera import CameraModel
from landing.decision_groups import ReliefSettings
from landing.geometry import FloatArray
from landing.ground.scale import GroundScale
from landing.ground.shown_cells import mask_camera
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.site import NoSite
from landing.types import ByteArray, Frame, Pose, Segmentation
from sim.camera.sensor import CameraSensor
from sim.flight.loop import CameraSample
from sim.flight.sensor import NetworkSensor, SensorModel, above_ground
from sim.world import World

SAME_VIEW_M = 0.5
"""Below the height that the photograph resolves an answer is used again until the camera has moved so far across the
ground, or sees ground beyond it: a straight way down shows the same pixels again."""


RESOLVED_PX = 1.5
"""A colour photograph resolves about two thirds of its pixels along a side: its sensor sees each colour in some of them
only, and coding takes the finest texture first. Networks learn on pictures that were made smaller by more than that."""


class PhotoSensor(NetworkSensor):
    """Pictures of a world's photograph and a real network.

    Args:
        world: With a photograph.
        shutter: Takes the pictures.
        runtime: The network.

    Attributes:
        resolved_m: Height below which the photograph is coarser than the camera, m.
    """

    def __init__(self, world: World, shutter: CameraSensor, runtime: Runtime) -> None:
        super().__init__(world, shutter, runtime)
        self.resolved_m = resolved_height_m(world, shutter.camera, scale_of_runtime(runtime, shutter.camera))
        self._pose: Pose | None = None
        self._from: Pose | None = None
        self._image: ByteArray | None = None
        self._answer: Segmentation | None = None
        self._at_ns = 0

    @property
    def resolves(self) -> bool:
        """True while the newest frame is rendered from where the camera is."""
        return self._pose is not None and self._from is self._pose

    def frame(self, sample: CameraSample) -> Frame:
        """Renders the sample, from no lower than the photograph resolves."""
        camera, pose = self._shutter.camera, above_ground(sample.pose)
        looks_from = raised(camera, pose, self.resolved_m)
        if looks_from is pose or self._moved(pose, looks_from):
            self._answer = None
            self._from = looks_from
            self._image = self._shutter.picture(self.world, looks_from, sample.t_s, sample.motion)
        self._pose = pose
        assert self._image is not None
        return Frame(self._image, sample.frame_id, sample.captured_at_ns)

    def _moved(self, pose: Pose, looks_from: Pose) -> bool:
        """Return True when the last answer does not do for a view from a pose."""
        camera, before, now = self._shutter.camera, self._from, looks_from.position_ned_m
        if self._answer is None or before is None or self.resolves or before.position_ned_m is None:
            return True
        assert now is not None
        if math.hypot(now[0] - before.position_ned_m[0], now[1] - before.position_ned_m[1]) > SAME_VIEW_M:
            return True
        right, bottom = camera.width_px - 1, camera.height_px - 1
        corners = np.array([[0, 0, 1], [right, 0, 1], [0, bottom, 1], [right, bottom, 1]], float)
        u, v, depth = view_to_view(camera, before, pose) @ corners.T
        u, v = u / depth, v / depth
        return bool(depth.min() <= 0 or min(u.min(), v.min()) < 0 or u.max() > right or v.max() > bottom)

    def submit(self, frame: Frame) -> None:
        """Hands the frame to the network, unless its answer is there."""
        self._at_ns = frame.captured_at_ns
        if self._answer is None:
            self._runtime.submit(frame)

    def result(self) -> Segmentation:
        """Return the network's answer for what the camera sees of the photograph."""
        if self._answer is None:
            self._answer = self._runtime.result()
        assert self._pose is not None and self._from is not None
        answer = replace(self._answer, captured_at_ns=self._at_ns)
        camera = mask_camera(self._shutter.camera, *answer.shape).camera
        if self._from is not self._pose:
            answer = cut(answer, camera, self._from, self._pose)
        return known_part(answer, camera, self._pose, self.world)


class ResolvedPictureMonitor(PictureMonitor):
    """The checks of a picture while a photograph resolves it; below, its pictures are another height's.

    Args:
        settings: Limits.
        camera: Lens and mount.
        sensor: Takes the pictures.
        relief: Limits of relief; None where it is not measured.
    """

    def __init__(
        self, settings: PictureSettings, camera: CameraModel, sensor: SensorModel, relief: ReliefSettings | None = None
    ) -> None:
        super().__init__(settings, camera, relief)
        self._sensor = sensor

    def refusal(self, frame: Frame, pose: Pose | None) -> NoSite | None:
        """See `PictureMonitor`."""
        return super().refusal(frame, pose) if self._sensor.resolves else None


def resolved_height_m(world: World, camera: CameraModel, scale: GroundScale | None) -> float:
    """Return the least height from which a picture rendered of a photograph is as sharp as a camera's, m.

    A pixel of the camera takes `RESOLVED_PX` of the photograph there; fewer, down to one, where the network would
    otherwise see more ground in a pixel than it was trained for.

    Args:
        world: With a photograph.
        camera: It looks straight down.
        scale: Of network and camera; None where the network's range is not known.
    """
    one_m = world.gsd_m * math.sqrt(camera.fx * camera.fy)
    most_m = math.inf if scale is None else scale.heights_m()[1]
    return max(one_m, min(RESOLVED_PX * one_m, most_m))


def scale_of_runtime(runtime: Runtime, camera: CameraModel) -> GroundScale | None:
    """Return the scale of the ground through a camera for a network; None where its range is not known."""
    spec = runtime.spec
    if spec.ground_range is None:
        return None
    return GroundScale.of(spec.ground_range, (spec.input.width_px, spec.input.height_px), camera)


def raised(camera: CameraModel, pose: Pose, least_m: float) -> Pose:
    """The pose, moved back along the camera's axis until the camera is so high; itself where it is."""
    height_m = -float(camera.centre_ned_m(pose)[2])
    axis: FloatArray = camera.ned_from_camera(pose)[:, 2]
    if height_m >= least_m or axis[2] < 0.1:
        return pose
    assert pose.position_ned_m is not None
    back = axis * ((least_m - height_m) / axis[2])
    north_m, east_m, down_m = (float(a - b) for a, b in zip(pose.position_ned_m, back, strict=True))
    return replace(pose, position_ned_m=(north_m, east_m, down_m))


def view_to_view(camera: CameraModel, seen_from: Pose, pose: Pose) -> FloatArray:
    """Map, shape (3, 3), from pixels of a view of the ground from one pose to those of the view from another."""
    ground = np.linalg.inv(camera.pixel_from_ground_plane(pose, 0.0))
    return np.asarray(camera.pixel_from_ground_plane(seen_from, 0.0) @ ground, np.float64)


def cut(answer: Segmentation, camera: CameraModel, seen_from: Pose, pose: Pose) -> Segmentation:
    """Part of an answer that a camera sees from another pose.

    Args:
        answer: For the view from `seen_from`.
        camera: At the resolution of the answer, without distortion.
        seen_from: Pose of that view, whose ground holds that of the other.
        pose: Of the view that is asked for.
    """
    there = view_to_view(camera, seen_from, pose)
    size = (camera.width_px, camera.height_px)

    def taken(plane: ByteArray, how: int) -> ByteArray:
        flags = how | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpPerspective(plane, there, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )

    return replace(
        answer,
        class_id=taken(answer.class_id, cv2.INTER_NEAREST),
        landable=taken(answer.landable, cv2.INTER_LINEAR),
        hazards=np.stack([taken(plane, cv2.INTER_LINEAR) for plane in answer.hazards]),
    )


def known_part(answer: Segmentation, camera: CameraModel, pose: Pose, world: World) -> Segmentation:
    """The answer with nothing landable and nobody beyond the world's photograph.

    Args:
        answer: For the view from the pose.
        camera: At the resolution of the answer, without distortion.
        pose: With attitude and position.
        world: With a photograph.
    """
    south, north, west, east = world.known_extent_m
    ground = np.linalg.inv(camera.pixel_from_ground_plane(pose, 0.0))
    u, v = np.arange(camera.width_px)[None, :], np.arange(camera.height_px)[:, None]
    north_m, east_m, scale = (row[0] * u + row[1] * v + row[2] for row in ground)
    with np.errstate(divide="ignore", invalid="ignore"):
        north_m, east_m = north_m / scale, east_m / scale
    known = (north_m >= south) & (north_m <= north) & (east_m >= west) & (east_m <= east) & (scale > 0)
    if known.all():
        return answer
    mask = known.astype(np.uint8)
    return replace(answer, landable=answer.landable * mask, hazards=answer.hazards * mask)
