"""Sensors of a campaign: a network's output for each frame.

Two ways with one interface. `LabelSensor` needs no pictures: it looks at the true labels and errs as the measured model
errs. `NetworkSensor` renders each frame that the pipeline takes and runs a network.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from landing.camera import CameraModel
from landing.geometry import FloatArray, quaternion_from_euler
from landing.taxonomy import Taxonomy
from landing.types import Pose, Segmentation
from sim.camera import Motion
from sim.camera.effects import Effects
from sim.camera.sensor import CameraSensor
from sim.campaign.perception_errors import PerceptionErrorModel, PerceptionErrorSampler
from sim.campaign.ranges import SceneConditions
from sim.flight.sensor import BlackSensor, above_ground, actor_width_px
from sim.vehicle import Quaternion
from sim.world import ActorState, World
from sim.world.label_view import label_view

PICTURE_PX = (640, 480)
"""Of the onboard camera, as the daemon is set up for it."""

SEEN_PX = (320, 240)
"""Of the pictures beside drawn or known answers: `landing.motion.corners` looks at no larger ones."""

USUAL_NOISE_SD, USUAL_BLUR_PX = 2.5, 0.6
"""Camera faults that the measured model has in it already."""

PX_PER_RAD = 600.0
"""Of a middling camera at 640 px: what motion blur comes to."""


def believed_camera(conditions: SceneConditions) -> CameraModel:
    """The camera as the daemon is told: level, without the error of its mount."""
    return CameraModel.from_hfov(*PICTURE_PX, conditions.hfov_deg)


def true_camera(conditions: SceneConditions, rng: np.random.Generator) -> CameraModel:
    """The camera as it is mounted."""
    ahead, aside, yaw = (conditions.mount_error_deg * rng.standard_normal(3) / math.sqrt(3)).tolist()
    return turned(tilted(believed_camera(conditions), math.hypot(ahead, aside), math.atan2(aside, ahead)), yaw)


def turned(camera: CameraModel, degrees: float) -> CameraModel:
    """The camera, turned about the vertical axis of the body."""
    return replace(camera, mount=replace(camera.mount, yaw_deg=camera.mount.yaw_deg + degrees))


def tilted(camera: CameraModel, degrees: float, course_rad: float) -> CameraModel:
    """A camera that looks straight down, tilted to a course against the nose; the picture's top stays forward."""
    course_deg, mount = math.degrees(course_rad), camera.mount
    angles = (mount.roll_deg - course_deg, mount.pitch_deg + degrees, mount.yaw_deg + course_deg)
    return replace(camera, mount=replace(mount, roll_deg=angles[0], pitch_deg=angles[1], yaw_deg=angles[2]))


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


class LabelSensor(BlackSensor):
    """True labels with measured mistakes.

    Args:
        world: In front of the camera.
        camera: As it is mounted.
        model: Measured mistakes.
        conditions: Faults of the camera, which make the network worse.
        rng: Randomness of the landing.
        shutter: See `BlackSensor`.
    """

    def __init__(
        self,
        world: World,
        camera: CameraModel,
        model: PerceptionErrorModel,
        conditions: SceneConditions,
        rng: np.random.Generator,
        shutter: CameraSensor | None = None,
    ) -> None:
        super().__init__(world, camera, shutter)
        self._small = camera.resized(*model.size_px)
        self._model = model
        self._conditions = conditions
        self._sampler = PerceptionErrorSampler(model, world.taxonomy, conditions.model_shift, rng)

    @property
    def taxonomy(self) -> Taxonomy:
        """Return the classes of the labels."""
        return self.world.taxonomy

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """Return the width of somebody in the labels, px; 0 out of the picture."""
        return actor_width_px(self._small, actor, pose)

    def result(self) -> Segmentation:
        """Return the drawn output."""
        sample = self.newest()
        pose = above_ground(sample.pose)
        labels = label_view(self.world, self._camera, pose, sample.t_s, self._model.size_px)
        height_m = -float(self._small.centre_ned_m(pose)[2])
        ground_from_pixel: FloatArray = np.asarray(
            np.linalg.inv(self._small.pixel_from_ground_plane(pose, 0.0)), np.float64
        )
        shift = self._model.shift_of(self._faults(sample.motion, height_m))
        return self._sampler.segment(
            labels, ground_from_pixel, height_m, height_m / self._small.fx, sample.captured_at_ns, shift
        )

    def _faults(self, motion: Motion, height_m: float) -> dict[str, float]:
        """Excess of the camera's faults over the usual, by the names of the shifts."""
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


def photo_effects(conditions: SceneConditions, seed: int) -> Effects:
    """Faults of a scene's camera over a photograph, which has noise, lens and light of its own: motion blur."""
    return Effects(seed=seed, exposure_s=conditions.exposure_ms * 1e-3)


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
