"""The camera of a simulated flight with a network behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from edge.pipeline import Segments
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from landing.camera import CameraModel
from landing.taxonomy import Taxonomy
from landing.types import Frame, Pose, Segmentation
from sim.camera.sensor import CameraSensor
from sim.flight.loop import CameraSample, FrameSource
from sim.world import ActorState, World
from sim.world.actors import outline_m

MAP_PX = (160, 120)
"""About what networks for small computers put out; a person's width is counted in it."""

LOWEST_M = 0.05
"""A camera of a vehicle that stands is this high."""


class SensorModel(Segments, FrameSource, Protocol):
    """A camera with a network behind it."""

    @property
    def shows_relief(self) -> bool:
        """True where there are pictures of ground whose relief is known."""

    @property
    def resolves(self) -> bool:
        """True while the newest frame is a picture that a camera would take there."""

    @property
    def taxonomy(self) -> Taxonomy:
        """Return the classes that the network tells apart; the world may have more of them."""

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """Return the width of somebody in the network's output, px; 0 out of the picture.

        Args:
            actor: Person or vehicle.
            pose: True one of the vehicle, with attitude and position.
        """


class BlackSensor:
    """A camera whose answer needs no picture: its frames are black, with the right stamps.

    Args:
        world: In front of the camera.
        camera: As it is mounted.
        shutter: Takes small pictures beside the answer, for what looks at their motion; None leaves the frames black.
    """

    overlaps = False

    def __init__(self, world: World, camera: CameraModel, shutter: CameraSensor | None = None) -> None:
        self.world = world
        self.timings_ms: dict[str, float] = {}
        self._camera = camera
        self._blank = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
        self._shutter = shutter
        self._sample: CameraSample | None = None

    @property
    def shows_relief(self) -> bool:
        """See `SensorModel`."""
        return self._shutter is not None

    @property
    def resolves(self) -> bool:
        """See `SensorModel`."""
        return self._shutter is not None

    def frame(self, sample: CameraSample) -> Frame:
        """The picture, enlarged to the camera's size; a black one where there is none that a camera would take."""
        self._sample = sample
        image = self._blank
        if self._shutter is not None and self.resolves:
            image = self._shutter.picture(self.world, above_ground(sample.pose), sample.t_s, sample.motion)
            size = (self._camera.width_px, self._camera.height_px)
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        return Frame(image, sample.frame_id, sample.captured_at_ns)

    def submit(self, frame: Frame) -> None:
        """Takes the frame of the newest sample."""
        assert self._sample is not None and self._sample.frame_id == frame.frame_id

    def newest(self) -> CameraSample:
        """Return the sample of the newest frame."""
        assert self._sample is not None
        return self._sample


class NetworkSensor:
    """Rendered pictures and a real network.

    Args:
        world: In front of the camera. Classes of it that the network does not know are truth alone: they are judged by.
        shutter: Takes the pictures.
        runtime: The network.
    """

    overlaps = False

    def __init__(self, world: World, shutter: CameraSensor, runtime: Runtime) -> None:
        self.world = world
        self.timings_ms: dict[str, float] = {}
        self._shutter = shutter
        self._runtime = runtime

    @property
    def shows_relief(self) -> bool:
        """See `SensorModel`; a made world without heights is flat in truth alone."""
        return self.world.heights_m is not None or self.world.photograph is not None

    @property
    def resolves(self) -> bool:
        """See `SensorModel`."""
        return True

    @property
    def taxonomy(self) -> Taxonomy:
        """Return the network's classes."""
        return self._runtime.spec.taxonomy

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """Return the width of somebody in the network's maps, px; 0 out of the picture."""
        return actor_width_px(self._shutter.camera.resized(*MAP_PX), actor, pose)

    def frame(self, sample: CameraSample) -> Frame:
        """Renders the sample."""
        image = self._shutter.picture(self.world, sample.pose, sample.t_s, sample.motion)
        return Frame(image, sample.frame_id, sample.captured_at_ns)

    def submit(self, frame: Frame) -> None:
        """Hands the frame to the network."""
        self._runtime.submit(frame)

    def result(self) -> Segmentation:
        """Return the network's output."""
        return self._runtime.result()


def actor_width_px(camera: CameraModel, actor: ActorState, pose: Pose) -> float:
    """Of somebody whose middle is in the picture, by the least side of the outline."""
    pose = above_ground(pose)
    (u, v) = camera.pixel_from_ned(np.array([[actor.north_m, actor.east_m, -actor.up_m]]), pose)[0]
    if not (0.0 <= u < camera.width_px and 0.0 <= v < camera.height_px):
        return 0.0
    forward_m, right_m = np.ptp(outline_m(actor.kind), axis=0)
    return float(min(forward_m, right_m) * camera.fx / max(-camera.centre_ned_m(pose)[2] - actor.up_m, LOWEST_M))


def above_ground(pose: Pose) -> Pose:
    """The pose, lifted when it stands on the ground: a camera has some height."""
    assert pose.position_ned_m is not None
    north_m, east_m, down_m = pose.position_ned_m
    if down_m <= -LOWEST_M:
        return pose
    return replace(pose, position_ned_m=(north_m, east_m, -LOWEST_M))


def load_network(path: Path, backend: str = "auto") -> Runtime:
    """A network on one core, so that landings beside each other do not fight for them.

    Args:
        path: A model file.
        backend: One of `edge.runtimes.BACKENDS`.

    Raises:
        ModelError: It cannot be loaded.
    """
    return load_runtime(path, RuntimeOptions(backend, threads=1))
