"""Rally points over a wire that is late, repeats itself, fails or is shared: the pilot's points stay his."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.session import Session
from firmware_bridge.identity import Identity
from firmware_bridge.rally import ACCEPTED, RallyError, RallyPoint, read_rally
from firmware_bridge.rally_command import RallyOptions, publish
from firmware_bridge.rally_memory import RallyMemory
from landing.vehicle import Autopilot
from sim.vehicle.autopilot.parameters import ParameterStore
from sim.vehicle.autopilot.rally import RALLY, RallyPoints, RallyProtocol, StoredPoint
from sim.vehicle.home import Home
from tests.bridge.test_rally import PILOTS, sites

LATE_S = 1.5


class Wire(Session):
    """The stand-in's rally protocol at the end of a wire whose time is a number: nothing waits.

    Attributes:
        late_s: Of each answer.
        reshape: What becomes of an answer: none, one or several messages.
    """

    def __init__(self, *points: StoredPoint, uid: str = "a1", late_s: float = 0.0) -> None:
        self.listeners = []
        self.uid, self.late_s, self.now_s = uid, late_s, 0.0
        self.reshape = lambda answer: [answer]
        self.telemetry: Any = SimpleNamespace(own_system=1)
        self.settings: Any = SimpleNamespace(component_id=192)
        self.rally = RallyPoints(ParameterStore(), Home())
        for number, point in enumerate(points):
            self.rally.set(number, point)
        self._waiting: deque[tuple[float, Any]] = deque()
        self._protocol = RallyProtocol(self.rally, self._answer, lambda: round(self.now_s * 1000))

    def connect(self, timeout_s: float = 10.0) -> Any:
        return SimpleNamespace(system=1, component=1)

    def identify(self) -> Identity:
        return Identity(Autopilot.ARDUPILOT, mavlink.MAV_TYPE_QUADROTOR, uid=self.uid)

    def is_autopilot(self, message: Any) -> bool:
        return True

    def send_command(self, command: int, *parameters: float) -> bool:
        return True

    def send(self, message: Any) -> bool:
        message._header.srcSystem, message._header.srcComponent = 1, 192
        handler = self._protocol.handlers.get(message.get_type())
        if handler is not None:
            handler("wire", message)
        return True

    def listen(self, seconds: float, until: Any = None) -> None:
        end_s = self.now_s + seconds
        while until is None or not until():
            if not self._waiting or self._waiting[0][0] > end_s:
                self.now_s = end_s
                return
            due_s, message = self._waiting.popleft()
            self.now_s = max(self.now_s, due_s)
            for listener in tuple(self.listeners):
                listener(message, 0)

    def _open_if_needed(self) -> bool:
        return True

    def _answer(self, link: Any, message: Any) -> None:
        self._waiting.extend((self.now_s + self.late_s, one) for one in self.reshape(message))


def ack(result: int) -> Any:
    return mavlink.MAVLink_mission_ack_message(1, 192, result, RALLY)


def options(folder: Path, **more: Any) -> RallyOptions:
    return RallyOptions(memory=folder / "rally.json", **more)


def is_acceptance(message: Any) -> bool:
    return message.get_type() == "MISSION_ACK" and message.type == ACCEPTED


@pytest.mark.parametrize("kind", ["late", "twice", "late and twice", "an old acceptance first"])
def test_answers_that_are_late_or_double_change_nothing(kind: str, tmp_path: Path) -> None:
    wire = Wire(*PILOTS, late_s=LATE_S if "late" in kind else 0.0)
    if "twice" in kind:
        wire.reshape = lambda answer: [answer, answer]
    if "old" in kind:
        wire.reshape = lambda answer: (
            [ack(ACCEPTED), answer] if answer.get_type() == "MISSION_REQUEST" and answer.seq == 0 else [answer]
        )
    report = publish(wire, sites(3), options(tmp_path))
    assert report.written and len(report.ours) == 3 and len(report.pilots) == 2
    assert wire.rally.points[:2] == PILOTS and len(wire.rally.points) == 5


def test_a_list_that_somebody_changes_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    wire = Wire(*PILOTS)

    def add(answer: Any) -> list[Any]:
        if answer.get_type() == "MISSION_ITEM_INT" and answer.seq == 1 and len(wire.rally.points) == 2:
            wire.rally.set(2, StoredPoint(-353_630_000, 1_491_630_000, 30))
        return [answer]

    wire.reshape = add
    with pytest.raises(RallyError, match="somebody else changes the rally points"):
        publish(wire, sites(2), options(tmp_path))
    assert len(wire.rally.points) == 3 and not (tmp_path / "rally.json").exists()
    assert len(publish(wire, sites(2), options(tmp_path)).pilots) == 3


def test_a_point_that_was_added_behind_ours_is_the_pilots(tmp_path: Path) -> None:
    wire, added = Wire(*PILOTS), StoredPoint(-353_630_000, 1_491_630_000, 30)

    def add(answer: Any) -> list[Any]:
        if is_acceptance(answer):
            wire.rally.set(len(wire.rally.points), added)
        return [answer]

    wire.reshape = add
    assert len(publish(wire, sites(2), options(tmp_path)).ours) == 2
    wire.reshape = lambda answer: [answer]
    publish(wire, (), options(tmp_path, clear=True))
    assert wire.rally.points == [*PILOTS, added]


@pytest.mark.parametrize("emptied", [False, True])
def test_an_upload_that_fails_half_way_says_what_is_there_and_is_mended(emptied: bool, tmp_path: Path) -> None:
    wire = Wire(*PILOTS)

    def fail(answer: Any) -> list[Any]:
        if answer.get_type() != "MISSION_REQUEST":
            return [answer]
        if answer.seq == 3:
            if emptied:
                wire.rally.truncate(0)
            wire.now_s += 10.0  # the autopilot has given the upload up
            return [ack(mavlink.MAV_MISSION_ERROR)]
        return [answer]

    wire.reshape = fail
    words = "2 of the pilot's rally points are not there .*the next run puts them back" if emptied else "refused"
    with pytest.raises(RallyError, match=words):
        publish(wire, sites(3), options(tmp_path))
    wire.reshape = lambda answer: [answer]
    report = publish(wire, sites(3), options(tmp_path))
    assert wire.rally.points[:2] == PILOTS and len(report.pilots) == 2 and len(report.ours) == 3
    assert any("put back" in note for note in report.notes) is emptied


def test_vehicles_without_a_serial_number_share_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    wire = Wire(*PILOTS, uid="")
    with pytest.raises(RallyError, match=r"system 1 tells no serial number .*--memory"):
        publish(wire, sites(1), RallyOptions())
    assert wire.rally.points == PILOTS and not (tmp_path / "state").exists()
    own = RallyOptions(memory=tmp_path / "own.json")
    assert len(publish(wire, sites(1), own).ours) == 1
    # A file that knows another vehicle is not this one's alone.
    RallyMemory.load(tmp_path / "own.json", "1:b2").save([])
    with pytest.raises(RallyError, match="tells no serial number"):
        publish(wire, (), RallyOptions(memory=tmp_path / "own.json", clear=True))


def test_two_runs_at_once_keep_each_others_entry(tmp_path: Path) -> None:
    path = tmp_path / "rally.json"
    first, second = RallyMemory.load(path, "1:a"), RallyMemory.load(path, "2:b")
    first.save([RallyPoint(1, 2, 3.0)])
    second.save([RallyPoint(4, 5, 6.0)])
    assert len(RallyMemory.load(path, "1:a").ours) == len(RallyMemory.load(path, "2:b").ours) == 1


def test_a_point_of_ours_that_the_pilot_raised_by_a_metre_is_his(tmp_path: Path) -> None:
    wire = Wire()
    publish(wire, sites(1), options(tmp_path))
    raised = wire.rally.points[0]._replace(above_home_m=wire.rally.points[0].above_home_m + 1)
    wire.rally.set(0, raised)
    report = publish(wire, sites(1, -60.0), options(tmp_path))
    assert len(report.pilots) == 1 and wire.rally.points[0] == raised
    assert read_rally(wire)[0].altitude_m == raised.above_home_m
