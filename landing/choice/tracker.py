"""Tracker of the site: keeps it from frame to frame, gives it up, and tells intruders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from landing.choice.approach import Approaches
from landing.choice.picker import Candidate, LostPlace, Regions, any_within
from landing.choice.site_watch import BetterPlace, Doubt, LostPlaces
from landing.estimator import FrameShift
from landing.ground.surface import mean_quality, surface_at
from landing.ground.view import MOVING_ROLES, GridOfFloat, GroundView
from landing.relief.ground import NOT_KNOWN, ReliefGround
from landing.settings import DecisionSettings
from landing.site import Intruder, LandingSite, NoSite, NoSiteReason, Pad, Selection, shifted
from landing.taxonomy import HAZARD_ROLES, Role, Surface

STANDING_ROLES = tuple(role for role in HAZARD_ROLES if role not in MOVING_ROLES)

INTRUSION_M = 0.2
"""Depth into a site's clearance from which one frame with somebody counts, m. A site may be chosen next to people who
stand still, and their outline wavers by about a cell."""

BESIDE_M = 2.0
"""Farther than this from its site a low vehicle may come down beside it."""

WORSE_BY = 0.75
"""Steps of preference by which a site's surface must come out worse than it was chosen for to be exchanged."""

SHIFT_COST = 0.3
SHIFT_GAIN_M = 0.6
"""A site moves to a place whose score, less this cost of each metre, is better by this gain."""


@dataclass(frozen=True)
class MapSnapshot:
    """Map after one frame.

    Attributes:
        view: The map.
        clearance_m: `clearance_grid`.
        hazard_clearance_m: `hazard_clearance_grid` of all roles.
        moving_clearance_m: The same of people and vehicles alone.
        score_m: `score_grid`.
        regions: `clean_regions`.
        best: What `pick` says.
        height_m: Of the vehicle above the ground.
        at_ns: Capture time of the frame.
        judged: Whether that frame judged the ground, see `GroundMap.update`.
        relief: On the map; None where it is not measured.
    """

    view: GroundView
    clearance_m: GridOfFloat
    hazard_clearance_m: GridOfFloat
    moving_clearance_m: GridOfFloat
    score_m: GridOfFloat
    regions: Regions
    best: Candidate | NoSite
    height_m: float
    at_ns: int
    judged: bool
    relief: ReliefGround | None = None

    def relief_at(self, selection: Selection, radius_m: float) -> str | None:
        """Say what relief shows of the ground of a site; None without one, or where relief is not measured."""
        if self.relief is None or not isinstance(selection, LandingSite):
            return None
        cell = self.view.cell_of(*selection.place_ned_m(self.at_ns)[:2])
        return NOT_KNOWN if cell is None else self.relief.text(cell, radius_m)


