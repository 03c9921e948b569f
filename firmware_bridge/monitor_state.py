"""State of the monitor, from the wire and from the daemon's event log. No socket in here."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.dialect import enum_names, enum_words, mavlink
from firmware_bridge.doctor.session import NS_PER_S, Session
from firmware_bridge.streams import RateMeter
from firmware_bridge.texts import TextAssembler
from landing.terminal import printable
from landing.vehicle import VehicleStatus

LAST = 8  # Texts and events shown
MOST_STATIONS = 12  # Others shown; of more, those heard last
QUIET = frozenset({"flight", "link"})  # Events that fill a screen and tell a pilot nothing
DETAILS = 100  # Letters shown of an event that has no words of its own

FRAMES = enum_names("MAV_FRAME_")
STATES = enum_words("MAV_STATE_")

# Texts that say that something was not taken, or is no longer followed
_REJECTION = re.compile(
    r"frame not supported|not supported|unsupported|denied|reject|refus|PrecLand: (Target Lost|"
    r"Failsafe)|hold:|abort:",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SeenTarget:
    """A LANDING_TARGET on the wire."""

    at_ns: int
    system: int  # Ids of the sender
    component: int
    frame: str  # Its MAV_FRAME, in words
    position_m: tuple[float, float, float] | None  # x, y, z of that frame; None for one of angles only
    angles_rad: tuple[float, float]  # angle_x (right) and angle_y (behind)
    distance_m: float


@dataclass(frozen=True)
class LogLine:
    """One line of somebody."""

    at_ns: int  # Monotonic time, ours
    who: str  # ``autopilot``, ``component 191``, ``daemon``
    text: str
    bad: bool  # A rejection, a failure or a warning


@dataclass
class HeardComponent:
    """A component with a heartbeat on the link."""

    at_ns: int  # Time of the last one
    state: str  # MAV_STATE in words
    kind: int  # MAV_TYPE


@dataclass
class DaemonState:
    """State of the daemon by its event log."""

    state: str = ""  # State of the director
    reason: str = ""  # Reason of that state
    health: str = ""  # Health of the daemon, with its reasons
    sending: bool = False  # Targets go out
    not_sent: str = ""  # Reason why they do not; empty when they do
    site: str = ""  # Site of the decision in words, or the reason for none
    timings_ms: dict[str, Any] = field(default_factory=dict)  # Newest percentiles, by stage


class MonitorState:
    """Takes messages and events, in one thread; `firmware_bridge.monitor_view` shows it."""

    def __init__(self, session: Session | None) -> None:
        self.session = session
        self.target: SeenTarget | None = None
        self.stations: dict[tuple[int, int], HeardComponent] = {}
        self.said: deque[LogLine] = deque(maxlen=LAST)
        self.rejections: deque[LogLine] = deque(maxlen=LAST)
        self.daemon: DaemonState | None = None
        self.news: list[LogLine] = []
        self._targets = RateMeter()
        self._assembler = TextAssembler()
        if session is not None:
            session.listeners.append(self.on_message)

    # --- the wire ---

    def on_message(self, message: Any, now_ns: int) -> None:
        """Take any message heard."""
        kind = message.get_type()
        system, component = message.get_srcSystem(), message.get_srcComponent()
        if kind == "LANDING_TARGET":
            self._on_target(message, now_ns)
        elif kind == "HEARTBEAT":
            if len(self.stations) >= MOST_STATIONS and (system, component) not in self.stations:
                del self.stations[min(self.stations, key=lambda who: self.stations[who].at_ns)]
            self.stations[system, component] = HeardComponent(
                now_ns, STATES.get(message.system_status, str(message.system_status)), message.type
            )
        elif kind == "STATUSTEXT":
            text = self._assembler.add(message, now_ns)
            if text is not None:
                bad = text.severity <= mavlink.MAV_SEVERITY_WARNING
                self._say(now_ns, self._name(system, component), text.text, bad)
        elif kind == "COMMAND_ACK" and message.result not in (
            mavlink.MAV_RESULT_ACCEPTED,
            mavlink.MAV_RESULT_IN_PROGRESS,
        ):
            text_of = f"command {message.command} not taken (MAV_RESULT {message.result})"
            self._say(now_ns, self._name(system, component), text_of, True)

    def _on_target(self, message: Any, now_ns: int) -> None:
        self._targets.count(now_ns)
        position = (message.x, message.y, message.z) if message.position_valid == 1 else None
        self.target = SeenTarget(
            now_ns,
            message.get_srcSystem(),
            message.get_srcComponent(),
            FRAMES.get(message.frame, f"frame {message.frame}"),
            position,
            (message.angle_x, message.angle_y),
            message.distance,
        )

    def _name(self, system: int, component: int) -> str:
        known = self.session.telemetry.autopilot if self.session is not None else None
        if known is not None and (system, component) == (known.system, known.component):
            return "autopilot"
        return (
            f"component {component}" if known and system == known.system else (f"system {system} component {component}")
        )

    def target_rate_hz(self, now_ns: int) -> float:
        """LANDING_TARGET messages a second."""
        return self._targets.rate_hz(now_ns)

    @property
    def loss(self) -> float:
        """Part of the autopilot's frames that did not come, since the start."""
        if self.session is None:
            return 0.0
        heard = self.session.telemetry
        sent = heard.selector.sequence.received + heard.frames_lost
        return heard.frames_lost / sent if sent else 0.0

    def vehicle(self, now_ns: int) -> VehicleStatus | None:
        """Return the last reported state of the autopilot; None without a link."""
        return None if self.session is None else self.session.telemetry.vehicle.status(now_ns)

    # --- the event log ---

    def on_event(self, event: Mapping[str, Any], now_ns: int) -> None:
        """Take one event of the daemon."""
        self.daemon = self.daemon or DaemonState()
        text, bad = _words_of(event, self.daemon)
        if text:
            self._say(now_ns, "daemon", text, bad)

    # --- both ---

    def take_news(self) -> list[LogLine]:
        """Return the lines since the last call."""
        news, self.news = self.news, []
        return news

    def _say(self, at_ns: int, who: str, text: str, bad: bool) -> None:
        said = LogLine(at_ns, who, printable(text), bad)
        self.said.append(said)
        self.news.append(said)
        if bad or _REJECTION.search(text):
            self.rejections.append(said)


