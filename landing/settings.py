"""Settings of the decision, the director and the authority, with unit, range and reason.

What an integrator chooses, and what stays an expert's or fixed, says `edge.keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from operator import attrgetter
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from landing.decision_groups import (
    ApproachSettings,
    Blacklist,
    Evidence,
    Frozen,
    Grid,
    HiddenHazard,
    Reach,
    RecentHazard,
    ReliefSettings,
    Score,
    Shift,
    StandingClearance,
    SurfaceCost,
    Switch,
    UnsafeMemory,
    UsableView,
)
from landing.taxonomy import Role
from landing.vehicle import FLIGHT_MODES

Probability = Annotated[float, Field(gt=0.0, lt=1.0)]

FRAME_LANDABLE_LIMITS = (0.5, 0.975)
"""Below one half a frame says itself that the ground is more likely not landable, so no number of such frames may add
up to a site. Above the other end evidence is cut off anyhow."""


class DecisionBase(Frozen):
    """All of a decision's settings but the thresholds."""

    vehicle_radius_m: float = Field(
        default=0.5, gt=0, le=10, description="radius of the circle that holds the vehicle, m"
    )
    margin_m: float = Field(default=0.5, ge=0, le=10, description="extra radius for control and map errors, m")
    new_site_margin_m: float = Field(default=0.2, ge=0, le=5, description="extra radius that a new site must have, m")
    max_distance_m: float = Field(default=30.0, gt=0, le=200, description="farthest site from below the vehicle, m")
    max_height_m: float = Field(
        default=120.0, gt=1, le=500, description="greatest height of a frame that is used; higher shows too little, m"
    )
    # Where the vehicle looks around (authority.look_height_m): what stands still was judged on the way there, and
    # hovering shows the same picture, and its mistakes, again and again.
    commit_height_m: float = Field(
        default=3.5, ge=0, le=50, description="height below which the site stays unless a hazard enters it, m"
    )
    commit_max_age_s: float = Field(
        default=15.0, gt=0, le=60, description="time for which a committed site may be out of sight, s"
    )
    lost_after_s: float = Field(default=0.25, ge=0, le=5, description="time after which a bad site is given up, s")
    reach: Reach = Reach()
    score: Score = Score()
    surface: SurfaceCost = SurfaceCost()
    recent_hazard: RecentHazard = RecentHazard()
    blacklist: Blacklist = Blacklist()
    shift: Shift = Shift()
    switch: Switch = Switch()
    evidence: Evidence = Evidence()
    standing_clearance: StandingClearance = StandingClearance()
    hidden_hazard: HiddenHazard = HiddenHazard()
    approach: ApproachSettings = ApproachSettings()
    unsafe_memory: UnsafeMemory = UnsafeMemory()
    relief: ReliefSettings = ReliefSettings()
    grid: Grid = Grid()
    view: UsableView = UsableView()

    @model_validator(mode="after")
    def _possible(self) -> DecisionBase:
        if not self.view.watch_height_m <= self.view.min_height_m < self.max_height_m:
            raise ValueError(
                f"view.watch_height_m {self.view.watch_height_m:g} must be at most view.min_height_m "
                f"{self.view.min_height_m:g}, and that below max_height_m {self.max_height_m:g}"
            )
        if self.required_radius_m * 2 > self.grid.cells * self.grid.cell_m:
            raise ValueError(
                f"vehicle_radius_m {self.vehicle_radius_m:g} with margin_m {self.margin_m:g} does not fit into the map "
                f"of {self.grid.cells * self.grid.cell_m:g} m"
            )
        return self

    @property
    def required_radius_m(self) -> float:
        """Least clearance of a site: the vehicle and its margin, m."""
        return self.vehicle_radius_m + self.margin_m


