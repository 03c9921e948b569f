"""Hands what the connections bring to pose, clock and answers; called in the connections' threads.

Only the autopilot's connection moves the pose and synchronises clocks. Questions are answered on every connection.
"""

from __future__ import annotations

import threading
import time
from functools import partial

from firmware_bridge.addressing import sender_of
from firmware_bridge.channel import Channel
from firmware_bridge.component import QUESTIONS, AnswerContext, Component
from firmware_bridge.frames import ReceivedFrame
from firmware_bridge.parameters import ParameterTable
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from firmware_bridge.timesync import Timesync

ECHO_OF_LAST_RUN_NS = 1_000_000_000  # For so long after the start an echo may be of what the run before us sent


class LinkDispatcher:
    """The `firmware_bridge.channel.ChannelUser` of a link's connections; its `lock` guards its `telemetry`."""

    def __init__(self, settings: LinkSettings, parameters: ParameterTable) -> None:
        self.lock = threading.Lock()
        self.telemetry = Telemetry(settings)
        self.timesync_answered = 0
        self._timesync = Timesync()
        self._own_from_ns = time.monotonic_ns() + ECHO_OF_LAST_RUN_NS
        self._component_id = settings.component_id
        # Guarded by _ask_lock: what is asked of us. A question may be answered from a disk, so what the flight needs
        # never waits for this lock, and it is never taken together with `lock`.
        self._ask_lock = threading.Lock()
        self._component = Component(settings.component_id, parameters, settings.video, time.monotonic_ns())
        self._channels: tuple[Channel, ...] = ()

    def connect(self, channels: tuple[Channel, ...]) -> None:
        """Take the connections, before any of them is started; the first is the autopilot's."""
        self._channels = channels

    def opened(self, channel: Channel, now_ns: int) -> None:
        """A connection is new."""
        if channel is self._channels[0]:
            with self.lock:
                self.telemetry.streams.restart(now_ns)
                self._timesync.restart()

    def failed(self, channel: Channel, reason: str) -> None:
        """A connection is lost, or cannot be opened."""
        if channel is self._channels[0]:
            with self.lock:
                self.telemetry.last_error = reason

    def tick(self, channel: Channel, now_ns: int) -> None:
        """Ask the autopilot for what is due."""
        if channel is not self._channels[0]:
            return
        with self.lock:
            autopilot = self.telemetry.autopilot
            to = (self.telemetry.peer,)
            request = self.telemetry.request(now_ns)
            question = None
            if autopilot is not None and self.telemetry.vehicle.alive(now_ns):
                question = self._timesync.question(now_ns, autopilot.system, autopilot.component)
        for message in (request, question):
            if message is not None:
                channel.send(message, to=to)

    def heard(self, channel: Channel, frame: ReceivedFrame, now_ns: int) -> None:
        """A frame has come."""
        system = self.telemetry.own_system
        if sender_of(frame.message) in self._component.own(system):
            self._on_own(frame, now_ns)
            return
        if frame.message.get_type() == "TIMESYNC":
            self._on_timesync(channel, frame, now_ns)
        if channel is self._channels[0]:
            with self.lock:
                self.telemetry.take(frame.message, now_ns, frame.peer)
                if self.telemetry.autopilot is not None:
                    channel.peers.serve(self.telemetry.peer)
                system = self.telemetry.own_system
            for each in self._channels:
                each.speak_as(system)
        if frame.message.get_type() in QUESTIONS:
            self._answer(channel, frame, system, now_ns)

    def _on_own(self, frame: ReceivedFrame, now_ns: int) -> None:
        """Take a frame with our own ids: an echo of ours, or somebody else's."""
        if frame.message.get_type() != "HEARTBEAT" or now_ns < self._own_from_ns:
            return
        if any(channel.said(frame.raw, now_ns) for channel in self._channels):
            return
        with self.lock:
            if self.telemetry.autopilot is not None:  # before, our system id is a guess
                self.telemetry.on_own_ids(frame.peer, now_ns)

    def _on_timesync(self, channel: Channel, frame: ReceivedFrame, now_ns: int) -> None:
        flight = channel is self._channels[0]
        own = (self.telemetry.own_system, self._component_id)
        reply = self._timesync.reply(frame.raw, frame.message, now_ns, own)
        if reply is not None:
            # At once: what an answer waits here, the asker takes for a delay on the way.
            sent = channel.reply(reply, (frame.peer,))
            self.timesync_answered += sent and flight
        elif flight:
            with self.lock:
                if not self.telemetry.selector.speaks(frame.message, frame.peer):
                    return
                answer = self._timesync.answer(frame.message, now_ns)
                if answer is not None:
                    self.telemetry.synchronise(answer)

    def _answer(self, channel: Channel, frame: ReceivedFrame, system: int, now_ns: int) -> None:
        with self.lock:
            vehicle = self.telemetry.vehicle.status(now_ns)
        with self._ask_lock:
            around = AnswerContext(system, vehicle, now_ns)
            self._component.take(frame.message, around, partial(channel.post, to=(frame.peer,)))
