from __future__ import annotations

import math
from dataclasses import replace

import pytest

from firmware_bridge.commands import (
    ANSWER_WITHIN_NS,
    FARTHEST_M,
    GLOBAL_FRESH_NS,
    TRIES,
    CommandTracker,
    command_message,
)
from firmware_bridge.dialect import mavlink
from firmware_bridge.global_fixes import AGREE_M, GlobalFixes
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from firmware_bridge.vehicle import (
    AutopilotId,
    VehicleTracker,
    mode_number,
    mode_of,
    sticks_of_channels,
    sticks_of_manual_control,
)
from landing.command.orders import AnswerKind, CommandRequest, FlyTo, Hold, Land
from landing.errors import InvalidValueError
from landing.estimator import FIRST_FRAME, FrameShift
from landing.globe import GlobalFix, GlobalPlace
from landing.types import Pose
from landing.vehicle import FLIGHT_MODES, Autopilot, Sticks
from sim.vehicle.home import Home

MS = 1_000_000
S = 1_000 * MS
ARDUPILOT = AutopilotId(1, 1, Autopilot.ARDUPILOT, 2)
PX4 = AutopilotId(1, 1, Autopilot.PX4, 2)
HOME = Home()
QUAD = mavlink.MAV_TYPE_QUADROTOR


def fix_at(ned=(0.0, 0.0, -10.0), at_ns=0):
    lat, lon = HOME.global_from_ned(ned[0], ned[1])
    return GlobalFix(at_ns, GlobalPlace(lat, lon, HOME.alt_m - ned[2]), ned)


def no_fix():
    return None


def ack(command, result):
    return mavlink.MAVLink_command_ack_message(command, result, 0, 0, 1, 191)


def asked(tracker, command=None, now_ns=0, number=1, to=ARDUPILOT, fix=None):
    tracker.ask(CommandRequest(number, command or Hold()), to, lambda: fix, now_ns)
    return tracker.due(now_ns)


# --- what is sent ---


@pytest.mark.parametrize(
    ("to", "command", "custom_mode", "sub_mode", "name"),
    [
        (ARDUPILOT, Hold(), 4, 0, "GUIDED"),
        (ARDUPILOT, Land(), 9, 0, "LAND"),
        (PX4, Hold(), 4, 3, "AUTO.LOITER"),
        (PX4, Land(), 4, 9, "AUTO.PRECLAND"),  # not NAV_LAND, which forgets the targets
    ],
)
def test_modes_are_asked_for_by_the_numbers_that_each_autopilot_reports(to, command, custom_mode, sub_mode, name):
    message = command_message(command, to, None, 3)
    assert message.command == mavlink.MAV_CMD_DO_SET_MODE and message.confirmation == 3
    assert message.param1 == mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
    assert (message.param2, message.param3) == (custom_mode, sub_mode)
    number = custom_mode << 16 | sub_mode << 24 if to is PX4 else custom_mode
    assert mode_of(to.autopilot, QUAD, number)[0] == name


@pytest.mark.parametrize("autopilot", FLIGHT_MODES)
def test_every_mode_that_may_be_asked_for_is_one_the_autopilot_has(autopilot):
    modes = FLIGHT_MODES[autopilot]
    for name in (modes.hold, *modes.land, *modes.home):
        number, sub = mode_number(autopilot, name)
        reported = number if autopilot is Autopilot.ARDUPILOT else number << 16 | sub << 24
        assert mode_of(autopilot, QUAD, reported) == (name, name != modes.hold)
    with pytest.raises(InvalidValueError, match="no mode 'NONSENSE'"):
        mode_number(autopilot, "NONSENSE")


