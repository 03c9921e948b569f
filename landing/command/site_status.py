"""Status of the site and of the vehicle above it, kept from step to step.

For `landing.command.authority`, which must know not only what is so now, but for how long it has been.
"""

from __future__ import annotations

import math

from landing.estimator import FIRST_FRAME, EstimatorFrame, FrameShift
from landing.guidance.director import DirectorOutput
from landing.settings import AuthoritySettings
from landing.types import Pose

POSE_FRESH_NS = 1_000_000_000
FOLLOWED_NS = 5_000_000_000
"""A landing ordered this soon after a site was followed is a landing on that site."""

Position = tuple[float, float, float]


class SiteStatus:
    """Time is an argument.

    Args:
        settings: How sure it must be that somebody is at the site.

    Attributes:
        site_ned_m: The site that was sent last; None before the first.
        position_ned_m: The vehicle's, m; None while it is not known.
        height_m: Above the site, or above the ground before there was one. It stays while the vehicle is blind: low is
            low.
        shift: Of the local frame in this step; None where it is not known.
        frame: The local frame of these places, the newest pose's.
    """

    def __init__(self, settings: AuthoritySettings) -> None:
        self._settings = settings
        self.site_ned_m: Position | None = None
        self.position_ned_m: Position | None = None
        self.height_m: float | None = None
        self.shift: FrameShift | None = FrameShift()
        self.frame: EstimatorFrame = FIRST_FRAME
        self._followed_ns: int | None = None
        self._steady_since_ns: int | None = None
        self._missing_since_ns: int | None = None
        self._intruded_ns: int | None = None
        self._intruder_since_ns: int | None = None

    def update(self, output: DirectorOutput, pose: Pose | None, now_ns: int) -> None:
        """Takes the director's newest step and the newest pose."""
        self._follow(pose)
        if output.target is not None:
            self.site_ned_m, self._followed_ns = output.target.position_ned_m, now_ns
            self._steady_since_ns = self._steady_since_ns or now_ns
            self._missing_since_ns = None
        else:
            self._steady_since_ns = None
            self._missing_since_ns = self._missing_since_ns or now_ns
        if pose is None or now_ns - pose.at_ns > POSE_FRESH_NS:
            self.position_ned_m = None
            self._count(output, now_ns)
            return
        self.position_ned_m = pose.position_ned_m
        if pose.position_ned_m is not None and self.site_ned_m is not None:
            self.height_m = self.site_ned_m[2] - pose.position_ned_m[2]
        elif pose.height_agl_m is not None:
            self.height_m = pose.height_agl_m
        self._count(output, now_ns)

    def _follow(self, pose: Pose | None) -> None:
        """Keeps the site on its ground when the estimator's frame moves."""
        self.shift = FrameShift()
        if pose is None:
            return
        before, self.frame = self.frame, pose.frame
        if before != pose.frame:
            self.shift = before.shift_to(pose.frame)
            if self.site_ned_m is not None:
                self.site_ned_m = None if self.shift is None else self.shift.point(self.site_ned_m)

    def _count(self, output: DirectorOutput, now_ns: int) -> None:
        """Remembers since when somebody is at the site, and when somebody was."""
        if output.intruder is None:
            self._intruder_since_ns = None
            return
        self._intruder_since_ns = self._intruder_since_ns or now_ns
        if self.somebody(now_ns):
            self._intruded_ns = now_ns

    def somebody(self, now_ns: int) -> bool:
        """Return True when somebody is at the site, as surely as the height leaves time to make sure.

        Low down the first frame that shows them counts. Higher up it must be more than a flash. At five decisions a
        second one sure frame is enough, for the map holds it in the next: to wait for one decision more saved 1 of 20
        false stops over val worlds, and cost 0.06 s with true ones (at three a second 0.14 s). A stop costs 4 s.
        """
        if self._intruder_since_ns is None:
            return False
        if self.height_m is None or self.height_m <= self._settings.sure_height_m:
            return True
        if self.height_m > self._settings.alert_height_m:
            return False
        return now_ns - self._intruder_since_ns >= self._settings.sure_s * 1e9

    def start_over(self) -> None:
        """Count the site as steady anew from now."""
        self._steady_since_ns = None

    def followed(self, now_ns: int) -> bool:
        """Return True when a site was sent a moment ago."""
        return self._followed_ns is not None and now_ns - self._followed_ns <= FOLLOWED_NS

    def steady(self, now_ns: int, for_s: float = 0.0) -> bool:
        """Return True when a site has been sent without a gap for so long."""
        since_ns = self._steady_since_ns
        return since_ns is not None and now_ns - since_ns >= for_s * 1e9

    def missing(self, now_ns: int, for_s: float) -> bool:
        """Return True when no site has been sent for so long."""
        since_ns = self._missing_since_ns
        return since_ns is not None and now_ns - since_ns >= for_s * 1e9

    def quiet(self, now_ns: int, for_s: float) -> bool:
        """Return True when nobody has been at a site for so long."""
        return self._intruded_ns is None or now_ns - self._intruded_ns >= for_s * 1e9

    @property
    def distance_m(self) -> float:
        """Horizontally to the site; infinite while either is unknown."""
        here, site = self.position_ned_m, self.site_ned_m
        return math.inf if here is None or site is None else math.dist(here[:2], site[:2])
