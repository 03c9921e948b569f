"""One frame after another in, the present landing site (or why there is none) out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from landing.camera import CameraModel
from landing.errors import InvalidValueError
from landing.groundmap import MOVING_ROLES, GridOfFloat, GroundMap, GroundView
from landing.picker import (
    Candidate,
    Regions,
    any_within,
    clean_regions,
    clearance_grid,
    confidence_at,
    hazard_clearance_grid,
    pick,
    worth_grid,
)
from landing.settings import DecisionSettings
from landing.site import Intruder, LandingSite, NoSite, NoSiteReason, Selection
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import Pose, Segmentation

PLANE_SMOOTHING_S = 0.5
"""Time constant of the ground plane's height: a rangefinder is noisy, flat ground does not move."""

PLANE_JUMP_S = 2.0
"""A jump of the measured height that lasts longer is new ground, a shorter one a roof or a tree."""

STANDING_ROLES = tuple(role for role in HAZARD_ROLES if role not in MOVING_ROLES)

INTRUSION_M = 0.2
"""How far into a site's clearance somebody must be seen for a single frame to count: a site may be
chosen next to people who stand still, and their outline wavers by about a cell."""

APPROACH_LOOKS = 4
APPROACH_NS = (300_000_000, 900_000_000)
"""An approach is told from so many frames over at least and at most so long."""

APPROACH_JUMP_M = 1.0
"""The nearest one is not so much nearer or farther a frame later: that is somebody else."""

SHIFT_COST = 0.3
SHIFT_GAIN_M = 0.6
"""A site moves over to where it is worth so much more, after this cost of each metre."""


@dataclass(frozen=True)
class Decision:
    """What one frame led to.

    Attributes:
        selection: The site, or why there is none.
        decided_at_ns: Monotonic time of the decision.
        evidence_at_ns: Capture time of the frame it was made with.
        timings_ms: Parts of the time it took, if the decider was given a clock.
        intruder: Who came too close to the site that was in use before this frame. It is told from
            the first frame on, while the site itself is given up only after `lost_after_s`: to
            stop is cheap and may be wrong once, to lead elsewhere is not.
    """

    selection: Selection
    decided_at_ns: int
    evidence_at_ns: int
    timings_ms: dict[str, float] = field(default_factory=dict)
    intruder: Intruder | None = None


