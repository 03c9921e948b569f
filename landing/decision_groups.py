"""Groups of the decision's settings: one small frozen model for each rule, with unit, range and reason."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Frozen(BaseModel):
    """A group of settings: unknown names are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reach(Frozen):
    """A new site lies at most base_m + per_height x height from below the vehicle.

    From low down the camera does not see the air on the way to a far site.
    """

    base_m: float = Field(default=6.0, gt=0, le=200, description="reach at the ground, m")
    per_height: float = Field(default=1.0, ge=0, le=10, description="additional reach for each metre of height")


class Score(Frozen):
    """The score of a place is its clearance, up to a cap, less the cost of the way to it.

    The cap is the vehicle with its margin + enough_clearance_m + clearance_per_height x height.
    """

    # 20 m to the side cost as much energy as 13 s of hovering: 1 m of clearance.
    travel_cost: float = Field(default=0.05, ge=0, le=1, description="clearance that one metre of way costs, m")
    enough_clearance_m: float = Field(
        default=2.0, ge=0, le=20, description="clearance beyond vehicle and margin that is enough, m"
    )
    # Mount 1 degree, attitude 0.6 degrees, and a cell: a site seen from 60 m lies 2 m off.
    clearance_per_height: float = Field(
        default=0.03, ge=0, le=0.5, description="additional clearance for errors of the pose, for each metre of height"
    )


class SurfaceCost(Frozen):
    """The ground that a site lies on counts by the preferences of the taxonomy.

    A preferred surface wins over a bigger disc of a worse one if it has room itself. A speck that a network takes for
    lawn is worth no more than the rest.
    """

    # All the clearance that counts beyond what a new site needs, up to 20 m: 2 + 0.03 x 20 - 0.2.
    cost_m: float = Field(default=2.5, ge=0, le=20, description="clearance that one step of preference costs, m")
    # At .15 sites were led to hedges on ground that trained nothing, at .5 hardly one was led from paving to lawn.
    room: float = Field(
        default=0.25, ge=0, le=1, description="share of enough clearance beyond the least that a better surface needs"
    )
    # More than half of an error is there again in the next frame, and surfaces stay.
    period_s: float = Field(default=0.25, ge=0, le=5, description="time between two frames whose surfaces count, s")
    gain: float = Field(default=0.3, gt=0, le=1, description="weight of one of these frames in the mean")


class RecentHazard(Frozen):
    """A place where people or vehicles were seen recently scores lower.

    Those who left may return, and a network that saw somebody by mistake makes the same mistake again.
    """

    memory_s: float = Field(default=45.0, ge=0, le=600, description="time after the last sight of them, s")
    radius_m: float = Field(default=6.0, gt=0, le=50, description="distance at which the cost has fallen to zero, m")
    cost_m: float = Field(default=2.0, ge=0, le=20, description="clearance taken off at the place itself, m")


class Blacklist(Frozen):
    """A place where a site was lost because of its ground scores lower, or it is flown to again and again.

    Its radius is the larger of radius_m and radius_per_height x the height of the loss: a wrong patch of a picture is
    as large as the height makes it.
    """

    memory_s: float = Field(default=240.0, ge=0, le=900, description="time after the loss, s")
    radius_m: float = Field(default=5.0, gt=0, le=50, description="least distance at which the cost is zero, m")
    radius_per_height: float = Field(
        default=0.8, ge=0, le=5, description="radius for each metre of the height of the loss"
    )
    cost_m: float = Field(default=1.5, ge=0, le=20, description="clearance taken off at the place itself, m")


class Shift(Frozen):
    """A kept site may move to better ground within base_m + per_height x height.

    With the height grow the errors of where a site lies.
    """

    base_m: float = Field(default=0.8, ge=0, le=10, description="distance at the ground, m")
    per_height: float = Field(default=0.06, ge=0, le=0.5, description="additional distance for each metre of height")


class Switch(Frozen):
    """A kept site is exchanged for a better one only shortly after its choice."""

    gain_m: float = Field(default=0.8, ge=0, le=20, description="least gain of score, m")
    after_s: float = Field(default=2.0, ge=0, le=60, description="time for which the gain must last, s")
    within_s: float = Field(
        default=4.0, ge=0, le=600, description="time after the choice in which it may be changed, s"
    )


class Evidence(Frozen):
    """Each cell of the map adds up the log-odds of its frames, per role.

    The errors of successive frames are alike, so a frame counts less than in full.
    """

    hazard_gain: float = Field(default=0.6, gt=0, le=1, description="weight of one frame for people and vehicles")
    # More than half of an error is there again in the next frame (sim/campaign/measured.json), so ten frames a second
    # count as one or two. What stands still can wait for them.
    ground_gain: float = Field(default=0.15, gt=0, le=1, description="weight of one frame for ground, obstacles, water")
    hazard_limit: float = Field(default=4.0, ge=1, le=10, description="largest log-odds of a person or vehicle")
    # A network errs in patches and for a few frames: what stands still is judged by dozens of frames.
    ground_limit: float = Field(default=8.0, ge=1, le=20, description="largest log-odds of ground, obstacles and water")
    decay_s: float = Field(default=6.0, gt=0.1, le=60, description="time in which log-odds fall to 1/e, s")
    # Up to 1 one confident detection marks a person at once; from 1.3 it takes two.
    no_person_frames: float = Field(
        default=1.0, gt=0, le=10, description="cap on accumulated no-person and no-vehicle evidence, frames"
    )
    # Measured: people of 3 px are found in two frames of three, those of 1 px in one of four.
    plain_person_px: float = Field(
        default=3.0,
        ge=0,
        le=20,
        description="width of a person in the mask below which no-person evidence counts less, px",
    )
    # Seen from above a person is at least 0.35 m wide, head and shoulders; a dog 0.25 m.
    smallest_person_m: float = Field(
        default=0.2, ge=0, le=0.5, description="people and vehicles narrower than this are noise, m; 0 keeps all"
    )
    smoothing_px: int = Field(default=3, ge=1, le=31, description="side of the noise filter on probabilities, mask px")


