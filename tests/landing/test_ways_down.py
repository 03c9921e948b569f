from __future__ import annotations

import pytest

from landing.guidance.descent import ENDS_AFTER_NS, LOW_M, DescentWatch
from landing.types import Pose
from landing.vehicle import Autopilot, MissionItem, VehicleStatus, WayDown

S = 1_000_000_000
STEP_NS = S // 20
LANDS = MissionItem(3, 4, lands=True)
FLIES = MissionItem(2, 4, lands=False)


class Flown:
    """Steps the watch with a vehicle of one kind."""

    def __init__(self, autopilot: Autopilot = Autopilot.ARDUPILOT) -> None:
        self.watch, self.autopilot, self.now_ns = DescentWatch(), autopilot, 100 * S

    def judge(
        self, mode: str, told: bool | None, down_mps=0.0, height_m: float | None = 30.0, seconds=1.5, **kwargs
    ) -> WayDown:
        status = VehicleStatus(
            **{"link_alive": True, "armed": True, "airborne": True, **kwargs},
            autopilot=self.autopilot,
            mode=mode,
            touching_down=told,
            down_mps=down_mps,
        )
        for _ in range(max(1, round(seconds * S / STEP_NS))):
            self.now_ns += STEP_NS
            judged = self.watch.step(self.now_ns, status, Pose(self.now_ns, None, None, height_m))
        assert judged.landing is (judged.way_down is not WayDown.NONE)
        return judged.way_down


ARDUPILOT, PX4 = Autopilot.ARDUPILOT, Autopilot.PX4


@pytest.mark.parametrize(
    ("autopilot", "mode", "told", "mission", "down_mps", "height_m", "expected"),
    [
        (ARDUPILOT, "LAND", None, None, None, None, WayDown.LAND),
        (ARDUPILOT, "RTL", False, None, 1.5, 30.0, WayDown.NONE),  # on its way home, from higher up
        (ARDUPILOT, "RTL", True, None, 0.0, 15.0, WayDown.HOME),
        (ARDUPILOT, "SMART_RTL", True, None, 0.5, 15.0, WayDown.HOME),
        (ARDUPILOT, "RTL", None, None, 0.5, 15.0, WayDown.HOME),  # its landed state is not heard
        (ARDUPILOT, "AUTO", False, LANDS, 0.0, 15.0, WayDown.NONE),  # flies to the place of its LAND item
        (ARDUPILOT, "AUTO", True, LANDS, 0.5, 15.0, WayDown.MISSION),
        (ARDUPILOT, "AUTO", True, None, 0.5, 15.0, WayDown.MISSION),
        (ARDUPILOT, "AUTO", None, LANDS, 0.5, 15.0, WayDown.MISSION),
        (ARDUPILOT, "AUTO", None, FLIES, 0.5, 15.0, WayDown.NONE),
        (ARDUPILOT, "AUTO", False, FLIES, 1.0, 6.0, WayDown.UNNAMED),  # a low waypoint: somebody may stand there
        (ARDUPILOT, "AUTO_RTL", True, None, 0.5, 15.0, WayDown.MISSION),
        (ARDUPILOT, "LOITER", False, None, 1.0, 30.0, WayDown.NONE),
        (ARDUPILOT, "LOITER", False, None, 1.0, 8.0, WayDown.HAND),
        (ARDUPILOT, "ALT_HOLD", False, None, 0.4, 3.0, WayDown.HAND),
        (ARDUPILOT, "LOITER", False, None, 0.1, 8.0, WayDown.NONE),
        (ARDUPILOT, "LOITER", False, None, 1.0, None, WayDown.NONE),
        (ARDUPILOT, "GUIDED", False, None, 0.5, 5.0, WayDown.UNNAMED),
        (ARDUPILOT, "MODE(99)", False, None, 0.5, 5.0, WayDown.UNNAMED),
        (PX4, "AUTO.LAND", False, None, 0.0, 20.0, WayDown.LAND),
        (PX4, "AUTO.PRECLAND", None, None, 0.0, 20.0, WayDown.LAND),
        (PX4, "AUTO.RTL", False, None, 1.0, 40.0, WayDown.NONE),
        (PX4, "AUTO.RTL", True, None, 1.0, 20.0, WayDown.HOME),
        (PX4, "AUTO.MISSION", True, None, 0.7, 20.0, WayDown.MISSION),
        (PX4, "AUTO.MISSION", False, None, 0.0, 20.0, WayDown.NONE),
        (PX4, "POSCTL", False, None, 1.0, 8.0, WayDown.HAND),
        (PX4, "OFFBOARD", False, None, 1.0, 8.0, WayDown.UNNAMED),
        (Autopilot.UNKNOWN, "MODE(9)", True, None, 1.0, 8.0, WayDown.NONE),
    ],
)
def test_the_way_down_is_what_the_vehicle_does(autopilot, mode, told, mission, down_mps, height_m, expected):
    assert Flown(autopilot).judge(mode, told, down_mps, height_m, mission=mission) is expected


def test_on_the_ground_and_disarmed_nothing_comes_down():
    for state in ({"armed": False}, {"airborne": False}):
        assert Flown().judge("AUTO", True, 0.5, 0.2, **state) is WayDown.NONE


def test_a_gust_that_takes_a_hovering_vehicle_down_is_no_landing():
    flown = Flown()
    assert flown.judge("LOITER", False, 1.0, LOW_M - 1, seconds=0.8) is WayDown.NONE
    flown.judge("LOITER", False, 0.0, LOW_M - 1, seconds=0.1)
    assert flown.judge("LOITER", False, 1.0, LOW_M - 1, seconds=0.8) is WayDown.NONE


def test_a_slow_final_does_not_come_and_go():
    flown = Flown()
    assert flown.judge("LOITER", False, 1.0, 5.0) is WayDown.HAND
    ways = {flown.judge("LOITER", False, speed, 5.0, seconds=0.4) for speed in (0.1, 0.4, 0.2, 0.1, 0.3) * 3}
    assert WayDown.HAND in ways
    flown.judge("LOITER", False, 0.0, 5.0, seconds=0.1)
    assert flown.judge("LOITER", False, 0.0, 5.0, seconds=ENDS_AFTER_NS / S + 0.1) is WayDown.NONE


def test_another_mode_ends_it_at_once_and_a_dead_link_leaves_it():
    flown = Flown()
    assert flown.judge("AUTO", True) is WayDown.MISSION
    assert flown.judge("", None, link_alive=False, seconds=5.0) is WayDown.MISSION
    assert flown.judge("LOITER", False, seconds=0.05) is WayDown.NONE
