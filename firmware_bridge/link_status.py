"""Puts a `LinkStatus` together from what the parts of a link know."""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.report import ChannelStatus, LinkStatus, SigningStatus
from firmware_bridge.signing import LinkSigning
from firmware_bridge.telemetry import Telemetry

NS_PER_S = 1_000_000_000


def link_status(
    heard: Telemetry,
    flight: ChannelStatus,
    ground_stations: tuple[ChannelStatus, ...],
    signing: SigningStatus | None,
    signing_key: Path | None,
    timesync_answered: int,
    now_ns: int,
) -> LinkStatus:
    """The state of a link at one moment.

    Args:
        heard: Of the autopilot; its lock is held.
        flight: The autopilot's connection.
        ground_stations: The others.
        signing: None on an unsigned link.
        signing_key: File of the key, for the advice.
        timesync_answered: How many of the autopilot's questions were answered.
        now_ns: Our monotonic time.
    """
    age_ns = heard.vehicle.heartbeat_age_ns(now_ns)
    return LinkStatus(
        connection=flight.connection,
        connected=flight.connected,
        alive=heard.vehicle.alive(now_ns),
        heartbeat_age_s=None if age_ns is None else age_ns / NS_PER_S,
        autopilot=heard.vehicle.autopilot,
        system_id=None if heard.autopilot is None else heard.autopilot.system,
        rates_hz=heard.streams.rates_hz(now_ns),
        missing=heard.streams.missing(now_ns),
        slow=heard.streams.slow(now_ns),
        bytes_received=flight.bytes_received,
        bytes_bad=flight.bytes_bad,
        dropped_writes=flight.dropped_writes,
        frames_lost=heard.frames_lost,
        sequence_turns=heard.selector.sequence.turns,
        bytes_over=heard.peers.bytes_over,
        reconnects=max(0, flight.opened - 1),
        reboots=heard.reboots,
        position_resets=heard.history.position_resets,
        last_error=heard.last_error,
        alarms=heard.alarms(now_ns),
        problems=(
            *_signing_problems(flight.connection, signing, signing_key),
            *heard.problems(flight.connected, now_ns),
        ),
        clock_offset_ns=heard.clock.offset_ns,
        clock_uncertainty_ns=heard.clock.uncertainty_ns,
        timesync_answered=timesync_answered,
        ground_stations=ground_stations,
        signing=signing,
    )


def signing_status(signing: LinkSigning | None) -> SigningStatus | None:
    """What signatures have decided; None on an unsigned link."""
    if signing is None:
        return None
    return SigningStatus(signing.accepted, signing.unsigned, signing.forged)


def _signing_problems(where: str, status: SigningStatus | None, key: Path | None) -> list[str]:
    if status is None or status.accepted or not status.unsigned + status.forged:
        return []
    how = "unsigned" if status.unsigned else "signed with another key"
    return [f"{where}: {status.unsigned + status.forged} frames ignored, {how}; give the autopilot the key of {key}"]
