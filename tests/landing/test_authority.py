from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from landing.choice.way import Way
from landing.command.authority import Authority
from landing.command.authority_io import AuthorityInput, AuthorityOutput, AuthorityState
from landing.command.orders import AnswerKind, CommandAnswer, FlyTo, Hold, Land
from landing.estimator import FIRST_FRAME, EstimatorFrame, FrameShift
from landing.guidance.descent import DescentWatch
from landing.guidance.director import DirectorOutput, DirectorState
from landing.settings import AuthoritySettings
from landing.site import Intruder
from landing.taxonomy import Role
from landing.types import LandingTarget, Pose
from landing.vehicle import Autopilot, Battery, MissionItem, PilotReport, Sticks, VehicleStatus

S = 1_000_000_000
STEP_NS = S // 20
LEVEL = (1.0, 0.0, 0.0, 0.0)
PERSON = Intruder(Role.PERSON, 0.2)
GUARD = AuthoritySettings(level="guard", begin_in_air=True, sure_height_m=10.0)
IN_FAILSAFE = GUARD.model_copy(update={"failsafe": "guard"})
LAND = AuthoritySettings(level="land", begin_in_air=True)
REST = Sticks(0.0, 0.0, -1.0, 0.0)
COMMIT_M = 3.0


@dataclass
class World:
    """An autopilot that obeys at once, a vehicle that is where it is put, and a pilot."""

    authority: Authority
    autopilot: Autopilot = Autopilot.ARDUPILOT
    mode: str = "LOITER"
    height_m: float = 10.0
    site: tuple[float, float, float] | None = (0.0, 0.0, 0.0)
    position: tuple[float, float] = (0.0, 0.0)
    intruder: Intruder | None = None
    obeys: bool = True
    answers_with: AnswerKind | None = AnswerKind.ACCEPTED
    alive: bool = True
    armed: bool = True
    airborne: bool = True
    failsafe: bool = False
    fence_open: bool = False
    failsafe_mode: bool = False
    leaving: bool = False
    next_mode: str = ""
    hidden_s: float | None = 0.0
    no_hover: str = ""
    touching_down: bool | None = None
    down_mps: float | None = None
    mission: MissionItem | None = None
    ground_known: bool = True
    battery: Battery | None = None
    known_up_to_m: float | None = None
    aside: tuple[float, float, float] | None = None
    pad_gone: bool = False
    pad_ne_mps: tuple[float, float] = (0.0, 0.0)
    blind: bool = False
    """No pose is known."""
    way: Way = Way.FREE
    outlook_m: float = 0.0
    """Distance of the places north, east, south and west of it from where other ground is seen."""
    sticks: Sticks | None = REST
    stick_age_s: float = 0.0
    heartbeat_age_s: float = 0.1
    now_ns: int = 1000 * S
    frame: EstimatorFrame = FIRST_FRAME

    def __post_init__(self) -> None:
        self.requests: list[object] = []
        self.log: list[str] = []
        self.reasons: list[str] = []
        self.answers: list[CommandAnswer] = []
        self.pilot_reports = True
        self.watch = DescentWatch()

    @property
    def state(self) -> AuthorityState:
        return self.authority.state

    def step(self) -> AuthorityOutput:
        self.now_ns += STEP_NS
        down = -self.height_m
        target = None
        too_high = self.known_up_to_m is not None and self.height_m > self.known_up_to_m
        if self.site is not None and self.intruder is None and not too_high:
            target = LandingTarget((0, 0, 5), self.site, self.now_ns, self.now_ns, self.pad_ne_mps)
        landing = self.mode in ("LAND", "AUTO.PRECLAND", "AUTO.LAND") or self.touching_down is True
        state = DirectorState.DESCEND if landing else DirectorState.TRACK
        reason = "site" if target else self.intruder.text if self.intruder else "site lost"
        pilot = None
        if self.pilot_reports:
            pilot = PilotReport(self.now_ns - round(self.stick_age_s * S), self.sticks)
        vehicle = VehicleStatus(
            self.alive,
            self.autopilot,
            self.armed,
            self.airborne,
            landing,
            self.mode,
            touching_down=self.touching_down,
            down_mps=self.down_mps,
            failsafe=self.failsafe,
            fence_open=self.fence_open,
            failsafe_mode=self.failsafe_mode,
            next_mode=self.next_mode,
            hidden_s=self.hidden_s,
            no_hover=self.no_hover,
            heartbeat_ns=self.now_ns - round(self.heartbeat_age_s * S),
            pilot=pilot,
            mission=self.mission,
            battery=self.battery,
        )
        known = Pose(self.now_ns, LEVEL, (*self.position, down), self.height_m, frame=self.frame)
        pose = None if self.blind else known
        vehicle = self.watch.step(self.now_ns, vehicle, pose)
        answers, self.answers = tuple(self.answers), []
        output = self.authority.step(
            AuthorityInput(
                self.now_ns,
                DirectorOutput(
                    state,
                    reason,
                    target,
                    (),
                    self.intruder,
                    descend_to_m=self.known_up_to_m if too_high else None,
                    bad_ground=self.site is None and self.ground_known,
                    pad_gone=self.pad_gone,
                    aside_ned_m=self.aside,
                    way=self.way,
                    outlooks_ned_m=self.outlooks(),
                ),
                pose,
                vehicle,
                answers,
                self.leaving,
            )
        )
        self.log += [t.to_state.value for t in output.transitions]
        self.reasons += [t.reason for t in output.transitions]
        if output.request is not None:
            self._take(output)
        return output

    def outlooks(self) -> tuple[tuple[float, float, float], ...]:
        (north, east), out_m = self.position, self.outlook_m
        if out_m == 0.0:
            return ()
        beside = ((out_m, 0.0), (0.0, out_m), (-out_m, 0.0), (0.0, -out_m))
        return tuple((north + dn, east + de, -self.height_m) for dn, de in beside)

    def _take(self, output: AuthorityOutput) -> None:
        request = output.request
        assert request is not None
        self.requests.append(request.command)
        if self.obeys:
            px4 = self.autopilot is Autopilot.PX4
            if isinstance(request.command, Hold):
                self.mode = "AUTO.LOITER" if px4 else "GUIDED"
            elif isinstance(request.command, Land):
                self.mode = "AUTO.PRECLAND" if px4 else "LAND"
            else:
                assert isinstance(request.command, FlyTo)
                north, east, down = request.command.position_ned_m
                self.position, self.height_m = (north, east), -down
        if self.answers_with is not None:
            self.answers.append(CommandAnswer(request.number, self.answers_with, "words"))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        for _ in range(round(seconds * 20)):
            if until():
                return
            self.step()

    def until(self, state: str, seconds: float = 60.0) -> None:
        self.run(seconds, lambda: self.state.value == state)
        assert self.state.value == state, self.log

    def land(self) -> None:
        """The pilot hovers over a site, then orders a landing."""
        self.run(1.0)
        self.mode = "AUTO.PRECLAND" if self.autopilot is Autopilot.PX4 else "LAND"
        self.until("guard", 1.0)


