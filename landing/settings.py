"""Every number the decision depends on, with its unit, range and reason."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from landing.vehicle import FLIGHT_MODES

Probability = Annotated[float, Field(gt=0.0, lt=1.0)]

FRAME_LANDABLE_LIMITS = (0.5, 0.975)
"""Below one half a frame says itself that the ground is more likely not landable, so no number of such frames may add
up to a site. Above the other end evidence is cut off anyhow."""


class DecisionBase(BaseModel):
    """All of a decision's settings but the thresholds of a frame, which a model may choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vehicle_radius_m: float = Field(
        default=0.5, gt=0, le=10, description="radius of the circle that holds the vehicle, m"
    )
    margin_m: float = Field(default=0.5, ge=0, le=10, description="extra radius for control and map errors, m")
    new_site_margin_m: float = Field(
        default=0.2, ge=0, le=5, description="a new site must be this much wider than kept ones, m"
    )
    max_distance_m: float = Field(default=30.0, gt=0, le=200, description="farthest site from below the vehicle, m")
    reach_m: float = Field(
        # From low down the camera does not see a far site on the way, and the way is not known to be free: ground is
        # judged, the air between is not.
        default=6.0,
        gt=0,
        le=200,
        description="a new site may be this far from below the vehicle, m",
    )
    reach_per_height: float = Field(
        default=1.0, ge=0, le=10, description="... and farther by this much for each metre of height"
    )
    travel_cost: float = Field(
        # 20 m to the side cost as much energy as 13 s of hovering and are worth 1 m of clearance.
        default=0.05,
        ge=0,
        le=1,
        description="clearance that a metre of way to the site must be worth, m",
    )
    enough_clearance_m: float = Field(
        default=2.0,
        ge=0,
        le=20,
        description="room beyond the vehicle and its margin that is enough: more is not worth a way, m",
    )
    clearance_per_height: float = Field(
        # Mount 1 degree, attitude 0.6 degrees, and a cell: a site seen from 60 m lies 2 m off.
        default=0.03,
        ge=0,
        le=0.5,
        description="... and this much more for each metre of height, for errors of the pose",
    )
    lately_s: float = Field(
        # Who left may return; and where a network saw somebody who was none it does so again.
        default=45.0,
        ge=0,
        le=600,
        description="where people or vehicles were seen within this time is a worse place, s",
    )
    lately_m: float = Field(default=6.0, gt=0, le=50, description="... up to this far around, m")
    lately_cost: float = Field(default=2.0, ge=0, le=20, description="... by this much clearance right there, m")
    lost_s: float = Field(
        # From higher up the same place looks good again, and would be flown to again and again.
        default=240.0,
        ge=0,
        le=900,
        description="where a site was lost because of its ground within this time is a worse place, s",
    )
    lost_m: float = Field(default=5.0, gt=0, le=50, description="... up to this far around, m")
    lost_per_height: float = Field(
        # What a network takes for something else is a part of its picture, so it is as large as the height makes it:
        # right beside such a place it errs again.
        default=0.8,
        ge=0,
        le=5,
        description="... and at least by this much for each metre of the height at which it was lost",
    )
    lost_cost: float = Field(default=1.5, ge=0, le=20, description="... by this much clearance right there, m")
    shift_m: float = Field(default=0.8, ge=0, le=10, description="a site may move over to better ground this near, m")
    shift_per_height: float = Field(
        default=0.06,
        ge=0,
        le=0.5,
        description="... and farther by this much for each metre of "
        "height: with the height go the errors of where it lies",
    )
    landable_probability: Probability = Field(
        default=0.8, description="least probability of landable ground that frames must add up to"
    )
    smoothing_px: int = Field(default=3, ge=1, le=31, description="side of the noise filter on probabilities, mask px")
    smallest_person_m: float = Field(
        # Seen from above a person is at least 0.35 m wide, head and shoulders; a dog 0.25 m.
        default=0.2,
        ge=0,
        le=0.5,
        description="people and vehicles narrower than this are noise, m; 0 keeps all",
    )
    evidence_gain: float = Field(
        default=0.6, gt=0, le=1, description="weight of one frame for people and vehicles; below 1 as frames err alike"
    )
    nobody_frames: float = Field(
        # Up to 1 the first frame that is sure of somebody is enough; from 1.3 it takes two.
        default=1.0,
        gt=0,
        le=10,
        description="frames without anybody that whoever steps in must overcome",
    )
    ground_evidence_gain: float = Field(
        # More than half of an error is there again in the next frame (sim/campaign/measured.json), so ten frames a
        # second are worth one or two. What stands still can wait for them.
        default=0.15,
        gt=0,
        le=1,
        description="weight of one frame for ground, obstacles and water",
    )
    evidence_limit: float = Field(
        default=4.0, ge=1, le=10, description="largest log-odds of a person or vehicle in a cell"
    )
    ground_evidence_limit: float = Field(
        # A network errs in patches and for a few frames. What stands still is judged by more than two frames against
        # dozens, or somewhere in the disc some patch is always wrong.
        default=8.0,
        ge=1,
        le=20,
        description="largest log-odds a cell can gather of ground, obstacles and water",
    )
    evidence_decay_s: float = Field(
        default=6.0, gt=0.1, le=60, description="time in which gathered log-odds fall to 1/e, s"
    )
    max_cell_age_s: float = Field(default=6.0, gt=0, le=60, description="ground not seen for longer is unknown, s")
    near_height_m: float = Field(
        # Above commit_height_m for six seconds more, while the whole of a site is in view.
        default=6.0,
        ge=0,
        le=100,
        description="up to here a site keeps the whole clearance of what stands still, m",
    )
    far_height_m: float = Field(
        # From high up a site is where to look closer. A cell is as wide as half the clearance there and a network errs
        # in patches larger than that, so the whole clearance would only hide ground from us that is good; nobody lands
        # without it, because it is asked for in time. People and vehicles are always kept clear of in full.
        default=18.0,
        ge=0,
        le=200,
        description="from here on it keeps none of it beyond the vehicle and its margin, m; between, a share",
    )
    plain_person_px: float = Field(
        # Measured: people of 3 px are found in two frames of three, those of 1 px in one of four.
        default=3.0,
        ge=0,
        le=20,
        description="people narrower than this in the mask may be overlooked: that none is seen counts less, px",
    )
    hazard_speed_mps: float = Field(
        default=1.5, ge=0, le=20, description="people and vehicles out of view: clearance grows, m/s"
    )
    approach_s: float = Field(
        # In the last metres the camera sees less than the clearance: who walks in from outside of it is seen too late
        # or not at all, so who is on the way is told while still in view.
        default=2.0,
        ge=0,
        le=10,
        description="who would come too close to the site within this time, walking or driving on, is at it already, s",
    )
    approach_mps: float = Field(
        # Outlines waver by a cell within half a second, which looks like 0.4 m/s.
        default=0.6,
        gt=0,
        le=20,
        description="slower approaches are no approach, m/s",
    )
    hazard_growth_limit_m: float = Field(default=2.0, ge=0, le=50, description="... by this much at most, m")
    hazard_memory_s: float = Field(
        default=8.0, ge=0, le=60, description="people and vehicles out of view are remembered, s"
    )
    nearer_memory_s: float = Field(
        # As long as a landing's tries may take (authority.max_total_s): from above the same place would look good
        # again.
        default=240.0,
        ge=0,
        le=900,
        description="ground that was bad from nearer stays bad for those who see it from farther, s",
    )
    nearer_factor: float = Field(default=1.3, ge=1.2, le=10, description="... from this many times as far")
    grid_cells: int = Field(default=256, ge=32, le=1024, description="cells along a side")
    cell_m: float = Field(default=0.2, ge=0.02, le=2, description="finest cell of the map, m")
    max_view_angle_deg: float = Field(
        default=65.0, gt=5, lt=85, description="ground seen at a flatter angle than this is not used"
    )
    max_tilt_deg: float = Field(default=40.0, gt=0, lt=80, description="frames taken at more tilt are not used")
    min_height_m: float = Field(
        default=1.2, ge=0, le=20, description="frames from lower show too little of the ground to judge it, m"
    )
    watch_height_m: float = Field(
        # The last centimetres take as long as a person needs from outside the picture to below the vehicle, and whoever
        # is there is plainly seen. ArduPilot makes its last correction at
        # 0.35 m and is on the ground half a second later.
        default=0.35,
        ge=0,
        le=20,
        description="... down to here they still show people and vehicles, m",
    )
    max_height_m: float = Field(default=120.0, gt=1, le=500, description="frames from higher show too little detail, m")
    commit_height_m: float = Field(
        # Where the vehicle looks around (authority.look_height_m): what stands still was judged on the way there, and
        # hovering shows the same picture, and its mistakes, again and again.
        default=3.5,
        ge=0,
        le=50,
        description="below it the site stays unless a hazard enters, m",
    )
    commit_max_age_s: float = Field(
        default=15.0, gt=0, le=60, description="how long a committed site may be out of sight, s"
    )
    switch_gain_m: float = Field(
        default=0.8,
        ge=0,
        le=20,
        description="a better site must be worth this much more clearance, its way paid for, m",
    )
    switch_after_s: float = Field(default=2.0, ge=0, le=60, description="... for this long before the site changes, s")
    switch_within_s: float = Field(
        default=4.0,
        ge=0,
        le=600,
        description="... and only this soon after its choice, s; later it stays while it is good",
    )
    lost_after_s: float = Field(default=0.25, ge=0, le=5, description="a site is given up when bad for this long, s")

    @model_validator(mode="after")
    def _ordered(self) -> DecisionBase:
        if self.min_height_m >= self.max_height_m:
            raise ValueError(f"min_height_m {self.min_height_m} must be below max_height_m {self.max_height_m}")
        if self.near_height_m >= self.far_height_m:
            raise ValueError(f"near_height_m {self.near_height_m} must be below far_height_m {self.far_height_m}")
        if self.required_radius_m * 2 > self.grid_cells * self.cell_m:
            raise ValueError("the vehicle with its margin does not fit into the grid")
        return self

    @property
    def required_radius_m(self) -> float:
        """Least clearance of a site: the vehicle and its margin, m."""
        return self.vehicle_radius_m + self.margin_m


