"""What the camera of a landing delivers: frames, and what a network says of them.

Two ways with one interface. `LabelSensor` makes no pictures: it looks at the true labels and errs as the measured model
errs. `NetworkSensor` renders each frame that the pipeline takes and runs a network.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.pipeline import Segments
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from landing.camera import CameraModel
from landing.errors import DataError
from landing.geometry import FloatArray, quaternion_from_euler
from landing.types import Frame, Pose, Segmentation
from sim.camera import Motion
from sim.camera.effects import Effects
from sim.camera.sensor import Shutter
from sim.campaign.perception_errors import PerceptionErrorModel, PerceptionErrorSampler
from sim.campaign.ranges import SceneConditions
from sim.flight.loop import CameraSample, FrameSource
from sim.vehicle import Quaternion
from sim.world import ActorState, World
from sim.world.actors import outline_m
from sim.world.label_view import label_view

PICTURE_PX = (640, 480)
"""Of the onboard camera, as the daemon is set up for it."""

USUAL_NOISE_SD, USUAL_BLUR_PX = 2.5, 0.6
"""Camera faults that the measured model has in it already."""

MAP_PX = (160, 120)
"""About what networks for small computers put out; a person's width is counted in it."""

LOWEST_M = 0.05
"""A camera of a vehicle that stands is this high."""

PX_PER_RAD = 600.0
"""Of a middling camera at 640 px: what motion blur comes to."""


class SensorModel(Segments, FrameSource, Protocol):
    """A camera with a network behind it."""

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """How wide somebody is in what the network puts out, px; 0 out of the picture.

        Args:
            actor: Who.
            pose: True one of the vehicle, with attitude and position.
        """


def believed_camera(conditions: SceneConditions) -> CameraModel:
    """The camera as the daemon is told: level, without the error of its mount."""
    return CameraModel.from_hfov(*PICTURE_PX, conditions.hfov_deg)


def true_camera(conditions: SceneConditions, rng: np.random.Generator) -> CameraModel:
    """The camera as it is mounted."""
    camera = believed_camera(conditions)
    roll, pitch, yaw = (conditions.mount_error_deg * rng.standard_normal(3) / math.sqrt(3)).tolist()
    mount = replace(camera.mount, roll_deg=roll, pitch_deg=-90.0 + pitch, yaw_deg=yaw)
    return replace(camera, mount=mount)


def shaken(q: Quaternion, vibration_deg: float, rng: np.random.Generator) -> Quaternion:
    """An attitude with the camera's vibration in it."""
    roll, pitch, yaw = (math.radians(vibration_deg) * rng.standard_normal(3)).tolist()
    w, x, y, z = quaternion_from_euler(roll, pitch, yaw)
    a, b, c, d = q
    return (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )


class LabelSensor:
    """True labels with measured mistakes; no pictures.

    Args:
        world: What is there.
        camera: As it is mounted.
        model: Measured mistakes.
        conditions: Faults of the camera, which make the network worse.
        rng: Randomness of the landing.
    """

    overlaps = False

    def __init__(
        self,
        world: World,
        camera: CameraModel,
        model: PerceptionErrorModel,
        conditions: SceneConditions,
        rng: np.random.Generator,
    ) -> None:
        self.world = world
        self.timings_ms: dict[str, float] = {}
        self._camera = camera
        self._small = camera.resized(*model.size_px)
        self._model = model
        self._conditions = conditions
        self._sampler = PerceptionErrorSampler(model, world.taxonomy, conditions.model_shift, rng)
        self._blank = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
        self._shot: CameraSample | None = None

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """How wide somebody is in the labels, px; 0 out of the picture."""
        return _width_px(self._small, actor, pose)

    def frame(self, shot: CameraSample) -> Frame:
        """A black picture with the right stamp: nobody looks at it."""
        self._shot = shot
        return Frame(self._blank, shot.frame_id, shot.stamp_ns)

    def submit(self, frame: Frame) -> None:
        """Takes the frame of the newest shot."""
        assert self._shot is not None and self._shot.frame_id == frame.frame_id

    def result(self) -> Segmentation:
        """What the network would say."""
        shot = self._shot
        assert shot is not None
        pose = _above_ground(shot.pose)
        labels = label_view(self.world, self._camera, pose, shot.t_s, self._model.size_px)
        height_m = -float(self._small.centre_ned_m(pose)[2])
        ground_from_pixel: FloatArray = np.asarray(
            np.linalg.inv(self._small.pixel_from_ground_plane(pose, 0.0)), np.float64
        )
        shift = self._model.shift_of(self._faults(shot.motion, height_m))
        return self._sampler.segment(
            labels, ground_from_pixel, height_m, height_m / self._small.fx, shot.stamp_ns, shift
        )

    def _faults(self, motion: Motion, height_m: float) -> dict[str, float]:
        """How far beyond the usual the camera's faults are, by the names of the shifts."""
        c = self._conditions
        across_mps = math.hypot(*motion.velocity_ned_mps[:2])
        turn_radps = math.hypot(*motion.rates_frd_radps[:2])
        streak_px = PX_PER_RAD * (across_mps / height_m + turn_radps) * c.exposure_ms * 1e-3
        blur_px = math.hypot(c.lens_blur_px, 0.3 * streak_px)  # sd of a streak: length / sqrt 12
        return {
            "noise_sd": max(0.0, c.noise_sd / c.light - USUAL_NOISE_SD),
            "lens_blur_px": max(0.0, blur_px - USUAL_BLUR_PX),
            "darkness": max(0.0, 1.0 - c.light),
        }