def world(settings: AuthoritySettings = GUARD, **kwargs: object) -> World:
    return World(Authority(settings, COMMIT_M), **kwargs)  # type: ignore[arg-type]


def held(height_m: float) -> World:
    """A landing that was stopped at a height because of a person."""
    w = world()
    w.land()
    w.height_m, w.intruder = height_m, PERSON
    w.until("hold", 2.0)
    return w


def on_its_way(began_m: float) -> World:
    """A landing stopped at 8 m that flies to a site 12 m to the north, and has not moved yet."""
    w = world(height_m=began_m)
    w.land()
    w.height_m, w.site = 8.0, None
    w.until("hold")
    w.site, w.obeys, w.mode = (12.0, 0.0, 0.0), False, "GUIDED"
    w.until("approach", 20.0)
    return w


def stepping_aside(settings=GUARD):
    """On its step to 3 m north, from a look around at 3.2 m, and not moved yet."""
    w = world(settings, battery=Battery(900.0))
    w.land()
    w.height_m, w.aside = 3.2, (3.0, 0.0, -3.2)
    w.until("look", 1.0)
    w.run(0.1)
    w.obeys = False
    w.until("aside", 1.0)
    w.run(0.2)
    return w


def climbing_from_a_place_that_failed():
    """Sent from 4.5 m, where the ground was no good, to 11 m, and not moved yet."""
    w = world(height_m=25.0)
    w.land()
    w.height_m, w.site = 4.5, None
    w.until("hold", GUARD.grace_s + 0.2)
    w.run(0.1)
    w.obeys = False
    w.until("climb", 0.2)
    w.run(0.2)
    return w


def test_a_person_at_the_site_stops_the_landing_in_the_same_step():
    w = world()
    w.land()
    w.intruder = PERSON
    output = w.step()
    assert w.requests == [Hold()] and output.state is AuthorityState.HOLD
    assert "person" in output.transitions[0].reason


def test_higher_up_somebody_must_be_there_for_longer_than_a_flash():
    settings = GUARD.model_copy(update={"sure_height_m": 3.0})
    w = world(settings)
    w.land()
    w.intruder = PERSON
    w.run(settings.sure_s - 0.1)
    assert w.requests == [] and w.state is AuthorityState.GUARD
    w.run(0.2)
    assert w.requests == [Hold()]
    low = world(settings)
    low.land()
    low.height_m, low.intruder = 2.9, PERSON
    low.step()
    assert low.requests == [Hold()]


def test_a_dip_of_the_evidence_stops_it_only_after_the_grace():
    w = world()
    w.land()
    w.site = None
    w.run(GUARD.grace_s - 0.1)
    assert w.requests == [] and w.state is AuthorityState.GUARD
    w.run(0.3)
    assert w.requests == [Hold()]


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_it_lands_again_when_the_site_is_back(autopilot):
    w = world(autopilot=autopilot)
    w.land()
    w.intruder = PERSON
    w.run(1.0)
    w.intruder = None
    w.run(GUARD.calm_s - 0.2)
    assert w.requests == [Hold()]  # not while they may come back
    w.until("guard", 2.0)
    assert w.requests == [Hold(), Land()]
    assert w.mode == ("AUTO.PRECLAND" if autopilot is Autopilot.PX4 else "LAND")


def test_another_site_is_flown_to_before_the_descent():
    w = world()
    w.land()
    w.site = None
    w.until("hold")
    w.site = (8.0, 3.0, 0.0)
    w.until("guard")
    assert w.requests == [Hold(), FlyTo((8.0, 3.0, -10.0)), Land()]


@pytest.mark.parametrize(("began_m", "over_m"), [(12.0, 12.0), (40.0, GUARD.over_height_m)])
def test_it_climbs_before_it_flies_over_ground_where_something_may_stand(began_m, over_m):
    w = world(height_m=began_m, way=Way.NOT_SEEN)
    w.land()
    w.height_m, w.site = 8.0, None
    w.until("hold")
    w.site = (8.0, 3.0, 0.0)
    w.until("guard")
    assert w.requests == [Hold(), FlyTo((0.0, 0.0, -over_m)), FlyTo((8.0, 3.0, -over_m)), Land()]


def test_what_comes_to_light_on_the_way_to_a_site_is_flown_over_from_higher_up():
    w = on_its_way(began_m=40.0)
    w.position, w.way = (4.0, 0.0), Way.NOT_SEEN
    w.run(1.0)
    assert w.state is AuthorityState.APPROACH  # it was seen when it set out
    w.way = Way.BLOCKED
    w.until("climb", 0.5)
    assert w.requests[-1] == FlyTo((4.0, 0.0, -GUARD.over_height_m))
    w.height_m, w.way = 10.0, Way.FREE  # what was seen there may be out of view
    w.run(3.0)
    assert w.state is AuthorityState.CLIMB
    w.height_m, w.obeys = GUARD.over_height_m, True
    w.until("guard", 30.0)
    assert w.requests[-2:] == [FlyTo((12.0, 0.0, -GUARD.over_height_m)), Land()]


def test_a_vehicle_whose_time_is_over_on_its_way_is_stopped_before_it_is_handed_back():
    w = world(GUARD.model_copy(update={"max_total_s": 12.0}))
    w.land()
    w.site = None
    w.until("hold")
    w.site, w.obeys = (8.0, 3.0, 0.0), False
    w.mode = "GUIDED"
    w.until("approach", 10.0)
    w.position = (4.0, 1.5)
    w.until("ended", 12.0)
    assert w.requests[-1] == FlyTo((4.0, 1.5, -10.0)) and w.log[-2:] == ["hold", "ended"]
    assert "holds in GUIDED" in w.reasons[-1]


def test_it_does_not_climb_again_to_where_it_was_too_high_to_see():
    w = world(height_m=40.0, way=Way.NOT_SEEN)
    w.land()
    w.height_m, w.site, w.known_up_to_m = 8.0, None, 15.0
    w.until("hold")
    w.site = (8.0, 3.0, 0.0)
    w.until("guard", 60.0)
    heights = [-c.position_ned_m[2] for c in w.requests if isinstance(c, FlyTo)]
    assert heights == pytest.approx([GUARD.over_height_m, 14.3, 14.3]) and w.requests[-1] == Land()


