"""One landing that is accompanied: how often it was tried, from where, and where the next try may begin. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from landing.command.site_status import Position
from landing.estimator import FrameShift
from landing.settings import AuthoritySettings

ARRIVED_M = 0.7
"""Distance, level or upright, at which a place is reached."""

AGAIN_M = 3.0
"""A site this near to a place that failed is that place."""


@dataclass
class Tries:
    """State kept over one landing.

    Attributes:
        top_m: Height at which it began.
        looked: Whether it has looked around on the present way down.
        aside_from_m: Where it has begun its step aside in that look around; None before.
        look_ns: When that look around began.
        resumes, searches: How often it was resumed, and searched for a site.
        entered_ns: When the present state began, or its command was done.
        destination_ned_m: Where the vehicle was sent.
        sent_ned_m: The same in the coordinates of then, which the autopilot flies to.
        deadline_ns: When it must be there.
        leaves: It began in a mission, which a resumed landing leaves; said once.
        failed_ned_m: Places whose ground was no good from near.
        began_ned_m: Where it began.
        searched_ned_m: Places that it was sent to for a search, and the one where it searched first.
        stays: In a failsafe the autopilot did not fly somewhere, as ArduPilot does not outside of its fence: it is
            asked no more.
        unanswered: Number of requests to land that came to nothing in a failsafe.
        spent: Why it tries no more, in words, while the vehicle is stopped where it flew; empty before.
        beside_ns: Time since which it has gone down beside its site; None while it does not.
        blocked: On its way to a site something came to light: until it lands it flies from `over_height_m`.
        known_m: Height above ground from which the network's answer counts, as told last; None while none was told.
    """

    top_m: float | None = None
    looked: bool = False
    aside_from_m: Position | None = None
    look_ns: int = 0
    resumes: int = 0
    searches: int = 0
    entered_ns: int = 0
    destination_ned_m: Position | None = None
    sent_ned_m: Position | None = None
    deadline_ns: int = 0
    leaves: bool = False
    failed_ned_m: list[Position] = field(default_factory=list)
    began_ned_m: Position | None = None
    searched_ned_m: list[Position] = field(default_factory=list)
    stays: bool = False
    unanswered: int = 0
    spent: str = ""
    beside_ns: int | None = None
    blocked: bool = False
    known_m: float | None = None

    def moved(self, shift: FrameShift | None) -> None:
        """The local frame has moved; None: by an unknown step."""
        places = (self.destination_ned_m, self.began_ned_m, self.aside_from_m)
        known = [None if place is None or shift is None else shift.point(place) for place in places]
        self.destination_ned_m, self.began_ned_m = known[:2]
        self.aside_from_m = self.aside_from_m if shift is None else known[2]
        self.failed_ned_m = [] if shift is None else [shift.point(place) for place in self.failed_ned_m]
        self.searched_ned_m = [] if shift is None else [shift.point(place) for place in self.searched_ned_m]

    def highest_m(self, settings: AuthoritySettings) -> float:
        """Return the greatest height to climb to: the way up to where the landing began is known to be free.

        Never to where the network's answer does not count: it would only come down again.
        """
        top_m = settings.ceiling_m if self.top_m is None else self.top_m
        known_m = top_m if self.known_m is None else self.known_m - ARRIVED_M
        return max(min(settings.ceiling_m, top_m, known_m), settings.clear_height_m)

    def height_m(self, settings: AuthoritySettings) -> float:
        """Return the least height from which to land again: each place that failed from near asks for a wider view."""
        return min(settings.clear_height_m + len(self.failed_ned_m) * settings.climb_m, self.highest_m(settings))

    def failed_at(self, site: Position | None) -> bool:
        """Return True when a site is a place that failed from near."""
        return site is not None and any(math.dist(site[:2], n[:2]) <= AGAIN_M for n in self.failed_ned_m)

    def outlook(self, here: Position, outlooks: Iterable[Position], radius_m: float) -> Position | None:
        """Return the first place to search from that lies within a radius of the start, off those searched before."""
        if self.began_ned_m is None:
            return None
        searched = self.searched_ned_m or [here]
        for to in outlooks:
            near_m = math.dist(here[:2], to[:2]) / 2
            beside = all(math.dist(place[:2], to[:2]) >= near_m for place in searched)
            if beside and math.dist(self.began_ned_m[:2], to[:2]) <= radius_m:
                return to
        return None
