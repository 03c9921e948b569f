"""Rally points over a wire that is late, repeats itself, fails or is shared: the pilot's points stay his."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.parameters import AutopilotParameter
from firmware_bridge.doctor.session import Session
from firmware_bridge.identity import Identity
from firmware_bridge.rally import ACCEPTED, RallyError, RallyPoint, read_rally, write_rally
from firmware_bridge.rally_command import RallyOptions, publish
from firmware_bridge.rally_memory import RallyMemory
from landing.choice.site_list import ListedSite
from landing.vehicle import Autopilot, VehicleStatus
from sim.vehicle.autopilot.parameters import ParameterStore
from sim.vehicle.autopilot.rally import RALLY, RallyPoints, RallyProtocol, StoredPoint
from sim.vehicle.home import Home
from tests.bridge.test_rally import PILOTS, PLACE, sites

LATE_S = 1.5


class Wire(Session):
    """The stand-in's rally protocol at the end of a wire whose time is a number: nothing waits.

    Attributes:
        late_s: Of each answer.
        home: What it tells of home; None before it is set.
        reshape: What becomes of an answer: none, one or several messages.
    """

    def __init__(self, *points: StoredPoint, uid: str = "a1", late_s: float = 0.0) -> None:
        self.listeners = []
        self.home: Home | None = Home()
        self.armed = True
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

    def vehicle(self) -> VehicleStatus:
        return VehicleStatus(armed=self.armed)

    def send_command(self, command: int, *parameters: float) -> bool:
        if self.home is not None and parameters == (mavlink.MAVLINK_MSG_ID_HOME_POSITION,):
            e7 = round(self.home.lat_deg * 1e7), round(self.home.lon_deg * 1e7)
            rest = (0.0, 0.0, 0.0), [1.0, 0.0, 0.0, 0.0], (0.0, 0.0, 0.0)
            at = *e7, round(self.home.alt_m * 1000)
            self._waiting.append((self.now_s, mavlink.MAVLink_home_position_message(*at, *rest[0], rest[1], *rest[2])))
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


def test_what_broke_off_is_not_put_back_into_a_list_that_somebody_wrote_since(tmp_path: Path) -> None:
    wire = Wire(*PILOTS)
    publish(wire, sites(1), options(tmp_path))
    memory = RallyMemory.load(tmp_path / "rally.json", "1:a1")
    memory.save(memory.ours, read_rally(wire)[:2])
    elsewhere = StoredPoint(-340_000_000, 1_500_000_000, 40)
    wire.rally.truncate(0)
    wire.rally.set(0, elsewhere)
    report = publish(wire, (), options(tmp_path))
    assert not report.written and wire.rally.points == [elsewhere]
    assert any("not put back of the pilot's: -35.36" in note for note in report.notes)


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


def listed(north_m: float, altitude_m: float | None, **more: Any) -> ListedSite:
    return ListedSite(replace(PLACE.moved(north_m, 0.0), altitude_m=altitude_m), 9.0, 5, **more)


def heights(wire: Wire) -> list[int]:
    return [point.above_home_m for point in wire.rally.points]


def test_no_point_is_set_where_nothing_tells_how_high_the_ground_lies(tmp_path: Path) -> None:
    wire, hill, unknown = Wire(), listed(60.0, 584.0 + 80.0), listed(120.0, None)
    with pytest.raises(RallyError, match=r"1 of 1 sites cannot be set.*--rise-m.*nothing was written"):
        publish(wire, [unknown], options(tmp_path))
    assert publish(wire, [hill, unknown], options(tmp_path)).ours and heights(wire) == [95]
    publish(wire, [unknown], options(tmp_path, rise_m=40.0))
    assert heights(wire) == [55]
    # What somebody says is a floor, and what is told may be higher.
    publish(wire, [hill, listed(120.0, 570.0)], options(tmp_path, rise_m=40.0))
    assert sorted(heights(wire)) == [55, 95]
    wire.home = None
    with pytest.raises(RallyError, match="nothing tells how high"):
        publish(wire, [hill], options(tmp_path))
    assert sorted(heights(wire)) == [55, 95]


@pytest.mark.parametrize("name", ["FENCE_TYPE", "FENCE_ALT_MAX", "FENCE_MARGIN"])
def test_no_point_is_set_below_a_fence_of_no_height(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: Any, names: Any) -> dict[str, AutopilotParameter]:
        return {one: AutopilotParameter(one, math.nan if one == name else 1.0, 9) for one in names}

    monkeypatch.setattr("firmware_bridge.rally_command.read_parameters", read)
    wire = Wire(*PILOTS)
    with pytest.raises(RallyError, match=f"{name} is no number"):
        publish(wire, sites(1), options(tmp_path))
    assert wire.rally.points == PILOTS


def test_items_are_sent_without_waiting_for_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a listener another wait would hear the next request, and wait within that again."""
    wire, waits = Wire(*PILOTS), []
    monkeypatch.setattr(wire, "connect", lambda: waits.append(1) or SimpleNamespace(system=1, component=1))
    points = read_rally(wire)
    waits.clear()
    assert write_rally(wire, points) == ACCEPTED and len(waits) == 1


