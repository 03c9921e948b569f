"""Hostile bytes and hostile messages for a link, and the check that it has borne them.

`benchmarks/fuzz_link.py` runs it with ten million bytes on each kind of connection, the tests with a few hundred
thousand. Everything follows from a seed.
"""

from __future__ import annotations

import math
import random
import select
import threading
import time
from dataclasses import dataclass, field

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import checksum
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from firmware_bridge.settings import LinkSettings
from landing.types import LandingTarget
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.parameter_table import SmallTable
from tests.bridge.peers import make_peer, wait_for

AUTOPILOT = (1, 1)
OURS = (1, 191)
STRANGERS = (
    (255, 190),
    (255, 1),
    (2, 1),
    (7, 1),
    (1, 154),
    (1, 100),
    (0, 0),
    (1, 0),
    (0, 1),
    (42, 191),
    (254, 254),
    OURS,
)
TARGET = LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), 10**9, 10**9)
CHUNK = 1200
MAX_GROWTH_KIB = 24_000
"""More than bounded buffers and the allocator's habits explain."""

IN_FLIGHT = 60_000
"""Bytes on their way at most, so that the kernel need not drop any: all are to be read."""

SENT_BY_US = frozenset(
    {
        "HEARTBEAT",
        "COMMAND_LONG",
        "TIMESYNC",
        "ONBOARD_COMPUTER_STATUS",
        "COMMAND_ACK",
        "PARAM_VALUE",
        "PARAM_ERROR",
        "FILE_TRANSFER_PROTOCOL",
        "AUTOPILOT_VERSION",
        "PROTOCOL_VERSION",
        "COMPONENT_METADATA",
        "COMPONENT_INFORMATION_BASIC",
    }
)
LISTENED_TO = frozenset(
    {
        "HEARTBEAT",
        "ATTITUDE",
        "ATTITUDE_QUATERNION",
        "LOCAL_POSITION_NED",
        "DISTANCE_SENSOR",
        "EXTENDED_SYS_STATE",
        "COMMAND_ACK",
        "TIMESYNC",
        "RC_CHANNELS",
        "COMMAND_LONG",
        "COMMAND_INT",
        "PARAM_REQUEST_LIST",
        "PARAM_REQUEST_READ",
        "PARAM_SET",
        "FILE_TRANSFER_PROTOCOL",
        "GIMBAL_DEVICE_ATTITUDE_STATUS",
        "AUTOPILOT_VERSION",
        "SYS_STATUS",
        "RADIO_STATUS",
    }
)
"""Half of the hostile messages are of these, as they are the ones that could do something."""

_FLOATS = (math.nan, math.inf, -math.inf, 3.4e38, -3.4e38, 1e-45, -0.0, 0.0, 1.0, 1e9)
_LIMITS = {
    "int8_t": 8,
    "uint8_t": 8,
    "int16_t": 16,
    "uint16_t": 16,
    "int32_t": 32,
    "uint32_t": 32,
    "int64_t": 64,
    "uint64_t": 64,
}


