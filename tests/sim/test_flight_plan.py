from __future__ import annotations

import pytest

from landing.errors import TouchdownError
from sim.flight.plan import Fault, PlannedFault, parse_fault


def test_faults_by_their_words() -> None:
    assert parse_fault("camera-stall@8:2") == PlannedFault(Fault.CAMERA_STALL, 8.0, 2.0)
    assert parse_fault("daemon-kill@6.5") == PlannedFault(Fault.DAEMON_KILL, 6.5, None)


@pytest.mark.parametrize(
    "text",
    ["", "camera-stall", "camera-stall@", "flood@3", "link-cut@-1", "link-cut@5:0", "link-cut@nan", "link-cut@5:x"],
)
def test_other_words_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(TouchdownError, match=r"NAME@HEIGHT_M.*link-cut"):
        parse_fault(text)
