"""What a link says of itself, and of each message it was given to send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from landing.vehicle import Autopilot


class Refusal(str, Enum):
    """Why a message was not sent."""

    NOT_CONNECTED = "not connected"
    NO_AUTOPILOT = "no autopilot heard yet"
    AUTOPILOT_SILENT = "the autopilot is silent"
    CONTESTED = "several autopilots are heard"
    OWN_IDS_TAKEN = "somebody else sends with our ids"
    INVALID_TARGET = "invalid target"
    SWITCHED_OFF = "switched off"
    DROPPED = "dropped, the way out is full"


class AlarmKind(str, Enum):
    """What forbids to send targets and commands."""

    CONTESTED = "contested"
    OWN_IDS = "own-ids"


@dataclass(frozen=True)
class Alarm:
    """Something on the link that ends targets until it is over.

    Attributes:
        kind: What.
        text: Who, where, and the next step.
    """

    kind: AlarmKind
    text: str


@dataclass(frozen=True)
class SendResult:
    """What became of a message.

    Attributes:
        refusal: Why it was not sent; None when it was handed to the connection.
        detail: The same in words, for the log.
    """

    refusal: Refusal | None = None
    detail: str = ""

    @property
    def sent(self) -> bool:
        """Whether it was handed to the connection."""
        return self.refusal is None


@dataclass(frozen=True)
class ChannelStatus:
    """State of one connection.

    Attributes:
        connection: Connection string.
        connected: The device or socket is open (for UDP that says nothing of the other side).
        opened: How often it was opened.
        bytes_received: Bytes received, of any kind.
        bytes_bad: Those that belonged to no good MAVLink frame.
        dropped_writes: Messages dropped because the way out was full or gone.
        last_error: Text of the last error; empty when there was none.
    """

    connection: str
    connected: bool
    opened: int
    bytes_received: int
    bytes_bad: int
    dropped_writes: int
    last_error: str


@dataclass(frozen=True)
class SigningStatus:
    """What signatures have decided so far.

    Attributes:
        accepted: Frames with a good signature.
        unsigned: Frames ignored for want of a signature.
        forged: Frames ignored for a wrong signature, or a stamp that was seen or is too old.
    """

    accepted: int
    unsigned: int
    forged: int


@dataclass(frozen=True)
class LinkStatus:
    """State of the link at one moment.

    Attributes:
        connection: Connection string.
        connected: The device or socket is open (for UDP that says nothing of the other side).
        alive: A heartbeat of the autopilot came within the timeout.
        heartbeat_age_s: Time since its last heartbeat; None when there was none.
        autopilot: Its kind.
        system_id: Its MAVLink system id; None before its first heartbeat.
        rates_hz: Message name to measured rate, of all that it sends or is asked for.
        missing: Asked messages that do not come.
        slow: Asked messages that come well under their rate.
        bytes_received: Bytes received, of any kind.
        bytes_bad: Those that belonged to no good MAVLink frame.
        dropped_writes: Messages dropped because the way out was full or gone.
        frames_lost: Frames of the autopilot that did not come, by the gaps in their numbers.
        sequence_turns: How often its numbers went to and fro, as those of two senders do.
        bytes_over: Bytes of strangers that were not listened to: beyond their budget.
        reconnects: How often the connection was opened again after the first time.
        reboots: How often the autopilot's boot clock started anew.
        position_resets: How often the estimator's local frame has jumped.
        last_error: Text of the last error; empty when there was none.
        alarms: What ends targets and commands, as another autopilot under the same id.
        problems: What keeps the link from being ready, each with its next step.
        clock_offset_ns: Our monotonic time minus the autopilot's boot time; None when not known.
        clock_uncertainty_ns: Largest error of that but for drift; None without TIMESYNC answers.
        timesync_answered: How many of the autopilot's TIMESYNC questions we have answered.
        ground_stations: The other connections.
        signing: What signatures have decided; None on an unsigned link.
    """

    connection: str
    connected: bool = False
    alive: bool = False
    heartbeat_age_s: float | None = None
    autopilot: Autopilot = Autopilot.UNKNOWN
    system_id: int | None = None
    rates_hz: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()
    bytes_received: int = 0
    bytes_bad: int = 0
    dropped_writes: int = 0
    frames_lost: int = 0
    sequence_turns: int = 0
    bytes_over: int = 0
    reconnects: int = 0
    reboots: int = 0
    position_resets: int = 0
    last_error: str = ""
    alarms: tuple[Alarm, ...] = ()
    problems: tuple[str, ...] = ()
    clock_offset_ns: int | None = None
    clock_uncertainty_ns: int | None = None
    timesync_answered: int = 0
    ground_stations: tuple[ChannelStatus, ...] = ()
    signing: SigningStatus | None = None

    @property
    def ready(self) -> bool:
        """Whether targets can be computed and sent."""
        return not self.problems
