"""Track of a marked pad over frames: place, velocity, and why it is not used. Pure: time is an argument.

A constant velocity filter of the tag's place in the world, one for each axis. What is known of a pad ages: above the
commit height it is given up when its tag is gone, below it the landing goes on to where it was last, or where its speed
takes it, for a shorter time. One picture that speaks against a pad that is followed is an error; several are a reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

from landing.camera import CameraModel
from landing.estimator import FrameShift
from landing.pad.fit import PadFix, fit
from landing.pad.tag import PadSettings, PadSighting
from landing.settings import DecisionSettings
from landing.site import Pad
from landing.types import Pose

SETTLE_NS, SETTLE_FIXES = 1_000_000_000, 5
"""A pad is taken over from the region's site once its tag was seen for so long, so many times."""

GONE_NS = 2_500_000_000
"""Above the commit height a pad is given up when its tag was not seen for so long."""

BLIND_NS = 3_000_000_000
"""Below it a moving pad is where its speed takes it for so long, and then nowhere."""

REFUSED_NS = 2_000_000_000
"""After a picture that speaks against the pad it is not used for so long."""

TURN_MPS2, DRIFT_MPS2 = 0.2, 0.02
"""Changes of a moving pad's velocity that the filter allows for, and of a standing one's, by the vehicle's drift."""

FRESH_MPS = 1.0
"""Error of a velocity that was not measured yet."""

POINTING, LEAST_M = 0.012, 0.02
"""Error of a fix: of attitude and mount, for each metre of range, and beyond that, m."""

JUMP_SD, JUMP_M, JUMPS, UNDO = 4.0, 0.2, 3, 4
"""A fix so far from where it is expected is no fix; after so many of them the pad lies elsewhere. So many pictures in
turn that speak against a followed pad end it. Each is undone by so many good ones: two tags that are read in turn are
never followed."""

OVER_MPS = 0.2
"""Beyond the greatest speed by which the filter may err."""

STANDS_MPS = 0.1
"""Slower is not told from standing."""


class PadState(str, Enum):
    """State of a pad."""

    UNSEEN = "unseen"
    FOUND = "found"
    FOLLOWED = "followed"
    LOST = "lost"
    REFUSED = "refused"


LOST_HIGH = "looks for ground"
LOST_LOW = "lands where it was seen"
LOST_LONG = "no site, not seen for too long"
"""Consequences of a lost tag, by the height and the time."""

GONE_STATES = (PadState.FOLLOWED, PadState.LOST)
"""States of a pad that was followed: without a site it is not clear, or not seen."""


@dataclass(frozen=True)
class PadReport:
    """Word on the pad for pilot and log.

    Attributes:
        state: Of the pad.
        why: In words where it is not followed; empty otherwise.
        speed_mps: Of a pad that moves; 0 of one that stands.
    """

    state: PadState
    why: str = ""
    speed_mps: float = 0.0

    @property
    def kind(self) -> tuple[PadState, str]:
        """The same for reports that differ in figures alone."""
        return self.state, self.why.partition(":")[0]

    @property
    def text(self) -> str:
        """For the pilot; empty where nothing is to be said."""
        if self.state is PadState.FOLLOWED:
            return f"Pad followed: it moves at {self.speed_mps:.1f} m/s" if self.speed_mps > 0.0 else "Pad followed"
        if self.state is PadState.LOST:
            return f"Pad lost: {self.why}"
        return f"Pad not used: {self.why}" if self.state is PadState.REFUSED else ""


@dataclass(frozen=True)
class _Axis:
    """Place, m, velocity, m/s, and their variances."""

    place: float
    speed: float
    pp: float
    pv: float
    vv: float

    def after(self, dt_s: float, change_mps2: float) -> _Axis:
        q = change_mps2**2
        return _Axis(
            self.place + dt_s * self.speed,
            self.speed,
            self.pp + dt_s * (2 * self.pv + dt_s * self.vv) + q * dt_s**3 / 3,
            self.pv + dt_s * self.vv + q * dt_s**2 / 2,
            self.vv + q * dt_s,
        )

    def with_fix(self, place: float, variance: float) -> _Axis:
        gain_p, gain_v = self.pp / (self.pp + variance), self.pv / (self.pp + variance)
        off = place - self.place
        return _Axis(
            self.place + gain_p * off,
            self.speed + gain_v * off,
            self.pp * (1 - gain_p),
            self.pv * (1 - gain_p),
            self.vv - gain_v * self.pv,
        )


