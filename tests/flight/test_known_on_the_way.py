"""Sites seen on the way by the whole loop: stand-in, bridge, decisions, and the globe."""

from __future__ import annotations

import numpy as np
import pytest

from landing.globe import GlobalPlace
from landing.settings import AuthoritySettings
from sim.vehicle.home import Home
from tests.flight.in_process import InProcessFlight
from tests.landing.worlds import GRASS, TREE

HOME = Home()
LAWN_NE_M, RADIUS_M = (32.0, 4.0), 8.0
PLACE = GlobalPlace(*HOME.global_from_ned(*LAWN_NE_M), HOME.alt_m)


def wood_with_a_lawn(n, e):
    return np.where(np.hypot(n - LAWN_NE_M[0], e - LAWN_NE_M[1]) < RADIUS_M, GRASS, TREE)


def test_a_lawn_on_the_way_is_known_afterwards_until_somebody_stands_there():
    people = []
    flight = InProcessFlight(AuthoritySettings(), height_m=20.0, ground=wood_with_a_lawn, people=lambda t_s: people)
    assert flight.autopilot.flight.fly_to(75.0, 0.0, -20.0)
    flight.run(lambda: flight.vehicle.n_m > 70.0, 40.0)
    (site,) = [site for site in flight.book.sites if site.confirmed]
    off_m = PLACE.distance_m(site.place)
    assert off_m < 2.5 and site.clearance_m < RADIUS_M - off_m + 0.5  # flown past at 10 m/s
    assert site.place.altitude_m == pytest.approx(HOME.alt_m, abs=1.0)
    assert 3.0 < site.clearance_m < RADIUS_M and flight.book.unplaced == ""
    assert [e["event"] for e in flight.events].count("known-sites") == 1

    people.append((LAWN_NE_M[0], LAWN_NE_M[1] + 1.0))
    assert flight.autopilot.flight.fly_to(0.0, 0.0, -20.0)
    flight.run(lambda: flight.vehicle.n_m < 5.0, 40.0)
    (same,) = [known for known in flight.book.sites if known.number == site.number]
    assert same.bad == "person" and not same.confirmed and same.place == site.place