class DecisionSettings(DecisionBase):
    """What a decision is made with: every threshold is a number.

    Attributes:
        frame_landable_probability: A frame below this speaks against landing there.
        obstacle_probability, water_probability, person_probability, vehicle_probability: A hazard at this probability
            in a frame is a hazard.
    """

    frame_landable_probability: float = Field(default=0.5, ge=FRAME_LANDABLE_LIMITS[0], le=FRAME_LANDABLE_LIMITS[1])
    obstacle_probability: Probability = 0.35
    water_probability: Probability = 0.3
    person_probability: Probability = 0.2
    vehicle_probability: Probability = 0.25

    def standing_share(self, height_m: float) -> float:
        """Which part of the clearance of obstacles and water a site keeps, seen from a height."""
        share = (self.far_height_m - height_m) / (self.far_height_m - self.near_height_m)
        return min(1.0, max(0.0, share))

    def single_look(self) -> DecisionSettings:
        """The same decision from one picture alone: that one frame counts in full.

        It must show both by itself: the probability asked of a frame and that of gathered evidence. Nobody looks again
        from lower down, so whole clearances are asked from any height.
        """
        landable = max(self.landable_probability, self.frame_landable_probability)
        return self.model_copy(
            update={
                "evidence_gain": 1.0,
                "ground_evidence_gain": 1.0,
                "new_site_margin_m": 0.0,
                "frame_landable_probability": 0.5,
                "landable_probability": landable,
                "near_height_m": self.max_height_m,
                "far_height_m": self.max_height_m + 1.0,
                "lately_cost": 0.0,
                "lost_cost": 0.0,
            }
        )


