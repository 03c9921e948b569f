"""The way in and out of a tool: one connection, opened again when it is lost, signed if need be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from firmware_bridge.connection import make_transport, parse_connection
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import ReceivedFrame
from firmware_bridge.peers import PeerTable
from firmware_bridge.settings import LinkSettings
from firmware_bridge.signing import LinkSigning
from firmware_bridge.stamp_file import StampWriter, load_signing
from firmware_bridge.transport import Peer, Transport
from landing.errors import LinkError

SIGNING_LINK_ID = 192  # Link id of our signatures; the daemon's connections count from 0


class ToolConnection:
    """Frames in, messages out, in one thread.

    Attributes:
        system_id: Our system id: the autopilot's, once it is known.
        error: Reason why it is not open; empty when it is.

    Raises:
        LinkError: The connection string is in none of the known forms, or the signing key cannot be used.
    """

    def __init__(self, settings: LinkSettings, make: Callable[[], Transport] | None = None) -> None:
        endpoint = parse_connection(settings.connection, settings.baud)
        self.system_id = settings.system_id or 1
        self.error = ""
        self._settings = settings
        self._make = make or (lambda: make_transport(endpoint))
        self._transport: Transport | None = None
        self._packer = mavlink.MAVLink(None, self.system_id, settings.component_id)
        self._signing: LinkSigning | None = None
        self._stamps: StampWriter | None = None
        if settings.signing_key is not None:
            # A stamp file of its own: two programs must not write the daemon's.
            stamps = settings.signing_key.with_name(settings.signing_key.name + ".tools.stamp")
            self._signing, self._stamps = load_signing(settings.signing_key, stamps)
            self._stamps.start()

    @property
    def is_open(self) -> bool:
        """Return whether the device or socket is open."""
        return self._transport is not None

    @property
    def unsigned(self) -> str:
        """Reason of a signed link's silence, in words; empty when there is none."""
        settings = self._settings
        return "" if self._signing is None else self._signing.problem(settings.connection, settings.signing_key)

    def open(self) -> bool:
        """Open it; False when that fails, and `error` says why."""
        transport = self._make()
        try:
            transport.open()
        except LinkError as error:
            transport.close()
            self.error = str(error)
            return False
        self._transport, self.error = transport, ""
        return True

    def close(self) -> None:
        """Let go of the connection; it can be opened again."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def end(self) -> None:
        """Let go of all."""
        self.close()
        if self._stamps is not None:
            self._stamps.close()

    def read(self, peers: PeerTable, wait_s: float) -> list[ReceivedFrame]:
        """Frames that have come, of those that may be listened to; closes it when it is lost."""
        if self._transport is None:
            return []
        try:
            arrival = self._transport.read(wait_s)
        except LinkError as error:
            self.error = str(error)
            self.close()
            return []
        frames = peers.take(arrival, time.monotonic_ns())
        signing = self._signing
        return [frame for frame in frames if signing is None or signing.accepts(frame.raw, frame.message.get_msgId())]

    def send(self, message: Any, peers: PeerTable, to: tuple[Peer, ...] | None) -> bool:
        """Send one message, to some or to all; False when the connection takes none now."""
        if self._transport is None:
            return False
        if self._signing is not None:
            self._signing.prepare(self._packer, SIGNING_LINK_ID)
        self._packer.srcSystem = self.system_id
        frame = message.pack(self._packer)
        self._packer.seq = (self._packer.seq + 1) % 256
        return peers.send(self._transport, frame, to, time.monotonic_ns())