def test_sites_of_another_place_are_none(tmp_path: Path) -> None:
    wire = Wire()
    for wrong, words in ((listed(9_000.0, 584.0), "more than 5 km from home"), (listed(50.0, 33_000.0), "500 m above")):
        with pytest.raises(RallyError, match=words):
            publish(wire, [wrong], options(tmp_path))
    assert any("5 km" in note for note in publish(wire, [*sites(1), listed(9_000.0, 584.0)], options(tmp_path)).notes)
    assert len(wire.rally.points) == 1


def test_a_home_that_has_moved_is_said(tmp_path: Path) -> None:
    wire = Wire()
    wire.armed = False
    first = publish(wire, sites(1), options(tmp_path))
    assert any("set anew where it is armed" in note for note in first.notes)
    assert not publish(wire, (), options(tmp_path)).notes
    wire.home = Home(alt_m=584.0 - 40.0)
    (note,) = publish(wire, (), options(tmp_path)).notes
    assert "home lies 40 m lower" in note
    assert not any("lower" in note for note in publish(wire, sites(1), options(tmp_path)).notes)
    assert heights(wire) == [59] and not publish(wire, (), options(tmp_path)).notes


def test_what_the_list_says_against_a_site_is_said(tmp_path: Path) -> None:
    road = listed(50.0, 560.0, surface="road", caution="traffic may come", seen="2026-11-28T12:00:00")
    notes = "\n".join(publish(Wire(), [road], options(tmp_path)).notes)
    assert "lies on road: traffic may come" in notes and "seen last at 2026-11-28T12:00:00" in notes
    assert "24 m below home" in notes


def test_points_in_other_frames_are_others() -> None:
    point = RallyPoint(1, 2, 30.0)
    assert point.same_as(replace(point, frame=mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT_INT))
    assert not point.same_as(replace(point, frame=mavlink.MAV_FRAME_GLOBAL))


def test_a_pilots_point_without_some_numbers_is_no_change_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = RallyPoint.of.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(RallyPoint, "of", lambda message: replace(of(RallyPoint, message), parameters=(math.nan,) * 4))
    wire = Wire(*PILOTS)
    assert len(publish(wire, sites(1), options(tmp_path)).pilots) == 2


@pytest.mark.parametrize(("told", "sent"), [(6, 3), (5, 0), (11, 10), (3, 3), (1, 1)])
def test_a_point_goes_back_in_a_frame_that_px4_flies_home_to(told: int, sent: int) -> None:
    """PX4 tells GLOBAL_RELATIVE_ALT_INT of all, keeps it where it comes back, and its RTL takes no such point."""
    point = replace(RallyPoint(-353_600_000, 1_491_600_000, 20.0), frame=told)
    assert point.item(1, 1, 0).frame == sent and RallyPoint.of(point.item(1, 1, 0)).same_as(point)