@pytest.mark.parametrize(("to", "flag"), [(ARDUPILOT, 0), (PX4, 1)])
def test_a_place_is_flown_to_by_a_command_that_is_acknowledged(to, flag):
    there = (12.0, -20.0, -14.0)
    message = command_message(FlyTo(there), to, fix_at((5.0, 3.0, -8.0)), 0)
    assert message.get_type() == "COMMAND_INT"
    assert message.command == mavlink.MAV_CMD_DO_REPOSITION
    assert message.frame == mavlink.MAV_FRAME_GLOBAL
    # PX4 answers UNSUPPORTED without the flag; on ArduPilot it would overrule a pilot's mode.
    assert message.param2 == flag and math.isnan(message.param4)
    north, east = HOME.ned_from_global(message.x * 1e-7, message.y * 1e-7)
    assert (north, east) == (pytest.approx(12.0, abs=0.05), pytest.approx(-20.0, abs=0.05))
    assert message.z == pytest.approx(HOME.alt_m + 14.0)


@pytest.mark.parametrize(
    ("to", "heading_rad", "result", "may_ask", "follows"),
    [
        (ARDUPILOT, -1.2, mavlink.MAV_RESULT_ACCEPTED, True, True),  # it would turn its nose by WP_YAW_BEHAVIOR
        (ARDUPILOT, -1.2, mavlink.MAV_RESULT_ACCEPTED, False, False),
        (ARDUPILOT, -1.2, mavlink.MAV_RESULT_DENIED, True, False),
        (ARDUPILOT, None, mavlink.MAV_RESULT_ACCEPTED, True, False),
        (PX4, -1.2, mavlink.MAV_RESULT_ACCEPTED, True, False),
    ],
)
def test_a_heading_is_asked_for_once_when_the_flight_is_accepted(to, heading_rad, result, may_ask, follows):
    tracker = CommandTracker()
    flight = asked(tracker, FlyTo((1.5, 0.0, -10.0), heading_rad), to=to, fix=fix_at())
    assert flight.param4 == heading_rad if to is PX4 else math.isnan(flight.param4)  # PX4 takes it there, in rad
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_REPOSITION, result), 0)
    assert len(tracker.take_answers()) == 1
    headed = tracker.due(0, may_ask=may_ask)
    assert (headed is not None) == follows
    if headed is not None:
        assert headed.get_type() == "SET_POSITION_TARGET_GLOBAL_INT" and headed.yaw == heading_rad
        assert (headed.lat_int, headed.lon_int, headed.alt) == (flight.x, flight.y, flight.z)
        assert headed.type_mask & mavlink.POSITION_TARGET_TYPEMASK_YAW_IGNORE == 0
    assert tracker.due(10 * S) is None and tracker.take_answers() == ()


def test_what_cannot_be_asked_is_refused_in_words():
    tracker = CommandTracker()
    far = (FARTHEST_M + 20.0, 0.0, 0.0)
    cases = [
        (Hold(), AutopilotId(1, 1, Autopilot.UNKNOWN, 2), None, "unknown"),
        (Hold(), replace(ARDUPILOT, vehicle_type=mavlink.MAV_TYPE_FIXED_WING), None, "ardupilot plane"),
        (FlyTo((0.0, 0.0, -5.0)), ARDUPILOT, None, "GLOBAL_POSITION_INT"),
        (FlyTo((0.0, 0.0, -5.0)), ARDUPILOT, fix_at(at_ns=-2 * S), "GLOBAL_POSITION_INT"),
        (FlyTo(far), ARDUPILOT, fix_at(), "away"),
        (FlyTo((math.nan, 0.0, 0.0)), ARDUPILOT, fix_at(), "away"),
    ]
    for number, (command, to, fix, word) in enumerate(cases):
        assert asked(tracker, command, 0, number, to, fix) is None and tracker.due(GLOBAL_FRESH_NS) is None
        (answer,) = tracker.take_answers()
        assert answer.kind is AnswerKind.REFUSED and answer.number == number
        assert word in answer.detail