class GroundPlane:
    """Down coordinate of the ground, from noisy heights over ground that carries objects."""

    def __init__(self) -> None:
        self._down_m: float | None = None
        self._at_ns = 0
        self._jump_since_ns: int | None = None

    def memory(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        return {"down_m": self._down_m, "at_ns": self._at_ns, "jump_since_ns": self._jump_since_ns}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Goes on from another plane's `memory`."""
        self._down_m, self._at_ns = memory["down_m"], memory["at_ns"]
        self._jump_since_ns = memory["jump_since_ns"]

    @property
    def down_m(self) -> float | None:
        """The plane's down coordinate, m; None before the first measurement."""
        return self._down_m

    def update(self, measured_down_m: float, height_m: float, at_ns: int) -> tuple[float, bool]:
        """Takes a measurement.

        Returns:
            The plane's down coordinate, m, and whether it is another plane than before, so that
            what was projected onto the old one must be forgotten.
        """
        if self._down_m is None:
            self._down_m, self._at_ns = measured_down_m, at_ns
            return measured_down_m, False
        limit_m = 0.5 + 0.1 * max(height_m, 0.0)
        if abs(measured_down_m - self._down_m) > limit_m:
            if self._jump_since_ns is None:
                self._jump_since_ns = at_ns
            if at_ns - self._jump_since_ns < PLANE_JUMP_S * 1e9:
                return self._down_m, False
            self._down_m, self._at_ns, self._jump_since_ns = measured_down_m, at_ns, None
            return measured_down_m, True
        self._jump_since_ns = None
        passed_s = max(0.0, (at_ns - self._at_ns) * 1e-9)
        blend = 1.0 - math.exp(-passed_s / PLANE_SMOOTHING_S)
        self._down_m += blend * (measured_down_m - self._down_m)
        self._at_ns = at_ns
        return self._down_m, False


@dataclass(frozen=True)
class Look:
    """What the map says after one frame.

    Attributes:
        view: The map.
        room_m: `clearance_grid`.
        hazard_room_m: `hazard_clearance_grid` of all roles.
        moving_room_m: The same of people and vehicles alone.
        worth_m: `worth_grid`.
        regions: `clean_regions`.
        best: What `pick` says.
        height_m: Of the vehicle above the ground.
        at_ns: Capture time of the frame.
    """

    view: GroundView
    room_m: GridOfFloat
    hazard_room_m: GridOfFloat
    moving_room_m: GridOfFloat
    worth_m: GridOfFloat
    regions: Regions
    best: Candidate | NoSite
    height_m: float
    at_ns: int


class SiteTracker:
    """Keeps a site while it is good, so that the vehicle is not led back and forth."""

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self.site: LandingSite | None = None
        self._bad_since_ns: int | None = None
        self._better_since_ns: int | None = None
        self._approach: dict[Role, list[tuple[int, float]]] = {}

    def memory(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        return {
            "site": None if self.site is None else vars(self.site).copy(),
            "bad_since_ns": self._bad_since_ns,
            "better_since_ns": self._better_since_ns,
            "approach": {
                role.value: [list(look) for look in seen] for role, seen in self._approach.items()
            },
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Goes on from another tracker's `memory`."""
        site = memory["site"]
        if site is not None:
            site = LandingSite(**{**site, "position_ned_m": tuple(site["position_ned_m"])})
        self.site = site
        self._bad_since_ns = memory["bad_since_ns"]
        self._better_since_ns = memory["better_since_ns"]
        self._approach = {
            Role(role): [(int(t), float(r)) for t, r in seen]
            for role, seen in memory["approach"].items()
        }

    def forget(self) -> None:
        """Drops the site."""
        self.site = None
        self._bad_since_ns = None
        self._better_since_ns = None
        self._approach.clear()

    def intruder(
        self, view: GroundView, moving_room_m: dict[Role, GridOfFloat], at_ns: int
    ) -> Intruder | None:
        """Who is too close to the present site, by this very frame, or will soon be.

        Args:
            view: The map.
            moving_room_m: `hazard_clearance_grid` of each moving role alone.
            at_ns: Capture time of the frame.
        """
        cell = view.cell_of(*self.site.position_ned_m[:2]) if self.site is not None else None
        if cell is None:
            self._approach.clear()
            return None
        rooms_m = {role: float(grid[cell]) for role, grid in moving_room_m.items()}
        role, room_m = min(rooms_m.items(), key=lambda pair: pair[1])
        needed_m = self._settings.required_radius_m - INTRUSION_M
        if room_m < needed_m:
            return Intruder(role, room_m)
        for role, room_m in rooms_m.items():
            soon_m = self._room_soon_m(role, room_m, at_ns)
            if soon_m < needed_m:
                return Intruder(role, soon_m)
        return None

    def _room_soon_m(self, role: Role, room_m: float, at_ns: int) -> float:
        """The room that people or vehicles leave at the site soon, if they go on as they do.

        How the distance of the nearest one changes is enough; nobody need be told from anybody.
        """
        seen = self._approach.setdefault(role, [])
        if not math.isfinite(room_m) or (seen and abs(room_m - seen[-1][1]) > APPROACH_JUMP_M):
            seen.clear()  # nobody, or somebody else
        if math.isfinite(room_m):
            seen.append((at_ns, room_m))
        while seen and at_ns - seen[0][0] > APPROACH_NS[1]:
            seen.pop(0)
        if len(seen) < APPROACH_LOOKS or at_ns - seen[0][0] < APPROACH_NS[0]:
            return room_m
        t_s = np.array([(t - at_ns) * 1e-9 for t, _ in seen])
        rooms_m = np.array([r for _, r in seen])
        mean_s, mean_m = float(t_s.mean()), float(rooms_m.mean())
        spread = float(((t_s - mean_s) ** 2).sum())
        closing_mps = -float(((t_s - mean_s) * (rooms_m - mean_m)).sum()) / spread
        if closing_mps < self._settings.approach_mps:
            return room_m
        return room_m - closing_mps * self._settings.approach_s

    def update(self, look: Look) -> Selection:
        """The site to use after a frame."""
        if self.site is None:
            return self._take(look.best, look)
        at_ns, height_m = look.at_ns, look.height_m
        committed = height_m <= self._settings.commit_height_m
        cell = look.view.cell_of(*self.site.position_ned_m[:2])
        problem = self._problem(look, cell, committed)
        if not committed and cell is not None:
            better = self._nearby(look, cell, problem is not None)
            if better is not None:
                cell, problem = better, None
        if problem is not None:
            if self._bad_since_ns is None:
                self._bad_since_ns = at_ns
            if at_ns - self._bad_since_ns >= self._settings.lost_after_s * 1e9:
                self.forget()
                if isinstance(look.best, NoSite):
                    return NoSite(NoSiteReason.SITE_LOST, f"{problem}; {look.best.detail}")
                return self._take(look.best, look)
            return self.site
        self._bad_since_ns = None
        assert cell is not None  # a site outside the map is a problem
        self._seen(look, cell, committed)
        # Later on what is better depends on where we look from: no leading back and forth.
        young = at_ns - self.site.first_seen_ns <= self._settings.switch_within_s * 1e9
        if young and not committed and self._is_better(look, cell):
            if self._better_since_ns is None:
                self._better_since_ns = at_ns
            if at_ns - self._better_since_ns >= self._settings.switch_after_s * 1e9:
                since_ns = self._better_since_ns
                self.forget()
                return self._take(look.best, look, since_ns)
        else:
            self._better_since_ns = None
        return self.site

    def _seen(self, look: Look, cell: tuple[int, int], committed: bool) -> None:
        """Brings what is known of the site up to date."""
        assert self.site is not None
        view, room_m = look.view, float(look.room_m[cell])
        in_view = float(view.unseen_s[cell]) <= 0.0
        region = int(look.regions.labels[cell])
        north_m, east_m, _ = self.site.position_ned_m
        self.site = replace(
            self.site,
            position_ned_m=(north_m, east_m, view.ground_down_m),
            clearance_m=room_m if in_view or not committed else self.site.clearance_m,
            area_m2=float(look.regions.areas_m2[region]) if region else self.site.area_m2,
            confidence=confidence_at(view, *cell, self._settings.vehicle_radius_m),
            last_seen_ns=look.at_ns if in_view else self.site.last_seen_ns,
        )

    def _nearby(self, look: Look, cell: tuple[int, int], bad: bool) -> tuple[int, int] | None:
        """Moves the site over to better ground close by; the cell it is in then, or None.

        From high up a site lies where errors of pose and of coarse pixels have put it. On the way
        down its surroundings come out clearer, and the best of them is the same site seen better,
        not another one: it need not be confirmed anew. It never moves because of people or
        vehicles: who comes to a site ends it.
        """
        assert self.site is not None
        settings, height_m = self._settings, look.height_m
        if float(look.moving_room_m[cell]) < settings.required_radius_m:
            return None
        view, reach_m = look.view, settings.shift_m + settings.shift_per_height * height_m
        steps = math.ceil(reach_m / view.cell_m)
        top, left = max(0, cell[0] - steps), max(0, cell[1] - steps)
        part = (slice(top, cell[0] + steps + 1), slice(left, cell[1] + steps + 1))
        rows, columns = np.ogrid[: look.room_m[part].shape[0], : look.room_m[part].shape[1]]
        away_m = view.cell_m * np.hypot(rows + top - cell[0], columns + left - cell[1])
        # Farther off counts less, and what is worth it must be clearly so: a site does not roam.
        worth = np.where(
            (away_m <= reach_m) & (look.regions.labels[part] > 0) & (view.unseen_s[part] <= 0.0),
            look.worth_m[part] - SHIFT_COST * away_m,
            -np.inf,
        )
        row, column = divmod(int(worth.argmax()), worth.shape[1])
        found = (row + top, column + left)
        if not math.isfinite(float(worth[row, column])) or found == cell:
            return None
        if not bad and float(worth[row, column]) < float(look.worth_m[cell]) + SHIFT_GAIN_M:
            return None
        if float(look.room_m[found]) < settings.required_radius_m + settings.new_site_margin_m:
            return None
        north_m, east_m = view.centre_of(*found)
        self.site = replace(self.site, position_ned_m=(north_m, east_m, view.ground_down_m))
        self._approach.clear()  # the distances are to another place now
        return found

    def _take(
        self, best: Candidate | NoSite, look: Look, first_seen_ns: int | None = None
    ) -> Selection:
        if isinstance(best, NoSite):
            return best
        position = (best.north_m, best.east_m, look.view.ground_down_m)
        since_ns = look.at_ns if first_seen_ns is None else first_seen_ns
        self.site = LandingSite(
            position, best.clearance_m, best.area_m2, best.confidence, since_ns, look.at_ns
        )
        self._bad_since_ns = self._better_since_ns = None
        return self.site

    def _problem(self, look: Look, cell: tuple[int, int] | None, committed: bool) -> str | None:
        """Why the site can no longer be used, in words; None when it can."""
        assert self.site is not None
        if cell is None:
            return "site is outside the map"
        needed_m = self._settings.required_radius_m
        # Committed, what stands still was judged from where all of it was seen; from so low a
        # patch of it looks like anything. Only what stands where the vehicle would counts then.
        reach_m = self._settings.vehicle_radius_m
        hazard_room_m = look.moving_room_m if committed else look.hazard_room_m
        if float(hazard_room_m[cell]) < needed_m:
            return "hazard at the site"
        if committed and any_within(look.view, STANDING_ROLES, *cell, reach_m):
            return "obstacle at the site"
        if not committed:
            room_m = float(look.room_m[cell])
            return f"clean radius at the site fell to {room_m:.1f} m" if room_m < needed_m else None
        # So low the camera sees less than the site: it stands on what was seen from higher up.
        unseen_s = (look.at_ns - self.site.last_seen_ns) * 1e-9
        if unseen_s > self._settings.commit_max_age_s:
            return f"site not seen for {unseen_s:.0f} s"
        return None

    def _is_better(self, look: Look, cell: tuple[int, int]) -> bool:
        if isinstance(look.best, NoSite):
            return False
        return look.best.worth_m > float(look.worth_m[cell]) + self._settings.switch_gain_m


class _Remembers(Protocol):
    def remember(self, memory: Mapping[str, Any]) -> None: ...


class Decider:
    """The whole decision for one camera. One owner; not shared between threads."""

    def __init__(
        self,
        settings: DecisionSettings,
        taxonomy: Taxonomy,
        camera: CameraModel,
        clock_ns: Callable[[], int] | None = None,
    ) -> None:
        """Sets up an empty map.

        Args:
            settings: Numbers of the decision.
            taxonomy: Of the model whose segmentations will come.
            camera: Of the camera whose frames they are made from.
            clock_ns: Only to measure how long the parts take; the decision does not depend on it.
        """
        self._settings = settings
        self._taxonomy = taxonomy
        self._camera = camera
        self._clock_ns = clock_ns
        self._map = GroundMap(settings, taxonomy)
        self._plane = GroundPlane()
        self._tracker = SiteTracker(settings)
        self.last_view: GroundView | None = None
        """The map of the last decision, for pictures and records."""
        self.last_room_m: GridOfFloat | None = None
        """The clearance grid of the last decision, m."""

    @property
    def ground_map(self) -> GroundMap:
        """The accumulated map."""
        return self._map

    def memory(self) -> dict[str, Any]:
        """A copy of all that the next decision builds on, of plain values and arrays.

        With it a recording that starts in mid-flight is decided again to the last digit.
        """
        parts = {"map": self._map.memory(), "plane": self._plane.memory(),
                 "tracker": self._tracker.memory()}  # fmt: skip
        return {f"{part}.{k}": v for part, values in parts.items() for k, v in values.items()}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Goes on from another decider's `memory`.

        Raises:
            InvalidValueError: It was made with another number of cells.
        """
        cells = int(memory["map.landable"].shape[0])
        if cells != self._settings.grid_cells:
            raise InvalidValueError(
                f"the memory is of a map of {cells} cells a side, this one has "
                f"{self._settings.grid_cells}"
            )
        owners: tuple[tuple[str, _Remembers], ...] = (
            ("map", self._map), ("plane", self._plane), ("tracker", self._tracker),
        )  # fmt: skip
        for part, owner in owners:
            prefix = f"{part}."
            owner.remember(
                {k.removeprefix(prefix): v for k, v in memory.items() if k.startswith(prefix)}
            )

    def reset(self) -> None:
        """Forgets map, plane and site, as at start."""
        self._map.reset()
        self._plane = GroundPlane()
        self._tracker.forget()
        self.last_view = self.last_room_m = None

    def observe(self, segmentation: Segmentation, pose: Pose | None, now_ns: int) -> Decision:
        """Adds a frame and decides.

        Args:
            segmentation: Stamped with the frame's capture time.
            pose: At that capture time; None when it is not known.
            now_ns: Monotonic time of the decision.
        """
        started = self._now()
        captured_ns = segmentation.captured_at_ns
        refused = self._refuse(pose)
        if refused is not None or pose is None:
            assert refused is not None
            return self._decision(self._while_blind(refused, pose), now_ns, captured_ns, started, 0)
        assert pose.position_ned_m is not None and pose.height_agl_m is not None
        measured_down_m = pose.position_ned_m[2] + pose.height_agl_m
        down_m, other_ground = self._plane.update(measured_down_m, pose.height_agl_m, captured_ns)
        if other_ground:
            self._map.reset()
            self._tracker.forget()
        shown = self._map.update(segmentation, self._camera, pose, down_m)
        mapped = self._now()
        view = self._map.view(captured_ns)
        if view is None or (shown == 0 and self._tracker.site is None):
            self.last_view, self.last_room_m = view, None
            reason = NoSite(NoSiteReason.GROUND_NOT_IN_VIEW, "the camera does not see the ground")
            return self._decision(reason, now_ns, captured_ns, started, mapped)
        vehicle = (pose.position_ned_m[0], pose.position_ned_m[1])
        moving_room_m = {
            role: hazard_clearance_grid(view, self._taxonomy, self._settings, (role,))
            for role in MOVING_ROLES
        }
        intruder = self._tracker.intruder(view, moving_room_m, captured_ns)
        height_m = down_m - pose.position_ned_m[2]
        hazard_room_m = hazard_clearance_grid(
            view, self._taxonomy, self._settings, STANDING_ROLES,
            self._settings.standing_share(height_m),
        )  # fmt: skip
        anybody_m = np.minimum(*moving_room_m.values())
        np.minimum(hazard_room_m, anybody_m, out=hazard_room_m)
        room_m = clearance_grid(view, hazard_room_m)
        regions = clean_regions(view, room_m, self._settings, vehicle)
        best = pick(view, room_m, regions, self._settings, vehicle, height_m)
        worth_m = worth_grid(view, room_m, self._settings, vehicle, height_m)
        selection = self._tracker.update(
            Look(view, room_m, hazard_room_m, anybody_m, worth_m, regions, best, height_m,
                 captured_ns)
        )  # fmt: skip
        self.last_view, self.last_room_m = view, room_m
        decision = self._decision(selection, now_ns, captured_ns, started, mapped)
        return replace(decision, intruder=intruder) if intruder is not None else decision

    def refuse(self, problem: str, pose: Pose | None, captured_ns: int, now_ns: int) -> Decision:
        """Decides without a frame that is not worth looking at: nothing of it enters the map.

        Args:
            problem: What is wrong with it, in words.
            pose: At its capture time.
            captured_ns: Of the frame.
            now_ns: Monotonic time of the decision.
        """
        reason = NoSite(NoSiteReason.BAD_PICTURE, problem)
        return self._decision(self._while_blind(reason, pose), now_ns, captured_ns, self._now(), 0)

    def _refuse(self, pose: Pose | None) -> NoSite | None:
        """Why a frame with this pose cannot be used; None when it can."""
        missing = self._camera.missing_in(pose)
        if pose is None or missing is not None:
            return NoSite(NoSiteReason.NO_POSE, f"{missing} at capture time is not known")
        if pose.height_agl_m is None:
            return NoSite(NoSiteReason.NO_HEIGHT, "height above ground is not known")
        settings = self._settings
        if not settings.min_height_m <= pose.height_agl_m <= settings.max_height_m:
            return NoSite(
                NoSiteReason.HEIGHT_OUT_OF_RANGE,
                f"height {pose.height_agl_m:.1f} m, frames are used from "
                f"{settings.min_height_m:g} to {settings.max_height_m:g} m",
            )
        tilt_deg = math.degrees(pose.tilt_rad)
        if tilt_deg > settings.max_tilt_deg:
            return NoSite(
                NoSiteReason.TILT_TOO_LARGE,
                f"tilt {tilt_deg:.0f} degrees, at most {settings.max_tilt_deg:g}",
            )
        return None

    def _while_blind(self, refused: NoSite, pose: Pose | None) -> Selection:
        """A frame that cannot be used: the site stays only where that is expected, near the ground.

        Its `last_seen_ns` does not move, so whoever acts on it sees how old the evidence is.
        """
        site, down_m = self._tracker.site, self._plane.down_m
        if site is None or pose is None or pose.position_ned_m is None or down_m is None:
            return refused
        # A rangefinder goes silent near the ground; the plane it measured before stays.
        expected = (
            NoSiteReason.HEIGHT_OUT_OF_RANGE, NoSiteReason.NO_HEIGHT, NoSiteReason.BAD_PICTURE,
        )  # fmt: skip
        height_m = down_m - pose.position_ned_m[2]
        low = height_m <= max(self._settings.min_height_m, 0.5)
        return site if refused.reason in expected and low else refused

    def _now(self) -> int:
        return self._clock_ns() if self._clock_ns is not None else 0

    def _decision(
        self, selection: Selection, now_ns: int, captured_ns: int, started: int, mapped: int
    ) -> Decision:
        timings: dict[str, float] = {}
        if self._clock_ns is not None:
            done = self._clock_ns()
            if mapped:
                timings["map"] = (mapped - started) * 1e-6
                timings["pick"] = (done - mapped) * 1e-6
            timings["decide"] = (done - started) * 1e-6
        return Decision(selection, now_ns, captured_ns, timings)