def test_a_vehicle_that_goes_down_beside_its_site_is_stopped_and_flown_there():
    """PX4's AUTO.LAND follows no target: who stands below it is not at the site."""
    w = world(autopilot=Autopilot.PX4, height_m=14.0, site=(8.0, 0.0, 0.0))
    w.run(1.0)
    w.mode, w.down_mps = "AUTO.LAND", 0.7
    w.run(2.5)
    assert w.requests == []
    w.until("hold", 1.0)
    w.down_mps = 0.0
    assert "8 m beside the site" in w.reasons[-1]
    w.until("guard", 20.0)
    assert w.requests == [Hold(), FlyTo((8.0, 0.0, -14.0)), Land()] and w.mode == "AUTO.PRECLAND"


@pytest.mark.parametrize(("down_mps", "north_m", "left_s"), [(0.0, 8.0, None), (0.7, 2.0, None), (0.7, 8.0, 140.0)])
def test_a_vehicle_that_is_led_to_its_site_or_has_no_time_to_go_there_is_let_go_on(down_mps, north_m, left_s):
    w = world(IN_FAILSAFE, height_m=14.0, battery=None if left_s is None else Battery(left_s))
    w.land()
    w.site, w.down_mps, w.failsafe = (north_m, 0.0, 0.0), down_mps, left_s is not None
    w.run(10.0)
    assert w.requests == []


def test_a_site_below_needs_no_way():
    w = world(height_m=40.0, way=Way.NOT_SEEN)
    w.land()
    w.height_m, w.site = 8.0, None
    w.until("hold")
    w.site = (1.0, 0.5, 0.0)
    w.until("guard")
    assert w.requests == [Hold(), Land()]


def test_without_a_site_it_climbs_searches_and_hands_back_holding():
    w = world(height_m=12.0)
    w.land()
    w.height_m = 7.0
    w.site = None
    w.until("ended", GUARD.max_total_s + 10)
    heights = [-c.position_ned_m[2] for c in w.requests if isinstance(c, FlyTo)]
    assert heights == [12.0]  # 7 + 6, but not above where the landing began
    assert w.requests[0] == Hold() and Land() not in w.requests
    assert w.log[-1] == "ended" and w.log.count("search") == 1
    assert "take over" in w.step().reason and w.mode == "GUIDED"


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_where_a_search_from_the_top_finds_nothing_it_searches_from_beside(autopilot):
    w = world(height_m=40.0, autopilot=autopilot, outlook_m=20.0)
    w.land()
    w.height_m, w.site = 25.0, None
    w.until("ended", GUARD.max_total_s + 10)
    climb, *moves = [c.position_ned_m for c in w.requests if isinstance(c, FlyTo)]
    assert climb == (0.0, 0.0, -GUARD.ceiling_m)
    assert len(moves) >= 4 and len({way[:2] for way in moves}) == len(moves)
    assert all(way[2] == -GUARD.ceiling_m and 0.0 < math.hypot(*way[:2]) <= GUARD.search_radius_m for way in moves)
    assert w.log.count("search") > len(moves)


def test_a_site_that_comes_into_view_beside_ends_the_search():
    w = world(height_m=40.0, outlook_m=20.0)
    w.land()
    w.height_m, w.site = 29.5, None
    w.until("move")
    w.site = (25.0, 3.0, 0.0)
    w.until("guard")
    assert w.requests[-2:] == [FlyTo((25.0, 3.0, -29.5)), Land()]


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ({}, {"height_m": 12.0}),  # lower than what may stand there
        ({"search_radius_m": 15.0}, {}),
        ({}, {"outlook_m": 0.0}),
    ],
)
def test_no_search_from_beside(settings, change):
    w = world(GUARD.model_copy(update=settings), height_m=40.0, outlook_m=20.0)
    w.height_m = change.pop("height_m", 29.5)
    w.land()
    w.site = None
    for name, value in change.items():
        setattr(w, name, value)
    w.run(120.0)
    assert "move" not in w.log and "hold" in w.log


def test_a_place_to_search_from_that_is_not_reached_is_not_flown_to_again():
    w = world(height_m=40.0, outlook_m=20.0)
    w.land()
    w.height_m, w.site = 29.5, None
    w.until("search")
    w.obeys = False
    w.until("move")
    sent = w.requests[-1]
    w.until("hold", 120.0)
    w.obeys = True
    w.until("move")
    assert isinstance(w.requests[-1], FlyTo) and w.requests[-1] != sent


def test_a_place_to_search_from_that_the_autopilot_refuses_ends_nothing():
    w = world(height_m=40.0, outlook_m=20.0)
    w.land()
    w.height_m, w.site = 29.5, None
    w.until("search")
    w.obeys, w.answers_with = False, AnswerKind.REFUSED
    w.until("move")
    refused = w.requests[-1]
    w.until("hold", 2.0)
    assert w.reasons[-1] == "move refused: words; searches elsewhere"
    w.obeys, w.answers_with = True, AnswerKind.ACCEPTED
    w.until("move")
    assert "ended" not in w.log and w.requests[-1] != refused
    w.site = (20.0, 2.0, 0.0)
    w.until("guard")


def test_a_climb_whose_destination_is_lost_with_the_local_frame_ends_here_and_goes_on():
    w = world(height_m=12.0)
    w.land()
    w.height_m, w.site, w.obeys = 5.0, None, False
    w.until("hold", 10.0)
    w.mode = "GUIDED"
    w.until("climb", 20.0)
    w.height_m, w.frame = 7.0, w.frame.moved(None)
    w.until("hold", 1.0)
    assert w.requests[-1] == FlyTo((0.0, 0.0, -7.0), frame=w.frame)
    w.obeys = True
    w.until("climb", 20.0)
    w.until("search", 2.0)
    w.site = (0.0, 0.0, 0.0)
    w.until("guard", 20.0)
    assert "ended" not in w.log


def test_a_flight_to_a_site_whose_place_is_lost_with_the_local_frame_ends_here_and_goes_on():
    w = on_its_way(began_m=12.0)
    w.run(0.5)
    w.position, w.site, w.frame = (104.0, 100.0), (111.0, 100.0, 0.0), w.frame.moved(None)
    w.until("hold", 1.0)
    assert w.requests[-1] == FlyTo((104.0, 100.0, -8.0), frame=w.frame)
    w.obeys = True
    w.until("guard", 20.0)
    assert w.requests[-2:] == [FlyTo((111.0, 100.0, -8.0), frame=w.frame), Land()]


def test_a_flight_to_a_site_goes_on_to_it_when_the_local_frame_has_moved_by_a_known_step():
    """The autopilot flies to the coordinates that it was told, which name another place now."""
    w = on_its_way(began_m=12.0)
    w.run(0.5)
    asked, shift = len(w.requests), FrameShift(0.0, (3.0, -2.0, 0.5))
    w.position, w.site, w.height_m, w.frame = (3.0, -2.0), (15.0, -2.0, 0.5), 7.5, w.frame.moved(shift)
    w.run(1.0)
    assert w.requests[asked:] == [FlyTo((15.0, -2.0, -7.5), frame=w.frame)] and w.state.value == "approach"
    w.frame = w.frame.moved(FrameShift(0.0, (0.1, 0.0, 0.0)))  # as little as that is not said
    w.run(1.0)
    assert len(w.requests) == asked + 1


