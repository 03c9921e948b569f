import pytest

from sim.campaign.wilson import share


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # Wilson's interval as R's prop.test(correct=FALSE) and statsmodels print it.
        (8, 10, 0.49016, 0.94331),
        (1, 20, 0.00888, 0.23613),
        (190, 200, 0.91041, 0.97261),
        (0, 1000, 0.0, 0.003827),
        (1000, 1000, 0.996173, 1.0),
    ],
)
def test_known_intervals(count: int, of: int, low: float, high: float) -> None:
    found = share(count, of)
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-5)


def test_nothing_says_nothing() -> None:
    found = share(0, 0)
    assert found.value is None
    assert (found.low, found.high) == (0.0, 1.0)


def test_more_than_all_is_no_share() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        share(3, 2)
