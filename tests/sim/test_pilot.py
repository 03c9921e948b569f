"""The pilot of a campaign: when it lands, goes down to look again, and gives up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landing.command.authority import AuthorityState
from landing.guidance.director import DirectorState
from sim.campaign.task import Plan, Task, run
from sim.flight.pilot import GoDown, ModeOrder, Phase, Pilot, Seen

STEP_S = 0.5


def hover(pilot: Pilot, height_m: float, state: DirectorState, down_mps: float = 2.0):
    """Orders by time, and the height at the end, of a vehicle that goes where it is sent."""
    orders, to_m, t_s = [], height_m, 0.0
    while pilot.phase is Phase.HOVER and t_s < 200.0:
        order = pilot.step(Seen(t_s, state, AuthorityState.READY, True, height_m))
        if order is not None:
            orders.append((t_s, order))
        if isinstance(order, GoDown):
            to_m = height_m - order.by_m
        height_m = max(to_m, height_m - down_mps * STEP_S)
        t_s += STEP_S
    return orders, height_m, t_s


def test_who_finds_nothing_looks_once_from_half_the_height_and_as_long_again() -> None:
    pilot = Pilot(search_s=10.0, nearer_m=15.0)
    orders, height_m, ended_s = hover(pilot, 80.0, DirectorState.SEARCH)
    ((went_s, order),) = orders
    assert order == GoDown(40.0) and went_s == pytest.approx(10.0, abs=1.0)
    assert pilot.phase is Phase.GIVEN_UP and height_m == pytest.approx(40.0)
    # 20 s of way do not count: it looks for 10 s when it is there.
    assert ended_s == pytest.approx(10.0 + 20.0 + 10.0, abs=2.5)


@pytest.mark.parametrize(("height_m", "by_m"), [(24.0, 9.0), (19.0, None), (12.0, None)])
def test_it_goes_no_lower_than_it_may_and_not_for_a_few_metres(height_m, by_m) -> None:
    pilot = Pilot(search_s=5.0, nearer_m=15.0)
    orders, _, _ = hover(pilot, height_m, DirectorState.SEARCH)
    assert [order for _, order in orders] == ([] if by_m is None else [GoDown(by_m)])
    assert pilot.phase is Phase.GIVEN_UP


def test_a_site_found_on_the_way_down_is_landed_on() -> None:
    pilot = Pilot(search_s=5.0)
    orders, _, _ = hover(pilot, 60.0, DirectorState.TRACK)
    assert [order for _, order in orders] == [ModeOrder.LAND]
    assert pilot.phase is Phase.LANDING


def test_over_the_sea_the_vehicle_really_looks_from_half_the_height_before_it_gives_up() -> None:
    plan = Plan(scenes=1, seed=5, split="train", worlds=("worst:no-ground",), policies=("touchdown",), search_s=4.0)
    plan = replace(plan, network_shift=-3.0)  # the network takes no wave for a lawn
    (record,) = run(Task(plan, 0, ("touchdown",))).records
    assert record["verdict"] == "no-site"
    start_m = record["conditions"]["height_m"]
    assert record["end_height_m"] == pytest.approx(max(start_m / 2, 15.0), abs=2.0)
    (stays,) = run(Task(replace(plan, nearer_m=100.0), 0, ("touchdown",))).records
    assert stays["end_height_m"] == pytest.approx(start_m, abs=2.0)
    assert stays["seconds"] < record["seconds"]


def test_a_pilot_who_is_told_to_descend_lands_and_goes_on_while_told() -> None:
    pilot, searching = Pilot(search_s=5.0), DirectorState.SEARCH
    told = Seen(0.0, searching, AuthorityState.OFF, True, 60.0, 33.0)
    assert pilot.step(told) is ModeOrder.LAND and pilot.phase is Phase.LANDING
    for t_s in range(1, 20):
        assert pilot.step(replace(told, t_s=float(t_s), state=DirectorState.HOLD, hovering=False)) is None
    orders = [
        pilot.step(Seen(20.0 + t_s, DirectorState.HOLD, AuthorityState.OFF, False, 32.0)) for t_s in (0.0, 1.0, 2.0)
    ]
    assert orders == [None, None, ModeOrder.HOVER]  # lower down a missing site is one