def test_without_a_site_it_may_be_told_to_land_as_if_alone():
    w = world(GUARD.model_copy(update={"when_spent": "land"}))
    w.land()
    w.site = None
    w.until("ended", GUARD.max_total_s + 10)
    assert w.requests[-1] == Land() and w.mode == "LAND" and "hand-back" in w.log
    w = world(GUARD.model_copy(update={"when_spent": "land"}))
    w.land()
    w.intruder = PERSON  # who is still there
    w.until("ended", GUARD.max_total_s + 10)
    assert Land() not in w.requests


def test_it_resumes_a_bounded_number_of_times():
    w = world()
    w.land()
    for _ in range(100):
        w.intruder = PERSON
        w.run(0.5)
        w.intruder = None
        w.run(10.0)
    assert w.state is AuthorityState.ENDED
    assert w.requests.count(Land()) == GUARD.max_tries
    assert w.requests.count(Hold()) == GUARD.max_tries + 1  # the last bad one is stopped as well


def test_each_disappointment_makes_the_next_search_a_higher_one():
    w = world(height_m=28.0)
    w.land()
    for _ in range(3):
        w.height_m, w.site = 7.0, None
        w.run(GUARD.grace_s + GUARD.wait_s + 1.0)
        w.site = (0.0, 0.0, 0.0)
        w.until("guard")
    climbs = [-c.position_ned_m[2] for c in w.requests if isinstance(c, FlyTo)]
    assert climbs == [13.0, 19.0, 25.0]
    assert w.requests.count(Land()) == 3


@pytest.mark.parametrize("height_m", [2.9, 2.0, 1.1, 0.4])
def test_low_down_only_somebody_stops_it_and_it_climbs_clear_at_once(height_m):
    w = world(GUARD.model_copy(update={"look_s": 0.0}), height_m=height_m)
    w.land()
    w.site = None
    w.run(5.0)
    assert w.requests == []  # committed: it stands on what was seen from above
    w.intruder = PERSON
    w.run(0.3)
    assert w.requests == [Hold(), FlyTo((0.0, 0.0, pytest.approx(-GUARD.clear_height_m)))]


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_on_the_way_down_it_looks_around_once_before_the_last_metres(autopilot):
    w = world(autopilot=autopilot)
    w.land()
    w.height_m = GUARD.look_height_m + 0.2
    w.run(2.0)
    assert w.requests == []
    w.height_m = GUARD.look_height_m - 0.2
    w.until("look", 0.2)
    w.run(GUARD.look_s - 0.5)
    assert w.requests == [Hold()] and w.state is AuthorityState.LOOK
    w.until("guard", 2.0)
    assert w.requests == [Hold(), Land()]
    for w.height_m in (3.0, 2.0, 1.0, 0.2):
        w.run(3.0)
    assert w.requests == [Hold(), Land()] and w.state is AuthorityState.GUARD


def looks_with_a_step(**kwargs: object) -> World:
    w = world(**kwargs)
    w.land()
    w.height_m, w.aside = 3.2, (1.5, 0.0, -3.2)
    w.until("aside", 1.0)
    return w


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_where_the_relief_is_not_known_it_steps_aside_once_and_lands_when_the_look_is_over(autopilot):
    w = looks_with_a_step(autopilot=autopilot)
    began_ns = w.now_ns
    w.until("guard", GUARD.look_s + 2.0)
    out, back = (FlyTo((north, 0.0, pytest.approx(-3.2)), heading_rad=0.0) for north in (1.5, 0.0))
    assert w.requests == [Hold(), out, back, Land()]
    assert (w.now_ns - began_ns) * 1e-9 < GUARD.look_s + 0.5  # the step is a part of the look
    w.run(5.0)
    assert w.requests[-1] == Land()


def test_ground_that_the_step_shows_uneven_stops_the_landing():
    w = looks_with_a_step()
    w.site = None
    w.until("hold", 8.0)
    assert w.height_m == pytest.approx(3.2) and Land() not in w.requests


@pytest.mark.parametrize("aside", [(9.0, 0.0, -3.2), None])
def test_no_step_that_is_far(aside):
    w = world()
    w.land()
    w.height_m, w.aside = 3.2, aside
    w.run(GUARD.look_s + 3.0)
    assert not any(isinstance(request, FlyTo) for request in w.requests)


def test_somebody_who_comes_during_the_step_stops_it_there():
    w = looks_with_a_step()
    w.intruder = PERSON
    w.until("hold", 0.5)
    assert isinstance(w.requests[-1], FlyTo) and Land() not in w.requests


def test_the_step_is_flown_in_a_failsafe_and_left_for_the_landing_when_the_time_is_over():
    w = world(IN_FAILSAFE, battery=Battery(600.0))
    w.land()
    w.height_m, w.aside, w.failsafe = 3.2, (1.5, 0.0, -3.2), True
    w.until("aside", 2.0)
    w.battery = Battery(600.0, critical=True)
    w.until("ended", 3.0)
    assert w.requests[-1] == Land()


def test_a_step_that_does_not_end_stops_the_landing():
    w = world()
    w.land()
    w.height_m, w.aside = 3.2, (1.5, 0.0, -3.2)
    w.until("look", 1.0)
    w.obeys = False
    w.until("hold", 30.0)
    assert "the step aside does not end" in w.reasons


def test_a_site_that_moved_during_the_step_is_flown_to_from_higher_up():
    w = looks_with_a_step()
    w.until("look", 3.0)
    w.site = (6.0, 0.0, 0.0)
    w.until("hold", GUARD.look_s + 1.0)
    assert "the site is 6 m away" in w.reasons and Land() not in w.requests


def test_whoever_comes_meanwhile_is_kept_clear_of_and_the_next_way_down_looks_again():
    w = world()
    w.land()
    w.height_m = 3.2
    w.until("look", 0.2)
    w.run(5.0)
    w.intruder = PERSON
    w.run(1.0)
    clear = FlyTo((0.0, 0.0, pytest.approx(-GUARD.clear_height_m)))
    assert w.requests == [Hold(), clear], "it holds already"
    w.intruder = None
    w.until("guard")
    w.height_m = 3.2
    w.until("look", 0.2)
    w.until("guard", GUARD.look_s + 2.0)
    assert w.requests == [Hold(), clear, Land(), Hold(), Land()]


def test_a_site_that_is_lost_while_it_looks_around_is_searched_again():
    w = world()
    w.land()
    w.height_m = 3.2
    w.until("look", 0.2)
    w.site = None
    w.until("climb", GUARD.grace_s + 0.5)
    assert Land() not in w.requests


