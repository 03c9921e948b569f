"""Parts of the authority, each alone: requests, the pilot's word, status of the site, strays, tries."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from landing.command.handshake import ANSWER_WITHIN_NS, FRESH_MODE_NS, MODE_WITHIN_NS, CommandHandshake
from landing.command.orders import AnswerKind, CommandAnswer, FlyTo, Hold, Land
from landing.command.pilot import SETTLE_NS, STALE_NS, PilotWatch
from landing.command.site_status import FOLLOWED_NS, POSE_FRESH_NS, SiteStatus
from landing.command.stray import AWAY_M, SHOOTS_NS, STANDS_M, STANDS_NS, StrayWatch
from landing.command.tries import AGAIN_M, ARRIVED_M, Tries
from landing.estimator import FIRST_FRAME, EstimatorFrame, FrameShift
from landing.guidance.director import DirectorOutput, DirectorState
from landing.settings import AuthoritySettings
from landing.site import Intruder
from landing.taxonomy import Role
from landing.types import LandingTarget, Pose
from landing.vehicle import PilotReport, Sticks, VehicleStatus

S = 1_000_000_000
PERSON = Intruder(Role.PERSON, 0.2)
SETTINGS = AuthoritySettings(level="guard")


def at(mode: str, heard_ns: int | None = 0, **more: object) -> VehicleStatus:
    return VehicleStatus(link_alive=True, armed=True, mode=mode, heartbeat_ns=heard_ns, **more)


def answered(number: int, kind: AnswerKind = AnswerKind.ACCEPTED) -> tuple[CommandAnswer, ...]:
    return (CommandAnswer(number, kind, "why"),)


# --- one request after another ---


@pytest.mark.parametrize(
    ("age_ns", "hidden_s", "late", "asks"),
    [
        (FRESH_MODE_NS, 0.0, False, True),
        (FRESH_MODE_NS + 1, 0.0, False, False),
        (FRESH_MODE_NS - S, 1.0, False, True),
        (FRESH_MODE_NS - S + 1, 1.0, False, False),
        (FRESH_MODE_NS, 1.0, True, True),
        (FRESH_MODE_NS + 1, 0.0, True, False),
        (0, None, False, False),
        (0, None, True, True),
    ],
)
def test_nothing_is_asked_on_an_old_report_of_the_mode(age_ns, hidden_s, late, asks):
    handshake, now_ns = CommandHandshake(), 10 * S
    vehicle = at("LAND", now_ns - age_ns, hidden_s=hidden_s)
    assert handshake.ask(Hold(), "GUIDED", vehicle, now_ns, however_late=late) is asks
    assert handshake.waiting is asks and (handshake.request is not None) is asks
    assert handshake.touched_ns == (now_ns if asks else None)


def test_requests_are_told_apart_and_the_first_one_begins_the_time_of_the_landing():
    handshake = CommandHandshake()
    handshake.begin(frozenset({"LAND"}))
    assert handshake.ask(Hold(), "GUIDED", at("LAND", S), S)
    first = handshake.request
    assert handshake.ask(Land(), "LAND", at("LAND", 2 * S), 2 * S)
    second = handshake.request
    assert first is not None and second is not None and second.number > first.number
    assert handshake.touched_ns == S and handshake.expected_modes == {"LAND", "GUIDED"}
    assert handshake.hear(answered(first.number, AnswerKind.REFUSED), at("LAND", 2 * S), 2 * S) is None
    assert handshake.waiting
    handshake.begin(frozenset())
    assert handshake.touched_ns is None and not handshake.waiting and handshake.request is None


def test_a_change_of_mode_is_done_when_a_newer_heartbeat_tells_it():
    handshake = CommandHandshake()
    handshake.begin(frozenset({"LAND"}))
    handshake.ask(Hold(), "GUIDED", at("LAND", S), S)
    assert handshake.hear(answered(1), at("LAND", S + 1), S + 1) is None and handshake.waiting
    assert handshake.hear((), at("GUIDED", S), S + 2) is None and handshake.waiting  # told before it was asked
    assert handshake.hear((), at("GUIDED", S + 3), S + 3) is None and not handshake.waiting
    assert handshake.expected_modes == {"GUIDED"}


def test_a_change_of_mode_that_is_told_is_done_whatever_its_answer_says():
    handshake = CommandHandshake()
    handshake.ask(Hold(), "GUIDED", at("LAND", S), S)
    assert handshake.hear(answered(1, AnswerKind.REFUSED), at("GUIDED", 2 * S), 2 * S) is None
    assert not handshake.waiting


def test_a_flight_in_the_mode_that_it_needs_is_done_by_its_answer_alone():
    handshake, vehicle = CommandHandshake(), at("GUIDED", S)
    handshake.ask(FlyTo((1.0, 0.0, -5.0)), "GUIDED", vehicle, S)
    assert handshake.hear((), at("GUIDED", 2 * S), 2 * S) is None and handshake.waiting
    assert handshake.hear(answered(1, AnswerKind.REFUSED), at("GUIDED", 2 * S), 2 * S) == "refused: why"
    handshake.drop()
    assert not handshake.waiting and "GUIDED" in handshake.expected_modes
    handshake.ask(FlyTo((1.0, 0.0, -5.0)), "GUIDED", at("GUIDED", 3 * S), 3 * S)
    assert handshake.hear(answered(2), at("GUIDED", 4 * S), 4 * S) is None and not handshake.waiting


def test_what_is_not_answered_or_not_reported_in_time_will_never_be_done():
    handshake = CommandHandshake()
    handshake.ask(Hold(), "GUIDED", at("LAND", S), S)
    assert handshake.hear((), at("LAND", S), S + ANSWER_WITHIN_NS) is None
    assert handshake.hear((), at("LAND", S), S + ANSWER_WITHIN_NS + 1) == "no answer"
    assert handshake.hear(answered(1), at("LAND", S), 20 * S) is None
    assert handshake.hear((), at("LAND", S), 20 * S + MODE_WITHIN_NS) is None
    assert handshake.hear((), at("LAND", S), 20 * S + MODE_WITHIN_NS + 1) == "GUIDED accepted, but not reported"


def test_where_no_time_of_a_heartbeat_is_told_the_mode_counts_as_it_is():
    handshake = CommandHandshake()
    assert handshake.ask(Hold(), "GUIDED", at("LAND", None), S)
    assert handshake.hear((), at("GUIDED", None), 2 * S) is None and not handshake.waiting


# --- the pilot's word ---


def sticks(
    now_ns: int, *, age_ns: int = 0, failsafe: bool = False, heard: bool = True, **moved: float
) -> VehicleStatus:
    report = Sticks(**{"roll": 0.0, "pitch": 0.0, "throttle": -1.0, "yaw": 0.0, **moved}) if heard else None
    return at("LAND", now_ns, pilot=PilotReport(now_ns - age_ns, report), failsafe=failsafe)


OURS = frozenset({"LAND"})


@pytest.mark.parametrize("name", ["roll", "pitch", "yaw", "throttle"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_stick_beyond_its_dead_zone_is_the_pilots_word(name, sign):
    watch, rest = PilotWatch(0.15), 0.0
    watch.begin(0)
    assert watch.word(sticks(0, throttle=rest), OURS, 0) is None
    now_ns = SETTLE_NS + 1
    assert watch.word(sticks(now_ns, **{"throttle": rest, name: 0.15 * sign}), OURS, now_ns) is None
    word = watch.word(sticks(now_ns, **{"throttle": rest, name: 0.16 * sign}), OURS, now_ns)
    assert word == f"{name} stick moved by {16 * sign:.0f} %" and not watch.settling


def test_a_hand_that_has_just_ordered_the_landing_has_its_time_and_the_throttle_rests_where_it_ends():
    watch = PilotWatch(0.15)
    watch.begin(0)
    assert watch.word(sticks(SETTLE_NS, throttle=0.4, roll=0.5), OURS, SETTLE_NS) is None and watch.settling
    now_ns = SETTLE_NS + 1
    assert watch.word(sticks(now_ns, throttle=0.4), OURS, now_ns) is None and not watch.settling
    assert "throttle" in (watch.word(sticks(now_ns, throttle=0.6), OURS, now_ns) or "")
    begun_ns = 10 * S
    assert watch.word(sticks(S, throttle=0.4, roll=0.5), OURS, S) is None and watch.settling
    watch.begin(begun_ns)
    assert not watch.settling
    assert watch.word(sticks(begun_ns + S, roll=0.5), OURS, begun_ns + S) is None, "each landing has its own time"
    watch.begin(begun_ns)
    assert watch.word(sticks(20 * S, throttle=0.6), OURS, 20 * S) is None, "and learns the throttle anew"


def test_sticks_that_fall_silent_are_the_pilots_word_unless_they_never_spoke_or_a_failsafe_took_them():
    late = {"age_ns": STALE_NS + 1}
    watch = PilotWatch(0.15)
    watch.begin(0)
    assert watch.word(sticks(5 * S, **late), OURS, 5 * S) is None  # silent since before it began
    assert watch.word(sticks(6 * S), OURS, 6 * S) is None
    assert watch.word(sticks(8 * S, age_ns=STALE_NS), OURS, 8 * S) is None
    assert watch.word(sticks(9 * S, **late, failsafe=True), OURS, 9 * S) is None
    assert watch.word(sticks(9 * S, **late), OURS, 9 * S) == "the sticks are no longer reported"
    assert watch.word(sticks(9 * S, heard=False), OURS, 9 * S) is None  # the autopilot has its own failsafe for that
    watch.begin(9 * S)
    assert watch.word(sticks(9 * S, **late), OURS, 9 * S) is None


def test_a_mode_that_nobody_asked_for_is_the_pilots_word_before_any_stick():
    watch = PilotWatch(0.15)
    watch.begin(0)
    assert watch.word(at("LOITER"), OURS, 0) == "mode LOITER, which was not ours"
    assert watch.word(at("LAND"), OURS, 0) is None  # no transmitter that we could see


# --- the site, from step to step ---


def output(place=(3.0, 4.0, 0.0), intruder=None) -> DirectorOutput:
    target = None if place is None else LandingTarget((0.0, 0.0, 1.0), place, 0, 0)
    return DirectorOutput(DirectorState.DESCEND, "", target, (), intruder)


def pose(at_ns: int, height_m: float = 10.0, frame: EstimatorFrame = FIRST_FRAME, **more) -> Pose:
    return Pose(at_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -height_m), more.get("agl_m", height_m), frame=frame)


def test_site_and_height_are_known_until_something_newer_is():
    status = SiteStatus(SETTINGS)
    assert status.distance_m == math.inf and not status.steady(0) and not status.missing(0, 0.0)
    status.update(output(None), pose(S, agl_m=12.0), S)
    assert (status.height_m, status.site_ned_m) == (12.0, None)
    status.update(output((3.0, 4.0, 1.0)), pose(2 * S, agl_m=12.0), 2 * S)
    assert (status.height_m, status.distance_m) == (11.0, 5.0)
    status.update(output(None), pose(2 * S), 2 * S + POSE_FRESH_NS)
    assert status.position_ned_m == (0.0, 0.0, -10.0) and status.site_ned_m == (3.0, 4.0, 1.0)
    status.update(output(None), pose(2 * S, 2.0), 2 * S + POSE_FRESH_NS + 1)
    assert status.position_ned_m is None and status.height_m == 11.0 and status.distance_m == math.inf
    status.update(output(None), None, 9 * S)
    assert status.position_ned_m is None and status.height_m == 11.0
    status.update(output(None), replace(pose(10 * S, agl_m=9.0), position_ned_m=None), 10 * S)
    assert status.position_ned_m is None and status.height_m == 9.0


def test_steady_missing_and_followed_count_from_the_first_step_of_their_kind():
    status = SiteStatus(SETTINGS)
    status.update(output(), pose(S), S)
    status.update(output(), pose(2 * S), 2 * S)
    assert status.steady(2 * S, 1.0) and not status.steady(2 * S, 1.01) and not status.missing(9 * S, 0.0)
    status.update(output(None), pose(3 * S), 3 * S)
    status.update(output(None), pose(4 * S), 4 * S)
    assert not status.steady(9 * S) and status.missing(4 * S, 1.0) and not status.missing(4 * S, 1.01)
    assert status.followed(2 * S + FOLLOWED_NS) and not status.followed(2 * S + FOLLOWED_NS + 1)
    status.update(output(), pose(5 * S), 5 * S)
    assert status.steady(6 * S, 1.0) and not status.steady(6 * S, 1.01) and not status.missing(9 * S, 0.0)
    status.start_over()
    assert not status.steady(6 * S)
    status.update(output(), pose(7 * S), 7 * S)
    assert status.steady(7 * S) and not status.steady(7 * S, 0.1)


LOW, HIGH = SETTINGS.sure_height_m, SETTINGS.alert_height_m


@pytest.mark.parametrize(
    ("height_m", "after_s", "counts"),
    [
        (LOW, 0.0, True),
        (LOW + 0.1, SETTINGS.sure_s - 0.01, False),
        (LOW + 0.1, SETTINGS.sure_s, True),
        (HIGH, SETTINGS.sure_s, True),
        (HIGH + 0.1, 60.0, False),
        (None, 0.0, True),
    ],
)
def test_somebody_counts_as_surely_as_the_height_leaves_time_for(height_m, after_s, counts):
    status, now_ns = SiteStatus(SETTINGS), S + round(after_s * S)
    for at_ns in (S, now_ns):
        place = None if height_m is None else pose(at_ns, height_m)
        status.update(output(None, PERSON), place, at_ns)
    assert status.somebody(now_ns) is counts and status.quiet(now_ns, 1.0) is not counts
    gone_ns = now_ns + S
    status.update(output(None), None, gone_ns)
    assert not status.somebody(gone_ns) and status.quiet(gone_ns, 1.0)
    assert status.quiet(gone_ns, 1.01) is not counts


def test_a_site_keeps_its_ground_when_the_frame_moves_and_is_none_after_an_unknown_step():
    status, moved = SiteStatus(SETTINGS), EstimatorFrame().moved(FrameShift(0.0, (5.0, 0.0, 1.0)))
    status.update(output(), pose(S), S)
    assert status.shift == FrameShift()
    status.update(output(None), pose(2 * S, frame=moved), 2 * S)
    assert status.site_ned_m == (8.0, 4.0, 1.0) and status.frame == moved and status.shift == moved.shift
    status.update(output(None), None, 3 * S)
    assert status.shift == FrameShift() and status.frame == moved
    status.update(output(None), pose(4 * S, frame=EstimatorFrame(1)), 4 * S)
    assert status.shift is None and status.site_ned_m is None and status.distance_m == math.inf


# --- a vehicle that is flown away ---


def standing(watch: StrayWatch, place=(0.0, 0.0, -5.0), from_ns: int = 0) -> int:
    assert watch.away_m(from_ns, place, None) is None
    assert watch.away_m(from_ns + STANDS_NS, place, None) is None
    assert watch.stands
    return from_ns + STANDS_NS


def test_it_stands_once_it_has_stayed_for_long_enough():
    watch = StrayWatch()
    watch.away_m(0, (0.0, 0.0, -5.0), None)
    assert watch.away_m(STANDS_NS - 1, (0.0, 0.0, -5.0), None) is None and not watch.stands
    watch.away_m(STANDS_NS, (STANDS_M, 0.0, -5.0), None)
    assert not watch.stands
    watch.away_m(2 * STANDS_NS, (STANDS_M, 0.0, -5.0), None)
    assert watch.stands
    watch.forget()
    assert not watch.stands


def test_a_vehicle_that_holds_is_away_beyond_what_a_gust_takes_it():
    watch = StrayWatch()
    now_ns = standing(watch)
    assert watch.away_m(now_ns, (AWAY_M, 0.0, -5.0), None) is None
    assert watch.away_m(now_ns, (AWAY_M + 0.1, 0.0, -5.0), None) == pytest.approx(AWAY_M + 0.1)
    assert StrayWatch().away_m(0, (90.0, 0.0, -5.0), (0.0, 0.0, -5.0)) is None  # where it started nobody knows


def test_a_vehicle_on_its_way_is_away_beside_its_leg_and_beyond_its_ends():
    watch, to = StrayWatch(), (20.0, 0.0, -5.0)
    now_ns = standing(watch)
    watch.sent(now_ns, (0.0, 0.0, -5.0), to)
    assert not watch.stands
    for here, away_m in (
        ((10.0, AWAY_M, -5.0), None),
        ((10.0, AWAY_M + 1.0, -5.0), AWAY_M + 1.0),
        ((27.0, 0.0, -5.0), 7.0),
        ((-6.0, 0.0, -5.0), 6.0),
        ((20.0, 0.0, -5.0), None),
    ):
        assert watch.away_m(now_ns, here, to) == (None if away_m is None else pytest.approx(away_m))


def test_a_leg_that_is_changed_may_be_left_from_anywhere_on_the_rest_of_it_for_a_time():
    watch = StrayWatch()
    now_ns = standing(watch)
    watch.sent(now_ns, (0.0, 0.0, -5.0), (40.0, 0.0, -5.0))
    watch.sent(now_ns, (20.0, 0.0, -5.0), (20.0, 30.0, -5.0))
    assert watch.away_m(now_ns, (35.0, 10.0, -5.0), (20.0, 30.0, -5.0)) is None  # it shot on, and turns
    assert watch.away_m(now_ns, (10.0, 30.0, -5.0), (20.0, 30.0, -5.0)) is not None
    later_ns = now_ns + SHOOTS_NS
    watch.sent(later_ns, (20.0, 30.0, -5.0), (0.0, 30.0, -5.0))
    assert watch.away_m(later_ns, (35.0, 10.0, -5.0), (0.0, 30.0, -5.0)) is not None


def test_places_follow_the_local_frame_and_are_forgotten_with_it():
    watch, shift = StrayWatch(), FrameShift(0.0, (50.0, 0.0, 0.0))
    now_ns = standing(watch)
    watch.moved(shift)
    assert watch.away_m(now_ns, (50.0, 0.0, -5.0), None) is None
    watch.sent(now_ns, (50.0, 0.0, -5.0), (80.0, 0.0, -5.0))
    watch.moved(shift)
    assert watch.away_m(now_ns, (115.0, 0.0, -5.0), (130.0, 0.0, -5.0)) is None
    assert watch.away_m(now_ns, (115.0, 9.0, -5.0), (130.0, 0.0, -5.0)) == pytest.approx(9.0)
    watch.moved(None)
    assert not watch.stands and watch.away_m(now_ns, (900.0, 0.0, -5.0), None) is None


# --- tries ---


def test_it_climbs_no_higher_than_where_it_began_than_is_allowed_and_than_the_network_knows():
    low, ceiling = SETTINGS.clear_height_m, SETTINGS.ceiling_m
    assert Tries().highest_m(SETTINGS) == ceiling
    assert Tries(top_m=ceiling + 5.0).highest_m(SETTINGS) == ceiling
    assert Tries(top_m=low + 3.0).highest_m(SETTINGS) == low + 3.0
    assert Tries(top_m=low - 1.0).highest_m(SETTINGS) == low
    assert Tries(top_m=low + 8.0, known_m=low + 4.0).highest_m(SETTINGS) == low + 4.0 - ARRIVED_M


def test_each_place_that_failed_asks_for_a_wider_view():
    tries = Tries(top_m=100.0)
    assert tries.height_m(SETTINGS) == SETTINGS.clear_height_m
    tries.failed_ned_m.append((0.0, 0.0, 0.0))
    assert tries.height_m(SETTINGS) == SETTINGS.clear_height_m + SETTINGS.climb_m
    assert Tries(top_m=6.0, failed_ned_m=[(0.0, 0.0, 0.0)]).height_m(SETTINGS) == 6.0
    assert tries.failed_at((AGAIN_M, 0.0, 9.0)) and not tries.failed_at((AGAIN_M + 0.1, 0.0, 0.0))
    assert not tries.failed_at(None) and not Tries().failed_at((0.0, 0.0, 0.0))


def test_a_place_to_search_from_lies_near_the_start_and_off_those_searched_before():
    here, far, near = (0.0, 0.0, -9.0), (40.0, 0.0, -9.0), (10.0, 0.0, -9.0)
    assert Tries().outlook(here, [near], 30.0) is None  # where it began nobody knows
    tries = Tries(began_ned_m=here)
    assert tries.outlook(here, [far, near], 30.0) == near and tries.outlook(here, [far], 40.0) == far
    tries.searched_ned_m = [here, (14.0, 0.0, -9.0)]
    assert tries.outlook(here, [near], 30.0) is None
    tries.searched_ned_m = [here, (15.0, 0.0, -9.0)]
    assert tries.outlook(here, [near], 30.0) == near


def test_all_places_of_a_landing_follow_the_local_frame():
    place, there = (1.0, 2.0, -3.0), (6.0, 2.0, -2.0)
    tries = Tries(destination_ned_m=place, sent_ned_m=place, began_ned_m=place, aside_from_m=place)
    tries.failed_ned_m, tries.searched_ned_m = [place], [place]
    tries.moved(FrameShift(0.0, (5.0, 0.0, 1.0)))
    assert tries.destination_ned_m == tries.began_ned_m == tries.aside_from_m == there
    assert tries.failed_ned_m == tries.searched_ned_m == [there]
    assert tries.sent_ned_m == place, "what the autopilot flies to is in the coordinates of then"
    Tries().moved(FrameShift())  # a landing that has no place yet
    tries.moved(None)
    assert tries.destination_ned_m is None and tries.began_ned_m is None
    assert tries.aside_from_m == there, "it has begun its step aside"
    assert tries.failed_ned_m == tries.searched_ned_m == []
