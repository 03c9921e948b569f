"""`touchdown bridge monitor`: watch a link, and the daemon's log, without disturbing either.

It is a component of its own (never the daemon's 191), answers nothing, sends a heartbeat only where nothing would come
otherwise (``udpout``), and asks for a stream only when it does not come at all, at a low rate: on a shared link it must
not slow down what the daemon has asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge import monitor_view
from firmware_bridge.connection import parse_connection
from firmware_bridge.doctor.session import NS_PER_S, Session
from firmware_bridge.doctor.show import has_rich
from firmware_bridge.events import EventTail
from firmware_bridge.monitor_state import MonitorState
from firmware_bridge.settings import ToolConfig, load_tool_config
from landing.errors import ConfigError

COMPONENT = 193  # MAV_COMP_ID_ONBOARD_COMPUTER3: the daemon is 191, the doctor 192
GRACE_S = 4.0  # It listens for this time before it asks: streams that come already need no request
ATTITUDE_HZ, SLOW_HZ = 4.0, 2.0
REFRESH_S = 0.25
LINE_S = 1.0

Echo = Callable[[str], None]


@dataclass(frozen=True)
class MonitorOptions:
    """Options of the command line; see `firmware_bridge.cli`."""

    connection: str | None = None
    baud: int | None = None
    config: Path | None = None
    events: Path | None = None
    seconds: float | None = None
    passive: bool = False
    plain: bool = False
    as_json: bool = False


def run(options: MonitorOptions, echo: Echo) -> None:
    """Show until `seconds` are over or the user interrupts.

    Raises:
        ConfigError: Neither a link nor an event log is given, or the link is the daemon's own.
    """
    config = load_tool_config(options.config)
    events = options.events or config.log.events
    if options.connection is None and events is None:
        raise ConfigError(
            "nothing to watch: give --link (e.g. udpin:0.0.0.0:14551), --events FILE, or a --config that has log.events"
        )
    with ExitStack() as stack:
        session = None
        if options.connection is not None:
            session = stack.enter_context(_open(options, config))
        tail = None if events is None else EventTail(events)
        state = MonitorState(session)
        try:
            if has_rich() and not (options.plain or options.as_json):
                _live(state, tail, options.seconds)
            else:
                _lines(state, tail, options, echo)
        except KeyboardInterrupt:
            return


def _open(options: MonitorOptions, config: ToolConfig) -> Session:
    assert options.connection is not None
    endpoint = parse_connection(options.connection)
    theirs = None if config.link is None else parse_connection(config.link.connection)
    if endpoint.kind == "serial" and theirs is not None and theirs.device == endpoint.device:
        raise ConfigError(
            f"--link {endpoint.device} is the daemon's own port, which cannot be shared; give the monitor another "
            "one, or leave --link out to watch the event log"
        )
    settings = config.settings(options.connection, options.baud, COMPONENT).model_copy(
        update={
            "attitude_rate_hz": ATTITUDE_HZ,
            "position_rate_hz": SLOW_HZ,
            "range_rate_hz": SLOW_HZ,
            "landed_rate_hz": SLOW_HZ / 2,
        }
    )
    session = Session(settings, silent=options.passive or endpoint.kind != "udpout", grace_s=GRACE_S)
    session.ask_streams(not options.passive)
    return session


def _steps(state: MonitorState, tail: EventTail | None, seconds: float | None, period_s: float) -> Callable[[], bool]:
    """A function that takes in what comes for one period; False once the time is over."""
    deadline_ns = None if seconds is None else time.monotonic_ns() + round(seconds * NS_PER_S)

    def step() -> bool:
        now_ns = time.monotonic_ns()
        left_s = period_s if deadline_ns is None else (deadline_ns - now_ns) / NS_PER_S
        if left_s <= 0:
            return False
        wait_s = min(period_s, left_s)
        if state.session is not None:
            state.session.listen(wait_s)
        else:
            time.sleep(wait_s)
        for event in tail.read() if tail is not None else ():
            state.on_event(event, time.monotonic_ns())
        return True

    return step


def _lines(state: MonitorState, tail: EventTail | None, options: MonitorOptions, echo: Echo) -> None:
    started_ns = time.monotonic_ns()
    tell = monitor_view.told_as_json if options.as_json else monitor_view.told_as_text
    status = monitor_view.status_as_json if options.as_json else monitor_view.status_as_text
    step = _steps(state, tail, options.seconds, REFRESH_S)
    next_ns = started_ns + round(LINE_S * NS_PER_S)
    while step():
        for said in state.take_news():
            echo(tell(said, started_ns))
        now_ns = time.monotonic_ns()
        if now_ns >= next_ns:
            next_ns = now_ns + round(LINE_S * NS_PER_S)
            echo(status(state, now_ns, started_ns))
    for said in state.take_news():
        echo(tell(said, started_ns))


def _live(state: MonitorState, tail: EventTail | None, seconds: float | None) -> None:
    from rich.live import Live

    step = _steps(state, tail, seconds, REFRESH_S)
    with Live(monitor_view.picture(state, time.monotonic_ns()), auto_refresh=False, screen=False) as live:
        while step():
            state.take_news()
            live.update(monitor_view.picture(state, time.monotonic_ns()), refresh=True)
