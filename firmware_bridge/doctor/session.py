"""A conversation with one autopilot: ask, wait for the answer, ask again. One thread, no daemon.

The daemon's link never waits. Here everything waits, with a limit: a person or a script stands beside it. What is heard
goes through the same `Telemetry` that flies.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from firmware_bridge.commands import RESULT_WORDS
from firmware_bridge.dialect import command_long, mavlink
from firmware_bridge.doctor.tool_connection import ToolConnection
from firmware_bridge.identity import Identity, identity_of
from firmware_bridge.messages import HealthState, heartbeat_message
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from firmware_bridge.texts import StatusText, TextAssembler
from firmware_bridge.timesync import Timesync
from firmware_bridge.transport import Transport
from firmware_bridge.vehicle import AutopilotId
from landing.errors import LinkError
from landing.problems import Problem
from landing.vehicle import VehicleStatus

NS_PER_S = 1_000_000_000
TOOL_COMPONENT = 192  # MAV_COMP_ID_ONBOARD_COMPUTER2: the daemon is 191, and a tool must never be taken for it
TEXTS = 500
READ_S = 0.02
REOPEN_PAUSE_S = 0.2
HEARTBEAT_NS = NS_PER_S

T = TypeVar("T")
Listener = Callable[[Any, int], None]  # Called with every message heard, of any sender, and our monotonic time in ns


class Session:
    """A context manager; open until its end, and opened again when the connection is lost.

    Args:
        grace_s: After opening, streams are asked for only after this time, s.

    Attributes:
        listeners: Called with every message.
        texts: The last STATUSTEXTs of the autopilot, in order.
        silent: Nothing is sent but explicit requests: no heartbeat.

    Raises:
        LinkError: The connection string is in none of the known forms, or the signing key cannot be used.
    """

    def __init__(
        self,
        settings: LinkSettings,
        make: Callable[[], Transport] | None = None,
        *,
        silent: bool = False,
        grace_s: float = 0.0,
    ) -> None:
        self.settings = settings
        self.telemetry = Telemetry(settings)
        self.listeners: list[Listener] = []
        self.texts: deque[StatusText] = deque(maxlen=TEXTS)
        self.silent = silent
        self._wire = ToolConnection(settings, make)
        self._timesync = Timesync()
        self._assembler = TextAssembler()
        self._asks_streams = False
        self._grace_ns = round(grace_s * NS_PER_S)
        self._ask_from_ns = 0
        self._heartbeat_ns = 0
        self._identity: Identity | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.end()

    def close(self) -> None:
        """Let go of the connection; the next wait opens it again."""
        self._wire.close()

    # --- who is there ---

    def connect(self, timeout_s: float = 10.0) -> AutopilotId:
        """Wait for the autopilot's heartbeat, and until no other one is heard beside it.

        Raises:
            LinkError: It does not come, or does not come alone; says what came instead and what to look at.
        """
        now_ns = time.monotonic_ns()
        deadline_ns = now_ns + round(timeout_s * NS_PER_S)
        while not self.telemetry.vehicle.alive(now_ns) or self.telemetry.alarms(now_ns):
            if now_ns > deadline_ns:
                problems = self.telemetry.problems(self._wire.is_open, now_ns)
                problem = self._wire.unsigned or problems[0]
                alone = not self.telemetry.alarms(now_ns)
                kind = Problem.LINK_SILENT if alone else Problem.SECOND_SENDER
                raise LinkError(f"{problem} (waited {timeout_s:g} s)", kind)
            self._turn()
            now_ns = time.monotonic_ns()
        assert self.telemetry.autopilot is not None
        return self.telemetry.autopilot

    def identify(self) -> Identity:
        """Ask for AUTOPILOT_VERSION, once; what is not told is left open in the answer."""
        if self._identity is None:
            known = self.connect()
            request = mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION
            older = mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES, 1.0
            answer = self._version(*request, tries=4) or self._version(*older, tries=1)
            self._identity = identity_of(known.autopilot, known.vehicle_type, answer)
        return self._identity

    def _version(self, command: int, parameter: float, tries: int) -> Any:
        return self.ask(
            lambda: self.send_command(command, parameter),
            lambda m: m if m.get_type() == "AUTOPILOT_VERSION" else None,
            tries=tries,
            timeout_s=1.0,
        )

    def vehicle(self) -> VehicleStatus:
        """Return the last reported state of the autopilot."""
        return self.telemetry.vehicle.status(time.monotonic_ns())

    # --- talk ---

    def send(self, message: Any) -> bool:
        """Send one message as ours, to the autopilot where it is known, else to all.

        Returns:
            False when the connection takes none now.
        """
        heard = self.telemetry
        to = None if heard.autopilot is None else (heard.peer,)
        return self._wire.send(message, heard.peers, to)

    def send_command(self, command: int, *parameters: float) -> bool:
        """Send a COMMAND_LONG to the autopilot; missing parameters are 0."""
        target = self.telemetry.autopilot
        if target is None:
            return False
        return self.send(command_long(target.system, target.component, command, *parameters))

    def command(self, command: int, *parameters: float, tries: int = 3, timeout_s: float = 1.0) -> int | None:
        """Send a command until it is acknowledged; MAV_RESULT, or None when no answer comes."""
        return self.ask(
            lambda: self.send_command(command, *parameters),
            lambda m: (
                m.result
                if m.get_type() == "COMMAND_ACK"
                and m.command == command
                and m.target_component in (0, self.settings.component_id)
                else None
            ),
            tries=tries,
            timeout_s=timeout_s,
        )

    def ask(
        self, send: Callable[[], object], accept: Callable[[Any], T | None], *, tries: int = 3, timeout_s: float = 0.7
    ) -> T | None:
        """Send and wait for the answer, again and again.

        `accept` gets each message of the autopilot and returns its answer, or None to wait on.
        """
        for _ in range(tries):
            answer = self._ask_once(send, accept, timeout_s)
            if answer is not None:
                return answer
        return None

    def _ask_once(self, send: Callable[[], object], accept: Callable[[Any], T | None], timeout_s: float) -> T | None:
        found: list[T] = []

        def look(message: Any, _: int) -> None:
            if not found and self.is_autopilot(message):
                answer = accept(message)
                if answer is not None:
                    found.append(answer)

        self.listeners.append(look)
        try:
            self._open_if_needed()
            send()
            self.listen(timeout_s, until=lambda: bool(found))
        finally:
            self.listeners.remove(look)
        return found[0] if found else None

    def listen(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Take in what comes, for so long or until the condition holds."""
        deadline_ns = time.monotonic_ns() + round(seconds * NS_PER_S)
        while not (until is not None and until()):
            left_ns = deadline_ns - time.monotonic_ns()
            if left_ns <= 0:
                return
            self._turn(min(READ_S, left_ns / NS_PER_S))

    def ask_streams(self, asked: bool = True) -> None:
        """Ask for the streams of the settings from now on, as the daemon does."""
        if asked and not self._asks_streams:
            self.telemetry.streams.restart(time.monotonic_ns())
        self._asks_streams = asked

    def forget(self) -> None:
        """Let go of the connection and of all that was heard, as before a reboot."""
        self.close()
        self._identity = None
        self.telemetry = Telemetry(self.settings)

    # --- one turn of the wheel ---

    def is_autopilot(self, message: Any) -> bool:
        """Return whether the autopilot served sent it, not another component or vehicle."""
        known = self.telemetry.autopilot
        return (
            known is not None
            and message.get_srcSystem() == known.system
            and message.get_srcComponent() == known.component
        )

    def _open_if_needed(self) -> bool:
        if self._wire.is_open:
            return True
        if not self._wire.open():
            self.telemetry.last_error = self._wire.error
            return False
        self._heartbeat_ns = 0
        self.telemetry.peers.clear()
        self.telemetry.streams.restart(time.monotonic_ns())
        self._timesync.restart()
        self._ask_from_ns = time.monotonic_ns() + self._grace_ns
        return True

    def _turn(self, wait_s: float = READ_S) -> None:
        if not self._open_if_needed():
            time.sleep(REOPEN_PAUSE_S)
            return
        self._say_hello()
        frames = self._wire.read(self.telemetry.peers, wait_s)
        if not self._wire.is_open:
            self.telemetry.last_error = self._wire.error
        now_ns = time.monotonic_ns()
        for frame in frames:
            self.telemetry.take(frame.message, now_ns, frame.peer)
            self._wire.system_id = self.telemetry.own_system
            if self.telemetry.autopilot is not None:
                self.telemetry.peers.serve(self.telemetry.peer)
            self._on_message(frame.message, now_ns)
        if self._asks_streams and now_ns >= self._ask_from_ns:
            self._ask_what_is_due(now_ns)

    def _ask_what_is_due(self, now_ns: int) -> None:
        """Streams, and the autopilot's clock: as the daemon asks for them."""
        request = self.telemetry.request(now_ns)
        known = self.telemetry.autopilot
        question = None
        if known is not None and self.telemetry.vehicle.alive(now_ns):
            question = self._timesync.question(now_ns, known.system, known.component)
        for message in (request, question):
            if message is not None:
                self.send(message)

    def _say_hello(self) -> None:
        """A HEARTBEAT a second: some autopilots and routers answer only to who has spoken."""
        now_ns = time.monotonic_ns()
        if not self.silent and now_ns >= self._heartbeat_ns:
            self._heartbeat_ns = now_ns + HEARTBEAT_NS
            self.send(heartbeat_message(HealthState.STANDBY))

    def _on_message(self, message: Any, now_ns: int) -> None:
        if message.get_type() == "STATUSTEXT" and self.is_autopilot(message):
            text = self._assembler.add(message, now_ns)
            if text is not None:
                self.texts.append(text)
        elif message.get_type() == "TIMESYNC" and self.is_autopilot(message):
            answer = self._timesync.answer(message, now_ns)
            if answer is not None:
                self.telemetry.synchronise(answer)
        for listener in tuple(self.listeners):
            listener(message, now_ns)


def result_name(result: int | None) -> str:
    """A MAV_RESULT in words."""
    return "no answer" if result is None else RESULT_WORDS.get(result, f"MAV_RESULT {result}")


def tool_settings(connection: str, baud: int = 921_600, **others: Any) -> LinkSettings:
    """Link settings of a tool beside the daemon: another component id, the daemon's streams."""
    return LinkSettings(connection, **{"baud": baud, "component_id": TOOL_COMPONENT, **others})