def test_a_flight_goes_to_its_place_though_the_local_frame_has_moved_since_it_was_decided_on():
    """The estimator resets between the step that asks and the link that sends."""
    shift = FrameShift(math.radians(90.0), (10.0, 0.0, 0.0))
    flight = FlyTo((3.0, 0.0, -7.0), heading_rad=0.0)
    moved = replace(fix_at((10.0, 0.0, -7.0)), frame=FIRST_FRAME.moved(shift))
    tracker = CommandTracker()
    message = asked(tracker, flight, to=PX4, fix=moved)
    there = HOME.ned_from_global(message.x * 1e-7, message.y * 1e-7)
    assert there == pytest.approx((10.0, 3.0), abs=0.05) and message.param4 == pytest.approx(math.pi / 2)
    lost = replace(moved, frame=FIRST_FRAME.moved(None))
    assert asked(tracker, flight, fix=lost) is None and tracker.due(GLOBAL_FRESH_NS) is None
    assert tracker.take_answers()[-1].kind is AnswerKind.REFUSED


def test_a_flight_waits_for_a_place_on_the_globe_that_holds_in_its_frame():
    """After a reset of the estimator the place before it is none, and a refusal would leave the vehicle on its way."""
    tracker, known = CommandTracker(), []
    tracker.ask(CommandRequest(1, FlyTo((0.0, 0.0, -7.0))), ARDUPILOT, lambda: known[-1] if known else None, 0)
    assert tracker.due(0) is None and tracker.due(S // 5) is None and tracker.take_answers() == ()
    known.append(fix_at(at_ns=S // 4))
    assert tracker.due(S // 4).z == pytest.approx(HOME.alt_m + 7.0)
    tracker.ask(CommandRequest(2, FlyTo((0.0, 0.0, -7.0))), ARDUPILOT, no_fix, S)
    tracker.ask(CommandRequest(3, Hold()), ARDUPILOT, no_fix, S + S // 10)  # the newer one takes its place
    assert tracker.due(S + S // 10).command == mavlink.MAV_CMD_DO_SET_MODE
    tracker.withdraw()
    known.append(fix_at(at_ns=S))
    assert tracker.due(S + S // 5) is None


# --- until it is answered ---


def test_it_is_asked_until_it_is_acknowledged():
    tracker = CommandTracker()
    first = asked(tracker)
    assert first.confirmation == 0
    assert tracker.due(ANSWER_WITHIN_NS - 1) is None
    assert tracker.due(ANSWER_WITHIN_NS).confirmation == 1
    tracker.on_ack(ack(mavlink.MAV_CMD_NAV_LAND, 0), 0)  # of something else
    assert tracker.take_answers() == ()
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_ACCEPTED), 0)
    (answer,) = tracker.take_answers()
    assert answer.kind is AnswerKind.ACCEPTED and answer.number == 1
    assert tracker.due(100 * S) is None and tracker.take_answers() == ()


def test_a_mode_that_is_reported_is_not_asked_for_again_though_its_acknowledgement_was_lost():
    """Else the next copy would overrule a pilot who has left the mode meanwhile."""
    tracker = CommandTracker()
    tracker.ask(CommandRequest(1, Hold()), ARDUPILOT, no_fix, 0, "LAND")
    tracker.on_mode("GUIDED", 0)
    assert tracker.due(0) is not None  # nothing was sent before: the mode was the pilot's
    tracker.on_mode("LAND", S // 10)
    assert tracker.due(ANSWER_WITHIN_NS) is not None
    tracker.on_mode("GUIDED", ANSWER_WITHIN_NS + S // 10)
    (answer,) = tracker.take_answers()
    assert answer.kind is AnswerKind.ACCEPTED and tracker.due(10 * S) is None
    # Its late acknowledgements are none of the next request.
    tracker.ask(CommandRequest(2, Land()), ARDUPILOT, no_fix, ANSWER_WITHIN_NS + S // 5, "GUIDED")
    assert tracker.due(ANSWER_WITHIN_NS + S // 5) is not None
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_ACCEPTED), ANSWER_WITHIN_NS + S // 4)
    assert tracker.take_answers() == ()


def test_a_mode_that_it_is_in_already_is_asked_for_until_acknowledged():
    tracker = CommandTracker()
    tracker.ask(CommandRequest(1, Hold()), ARDUPILOT, no_fix, 0, "GUIDED")
    assert tracker.due(0) is not None
    tracker.on_mode("GUIDED", S // 10)
    assert tracker.due(ANSWER_WITHIN_NS) is not None and tracker.take_answers() == ()


def test_silence_ends_after_a_few_tries():
    tracker, sent, now_ns = CommandTracker(), 0, 0
    tracker.ask(CommandRequest(7, Hold()), ARDUPILOT, no_fix, 0)
    for step in range(1000):
        now_ns = step * 20 * MS
        sent += tracker.due(now_ns) is not None
        answers = tracker.take_answers()
        if answers:
            break
    assert sent == TRIES and now_ns < 2 * S
    assert answers[0].kind is AnswerKind.SILENT and f"{TRIES} tries" in answers[0].detail


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (mavlink.MAV_RESULT_DENIED, AnswerKind.REFUSED),
        (mavlink.MAV_RESULT_FAILED, AnswerKind.REFUSED),
        (mavlink.MAV_RESULT_UNSUPPORTED, AnswerKind.REFUSED),
        (mavlink.MAV_RESULT_COMMAND_LONG_ONLY, AnswerKind.REFUSED),
        (77, AnswerKind.REFUSED),
        (mavlink.MAV_RESULT_TEMPORARILY_REJECTED, None),
        (mavlink.MAV_RESULT_IN_PROGRESS, None),
    ],
)
def test_each_result_has_its_consequence(result, kind):
    tracker = CommandTracker()
    asked(tracker)
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, result), 10 * MS)
    answers = tracker.take_answers()
    assert [a.kind for a in answers] == ([] if kind is None else [kind])
    if result == mavlink.MAV_RESULT_DENIED:
        assert answers[0].detail == "denied"
    if result == mavlink.MAV_RESULT_TEMPORARILY_REJECTED:
        assert tracker.due(ANSWER_WITHIN_NS) is not None  # asked again
    if result == mavlink.MAV_RESULT_IN_PROGRESS:
        assert tracker.due(ANSWER_WITHIN_NS) is None  # waited for
        assert tracker.due(4 * S) is not None


def test_what_stays_in_progress_for_ever_is_given_up():
    tracker, now_ns = CommandTracker(), 0
    asked(tracker)
    while not (answers := tracker.take_answers()) and now_ns < 60 * S:
        now_ns += S // 5
        tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_IN_PROGRESS), now_ns)
        tracker.due(now_ns)
    assert answers[0].kind is AnswerKind.SILENT and "in progress" in answers[0].detail
    assert now_ns <= 11 * S


def test_the_late_answer_to_an_older_request_is_not_taken_for_that_of_the_newer():
    tracker = CommandTracker()
    asked(tracker, Land())
    asked(tracker, Hold(), 50 * MS, 2)
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_ACCEPTED), 60 * MS)
    assert tracker.take_answers() == ()
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_DENIED), 70 * MS)
    (answer,) = tracker.take_answers()
    assert answer.number == 2 and answer.kind is AnswerKind.REFUSED
    # An older one that never comes does not keep the newer waiting: it is asked again.
    asked(tracker, Land(), S, 3)
    asked(tracker, Hold(), S, 4)
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_ACCEPTED), S + MS)
    assert tracker.due(S + ANSWER_WITHIN_NS) is not None
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_ACCEPTED), S + 400 * MS)
    assert [a.number for a in tracker.take_answers()] == [4]
    # Nor does it hold back an answer that comes after its time, or to another command.
    asked(tracker, Land(), 10 * S, 5)
    asked(tracker, Hold(), 10 * S, 6)
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_ACCEPTED), 11 * S + MS)
    assert [a.number for a in tracker.take_answers()] == [6]
    asked(tracker, Land(), 20 * S, 7)
    asked(tracker, FlyTo((0.0, 0.0, -5.0)), 20 * S, 8, fix=fix_at(at_ns=20 * S))
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_REPOSITION, mavlink.MAV_RESULT_ACCEPTED), 20 * S + MS)
    assert [a.number for a in tracker.take_answers()] == [8]


