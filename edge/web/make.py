"""The web server of a daemon, from its configuration."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.config import EdgeConfig
from edge.resolved import ResolvedFlight
from edge.timings import Timings
from edge.web.access import read_token
from edge.web.feed import Feed
from edge.web.metrics import DaemonCollector, RecorderCounts, make_registry
from edge.web.server import WebServer, WebSettings
from firmware_bridge.computer import ComputerMonitor

SENSOR_PERIOD_NS = 2_000_000_000


def make_web(
    config: EdgeConfig, flight: ResolvedFlight, timings: Timings, recorder: RecorderCounts | None
) -> tuple[WebServer, Feed]:
    """A server that does not listen yet, and the observer it looks at.

    Args:
        config: Of the daemon.
        flight: What it flies.
        timings: Of the pipeline.
        recorder: Counters of the black box; None when nothing is recorded.

    Raises:
        ConfigError: Beyond the loopback without a token, or with an unusable one.
    """
    section = config.preview
    token = None if section.token_file is None else read_token(section.token_file)
    feed = Feed(flight.director)
    temperature_c = _now_and_then(ComputerMonitor().hottest_c)
    registry = make_registry(DaemonCollector(feed, temperature_c, recorder))
    host, port = section.address
    settings = WebSettings(host, port, token, section.fps, section.width_px, section.history_s)
    server = WebServer(settings, feed, flight.camera, flight.decision, timings, registry, temperature_c)
    return server, feed


def _now_and_then(read: Callable[[], int | None]) -> Callable[[], float | None]:
    """Reads a sensor at most every two seconds: some take milliseconds to answer."""
    read_ns: int | None = None
    value: int | None = None

    def remembered() -> float | None:
        nonlocal read_ns, value
        now_ns = time.monotonic_ns()
        if read_ns is None or now_ns - read_ns >= SENSOR_PERIOD_NS:
            read_ns, value = now_ns, read()
        return value

    return remembered
