"""Streams that depend on which autopilot is served, and on whether commands may be sent."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_bridge.battery import BATTERY_RATE_HZ, BATTERY_STREAM
from firmware_bridge.current_mode import MODE_STREAM, MODE_STREAM_RATE_HZ
from firmware_bridge.estimator_state import ESTIMATOR_RATE_HZ, ESTIMATOR_STREAMS
from firmware_bridge.fence import FENCE_RATE_HZ, FENCE_STREAM
from firmware_bridge.mission import MISSION_RATE_HZ, MISSION_STREAM
from firmware_bridge.settings import PLACE_RATE_HZ, STICK_RATE_HZ, LinkSettings
from landing.vehicle import Autopilot

# Streams of the pilot's sticks; ArduPilot protests aloud when asked for the other
STICK_STREAMS = {Autopilot.ARDUPILOT: "RC_CHANNELS", Autopilot.PX4: "MANUAL_CONTROL"}


def further_streams(settings: LinkSettings, autopilot: Autopilot) -> Iterator[tuple[str, float, bool]]:
    """Give each message's name, its rate in Hz, and whether it may be missing."""
    for name in ESTIMATOR_STREAMS.get(autopilot, ()):
        yield name, ESTIMATOR_RATE_HZ, True
    yield MISSION_STREAM, MISSION_RATE_HZ, True
    if not settings.commands:
        yield "GLOBAL_POSITION_INT", PLACE_RATE_HZ, True
        return
    sticks = STICK_STREAMS.get(autopilot)
    if sticks is None:
        return
    yield sticks, STICK_RATE_HZ, False
    yield BATTERY_STREAM, BATTERY_RATE_HZ, True
    if autopilot is Autopilot.ARDUPILOT:
        yield FENCE_STREAM, FENCE_RATE_HZ, True
    else:
        yield MODE_STREAM, MODE_STREAM_RATE_HZ, True