class Hostile:
    """Makes hostile frames; the same seed makes the same ones."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._packers = {}
        self._kinds = [k for k in mavlink.mavlink_map.values() if k is not mavlink.MAVLink_bad_data]
        self._listened_to = [k for k in self._kinds if k.msgname in LISTENED_TO]

    def message(self, sender=None, kind=None):
        """A frame with a good checksum, of any message, with values nobody means."""
        rng = self._random
        kind = kind or rng.choice(self._kinds if rng.random() < 0.5 else self._listened_to)
        values = []
        for name, length, field_type in zip(
            kind.fieldnames, _by_name(kind, kind.array_lengths), kind.fieldtypes, strict=True
        ):
            if name == "target_system":
                values.append(rng.choice((0, 1, 1, 2, 255)))
            elif name == "target_component":
                values.append(rng.choice((0, 1, 191, 191, 100, 255)))
            elif field_type == "char":
                values.append(rng.randbytes(length or 1))
            elif length:
                values.append([self._value(field_type) for _ in range(length)])
            else:
                values.append(self._value(field_type))
        return self._packed(kind(*values), sender or rng.choice(STRANGERS))

    def mutated(self, raw):
        """A frame with something wrong in it; now and then with its checksum mended."""
        rng = self._random
        data = bytearray(raw)
        way = rng.randrange(8)
        if way == 0:
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif way == 1:
            at = rng.randrange(len(data))
            data[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif way == 2:
            at = rng.randrange(len(data))
            del data[at : at + rng.randrange(1, 20)]
        elif way == 3:
            del data[rng.randrange(len(data)) :]
        elif way == 4:
            data[1] = rng.randrange(256)
        elif way == 5:
            data += data[: rng.randrange(len(data))]
        elif way == 6:
            data = bytearray(rng.choice((0xFD, 0xFE)) for _ in range(rng.randrange(1, 60)))
        else:
            self._spoil_and_mend(data)
        return bytes(data)

    def bytes(self, size, sender=None):
        """A chunk of mutated frames, whole hostile ones and noise."""
        rng = self._random
        data = b""
        while len(data) < size:
            choice = rng.random()
            if choice < 0.05:
                data += rng.randbytes(rng.randrange(1, 200))
            elif choice < 0.35:
                data += self.message(sender)
            else:
                data += self.mutated(self.message(sender))
        return data

    def _value(self, field_type):
        rng = self._random
        if field_type in ("float", "double"):
            return rng.choice((*_FLOATS, rng.uniform(-1e4, 1e4)))
        bits = _LIMITS[field_type.removesuffix("_mavlink_version")]
        low, high = (0, 2**bits - 1)
        if not field_type.startswith("uint"):
            low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        return rng.choice((low, high, 0 if low <= 0 else low, 1, rng.randint(low, high)))

    def _packed(self, message, sender):
        packer = self._packers.get(sender)
        if packer is None:
            packer = self._packers[sender] = mavlink.MAVLink(None, srcSystem=sender[0], srcComponent=sender[1])
        packer.seq = (packer.seq + 1) % 256
        return message.pack(packer)

    def _spoil_and_mend(self, data):
        """Other values in the payload under a good checksum: a fault before the sender's own."""
        if len(data) < 13:
            return
        at = self._random.randrange(10, len(data) - 2)
        data[at] ^= 1 << self._random.randrange(8)
        kind = mavlink.mavlink_map[data[7] | data[8] << 8 | data[9] << 16]
        crc = checksum(bytes(data[1:-2]), kind.crc_extra)
        data[-2:] = bytes((crc & 0xFF, crc >> 8))


def _by_name(kind, by_order):
    """pymavlink keeps array lengths in the order on the wire; `fieldnames` are in another."""
    return [by_order[kind.ordered_fieldnames.index(name)] for name in kind.fieldnames]


@dataclass
class Outcome:
    """What a run has shown.

    Attributes:
        kind: Of connection.
        bytes_read: By the link.
        seconds: It took.
        frames_good: Frames with a good checksum among them.
        rss_growth_kib: Of the process, from the start (of a storm: its first tenth) to the end.
        failures: What must not be; empty for a pass.
    """

    kind: str
    bytes_read: int = 0
    seconds: float = 0.0
    frames_good: int = 0
    rss_growth_kib: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, direction, _at_ns, _frame):
        """Observes a connection."""
        self.frames_good += direction == "rx"


