"""The mission item flown, as the stand-in tells it to a link that asks politely."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.mission import ASK_PERIOD_NS, KNOWN_NS, REREAD_NS, TRIES, MissionWatch
from firmware_bridge.settings import LinkSettings
from firmware_bridge.vehicle import AutopilotId, VehicleTracker
from landing.vehicle import Autopilot, MissionItem
from sim.flight.link import InProcessLink, LinkFaults
from sim.vehicle.autopilot import AutopilotConfig, Mode, StandInAutopilot
from sim.vehicle.autopilot.mission import StoredItem

LAND, WAYPOINT = mavlink.MAV_CMD_NAV_LAND, mavlink.MAV_CMD_NAV_WAYPOINT
S = 1_000_000_000


def current(seq: int, total: int = 4):
    return mavlink.MAVLink_mission_current_message(seq, total)


def item(seq: int, command: int, kind: int = 0):
    return mavlink.MAVLink_mission_item_int_message(1, 191, seq, 3, command, 0, 1, 0, 0, 0, 0, 0, 0, 0, kind)


def test_each_item_is_asked_for_once_and_a_silent_autopilot_only_a_few_times():
    watch = MissionWatch()
    assert watch.item(0) is None and watch.due(1, 1, 0) is None
    watch.on_current(current(2), 0)
    sent = [at_s for at_s in range(20) if watch.due(1, 1, at_s * ASK_PERIOD_NS) is not None]
    assert sent == [0, 1, 2] and len(sent) == TRIES
    assert watch.item(0) == MissionItem(2, 4, None)
    watch.on_current(current(3), 0)
    request = watch.due(1, 1, 30 * S)
    assert (request.seq, request.get_type()) == (3, "MISSION_REQUEST_INT")
    watch.on_item(item(3, LAND), 59 * S)
    assert watch.due(1, 1, 60 * S) is None and watch.item(60 * S) == MissionItem(3, 4, True)
    watch.on_current(current(2), 0)
    watch.on_item(item(2, LAND, mavlink.MAV_MISSION_TYPE_RALLY), 0)
    assert watch.item(0).lands is None
    watch.on_item(item(2, WAYPOINT), 0)
    assert watch.item(0).lands is False


def test_a_mission_of_as_many_items_that_another_link_uploads_is_noticed_by_reading_again():
    """Neither its MISSION_ACK nor an id comes to us: what is known of an item gets old, and is read anew."""
    watch = MissionWatch()
    watch.on_current(current(3), 0)
    watch.on_item(item(3, WAYPOINT), S)
    assert watch.due(1, 1, 5 * S) is None
    assert watch.due(1, 1, S + REREAD_NS).seq == 3
    assert watch.item(S + REREAD_NS).lands is False
    watch.on_item(item(3, LAND), 7 * S)
    assert watch.item(7 * S).lands is True
    sent = [at_s for at_s in range(8, 60) if watch.due(1, 1, at_s * S) is not None]
    assert sent == [12, 13, 14]  # it answers no more
    assert watch.item(7 * S + KNOWN_NS).lands is True and watch.item(7 * S + KNOWN_NS + 1).lands is None


def test_another_mission_forgets_the_kinds_of_the_last():
    watch = MissionWatch()
    watch.on_current(current(3), 0)
    watch.on_item(item(3, LAND), 0)
    watch.on_current(current(3, 9), 0)
    assert watch.item(0) == MissionItem(3, 9, None)


def test_a_mission_of_as_many_items_uploaded_on_the_ground_or_in_the_air_is_another_one():
    tracker = VehicleTracker()

    def beat(armed: bool, at_s: int) -> None:
        base, kind = mavlink.MAV_MODE_FLAG_SAFETY_ARMED if armed else 0, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
        tracker.on_heartbeat(
            mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_QUADROTOR, kind, base, 3, 4, 3), at_s * S
        )

    def take(message, at_s: int) -> None:
        tracker.handlers[message.get_type()](message, at_s * S)

    to = AutopilotId(1, 1, Autopilot.ARDUPILOT, mavlink.MAV_TYPE_QUADROTOR)
    accepted, cancelled = mavlink.MAV_MISSION_ACCEPTED, mavlink.MAV_MISSION_OPERATION_CANCELLED
    beat(True, 0)
    take(current(3), 0)
    take(item(3, LAND), 1)
    assert tracker.status(S).mission.lands is True and tracker.mission_request(to, S) is None
    beat(False, 10)
    beat(True, 20)
    assert tracker.status(20 * S).mission == MissionItem(3, 4, None)
    assert tracker.mission_request(to, 20 * S).seq == 3
    take(item(3, WAYPOINT), 21)
    for kind, result in ((mavlink.MAV_MISSION_TYPE_FENCE, accepted), (0, cancelled)):
        take(mavlink.MAVLink_mission_ack_message(255, 190, result, kind), 22)
        assert tracker.status(22 * S).mission.lands is False
    take(mavlink.MAVLink_mission_ack_message(255, 190, accepted, 0), 23)
    assert tracker.status(23 * S).mission.lands is None and tracker.mission_request(to, 23 * S) is not None


@pytest.mark.parametrize("total", [0, 65_535])
def test_an_autopilot_that_does_not_tell_the_total_is_not_believed_to_have_none(total):
    watch = MissionWatch()
    watch.on_current(current(3, total), 0)
    assert watch.item(0) == MissionItem(3, None, None)


def test_the_kind_is_learnt_in_flight_and_only_while_a_mission_is_flown():
    autopilot = StandInAutopilot(AutopilotConfig(airborne_height_m=15.0))
    autopilot.flight.mission.items = [StoredItem(WAYPOINT, (8.0, 0.0, 15.0)), StoredItem(LAND, (8.0, 6.0, 0.0))]
    link = InProcessLink(autopilot, LinkSettings("udpin:127.0.0.1:0"), LinkFaults(1.0), np.random.default_rng(0), S)
    seen = []

    def fly(seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            autopilot.step(0.01)
            link.carry(link.now_ns + 10_000_000)
            status = link.vehicle(link.now_ns)
            if not seen or status.mission != seen[-1]:
                seen.append(status.mission)

    fly(4.0)
    assert seen[-1] == MissionItem(0, 2, None)
    autopilot.flight.set_mode(Mode.AUTO)
    fly(20.0)
    assert seen[-1] == MissionItem(2, 2, True) and MissionItem(1, 2, False) in seen
    status = link.vehicle(link.now_ns)
    assert (status.mode, status.landing, status.touching_down) == ("AUTO", True, True)
    assert status.down_mps == pytest.approx(autopilot.vehicle.vd_mps, abs=0.3)