def test_looking_around_uses_up_no_try():
    w = world(GUARD.model_copy(update={"max_tries": 1}))
    w.land()
    for _ in range(3):  # the vehicle is lifted and comes down again
        w.height_m = 3.2
        w.until("look", 0.2)
        w.until("guard", GUARD.look_s + 2.0)
        w.height_m, w.intruder = 8.0, PERSON
        w.run(0.5)
        w.intruder = None
        w.run(GUARD.calm_s + 2.0)
        if w.state is AuthorityState.ENDED:
            break
    # One try: resumed once after the first person, spent at the second.
    assert w.state is AuthorityState.ENDED and "1 tries" in w.step().reason
    assert w.log.count("look") == 2


@pytest.mark.parametrize("height_m", [1.9, 1.0])
def test_a_landing_ordered_from_low_down_is_not_stopped_to_look_around(height_m):
    w = world(height_m=height_m)
    w.land()
    w.run(10.0)
    assert w.requests == []


def test_somebody_who_comes_while_it_asks_to_land_again_is_not_waited_for():
    w = world()
    w.land()
    w.intruder = PERSON
    w.run(1.0)
    w.intruder, w.answers_with, w.obeys = None, None, False
    w.until("resume")
    w.step()
    w.intruder = PERSON
    w.step()
    assert w.requests == [Hold(), Land(), Hold()] and w.state is AuthorityState.HOLD
    w.mode = "LAND"  # the older request was carried out before the newer one: not the pilot
    w.step()
    assert w.state is AuthorityState.HOLD
    w.mode = "GUIDED"
    w.answers.append(CommandAnswer(3, AnswerKind.ACCEPTED, "words"))
    w.heartbeat_age_s = 0.0
    w.run(1.0)
    assert w.state is AuthorityState.HOLD and len(w.requests) == 3


def test_below_the_floor_nothing_is_commanded():
    w = world(height_m=0.3)
    w.land()
    w.intruder = PERSON
    w.run(10.0)
    assert w.requests == [] and w.state is AuthorityState.GUARD


@pytest.mark.parametrize("state", ["guard", "look", "aside", "hold", "climb", "search", "approach", "announce"])
@pytest.mark.parametrize("how", ["mode", "roll", "pitch", "yaw", "throttle", "blind"])
def test_the_pilots_word_ends_it_in_every_state(state, how):
    w = world(LAND)
    w.run(1.5)
    if state == "announce":
        w.mode = "GUIDED"
    else:
        w.land()
        w.height_m = 6.0
        w.run(1.5)
        if state == "approach":
            w.site = None
            w.until("hold")
            w.run(0.2)
            w.site, w.obeys = (9.0, 0.0, 0.0), False
        elif state == "look":
            w.height_m = 3.2
        elif state == "aside":
            w.height_m, w.aside = 3.2, (1.5, 0.0, -3.2)
            w.until("look", 0.2)
            w.run(0.1)
            w.obeys = False
        elif state != "guard":
            w.intruder = PERSON
            w.until("hold")
            w.run(0.2)
            w.obeys = state != "climb"  # which takes its time
    w.until(state)
    w.run(1.2)
    assert w.state.value == state
    if how == "mode":
        w.mode = "STABILIZE"
    elif how == "blind":
        w.stick_age_s = 2.0
    else:
        w.sticks = replace(REST, **{how: -0.5 if how == "throttle" else 0.5})
    before = len(w.requests)
    output = w.step()
    assert output.state is AuthorityState.ENDED and output.withdrawn and output.request is None
    assert "the pilot" in output.reason
    w.sticks, w.stick_age_s, w.obeys = REST, 0.0, True
    for mode in ("LAND", "GUIDED", "LOITER", "GUIDED", "LAND"):  # whatever is flown afterwards
        w.mode = mode
        w.intruder = PERSON if mode == "LAND" else None
        w.run(10.0)
    w.armed = False
    w.run(1.0)
    w.armed = True
    w.run(1.0)
    assert len(w.requests) == before and w.state is AuthorityState.ENDED


def test_it_comes_back_after_disarming_only_where_that_is_configured():
    w = world(GUARD.model_copy(update={"rearm": "on_disarm"}))
    w.land()
    w.mode = "LOITER"
    w.step()
    assert w.state is AuthorityState.ENDED
    w.run(5.0)
    w.alive = w.armed = False
    w.run(1.0)
    assert w.state is AuthorityState.ENDED  # a dead link does not tell of a disarmed vehicle
    w.alive = True
    w.step()
    assert w.state is AuthorityState.READY
    w.armed = True
    w.land()


def test_a_daemon_that_comes_up_in_the_air_commands_nothing_in_that_flight():
    w = world(AuthoritySettings(level="land"))
    for mode in ("LAND", "LOITER", "GUIDED", "LAND"):
        w.mode = mode
        w.intruder = PERSON if mode == "LAND" else None
        w.run(10.0)
    assert w.requests == [] and "came up in the air" in w.step().reason
    w.airborne, w.intruder = False, None
    w.step()
    w.airborne = True
    w.land()


def test_a_hand_still_on_the_sticks_at_the_order_is_no_word_but_nothing_is_commanded():
    w = world()
    w.run(1.0)
    w.sticks = Sticks(0.4, 0.0, 0.1, 0.0)
    w.mode = "LAND"
    w.intruder = PERSON
    w.run(0.5)
    assert w.state is AuthorityState.GUARD and w.requests == []
    w.sticks = Sticks(0.02, 0.0, 0.1, 0.0)
    w.run(0.2)
    assert w.requests == [Hold()]


def test_a_hand_that_comes_back_to_the_sticks_right_after_the_order_waits_for_no_step_aside():
    w = world()
    w.land()
    w.height_m, w.aside = 3.2, (1.5, 0.0, -3.2)
    w.until("look", 0.2)
    w.sticks = replace(REST, roll=0.6)
    w.run(0.5)
    assert w.requests == [Hold()]
    w.sticks = REST
    w.until("aside", 0.2)


@pytest.mark.parametrize("reports", [True, False])
def test_without_a_transmitter_the_mode_is_the_pilots_voice(reports):
    w = world(sticks=None)
    w.pilot_reports = reports
    w.land()
    w.intruder = PERSON
    w.run(1.0)
    assert w.requests[0] == Hold()
    w.mode = "LAND"
    w.step()
    assert w.state is AuthorityState.ENDED


@pytest.mark.parametrize("away_m", [4.0, 6.0])
def test_a_vehicle_that_is_flown_away_in_our_mode_is_the_pilots(away_m):
    """A ground station's "go to here" stays in GUIDED; gusts take a vehicle less far."""
    w = held(8.0)
    w.run(3.0)
    asked = len(w.requests)
    for k in range(20):
        w.position = (0.05 * away_m * (k + 1), 0.0)
        w.step()
    assert w.state.value == ("ended" if away_m > 5.0 else "hold"), w.reasons
    assert len(w.requests) == asked