class SiteTracker:
    """Keeps a site while it is good, so that the vehicle is not led back and forth."""

    def __init__(self, settings: DecisionSettings, surfaces: Mapping[int, Surface]) -> None:
        self._settings = settings
        self._surfaces = surfaces
        self.site: LandingSite | None = None
        self._doubt = Doubt()
        self._better = BetterPlace()
        self._chosen_quality: float | None = None
        """Of the site's ground when it was chosen, see `mean_quality`."""
        self._lost = LostPlaces(settings.blacklist)
        self._approaches = Approaches(settings)
        self._pad_clear_since_ns: int | None = None
        """Time since which the pad is clear again after it was not."""

    @property
    def doubted(self) -> bool:
        """True when something was wrong with the site in the last frame that showed it."""
        return bool(self._doubt)

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        return {
            "site": None if self.site is None else asdict(self.site),
            "chosen_quality": self._chosen_quality,
            **self._doubt.state_dict(),
            **self._better.state_dict(),
            **self._lost.state_dict(),
            "approach": self._approaches.state_dict(),
            "pad_clear_since_ns": self._pad_clear_since_ns,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another tracker's `state_dict`."""
        site = state["site"]
        if site is not None:
            surface = None if site["surface"] is None else Surface(**site["surface"])
            told = site.get("pad")
            pad = None if told is None else Pad(told["tag"], tuple(told["velocity_ne_mps"]))
            position = tuple(site["position_ned_m"])
            site = LandingSite(**{**site, "position_ned_m": position, "surface": surface, "pad": pad})
        self.site = site
        self._chosen_quality = state["chosen_quality"]
        self._doubt.load_state_dict(state)
        self._better.load_state_dict(state)
        self._lost.load_state_dict(state)
        self._approaches.load_state_dict(state["approach"])
        self._pad_clear_since_ns = state.get("pad_clear_since_ns")

    def forget(self) -> None:
        """Drops the site."""
        self.site = self._pad_clear_since_ns = None
        self._doubt.clear()
        self._better.clear()
        self._approaches.forget()

    def lead(self, pad: LandingSite | None) -> None:
        """Take a marked pad in place of the ground's site; None: there is none, or no more.

        What the map says of its ground still ends it (`update`, `intruder`).
        """
        site = self.site
        if pad is None:
            if site is not None and site.pad is not None:
                self.forget()
            return
        if site is None or site.pad is None:
            self.forget()
            self.site = pad
            return
        first_ns = max(pad.first_seen_ns, self._pad_clear_since_ns or 0)
        self.site = replace(pad, clearance_m=site.clearance_m, area_m2=site.area_m2, first_seen_ns=first_ns)

    def reset(self) -> None:
        """Forgets everything, as at start."""
        self.forget()
        self._lost.clear()

    def moved(self, shift: FrameShift) -> None:
        """Follows a reset of the estimator: site and lost places keep their ground."""
        if self.site is not None:
            self.site = shifted(self.site, shift)
        self._better.moved(shift)
        self._lost.moved(shift)

    def lost_places(self, at_ns: int) -> list[LostPlace]:
        """Return the sites lost because of their ground within `blacklist.memory_s`."""
        return self._lost.places(at_ns)

    def intruder(
        self,
        view: GroundView,
        moving_clearance_m: dict[Role, GridOfFloat],
        vehicle_ne_m: tuple[float, float],
        height_m: float,
        at_ns: int,
    ) -> Intruder | None:
        """Return the person or vehicle too close to the present site by this very frame, or soon.

        A site that is lost low down does not stop a landing (`landing.command.authority`): the vehicle goes on straight
        down. There the ground below it takes the site's place, and counts beside it where the vehicle is not above it.

        Args:
            view: The map.
            moving_clearance_m: `hazard_clearance_grid` of each moving role alone.
            vehicle_ne_m: North and east of the vehicle, m.
            height_m: Of the vehicle above the ground.
            at_ns: Capture time of the frame.
        """
        place = self.site.place_ned_m(at_ns)[:2] if self.site is not None else None
        low = height_m <= self._settings.commit_height_m
        beside = low and (place is None or math.dist(place, vehicle_ne_m) > BESIDE_M)
        at_site = view.cell_of(*place) if place is not None else None
        below = view.cell_of(*vehicle_ne_m) if beside else None
        soon_m = {}
        if at_site is None:
            self._approaches.forget()
        else:  # of all of them in each frame, or a look is missing in the next
            for mover, grid in moving_clearance_m.items():
                soon_m[mover] = self._approaches.clearance_soon_m(mover, float(grid[at_site]), at_ns)
        cells = [cell for cell in (at_site, below) if cell is not None]
        clearances_m = {r: min(float(grid[cell]) for cell in cells) for r, grid in moving_clearance_m.items() if cells}
        needed_m = self._settings.required_radius_m - INTRUSION_M
        for rooms_m in (clearances_m, soon_m):
            role, room_m = min(rooms_m.items(), key=lambda pair: pair[1], default=(None, math.inf))
            if role is not None and room_m < needed_m:
                return Intruder(role, room_m)
        return None

    def update(self, snapshot: MapSnapshot) -> Selection:
        """The site to use after a frame."""
        if self.site is None:
            return self._take(snapshot.best, snapshot)
        if self.site.pad is not None:
            return self._update_pad(self.site, self.site.pad, snapshot)
        at_ns, height_m = snapshot.at_ns, snapshot.height_m
        committed = height_m <= self._settings.commit_height_m
        cell = snapshot.view.cell_of(*self.site.position_ned_m[:2])
        problem = self._problem(snapshot, cell, committed)
        if not committed and cell is not None:
            better = self._nearby(snapshot, cell, problem is not None)
            if better is not None:
                cell, problem = better, None
        if problem is not None:
            self._doubt.note(at_ns)
            if self._doubt.lasts(at_ns, self._settings.lost_after_s):
                self._note_loss(snapshot, cell)
                self.forget()
                if isinstance(snapshot.best, NoSite):
                    return NoSite(NoSiteReason.SITE_LOST, f"{problem}; {snapshot.best.detail}")
                return self._take(snapshot.best, snapshot)
            return self.site
        self._doubt.clear()
        assert cell is not None  # a site outside the map is a problem
        self._seen(snapshot, cell, committed)
        # Later on what is better depends on where the vehicle is: no leading back and forth, but for a place that was
        # given up before, or one whose surface is not what it was chosen for.
        new = at_ns - self.site.first_seen_ns <= self._settings.switch.within_s * 1e9
        open_to_others = new or self._lost.near(self.site.position_ned_m[:2]) or self._disappoints(snapshot.view, cell)
        best = self._better_than(snapshot, cell) if open_to_others and not committed else None
        if best is None:
            self._better.clear()
            return self.site
        since_ns = self._better.note((best.north_m, best.east_m), self._reach_m(height_m), at_ns)
        if at_ns - since_ns < self._settings.switch.after_s * 1e9:
            return self.site
        self.forget()
        return self._take(best, snapshot, since_ns)

    def _update_pad(self, site: LandingSite, pad: Pad, snapshot: MapSnapshot) -> Selection:
        """The pad while the map has nothing against it; it is not left for another place."""
        view, at_ns = snapshot.view, snapshot.at_ns
        cell = view.cell_of(*site.place_ned_m(at_ns)[:2])
        problem = self._problem(snapshot, cell, snapshot.height_m <= self._settings.commit_height_m)
        if problem is None and cell is not None:
            if self._doubt.lasts(at_ns, self._settings.lost_after_s):
                self._pad_clear_since_ns = at_ns  # it is confirmed anew
            self._doubt.clear()
            clearance_m, area_m2 = float(snapshot.clearance_m[cell]), snapshot.regions.area_m2(*cell)
            first_ns = max(site.first_seen_ns, self._pad_clear_since_ns or 0)
            self.site = replace(site, clearance_m=clearance_m, area_m2=area_m2, first_seen_ns=first_ns)
            return self.site
        self._doubt.note(at_ns)
        if not self._doubt.lasts(at_ns, self._settings.lost_after_s):
            return site
        return NoSite(NoSiteReason.SITE_LOST, f"pad {pad.tag}: {problem}")

    def _note_loss(self, snapshot: MapSnapshot, cell: tuple[int, int] | None) -> None:
        """Remembers where the ground was no good; who comes to a site goes again."""
        if cell is None or float(snapshot.moving_clearance_m[cell]) < self._settings.required_radius_m:
            return
        assert self.site is not None
        self._lost.note(self.site.position_ned_m[:2], snapshot.height_m, snapshot.at_ns)

    def _disappoints(self, view: GroundView, cell: tuple[int, int]) -> bool:
        """Return True when the site's surface comes out a step worse than it was chosen for."""
        quality = mean_quality(view, cell, self._settings.required_radius_m)
        if quality is None or self._chosen_quality is None:
            return False
        return self._chosen_quality - quality >= WORSE_BY

    def _seen(self, snapshot: MapSnapshot, cell: tuple[int, int], committed: bool) -> None:
        """Brings what is known of the site up to date."""
        assert self.site is not None
        view, clearance_m = snapshot.view, float(snapshot.clearance_m[cell])
        # A frame that only shows people makes what is known of the ground no newer.
        in_view = snapshot.judged and float(view.unseen_s[cell]) <= 0.0
        north_m, east_m, _ = self.site.position_ned_m
        self.site = replace(
            self.site,
            position_ned_m=(north_m, east_m, view.ground_down_m),
            clearance_m=clearance_m if in_view or not committed else self.site.clearance_m,
            area_m2=snapshot.regions.area_m2(*cell) or self.site.area_m2,
            last_seen_ns=snapshot.at_ns if in_view else self.site.last_seen_ns,
            surface=surface_at(view, self._surfaces, cell, self._settings.required_radius_m),
        )

    def _nearby(self, snapshot: MapSnapshot, cell: tuple[int, int], bad: bool) -> tuple[int, int] | None:
        """Moves the site over to better ground close by; the cell it is in then, or None.

        From high up a site lies where errors of pose and of coarse pixels have put it. On the way down its surroundings
        come out clearer, and the best of them is the same site seen better, not another one: it need not be confirmed
        anew. It never moves because of people or vehicles: who comes to a site ends it.
        """
        assert self.site is not None
        settings = self._settings
        if float(snapshot.moving_clearance_m[cell]) < settings.required_radius_m:
            return None
        view, reach_m = snapshot.view, self._reach_m(snapshot.height_m)
        steps = math.ceil(reach_m / view.cell_m)
        top, left = max(0, cell[0] - steps), max(0, cell[1] - steps)
        part = (slice(top, cell[0] + steps + 1), slice(left, cell[1] + steps + 1))
        rows, columns = np.ogrid[: snapshot.clearance_m[part].shape[0], : snapshot.clearance_m[part].shape[1]]
        away_m = view.cell_m * np.hypot(rows + top - cell[0], columns + left - cell[1])
        # Farther off counts less, and the gain must be clear: a site does not roam.
        score = np.where(
            (away_m <= reach_m) & (snapshot.regions.labels[part] > 0) & (view.unseen_s[part] <= 0.0),
            snapshot.score_m[part] - SHIFT_COST * away_m,
            -np.inf,
        )
        row, column = divmod(int(score.argmax()), score.shape[1])
        found = (row + top, column + left)
        if not math.isfinite(float(score[row, column])) or found == cell:
            return None
        if not bad and float(score[row, column]) < float(snapshot.score_m[cell]) + SHIFT_GAIN_M:
            return None
        if float(snapshot.clearance_m[found]) < settings.required_radius_m + settings.new_site_margin_m:
            return None
        north_m, east_m = view.centre_of(*found)
        self.site = replace(self.site, position_ned_m=(north_m, east_m, view.ground_down_m))
        self._approaches.forget()  # the distances are to another place now
        return found

    def _take(self, best: Candidate | NoSite, snapshot: MapSnapshot, first_seen_ns: int | None = None) -> Selection:
        if isinstance(best, NoSite):
            return best
        position = (best.north_m, best.east_m, snapshot.view.ground_down_m)
        since_ns = snapshot.at_ns if first_seen_ns is None else first_seen_ns
        surface = None
        cell = snapshot.view.cell_of(best.north_m, best.east_m)
        if cell is not None:
            radius_m = self._settings.required_radius_m
            surface = surface_at(snapshot.view, self._surfaces, cell, radius_m)
            self._chosen_quality = mean_quality(snapshot.view, cell, radius_m)
        self.site = LandingSite(position, best.clearance_m, best.area_m2, since_ns, snapshot.at_ns, surface=surface)
        self._doubt.clear()
        self._better.clear()
        return self.site

    def _problem(self, snapshot: MapSnapshot, cell: tuple[int, int] | None, committed: bool) -> str | None:
        """Return the reason for which the site can no longer be used, in words; None when it can."""
        assert self.site is not None
        if cell is None:
            return "site is outside the map"
        needed_m = self._settings.required_radius_m
        # Committed, what stands still was judged from where all of it was seen; from so low a patch of it looks like
        # anything. Only what stands where the vehicle would counts then.
        reach_m = self._settings.vehicle_radius_m
        hazard_clearance_m = snapshot.moving_clearance_m if committed else snapshot.hazard_clearance_m
        if float(hazard_clearance_m[cell]) < needed_m:
            return "hazard at the site"
        if committed and any_within(snapshot.view, STANDING_ROLES, *cell, reach_m):
            return "obstacle at the site"
        uneven = self._uneven(snapshot, cell, needed_m)  # the nearer, the surer
        if uneven is not None:
            return uneven
        if not committed:
            clearance_m = float(snapshot.clearance_m[cell])
            return f"clean radius at the site fell to {clearance_m:.1f} m" if clearance_m < needed_m else None
        # So low the camera sees less than the site: it stands on what was seen from higher up.
        unseen_s = (snapshot.at_ns - self.site.last_seen_ns) * 1e-9
        if unseen_s > self._settings.commit_max_age_s:
            return f"site not seen for {unseen_s:.0f} s"
        return None

    def _uneven(self, snapshot: MapSnapshot, cell: tuple[int, int], radius_m: float) -> str | None:
        """Return what relief shows against the site; a marked pad is where it was laid."""
        assert self.site is not None
        if snapshot.relief is None or self.site.pad is not None:
            return None
        problem = snapshot.relief.problem(cell, radius_m)
        return None if problem is None else f"relief at the site, {problem}"

    def _reach_m(self, height_m: float) -> float:
        """Return the distance at which two places are one, seen better from lower down."""
        return self._settings.shift.base_m + self._settings.shift.per_height * height_m

    def _better_than(self, snapshot: MapSnapshot, cell: tuple[int, int]) -> Candidate | None:
        """Return the best place where it is clearly better than the site."""
        best, least_m = snapshot.best, float(snapshot.score_m[cell]) + self._settings.switch.gain_m
        return best if isinstance(best, Candidate) and best.score_m > least_m else None