class DecisionSettings(DecisionBase):
    """The settings a decision is made with: every threshold is a number.

    Attributes:
        landable_probability: Least probability of landable ground that all frames together must reach.
        frame_landable_probability: A frame below this speaks against landing there.
        obstacle_probability, water_probability, person_probability, vehicle_probability: A hazard at this probability
            in a frame is a hazard.
    """

    landable_probability: Probability = 0.8
    frame_landable_probability: float = Field(default=0.5, ge=FRAME_LANDABLE_LIMITS[0], le=FRAME_LANDABLE_LIMITS[1])
    obstacle_probability: Probability = 0.35
    water_probability: Probability = 0.3
    person_probability: Probability = 0.2
    vehicle_probability: Probability = 0.25

    @property
    def hazard_thresholds(self) -> dict[Role, float]:
        """Probability in a frame from which each hazard role counts."""
        return {
            Role.OBSTACLE: self.obstacle_probability,
            Role.WATER: self.water_probability,
            Role.PERSON: self.person_probability,
            Role.VEHICLE: self.vehicle_probability,
        }

    def single_look(self) -> DecisionSettings:
        """Return the settings to decide from one picture alone: that one frame counts in full.

        It must show both by itself: the probability asked of a frame and that of gathered evidence. Nobody looks again
        from lower down, so whole clearances are asked from any height.
        """
        landable = max(self.landable_probability, self.frame_landable_probability)
        whole = StandingClearance(near_height_m=self.max_height_m, far_height_m=self.max_height_m + 1.0)
        return self.model_copy(
            update={
                "evidence": self.evidence.model_copy(update={"hazard_gain": 1.0, "ground_gain": 1.0}),
                "new_site_margin_m": 0.0,
                "frame_landable_probability": 0.5,
                "landable_probability": landable,
                "standing_clearance": whole,
                "recent_hazard": self.recent_hazard.model_copy(update={"cost_m": 0.0}),
                "blacklist": self.blacklist.model_copy(update={"cost_m": 0.0}),
            }
        )


class Strictness(str, Enum):
    """Caution of thresholds: each step halves the odds at which a hazard counts and doubles those of good ground."""

    RELAXED = "relaxed"
    NORMAL = "normal"
    STRICT = "strict"
    STRICTEST = "strictest"


ODDS = {Strictness.RELAXED: 2.0, Strictness.NORMAL: 1.0, Strictness.STRICT: 0.5, Strictness.STRICTEST: 0.25}
"""Factor on the odds of the thresholds of hazards; those of landable ground are divided by it."""

LANDABLE_THRESHOLDS = ("landable_probability", "frame_landable_probability")
HAZARD_THRESHOLDS = ("obstacle_probability", "water_probability", "person_probability", "vehicle_probability")
THRESHOLDS = (*LANDABLE_THRESHOLDS, *HAZARD_THRESHOLDS)


def threshold_at(name: str, strictness: Strictness) -> float:
    """Return a threshold of `THRESHOLDS` at a level of strictness, to three decimals; the default at `normal`."""
    default = float(DecisionSettings.model_fields[name].default)
    if strictness is Strictness.NORMAL:
        return default
    factor = 1.0 / ODDS[strictness] if name in LANDABLE_THRESHOLDS else ODDS[strictness]
    odds = default / (1.0 - default) * factor
    value = round(odds / (1.0 + odds), 3)
    if name == "frame_landable_probability":
        value = min(max(value, FRAME_LANDABLE_LIMITS[0]), FRAME_LANDABLE_LIMITS[1])
    return value


class DecisionSection(DecisionBase):
    """Decision: from frames to a ground map, from the map to a site.

    A threshold that is not set is that of `strictness`, or the model's own where that is stricter
    (`landing.model.operating.thresholds_in_force`).
    """

    strictness: Strictness = Field(
        default=Strictness.NORMAL, description="caution of all thresholds; relaxed is laxer than the tested default"
    )
    landable_probability: Probability | None = Field(
        default=None, description="least probability of landable ground that all frames together must reach"
    )
    frame_landable_probability: float | None = Field(
        default=None,
        ge=FRAME_LANDABLE_LIMITS[0],
        le=FRAME_LANDABLE_LIMITS[1],
        description="probability of landable ground below which a frame speaks against landing there",
    )
    obstacle_probability: Probability | None = Field(
        default=None, description="least probability of an obstacle in a frame that counts"
    )
    water_probability: Probability | None = Field(
        default=None, description="least probability of water in a frame that counts"
    )
    person_probability: Probability | None = Field(
        default=None, description="least probability of a person in a frame that counts"
    )
    vehicle_probability: Probability | None = Field(
        default=None, description="least probability of a vehicle in a frame that counts"
    )
    person_at_most: Probability | None = Field(
        default=None, description="upper bound on the person threshold that flies; a kept TD_PERSON_P sets it"
    )


class DirectorSection(Frozen):
    """Director: conditions of a target, and the time after which a landing is given up."""

    confirm_s: float = Field(
        default=1.0, ge=0, le=30, description="time for which a site must hold before it is sent, s"
    )
    max_pose_age_s: float = Field(default=0.3, gt=0, le=2, description="oldest pose on which a target is sent, s")
    # With the control loop's period the last target leaves at most 0.5 s after the last frame was taken. A board that
    # decides less than five times a second needs more.
    max_decision_age_s: float = Field(
        default=0.45, gt=0, le=5, description="greatest age of the newest frame decided on for a target to be sent, s"
    )
    # A person walks through the default clearance of 4 m in 2.7 s.
    max_evidence_age_s: float = Field(
        default=2.5, gt=0, le=5, description="time since the site was in view after which no target is sent, s"
    )
    hold_timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="time without a site while landing after which it aborts, s"
    )


