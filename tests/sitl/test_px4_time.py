"""PX4 with a synchronised clock: our stamps are taken, and the loss of the target is noticed.

PX4 counts LANDING_TARGET.time_usec only once some 500 of its TIMESYNC questions were answered. From then on a stamp in
its future would never expire: it would fly on to a target that is long gone.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from firmware_bridge.link import FlightLink
from firmware_bridge.settings import LinkSettings
from landing.geometry import matrix_from_quaternion
from landing.types import LandingTarget
from sim.vehicle.autopilot_process import StartConditions
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from sim.vehicle.sitl.namespace import loopback_only
from sim.vehicle.sitl.px4 import Px4Sitl

pytestmark = [pytest.mark.sitl, pytest.mark.timeout(900)]

SYNCHRONISED = 600
"""Answers, somewhat more than the 500 that PX4 wants."""

SITE_N_M, SITE_E_M = 4.0, 3.0
HEIGHT_M = 15.0
SEND_HZ = 20.0
BTOUT_S = 5.0
"""PLD_BTOUT, PX4's default: a target not heard of for so long is lost."""

SEARCH_RISE_M = 1.0
"""A climb of more than noise: it goes back up to search (PLD_SRCH_ALT is 10 m)."""


class Flight:
    """PX4 hovers, and a link that has answered its questions is ready to send."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.px4 = Px4Sitl(StartConditions((0.0, 0.0), HEIGHT_M, 0.0), folder)
        self.px4.start(stack)
        self.station = stack.enter_context(GroundStation(self.px4.links.pilot, self.px4.home))
        self.px4.hover(self.station)
        self.link = stack.enter_context(FlightLink(LinkSettings(self.px4.links.daemon)))
        deadline_s = time.monotonic() + 240.0
        while self.link.status(time.monotonic_ns()).timesync_answered < SYNCHRONISED:
            assert time.monotonic() < deadline_s, self.link.status(time.monotonic_ns())
            self.station.poll(0.05)

    @property
    def height_m(self) -> float:
        """True height."""
        assert self.station.truth is not None
        return self.station.truth.height_m

    def send(self) -> None:
        """One target, from the newest pose."""
        pose = self.link.latest_pose(time.monotonic_ns())
        if pose is None or pose.position_ned_m is None or pose.ned_from_frd is None:
            return
        north_m, east_m, down_m = pose.position_ned_m
        ned_m = (SITE_N_M - north_m, SITE_E_M - east_m, max(self.height_m, 0.3))
        forward_m, right_m, below_m = (float(c) for c in matrix_from_quaternion(pose.ned_from_frd).T @ ned_m)
        target = LandingTarget(
            (forward_m, right_m, below_m), (SITE_N_M, SITE_E_M, down_m + ned_m[2]), pose.at_ns, pose.at_ns
        )
        self.link.send_target(target)

    def fly(self, seconds: float, sending: bool, until_m: float = -math.inf) -> list[float]:
        """The true heights over a time, or until it is as low as asked for or disarmed."""
        heights = []
        end_s = time.monotonic() + seconds
        send_s = time.monotonic()
        while time.monotonic() < end_s:
            self.station.poll(0.01)
            heights.append(self.height_m)
            if heights[-1] < until_m or not self.station.armed:
                break
            if sending and time.monotonic() >= send_s:
                send_s += 1.0 / SEND_HZ
                self.send()
        return heights


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Flight]:
    try:
        find_simulator("px4")
    except MissingSimulatorError as error:
        if os.environ.get(SIMULATORS["px4"].variable):
            raise
        pytest.skip(str(error))
    with ExitStack() as stack:
        stack.enter_context(loopback_only())
        yield Flight(stack, tmp_path)


def test_it_lands_on_stamps_of_a_synchronised_clock(flight: Flight) -> None:
    flight.px4.order_landing(flight.station)
    flight.fly(150.0, sending=True)
    assert not flight.station.armed, f"still at {flight.height_m:.1f} m"
    pose = flight.link.latest_pose(time.monotonic_ns())
    assert pose is not None and pose.position_ned_m is not None
    miss_m = math.hypot(pose.position_ned_m[0] - SITE_N_M, pose.position_ned_m[1] - SITE_E_M)
    # In the estimator's frame; recorded landings with perfect targets: 0.20 m mean, 0.60 m worst.
    assert miss_m < 1.0


def test_the_loss_of_the_target_is_noticed(flight: Flight) -> None:
    """Silence at 6 m: PX4 stops the approach, climbs to its search height, and only then lands."""
    flight.px4.order_landing(flight.station)
    flight.fly(120.0, sending=True, until_m=6.0)
    assert flight.height_m < 6.0
    heights = flight.fly(BTOUT_S + 20.0, sending=False)
    lowest = min(range(len(heights)), key=heights.__getitem__)
    assert max(heights[lowest:]) - heights[lowest] > SEARCH_RISE_M, heights[:: len(heights) // 20]
    assert heights[lowest] > 1.0
