"""One frame through the whole decision: segment, pose at capture time, map, pick.

The same step flies (`edge serve`) and looks at recordings (`edge look`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.timings import Timings
from landing.camera import CameraModel
from landing.decision import Decision
from landing.errors import CameraError
from landing.ground.view import GridOfFloat, GroundView
from landing.motion.check import MotionReport
from landing.pad.tag import PadFinder, PadSighting
from landing.picture.monitor import PictureMonitor
from landing.problems import Problem
from landing.relief.depth import DepthSource, DepthTaken
from landing.relief.report import ReliefReport
from landing.site import NoSite
from landing.types import Frame, Pose, Segmentation

PoseAt = Callable[[int], Pose | None]
"""The pose at a monotonic time, or None when it is not known."""

Upcoming = Callable[[], Frame | None]
"""The next frame if there is one already; does not wait."""


class Segments(Protocol):
    """The part of `edge.runtimes.Runtime` that the pipeline uses."""

    @property
    def overlaps(self) -> bool:
        """True if the network runs between `submit` and `result`."""

    @property
    def timings_ms(self) -> dict[str, float]:
        """Parts of the last frame's time."""

    def submit(self, frame: Frame) -> None:
        """Take a frame."""

    def result(self) -> Segmentation:
        """Return the output for the frame."""


class Decides(Protocol):
    """The part of `landing.decider.Decider` that the pipeline uses."""

    last_view: GroundView | None
    last_clearance_m: GridOfFloat | None

    def observe(
        self,
        segmentation: Segmentation,
        pose: Pose | None,
        now_ns: int,
        sighting: PadSighting | None = None,
        relief: ReliefReport | None = None,
    ) -> Decision:
        """Add a frame and decide."""

    def refuse(self, problem: NoSite, pose: Pose | None, captured_ns: int, now_ns: int) -> Decision:
        """Decide without the frame: the picture is bad."""

    def reset(self) -> None:
        """Forget everything, as at start."""


@dataclass(frozen=True)
class Step:
    """Result of one frame.

    Attributes:
        frame: The picture.
        segmentation: The network's output.
        pose: At capture time; None when it was not known.
        problem: Reason against deciding on the picture; None if it was decided on.
        motion: How the picture moves against what was to be expected; None where that is not checked.
        decision: The site, or why there is none.
        view: The ground map that it was made by; None where it was made without, as of a refused frame.
        clearance_m: Clearance around each cell of the view, m; None where nothing was picked from it.
        timings_ms: ``preprocess, inference, pose, pad, map, pick, total`` and ``age`` (from capture to decision).
        sighting: Tags of the wanted pad in it; None without any.
        relief: What parallax and depth have shown up to it; None where relief is not measured.
        depth: Looks of depth sensors since the frame before, each with what became of it.
    """

    frame: Frame
    segmentation: Segmentation
    pose: Pose | None
    problem: NoSite | None
    motion: MotionReport | None
    decision: Decision
    view: GroundView | None
    clearance_m: GridOfFloat | None
    timings_ms: dict[str, float]
    sighting: PadSighting | None = None
    relief: ReliefReport | None = None
    depth: tuple[DepthTaken, ...] = ()