class DirectorSettings(DirectorSection):
    """The director's settings with what it shares with the decision.

    Attributes:
        commit_height_m, commit_max_age_s: Of the decision.
    """

    commit_height_m: float = DecisionSettings.model_fields["commit_height_m"].default
    commit_max_age_s: float = DecisionSettings.model_fields["commit_max_age_s"].default

    @classmethod
    def beside(cls, section: DirectorSection, decision: DecisionBase) -> DirectorSettings:
        """Return the settings that fly with a decision's."""
        shared = {"commit_height_m": decision.commit_height_m, "commit_max_age_s": decision.commit_max_age_s}
        return cls(**section.model_dump(include=set(DirectorSection.model_fields)), **shared)


class AuthorityLevel(str, Enum):
    """Commands that may be sent to the autopilot beyond the landing target."""

    ADVISE = "advise"
    GUARD = "guard"
    LAND = "land"


class AuthoritySettings(Frozen):
    """Authority: its commands, their conditions, and its end (see `landing.command.authority`)."""

    level: AuthorityLevel = Field(
        default=AuthorityLevel.ADVISE,
        description="advise: commands nothing; guard: may stop a landing, climb and retry; "
        "land: may also fly to the site and start the landing",
    )
    failsafe: Literal["advise", "guard"] = Field(
        default="advise", description="in a failsafe: advise: targets only; guard: may stop for people or ground"
    )
    # A pilot who took over once must not have to wonder in the same flight whether we come back.
    rearm: Literal["never", "on_disarm"] = Field(
        default="never",
        description="return of an authority that the pilot or a fault ended: with the next start of the daemon, "
        "or when the vehicle is disarmed",
    )
    # A daemon that comes up in mid-flight, after a crash, cannot know whether the pilot had ended its authority.
    begin_in_air: bool = Field(
        default=False, description="may command in a flight that began before the daemon; for simulations in the air"
    )
    # A site that is exchanged for one beside it is confirmed again in director.confirm_s.
    grace_s: float = Field(default=1.5, ge=0, le=10, description="time without a target while landing that stops it, s")
    # From here the ground is 15 s away, ten times what a stop takes. Higher up people are found where there are none,
    # and a stop for each of them would use up all tries before the camera is near enough to tell.
    alert_height_m: float = Field(
        default=20.0, ge=5, le=120, description="height up to which somebody at the site stops the vehicle, m"
    )
    # From here the ground is six seconds away, and a stop takes one and a half.
    sure_height_m: float = Field(
        default=3.0, ge=2, le=120, description="height up to which one frame with somebody at the site stops it, m"
    )
    # A wrong patch comes and goes within a few frames. Shorter than decision.lost_after_s: a site given up has nobody.
    sure_s: float = Field(
        default=0.2, ge=0, le=2, description="time for which somebody must be seen above sure_height_m, s"
    )
    high_grace_s: float = Field(
        default=5.0, ge=0, le=10, description="time without a target above alert_height_m that stops it, s"
    )
    # Below decision.view.watch_height_m nothing new can be known, and the ground is reached before a climb begins.
    floor_height_m: float = Field(
        default=0.35, ge=0.2, le=10, description="height above the site below which nothing is commanded, m"
    )
    clear_height_m: float = Field(default=5.0, ge=2, le=50, description="least height at which it waits, m")
    # A camera of 80 degrees shows all of the two metres around the site from here, one of 55 from 6 m; higher up the
    # way down that nobody watches is longer.
    look_height_m: float = Field(default=3.5, ge=2.5, le=50, description="height of the look around, m")
    # Who sets out for a vehicle that comes down is there within 5 to 30 s; twice as long costs battery and patience.
    look_s: float = Field(default=10.0, ge=0, le=60, description="time it looks around, s; 0: it does not stop for it")
    # What disappoints low down is, from a little higher, the best in view again.
    climb_m: float = Field(
        default=6.0, ge=1, le=50, description="height that each new search, and each resumed landing, adds, m"
    )
    ceiling_m: float = Field(
        default=30.0,
        ge=2,
        le=120,
        description="greatest height above the site to climb to, m; never above the start of the landing, but "
        "clear_height_m is always allowed",
    )
    # Street trees and houses of three storeys. Never above the start of the landing.
    over_height_m: float = Field(default=20.0, ge=2, le=120, description="least height over what may stand up, m")
    wait_s: float = Field(default=6.0, ge=0, le=60, description="time it holds for the site to come back, s")
    search_s: float = Field(default=10.0, ge=1, le=120, description="time it searches at each height, s")
    search_radius_m: float = Field(
        default=30.0, ge=0, le=500, description="farthest from its start that guard flies to search, m; 0: nowhere"
    )
    # A middling network loses several sites before a good one is found; max_total_s bounds the cost.
    max_tries: int = Field(default=16, ge=1, le=50, description="resumed landings and searches before it gives up")
    max_total_s: float = Field(default=240.0, ge=10, le=900, description="time for all tries of one landing, s")
    # A vehicle that hovers leaves the choice to the pilot; one that lands straight down may land on the very person it
    # was stopped for.
    when_spent: Literal["hold", "land"] = Field(
        default="hold",
        description="after the last try: hold for the pilot, or land plainly unless somebody is seen at the site",
    )
    # ArduPilot's estimator wants 2 s of targets; LAND holds its height until it is within PLND_XY_DIST_MAX.
    steady_s: float = Field(
        default=1.0, ge=0, le=30, description="time for which a site must be sent before a landing is resumed, s"
    )
    calm_s: float = Field(
        default=3.0, ge=0, le=60, description="time without anybody at a site before a landing is resumed, s"
    )
    stick_dead_zone: float = Field(
        default=0.2, ge=0.02, le=0.9, description="part of a stick's travel beyond which the pilot takes over"
    )
    start_modes: tuple[str, ...] = Field(
        default=("GUIDED", "AUTO.LOITER"),
        min_length=1,
        description="land: modes in which it may begin, once the pilot enters one in the air, on PX4 from one flown by "
        "hand; RTL or AUTO.RTL may be added",
    )
    start_height_m: float = Field(default=5.0, ge=2, le=120, description="land: least height at which it begins, m")
    announce_s: float = Field(
        default=5.0, ge=1, le=60, description="land: time between its announcement and its start, s"
    )

    @model_validator(mode="after")
    def _possible(self) -> AuthoritySettings:
        if not self.floor_height_m < self.clear_height_m <= self.ceiling_m:
            raise ValueError(
                f"floor_height_m {self.floor_height_m:g} must be below clear_height_m "
                f"{self.clear_height_m:g}, and that not above ceiling_m {self.ceiling_m:g}"
            )
        known = sorted({m for modes in FLIGHT_MODES.values() for m in (modes.hold, *modes.home)})
        unknown = [mode for mode in self.start_modes if mode not in known]
        if unknown:
            raise ValueError(f"start_modes has {unknown[0]!r}; expected some of {', '.join(known)}")
        return self


