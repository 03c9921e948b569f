"""Status of a link, and the result of each message given to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from landing.vehicle import Autopilot


class Refusal(str, Enum):
    """Reason why a message was not sent."""

    NOT_CONNECTED = "not connected"
    NO_AUTOPILOT = "no autopilot heard yet"
    AUTOPILOT_SILENT = "the autopilot is silent"
    CONTESTED = "several autopilots are heard"
    OWN_IDS_TAKEN = "somebody else sends with our ids"
    INVALID_TARGET = "invalid target"
    SWITCHED_OFF = "switched off"
    DROPPED = "dropped, the way out is full"


class AlarmKind(str, Enum):
    """Kind of alarm that forbids targets and commands."""

    CONTESTED = "contested"
    OWN_IDS = "own-ids"


@dataclass(frozen=True)
class Alarm:
    """Something on the link that ends targets until it is over."""

    kind: AlarmKind
    text: str  # Sender, peer, and the next step


@dataclass(frozen=True)
class SendResult:
    """Result of sending a message."""

    refusal: Refusal | None = None  # None when it was handed to the connection
    detail: str = ""  # The reason in words, for the log

    @property
    def sent(self) -> bool:
        """Return whether it was handed to the connection."""
        return self.refusal is None


@dataclass(frozen=True)
class ChannelStatus:
    """State of one connection."""

    connection: str  # Connection string
    connected: bool  # The device or socket is open (for UDP that says nothing of the other side)
    opened: int  # Number of times it was opened
    bytes_received: int  # Bytes received, of any kind
    bytes_bad: int  # Those that belonged to no good MAVLink frame
    dropped_writes: int  # Messages dropped because the way out was full or gone
    last_error: str  # Text of the last error; empty when there was none
    taken: bool = True  # The line, or the other end, took the last message given to it


@dataclass(frozen=True)
class SigningStatus:
    """Frames counted by their signatures."""

    accepted: int  # Frames with a good signature
    unsigned: int  # Frames ignored for want of a signature
    forged: int  # Frames ignored for a wrong signature, or a stamp that was seen or is too old


@dataclass(frozen=True)
class LinkStatus:
    """State of the link at one moment."""

    connection: str  # Connection string
    connected: bool = False  # The device or socket is open (for UDP that says nothing of the other side)
    alive: bool = False  # A heartbeat of the autopilot came within the timeout
    heartbeat_age_s: float | None = None  # Time since its last heartbeat; None when there was none
    autopilot: Autopilot = Autopilot.UNKNOWN
    system_id: int | None = None  # System id of the autopilot; None before its first heartbeat
    # Message name to measured rate, of all that it sends or is asked for
    rates_hz: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # Asked messages that do not come
    slow: tuple[str, ...] = ()  # Asked messages that come well under their rate
    bytes_received: int = 0  # Bytes received, of any kind
    bytes_bad: int = 0  # Those that belonged to no good MAVLink frame
    dropped_writes: int = 0  # Messages dropped because the way out was full or gone
    frames_lost: int = 0  # Frames of the autopilot that did not come, by the gaps in their numbers
    sequence_turns: int = 0  # Jumps of its sequence numbers to and fro, as two senders cause
    bytes_over: int = 0  # Bytes of strangers that were not listened to: beyond their budget
    reconnects: int = 0  # Times the connection was opened again
    reboots: int = 0  # Restarts of the autopilot's boot clock
    position_resets: int = 0  # Jumps of the estimator's local frame
    last_error: str = ""  # Text of the last error; empty when there was none
    alarms: tuple[Alarm, ...] = ()  # They forbid targets and commands
    problems: tuple[str, ...] = ()  # They keep the link from being ready; each with its next step
    clock_offset_ns: int | None = None  # Our monotonic time minus the autopilot's boot time; None when not known
    clock_uncertainty_ns: int | None = None  # Largest error of that but for drift; None without TIMESYNC answers
    timesync_answered: int = 0  # TIMESYNC questions of the autopilot that we answered
    ground_stations: tuple[ChannelStatus, ...] = ()  # The other connections
    signing: SigningStatus | None = None  # None on an unsigned link

    @property
    def ready(self) -> bool:
        """Return whether targets can be computed and sent."""
        return not self.problems