def test_a_vehicle_that_has_yet_to_stop_is_not_taken_for_one_that_is_flown_away():
    w = held(8.0)
    for k in range(60):
        w.position = (min(12.0, 0.3 * k), 0.0)
        w.step()
    assert w.state.value == "hold", w.reasons


def test_a_vehicle_that_turns_back_to_where_it_was_stopped_is_not_taken_for_one_that_is_flown_away():
    """A vehicle stopped at 3 m/s shoots past by 7 m and stands there for a moment, half a metre in a second."""
    w = held(8.0)
    for k in range(160):
        w.position = (7.0 * math.exp(-0.1 * 0.15 * k) * math.sin(0.1 * 0.45 * k), 0.0)
        w.step()
    assert w.state.value != "ended", w.reasons


def test_a_way_of_ours_that_somebody_else_changes_is_theirs():
    w = world()
    w.run(1.0)
    w.mode, w.height_m, w.intruder = "LAND", 3.0, PERSON
    w.until("hold", 2.0)
    w.run(1.5)
    w.obeys = False
    w.run(3.0, lambda: w.state.value == "climb")
    w.run(0.5)
    for k in range(30):
        w.position = (-0.3 * k, 0.0)
        w.step()
    assert w.state.value == "ended" and "flown" in w.reasons[-1], w.reasons


@pytest.mark.parametrize("elsewhere", [None, (30.0, 20.0)])
def test_a_vehicle_that_shoots_on_before_it_turns_to_another_site_is_not_taken_for_one_that_is_flown_away(elsewhere):
    """ArduPilot flew 5.2 m before it stood, from 4.5 m/s."""
    w = held(19.0)
    w.run(3.0)
    w.obeys, w.intruder, w.site = False, None, (14.0, 5.0, 0.0)
    w.until("approach", 5.0)
    place, speed = np.zeros(2), np.zeros(2)
    for k in range(300):
        if k == 60:
            w.site = (0.0, -10.0, 0.0)
        to = np.array(w.site[:2] if elsewhere is None or k < 70 else elsewhere)
        way_m = np.linalg.norm(to - place)
        change = (to - place) * min(4.5 / way_m, 0.5) - speed
        speed += change * min(1.0, 1.5 * 0.05 / max(1e-6, np.linalg.norm(change)))
        place += 0.05 * speed
        w.position = (float(place[0]), float(place[1]))
        w.step()
    assert sum(isinstance(request, FlyTo) for request in w.requests) == 2
    assert ("ended" in w.log) == (elsewhere is not None), w.reasons


def test_a_mode_that_the_next_heartbeat_has_to_explain_lets_nothing_be_commanded():
    w = world(autopilot=Autopilot.PX4)
    w.land()
    w.next_mode, w.intruder = "POSCTL", PERSON
    w.run(0.9)
    assert w.state is AuthorityState.GUARD and not w.requests
    w.next_mode = ""
    w.until("hold", 2.0)
    w.next_mode = "AUTO.LOITER"  # what we asked for is no word of anybody's
    w.intruder = None
    w.until("resume", GUARD.calm_s + 1.0)


@pytest.mark.parametrize(("hidden_s", "commanded"), [(0.2, True), (0.6, False), (None, False)])
def test_a_mode_that_may_be_old_for_the_links_delay_is_not_commanded_on(hidden_s, commanded):
    w = world(heartbeat_age_s=1.0)
    w.land()
    w.hidden_s, w.intruder = hidden_s, PERSON
    w.run(2.0)
    assert bool(w.requests) is commanded


def test_nothing_is_commanded_to_a_vehicle_on_its_wing():
    """PX4's AUTO.LOITER is a turn there, near the ground."""
    w = world(autopilot=Autopilot.PX4, no_hover="the vehicle flies on its wing")
    w.run(2.0)
    w.mode = "AUTO.PRECLAND"
    w.run(2.0)
    w.intruder = PERSON
    w.run(3.0)
    assert w.state is AuthorityState.READY and not w.requests
    w.no_hover = ""
    w.intruder = None
    w.until("guard", 5.0)
    w.intruder = PERSON
    w.until("hold", 2.0)
    w.no_hover = "the vehicle goes over to its wing"
    w.run(0.2)
    assert w.state is AuthorityState.ENDED and "wing" in w.reasons[-1]


@pytest.mark.parametrize("failsafe", [True, False])
def test_sticks_that_fall_silent_in_a_failsafe_are_no_word_of_the_pilot(failsafe):
    """PX4 holds first where the transmitter is lost, in the mode in which we hold for somebody."""
    settings = GUARD.model_copy(update={"failsafe": "guard"})
    w = world(settings, autopilot=Autopilot.PX4, battery=Battery(600.0))
    w.land()
    w.intruder = PERSON
    w.until("hold", 2.0)
    w.failsafe = w.failsafe_mode = failsafe
    for _ in range(40):
        w.stick_age_s += 0.05
        w.step()
    assert w.state.value == ("hold" if failsafe else "ended"), w.reasons
    w.mode = "AUTO.RTL"
    w.run(1.0)
    assert w.state.value == ("ready" if failsafe else "ended")


@pytest.mark.parametrize(
    ("kind", "obeys", "ended"),
    [
        (AnswerKind.REFUSED, False, True),
        (AnswerKind.SILENT, False, True),
        (AnswerKind.ACCEPTED, False, True),  # accepted, but the mode never comes
        (AnswerKind.SILENT, True, False),  # done, only the acknowledgement was lost
    ],
)
def test_what_the_autopilot_does_not_do_ends_it_with_a_reason(kind, obeys, ended):
    w = world(answers_with=kind, obeys=obeys, heartbeat_age_s=0.01)
    w.land()
    w.intruder = PERSON
    w.run(5.0)
    assert (w.state is AuthorityState.ENDED) is ended
    if ended:
        assert w.requests == [Hold()]
        reason = w.step().reason
        assert "take over" in reason and "hold" in reason


def test_a_request_that_is_never_answered_at_all_does_not_wait_for_ever():
    w = world(answers_with=None, obeys=False)
    w.land()
    w.intruder = PERSON
    w.run(9.0)
    assert w.state is AuthorityState.HOLD
    w.run(2.0)
    assert w.state is AuthorityState.ENDED and w.requests == [Hold()]


def test_a_lost_link_or_a_failsafe_ends_it_once_something_was_commanded():
    for what in ("link", "failsafe"):
        w = world()
        w.land()
        setattr(w, "alive" if what == "link" else "failsafe", what != "link")
        w.run(4.0)
        assert w.state is AuthorityState.READY  # nothing of ours was in force
        w.alive, w.failsafe = True, False
        w.until("guard", 2.0)
        w.intruder = PERSON
        w.run(1.0)
        setattr(w, "alive" if what == "link" else "failsafe", what != "link")
        w.step()
        assert w.state is AuthorityState.ENDED


