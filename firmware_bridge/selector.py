"""Selection of the served autopilot among all that claim to be one. Pure.

Served is the first autopilot heard, or the one with the configured system id. While another one is heard beside it,
nothing tells which of them carries this computer: the choice is *contested*, and nobody is sent a target or a command.
Two peers under one system id count as one autopilot when they bring the same frames, as over two ways of one router,
and as two when they do not.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import MARKER_V2
from firmware_bridge.identity import VEHICLES
from firmware_bridge.sequence import SequenceCounter
from firmware_bridge.transport import Peer, peer_name
from firmware_bridge.vehicle import AutopilotId, autopilot_of, is_armed, is_autopilot_heartbeat
from landing.vehicle import Autopilot

NS_PER_S = 1_000_000_000

CONTESTED_NS = 5 * NS_PER_S  # Another autopilot counts as heard for so long after its last heartbeat
# After so long a silence, on the ground, another autopilot that is alone is served instead
HAND_OVER_NS = 15 * NS_PER_S
STRAY_FRAMES = 10  # After fewer frames than these a silent autopilot is given up at once
FORGET_NS = 60 * NS_PER_S
MAX_CANDIDATES = 64

TWIN_WAIT_NS = NS_PER_S // 2  # Longest delay of the same frame by another way
REMEMBER_FRAMES_NS = 2 * NS_PER_S
REMEMBER_FRAMES = 2048

MAVLINK1_FRAMES = 20
MAVLINK1_NS = 5 * NS_PER_S


class ServedChange(Enum):
    """Change of the served autopilot by a heartbeat."""

    ADOPTED = "adopted"
    MOVED = "moved"
    REPLACED = "replaced"


@dataclass
class HeardAutopilot:
    """An autopilot at one peer."""

    id: AutopilotId
    peer: Peer
    heartbeat_ns: int  # Time of its last heartbeat
    armed: bool = False  # By its last heartbeat
    heard_ns: int = 0  # Time of its last frame
    frames: int = 0
    v2_ns: int | None = None  # Time of its last MAVLink 2 frame
    # Time of the last sign of another vehicle under the served one's id, or, for the served one, when another kind
    # of autopilot spoke as it. None when never.
    other_ns: int | None = None
    unjudged: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=256))
    twins: deque[bool] = field(default_factory=lambda: deque(maxlen=8))

    def __str__(self) -> str:
        kind = {Autopilot.ARDUPILOT: "ArduPilot", Autopilot.PX4: "PX4"}[self.id.autopilot]
        vehicle = VEHICLES.get(self.id.vehicle_type, f"MAV_TYPE {self.id.vehicle_type}")
        where = f" at {peer_name(self.peer)}" if self.peer is not None else ""
        return f"system {self.id.system} ({kind} {vehicle}{where})"


class AutopilotSelector:
    """Takes every message heard on the autopilot's connection.

    Args:
        system_id: The only system to serve; None for the first one heard.
        timeout_ns: An autopilot without a heartbeat for this time is silent.

    Attributes:
        served: The served autopilot; None until one is heard.
        sequence: Sequence numbers of its frames.
        passed_over: The last heartbeat of another sender, in words.
    """

    def __init__(self, system_id: int | None, timeout_ns: int) -> None:
        self._system_id = system_id
        self._timeout_ns = timeout_ns
        self.served: HeardAutopilot | None = None
        self.sequence = SequenceCounter()
        self.passed_over = ""
        self._candidates: dict[tuple[int, Peer], HeardAutopilot] = {}
        self._frames: OrderedDict[bytes, int] = OrderedDict()

    def hear(self, message: Any, peer: Peer, now_ns: int) -> ServedChange | None:
        """Take a message; says what it changed, if anything."""
        change = None
        if message.get_type() == "HEARTBEAT":
            change = self._on_heartbeat(message, peer, now_ns)
        served = self.served
        if served is not None and _is_from(message, served.id):
            self._compare(served, message, peer, now_ns)
        return change

    def speaks(self, message: Any, peer: Peer) -> bool:
        """Return whether a message is the served autopilot's own."""
        served = self.served
        return served is not None and peer == served.peer and _is_from(message, served.id)

    def belongs(self, message: Any, peer: Peer) -> bool:
        """Return whether a message comes from the served vehicle, e.g. from its gimbal."""
        served = self.served
        return (
            served is not None
            and message.get_srcSystem() == served.id.system
            and (peer == served.peer or (served.id.system, peer) not in self._candidates)
        )

    def contested(self, now_ns: int) -> str:
        """Return the reason why the autopilot to serve is not sure, with the next step; empty when it is."""
        served = self.served
        if served is None:
            return ""
        others = [
            c
            for c in self._candidates.values()
            if c.id.system != served.id.system and now_ns - c.heartbeat_ns <= CONTESTED_NS
        ]
        twins = [c for c in self._candidates.values() if c.other_ns is not None and now_ns - c.other_ns <= CONTESTED_NS]
        if now_ns - served.heartbeat_ns > self._timeout_ns and (others or twins):
            return (
                f"{(others or twins)[0]} is heard, but the link serves {served}, which is silent; "
                "restart, or set system_id"
            )
        if others:
            names = ", ".join(map(str, (served, *others[:3])))
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            return (
                f"{1 + len(others)} autopilots are heard: {names}{more}; set system_id to the one "
                "that carries this computer"
            )
        id_advice = "give each vehicle an id of its own (SYSID_THISMAV, ArduPilot from 4.7 MAV_SYSID, PX4 MAV_SYS_ID)"
        if twins:
            names = " and ".join({str(c): None for c in (served, *twins[:3])})
            return f"several vehicles send under one system id: {names}; {id_advice}"
        if self.sequence.shared(now_ns):
            return (
                f"two senders take turns as {served}: their sequence numbers interleave; "
                f"{id_advice}, and lead one way to it"
            )
        return ""

    def mavlink1_only(self, now_ns: int) -> bool:
        """Return whether the served one answers in MAVLink 1 alone."""
        served = self.served
        return (
            served is not None
            and served.frames >= MAVLINK1_FRAMES
            and (served.v2_ns is None or now_ns - served.v2_ns > MAVLINK1_NS)
            and now_ns - served.heard_ns <= MAVLINK1_NS
        )

    def _on_heartbeat(self, message: Any, peer: Peer, now_ns: int) -> ServedChange | None:
        system = message.get_srcSystem()
        if not is_autopilot_heartbeat(message):
            if message.get_srcComponent() == mavlink.MAV_COMP_ID_AUTOPILOT1:
                self.passed_over = _why_not(message) or self.passed_over
            return None
        if self._system_id is not None and system != self._system_id:
            self.passed_over = f"system {system} is heard, but system_id is set to {self._system_id}"
            return None
        found = AutopilotId(system, message.get_srcComponent(), autopilot_of(message), message.type)
        served = self.served
        known = self._candidates.get((system, peer))
        alive = served is not None and now_ns - served.heartbeat_ns <= self._timeout_ns
        if known is None:
            known = self._meet(HeardAutopilot(found, peer, now_ns), now_ns)
        elif known is served and alive and found.autopilot is not known.id.autopilot:
            known.other_ns = now_ns  # an autopilot does not turn into another one in flight
            return None
        known.id, known.heartbeat_ns, known.armed = found, now_ns, is_armed(message)
        if served is None:
            self._serve(known)
            return ServedChange.ADOPTED
        return None if alive or known is served else self._hand_over(served, known, now_ns)

    def _hand_over(self, served: HeardAutopilot, to: HeardAutopilot, now_ns: int) -> ServedChange | None:
        """The served one is silent, and another one speaks."""
        if to.id.system == served.id.system and to.other_ns is None:
            self._serve(to)
            return ServedChange.MOVED
        alone = all(c is to or c is served or now_ns - c.heartbeat_ns > CONTESTED_NS for c in self._candidates.values())
        grounded = not (served.armed or to.armed)
        long = now_ns - served.heartbeat_ns >= HAND_OVER_NS
        if alone and (served.frames < STRAY_FRAMES or (grounded and long)):
            self._serve(to)
            return ServedChange.REPLACED
        return None

    def _serve(self, to: HeardAutopilot) -> None:
        self.served = to
        to.other_ns = None
        to.unjudged.clear()
        to.twins.clear()
        self.sequence.restart()
        self._frames.clear()

    def _meet(self, new: HeardAutopilot, now_ns: int) -> HeardAutopilot:
        for key, known in tuple(self._candidates.items()):
            if known is not self.served and now_ns - known.heartbeat_ns > FORGET_NS:
                del self._candidates[key]
        if len(self._candidates) >= MAX_CANDIDATES:
            others = [k for k, c in self._candidates.items() if c is not self.served]
            del self._candidates[min(others, key=lambda k: self._candidates[k].heartbeat_ns)]
        self._candidates[new.id.system, new.peer] = new
        return new

    def _compare(self, served: HeardAutopilot, message: Any, peer: Peer, now_ns: int) -> None:
        """Count what the served one sends, and judge who sends under its id from elsewhere."""
        raw = bytes(message.get_msgbuf())
        if peer == served.peer:
            served.heard_ns = now_ns
            served.frames += 1
            if raw[0] == MARKER_V2:
                served.v2_ns = now_ns
            if raw not in self._frames:
                self.sequence.add(message, now_ns)
            self._frames[raw] = now_ns
            self._frames.move_to_end(raw)
            while len(self._frames) > REMEMBER_FRAMES or (
                now_ns - next(iter(self._frames.values())) > REMEMBER_FRAMES_NS
            ):
                self._frames.popitem(last=False)
        else:
            other = self._candidates.get((served.id.system, peer))
            if other is not None:
                other.unjudged.append((now_ns, raw))
        for other in self._candidates.values():
            if other is not served and other.unjudged:
                self._judge(other, served, now_ns)

    def _judge(self, other: HeardAutopilot, served: HeardAutopilot, now_ns: int) -> None:
        """Another vehicle, unless most of its frames come from the served one's peer as well."""
        while other.unjudged and now_ns - other.unjudged[0][0] > TWIN_WAIT_NS:
            at_ns, raw = other.unjudged.popleft()
            if served.heard_ns <= at_ns:
                continue  # the served one has fallen silent: this may be it, from a new port
            other.twins.append(raw in self._frames)
            if 2 * sum(other.twins) < len(other.twins):
                other.other_ns = now_ns


def _is_from(message: Any, who: AutopilotId) -> bool:
    return (message.get_srcSystem(), message.get_srcComponent()) == (who.system, who.component)


def _why_not(heartbeat: Any) -> str:
    """Return the reason why an autopilot component is not served; empty where it needs no words."""
    system = heartbeat.get_srcSystem()
    if heartbeat.autopilot == mavlink.MAV_AUTOPILOT_INVALID:
        return ""
    if autopilot_of(heartbeat) is Autopilot.UNKNOWN:
        return f"system {system} is neither ArduPilot nor PX4; none else is supported"
    kind = VEHICLES.get(heartbeat.type, f"MAV_TYPE {heartbeat.type}")
    return f"system {system} is a {kind}; only what can hover is served"
