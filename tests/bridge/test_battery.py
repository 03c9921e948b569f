from __future__ import annotations

import pytest

from firmware_bridge.battery import FRESH_NS, BatteryWatch
from firmware_bridge.dialect import mavlink
from firmware_bridge.vehicle import VehicleTracker
from landing.vehicle import Battery

S = 1_000_000_000
OK, LOW, CRITICAL = (getattr(mavlink, f"MAV_BATTERY_CHARGE_STATE_{name}") for name in ("OK", "LOW", "CRITICAL"))


def status(remaining=50, used_mah=2000, current_ca=2000, time_s=0, state=0, number=0):
    return mavlink.MAVLink_battery_status_message(
        number, 0, 1, 32767, [12000] + [65535] * 9, current_ca, used_mah, -1, remaining, time_s, state
    )


def test_the_autopilots_own_figure_counts():
    watch = BatteryWatch()
    assert watch.status(0) is None
    watch.on_status(status(time_s=240), 0)
    assert watch.status(S) == Battery(240.0, False)
    assert watch.status(FRESH_NS + 1) is None
    watch.on_status(status(time_s=240, state=LOW), 6 * S)
    assert watch.status(6 * S) == Battery(240.0, False)
    watch.on_status(status(time_s=240, state=CRITICAL), 7 * S)
    assert watch.status(7 * S) == Battery(240.0, True)


def test_without_it_the_charge_that_is_left_by_the_draw_of_late():
    watch = BatteryWatch()
    for at_s in range(9):
        watch.on_status(status(), at_s * S)
    assert watch.status(8 * S) == Battery(None)  # not long enough to be a draw
    for at_s in range(9, 30):
        watch.on_status(status(), at_s * S)
    # 2000 mAh are half: 2000 mAh left at 20 A.
    assert watch.status(29 * S).left_s == pytest.approx(2.0 / 20.0 * 3600.0)


def test_a_flood_fills_no_memory_and_changes_no_draw():
    watch = BatteryWatch()
    for at_ms in range(20_000):
        watch.on_status(status(), at_ms * S // 1000)
    assert len(watch._known[0].currents) <= 200
    assert watch.status(20 * S).left_s == pytest.approx(2.0 / 20.0 * 3600.0)


@pytest.mark.parametrize("unknown", [{"remaining": -1}, {"used_mah": -1}, {"current_ca": -1}, {"remaining": 100}])
def test_what_is_not_reported_is_not_guessed(unknown):
    watch = BatteryWatch()
    for at_s in range(40):
        watch.on_status(status(**unknown), at_s * S)
    assert watch.status(39 * S) == Battery(None)


def test_the_battery_that_is_empty_first_counts_and_an_unknown_one_makes_all_unknown():
    watch = BatteryWatch()
    watch.on_status(status(time_s=300), 0)
    watch.on_status(status(time_s=90, number=1), 0)
    assert watch.status(0) == Battery(90.0)
    watch.on_status(status(remaining=-1, number=2), 0)
    assert watch.status(0) == Battery(None)
    watch.forget()
    assert watch.status(0) is None


def test_a_charge_is_good_while_every_battery_says_so_now():
    watch = BatteryWatch()
    watch.on_status(status(state=OK), 0)
    assert watch.status(S) == Battery(None, False, True)
    watch.on_status(status(state=LOW, number=1), S)
    assert watch.status(S) == Battery(None)
    watch.on_status(status(state=OK, number=1), 2 * S)
    assert watch.status(2 * S).good
    watch.on_status(status(state=OK, number=1), FRESH_NS + S)
    assert not watch.status(FRESH_NS + S).good  # the first has fallen silent


def test_a_battery_that_falls_silent_stays_critical_and_leaves_nobody_knows_what():
    watch, late_ns = BatteryWatch(), FRESH_NS + S
    watch.on_status(status(time_s=90), 0)
    watch.on_status(status(time_s=300, number=1), late_ns)
    assert watch.status(late_ns) == Battery(None)
    watch.on_status(status(time_s=60, state=CRITICAL), late_ns)
    assert watch.status(10 * late_ns) == Battery(None, True)
    watch.on_disarmed(10 * late_ns)
    assert watch.status(10 * late_ns) is None


def test_a_failsafe_that_only_the_battery_tells_of_lasts_though_its_reports_end():
    tracker = VehicleTracker()
    mode = 4 << 16 | 9 << 24  # AUTO.PRECLAND
    armed = mavlink.MAV_MODE_FLAG_SAFETY_ARMED
    tracker.on_heartbeat(mavlink.MAVLink_heartbeat_message(2, 12, armed, mode, 4, 3), 0)
    tracker.batteries.on_status(status(state=CRITICAL), 0)
    for at_s in range(20):
        tracker.on_heartbeat(mavlink.MAVLink_heartbeat_message(2, 12, armed, mode, 4, 3), at_s * S)
        assert tracker.status(at_s * S).failsafe


def test_a_single_second_is_px4s_word_for_no_figure():
    """PX4 raises the 0 s of a battery that it knows by MAVLink alone to 1 s, which would allow no hold."""
    watch = BatteryWatch()
    watch.on_status(status(time_s=1), 0)
    assert watch.status(0) == Battery(None)
    for at_s in range(1, 30):
        watch.on_status(status(time_s=1), at_s * S)
    assert watch.status(29 * S).left_s == pytest.approx(2.0 / 20.0 * 3600.0)
    watch.on_status(status(time_s=1, state=CRITICAL), 30 * S)
    assert watch.status(30 * S).critical
