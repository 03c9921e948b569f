"""Decide from a program: load a model, decide on a picture with a pose, follow frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from pydantic import ValidationError

from edge.annotate import annotate, way_to
from edge.lens import camera_for_size
from edge.look.view import NO_COLOUR, has_colour
from edge.pipeline import Pipeline, Step
from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from landing.camera import CameraModel
from landing.errors import ConfigError
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import STILL, PictureSettings
from landing.settings import DecisionSection, DecisionSettings, DirectorSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.types import ByteArray, Frame, Pose, Segmentation
from landing.validation import first_problem, other_type
from landing.values import instance, path_of, whole
from touchdown.selected import WithSelection
from touchdown.streams import FrameStream

LIMITS = DirectorSettings()
"""Greatest ages of frames and poses, as in flight."""

MOST_THREADS = 1024


@dataclass(frozen=True)
class Answer(WithSelection):
    """Answer to one picture: a landing site, or the reason why there is none.

    Attributes:
        selection: The site, or the reason; exactly one of `site` and `refusal` is not None.
        frame: The picture.
        pose: Of the vehicle at the picture's time; None when it was not known.
        segmentation: The network's maps of the picture.
        decided_at_ns: Time of the decision, monotonic ns. In flight no target leaves later than 0.5 s after the picture
            was taken; a program that sends one must look at `frame.captured_at_ns` when it does.
    """

    selection: LandingSite | NoSite
    frame: Frame
    pose: Pose | None
    segmentation: Segmentation
    decided_at_ns: int
    _step: Step = field(repr=False)
    _camera: CameraModel = field(repr=False)
    _settings: DecisionSettings = field(repr=False)

    @property
    def ahead_right_m(self) -> tuple[float, float] | None:
        """Horizontal way from below the vehicle to the site, m ahead and m right; None without site or pose."""
        if self.site is None or self.pose is None:
            return None
        return way_to(*self.site.position_ned_m[:2], self.pose)

    @property
    def pixel(self) -> tuple[float, float] | None:
        """Middle of the site in the picture, px right and px down; None without site, pose, or outside of the view."""
        if self.site is None or self.pose is None:
            return None
        u, v = (float(c) for c in self._camera.pixel_from_ned(np.array([self.site.position_ned_m]), self.pose)[0])
        return (u, v) if 0 <= u < self.frame.width_px and 0 <= v < self.frame.height_px else None

    def annotated(self) -> ByteArray:
        """Return the picture with landable ground in green, hazards in red and the site, uint8 (H, W, 3) BGR."""
        return annotate(self._step, self._camera, self._settings)


class Model:
    """A network, and the decision that flies with it. One caller at a time; close it, or use it with `with`.

    `load_model` makes one.
    """

    def __init__(self, runtime: Runtime, flies: ResolvedDecision) -> None:
        self._runtime = runtime
        self._flies = flies

    @property
    def name(self) -> str:
        """Name that the model gives itself."""
        return self._flies.model

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; the index is the value in `Segmentation.class_id`."""
        return tuple(one.name for one in self._flies.classes.classes)

    def decide(self, image_bgr: ByteArray, camera: CameraModel, pose: Pose) -> Answer:
        """Decide on one picture by itself, as `touchdown edge look` does.

        Args:
            image_bgr: uint8 (H, W, 3), blue-green-red, as stored.
            camera: Lens and mount, for pictures of this shape.
            pose: Of the vehicle when the picture was taken: attitude, position and height above ground.

        Raises:
            InvalidValueError: The picture is of another type or shape, or camera or pose of another type.
            CameraError: The camera model is of another shape than the picture.
            ModelError: The network does not run.
        """
        instance("camera", camera, CameraModel)
        instance("pose", pose, Pose)
        frame = Frame(image_bgr, 0, pose.at_ns)
        lens = camera_for_size(camera, frame.width_px, frame.height_px)
        settings = self._flies.decision.single_look()

        def clock_ns() -> int:
            return pose.at_ns

        doubts = _Doubts(lens, clock_ns, STILL, alone=True)
        following = self._following(lens, settings, clock_ns, doubts)
        return following.answer(frame, lambda at_ns: pose)

    def follow(
        self,
        frames: Iterable[Frame],
        camera: CameraModel,
        pose: Pose | Callable[[int], Pose | None],
        *,
        clock_ns: Callable[[], int] | None = None,
        check_pictures: bool = True,
    ) -> Iterator[Answer]:
        """Decide on frame after frame, as in flight: all build one map of the ground.

        Args:
            frames: In the order of time, such as `open_stream` gives; one that is no later than the last is refused.
            camera: Lens and mount, for pictures of this shape.
            pose: A function from a frame's time, monotonic ns, to the vehicle's pose then, or None where that is not
                known; or one pose, of a camera that hovers.
            clock_ns: Monotonic time, ns, so that old frames give no site. By default it is the clock for a
                live `FrameStream`, and each frame's own time for anything else.
            check_pictures: Refuse pictures that are black, blank, blurred, frozen, or do not move as the poses say.

        Raises:
            InvalidValueError: A frame, the camera or a pose is of another type.
            CameraError: The camera model is of another shape than a frame, or a live stream failed.
            ModelError: The network does not run.
        """
        instance("camera", camera, CameraModel)
        if not callable(pose):
            instance("pose", pose, Pose)
        now_ns = 0
        if clock_ns is None:
            live = isinstance(frames, FrameStream) and frames.live
            clock_ns = time.monotonic_ns if live else lambda: now_ns
        following: _Following | None = None
        for frame in frames:
            instance("frame", frame, Frame)
            now_ns = frame.captured_at_ns
            if following is None:
                lens = camera_for_size(camera, frame.width_px, frame.height_px)
                doubts = _Doubts(lens, clock_ns, PictureSettings() if check_pictures else None, alone=False)
                following = self._following(lens, self._flies.decision, clock_ns, doubts)
            yield following.answer(frame, pose if callable(pose) else _hover(pose))

    def close(self) -> None:
        """Release the network."""
        self._runtime.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _following(
        self, lens: CameraModel, settings: DecisionSettings, clock_ns: Callable[[], int], doubts: _Doubts
    ) -> _Following:
        decider = self._flies.decider(lens, time.perf_counter_ns, settings)
        pipeline = Pipeline(self._runtime, decider, lens, clock_ns, time.perf_counter_ns, doubts)
        return _Following(pipeline, lens, settings)


