"""Which connections a frame is passed on to. Pure.

A learning switch, as mavlink-router is one: where a sender was heard last is the way to it. Never back to where a frame
came from; nothing that we sent ourselves; and no frame twice, so that two ways between the same two networks do not
become a circle.
"""

from __future__ import annotations

from collections import OrderedDict

from firmware_bridge.addressing import Address, sender_of, target_of
from firmware_bridge.frames import ReceivedFrame

NS_PER_S = 1_000_000_000
REMEMBER_FRAME_NS = 2 * NS_PER_S
REMEMBER_FRAMES = 4096
REMEMBER_SENDER_NS = 60 * NS_PER_S
REMEMBER_SENDERS = 256


class Router:
    """Decides; whoever owns the connections does.

    Args:
        channels: How many connections there are.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._way: OrderedDict[Address, tuple[int, int]] = OrderedDict()
        self._seen: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        self.circles = 0
        """Frames that came a second time, on another connection, and were dropped."""

    def targets(self, frame: ReceivedFrame, origin: int, now_ns: int, own: frozenset[Address]) -> list[int]:
        """Connections to pass a frame on to.

        Args:
            frame: What came.
            origin: Where it came from.
            now_ns: Now.
            own: Our own components: what they send, or is for them alone, goes no further.
        """
        sender = sender_of(frame.message)
        if sender in own or sender.system == 0 or self._is_circle(frame.raw, origin, now_ns):
            return []
        self._learn(sender, origin, now_ns)
        target = target_of(frame.message)
        if target in own:
            return []
        others = [i for i in range(self._channels) if i != origin]
        if target is None or target.system == 0:
            return others
        return [i for i in others if self._leads_to(i, target, now_ns)]

    def _is_circle(self, raw: bytes, origin: int, now_ns: int) -> bool:
        while self._seen:
            _, at_ns = next(iter(self._seen.values()))
            if now_ns - at_ns <= REMEMBER_FRAME_NS and len(self._seen) < REMEMBER_FRAMES:
                break
            self._seen.popitem(last=False)
        first_origin, _ = self._seen.setdefault(raw, (origin, now_ns))
        circle = first_origin != origin
        self.circles += circle
        return circle

    def _learn(self, sender: Address, origin: int, now_ns: int) -> None:
        self._way[sender] = (origin, now_ns)
        self._way.move_to_end(sender)
        if len(self._way) > REMEMBER_SENDERS:
            self._way.popitem(last=False)

    def _leads_to(self, channel: int, target: Address, now_ns: int) -> bool:
        return any(
            at_channel == channel
            and now_ns - at_ns <= REMEMBER_SENDER_NS
            and known.system == target.system
            and target.component in (0, known.component)
            for known, (at_channel, at_ns) in self._way.items()
        )
