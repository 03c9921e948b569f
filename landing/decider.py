"""One frame after another in, the present landing site (or why there is none) out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

from pydantic import TypeAdapter

from landing.camera import CameraModel
from landing.choice.aside import aside_offered
from landing.choice.last_resort import ResortChooser
from landing.choice.outlook import outlooks
from landing.choice.picker import hazard_clearance_grid
from landing.choice.snapshot import snapshot
from landing.choice.tracker import SiteTracker
from landing.choice.way import way_to_site
from landing.decision import Decision
from landing.errors import InvalidValueError
from landing.estimator import FIRST_FRAME, EstimatorFrame
from landing.ground.map import GroundMap
from landing.ground.plane import OTHER_HEIGHT, GroundPlane
from landing.ground.scale import GroundScale, HeightLimit
from landing.ground.site_score import confidence_in
from landing.ground.view import MOVING_ROLES, GridOfFloat, GroundView
from landing.model.confidence import SiteConfidence
from landing.pad.tag import PadSettings, PadSighting
from landing.pad.watch import PadWatch
from landing.pose_steps import impossible_step
from landing.relief.ground import ReliefGround
from landing.relief.report import ReliefReport
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason, Selection
from landing.taxonomy import Taxonomy
from landing.types import FARTHEST_M, Pose, Segmentation

_POSE: TypeAdapter[Pose | None] = TypeAdapter(Pose | None)
_FRAME: TypeAdapter[EstimatorFrame | None] = TypeAdapter(EstimatorFrame | None)


class _Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Decider:
    """The whole decision for one camera. One owner; not shared between threads."""

    def __init__(
        self,
        settings: DecisionSettings,
        taxonomy: Taxonomy,
        camera: CameraModel,
        clock_ns: Callable[[], int] | None = None,
        scale: GroundScale | None = None,
        confidence: SiteConfidence | None = None,
        pad: PadSettings | None = None,
    ) -> None:
        """Sets up an empty map.

        Args:
            settings: Numbers of the decision.
            taxonomy: Of the model whose segmentations will come.
            camera: Of the camera whose frames they are made from.
            clock_ns: Only to measure how long the parts take; the decision does not depend on it.
            scale: Of the model and the camera; frames from beyond its range are not used. None: the range is not known.
            confidence: Curve of the model, where it has one that holds for this vehicle.
            pad: The marked pad that is wanted; None, or one that is not enabled, for ground alone.
        """
        self._settings = settings
        self._taxonomy = taxonomy
        self._camera = camera
        self._clock_ns = clock_ns
        self._confidence = confidence
        self._map = GroundMap(settings, taxonomy)
        self._plane = GroundPlane()
        self._tracker = SiteTracker(settings, taxonomy.surfaces)
        self._height_limit = HeightLimit(scale, camera)
        self._pad = PadWatch(pad, settings, camera)
        self._resort = ResortChooser(settings, taxonomy)
        self._frame: EstimatorFrame | None = None
        self._pose: Pose | None = None
        self._restarted: str | None = None
        self.last_view: GroundView | None = None
        """Map that the last decision was made by, for pictures and records; None where it was made without."""
        self.last_clearance_m: GridOfFloat | None = None
        """Clearance grid of that map, m."""

    @property
    def ground_map(self) -> GroundMap:
        """The accumulated map."""
        return self._map

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the next decision builds on, of plain values and arrays.

        With it a recording that starts in mid-flight is decided again to the last digit.
        """
        state = {f"{part}.{k}": v for part, owner in self._owners.items() for k, v in owner.state_dict().items()}
        pose, frame = self._pose, self._frame
        state["within_range"] = self._height_limit.within
        state["pad"] = self._pad.state_dict()
        state["pose"] = None if pose is None else asdict(pose)
        state["frame"] = None if frame is None else asdict(frame)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another decider's `state_dict`.

        Raises:
            InvalidValueError: It was made with another number of cells.
        """
        cells = int(state["map.landable"].shape[0])
        if cells != self._settings.grid.cells:
            raise InvalidValueError(
                f"the state is of a map of {cells} cells a side, this one has {self._settings.grid.cells}"
            )
        for part, owner in self._owners.items():
            prefix = f"{part}."
            owner.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self._height_limit.within = bool(state.get("within_range", False))
        self._pad.load_state_dict(state.get("pad"))
        self._pose = _POSE.validate_python(state["pose"])
        self._frame = _FRAME.validate_python(state["frame"])

    @property
    def _owners(self) -> dict[str, _Stateful]:
        """Parts with a state of their own, by the name it is kept under."""
        return {"map": self._map, "plane": self._plane, "tracker": self._tracker, "resort": self._resort}

    def reset(self) -> None:
        """Forgets map, plane and site, as at start."""
        self._frame = self._pose = None
        self._map.reset()
        self._plane = GroundPlane()
        self._tracker.reset()
        self._height_limit.within = False
        self._pad.reset()
        self._resort.reset()
        self.last_view = self.last_clearance_m = None

    def observe(
        self,
        segmentation: Segmentation,
        pose: Pose | None,
        now_ns: int,
        sighting: PadSighting | None = None,
        relief: ReliefReport | None = None,
    ) -> Decision:
        """Adds a frame and decides.

        Args:
            segmentation: Stamped with the frame's capture time.
            pose: At that capture time; None when it is not known.
            now_ns: Monotonic time of the decision.
            sighting: Tags of the wanted pad in its picture, by `landing.pad.tag.PadFinder`.
            relief: Of the ground, by `landing.picture.monitor.PictureMonitor`; None where it is not measured.
        """
        started = self._now()
        captured_ns = segmentation.captured_at_ns
        self._begin(pose, sighting, captured_ns)
        refused = self._refuse(pose)
        if refused is not None or pose is None:
            assert refused is not None
            return self._decision(self._while_blind(refused, pose), now_ns, captured_ns, started, 0)
        assert pose.position_ned_m is not None and pose.height_agl_m is not None
        measured_down_m = pose.position_ned_m[2] + pose.height_agl_m
        down_m, other_ground = self._plane.update(measured_down_m, pose.height_agl_m, captured_ns)
        if other_ground:
            self._map.reset()
            self._tracker.reset()
        if self._plane.doubted:
            return self._decision(self._while_blind(OTHER_HEIGHT, pose), now_ns, captured_ns, started, 0)
        # By the plane: one wrong reading of the rangefinder is no height.
        too_high = self._height_limit.refusal(pose, down_m - pose.position_ned_m[2])
        if too_high is not None:
            return self._decision(too_high, now_ns, captured_ns, started, 0)
        judged = pose.height_agl_m >= self._settings.view.min_height_m
        segmentation = self._pad.cleared(segmentation, pose, captured_ns)
        shown = self._map.update(segmentation, self._camera, pose, down_m, judged=judged)
        mapped = self._now()
        height_m = down_m - pose.position_ned_m[2]
        view = self._map.view(captured_ns)
        ground = ReliefGround.on(view, relief, self._settings.relief, height_m)
        view = self._pad.placed(view if ground is None else ground.view, captured_ns)
        if view is None or (shown == 0 and self._tracker.site is None):
            self.last_view = view
            reason = NoSite(NoSiteReason.GROUND_NOT_IN_VIEW, "the camera does not see the ground")
            return self._decision(reason, now_ns, captured_ns, started, mapped)
        times = (now_ns, started, mapped)
        return self._choose(view, ground, segmentation, pose, height_m, judged, times)

    def _choose(
        self,
        view: GroundView,
        ground: ReliefGround | None,
        segmentation: Segmentation,
        pose: Pose,
        height_m: float,
        judged: bool,
        times: tuple[int, int, int],
    ) -> Decision:
        """The site by the map after a frame, and who is at it."""
        assert pose.position_ned_m is not None and pose.height_agl_m is not None
        captured_ns, settings = segmentation.captured_at_ns, self._settings
        vehicle = (pose.position_ned_m[0], pose.position_ned_m[1])
        moving_m = {role: hazard_clearance_grid(view, self._taxonomy, settings, (role,)) for role in MOVING_ROLES}
        intruder = self._tracker.intruder(view, moving_m, vehicle, height_m, captured_ns)
        seen = snapshot(
            view,
            ground,
            self._taxonomy,
            settings,
            moving_m,
            vehicle,
            height_m,
            captured_ns,
            self._tracker.lost_places(captured_ns),
            None if judged else self._out_of_range(pose.height_agl_m, settings.view.min_height_m),
        )
        selection = self._pad.unseen(captured_ns) or self._tracker.update(seen)
        selection = self._with_confidence(selection, segmentation, pose, judged)
        self.last_view, self.last_clearance_m = view, seen.clearance_m
        decision = self._decision(selection, times[0], captured_ns, *times[1:])
        resort = self._resort.update(selection, intruder, view, moving_m, vehicle, height_m)
        at_site = seen.relief_at(selection, settings.required_radius_m)
        aside = aside_offered(seen, selection, at_site, pose, settings)
        return replace(
            decision,
            intruder=intruder,
            last_resort=resort,
            relief=at_site,
            aside_ned_m=aside,
            way=way_to_site(view, ground, selection, vehicle, captured_ns, settings),
            outlooks_ned_m=tuple((*place, pose.position_ned_m[2]) for place in outlooks(view, vehicle, height_m)),
        )

    def _with_confidence(self, selection: Selection, segmentation: Segmentation, pose: Pose, judged: bool) -> Selection:
        """A site with what this frame alone says of it, where it judges the ground and the model knows."""
        if self._confidence is None or not judged or not isinstance(selection, LandingSite):
            return selection
        told = confidence_in(
            self._confidence,
            segmentation,
            self._camera,
            pose,
            selection.position_ned_m,
            self._settings.required_radius_m,
            self._settings.evidence.smoothing_px,
        )
        return selection if told is None else replace(selection, confidence=told)

    def refuse(self, problem: NoSite, pose: Pose | None, captured_ns: int, now_ns: int) -> Decision:
        """Decides without a frame that is not worth looking at: nothing of it enters the map.

        Args:
            problem: What is wrong with it.
            pose: At its capture time.
            captured_ns: Of the frame.
            now_ns: Monotonic time of the decision.
        """
        self._begin(pose, None, captured_ns)
        return self._decision(self._while_blind(problem, pose), now_ns, captured_ns, self._now(), 0)

    def _begin(self, pose: Pose | None, sighting: PadSighting | None, captured_ns: int) -> None:
        """Takes a frame's pose and tags; its map is not made yet, and the one before is not its own."""
        self.last_view = self.last_clearance_m = None
        self._follow(pose)
        self._tracker.lead(self._pad.observe(sighting, pose, self._plane.down_m, captured_ns))

    def _follow(self, pose: Pose | None) -> None:
        """Brings map, plane and site into the frame of a pose, or starts them anew.

        The bridge tells a moved frame from velocities and rates. Two poses of one frame that no vehicle can fly between
        start the map anew as well, wherever the poses come from.
        """
        self._restarted = None
        if pose is None:
            return
        before, self._frame = self._frame, pose.frame
        if before is not None and before != pose.frame:
            shift = before.shift_to(pose.frame)
            if shift is None:
                self._restart("the estimator's frame has moved by an unknown step")
            else:
                self._map.moved(shift)
                self._plane.moved(shift.offset_ned_m[2])
                self._tracker.moved(shift)
                self._pad.moved(shift)
                self._resort.reset()
        elif self._pose is not None:
            problem = impossible_step(self._pose, pose)
            if problem is not None:
                self._restart(problem)
        if pose.ned_from_frd is not None and pose.position_ned_m is not None:
            self._pose = pose

    def _restart(self, why: str) -> None:
        frame = self._frame
        self.reset()
        self._frame, self._restarted = frame, why

    def _refuse(self, pose: Pose | None) -> NoSite | None:
        """Return the reason for which a frame with this pose cannot be used; None when it can."""
        missing = self._camera.missing_in(pose)
        if pose is None or missing is not None:
            return NoSite(NoSiteReason.NO_POSE, f"{missing} at capture time is not known")
        if pose.height_agl_m is None:
            return NoSite(NoSiteReason.NO_HEIGHT, "height above ground is not known")
        position = pose.position_ned_m
        if position is not None and max(map(abs, position)) > FARTHEST_M:
            return NoSite(NoSiteReason.NO_POSE, f"position {position} is farther than {FARTHEST_M:g} m from the origin")
        settings = self._settings
        lowest_m = min(settings.view.watch_height_m, settings.view.min_height_m)
        if pose.height_agl_m > settings.max_height_m:
            too_high = self._height_limit.refusal(pose, pose.height_agl_m)
            return too_high or self._out_of_range(pose.height_agl_m, lowest_m)
        if pose.height_agl_m < lowest_m:
            return self._out_of_range(pose.height_agl_m, lowest_m)
        tilt_deg = math.degrees(pose.tilt_rad)
        if tilt_deg > settings.view.max_tilt_deg:
            words = f"tilt {tilt_deg:.0f} degrees, at most {settings.view.max_tilt_deg:g}"
            return NoSite(NoSiteReason.TILT_TOO_LARGE, words)
        return None

    def _out_of_range(self, height_m: float, lowest_m: float) -> NoSite:
        highest_m = self._settings.max_height_m
        words = f"height {height_m:.1f} m, frames are used from {lowest_m:g} to {highest_m:g} m"
        return NoSite(NoSiteReason.HEIGHT_OUT_OF_RANGE, words, highest_m if height_m > highest_m else None)

    def _while_blind(self, refused: NoSite, pose: Pose | None) -> Selection:
        """A frame that cannot be used: the site stays only where that is expected, near the ground.

        Its `last_seen_ns` does not move, so whoever acts on it sees how old the evidence is.
        """
        site, down_m = self._tracker.site, self._plane.down_m
        if site is None or pose is None or pose.position_ned_m is None or down_m is None:
            return refused
        # A rangefinder goes silent near the ground; the plane it measured before stays.
        expected = (NoSiteReason.HEIGHT_OUT_OF_RANGE, NoSiteReason.NO_HEIGHT, NoSiteReason.BAD_PICTURE)
        height_m = down_m - pose.position_ned_m[2]
        low = height_m <= max(self._settings.view.min_height_m, 0.5)
        # What was wrong with it in the last frame is not known to be gone: a person there may still be.
        stays = refused.reason in expected and low and not self._tracker.doubted
        return (self._pad.unseen(pose.at_ns) or site) if stays else refused

    def _now(self) -> int:
        return self._clock_ns() if self._clock_ns is not None else 0

    def _decision(self, selection: Selection, now_ns: int, captured_ns: int, started: int, mapped: int) -> Decision:
        timings: dict[str, float] = {}
        if self._clock_ns is not None:
            done = self._clock_ns()
            if mapped:
                timings["map"] = (mapped - started) * 1e-6
                timings["pick"] = (done - mapped) * 1e-6
            timings["decide"] = (done - started) * 1e-6
        frame = FIRST_FRAME if self._frame is None else self._frame
        pad, restarted = self._pad.report(captured_ns), self._restarted
        return Decision(selection, now_ns, captured_ns, timings, frame=frame, restarted=restarted, pad=pad)