def rss_kib():
    """Resident memory of this process, KiB."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def storm(kind, size, folder, seed=0):
    """Send so many hostile bytes over one kind of connection, no autopilot among the senders.

    The link must read all of them, keep its threads and its memory, never take anybody for the autopilot, send no
    target and no command, and serve an autopilot that comes afterwards.
    """
    outcome = Outcome(kind)
    hostile = Hostile(seed)
    peer = make_peer(kind, folder)
    sent_names = set()
    crashes = []
    previous_hook, threading.excepthook = threading.excepthook, crashes.append
    table = SmallTable()
    settings = LinkSettings(peer.connection, system_id=1, heartbeat_timeout_s=0.6, reconnect_first_s=0.05)
    decoder = mavlink.MAVLink(None)

    def watch(direction, at_ns, frame):
        outcome.count(direction, at_ns, frame)
        if direction == "tx":
            sent_names.add(decoder.decode(bytearray(frame)).get_type())

    try:
        with FlightLink(settings, parameters=table) as link:
            link.observers.append(watch)
            wait_for(lambda: link.status(time.monotonic_ns()).connected, 10)
            if kind == "udpout":  # a waiting peer does not know us before we have spoken
                wait_for(lambda: link.send_heartbeat(HealthState.OK) and peer.receive(0.05), 10)
            started = time.monotonic()
            baseline = None
            sent = 0
            while sent < size:
                sent += _push(peer, hostile.bytes(CHUNK)[:CHUNK])
                _await_read(link, peer, sent - IN_FLIGHT)
                if sent // CHUNK % 50 == 0:
                    link.send_heartbeat(HealthState.OK)
                    if link.send_target(TARGET).sent:
                        outcome.failures.append("a target was sent without an autopilot")
                if baseline is None and sent > size // 10:
                    baseline = rss_kib()
            _await_read(link, peer, sent)
            outcome.seconds = time.monotonic() - started
            status = link.status(time.monotonic_ns())
            outcome.bytes_read = status.bytes_received
            outcome.rss_growth_kib = rss_kib() - (baseline or rss_kib())
            if status.system_id is not None:
                outcome.failures.append(f"system {status.system_id} was taken for the autopilot")
            if link.latest_pose(time.monotonic_ns()) is not None:
                outcome.failures.append("there is a pose without an autopilot")
            if not sent_names <= SENT_BY_US - {"COMMAND_LONG"}:
                outcome.failures.append(f"sent: {sorted(sent_names - SENT_BY_US)}")
            if not any(t.name == "flight-link" for t in threading.enumerate()):
                outcome.failures.append("the reader has ended")
            _check_recovery(link, peer, outcome)
    finally:
        threading.excepthook = previous_hook
        peer.close()
    outcome.failures += [f"crash: {c.exc_type.__name__}: {c.exc_value}" for c in crashes]
    if outcome.bytes_read < size:
        outcome.failures.append(f"only {outcome.bytes_read} of {size} bytes were read")
    if outcome.rss_growth_kib > MAX_GROWTH_KIB:
        outcome.failures.append(f"memory grew by {outcome.rss_growth_kib} KiB")
    return outcome


def strange_values(kind, frames, folder, sender=None, seed=0):
    """A genuine autopilot hovers on the link while hostile messages come between its own.

    Args:
        kind: Of connection.
        frames: How many hostile messages.
        folder: For a pty's name.
        sender: Whose ids they carry; None for all kinds of strangers'.
        seed: Of the messages.

    With the ids of strangers nothing may change at all. With the autopilot's own ids (a fault in it, or a forger on an
    unsigned link) what is taken must still be finite and plausible, and shortly after the storm everything must be as
    before.
    """
    outcome = Outcome(f"{kind}, values of {'strangers' if sender is None else 'the autopilot'}")
    hostile = Hostile(seed)
    peer = make_peer(kind, folder)
    crashes = []
    previous_hook, threading.excepthook = threading.excepthook, crashes.append
    settings = LinkSettings(peer.connection, system_id=1, reconnect_first_s=0.05)
    try:
        with FakeAutopilot(peer) as fake, FlightLink(settings, parameters=SmallTable()) as link:
            if not link.wait_ready(20).ready:
                outcome.failures.append("not ready before the storm")
            link.observers.append(outcome.count)
            baseline = rss_kib()
            started = time.monotonic()
            for number in range(frames):
                try:
                    peer.send(hostile.message(sender))
                except BlockingIOError:
                    time.sleep(0.002)
                if number % 20 == 0:
                    time.sleep(0.001)
                    outcome.failures += _implausible(link, sender is None)
                    if outcome.failures:
                        break
            outcome.seconds = time.monotonic() - started
            outcome.bytes_read = link.status(time.monotonic_ns()).bytes_received
            outcome.rss_growth_kib = rss_kib() - baseline
            if not wait_for(lambda: _as_before(link), 20):
                status = link.status(time.monotonic_ns())
                pose = link.latest_pose(time.monotonic_ns())
                outcome.failures.append(f"not as before after the storm: {status} {pose}")
            if outcome.rss_growth_kib > MAX_GROWTH_KIB:
                outcome.failures.append(f"memory grew by {outcome.rss_growth_kib} KiB")
            strange = [m for m in fake.of_type("COMMAND_LONG") if m.command != 511]
            if strange or fake.of_type("LANDING_TARGET"):
                outcome.failures.append(f"something was commanded: {strange[:3]}")
    finally:
        threading.excepthook = previous_hook
        peer.close()
    outcome.failures += [f"crash: {c.exc_type.__name__}: {c.exc_value}" for c in crashes]
    return outcome


def _implausible(link, by_strangers):
    """What is wrong with what the link says now, in words."""
    now_ns = time.monotonic_ns()
    wrong = []
    pose = link.latest_pose(now_ns)
    if pose is not None:
        if pose.at_ns > time.monotonic_ns():
            wrong.append("a pose from the future")
        numbers = [*(pose.ned_from_frd or ()), *(pose.position_ned_m or ())]
        if pose.height_agl_m is not None:
            numbers.append(pose.height_agl_m)
        if not all(map(math.isfinite, numbers)):
            wrong.append(f"a pose that is not finite: {pose}")
        if pose.ned_from_frd and abs(math.hypot(*pose.ned_from_frd) - 1) > 1e-3:
            wrong.append(f"an attitude that is none: {pose}")
    if by_strangers:
        vehicle = link.vehicle(now_ns)
        status = link.status(now_ns)
        if not (vehicle.armed and vehicle.landing and vehicle.mode == "LAND"):
            wrong.append(f"strangers changed the vehicle: {vehicle}")
        if (status.reboots, status.position_resets) != (0, 0):
            wrong.append(f"strangers caused {status.reboots} reboots")
        # None on a machine so loaded that the autopilot itself is late.
        if pose is not None and pose.position_ned_m not in (None, (1.0, 2.0, -10.0)):
            wrong.append(f"strangers moved the vehicle to {pose.position_ned_m}")
    return wrong


def _as_before(link):
    now_ns = time.monotonic_ns()
    pose = link.latest_pose(now_ns)
    return (
        link.status(now_ns).ready
        and link.vehicle(now_ns).mode == "LAND"
        and pose is not None
        and pose.position_ned_m == (1.0, 2.0, -10.0)
        and pose.height_agl_m is not None
        and abs(pose.height_agl_m - 10.0) < 0.01
        and now_ns - pose.at_ns < 1_000_000_000
    )


def _check_recovery(link, peer, outcome):
    """An autopilot that speaks up after the storm is heard."""
    packer = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
    beat = mavlink.MAVLink_heartbeat_message(2, 3, 0, 9, 4, 3)

    def heard():
        _push(peer, beat.pack(packer))
        return link.status(time.monotonic_ns()).alive

    if not wait_for(heard, 10):
        outcome.failures.append("an autopilot was not heard after the storm")


def _push(peer, data):
    """Send it all, waiting for room; what comes back is read away."""
    left = data
    deadline = time.monotonic() + 30
    while left and time.monotonic() < deadline:
        while peer.receive(0.0):
            pass
        try:
            taken = peer.send(left)
        except BlockingIOError:
            select.select([], [peer.fileno()], [], 0.1)
            continue
        left = left[len(left) if taken is None else taken :]
    return len(data)


def _await_read(link, peer, at_least):
    def reached():
        while peer.receive(0.0):
            pass
        return link.channels[0].status().bytes_received >= at_least

    wait_for(reached, 30)