class NetworkSensor:
    """Rendered pictures and a real network.

    Args:
        world: What is there.
        shutter: Takes the pictures.
        runtime: The network.
    """

    overlaps = False

    def __init__(self, world: World, shutter: Shutter, runtime: Runtime) -> None:
        self.world = world
        self.timings_ms: dict[str, float] = {}
        self._shutter = shutter
        self._runtime = runtime

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """How wide somebody is in the network's maps, px; 0 out of the picture."""
        return _width_px(self._shutter.camera.resized(*MAP_PX), actor, pose)

    def frame(self, shot: CameraSample) -> Frame:
        """Renders the shot."""
        image = self._shutter.picture(self.world, shot.pose, shot.t_s, shot.motion)
        return Frame(image, shot.frame_id, shot.stamp_ns)

    def submit(self, frame: Frame) -> None:
        """Hands the frame to the network."""
        self._runtime.submit(frame)

    def result(self) -> Segmentation:
        """What the network says."""
        return self._runtime.result()


def camera_effects(conditions: SceneConditions, seed: int) -> Effects:
    """Faults of a scene's camera in its pictures."""
    return Effects(
        seed=seed,
        noise_sd=conditions.noise_sd,
        exposure_s=conditions.exposure_ms * 1e-3,
        gain=conditions.light,
        exposure_wobble=0.05,
        vignetting=0.15,
        lens_blur_px=conditions.lens_blur_px,
    )


def require_classes(runtime: Runtime, world: World) -> None:
    """Refuses a network that cannot know what a world shows.

    Raises:
        DataError: It has no class of that name and role.
    """
    spoken = {(c.name, c.role) for c in runtime.spec.taxonomy.classes}
    unheard = [c.name for c in world.taxonomy.classes if (c.name, c.role) not in spoken]
    if unheard:
        raise DataError(
            f"model {runtime.path} does not know {', '.join(unheard)} of world "
            f"{world.name!r}: it was trained with taxonomy {runtime.spec.taxonomy.name!r}, "
            f"the world has {world.taxonomy.name!r}"
        )


def _width_px(camera: CameraModel, actor: ActorState, pose: Pose) -> float:
    """Of somebody whose middle is in the picture, by the least side of the outline."""
    pose = _above_ground(pose)
    (u, v) = camera.pixel_from_ned(np.array([[actor.north_m, actor.east_m, 0.0]]), pose)[0]
    if not (0.0 <= u < camera.width_px and 0.0 <= v < camera.height_px):
        return 0.0
    forward_m, right_m = np.ptp(outline_m(actor.kind), axis=0)
    return float(min(forward_m, right_m) * camera.fx / -camera.centre_ned_m(pose)[2])


def _above_ground(pose: Pose) -> Pose:
    """The pose, lifted when it stands on the ground: a camera has some height."""
    assert pose.position_ned_m is not None
    north_m, east_m, down_m = pose.position_ned_m
    if down_m <= -LOWEST_M:
        return pose
    return replace(pose, position_ned_m=(north_m, east_m, -LOWEST_M))


def load_network(path: Path) -> Runtime:
    """A network on one core, so that landings beside each other do not fight for them.

    Raises:
        ModelError: It cannot be loaded.
    """
    return load_runtime(path, RuntimeOptions(threads=1))