def _default_of(name: str, bound: str) -> str:
    return f"the model's own by default, {bound} {DecisionSettings.model_fields[name].default:g}"


class DecisionSection(DecisionBase):
    """How frames become a ground map, and the map a site.

    As a configuration says it: a threshold of a frame that is None is the model's own, or the default of
    `DecisionSettings` where the model has none or a laxer one (see `landing.operating.thresholds_in_force`).
    """

    frame_landable_probability: float | None = Field(
        default=None,
        ge=FRAME_LANDABLE_LIMITS[0],
        le=FRAME_LANDABLE_LIMITS[1],
        description="a frame below this speaks against landing there, above it for it; "
        + _default_of("frame_landable_probability", "at least"),
    )
    obstacle_probability: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="an obstacle at this probability is an obstacle; " + _default_of("obstacle_probability", "at most"),
    )
    water_probability: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="water at this probability is water; " + _default_of("water_probability", "at most"),
    )
    person_probability: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="a person at this probability is a person; " + _default_of("person_probability", "at most"),
    )
    person_at_most: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="... and at this one in any case, whatever the "
        "configuration or the model says; a kept TD_PERSON_P sets it",
    )
    vehicle_probability: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="a vehicle at this probability is a vehicle; " + _default_of("vehicle_probability", "at most"),
    )


