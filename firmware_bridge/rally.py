"""Rally points by MAVLink's mission protocol: read, planned, written and read back.

https://mavlink.io/en/services/mission.html with MAV_MISSION_TYPE_RALLY. An upload replaces the whole list, so what is
there is read first and goes back as it was, the pilot's own points before ours. No field of a rally point says who set
it (ArduPilot and PX4 keep place and altitude alone), so ours are told by remembering them exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from firmware_bridge.dialect import enum_words, mavlink
from firmware_bridge.doctor.session import Session
from firmware_bridge.vehicle import AutopilotId
from landing.errors import LinkError
from landing.globe import GlobalPlace

RALLY: int = mavlink.MAV_MISSION_TYPE_RALLY
ACCEPTED: int = mavlink.MAV_MISSION_ACCEPTED
NO_SPACE: int = mavlink.MAV_MISSION_NO_SPACE
RESULT_WORDS = enum_words("MAV_MISSION_")
TRIES, ANSWER_S = 5, 1.0
UPLOAD_S = 30.0  # ArduPilot gives up an upload after 8 s of silence, PX4 after 5 s
MOST_POINTS = 250  # ArduPilot numbers them in a byte
SAME_E7 = 1  # PX4 keeps degrees as floats: the last digit may come back rounded
SAME_ALTITUDE_M = 0.5  # ArduPilot keeps whole metres, and ours are whole
ALTITUDE_FROM = {  # Two names of a frame of global places: what altitudes count from is the same
    mavlink.MAV_FRAME_GLOBAL_INT: mavlink.MAV_FRAME_GLOBAL,
    mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT_INT: mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT,
    mavlink.MAV_FRAME_GLOBAL_TERRAIN_ALT_INT: mavlink.MAV_FRAME_GLOBAL_TERRAIN_ALT,
}


class RallyError(LinkError):
    """Rally points that could not be read or written."""


@dataclass(frozen=True)
class RallyPoint:
    """A rally point as the autopilot holds it."""

    latitude_e7: int  # Degrees times 10^7, as the longitude
    longitude_e7: int
    altitude_m: float  # In `frame`
    frame: int = mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT
    parameters: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    command: int = mavlink.MAV_CMD_NAV_RALLY_POINT

    @property
    def place(self) -> GlobalPlace:
        """Its place, without an altitude above the sea."""
        return GlobalPlace(self.latitude_e7 * 1e-7, self.longitude_e7 * 1e-7)

    def same_as(self, other: RallyPoint) -> bool:
        """Tell whether it is another one after a journey through an autopilot's memory."""
        return (
            ALTITUDE_FROM.get(self.frame, self.frame) == ALTITUDE_FROM.get(other.frame, other.frame)
            and abs(self.latitude_e7 - other.latitude_e7) <= SAME_E7
            and abs(self.longitude_e7 - other.longitude_e7) <= SAME_E7
            and (
                self.altitude_m == other.altitude_m  # infinite ones too
                or abs(self.altitude_m - other.altitude_m) <= SAME_ALTITUDE_M
                or (math.isnan(self.altitude_m) and math.isnan(other.altitude_m))
            )
        )

    def item(self, system: int, component: int, number: int) -> Any:
        """Its MISSION_ITEM_INT, by the frame's plain name: PX4 takes the other as well, and its RTL then refuses it."""
        return mavlink.MAVLink_mission_item_int_message(
            system,
            component,
            number,
            ALTITUDE_FROM.get(self.frame, self.frame),
            self.command,
            0,
            1,
            *self.parameters,
            self.latitude_e7,
            self.longitude_e7,
            self.altitude_m,
            RALLY,
        )

    @classmethod
    def of(cls, message: Any) -> RallyPoint:
        """Read a MISSION_ITEM_INT."""
        given = (message.param1, message.param2, message.param3, message.param4)
        return cls(message.x, message.y, message.z, message.frame, given, message.command)


def without(points: Iterable[RallyPoint], others: Sequence[RallyPoint]) -> list[RallyPoint]:
    """Return the points that none of the others is."""
    return [point for point in points if not any(point.same_as(other) for other in others)]


