"""Texts of the authority: what one tells once is not lost behind the next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.announcer import Announcer
from edge.commanding import Commanding
from edge.control import Control
from edge.log import EventLog
from firmware_bridge.messages import Severity
from landing.command.authority import Authority
from landing.command.authority_io import AuthorityOutput, AuthorityState, AuthorityTransition
from landing.command.orders import CommandAnswer
from landing.guidance.director import DirectorOutput, DirectorState
from landing.settings import AuthorityLevel, AuthoritySettings, DirectorSettings
from landing.vehicle import VehicleStatus

S = 1_000_000_000
ENDS = "site confirmed: lands in LAND, the mission ends at item 4"
RESUMES = (AuthorityState.HOLD, AuthorityState.RESUME, ENDS)
LANDS = (AuthorityState.RESUME, AuthorityState.GUARD, "landing on the site")
FLYING = VehicleStatus(link_alive=True, armed=True, airborne=True, mode="GUIDED")
HOLDS = (AuthorityState.RESUME, AuthorityState.HOLD, "person at the site")


class Link:
    """Takes texts; no command is asked for."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def take_answers(self) -> tuple[CommandAnswer, ...]:
        return ()

    def send_text(self, text: str, _severity: Severity) -> None:
        self.texts.append(text)


@pytest.mark.parametrize(
    ("then", "texts"),
    [
        (LANDS, [f"Authority resume: {ENDS}", "Authority guard: landing on the site"]),
        (HOLDS, ["Authority hold: person at the site"]),
    ],
)
def test_where_a_mission_ends_is_told_though_the_landing_goes_on_at_once(
    monkeypatch: pytest.MonkeyPatch, then: tuple[AuthorityState, AuthorityState, str], texts: list[str]
) -> None:
    """A landing that does not go on is not told to."""
    link, step = Link(), 0
    announcer = Announcer(link.send_text)
    settings = AuthoritySettings(level=AuthorityLevel.GUARD)
    commanding = Commanding(settings, DirectorSettings(), link, EventLog(None), announcer)  # type: ignore[arg-type]

    def said(_self: Authority, _inputs: object) -> AuthorityOutput:
        change = {20: RESUMES, 22: then}.get(step)
        transitions = () if change is None else (AuthorityTransition(*change, step * S // 20),)
        return AuthorityOutput(AuthorityState.GUARD, "", None, False, transitions)

    monkeypatch.setattr(Authority, "step", said)
    announcer.say(18 * S // 20, "landing", "Landing track: site 2.0 m clear", Severity.INFO)
    for step in range(19, 120):
        output = DirectorOutput(DirectorState.TRACK, "", None, ())
        commanding.tick(step * S // 20, output, None, VehicleStatus(), leaving=False)
        announcer.tick(step * S // 20)
    assert link.texts[1:] == texts


@pytest.mark.parametrize(
    ("state", "vehicle", "said"),
    [
        (AuthorityState.HOLD, FLYING, "Touchdown ends: the vehicle is in GUIDED, take over"),
        (AuthorityState.RESUME, FLYING, "Touchdown ends: the vehicle is in GUIDED, take over"),
        (AuthorityState.GUARD, FLYING, "Touchdown ends: no target and no command from now on"),
        (AuthorityState.HOLD, replace(FLYING, armed=False), None),
        (AuthorityState.HOLD, replace(FLYING, airborne=False), None),
        (AuthorityState.HOLD, replace(FLYING, link_alive=False), None),
        (AuthorityState.HOLD, None, None),
    ],
)
def test_a_pilot_hears_that_the_daemon_ends_while_the_vehicle_flies(
    state: AuthorityState, vehicle: VehicleStatus | None, said: str | None
) -> None:
    """Stopped or failed while it holds the vehicle, it leaves it hovering."""
    link = Link()
    settings = AuthoritySettings(level=AuthorityLevel.GUARD)
    control = Control(DirectorSettings(), link, EventLog(None), settings)  # type: ignore[arg-type]
    assert control.commanding is not None
    control.commanding.output = AuthorityOutput(state, "", None, False, ())
    control.end(vehicle)
    assert link.texts == ([] if said is None else [said])