class _Doubts(PictureMonitor):
    """Refuses a picture that is old or no later than the last, has a pose of another time, or shows nothing.

    Args:
        lens: Lens and mount.
        clock_ns: Time of the decision, monotonic ns.
        pictures: Limits of a usable picture; None takes all.
        alone: The picture has none before it, so nothing is told from its motion, and it must have colour.
    """

    def __init__(
        self, lens: CameraModel, clock_ns: Callable[[], int], pictures: PictureSettings | None, alone: bool
    ) -> None:
        super().__init__(pictures or PictureSettings(check_motion=False), lens)
        self._clock_ns = clock_ns
        self._looks = pictures is not None
        self._alone = alone
        self._newest_ns: int | None = None

    def refusal(self, frame: Frame, pose: Pose | None) -> NoSite | None:
        """Return why a picture is not decided on; None when it is."""
        age_s = (whole("time of clock_ns", self._clock_ns()) - frame.captured_at_ns) * 1e-9
        if abs(age_s) > LIMITS.max_decision_age_s:
            when = "old" if age_s > 0 else "ahead of the clock"
            words = f"the frame is {abs(age_s):.2f} s {when}, at most {LIMITS.max_decision_age_s:g} s expected"
            return NoSite(NoSiteReason.STALE_FRAME, words)
        newest_ns = self._newest_ns
        if newest_ns is not None and frame.captured_at_ns <= newest_ns:
            behind_s = (newest_ns - frame.captured_at_ns) * 1e-9
            return NoSite(NoSiteReason.STALE_FRAME, f"the frame is {behind_s:.2f} s before another: no new evidence")
        self._newest_ns = frame.captured_at_ns
        apart_s = 0.0 if pose is None else abs(pose.at_ns - frame.captured_at_ns) * 1e-9
        if apart_s > LIMITS.max_pose_age_s:
            words = f"pose and frame are {apart_s:.2f} s apart, at most {LIMITS.max_pose_age_s:g} s expected"
            return NoSite(NoSiteReason.STALE_POSE, words)
        if self._alone and not has_colour(frame.image_bgr):
            return NoSite(NoSiteReason.BAD_PICTURE, NO_COLOUR)
        return super().refusal(frame, pose) if self._looks else None


@dataclass(frozen=True)
class _Following:
    """A pipeline with the lens and the settings that it was made with."""

    pipeline: Pipeline
    lens: CameraModel
    settings: DecisionSettings

    def answer(self, frame: Frame, pose_at: Callable[[int], Pose | None]) -> Answer:
        step = self.pipeline.step(frame, lambda at_ns: _known(pose_at(at_ns)))
        decision = step.decision
        return Answer(
            decision.selection,
            frame,
            step.pose,
            step.segmentation,
            decision.decided_at_ns,
            step,
            self.lens,
            self.settings,
        )


def _known(pose: Pose | None) -> Pose | None:
    if pose is not None:
        instance("pose", pose, Pose)
    return pose


def _hover(pose: Pose) -> Callable[[int], Pose]:
    return lambda at_ns: replace(pose, at_ns=at_ns)


def load_model(
    path: str | Path, *, decision: Mapping[str, Any] | None = None, threads: int = 0, allow_failed_gate: bool = False
) -> Model:
    """Load a model file and warm it up.

    Args:
        path: An ONNX file with our description in it, or a TensorRT engine for this machine.
        decision: Settings of the decision, with the keys of the table ``[decision]`` of `edge.toml`, such as
            ``{"vehicle_radius_m": 0.4}``.
        threads: Of one inference; 0 leaves it to the runtime.
        allow_failed_gate: Take a model that failed its gate. Never for flight.

    Raises:
        ModelError: The file is missing, damaged, not as it describes itself, for another machine, or failed its gate.
        ConfigError: A setting is unknown or out of range.
        InvalidValueError: The path, threads or allow_failed_gate is of another type.
    """
    if decision is not None and not isinstance(decision, Mapping):
        raise ConfigError(f"decision is {type(decision).__name__}: expected names and values")
    instance("allow_failed_gate", allow_failed_gate, bool)
    if not 0 <= whole("threads", threads) <= MOST_THREADS:
        raise ConfigError(f"threads {threads}: expected 0 to {MOST_THREADS}")
    other = other_type(decision or {}, DecisionSection)
    if other is not None:
        raise ConfigError(f"decision: {other}")
    try:
        section = DecisionSection.model_validate(dict(decision or {}))
    except ValidationError as error:
        raise ConfigError(f"decision: {first_problem(error, DecisionSection)}") from error
    runtime = load_runtime(path_of(path), RuntimeOptions(threads=threads, allow_failed_gate=allow_failed_gate))
    try:
        runtime.warm_up()
        return Model(runtime, resolve_decision(section, runtime.spec))
    except BaseException:
        runtime.close()
        raise