class Pipeline:
    """Owns the order of the stages; has no thread. One caller at a time.

    Args:
        runtime: The network.
        decider: The decision.
        camera: Lens and mount the decider was made with; frames must have its shape.
        clock_ns: Monotonic time; a replay brings media time.
        stopwatch_ns: Measures durations.
        monitor: Refuses bad pictures; None takes all.
        pad: Looks for the wanted pad's tag; None where there is none.
        depth: Sources of depth, asked with each frame.
    """

    def __init__(
        self,
        runtime: Segments,
        decider: Decides,
        camera: CameraModel,
        clock_ns: Callable[[], int],
        stopwatch_ns: Callable[[], int],
        monitor: PictureMonitor | None = None,
        pad: PadFinder | None = None,
        depth: Sequence[DepthSource] = (),
    ) -> None:
        self._pad = pad
        self._depth = tuple(depth)
        self._monitor = monitor
        self.runtime = runtime
        self.decider = decider
        self._camera = camera
        self._clock_ns = clock_ns
        self._stopwatch_ns = stopwatch_ns
        self._size = (camera.width_px, camera.height_px)
        self._ahead: Frame | None = None
        self.timings = Timings()

    @property
    def ahead(self) -> Frame | None:
        """The frame the network is at work on already; the next one to `step` with."""
        return self._ahead

    def step(self, frame: Frame, pose_at: PoseAt, upcoming: Upcoming | None = None) -> Step:
        """Decide with one more frame.

        The pose is asked for after the network has run: by then the poses on both sides of the capture have arrived, so
        it is interpolated and not guessed.

        Args:
            frame: The frame; `ahead`, where there is one.
            pose_at: The vehicle's poses.
            upcoming: Asked once this frame's segmentation is there. Where the runtime overlaps, the network starts on
                what it gives, then `ahead`, while this frame is decided on.

        Raises:
            ModelError: The network does not run.
            CameraError: The frame is of another shape than the camera model.
            ValueError: The network is at work on another frame.
        """
        started = self._stopwatch_ns()
        if self._ahead is None:
            self._submit(frame)
        elif self._ahead is not frame:
            raise ValueError(f"frame {self._ahead.frame_id} is under way, not {frame.frame_id}")
        self._ahead = None
        segmentation = self.runtime.result()
        model_ms = dict(self.runtime.timings_ms)
        segmented = self._stopwatch_ns()
        if upcoming is not None and self.runtime.overlaps:
            following = upcoming()
            if following is not None:
                self._submit(following)
                self._ahead = following
        handed_on = self._stopwatch_ns()
        pose = pose_at(frame.captured_at_ns)
        posed = self._stopwatch_ns()
        monitor = self._monitor
        problem = None if monitor is None else monitor.refusal(frame, pose)
        motion = None if monitor is None else monitor.motion
        sighting, looked_ms = self._look_for_pad(frame) if problem is None else (None, {})
        now_ns = self._clock_ns()
        depth = self._take_depth(frame, pose_at, now_ns)
        relief = None if monitor is None else monitor.relief
        if problem is None:
            decision = self.decider.observe(segmentation, pose, now_ns, sighting, relief)
        else:
            decision = self.decider.refuse(problem, pose, frame.captured_at_ns, now_ns)
        done = self._stopwatch_ns()
        timings_ms = model_ms
        timings_ms["pose"] = (posed - handed_on) * 1e-6
        timings_ms.update({**looked_ms, **decision.timings_ms})
        timings_ms["total"] = (done - started - (handed_on - segmented)) * 1e-6
        timings_ms["age"] = (self._clock_ns() - frame.captured_at_ns) * 1e-6
        self.timings.add(timings_ms)
        decider = self.decider
        view, clearance_m = decider.last_view, decider.last_clearance_m
        told = (view, clearance_m, timings_ms, sighting, relief, depth)
        return Step(frame, segmentation, pose, problem, motion, decision, *told)

    def _take_depth(self, frame: Frame, pose_at: PoseAt, now_ns: int) -> tuple[DepthTaken, ...]:
        """Hand what depth sensors saw up to a frame to the relief: by then its poses are known."""
        looks = [look for source in self._depth for look in source(frame.captured_at_ns)]
        if self._monitor is None or not looks:
            return ()
        return self._monitor.take_depth(looks, pose_at, now_ns)

    def _look_for_pad(self, frame: Frame) -> tuple[PadSighting | None, dict[str, float]]:
        """Return the tags in a frame, and the time that it took."""
        if self._pad is None:
            return None, {}
        began = self._stopwatch_ns()
        sighting = self._pad.look(frame.image_bgr)
        return sighting, {"pad": (self._stopwatch_ns() - began) * 1e-6}

    def _submit(self, frame: Frame) -> None:
        if (frame.width_px, frame.height_px) != self._size:
            raise CameraError(
                f"frame {frame.frame_id} is {frame.width_px}x{frame.height_px} px, the camera is "
                f"set up for {self._size[0]}x{self._size[1]}",
                Problem.CAMERA_OTHER,
            )
        self.runtime.submit(frame)