def test_what_is_withdrawn_is_not_asked_again():
    tracker = CommandTracker()
    asked(tracker)
    tracker.withdraw()
    assert tracker.due(10 * S) is None
    tracker.on_ack(ack(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_RESULT_ACCEPTED), 10 * S)
    assert tracker.take_answers() == ()


# --- what is heard ---


def channels(*us, count=8):
    values = list(us) + [1500] * (18 - len(us))
    return mavlink.MAVLink_rc_channels_message(0, count, *values, 255)


def test_sticks_of_ardupilots_channels():
    order = (1, 2, 3, 4)
    assert sticks_of_channels(channels(1500, 1500, 1100, 1500), order) == Sticks(0, 0, -1, 0)
    assert sticks_of_channels(channels(1700, 1300, 1500, 2100), order) == Sticks(0.5, -0.5, 0, 1)
    assert sticks_of_channels(channels(1500, 1500, 1500, 1700), (4, 2, 3, 1)).roll == 0.5
    for missing in (0, 65535, 300, 950):
        assert sticks_of_channels(channels(1500, 1500, missing, 1500), order) is None
    assert sticks_of_channels(channels(1500, 1500, 1500, 1500, count=0), order) is None
    assert sticks_of_channels(channels(950, 1500, 988, 1500), order) == Sticks(-1, 0, -1, 0)