ORDERED = (
    ("decision.view.min_height_m", "<", "decision.commit_height_m"),
    ("decision.commit_height_m", "<=", "authority.look_height_m"),
    ("authority.look_height_m", "<", "decision.standing_clearance.near_height_m"),
    ("decision.standing_clearance.near_height_m", "<", "decision.max_height_m"),
    ("decision.view.watch_height_m", "<=", "authority.floor_height_m"),
    ("authority.floor_height_m", "<", "authority.look_height_m"),
    ("authority.sure_height_m", "<=", "authority.alert_height_m"),
    ("authority.start_height_m", "<", "decision.max_height_m"),
    ("director.max_pose_age_s", "<=", "director.max_evidence_age_s"),
    ("director.max_decision_age_s", "<=", "director.max_evidence_age_s"),
    ("director.max_evidence_age_s", "<=", "decision.grid.max_age_s"),
    ("decision.grid.max_age_s", "<=", "decision.commit_max_age_s"),
    ("authority.wait_s", "<=", "authority.max_total_s"),
)
"""Settings that depend on each other; the committed site needs each step of a descent in turn."""


def check_together(sections: Mapping[str, BaseModel]) -> None:
    """Check `ORDERED` over sections by name.

    Raises:
        ValueError: Names both settings and their values.
    """
    for low_name, sign, high_name in ORDERED:
        (low_section, _, low_field), (high_section, _, high_field) = low_name.partition("."), high_name.partition(".")
        low, high = attrgetter(low_field)(sections[low_section]), attrgetter(high_field)(sections[high_section])
        if not (low < high or (sign == "<=" and low == high)):
            word = "below" if sign == "<" else "at most"
            raise ValueError(f"{low_name} = {low:g} must be {word} {high_name} = {high:g}")
