"""Asks the autopilot for the messages we need, and checks that they come. Pure: time is given.

Autopilots are silent but for the heartbeat until SET_MESSAGE_INTERVAL asks. COMMAND_ACK does not say which message it
answers, so one request is out at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_bridge.dialect import command_long, mavlink

NS_PER_S = 1_000_000_000
ANSWER_TIMEOUT_NS = 500_000_000
MISSING_AFTER_NS = 2 * NS_PER_S
LONGEST_PAUSE_NS = 30 * NS_PER_S
SLOW_BELOW = 0.6  # A stream under this part of its asked rate is asked for again
TRIES_BEFORE_SUBSTITUTE = 2

# Messages that replace others where those do not come
SUBSTITUTES = {"ATTITUDE_QUATERNION": "ATTITUDE", "GIMBAL_DEVICE_ATTITUDE_STATUS": "MOUNT_ORIENTATION"}

MESSAGE_IDS: dict[str, int] = {kind.msgname: number for number, kind in mavlink.mavlink_map.items()}


class RateMeter:
    """Messages per second over the last two seconds."""

    WINDOW_NS = 2 * NS_PER_S

    def __init__(self) -> None:
        self._stamps: deque[int] = deque(maxlen=2000)
        self.last_ns: int | None = None

    def count(self, at_ns: int) -> None:
        """One message has come."""
        self._stamps.append(at_ns)
        self.last_ns = at_ns

    def rate_hz(self, now_ns: int) -> float:
        """Rate over the window; over the time since the first message while that is shorter."""
        while self._stamps and self._stamps[0] < now_ns - self.WINDOW_NS:
            self._stamps.popleft()
        if len(self._stamps) < 2:
            return len(self._stamps) / (self.WINDOW_NS / NS_PER_S)
        # 0.2 s: two messages in one packet are not a rate of thousands.
        span_ns = max(self._stamps[-1] - self._stamps[0], 200_000_000)
        rate_hz = (len(self._stamps) - 1) * NS_PER_S / span_ns
        # A silence longer than a period counts too.
        silence_ns = now_ns - self._stamps[0]
        return min(rate_hz, len(self._stamps) * NS_PER_S / max(silence_ns, 1))


@dataclass
class _StreamRequest:
    name: str
    rate_hz: float
    next_ask_ns: int = 0
    pause_ns: int = MISSING_AFTER_NS
    asked: int = 0


class StreamRequests:
    """Asks until every stream comes at its rate, less and less often.

    A substitute is asked for, at the same rate, when its original is refused or does not come.
    """

    def __init__(self, rates_hz: Mapping[str, float], substitutes: Mapping[str, str] | None = None) -> None:
        unknown = [name for name in rates_hz if name not in MESSAGE_IDS]
        if unknown:
            raise KeyError(f"no such MAVLink message: {', '.join(unknown)}")
        self._rates_hz = dict(rates_hz)
        self._substitutes = dict(substitutes or {})
        self._optional: set[str] = set()
        self._streams: dict[str, _StreamRequest] = {}
        self._meters: dict[str, RateMeter] = {}
        self._waiting_for: str | None = None
        self._answer_until_ns = 0
        self.restart(0)

    def add(self, name: str, rate_hz: float, now_ns: int, *, optional: bool = False) -> None:
        """Ask for one more stream, from now on; an optional one is never missing or slow."""
        self._rates_hz[name] = rate_hz
        if optional:
            self._optional.add(name)
        self._streams[name] = _StreamRequest(name, rate_hz, next_ask_ns=now_ns)

    def restart(self, now_ns: int) -> None:
        """Ask for everything anew, as after a reconnect or a reboot."""
        self._streams = {name: _StreamRequest(name, rate, next_ask_ns=now_ns) for name, rate in self._rates_hz.items()}
        self._meters = {}
        self._waiting_for = None

    def on_message(self, name: str, at_ns: int) -> None:
        """A message of the autopilot has come."""
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = RateMeter()
        meter.count(at_ns)

    def on_ack(self, result: int, now_ns: int) -> None:
        """A COMMAND_ACK for SET_MESSAGE_INTERVAL has come."""
        name, self._waiting_for = self._waiting_for, None
        stream = self._streams.get(name) if name else None
        if stream is None:
            return
        if result in (mavlink.MAV_RESULT_DENIED, mavlink.MAV_RESULT_UNSUPPORTED, mavlink.MAV_RESULT_FAILED):
            self._substitute(stream, now_ns)

    def due(self, now_ns: int) -> tuple[int, int] | None:
        """The next request to send now, as (message id, interval in us), or None."""
        if self._waiting_for is not None and now_ns < self._answer_until_ns:
            return None
        self._waiting_for = None
        for stream in tuple(self._streams.values()):
            if now_ns < stream.next_ask_ns or self._satisfied(stream, now_ns):
                continue
            if stream.asked >= TRIES_BEFORE_SUBSTITUTE:
                self._substitute(stream, now_ns)
            stream.asked += 1
            stream.next_ask_ns = now_ns + stream.pause_ns
            stream.pause_ns = min(2 * stream.pause_ns, LONGEST_PAUSE_NS)
            self._waiting_for = stream.name
            self._answer_until_ns = now_ns + ANSWER_TIMEOUT_NS
            return MESSAGE_IDS[stream.name], round(1e6 / stream.rate_hz)
        return None

    def rates_hz(self, now_ns: int) -> dict[str, float]:
        """Rate of every message name seen or asked for."""
        names = {*self._meters, *self._streams}
        return {n: self._rate_hz(n, now_ns) for n in sorted(names)}

    def missing(self, now_ns: int) -> tuple[str, ...]:
        """Asked streams that do not come at all; one whose substitute comes is not missing."""
        return tuple(n for n in self._rates_hz if n not in self._optional and not self._coming(n, now_ns))

    def slow(self, now_ns: int) -> tuple[str, ...]:
        """Asked streams that come, but well under their rate."""
        return tuple(
            n
            for n, asked_hz in self._rates_hz.items()
            if n not in self._optional
            and self._coming(n, now_ns)
            and max(self._rate_hz(n, now_ns), self._rate_hz(self._substitutes.get(n, n), now_ns))
            < SLOW_BELOW * asked_hz
        )

    def _coming(self, name: str, now_ns: int) -> bool:
        return any(
            meter is not None and meter.last_ns is not None and now_ns - meter.last_ns <= MISSING_AFTER_NS
            for meter in (self._meters.get(name), self._meters.get(self._substitutes.get(name, "")))
        )

    def _rate_hz(self, name: str, now_ns: int) -> float:
        meter = self._meters.get(name)
        return 0.0 if meter is None else meter.rate_hz(now_ns)

    def _satisfied(self, stream: _StreamRequest, now_ns: int) -> bool:
        if self._rate_hz(stream.name, now_ns) < SLOW_BELOW * stream.rate_hz:
            return False
        stream.asked = 0
        stream.pause_ns = MISSING_AFTER_NS
        return True

    def _substitute(self, stream: _StreamRequest, now_ns: int) -> None:
        other = self._substitutes.get(stream.name)
        if other is not None and other not in self._streams:
            self._streams[other] = _StreamRequest(other, stream.rate_hz, next_ask_ns=now_ns)


def request_message(system: int, component: int, message_id: int) -> Any:
    """The COMMAND_LONG that asks one component for one message, once."""
    return command_long(system, component, mavlink.MAV_CMD_REQUEST_MESSAGE, message_id)


def set_message_interval(system: int, component: int, message_id: int, interval_us: int) -> Any:
    """The COMMAND_LONG that asks one component for one stream, answers to the asker."""
    return command_long(system, component, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, message_id, interval_us)
