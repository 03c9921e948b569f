"""One landing to be flown: which world, from where, under which conditions; all from seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from landing.errors import TouchdownError
from landing.problems import Problem
from sim.campaign.emergency import Emergency
from sim.campaign.mistakes import SetupMistake
from sim.campaign.ranges import SceneConditions, draw_conditions, stream
from sim.world import SEEDS
from sim.world.spec import adversarial_scenario, heights_of, is_photo

SPLITS = ("train", "val", "test")
"""A decision is tuned on the first, compared on the second; the third is reported once."""

INTRUDER_SHARE = 0.35
"""Part of the scenes in which somebody walks or drives into the very site that was chosen."""

CAR_SHARE = 0.15
"""Part of the intruders that are cars."""


class CampaignError(TouchdownError):
    """A campaign that cannot be flown as asked."""

    problem = Problem.CAMPAIGN


@dataclass(frozen=True)
class IntruderPlan:
    """Somebody who goes to the site once it is chosen and the vehicle has come down to a height.

    Attributes:
        kind: ``person`` or ``car``.
        below_m: Starts when the descending vehicle is lower than this share of the start height.
        from_deg: Direction it comes from, clockwise from north.
        speed_mps: Of the walk or drive.
        away_m: Distance at which it starts.
        stay_s: Time at the site; then it goes on.
    """

    kind: str
    below_m: float
    from_deg: float
    speed_mps: float
    away_m: float
    stay_s: float


@dataclass(frozen=True)
class Scene:
    """Everything that is decided before the flight.

    Attributes:
        number: Within the campaign.
        split: Of its seeds.
        seed: The campaign's.
        world: Specification, see `sim.world.spec`.
        world_seed: Of the world.
        conditions: Vehicle, camera, sensors, weather.
        intruder: None where nobody is sent into the site.
        again: How often the world was flown before in this campaign.
        emergency: Failsafe of the autopilot that is to come; None where a pilot lands.
        mistake: Of the set-up, or a fault that no message shows; None without one.
    """

    number: int
    split: str
    seed: int
    world: str
    world_seed: int
    conditions: SceneConditions
    intruder: IntruderPlan | None
    again: int = 0
    emergency: Emergency | None = None
    mistake: SetupMistake | None = None

    @property
    def key(self) -> tuple[int, int, int]:
        """Key of its random streams."""
        return SPLITS.index(self.split) + 1, self.seed, self.number


def draw_scene(number: int, split: str, seed: int, worlds: tuple[str, ...]) -> Scene:
    """The scene of a number: the same for the same arguments, whatever was drawn before.

    Args:
        number: From 0.
        split: One of `SPLITS`.
        seed: Of the campaign.
        worlds: Specifications taken in turn.

    Raises:
        CampaignError: There is no such split.
    """
    if split not in SPLITS:
        raise CampaignError(f"split {split!r}: expected {', '.join(SPLITS)}")
    key = (SPLITS.index(split) + 1, seed, number)
    seeds, world = SEEDS[split], worlds[number % len(worlds)]
    conditions, intruder = draw_conditions(key), None
    scenario = adversarial_scenario(world)
    if scenario is not None:
        conditions = replace(conditions, height_m=scenario.start_height_m)
    # Who walks into a photograph would be drawn, and nobody walks up a bank.
    elif not is_photo(world) and heights_of(world) in (None, "slopes", "drawn"):
        intruder = _intruder(key, conditions)
    # Campaigns of up to a thousand scenes with different seeds meet different worlds.
    world_seed = seeds.start + (seed * 1000 + number) % len(seeds)
    return Scene(number, split, seed, world, world_seed, conditions, intruder, number // len(worlds))


def _intruder(key: tuple[int, int, int], conditions: SceneConditions) -> IntruderPlan | None:
    rng = stream(key, "intruder")
    if rng.random() >= INTRUDER_SHARE:
        return None
    car = bool(rng.random() < CAR_SHARE)
    return IntruderPlan(
        kind="car" if car else "person",
        below_m=conditions.height_m * float(rng.uniform(0.08, 0.8)),
        from_deg=float(rng.uniform(0.0, 360.0)),
        speed_mps=float(rng.uniform(2.0, 6.0) if car else rng.uniform(0.7, 2.0)),
        away_m=float(rng.uniform(20.0, 30.0) if car else rng.uniform(10.0, 20.0)),
        stay_s=float(rng.choice([0.0, 5.0, 600.0])),
    )
