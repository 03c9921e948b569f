"""Mistakes of set-up and faults that no message shows: what the daemon is told of its vehicle is not so.

A mistake of set-up is there from the start; a picture that freezes or comes again, and a position that drifts, begin in
the air. The record of a flight says what was made, and what the daemon called it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from landing.camera import CameraModel
from landing.motion.check import MotionReport
from landing.motion.mistakes import KINDS, LOOPED
from landing.taxonomy import Taxonomy
from landing.types import Frame, Pose, Segmentation
from sim.campaign.ranges import SceneConditions, stream
from sim.campaign.sensors import tilted, turned
from sim.flight.loop import CameraSample
from sim.flight.sensor import SensorModel
from sim.world import ActorState, World

MISTAKES = (*KINDS, LOOPED)
"""Kinds, by the names that the daemon gives them."""

BEGINS_S = (5.0, 30.0)
"""Earliest and latest time at which one begins in the air, s."""


@dataclass(frozen=True)
class SetupMistake:
    """One mistake.

    Attributes:
        kind: One of `MISTAKES`.
        value: In the unit of `landing.motion.mistakes.STATED`, beyond what is stated there; of a loop its length, s.
        course_rad: Direction of a tilt against the nose, and of a drift against north.
        begins_s: Since the start; 0 for those that are there all the time.
    """

    kind: str
    value: float
    course_rad: float
    begins_s: float

    def on(self, conditions: SceneConditions) -> SceneConditions:
        """The conditions of a scene with it: a rangefinder of another scale, pictures that are late."""
        if self.kind == "height":
            return replace(conditions, range_scale=conditions.range_scale * self.value)
        if self.kind == "late":
            return replace(conditions, camera_delay_ms=conditions.camera_delay_ms + 1000 * self.value)
        return conditions

    def mounted(self, camera: CameraModel) -> CameraModel:
        """The camera as it is: turned, tilted or of another field of view than the daemon is told."""
        if self.kind == "field of view":
            return replace(camera, fx=camera.fx * self.value, fy=camera.fy * self.value)
        if self.kind == "turned":
            return turned(camera, self.value)
        return tilted(camera, self.value, self.course_rad) if self.kind == "tilted" else camera

    @property
    def drift_mps(self) -> tuple[float, float]:
        """North and east of the drift of the position."""
        speed_mps = self.value if self.kind == "drift" else 0.0
        return speed_mps * math.cos(self.course_rad), speed_mps * math.sin(self.course_rad)


def draw_mistake(key: Sequence[int], kind: str) -> SetupMistake:
    """A mistake of a kind, of random size; the same for the same scene.

    Args:
        key: Of the scene's random streams.
        kind: One of `MISTAKES`.
    """
    rng = stream(key, "mistake")

    def either(low: float, high: float) -> float:
        value = float(rng.uniform(low, high))
        return value if rng.random() < 0.5 else 1.0 / value

    values: dict[str, Callable[[], float]] = {
        "turned": lambda: float(rng.uniform(25.0, 180.0) * rng.choice([-1.0, 1.0])),
        "tilted": lambda: float(rng.uniform(18.0, 35.0)),
        "field of view": lambda: either(1.6, 2.5),
        "height": lambda: either(1.7, 3.0),
        "late": lambda: float(rng.uniform(0.2, 0.6)),
        "drift": lambda: float(rng.uniform(1.0, 3.0)),
        LOOPED: lambda: float(rng.uniform(2.0, 6.0)),
    }
    value = values[kind]() if kind in values else 0.0
    begins_s = float(rng.uniform(*BEGINS_S)) if kind in ("frozen", LOOPED, "drift") else 0.0
    return SetupMistake(kind, value, float(rng.uniform(0.0, 2 * math.pi)), begins_s)


class OldPictures:
    """A camera that shows one picture, or its last few seconds, from some time on.

    Args:
        mistake: Of the scene; None, or of another kind: every picture is shown as it is taken.
        fps: Of the camera.
    """

    def __init__(self, mistake: SetupMistake | None, fps: float) -> None:
        kind = None if mistake is None else mistake.kind
        self._mistake = mistake if kind in ("frozen", LOOPED) else None
        length_s = 0.0 if self._mistake is None else self._mistake.value
        self._length = max(1, round(length_s * fps))
        self._taken: list[CameraSample] = []
        self._shown = 0

    def shown(self, sample: CameraSample) -> CameraSample:
        """Return what comes instead of a sample, with the stamps of now."""
        if self._mistake is None:
            return sample
        if sample.t_s < self._mistake.begins_s or not self._taken:
            self._taken = [*self._taken[1 - self._length :], sample] if self._length > 1 else [sample]
            return sample
        old = self._taken[self._shown % len(self._taken)]
        self._shown += 1
        return replace(sample, pose=replace(old.pose, at_ns=sample.pose.at_ns), t_s=old.t_s, motion=old.motion)


class MirroredSensor:
    """A camera whose pictures are mirrored left to right before anybody sees them.

    Args:
        sensor: Takes them, and answers.
    """

    def __init__(self, sensor: SensorModel) -> None:
        self._sensor = sensor

    @property
    def world(self) -> World:
        """In front of the camera."""
        return self._sensor.world

    @world.setter
    def world(self, world: World) -> None:
        self._sensor.world = world

    @property
    def overlaps(self) -> bool:
        """See `Segments`."""
        return self._sensor.overlaps

    @property
    def timings_ms(self) -> dict[str, float]:
        """See `Segments`."""
        return self._sensor.timings_ms

    @property
    def shows_relief(self) -> bool:
        """See `SensorModel`."""
        return self._sensor.shows_relief

    @property
    def resolves(self) -> bool:
        """See `SensorModel`."""
        return self._sensor.resolves

    @property
    def taxonomy(self) -> Taxonomy:
        """See `SensorModel`."""
        return self._sensor.taxonomy

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """See `SensorModel`."""
        return self._sensor.width_px(actor, pose)

    def frame(self, sample: CameraSample) -> Frame:
        """The mirrored picture."""
        frame = self._sensor.frame(sample)
        return replace(frame, image_bgr=np.ascontiguousarray(frame.image_bgr[:, ::-1]))

    def submit(self, frame: Frame) -> None:
        """Hands the picture on as it was taken: a network knows its ground in a mirror as well."""
        self._sensor.submit(replace(frame, image_bgr=np.ascontiguousarray(frame.image_bgr[:, ::-1])))

    def result(self) -> Segmentation:
        """Return the mirrored answer."""
        answer = self._sensor.result()
        return replace(
            answer,
            class_id=np.ascontiguousarray(answer.class_id[:, ::-1]),
            landable=np.ascontiguousarray(answer.landable[:, ::-1]),
            hazards=np.ascontiguousarray(answer.hazards[:, :, ::-1]),
        )


def seen_through(sensor: SensorModel, mistake: SetupMistake | None) -> SensorModel:
    """The sensor, mirrored where that is the mistake."""
    return MirroredSensor(sensor) if mistake is not None and mistake.kind == "mirrored" else sensor


class NamedMistakes:
    """Kinds of mistakes that the daemon names in a flight, in the order of time."""

    def __init__(self) -> None:
        self.named: list[tuple[float, str]] = []

    def step(self, t_s: float, motion: MotionReport | None) -> None:
        """Takes what the newest pictures' motion says."""
        kind = None if motion is None or motion.mistake is None else motion.mistake.kind
        if kind is not None and (not self.named or self.named[-1][1] != kind):
            self.named.append((t_s, kind))

    def facts(self, mistake: SetupMistake, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the mistake that was made and those that were named, for a record.

        Args:
            mistake: Of the scene.
            events: Of the flight: a picture that stands still is a bad one there.
        """
        still = [
            (event["t_s"], "frozen")
            for event in events
            if event["event"] == "no-site" and event["reason"] == "bad-picture" and "frozen" in event["detail"]
        ]
        return {**asdict(mistake), "named": sorted(self.named + still)}
