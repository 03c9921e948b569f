"""The landings that every autopilot has to fly, as data; what differs between them are bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.flight.plan import Fault, PlannedFault
from sim.vehicle.autopilot_process import LandingOrder
from sim.vehicle.failsafes import Failsafe


@dataclass(frozen=True)
class Case:
    """A landing under a circumstance.

    Attributes:
        name: Of the circumstance.
        plan: What is different from the plain plan.
        world: ``quiet`` (site and hazards, nobody moves) or ``sea`` (nowhere to land).
        windless: Needs no wind; the others are not flown where there is none.
        only: Autopilots that fly it; all where empty. `tests/flight/test_failsafes.py` flies the stand-in's failsafes.
    """

    name: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    world: str = "quiet"
    windless: bool = True
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bounds:
    """What may differ between autopilots.

    Attributes:
        height_m: Start of the landing.
        miss_m: From the chosen site to the touchdown, by the estimator.
        drift_m: From straight down to the touchdown, without any target.
        climbs_m: When targets stop at 6 m it climbs at least this much to look again.
        lands_within_s: From the order to land, with targets to the end.
        without_target: A text the autopilot says when it lands without a target; None if none.
    """

    height_m: float
    miss_m: float
    drift_m: float
    climbs_m: float
    lands_within_s: float
    without_target: str | None


BOUNDS = {
    "stand-in": Bounds(9.0, 0.4, 1.0, 2.0, 60.0, "PrecLand: Failsafe Measures"),
    "ardupilot": Bounds(12.0, 0.4, 1.0, 2.0, 60.0, "PrecLand: Failsafe Measures"),
    # Its simulated position is noisy: 1.15 missed by 0.20 m mean, 0.60 m at most in the estimator's frame. The velocity
    # of 1.18's receiver wanders by up to 1 m/s: 0.88 m at most, in wind.
    "px4": Bounds(12.0, 1.0, 3.0, 1.5, 120.0, None),
}

LOW_M = 6.0
FAILSAFE_M = 8.0
MISSION_M = 6.0
IN_FAILSAFE = {"authority": {"failsafe": "guard"}}


SIMULATORS = ("ardupilot", "px4")
COPTER = ("ardupilot",)


def failsafe(name: str, fault: Fault, only: tuple[str, ...] = SIMULATORS, **plan: Any) -> Case:
    """A failsafe in the middle of a landing."""
    return Case(name, {"faults": (PlannedFault(fault, FAILSAFE_M),), **plan}, only=only)


def ordered(name: str, by: Failsafe, **plan: Any) -> Case:
    """A landing that a failsafe orders, with nobody at the sticks."""
    return Case(name, {"ordered_by": by, **plan}, only=SIMULATORS)


def held_up(name: str, fault: Fault) -> Case:
    """A failsafe that flies home, and a person who comes on its last leg."""
    faults = (PlannedFault(fault, FAILSAFE_M), PlannedFault(Fault.INTRUDER, 5.0, 8.0))
    plan = {"authority": "guard", "settings": IN_FAILSAFE, "parameters": {"BATT_MONITOR": 4}}
    return failsafe(name, fault, COPTER, faults=faults, **plan)


def by_mission(name: str, order: LandingOrder, only: tuple[str, ...] = ()) -> Case:
    """A mission's landing, which `guard` accompanies, and a person who comes."""
    faults = (PlannedFault(Fault.INTRUDER, MISSION_M, 8.0),)
    return Case(name, {"authority": "guard", "order": order, "faults": faults}, only=only)


CASES = (
    Case("plain"),
    Case("wind", {"wind": (6.0, 200.0), "gust_mps": 1.2}, windless=False),
    Case("latency", {"camera_latency_s": 0.05}),
    Case("attitude-noise", {"attitude_noise_deg": 0.5}),
    Case("no-target", {"search_s": 4.0}, world="sea"),
    Case("targets-stop", {"faults": (PlannedFault(Fault.LINK_CUT, LOW_M),)}),
    Case("link-cut", {"faults": (PlannedFault(Fault.LINK_CUT, LOW_M, 5.0),)}),
    Case("camera-stall", {"faults": (PlannedFault(Fault.CAMERA_STALL, LOW_M, 3.0),)}),
    Case("daemon-kill", {"faults": (PlannedFault(Fault.DAEMON_KILL, LOW_M),)}),
    Case("autopilot-restart", {"faults": (PlannedFault(Fault.AUTOPILOT_RESTART, LOW_M),)}),
    Case("gimbal", {"gimbal": True, "search_s": 3.0}),
    Case("land", {"authority": "land"}, only=SIMULATORS),
    Case("switched-off", {"faults": (PlannedFault(Fault.SWITCHED_OFF, LOW_M, 5.0),)}),
    Case("mission", {"order": LandingOrder.MISSION}),
    by_mission("mission-person", LandingOrder.MISSION),
    by_mission("mission-home-person", LandingOrder.MISSION_HOME, ("stand-in", *COPTER)),
    failsafe("rc-loss", Fault.RC_LOSS, COPTER),
    failsafe("rc-loss-goes-on", Fault.RC_LOSS, COPTER, authority="guard", parameters={"FS_OPTIONS": 8}),
    failsafe("gcs-loss", Fault.GCS_LOSS),
    failsafe("fence", Fault.FENCE),
    failsafe("battery-low", Fault.BATTERY_LOW, authority="guard"),
    held_up("rc-loss-person", Fault.RC_LOSS),
    held_up("fence-person", Fault.FENCE),
    ordered("lands-by-gcs-loss", Failsafe.GCS_LOSS),
    ordered("lands-by-battery", Failsafe.BATTERY_LOW, authority="guard", settings=IN_FAILSAFE),
    ordered(
        "ends-in-a-hold",
        Failsafe.GCS_LOSS,
        authority="guard",
        settings=IN_FAILSAFE,
        # The person is gone again before the vehicle is down: nobody leads it any more.
        faults=(PlannedFault(Fault.INTRUDER, 5.0, 3.0), PlannedFault(Fault.DAEMON_END, LOW_M)),
    ),
    ordered(
        "lands-by-gcs-loss-person",
        Failsafe.GCS_LOSS,
        authority="guard",
        settings=IN_FAILSAFE,
        faults=(PlannedFault(Fault.INTRUDER, 5.0, 8.0),),
    ),
)
BY_NAME = {case.name: case for case in CASES}