def test_nothing_is_commanded_on_an_old_report_of_the_mode():
    w = world()
    w.land()
    w.heartbeat_age_s = 2.0
    w.intruder = PERSON
    w.run(3.0)
    assert w.requests == []
    w.heartbeat_age_s = 0.1
    w.step()
    assert w.requests == [Hold()]


def test_the_way_home_is_not_guarded_but_its_landing_is():
    w = world()
    w.run(1.0)
    w.mode, w.touching_down = "RTL", False
    w.run(1.0)
    w.intruder = PERSON
    w.run(3.0)
    assert w.state is AuthorityState.READY and w.requests == []
    w.intruder, w.touching_down = None, True
    w.until("guard", 1.0)
    w.intruder = PERSON
    w.step()
    assert w.requests == [Hold()]


@pytest.mark.parametrize(
    ("autopilot", "mode", "back"),
    [
        (Autopilot.ARDUPILOT, "AUTO", "LAND"),
        (Autopilot.ARDUPILOT, "AUTO_RTL", "LAND"),
        (Autopilot.PX4, "AUTO.MISSION", "AUTO.PRECLAND"),
    ],
)
def test_a_missions_landing_item_is_guarded_and_resumed_outside_the_mission(autopilot, mode, back):
    w = world(autopilot=autopilot, mode=mode, touching_down=False)
    w.run(3.0)
    w.intruder = PERSON
    w.run(3.0)
    assert w.state is AuthorityState.READY and w.requests == []  # the way there is the mission's
    w.intruder, w.touching_down = None, True
    w.mission = MissionItem(4, 5, lands=True)
    w.until("guard", 1.0)
    w.intruder = PERSON
    w.step()
    assert w.requests == [Hold()]
    w.intruder = None
    w.until("resume", 10.0)
    assert "the mission ends at item 4" in w.step().reason or w.mode == back
    w.until("guard", 2.0)
    assert w.mode == back and w.requests == [Hold(), Land()]


def fails_from_near(w: World) -> None:
    """One try: down to the look around, where the site turns out too small, with another one a few metres on."""
    w.height_m = 3.4
    w.until("look", 1.0)
    w.site = None
    w.until("hold", GUARD.grace_s + 1.0)
    w.site = (w.position[0] + 2.0, w.position[1] + 2.0, 0.0)


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_a_try_that_failed_from_near_is_followed_by_a_higher_and_wider_one(autopilot):
    w = world(height_m=25.0, autopilot=autopilot)
    w.land()
    for tries in (1, 2, 3):
        began, least_m = len(w.requests), min(GUARD.clear_height_m + tries * GUARD.climb_m, 25.0)
        fails_from_near(w)
        assert w.reasons[-1] == f"site lost at 3.4 m; next try from {least_m:.0f} m"
        w.until("guard", 60.0)
        sent = w.requests[began:]
        climbs = [-c.position_ned_m[2] for c in sent if isinstance(c, FlyTo)]
        assert climbs and min(climbs) >= least_m - 0.8, (tries, climbs)
        assert w.height_m >= least_m - 0.8 and sent[-1] == Land()  # nothing was tried from 4 m
    assert w.log.count("look") == 3


def test_the_place_that_failed_is_taken_again_only_after_a_whole_search():
    w = world(height_m=25.0)
    w.land()
    fails_from_near(w)
    w.site = (0.5, 0.5, 0.0)  # the same again
    w.until("search", 30.0)
    began_ns = w.now_ns
    w.until("guard", 30.0)
    assert w.now_ns - began_ns >= GUARD.search_s * S and w.height_m > 10.0


def test_evidence_that_is_missing_says_nothing_of_the_ground():
    w = world(height_m=25.0, ground_known=False)
    w.land()
    fails_from_near(w)
    assert w.reasons[-1] == "site lost"
    w.until("guard", 30.0)
    assert w.height_m == pytest.approx(GUARD.clear_height_m)


def test_a_mission_that_goes_on_is_let_go():
    w = world(mode="AUTO", touching_down=True)
    w.until("guard", 2.0)
    w.touching_down, w.intruder = False, PERSON
    w.run(1.0)
    assert w.state is AuthorityState.GUARD  # it comes and goes in a slow final
    w.until("ready", 3.0)
    w.run(2.0)
    assert w.requests == []


def test_a_pilot_who_sinks_by_stick_is_never_commanded():
    w = world(mode="LOITER", touching_down=False)
    w.intruder = PERSON
    for w.height_m in (8.0, 6.0, 4.0, 2.0):
        w.run(1.0)
    assert w.requests == [] and w.state is AuthorityState.READY


PX4_ENDS = ["AUTO.TAKEOFF", "AUTO.MISSION", "AUTO.RTL", "OFFBOARD"]


@pytest.mark.parametrize("before", [*PX4_ENDS, "failsafe"])
def test_a_hold_that_px4_begins_of_itself_is_no_order_to_land(before):
    by_failsafe = before == "failsafe"
    w = world(LAND, mode="POSCTL" if by_failsafe else before, site=(12.0, -5.0, 0.0), autopilot=Autopilot.PX4)
    w.height_m = 10.0
    w.run(3.0)
    w.mode, w.failsafe = "AUTO.LOITER", by_failsafe
    w.run(3.0)
    w.failsafe = False
    w.run(20.0)
    assert w.requests == [] and w.state is AuthorityState.READY
    w.mode = "POSCTL"
    w.run(2.0)
    w.mode = "AUTO.LOITER"
    w.until("announce", 1.0)


def test_a_landing_on_no_site_is_the_pilots_own():
    w = world(site=None)
    w.run(10.0)
    w.mode = "LAND"
    w.run(10.0)
    assert w.requests == [] and w.state is AuthorityState.READY


def test_land_begins_only_in_a_mode_entered_in_the_air_and_says_so_first():
    w = world(LAND, mode="GUIDED", site=(12.0, -5.0, 0.0))
    w.airborne, w.height_m = False, 0.0
    w.run(2.0)
    w.airborne, w.height_m = True, 10.0
    w.run(20.0)
    assert w.requests == [], "a take-off in GUIDED is no order to land"
    w.mode = "LOITER"
    w.run(2.0)
    w.mode = "GUIDED"
    w.until("announce", 1.0)
    w.run(LAND.announce_s - 0.2)
    assert w.requests == []
    w.until("guard", 5.0)
    assert w.requests == [FlyTo((12.0, -5.0, -10.0)), Land()]


def test_land_does_not_take_a_vehicle_that_a_ground_station_flies_somewhere():
    w = world(LAND, site=(12.0, -5.0, 0.0))
    w.run(2.0)
    w.mode = "GUIDED"
    for k in range(200):
        w.position = (0.2 * k, 0.0)
        w.step()
    assert w.requests == [] and w.log == ["announce", "ready"]
    w.until("announce", 2.0)
    for k in range(40):
        w.position = (w.position[0], 0.2 * k)
        w.step()
    assert w.requests == [] and w.state.value == "ready", w.log
    assert w.reasons[-1] == "the vehicle is flown on"