class StandingClearance(Frozen):
    """The share of the clearance that is kept from obstacles and water: all of it low down, none from high up.

    From high up a site is where to look closer: a cell is as wide as half the clearance there. Nobody lands without the
    whole clearance, because it is asked for on the way down. People and vehicles are always kept clear of in full.
    """

    # Above commit_height_m for six seconds more, while the whole of a site is in view.
    near_height_m: float = Field(default=6.0, ge=0, le=1000, description="height up to which all of it is kept, m")
    far_height_m: float = Field(default=18.0, ge=0, le=1000, description="height from which none of it is kept, m")

    def share(self, height_m: float) -> float:
        """Return the share at a height, 0 to 1."""
        share = (self.far_height_m - height_m) / (self.far_height_m - self.near_height_m)
        return min(1.0, max(0.0, share))

    @model_validator(mode="after")
    def _ordered(self) -> StandingClearance:
        if self.near_height_m >= self.far_height_m:
            raise ValueError(f"near_height_m {self.near_height_m} must be below far_height_m {self.far_height_m}")
        return self


class HiddenHazard(Frozen):
    """The clearance of people and vehicles grows with the time for which they are out of view."""

    memory_s: float = Field(default=8.0, ge=0, le=60, description="time after which they count as gone, s")
    speed_mps: float = Field(default=1.5, ge=0, le=20, description="growth of the clearance, m/s")
    growth_limit_m: float = Field(default=2.0, ge=0, le=50, description="largest growth, m")


class ApproachSettings(Frozen):
    """A person or vehicle that will soon be too close to the site counts as there already.

    In the last metres the camera sees less than the clearance.
    """

    within_s: float = Field(default=2.0, ge=0, le=10, description="time to look ahead, s")
    # Outlines waver by a cell within half a second, which looks like 0.4 m/s.
    slowest_mps: float = Field(default=0.6, gt=0, le=20, description="slower motion is no approach, m/s")


class UnsafeMemory(Frozen):
    """Ground that was seen to be bad stays bad when it looks good from farther away."""

    # As long as a landing's tries may take (authority.max_total_s).
    memory_s: float = Field(default=240.0, ge=0, le=900, description="time for which it is kept, s")
    factor: float = Field(default=1.3, ge=1.2, le=10, description="ratio of the heights from which it holds")


class Grid(Frozen):
    """The rolling map below the vehicle."""

    cells: int = Field(default=256, ge=32, le=1024, description="cells along a side")
    cell_m: float = Field(default=0.2, ge=0.02, le=2, description="side of the finest cell, m")
    max_age_s: float = Field(default=6.0, gt=0, le=60, description="ground not seen for longer is unknown, s")


class UsableView(Frozen):
    """The frames, and the parts of them, that are used."""

    max_angle_deg: float = Field(
        default=65.0, gt=5, lt=85, description="ground seen at a flatter angle is not used, deg"
    )
    max_tilt_deg: float = Field(default=40.0, gt=0, lt=80, description="frames taken at more tilt are not used, deg")
    min_height_m: float = Field(
        default=1.2, ge=0, le=20, description="least height of a frame that judges the ground, m"
    )
    # The last centimetres take as long as a person needs from outside the picture to below the vehicle. ArduPilot makes
    # its last correction at 0.35 m and is on the ground half a second later.
    watch_height_m: float = Field(
        default=0.35, ge=0, le=20, description="least height of a frame that shows people and vehicles, m"
    )


class ReliefSettings(Frozen):
    """Limits of ground that is no longer flat, by parallax and depth (`landing.relief.parallax`)."""

    enabled: bool = Field(
        default=True, description="measure relief by parallax and depth sensors, and refuse ground that is not flat"
    )
    max_slope_deg: float = Field(
        default=8.0,
        gt=1,
        le=45,
        description="steepest ground to land on, degrees; below 6 the errors of poses leave little known to be flat",
    )
    max_step_m: float = Field(default=0.4, gt=0.1, le=5, description="tallest thing and deepest hole to land on, m")
    # A vehicle that comes straight down sees no parallax below itself, and may have no depth sensor.
    known_below_m: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="height below which ground whose relief is not known is refused, m; 0: nowhere",
    )
    aside_m: float = Field(
        default=1.5,
        ge=0,
        le=4,
        description="step to the side that guard flies in its look around where relief is not known, m; 0: none",
    )
