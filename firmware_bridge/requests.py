"""Commands to us: which of our messages we send when asked, and the COMMAND_ACK for everything.

No command moves anything: a ground station may ask who we are and what we know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from firmware_bridge.addressing import whole_number
from firmware_bridge.dialect import mavlink

MessageSource = Callable[[int], Sequence[Any]]  # Takes our monotonic time in ns, gives the messages asked for
COMMANDS = frozenset({"COMMAND_LONG", "COMMAND_INT"})


class CommandServer:
    """Answers the commands to one component. Pure.

    Args:
        messages: Message id to the source of its messages.
        older: Commands older than MAV_CMD_REQUEST_MESSAGE to the id of the message they ask for.
    """

    def __init__(self, messages: Mapping[int, MessageSource], older: Mapping[int, int]) -> None:
        self._messages = dict(messages)
        self._older = dict(older)

    def supports(self, command: Any) -> bool:
        """Return whether a command would be accepted."""
        return self._asked_for(command) in self._messages

    def answer(self, command: Any, now_ns: int) -> list[Any]:
        """COMMAND_ACK to the sender, and what it asked for."""
        asked_for = self._asked_for(command)
        if asked_for is None and command.command == mavlink.MAV_CMD_REQUEST_MESSAGE:
            return [_ack(command, mavlink.MAV_RESULT_DENIED)]
        source = None if asked_for is None else self._messages.get(asked_for)
        if source is None:
            return [_ack(command, mavlink.MAV_RESULT_UNSUPPORTED)]
        return [_ack(command, mavlink.MAV_RESULT_ACCEPTED), *source(now_ns)]

    def _asked_for(self, command: Any) -> int | None:
        if command.command == mavlink.MAV_CMD_REQUEST_MESSAGE:
            return whole_number(command.param1)
        return self._older.get(command.command)


def _ack(command: Any, result: int) -> Any:
    return mavlink.MAVLink_command_ack_message(
        command.command, result, target_system=command.get_srcSystem(), target_component=command.get_srcComponent()
    )
