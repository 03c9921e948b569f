"""Whose way a vehicle flies: one that turns is on ours, one that goes on elsewhere is not."""

from __future__ import annotations

from landing.command.stray import TURNS_NS, StrayWatch

STEP_NS = 100_000_000
AT = (0.0, 0.0, -9.0)
FIRST, SECOND = (-8.0, 3.0, -9.0), (3.0, 1.0, -9.0)


def standing() -> StrayWatch:
    """A watch of a vehicle that has held for 3 s, until time 0."""
    watch = StrayWatch()
    for number in range(-30, 0):
        assert watch.away_m(number * STEP_NS, AT, None) is None
    assert watch.stands
    return watch


def turned(watch: StrayWatch) -> int:
    """Sends it on another way while it flies, which takes it 6 m farther; the time when it has turned."""
    number = 0
    for number in range(13):
        assert watch.away_m(number * STEP_NS, AT, FIRST) is None
    for k in range(80):
        number += 1
        north_m = -6.0 * (1.0 - ((k - 25) / 25) ** 2) if k < 50 else 0.06 * (k - 50)
        assert watch.away_m(number * STEP_NS, (north_m, 0.0, -9.0), SECOND) is None
    return number


def test_a_vehicle_that_turns_to_another_site_is_on_our_way() -> None:
    number = turned(standing())
    assert number * STEP_NS > TURNS_NS


def test_a_vehicle_that_has_turned_and_goes_elsewhere_is_flown_away() -> None:
    watch = standing()
    number = turned(watch)
    away_m = [watch.away_m((number + k) * STEP_NS, (1.8, -0.3 * k, -9.0), SECOND) for k in range(30)]
    assert away_m[5] is None and away_m[-1] is not None


def test_the_first_way_of_a_vehicle_that_stood_is_watched_at_once() -> None:
    watch = standing()
    away_m = [watch.away_m(k * STEP_NS, (0.0, -0.3 * k, -9.0), (8.0, 0.0, -9.0)) for k in range(25)]
    assert away_m[5] is None and away_m[-1] is not None
