"""The known sites of a run: fed by the decisions, told in the event log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge.log import EventLog
from edge.pipeline import Step
from landing.choice.known_sites import SiteBook, SiteLook
from landing.choice.site_list import ListedSite
from landing.globe import GlobalFix

logger = logging.getLogger("edge")

TOLD_PERIOD_NS = 30_000_000_000
"""The list goes into the event log at most so often."""


class KnownSites:
    """Owns the book of a run; called in the pipeline thread.

    Args:
        book: Takes the looks.
        events: Takes `known-sites`, the confirmed ones, and `sites-unplaced`.
        global_fix: Gives the vehicle's newest place on the globe.
    """

    def __init__(self, book: SiteBook, events: EventLog, global_fix: Callable[[], GlobalFix | None]) -> None:
        self.book = book
        self._events = events
        self._global_fix = global_fix
        self._told_ns: int | None = None
        self._told_changes = 0
        self._told_unplaced = ""

    def observe(self, step: Step) -> None:
        """Take a decision whose frame went into the map."""
        view, clearance_m, pose, now_ns = step.view, step.clearance_m, step.pose, step.decision.decided_at_ns
        if view is None or clearance_m is None or pose is None:
            return
        if self.book.due(step.frame.captured_at_ns):
            self.book.look(SiteLook(step.segmentation, pose, view, clearance_m), self._global_fix())
            self._tell(now_ns)

    def _tell(self, now_ns: int) -> None:
        book = self.book
        if book.unplaced != self._told_unplaced:
            self._told_unplaced = book.unplaced
            if book.unplaced:
                logger.info("sites are not kept: %s", book.unplaced)
                self._events.write("sites-unplaced", reason=book.unplaced)
        due = self._told_ns is None or now_ns - self._told_ns >= TOLD_PERIOD_NS
        if due and book.changes != self._told_changes:
            self._told_ns, self._told_changes = now_ns, book.changes
            sites = [site.to_mapping(now_ns) for site in book.sites if site.confirmed]
            self._events.write("known-sites", count=len(sites), sites=sites)


def listed_sites(book: SiteBook, utc_of: Callable[[int], str], source: str) -> tuple[ListedSite, ...]:
    """Return the confirmed sites of a book that have room to come back to, the widest first.

    Args:
        book: Of the run.
        utc_of: Gives the wall clock's time of a monotonic one, ISO 8601.
        source: Where they were seen, for people.
    """
    roomy = (s for s in book.sites if s.confirmed and s.clearance_m >= book.least_m)
    confirmed = sorted(roomy, key=lambda s: -s.clearance_m)
    return tuple(
        ListedSite(
            site.place,
            site.clearance_m,
            site.looks,
            "" if site.surface is None else site.surface.name,
            "" if site.surface is None else site.surface.caution,
            None if site.confidence is None else site.confidence.share,
            utc_of(site.last_seen_ns),
            source,
        )
        for site in confirmed
    )