def test_sticks_of_px4():
    message = mavlink.MAVLink_manual_control_message(1, 250, -500, 1000, 0, 0)
    assert sticks_of_manual_control(message) == Sticks(-0.5, 0.25, 1.0, 0.0)
    message = mavlink.MAVLink_manual_control_message(1, 32767, 0, 0, 0, 0)
    assert sticks_of_manual_control(message) is None


@pytest.mark.parametrize(
    ("state", "failsafe"),
    [
        (mavlink.MAV_STATE_ACTIVE, False),
        (mavlink.MAV_STATE_STANDBY, False),
        (mavlink.MAV_STATE_CRITICAL, True),
        (mavlink.MAV_STATE_EMERGENCY, True),
    ],
)
def test_a_failsafe_and_the_last_part_of_a_landing_are_told(state, failsafe):
    tracker = VehicleTracker()
    beat = mavlink.MAVLink_heartbeat_message(QUAD, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, 128, 6, state, 3)
    tracker.on_heartbeat(beat, S)
    assert tracker.status(S).failsafe is failsafe and tracker.status(S).heartbeat_ns == S
    assert tracker.status(S).touching_down is None
    for landed_state, down in ((2, False), (4, True)):
        tracker.on_extended_sys_state(mavlink.MAVLink_extended_sys_state_message(0, landed_state), S)
        assert tracker.status(S).touching_down is down


@pytest.mark.parametrize(
    ("autopilot", "stream"),
    [(mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, "RC_CHANNELS"), (mavlink.MAV_AUTOPILOT_PX4, "MANUAL_CONTROL")],
)
@pytest.mark.parametrize("commands", [True, False])
def test_sticks_and_modes_are_asked_for_where_something_may_be_commanded(autopilot, stream, commands):
    telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:0", commands=commands))
    packer = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
    beat = mavlink.MAVLink_heartbeat_message(QUAD, autopilot, 128, 4, 4, 3)
    telemetry.feed(bytes(beat.pack(packer)), S)
    asked_for, now_ns = set(), S
    for _ in range(40):
        now_ns += 600 * MS
        telemetry.feed(bytes(beat.pack(packer)), now_ns)
        request = telemetry.request(now_ns)
        if request is not None:
            asked_for.add(mavlink.mavlink_map[int(request.param1)].msgname)
    wanted = {"HEARTBEAT", stream}
    assert asked_for >= wanted if commands else not asked_for & wanted
    assert "GLOBAL_POSITION_INT" in asked_for  # it places known sites
    other = {"RC_CHANNELS", "MANUAL_CONTROL"} - {stream}
    assert not asked_for & other


