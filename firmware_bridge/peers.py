"""Everybody at the other end of one connection: their frames, their share of our attention.

Each peer has a frame reader of its own, so that nobody's cut frames spoil another's, and a budget, so that nobody's
flood takes the time of the autopilot that is served.
"""

from __future__ import annotations

from firmware_bridge.frames import FrameReader, ReceivedFrame
from firmware_bridge.token_bucket import TokenBucket
from firmware_bridge.transport import Arrival, Peer, Transport

NS_PER_S = 1_000_000_000

MAX_PEERS = 64
PEER_TIMEOUT_NS = 5 * NS_PER_S  # A peer that has said nothing for so long is sent nothing any more
# Limit for each peer other than the served autopilot's, where there are several
STRANGER_BYTES_PER_S = 20_000
STRANGERS_BYTES_PER_S = 100_000  # Limit for all of them together, once an autopilot is served


class _Peer:
    """Frame reader, last arrival and budget of one peer."""

    def __init__(self, peer: Peer) -> None:
        self.reader = FrameReader(peer)
        self.heard_ns = 0
        self.budget = TokenBucket(STRANGER_BYTES_PER_S, STRANGER_BYTES_PER_S)


class PeerTable:
    """The peers of one connection. Its reader's thread takes; any thread may ask who is there.

    Attributes:
        bytes_over: Bytes of strangers beyond their budget, which were not listened to.
    """

    def __init__(self) -> None:
        self.bytes_received = 0
        self.bytes_over = 0
        self._gone_bad = 0
        self._gone_unknown = 0
        self._peers: dict[Peer, _Peer] = {}
        self._present: tuple[Peer, ...] = ()
        self._served: Peer = None
        self._strangers = TokenBucket(STRANGERS_BYTES_PER_S, STRANGERS_BYTES_PER_S)

    @property
    def bytes_bad(self) -> int:
        """Bytes that belonged to no good frame."""
        return self._gone_bad + sum(p.reader.bytes_bad for p in tuple(self._peers.values()))

    @property
    def unknown(self) -> int:
        """Frames of messages that the dialect does not know."""
        return self._gone_unknown + sum(p.reader.unknown for p in tuple(self._peers.values()))

    def clear(self) -> None:
        """The connection is new: half-received frames are dropped, the counters stay."""
        for peer in tuple(self._peers):
            self._forget(peer)
        self._present = ()
        self._served = None

    def serve(self, peer: Peer) -> None:
        """The served autopilot lives there: no budget, and never forgotten."""
        self._served = peer

    def take(self, arrival: Arrival, now_ns: int) -> list[ReceivedFrame]:
        """The frames that bytes completed; none of a stranger who is over the budget."""
        size = len(arrival.data)
        if size == 0:
            return []
        self.bytes_received += size
        known = self._peers.get(arrival.peer)
        if known is None:
            known = self._meet(arrival.peer)
        if now_ns - known.heard_ns > PEER_TIMEOUT_NS // 10 or arrival.peer not in self._present:
            known.heard_ns = now_ns
            self._present = tuple(p for p, k in self._peers.items() if now_ns - k.heard_ns <= PEER_TIMEOUT_NS)
        known.heard_ns = now_ns
        alone = len(self._present) == 1
        if not alone and arrival.peer != self._served:
            shared = self._served is not None
            if not known.budget.open(now_ns) or (shared and not self._strangers.open(now_ns)):
                self.bytes_over += size
                return []
            known.budget.take(size)
            if shared:
                self._strangers.take(size)
        return known.reader.feed(arrival.data)

    def send(self, transport: Transport, frame: bytes, to: tuple[Peer, ...] | None, now_ns: int) -> bool:
        """Write a frame to some peers, or to all who are there; False when nobody got it."""
        if not transport.waits:
            return transport.write(frame)
        present = self._present if to is None else to
        sent = False
        for peer in present:
            known = self._peers.get(peer)
            if to is None and (known is None or now_ns - known.heard_ns > PEER_TIMEOUT_NS):
                continue
            sent |= transport.write(frame, peer)
        return sent

    def _meet(self, peer: Peer) -> _Peer:
        if len(self._peers) >= MAX_PEERS:
            others = (p for p in self._peers if p != self._served)
            self._forget(min(others, key=lambda p: self._peers[p].heard_ns))
        known = self._peers[peer] = _Peer(peer)
        return known

    def _forget(self, peer: Peer) -> None:
        gone = self._peers.pop(peer)
        gone.reader.clear()
        self._gone_bad += gone.reader.bytes_bad
        self._gone_unknown += gone.reader.unknown
