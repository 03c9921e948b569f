"""A gimbal and its landing, without camera and network: pointed down, given back, and never taken from anybody.

The stand-in manages the gimbal as ArduPilot does, or as PX4 does; the bytes pass through the codecs that fly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.announcer import Announcer
from edge.log import EventLog
from edge.pointing import GimbalPointing
from firmware_bridge.dialect import command_long, mavlink
from firmware_bridge.settings import LinkSettings
from landing.command.authority_io import AuthorityOutput, AuthorityState
from landing.errors import ConfigError
from landing.guidance.descent import DescentWatch
from landing.settings import AuthoritySettings
from sim.flight.link import InProcessLink, LinkFaults
from sim.flight.loop import BOOT_NS, TICK_NS
from sim.vehicle.autopilot import AutopilotConfig, Mode, StandInAutopilot
from sim.vehicle.autopilot.core import TICK_S
from sim.vehicle.autopilot.mount import GimbalRules
from tests.edge.test_config import MINIMAL, load

OURS, STATION, NOBODY = (1, 191), (255, 190), (0, 0)
BOTH = pytest.mark.parametrize("rules", list(GimbalRules))
CONFIGURE: int = mavlink.MAV_CMD_DO_GIMBAL_MANAGER_CONFIGURE
PITCHYAW: int = mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW
NOT_DOWN = "camera is not looking down: "


class Rig:
    """A vehicle that hovers at 60 m with a gimbal that looks ahead; ``closed``, ``events``, ``said``."""

    def __init__(self, rules: GimbalRules = GimbalRules.ARDUPILOT, fitted: bool = True, **authority: Any) -> None:
        parameters = {"MNT1_TYPE": 8 if fitted else 0}
        self.autopilot = StandInAutopilot(
            AutopilotConfig(parameters=parameters, airborne_height_m=60.0, gimbal_rules=rules)
        )
        settings = LinkSettings("udpin:127.0.0.1:0", gimbal=True, gimbal_down=True)
        self.link = InProcessLink(self.autopilot, settings, LinkFaults(0.0), np.random.default_rng(0), BOOT_NS)
        self.events: list[dict[str, Any]] = []
        log = EventLog(None)
        log.listeners.append(self.events.append)
        announcer = Announcer(self.link.send_text)
        self.pointing = GimbalPointing(self.link, log, announcer, AuthoritySettings(**authority))
        self.authority: AuthorityOutput | None = None
        self.closed: str | None = None
        self.now_ns = BOOT_NS
        self._announcer = announcer
        self._descent = DescentWatch()
        self.run_for(3.0)

    @property
    def mount(self):
        return self.autopilot.mount

    @property
    def said(self) -> list[str]:
        return [text for _, text in self.link.texts]

    @property
    def state(self) -> str:
        return [e["state"] for e in self.events if e["event"] == "gimbal"][-1]

    @property
    def orders(self) -> list[str]:
        return [e["order"] for e in self.events if e["event"] == "gimbal-order"]

    def switch(self, mode: Mode) -> None:
        base = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
        self.autopilot.receive("pilot", mavlink.MAVLink_set_mode_message(1, base, int(mode)))

    def station_sends(self, *parameters: float, command: int = CONFIGURE) -> None:
        sender = mavlink.MAVLink(None, *STATION)
        packed = command_long(1, 1, command, *parameters).pack(sender)
        self.autopilot.receive("pilot", mavlink.MAVLink(None).decode(bytearray(packed)))

    def run(self, until: Callable[[], bool], limit_s: float) -> None:
        """Fly until a condition holds; fail when it does not in time."""
        end_ns = self.now_ns + round(limit_s * 1e9)
        while not until():
            assert self.now_ns < end_ns, f"not within {limit_s} s: {self.state}, {self.orders}, {self.said}"
            self.now_ns += TICK_NS
            self.autopilot.step(TICK_S)
            self.link.carry(self.now_ns)
            if (self.now_ns - BOOT_NS) % 50_000_000 == 0:
                self._tick()

    def run_for(self, seconds: float) -> None:
        end_ns = self.now_ns + round(seconds * 1e9)
        self.run(lambda: self.now_ns >= end_ns, seconds + 1.0)

    def _tick(self) -> None:
        pose = self.link.latest_pose(self.now_ns)
        vehicle = self._descent.step(self.now_ns, self.link.vehicle(self.now_ns), pose)
        self.closed = self.pointing.tick(self.now_ns, pose, vehicle, self.authority)
        self._announcer.tick(self.now_ns)


def landing(rules: GimbalRules = GimbalRules.ARDUPILOT) -> Rig:
    """A landing whose camera has come to look down."""
    rig = Rig(rules)
    rig.switch(Mode.LAND)
    rig.run(lambda: rig.state == "down", 10)
    return rig


@BOTH
def test_it_is_pointed_for_a_landing_and_released_when_the_landing_is_called_off(rules):
    rig = Rig(rules)
    assert rig.orders == [] and rig.closed is None and rig.mount.pitch_deg == 0.0
    rig.switch(Mode.LAND)
    rig.run(lambda: rig.closed == "the gimbal turns the camera down", 1)
    rig.run(lambda: rig.state == "down", 10)
    assert rig.mount.primary == OURS and rig.closed is None
    assert rig.mount.pitch_deg == pytest.approx(-90.0)
    rig.switch(Mode.GUIDED)
    rig.run(lambda: "Gimbal: released" in rig.said, 10)
    assert rig.mount.primary == NOBODY and rig.orders == ["take", "point", "release"]
    assert rig.said == ["Gimbal: camera looks down", "Gimbal: released"]


@BOTH
def test_one_that_somebody_controls_is_left_alone_and_pointed_once_it_is_free(rules):
    rig = Rig(rules)
    rig.station_sends(*STATION)
    rig.run_for(1.0)
    rig.switch(Mode.LAND)
    rig.run_for(5.0)
    assert rig.orders == [] and rig.mount.pitch_deg == 0.0
    assert rig.closed == f"{NOT_DOWN}255/190 controls the gimbal"
    assert rig.said == [f"Gimbal: {rig.closed}"]
    rig.station_sends(-3, -3)
    rig.run(lambda: rig.state == "down", 10)
    assert rig.orders == ["take", "point"]


def test_one_that_somebody_points_down_himself_is_as_good():
    rig = Rig()
    rig.station_sends(*STATION)
    rig.station_sends(-88.0, 0.0, command=PITCHYAW)
    rig.run_for(3.0)
    rig.switch(Mode.LAND)
    rig.run_for(3.0)
    assert rig.closed is None and rig.orders == []
    assert rig.said == ["Gimbal: camera looks down, but 255/190 controls the gimbal"]


@BOTH
def test_one_that_somebody_takes_is_given_up_without_a_word_of_ours(rules):
    rig = landing(rules)
    rig.station_sends(*STATION)
    rig.station_sends(-20.0, 0.0, command=PITCHYAW)
    rig.run(lambda: rig.closed == f"{NOT_DOWN}255/190 controls the gimbal", 5)
    rig.run_for(5.0)
    assert rig.orders == ["take", "point"] and rig.mount.primary == STATION
    assert rig.mount.pitch_deg == pytest.approx(-20.0)
    rig.switch(Mode.GUIDED)
    rig.run_for(6.0)
    assert rig.orders == ["take", "point"] and "Gimbal: released" not in rig.said


def test_one_that_a_knob_moves_is_the_pilots_until_the_landing_is_over():
    """ArduPilot turns it for a knob, and still calls us in control."""
    rig = landing()
    rig.mount.move(-10.0)
    rig.run(lambda: rig.mount.primary == NOBODY, 5)
    assert rig.closed == f"{NOT_DOWN}somebody moved the gimbal" and rig.said[-1] == f"Gimbal: {rig.closed}"
    rig.run_for(8.0)
    assert rig.orders == ["take", "point", "release"] and rig.mount.pitch_deg == pytest.approx(-10.0)


def test_one_that_does_not_turn_keeps_the_target_back_and_is_released():
    rig = Rig()
    rig.mount.stuck = True
    rig.switch(Mode.LAND)
    rig.run(lambda: rig.closed == f"{NOT_DOWN}the gimbal does not get there in 8 s", 12)
    assert rig.said == [f"Gimbal: {rig.closed}"]
    rig.switch(Mode.GUIDED)
    rig.run(lambda: rig.mount.primary == NOBODY, 6)


def test_without_a_manager_the_text_says_so():
    rig = Rig(fitted=False)
    rig.switch(Mode.LAND)
    rig.run_for(5.0)
    assert rig.closed == f"{NOT_DOWN}no gimbal manager answers" and rig.said == [f"Gimbal: {rig.closed}"]
    assert rig.orders == []


def test_one_that_falls_silent_keeps_the_target_back_until_it_speaks(monkeypatch):
    rig = landing()
    with monkeypatch.context() as silence:
        silence.setattr(rig.mount, "attitude_status", lambda *_: None)
        rig.run(lambda: rig.closed == f"{NOT_DOWN}the gimbal does not tell where it looks", 4)
    rig.run(lambda: rig.closed is None, 4)
    assert rig.orders == ["take", "point"]


def test_an_autopilot_that_restarts_has_forgotten_and_is_asked_again():
    rig = landing()
    rig.mount.boot()
    rig.run(lambda: rig.orders == ["take", "point", "take", "point"], 6)
    rig.run(lambda: rig.state == "down", 10)


def test_a_refusal_is_told_and_asked_again_later(monkeypatch):
    rig = Rig()
    monkeypatch.setitem(rig.autopilot._commands, CONFIGURE, lambda *_: mavlink.MAV_RESULT_FAILED)
    rig.switch(Mode.LAND)
    rig.run_for(5.0)
    assert rig.closed == f"{NOT_DOWN}the gimbal manager gives no control: refused, failed"
    assert rig.orders == ["take"]
    rig.run(lambda: rig.orders == ["take", "take"], 10)


def test_a_manager_that_says_yes_and_does_nothing_is_not_ordered_to_turn(monkeypatch):
    rig = Rig()
    monkeypatch.setitem(rig.autopilot._commands, CONFIGURE, lambda *_: mavlink.MAV_RESULT_ACCEPTED)
    rig.switch(Mode.LAND)
    rig.run_for(6.0)
    assert rig.closed == f"{NOT_DOWN}the gimbal manager gives no control, though it said yes"
    assert rig.orders == ["take"] and rig.mount.pitch_deg == 0.0


def test_an_order_on_a_dead_link_is_refused_and_the_text_says_it():
    rig = Rig()
    rig.link.cut = True
    rig.switch(Mode.LAND)
    rig.run_for(1.0)
    assert rig.closed is None  # no heartbeat tells of the landing
    rig.link.cut = False
    rig.run(lambda: rig.state == "down", 12)


def test_a_daemon_that_ends_releases_it_and_one_that_begins_after_a_crash_too():
    rig = landing()
    rig.pointing.end()
    for _ in range(10):
        rig.now_ns += TICK_NS
        rig.link.carry(rig.now_ns)
    assert rig.mount.primary == NOBODY

    fresh = Rig()
    fresh.mount.primary = OURS  # left by a daemon that was killed
    fresh.run(lambda: fresh.mount.primary == NOBODY, 6)
    assert fresh.orders == ["release"]


def test_the_camera_is_the_pilots_in_a_sinking_that_nobody_ordered():
    rig = Rig()
    rig.switch(Mode.LOITER)
    rest = [0] * 14
    for _ in range(40):
        override = mavlink.MAVLink_rc_channels_override_message(1, 1, 1500, 1500, 1200, 1500, *rest)
        rig.autopilot.receive("pilot", override)
        rig.run_for(0.1)
    assert rig.autopilot.vehicle.height_m < 59.0 and rig.orders == []


def test_guard_that_searches_and_land_that_waits_for_a_site_need_it_too():
    rig = Rig()
    rig.authority = AuthorityOutput(AuthorityState.SEARCH, "searches", None, False, ())
    rig.run(lambda: rig.state == "down", 10)
    waiting = Rig(level="land")
    waiting.authority = AuthorityOutput(AuthorityState.READY, "waits", None, False, ())
    waiting.run(lambda: waiting.state == "down", 10)
    ended = Rig(level="land")
    ended.authority = AuthorityOutput(AuthorityState.ENDED, "the pilot has it", None, False, ())
    ended.run_for(2.0)
    assert ended.orders == []


def test_frames_of_the_turn_have_no_attitude_of_the_gimbal():
    rig = Rig()
    seen = rig.pointing.seen(rig.link.pose_at)
    assert seen(rig.now_ns - 100_000_000).ned_from_gimbal is not None
    rig.switch(Mode.LAND)
    rig.run(lambda: rig.state == "turn", 3)
    rig.run_for(0.5)
    turning_ns = rig.now_ns - 100_000_000
    assert rig.link.pose_at(turning_ns).ned_from_gimbal is not None and seen(turning_ns).ned_from_gimbal is None
    rig.run(lambda: rig.state == "down", 10)
    rig.run_for(0.5)
    assert seen(rig.now_ns - 100_000_000).ned_from_gimbal is not None


def test_pointing_needs_a_gimbal_that_tells_its_attitude(tmp_path):
    down = MINIMAL.replace("hfov_deg = 70", "hfov_deg = 70\ngimbal_down = true")
    with pytest.raises(ConfigError, match="gimbal_down needs gimbal"):
        load(tmp_path, down)
    settings = load(tmp_path, down.replace("gimbal_down", 'gimbal = "mavlink"\ngimbal_down')).link_settings()
    assert settings.gimbal_down and settings.asked_rates_hz()["GIMBAL_MANAGER_STATUS"] == 2.0
    turned = down.replace("gimbal_down", 'gimbal = "mavlink"\nmount = { pitch_deg = -20.0 }\ngimbal_down')
    with pytest.raises(ConfigError, match="points that, not the camera"):
        load(tmp_path, turned)
    load(tmp_path, turned.replace("-20", "-5"))