class DirectorSettings(BaseModel):
    """When a target may be sent, and when the director gives up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    confirm_s: float = Field(
        default=1.0, ge=0, le=30, description="a site must hold for this long before it is sent, s"
    )
    max_pose_age_s: float = Field(default=0.3, gt=0, le=2, description="nothing is sent on an older pose, s")
    max_decision_age_s: float = Field(
        # With the control loop's period the last target leaves at most 0.5 s after the last frame was taken. A board
        # that decides less than five times a second needs more.
        default=0.45,
        gt=0,
        le=5,
        description="nothing is sent when the newest frame decided on was taken longer ago, s",
    )
    max_evidence_age_s: float = Field(
        # A person walks through the default clearance of 4 m in 2.7 s.
        default=2.5,
        gt=0,
        le=5,
        description="the site must have been in view this recently, s",
    )
    commit_height_m: float = Field(
        default=3.5, ge=0, le=50, description="below it the vehicle is committed to its site, m"
    )
    commit_evidence_age_s: float = Field(
        default=15.0, gt=0, le=60, description="... and may have lost sight of it for this long, s"
    )
    hold_timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="without a site for this long while landing: abort"
    )


class AuthorityLevel(str, Enum):
    """How much we may ask of the autopilot beyond the landing target."""

    ADVISE = "advise"
    GUARD = "guard"
    LAND = "land"


class AuthoritySettings(BaseModel):
    """What may be commanded, when, and when it ends (see `landing.authority`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: AuthorityLevel = Field(
        default=AuthorityLevel.ADVISE,
        description="advise: commands nothing; guard: may stop a landing, climb and retry; "
        "land: may also fly to the site and start the landing",
    )
    rearm: Literal["never", "on_disarm"] = Field(
        # A pilot who took over once must not have to wonder in the same flight whether we come back; that the next
        # flight may be guarded again is for the owner to write down.
        default="never",
        description="once ended by the pilot or a fault: stays ended until the daemon is started "
        "again, or until the vehicle is disarmed",
    )
    begin_in_air: bool = Field(
        # A daemon that comes up in mid-flight, after a crash, cannot know whether the pilot had ended its authority
        # before.
        default=False,
        description="may command in a flight that it did not see begin on the ground; for "
        "simulations that start in the air",
    )
    grace_s: float = Field(
        # A site that is exchanged for one beside it is confirmed again in director.confirm_s.
        default=1.5,
        ge=0,
        le=10,
        description="no target for so long while landing: stop, s; a person or vehicle at the site stops it at once",
    )
    alert_height_m: float = Field(
        # From here the ground is 15 s away, ten times what a stop takes. Higher up people are found where there are
        # none, and a stop for each of them would use up all tries before the camera is near enough to tell.
        default=20.0,
        ge=5,
        le=120,
        description="somebody at the site stops the vehicle at once up to this height, m; higher "
        "up only the target ends at once",
    )
    sure_height_m: float = Field(
        # From here the ground is six seconds away, and a stop takes one and a half.
        default=3.0,
        ge=2,
        le=120,
        description="up to here the first frame that shows somebody at the site stops it, m",
    )
    sure_s: float = Field(
        # A wrong patch comes and goes within a few frames; the target ends by the first at any height, so that nobody
        # is led to anybody meanwhile. Shorter than a site takes to be given
        # up (lost_after_s): at the next one nobody would be.
        default=0.2,
        ge=0,
        le=2,
        description="... and higher up somebody must be there for so long, s",
    )
    high_grace_s: float = Field(
        default=5.0,
        ge=0,
        le=10,
        description="above that, no target for so long while landing: stop, s; it sinks straight down meanwhile",
    )
    floor_height_m: float = Field(
        # DecisionSettings.watch_height_m: below it nothing new can be known, and the ground is reached sooner than the
        # climb begins.
        default=0.35,
        ge=0.2,
        le=10,
        description="lower than this above the site nothing is commanded, m",
    )
    clear_height_m: float = Field(
        default=5.0, ge=2, le=50, description="never waits lower than this: climbs to it first, m"
    )
    look_height_m: float = Field(
        # A camera of 80 degrees shows all of the two metres around the site from here, one of 55 from 6 m; higher up
        # the way down that nobody watches is longer.
        default=3.5,
        ge=2.5,
        le=50,
        description="stops here once on the way down and looks around before the last metres, m",
    )
    look_s: float = Field(
        # Who sets out for a vehicle that comes down is there within 5 to 30 s. Twice as long would find more of them,
        # and costs battery and patience on every landing.
        default=10.0,
        ge=0,
        le=60,
        description="... for so long, s; 0 never does",
    )
    climb_m: float = Field(
        # What disappoints low down is, from a little higher, the best in view again.
        default=6.0,
        ge=1,
        le=50,
        description="how much higher each new search goes, m; by as much "
        "more for each landing that was resumed and did not end",
    )
    ceiling_m: float = Field(
        default=30.0,
        ge=2,
        le=120,
        description="highest it climbs above the site, m; never "
        "above where the landing began, unless that is lower than clear_height_m",
    )
    wait_s: float = Field(default=6.0, ge=0, le=60, description="holds for so long for the site to come back, s")
    search_s: float = Field(default=10.0, ge=1, le=120, description="searches for so long at each height, s")
    max_tries: int = Field(
        # A site of a middling network is lost several times before a good one is found. What all of it may cost is for
        # max_total_s to say; this ends what would go on and off for ever.
        default=16,
        ge=1,
        le=50,
        description="landings resumed, and searches, before giving up",
    )
    max_total_s: float = Field(
        default=240.0, ge=10, le=900, description="all that it does in one landing takes at most, s"
    )
    when_spent: Literal["hold", "land"] = Field(
        # A vehicle that hovers tells everybody that something is wrong and leaves the choice to the pilot; one that
        # lands straight down may land on the very person it was stopped for.
        default="hold",
        description="at the end of all tries: stay, for the pilot to take over; or land plainly, "
        "unless somebody is seen at the site",
    )
    steady_s: float = Field(
        # ArduPilot's estimator wants 2 s of targets; it is fed from the first one on, and LAND holds its height until
        # it is within PLND_XY_DIST_MAX.
        default=1.0,
        ge=0,
        le=30,
        description="a site is landed on again once it was sent for so long, s",
    )
    calm_s: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description="... and nobody was at a site for so long, s: who walks through one is soon at the next",
    )
    stick_dead_zone: float = Field(
        default=0.2, ge=0.02, le=0.9, description="a stick beyond this part of its travel is the pilot's word"
    )
    start_modes: tuple[str, ...] = Field(
        default=("GUIDED", "AUTO.LOITER"),
        description="land: modes in which it may begin, once the pilot enters one in the air; "
        "RTL or AUTO.RTL may be added",
    )
    start_height_m: float = Field(default=5.0, ge=2, le=120, description="land: does not begin lower than this, m")
    announce_s: float = Field(default=5.0, ge=1, le=60, description="land: says so for this long before it begins, s")

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