@dataclass(frozen=True)
class _Track:
    """State of the filter at `at_ns`; fixes from `first_ns` to `at_ns`."""

    north: _Axis
    east: _Axis
    down_m: float
    first_ns: int
    at_ns: int
    fixes: int = 1
    doubts: int = 0
    followed: bool = False

    def ne_m(self, at_ns: int) -> tuple[float, float]:
        dt_s = (at_ns - self.at_ns) * 1e-9
        return self.north.place + dt_s * self.north.speed, self.east.place + dt_s * self.east.speed

    @property
    def speed_mps(self) -> float:
        return math.hypot(self.north.speed, self.east.speed)


class PadTracker:
    """Follows the pad of its settings. One owner.

    Args:
        settings: Of the pad, enabled.
        decision: Its commit height holds.
        camera: Lens and mount.
    """

    def __init__(self, settings: PadSettings, decision: DecisionSettings, camera: CameraModel) -> None:
        self.settings = settings
        self._decision = decision
        self._camera = camera
        self._track: _Track | None = None
        self._refused: tuple[str, int] | None = None
        self._lost = False
        self.fix_now: PadFix | None = None
        """The tag's place by the newest frame alone; None where it did not show the pad."""

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        track = None if self._track is None else asdict(self._track)
        refused = None if self._refused is None else list(self._refused)
        return {"track": track, "refused": refused, "lost": self._lost}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another tracker's `state_dict`."""
        track, refused = state["track"], state["refused"]
        if track is not None:
            axes = {name: _Axis(**track[name]) for name in ("north", "east")}
            self._track = _Track(**{**track, **axes})
        else:
            self._track = None
        self._refused = None if refused is None else (str(refused[0]), int(refused[1]))
        self._lost = bool(state["lost"])

    def reset(self) -> None:
        """Forgets everything, as at start."""
        self._track, self._refused, self._lost, self.fix_now = None, None, False, None

    def moved(self, shift: FrameShift) -> None:
        """Follows a reset of the estimator: the pad keeps its ground; its velocity is measured anew."""
        track = self._track
        if track is None:
            return
        north_m, east_m, down_m = shift.point((track.north.place, track.east.place, track.down_m))
        self._track = replace(
            track,
            north=_Axis(north_m, 0.0, track.north.pp, 0.0, FRESH_MPS**2),
            east=_Axis(east_m, 0.0, track.east.pp, 0.0, FRESH_MPS**2),
            down_m=down_m,
        )

    # --- frames ---

    def observe(self, sighting: PadSighting | None, pose: Pose | None, ground_down_m: float | None, at_ns: int) -> None:
        """Take a frame.

        Args:
            sighting: What `PadFinder` found in it.
            pose: At its capture time.
            ground_down_m: Down coordinate of the ground plane; None while it is not known.
            at_ns: Its capture time.
        """
        self.fix_now = None
        usable = self._camera.missing_in(pose) is None and ground_down_m is not None
        if sighting is not None and usable:
            assert pose is not None and ground_down_m is not None
            self._take(sighting, pose, ground_down_m, at_ns)
        if self._refused is not None and at_ns - self._refused[1] > REFUSED_NS:
            self._refused = None
        self._age(pose, at_ns)

    def _take(self, sighting: PadSighting, pose: Pose, ground_down_m: float, at_ns: int) -> None:
        if len(sighting.tags) > 1:
            self._doubt(f"several tags of its number are in the picture: {len(sighting.tags)}", at_ns)
            return
        found = fit(sighting.tags[0], self.settings, self._camera, pose, ground_down_m)
        if isinstance(found, str):
            self._doubt(found, at_ns)
            return
        self._add(found, at_ns)
        track, most_mps = self._track, self.settings.max_speed_mps
        if track is None or track.fixes < SETTLE_FIXES:
            return
        sure_mps = track.speed_mps - 2.0 * math.sqrt(max(track.north.vv, track.east.vv))
        if sure_mps > most_mps + OVER_MPS:
            self._refuse(f"it moves too fast: {track.speed_mps:.1f} m/s, at most {most_mps:g} m/s", at_ns)

    def _add(self, fix: PadFix, at_ns: int) -> None:
        """Give a fix to the filter."""
        sd_m = LEAST_M + POINTING * fix.range_m
        north_m, east_m, down_m = fix.position_ned_m
        track = self._track
        if track is None or at_ns <= track.at_ns:
            self._begin(fix, at_ns)
            return
        dt_s = (at_ns - track.at_ns) * 1e-9
        change_mps2 = TURN_MPS2 if self._moves else DRIFT_MPS2
        north, east = track.north.after(dt_s, change_mps2), track.east.after(dt_s, change_mps2)
        off_m = math.hypot(north_m - north.place, east_m - east.place)
        if off_m > JUMP_M + JUMP_SD * math.sqrt(max(north.pp, east.pp) + sd_m**2):
            if track.doubts + UNDO < JUMPS * UNDO:
                self._track = replace(track, doubts=track.doubts + UNDO)
            else:
                self._begin(fix, at_ns)
            return
        self._track = _Track(
            north.with_fix(north_m, sd_m**2),
            east.with_fix(east_m, sd_m**2),
            track.down_m + 0.3 * (down_m - track.down_m),
            track.first_ns,
            at_ns,
            track.fixes + 1,
            max(0, track.doubts - 1),
            followed=track.followed or (at_ns - track.first_ns >= SETTLE_NS and track.fixes + 1 >= SETTLE_FIXES),
        )
        self._lost, self.fix_now = False, fix

    def _begin(self, fix: PadFix, at_ns: int) -> None:
        north_m, east_m, down_m = fix.position_ned_m
        variance = (LEAST_M + POINTING * fix.range_m) ** 2
        north, east = (_Axis(place, 0.0, variance, 0.0, FRESH_MPS**2) for place in (north_m, east_m))
        self._track = _Track(north, east, down_m, at_ns, at_ns)
        self._lost, self.fix_now = False, fix

    def _doubt(self, why: str, at_ns: int) -> None:
        """Take a picture that speaks against the pad."""
        track = self._track
        if track is not None and track.followed and track.doubts + UNDO < JUMPS * UNDO:
            self._track = replace(track, doubts=track.doubts + UNDO)
        else:
            self._refuse(why, at_ns)

    def _refuse(self, why: str, at_ns: int) -> None:
        """Remember why the pad is not used, and forget where it was."""
        self._refused, self._track, self.fix_now = (why, at_ns), None, None

    def _age(self, pose: Pose | None, at_ns: int) -> None:
        """Give up a pad whose tag is gone while there is height to look for another place."""
        track = self._track
        if track is None or pose is None or pose.position_ned_m is None:
            return
        low = track.down_m - pose.position_ned_m[2] <= self._decision.commit_height_m
        if not low and at_ns - track.at_ns > GONE_NS:
            self._lost, self._track = track.followed, None

    # --- what is known ---

    @property
    def _moves(self) -> bool:
        return self.settings.max_speed_mps > 0.0

    @property
    def followed(self) -> bool:
        """True once the pad has the region's place."""
        return self._track is not None and self._track.followed and self._refused is None

    def blind_s(self, at_ns: int) -> float | None:
        """Return the time since the tag of a pad was seen where that is too long, s; None where it is not."""
        track = self._track
        if track is None:
            return None
        limit_ns = BLIND_NS if self.pad.moves else round(self._decision.commit_max_age_s * 1e9)
        unseen_ns = at_ns - track.at_ns
        return unseen_ns * 1e-9 if unseen_ns > limit_ns else None

    def place_ned_m(self, at_ns: int) -> tuple[float, float, float] | None:
        """Return the pad's place at a time near the last fix; None where none is known."""
        track = self._track
        return None if track is None else (*track.ne_m(at_ns), track.down_m)

    @property
    def seen_ns(self) -> tuple[int, int]:
        """Times of the first and the newest fix; there must be one."""
        assert self._track is not None
        return self._track.first_ns, self._track.at_ns

    @property
    def pad(self) -> Pad:
        """The pad with its velocity, as a site tells it; there must be a fix."""
        track = self._track
        assert track is not None
        moves = self._moves and track.speed_mps > STANDS_MPS
        return Pad(self.settings.id, (track.north.speed, track.east.speed) if moves else (0.0, 0.0))

    def report(self, at_ns: int) -> PadReport:
        """Return the word on the pad."""
        if self._refused is not None:
            return PadReport(PadState.REFUSED, self._refused[0])
        track = self._track
        if track is None:
            return PadReport(PadState.LOST, LOST_HIGH) if self._lost else PadReport(PadState.UNSEEN)
        if not track.followed:
            return PadReport(PadState.FOUND)
        if at_ns - track.at_ns > GONE_NS:
            return PadReport(PadState.LOST, LOST_LOW if self.blind_s(at_ns) is None else LOST_LONG)
        return PadReport(PadState.FOLLOWED, speed_mps=self.pad.speed_mps)
