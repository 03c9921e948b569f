"""A vehicle on its wing, or on the way there, is no vehicle that hovers; both autopilots tell it alike."""

from __future__ import annotations

import pytest

from firmware_bridge.commands import command_message
from firmware_bridge.dialect import mavlink
from firmware_bridge.vehicle import AutopilotId, VehicleTracker
from landing.command.orders import Hold
from landing.errors import InvalidValueError
from landing.vehicle import Autopilot, VehicleStatus

S = 1_000_000_000
ARDUPILOT, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4
QUAD, PLANE, VTOL = mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_TYPE_FIXED_WING, mavlink.MAV_TYPE_VTOL_TILTROTOR
UNDEFINED, TO_WING, TO_HOVER, HOVER, WING = range(5)


def told(
    autopilot: int, kind: int, state: int | None, later_s: float = 0.0, mode: int = 4 << 16 | 9 << 24
) -> VehicleStatus:
    tracker = VehicleTracker()
    tracker.on_heartbeat(mavlink.MAVLink_heartbeat_message(kind, autopilot, 128, mode, 4, 3), S)
    if state is not None:
        tracker.on_extended_sys_state(mavlink.MAVLink_extended_sys_state_message(state, 2), S)
    return tracker.status(S + round(later_s * S))


@pytest.mark.parametrize(
    ("autopilot", "kind", "state", "words"),
    [
        (ARDUPILOT, QUAD, UNDEFINED, ""),
        (PX4, QUAD, UNDEFINED, ""),
        (PX4, QUAD, None, ""),
        (PX4, VTOL, HOVER, ""),
        (ARDUPILOT, PLANE, HOVER, ""),  # a quadplane without Q_MAV_TYPE
        (PX4, VTOL, WING, "flies on its wing"),
        (ARDUPILOT, PLANE, WING, "flies on its wing"),
        (PX4, VTOL, TO_WING, "goes over to its wing"),
        (ARDUPILOT, VTOL, TO_HOVER, "goes over to a hover"),
        (PX4, VTOL, None, "does not tell"),
        (PX4, VTOL, UNDEFINED, "does not tell"),
        (ARDUPILOT, PLANE, UNDEFINED, "does not tell"),  # no lift motors at all
    ],
)
def test_who_hovers_by_vtol_state(autopilot, kind, state, words):
    status = told(autopilot, kind, state)
    assert words in status.no_hover and bool(status.no_hover) is bool(words)


def test_an_old_word_of_a_hover_is_none():
    assert told(PX4, VTOL, HOVER, 4.0).no_hover == ""
    assert "does not tell" in told(PX4, VTOL, HOVER, 6.0).no_hover


@pytest.mark.parametrize(
    ("number", "name", "lands"), [(20, "QLAND", True), (19, "QLOITER", False), (15, "MODE(15)", False)]
)
def test_a_quadplanes_modes_are_none_of_a_copters(number, name, lands):
    """GUIDED is 4 on a copter and 15 on a plane, where 4 is ACRO: nothing is asked of a plane."""
    tracker = VehicleTracker()
    tracker.on_heartbeat(mavlink.MAVLink_heartbeat_message(PLANE, ARDUPILOT, 128, number, 4, 3), S)
    assert (tracker.status(S).mode, tracker.status(S).landing) == (name, lands)
    with pytest.raises(InvalidValueError, match="ardupilot plane"):
        command_message(Hold(), AutopilotId(1, 1, Autopilot.ARDUPILOT, PLANE), None, 0)