LATITUDE_E7, LONGITUDE_E7, ALTITUDE_MM = -353_632_621, 1_491_652_374, 584_000


def place_message(latitude_e7=LATITUDE_E7, longitude_e7=LONGITUDE_E7, altitude_mm=ALTITUDE_MM):
    return mavlink.MAVLink_global_position_int_message(0, latitude_e7, longitude_e7, altitude_mm, 0, 0, 0, 0, 0)


def test_the_fix_pairs_both_frames_at_the_same_moment():
    fixes, pose = GlobalFixes(), Pose(0, None, (1.0, 2.0, -3.0))
    fixes.take(place_message(0, 0), pose, 0)
    assert fixes.newest is None  # no fix yet: zeros
    fixes.take(place_message(), None, 0)
    assert fixes.newest is None
    fixes.take(place_message(), pose, 5)
    fix = fixes.newest
    assert fix is not None and fix.at_ns == 5
    place = fix.global_of((1.0, 2.0, -3.0))
    assert (place.latitude_deg, place.longitude_deg) == (pytest.approx(-35.3632621), pytest.approx(149.1652374))
    assert place.altitude_m == 584.0
    for latitude_e7, longitude_e7 in ((0, LONGITUDE_E7), (LATITUDE_E7, 0)):  # on the equator, and on the meridian
        fixes = GlobalFixes()
        fixes.take(place_message(latitude_e7, longitude_e7), pose, 5)
        assert fixes.newest is not None


@pytest.mark.parametrize(
    "lie",
    [
        {"altitude_mm": 0},
        {"altitude_mm": -(2**31)},
        {"altitude_mm": ALTITUDE_MM + 2 * round(AGREE_M * 1000)},
        {"latitude_e7": 0},
        {"longitude_e7": -LONGITUDE_E7},
        {"latitude_e7": 890_000_000, "longitude_e7": 1_800_000_000},
        {"latitude_e7": 2**31 - 1},
    ],
)
def test_nothing_is_flown_by_a_place_that_the_vehicle_cannot_have_come_to(lie):
    """A lone GLOBAL_POSITION_INT at sea level would send the vehicle into the ground."""
    fixes = GlobalFixes()
    for step in range(3):  # it flies north, and climbs
        here = Pose(0, None, (10.0 * step, 2.0, -3.0 - 5.0 * step))
        latitude_e7 = LATITUDE_E7 + round(10.0 * step / 111_000.0 * 1e7)
        fixes.take(place_message(latitude_e7, altitude_mm=ALTITUDE_MM + 5000 * step), here, step)
        assert fixes.newest is not None
    fixes.take(place_message(**lie), here, 3)
    assert fixes.newest is None
    fixes.take(place_message(latitude_e7, altitude_mm=ALTITUDE_MM + 10_000), here, 4)
    assert fixes.newest is not None and fixes.newest.place.altitude_m == 594.0


def test_a_place_that_stays_elsewhere_counts_when_it_is_told_again():
    """The estimator has moved its origin: the globe's coordinates of the local frame are others from then on."""
    fixes, here = GlobalFixes(), Pose(0, None, (1.0, 2.0, -3.0))
    told = []
    for at_ns, altitude_mm in enumerate((584_000, 594_000, 594_000)):
        fixes.take(place_message(altitude_mm=altitude_mm), here, at_ns)
        told.append(fixes.newest is not None)
    assert told == [True, False, True]
    fixes.take(place_message(altitude_mm=584_000), replace(here, frame=FIRST_FRAME.moved(None)), 4)
    assert fixes.newest is not None  # nothing tells how it moved