def _words_of(event: Mapping[str, Any], daemon: DaemonState) -> tuple[str, bool]:
    """Take an event into the daemon's state; return it in words, and whether it is bad. Empty words are not shown."""
    kind, reason = event["event"], str(event.get("reason"))
    if kind == "transition":
        daemon.state, daemon.reason = str(event.get("to_state")), reason
        return f"{event.get('from_state')} -> {daemon.state}: {reason}", daemon.state in ("hold", "abort")
    if kind == "target-start":
        daemon.sending, daemon.not_sent = True, ""
        return f"targets go out: {reason}", False
    if kind in ("target-refused", "target-stop"):
        daemon.sending, daemon.not_sent = False, reason
        return f"{'targets stop' if kind == 'target-stop' else 'target refused by the link'}: {reason}", True
    if kind == "no-site":
        daemon.site = f"none, {reason}: {event.get('detail')}"
        return f"no site, {reason}: {event.get('detail')}", False
    if kind in ("site-chosen", "site-changed"):
        daemon.site = _site_words(event.get("site"))
        return f"{kind.replace('-', ' ')}: {daemon.site}", False
    if kind == "site-caution":
        surface = event.get("surface")
        return f"site on {surface.get('text') if isinstance(surface, dict) else 'another surface'}", True
    if kind == "health":
        reasons = ", ".join(map(str, event.get("reasons") or ()))
        daemon.health = f"{event.get('state')}{': ' + reasons if reasons else ''}"
        return f"health {daemon.health}", event.get("state") in ("degraded", "failed")
    if kind in ("status", "stop"):
        timings = event.get("timings_ms")
        daemon.timings_ms = timings if isinstance(timings, dict) else daemon.timings_ms
        daemon.state = str(event.get("state", daemon.state))
        daemon.sending = daemon.sending and kind != "stop"
        return f"stopped: {reason}" if kind == "stop" else "", False
    if kind in QUIET:
        return "", False
    return f"{kind} {_details(event)}".rstrip(), kind in ("hang", "map-reset", "crash", "failed")


def _details(event: Mapping[str, Any]) -> str:
    own = ("time", "mono_ns", "event")
    text = ", ".join(f"{k} {v}" for k, v in event.items() if k not in own and v is not None)
    return text if len(text) <= DETAILS else text[: DETAILS - 3] + "..."


def _site_words(site: object) -> str:
    if not isinstance(site, dict):
        return "one"
    position = site.get("position_ned_m") or (math.nan, math.nan)
    surface = site.get("surface")
    on = ""
    if isinstance(surface, dict) and "name" in surface:
        on = f", on {surface['name']}" + (f": {surface['caution']}" if surface.get("caution") else "")
    return f"{position[0]:.1f} N {position[1]:.1f} E, {site.get('clearance_m', math.nan):.1f} m clear{on}"


def age_s(at_ns: int | None, now_ns: int) -> float | None:
    """Seconds since, or None."""
    return None if at_ns is None else max(0, now_ns - at_ns) / NS_PER_S
