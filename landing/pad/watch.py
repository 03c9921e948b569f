"""The wanted pad beside the decision: what it does to frames, map and site. Nothing where none is configured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landing.camera import CameraModel
from landing.estimator import FrameShift
from landing.ground.view import GroundView
from landing.pad.ground import is_cut_off, with_pad, without_pad
from landing.pad.tag import PadSettings, PadSighting
from landing.pad.track import PadReport, PadTracker
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.types import Pose, Segmentation

READ_NS = 450_000_000
"""A tag that was read so lately is still the tag: a frame or two are blurred. Somebody there is told by then."""


CUT_OFF_NS = 5_000_000_000
"""A tag that reaches out of the picture cannot be read; so long after it was read it is still taken for the tag."""

UNREAD_SLACK = 0.02
"""Error of where a tag that is not read appears in a frame, for each metre of range, m: of the attitude."""


class PadWatch:
    """Owns the track of the pad. Time is an argument.

    Args:
        settings: Of the pad; None, or not enabled, for none.
        decision: Its commit height holds.
        camera: Lens and mount.
    """

    def __init__(self, settings: PadSettings | None, decision: DecisionSettings, camera: CameraModel) -> None:
        enabled = settings is not None and settings.enabled
        self._camera = camera
        self._track = PadTracker(settings, decision, camera) if settings is not None and enabled else None
        self._told = False
        """True while the thing at the pad's place is known to be the tag."""

    def state_dict(self) -> dict[str, Any] | None:
        """All that it knows, as plain values."""
        return None if self._track is None else self._track.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Goes on from another one's `state_dict`."""
        if self._track is not None and state is not None:
            self._track.load_state_dict(state)

    def reset(self) -> None:
        """Forgets everything, as at start."""
        if self._track is not None:
            self._track.reset()

    def moved(self, shift: FrameShift) -> None:
        """Follows a reset of the estimator."""
        if self._track is not None:
            self._track.moved(shift)

    def observe(
        self, sighting: PadSighting | None, pose: Pose | None, plane_down_m: float | None, at_ns: int
    ) -> LandingSite | None:
        """Take a frame, and return the pad as a site once it is followed.

        Args:
            sighting: Tags in the frame.
            pose: At its capture time.
            plane_down_m: Down coordinate of the ground plane, where it is known already.
            at_ns: Capture time.
        """
        track = self._track
        if track is None:
            return None
        if plane_down_m is None and pose is not None:
            plane_down_m = pose.ground_down_m
        track.observe(sighting, pose, plane_down_m, at_ns)
        if not track.followed:
            return None
        first_ns, seen_ns = track.seen_ns
        place = track.place_ned_m(seen_ns)
        assert place is not None
        return LandingSite(place, 0.0, 0.0, first_ns, seen_ns, pad=track.pad)

    def cleared(self, segmentation: Segmentation, pose: Pose, at_ns: int) -> Segmentation:
        """Return a frame's answer with the pad as landable ground where its tag is known to be.

        That is where it was read a moment ago, or so low that part of it is out of the picture.
        """
        track, self._told = self._track, False
        place = None if track is None else track.place_ned_m(at_ns)
        if track is None or place is None:
            return segmentation
        edge_m, radius_m = track.settings.side_m, track.settings.radius_m
        if track.fix_now is not None:  # where this very frame shows it, with all errors of its pose
            self._told = True
            return without_pad(segmentation, self._camera, pose, track.fix_now.position_ned_m, edge_m, radius_m)
        unread_ns = at_ns - track.seen_ns[1]
        low = unread_ns <= CUT_OFF_NS and track.blind_s(at_ns) is None
        known = unread_ns <= READ_NS or (low and is_cut_off(self._camera, pose, place, edge_m))
        if not known:
            return segmentation
        self._told = True
        slack_m = UNREAD_SLACK * float(place[2] - self._camera.centre_ned_m(pose)[2])
        return without_pad(segmentation, self._camera, pose, place, edge_m, radius_m, max(0.0, slack_m))

    def placed(self, view: GroundView | None, at_ns: int) -> GroundView | None:
        """Return the map with the pad where it is now, while it is followed; `cleared` has judged the frame."""
        track = self._track
        place = track.place_ned_m(at_ns) if track is not None and track.followed and self._told else None
        if view is None or track is None or place is None:
            return view
        return with_pad(view, place, track.settings.side_m, track.settings.radius_m)

    def unseen(self, at_ns: int) -> NoSite | None:
        """Return the refusal of a pad that was not seen for too long, low down; None otherwise."""
        track = self._track
        unseen_s = track.blind_s(at_ns) if track is not None and track.followed else None
        if track is None or unseen_s is None:
            return None
        return NoSite(NoSiteReason.SITE_LOST, f"pad {track.settings.id} not seen for {unseen_s:.0f} s")

    def report(self, at_ns: int) -> PadReport | None:
        """Return the word on the pad; None where there is none to look for."""
        return None if self._track is None else self._track.report(at_ns)