def test_land_leaves_the_way_home_where_that_is_allowed():
    w = world(LAND.model_copy(update={"start_modes": ("RTL",)}), site=(12.0, -5.0, 0.0))
    w.run(1.0)
    w.mode = "RTL"
    w.until("guard")
    assert w.requests == [Hold(), FlyTo((12.0, -5.0, -10.0)), Land()]


@pytest.mark.parametrize("kwargs", [{"armed": False}, {"airborne": False}, {"height_m": 3.0}, {"blind": True}])
def test_land_does_not_begin(kwargs):
    w = world(LAND, site=(12.0, -5.0, 0.0), **kwargs)
    w.run(1.0)
    w.mode = "GUIDED"
    w.run(20.0)
    assert w.requests == []


def test_guard_never_begins_a_landing():
    w = world(GUARD, site=(12.0, -5.0, 0.0))
    w.run(1.0)
    w.mode = "GUIDED"
    w.run(20.0)
    assert w.requests == []


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"start_modes": ("AUTO",)}, "start_modes"),
        ({"clear_height_m": 2.0, "floor_height_m": 3.0}, "floor_height_m"),
        ({"clear_height_m": 20.0, "ceiling_m": 10.0}, "ceiling_m"),
        ({"level": "fly"}, "level"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values, word):
    with pytest.raises(ValidationError, match=word):
        AuthoritySettings(**values)


WHAT = [
    "person",
    "site",
    "none",
    "far",
    "pilot-mode",
    "stick",
    "link",
    "failsafe",
    "refuse",
    "mute",
    "disobey",
    "low",
    "high",
    "ground",
    "old-mode",
    "step",
]
MODES = ["LAND", "LAND", "GUIDED", "LOITER", "RTL", "STABILIZE"]


@settings(max_examples=40, deadline=None)
@given(
    level=st.sampled_from(["advise", "guard", "land"]),
    spent=st.sampled_from(["hold", "land"]),
    events=st.lists(st.tuples(st.sampled_from(WHAT), st.integers(1, 200), st.sampled_from(MODES)), max_size=30),
)
def test_whatever_happens(level, spent, events):
    """Never a command in advise, on the ground, blind to the mode, or after the pilot's word."""
    w = world(AuthoritySettings(level=level, when_spent=spent, begin_in_air=True))
    w.land() if level != "advise" else w.run(1.0)
    over = False
    for what, steps, mode in events:
        w.intruder = PERSON if what == "person" else None
        w.site = {"none": None, "far": (15.0, 2.0, 0.0)}.get(what, (0.0, 0.0, 0.0))
        w.alive, w.failsafe = what != "link", what == "failsafe"
        w.airborne = what != "ground"
        w.obeys = what not in ("disobey", "refuse")
        w.answers_with = {"refuse": AnswerKind.REFUSED, "mute": AnswerKind.SILENT}.get(what, AnswerKind.ACCEPTED)
        w.heartbeat_age_s = 2.0 if what == "old-mode" else 0.1
        w.height_m = {"low": 1.0, "high": 25.0, "step": 3.2}.get(what, w.height_m)
        w.aside = (1.5, 0.0, -3.2) if what == "step" else None
        engaged = w.state not in (AuthorityState.READY, AuthorityState.OFF)
        if what == "pilot-mode":
            over = over or (engaged and mode not in w.authority._handshake.expected_modes)
            w.mode = mode
        w.sticks = replace(REST, roll=0.6) if what == "stick" else REST
        for _ in range(steps):
            flown_by_pilot = what == "stick" and w.state not in (
                AuthorityState.READY,
                AuthorityState.OFF,
                AuthorityState.ENDED,
            )
            before = len(w.requests)
            output = w.step()
            if len(w.requests) > before:
                assert level != "advise" and not over and not flown_by_pilot
                assert w.alive and w.armed and w.airborne and not w.failsafe
                assert what != "old-mode" and output.state is not AuthorityState.ENDED
                command = w.requests[-1]
                if isinstance(command, FlyTo):
                    assert -command.position_ned_m[2] <= max(GUARD.ceiling_m, 25.0) + 1e-6
            over = over or output.state is AuthorityState.ENDED
            assert output.state is AuthorityState.ENDED or not over
    # Every path ends: with the site bad for good, it is over or untouched, in bounded time.
    w.alive, w.failsafe, w.airborne, w.obeys = True, False, True, True
    w.answers_with, w.heartbeat_age_s, w.sticks = AnswerKind.ACCEPTED, 0.1, REST
    w.intruder, w.site = None, None
    idle = ("off", "ready", "ended")
    w.run(10.0)  # a landing ordered soon after a site was followed is one on that site
    w.run(GUARD.max_total_s + 50.0, lambda: w.state.value in idle)
    assert w.state.value in (*idle, "guard")
    count = len(w.requests)
    w.run(60.0)
    assert len(w.requests) == count and w.state.value in (*idle, "guard")


def test_a_landing_above_the_known_height_goes_on_down_and_is_guarded_from_where_a_site_is_seen():
    w = world(height_m=60.0, known_up_to_m=28.0, mode="LOITER")
    w.run(1.0)
    w.mode = "LAND"
    while w.height_m > 28.0:
        w.run(0.5)
        w.height_m -= 1.0
    assert w.requests == [] and w.state is AuthorityState.READY
    w.until("guard", 1.0)
    w.height_m = 40.0  # the ground falls away below a guarded landing
    w.run(20.0)
    assert w.requests == [] and w.state is AuthorityState.GUARD
    w.height_m = 27.0
    w.site = None
    w.run(20.0)
    assert w.requests[0] == Hold()  # lower down a missing site stops it as ever


def test_a_vehicle_that_holds_too_high_goes_down_to_see_a_site_and_never_climbs():
    w = world(height_m=15.0, known_up_to_m=16.0)
    w.land()
    w.intruder = PERSON
    w.height_m = 9.0
    w.until("hold", 2.0)
    w.height_m, w.intruder = 40.0, None
    w.until("descend", 2.0)
    assert w.requests[-1] == FlyTo((0.0, 0.0, pytest.approx(-15.3))) and w.height_m == pytest.approx(15.3)
    w.until("search", 2.0)
    w.until("guard", 20.0)
    assert "climb" not in w.log


def test_a_descent_that_does_not_end_is_the_pilots():
    w = world(height_m=9.0, known_up_to_m=16.0)
    w.land()
    w.intruder = PERSON
    w.until("hold", 2.0)
    w.height_m, w.intruder, w.obeys = 40.0, None, False
    w.until("descend", 2.0)
    w.until("ended", 130.0)
    assert "does not end" in w.authority._reason