def read_rally(session: Session) -> list[RallyPoint]:
    """Read the autopilot's rally points.

    Raises:
        RallyError: It does not answer, or refuses.
    """
    to = session.connect()
    request = mavlink.MAVLink_mission_request_list_message(to.system, to.component, RALLY)
    count = session.ask(partial(session.send, request), partial(_count_of, session), tries=TRIES, timeout_s=ANSWER_S)
    if count is None:
        raise RallyError("the autopilot does not tell its rally points: no MISSION_COUNT; does it know rally points?")
    if count < 0:
        raise RallyError(f"the autopilot does not tell its rally points: {_words(-count)}; try again")
    if count > MOST_POINTS:
        raise RallyError(f"the autopilot tells of {count} rally points, at most {MOST_POINTS} expected")
    points = []
    for number in range(count):
        ask = mavlink.MAVLink_mission_request_int_message(to.system, to.component, number, RALLY)
        got = session.ask(
            partial(session.send, ask), partial(_point_of, session, number), tries=TRIES, timeout_s=ANSWER_S
        )
        if got is None:
            raise RallyError(f"the autopilot does not tell rally point {number + 1} of {count}; try again")
        points.append(got)
    session.send(mavlink.MAVLink_mission_ack_message(to.system, to.component, ACCEPTED, RALLY))
    return points


def write_rally(session: Session, points: Sequence[RallyPoint]) -> int:
    """Replace the autopilot's rally points by these, all of them; return the MAV_MISSION_RESULT.

    Raises:
        RallyError: It does not answer to the end; nobody knows then what it holds.
    """
    to = session.connect()
    if not points:
        clear = mavlink.MAVLink_mission_clear_all_message(to.system, to.component, RALLY)
        result = session.ask(partial(session.send, clear), partial(_result_of, session), tries=TRIES, timeout_s=2.0)
        if result is None:
            raise RallyError("the autopilot does not answer to MISSION_CLEAR_ALL of its rally points; try again")
        return result
    count = mavlink.MAVLink_mission_count_message(to.system, to.component, len(points), RALLY)
    upload = _Upload(session, to, points)
    session.listeners.append(upload.on_message)
    try:
        for _ in range(TRIES):
            session.send(count)
            session.listen(ANSWER_S, until=lambda: upload.begun)
            if upload.begun:
                break
        session.listen(UPLOAD_S, until=lambda: upload.result is not None)
    finally:
        session.listeners.remove(upload.on_message)
    if upload.result is None:
        raise RallyError("the upload of rally points did not come to its end; read them before you rely on them")
    return upload.result


def refusal(result: int, points: int) -> RallyError:
    """Return the error of a result other than ACCEPTED."""
    if result == NO_SPACE:
        return RallyError(f"the autopilot has no room for {points} rally points; the ones there stay as they are")
    return RallyError(f"the autopilot refused the rally points: {_words(result)}")


class _Upload:
    """Answers the autopilot's requests for items until it acknowledges the whole.

    An acceptance before the last item was sent is a late answer to something else, and is not the end.
    """

    def __init__(self, session: Session, to: AutopilotId, points: Sequence[RallyPoint]) -> None:
        self.begun = False
        self.result: int | None = None
        self._session, self._to = session, to
        self._points = points
        self._sent_last = False

    def on_message(self, message: Any, _: int) -> None:
        session = self._session
        if self.result is not None or not session.is_autopilot(message):
            return
        if message.get_type() in ("MISSION_REQUEST", "MISSION_REQUEST_INT"):
            if message.mission_type != RALLY or not _is_to_us(session, message):
                return
            self.begun = True
            if message.seq < len(self._points):
                session.send(self._points[message.seq].item(self._to.system, self._to.component, message.seq))
                self._sent_last = self._sent_last or message.seq == len(self._points) - 1
            return
        result = _result_of(session, message)
        if result == ACCEPTED and not self._sent_last:
            return
        # An answer to an item that was sent twice is not the end.
        if result is not None and result != mavlink.MAV_MISSION_INVALID_SEQUENCE:
            self.begun, self.result = True, result


def _is_to_us(session: Session, message: Any) -> bool:
    own = (session.telemetry.own_system, session.settings.component_id)
    return message.target_system in (0, own[0]) and message.target_component in (0, own[1])


def _count_of(session: Session, message: Any) -> int | None:
    """Count of a MISSION_COUNT, or less than 0 for a refusal."""
    if message.get_type() == "MISSION_COUNT" and message.mission_type == RALLY and _is_to_us(session, message):
        return int(message.count)
    result = _result_of(session, message)
    return None if result in (None, ACCEPTED) else -int(result or 0)


def _point_of(session: Session, number: int, message: Any) -> RallyPoint | None:
    if message.get_type() != "MISSION_ITEM_INT" or message.mission_type != RALLY or message.seq != number:
        return None
    if not _is_to_us(session, message):
        return None
    return RallyPoint.of(message)


def _result_of(session: Session, message: Any) -> int | None:
    if message.get_type() != "MISSION_ACK" or message.mission_type != RALLY or not _is_to_us(session, message):
        return None
    return int(message.type)


def _words(result: int) -> str:
    return RESULT_WORDS.get(result, f"MAV_MISSION_RESULT {result}")
