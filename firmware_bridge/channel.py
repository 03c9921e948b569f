"""One connection: a reader thread that opens it again after every loss, and three ways out of it.

`Channel.send` goes out at once and never waits. `Channel.post` is for answers: they wait in a short queue for a share
of the line, so that no landing target waits behind them, however often somebody asks. `Channel.reply` is for answers
about the time, which are sent at once: those beyond a share of their own are left out.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from firmware_bridge.connection import Endpoint
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import ReceivedFrame
from firmware_bridge.peers import PeerTable
from firmware_bridge.report import ChannelStatus, Refusal, SendResult
from firmware_bridge.settings import LinkSettings
from firmware_bridge.signing import LinkSigning
from firmware_bridge.token_bucket import TokenBucket
from firmware_bridge.transport import NOTHING, Arrival, Peer, Transport
from landing.errors import LinkError

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 0.02
FLIGHT_JOIN_TIMEOUT_S = 5.0
# A ground station that does not answer a TCP connect must not hold up the end of the daemon
GROUND_JOIN_TIMEOUT_S = 0.5
QUEUE_FRAMES = 256

ANSWER_SHARE = 0.25  # Part of a serial line that answers may take; the rest is the flight's
ANSWER_BYTES_PER_S = 64_000
ANSWER_BURST_BYTES = 600

# Limit of bytes read from a ground station. More is left to the network to drop: a flood costs us this much work and
# no more. On the autopilot's own connection `PeerTable` limits strangers.
INTAKE_BYTES_PER_S = 100_000
TICK_NS = 5_000_000  # Between ticks, while nothing that comes may be listened to
OWN_HEARTBEATS = 64  # Own heartbeats remembered, to tell their echo from somebody else's
ECHO_NS = 5_000_000_000

# Called with ``"rx"`` or ``"tx"``, our monotonic time in ns, and one frame's bytes
Observer = Callable[[str, int, bytes], None]


class ChannelUser(Protocol):
    """Receiver of a channel's frames and events. Called in the channel's thread; must not wait."""

    def opened(self, channel: Channel, now_ns: int) -> None:
        """The connection is new."""

    def heard(self, channel: Channel, frame: ReceivedFrame, now_ns: int) -> None:
        """A frame has come that may be listened to."""

    def tick(self, channel: Channel, now_ns: int) -> None:
        """Something may be due; at least every 20 ms while the connection is open."""

    def failed(self, channel: Channel, reason: str) -> None:
        """The connection is lost or cannot be opened."""


class Channel:
    """One connection, its reader thread and its way out. Nothing here raises into a sender.

    Args:
        index: From 0, the autopilot's connection; also the link id in signatures.
        endpoint: A serial line's speed sets the share of answers.
        make: Makes a new transport for every attempt.
        signing: Signs what goes and judges what comes; None leaves both alone.

    Attributes:
        observers: Called with every frame received and sent, those sent in the order on the wire. They must not
            wait, nor send. One that raises OSError or ValueError is removed.
    """

    def __init__(
        self,
        settings: LinkSettings,
        index: int,
        endpoint: Endpoint,
        make: Callable[[], Transport],
        user: ChannelUser,
        peers: PeerTable,
        signing: LinkSigning | None = None,
    ) -> None:
        self._settings = settings
        self._index = index
        self._name = (settings.connection, *settings.ground_stations)[index]
        self.observers: list[Observer] = []
        self._make = make
        self._user = user
        self.peers = peers
        self._signing = signing
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._opened = 0
        self._last_error = ""
        self._intake = TokenBucket(INTAKE_BYTES_PER_S, INTAKE_BYTES_PER_S / 10) if index else None
        # Guarded by _write_lock: the way out.
        self._write_lock = threading.Lock()
        self._transport: Transport | None = None
        self._system_id = settings.system_id or 1
        self._packers: dict[int, mavlink.MAVLink] = {}
        self._dropped = 0
        self._taken = True
        self._queue: deque[tuple[Any, int, tuple[Peer, ...] | None]] = deque()
        self._own_heartbeats: deque[tuple[int, bytes]] = deque(maxlen=OWN_HEARTBEATS)
        serial = endpoint.kind == "serial"
        # 10 bits on the line per byte: 8 data bits between a start and a stop bit.
        share = ANSWER_SHARE * endpoint.baud / 10 if serial else ANSWER_BYTES_PER_S
        self._answers = TokenBucket(share, ANSWER_BURST_BYTES)
        self._clock_answers = TokenBucket(share, ANSWER_BURST_BYTES)

    # --- life ---

    def start(self) -> None:
        """Begin to connect and listen. Returns at once; calling it again does nothing."""
        if self._thread is not None:
            return
        self._stop = threading.Event()
        name = f"ground-link-{self._index}" if self._index else "flight-link"
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `close` waits for it."""
        self._stop.set()

    def close(self) -> None:
        """Stop listening and let go of the connection. Calling it again does nothing."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        thread.join(GROUND_JOIN_TIMEOUT_S if self._index else FLIGHT_JOIN_TIMEOUT_S)
        if thread.is_alive():
            log.warning("link %s: reader has not ended in time", self._name)

    def status(self) -> ChannelStatus:
        """State of the connection."""
        with self._write_lock:
            return ChannelStatus(
                connection=self._name,
                connected=self._transport is not None,
                opened=self._opened,
                bytes_received=self.peers.bytes_received,
                bytes_bad=self.peers.bytes_bad,
                dropped_writes=self._dropped,
                taken=self._taken,
                last_error=self._last_error,
            )

    # --- the way out ---

    def speak_as(self, system_id: int) -> None:
        """Send with another system id from now on."""
        if system_id != self._system_id:
            with self._write_lock:
                self._system_id = system_id

    def send(self, message: Any, component_id: int | None = None, to: tuple[Peer, ...] | None = None) -> SendResult:
        """Send a message at once, to some peers or to all who are there, or say why not."""
        component = self._settings.component_id if component_id is None else component_id
        with self._write_lock:
            if self._transport is None:
                self._dropped += 1
                return SendResult(Refusal.NOT_CONNECTED, f"{self._name} is not open")
            now_ns = time.monotonic_ns()
            frame = self._framed(message, component)
            if message.get_type() == "HEARTBEAT":
                self._own_heartbeats.append((now_ns, frame))
            return self._write(frame, to, now_ns)

    def reply(self, message: Any, to: tuple[Peer, ...]) -> bool:
        """Send an answer that is of no use later: at once, or not at all beyond a share of the line."""
        with self._write_lock:
            now_ns = time.monotonic_ns()
            if self._transport is None or not self._clock_answers.open(now_ns):
                self._dropped += 1
                return False
            frame = self._framed(message, self._settings.component_id)
            self._clock_answers.take(len(frame))
            return self._write(frame, to, now_ns).sent

    def post(self, message: Any, component_id: int | None = None, to: tuple[Peer, ...] | None = None) -> bool:
        """Queue an answer; False when the queue is full."""
        component = self._settings.component_id if component_id is None else component_id
        with self._write_lock:
            if self._transport is None or len(self._queue) >= QUEUE_FRAMES:
                self._dropped += 1
                return False
            self._queue.append((message, component, to))
            return True

    def said(self, heartbeat: bytes, now_ns: int) -> bool:
        """Return whether a HEARTBEAT is one that we sent here in the last seconds."""
        with self._write_lock:
            return any(frame == heartbeat and now_ns - at_ns <= ECHO_NS for at_ns, frame in self._own_heartbeats)

    def _framed(self, message: Any, component_id: int) -> bytes:
        packer = self._packers.get(component_id)
        if packer is None:
            packer = self._packers[component_id] = mavlink.MAVLink(None)
            packer.srcComponent = component_id
        packer.srcSystem = self._system_id
        if self._signing is not None:
            self._signing.prepare(packer, self._index)
        frame: bytes = message.pack(packer)
        packer.seq = (packer.seq + 1) % 256
        return frame

    def _write(self, frame: bytes, to: tuple[Peer, ...] | None, now_ns: int) -> SendResult:
        assert self._transport is not None
        self._taken = self.peers.send(self._transport, frame, to, now_ns)
        if not self._taken:
            self._dropped += 1
            return SendResult(Refusal.DROPPED, f"{self._name} takes no bytes now")
        self._observe("tx", now_ns, frame)
        return SendResult()

    def _send_posted(self, now_ns: int) -> None:
        while True:
            with self._write_lock:
                if not self._queue or self._transport is None or not self._answers.open(now_ns):
                    return
                message, component, to = self._queue.popleft()
                frame = self._framed(message, component)
                self._answers.take(len(frame))
                self._write(frame, to, time.monotonic_ns())

    # --- the reader thread ---

    def _run(self, stop: threading.Event) -> None:
        pause_s = self._settings.reconnect_first_s
        while not stop.is_set():
            transport = self._make()
            try:
                transport.open()
                self._adopt(transport)
                if self._listen(transport, stop):
                    pause_s = self._settings.reconnect_first_s
            except LinkError as error:
                self._failed(str(error))
            finally:
                with self._write_lock:
                    was_open, self._transport = self._transport is not None, None
                    self._queue.clear()
                transport.close()
            if was_open and not stop.is_set():
                log.warning("link %s: lost, opening it again", self._name)
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, self._settings.reconnect_longest_s)

    def _adopt(self, transport: Transport) -> None:
        self._opened += 1
        self.peers.clear()
        self._user.opened(self, time.monotonic_ns())
        with self._write_lock:
            self._transport, self._taken = transport, True
        log.info("link %s: open", self._name)

    def _listen(self, transport: Transport, stop: threading.Event) -> bool:
        """Read until told to stop or lost. True when anything was heard, for the back-off."""
        heard = False
        ticked_ns = 0
        try:
            while not stop.is_set():
                now_ns = time.monotonic_ns()
                if self._intake is not None and not self._intake.open(now_ns):
                    stop.wait(READ_TIMEOUT_S)
                    arrival = NOTHING
                else:
                    arrival = transport.read(READ_TIMEOUT_S)
                now_ns = time.monotonic_ns()
                if arrival.data:
                    heard = True
                    if not self._take(arrival, now_ns) and now_ns - ticked_ns < TICK_NS:
                        continue
                ticked_ns = now_ns
                self._user.tick(self, now_ns)
                self._send_posted(now_ns)
        except LinkError as error:
            self._failed(str(error))
        return heard

    def _take(self, arrival: Arrival, now_ns: int) -> bool:
        """Hand on the frames of an arrival; False when there were none."""
        if self._intake is not None:
            self._intake.take(len(arrival.data))
        frames = self.peers.take(arrival, now_ns)
        for frame in frames:
            if self._signing is None or self._signing.accepts(frame.raw, frame.message.get_msgId()):
                self._user.heard(self, frame, now_ns)
                self._observe("rx", now_ns, frame.raw)
        return bool(frames)

    def _failed(self, reason: str) -> None:
        changed, self._last_error = reason != self._last_error, reason
        self._user.failed(self, reason)
        if changed:
            log.warning("%s", reason)

    def _observe(self, direction: str, at_ns: int, frame: bytes) -> None:
        for observer in tuple(self.observers):
            try:
                observer(direction, at_ns, frame)
            except (OSError, ValueError) as error:
                log.warning("link observer removed: %s", error)
                with contextlib.suppress(ValueError):  # a sender and the reader may both have seen it fail
                    self.observers.remove(observer)
