"""Decision on one frame: the site or why there is none, and what the director and the authority need beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from landing.choice.last_resort import LastResort
from landing.choice.way import Way
from landing.estimator import FIRST_FRAME, EstimatorFrame
from landing.pad.track import PadReport
from landing.site import Intruder, LandingSite, Selection, shifted


@dataclass(frozen=True)
class Decision:
    """Result of one frame.

    Attributes:
        selection: The site, or why there is none.
        decided_at_ns: Monotonic time of the decision.
        evidence_at_ns: Capture time of the frame it was made with.
        timings_ms: Parts of the time it took, if the decider was given a clock.
        intruder: Who came too close to the site in use before this frame, by this frame alone: to stop is cheap. The
            site itself is given up only after `lost_after_s`.
        frame: Local frame of the site.
        restarted: Why the ground map began anew with this frame; None where it did not.
        pad: Word on the marked pad; None where none is configured.
        last_resort: Least bad ground where there is no site, or somebody in it; for failsafe landings alone.
        relief: Relief of the site in words; None without a site or where it is not measured.
        aside_ned_m: End of a step to the side that would show the site's relief; None where none is asked for.
        way: Ground below the straight way to the site; not seen without one.
        outlooks_ned_m: Places at the vehicle's height from where other ground is seen, the most promising first.
    """

    selection: Selection
    decided_at_ns: int
    evidence_at_ns: int
    timings_ms: dict[str, float] = field(default_factory=dict)
    intruder: Intruder | None = None
    frame: EstimatorFrame = FIRST_FRAME
    restarted: str | None = None
    pad: PadReport | None = None
    last_resort: LastResort | None = None
    relief: str | None = None
    aside_ned_m: tuple[float, float, float] | None = None
    way: Way = Way.NOT_SEEN
    outlooks_ned_m: tuple[tuple[float, float, float], ...] = ()

    def in_frame(self, frame: EstimatorFrame) -> Decision | None:
        """The same decision in another local frame; None where its places are not known there."""
        if frame == self.frame:
            return self
        shift = self.frame.shift_to(frame)
        if shift is None:
            return None
        selection = self.selection
        if isinstance(selection, LandingSite):
            selection = shifted(selection, shift)
        resort = self.last_resort
        if resort is not None:
            resort = replace(resort, position_ned_m=shift.point(resort.position_ned_m))
        aside = None if self.aside_ned_m is None else shift.point(self.aside_ned_m)
        outlooks = tuple(shift.point(place) for place in self.outlooks_ned_m)
        return replace(
            self, selection=selection, frame=frame, last_resort=resort, aside_ned_m=aside, outlooks_ned_m=outlooks
        )
