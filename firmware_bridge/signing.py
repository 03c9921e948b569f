"""MAVLink 2 signing: who may speak to us, and the signature under what we say.

A signed frame ends with the link id, a 48-bit stamp (10 us since 2015-01-01) and the first six bytes of ``SHA-256(key +
frame up to the stamp)``; https://mavlink.io/en/guide/message_signing.html.

pymavlink's packer signs. Its check of what comes is not used: it remembers a frame's stamp before it has looked at the
signature, so one forged frame with a stamp far ahead silences the true sender, and it compares in a time that depends
on the bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import MARKER_V2
from landing.errors import SigningError
from landing.reading import TEXT_BYTES, open_file

KEY_BYTES = 32
SIGNATURE_BLOCK = 13
NS_PER_STAMP = 10_000
STAMPS_PER_S = 100_000
EPOCH_UNIX_S = 1_420_070_400  # 2015-01-01 00:00 UTC, where the stamps start
# A sender not heard before may be this far behind our stamp, by the specification
NEW_STREAM_WINDOW = 60 * STAMPS_PER_S
LARGEST_STAMP = (1 << 48) - 1
SHORTEST_PASSPHRASE = 12
MAX_STREAMS = 256  # Senders remembered. Only those who know the key are, so this bounds a fault, not an attack.
# Accepted on a signed link without a signature: a telemetry radio reports on itself and has no key. Nothing here
# can command us, move the pose or change a parameter.
ACCEPTED_UNSIGNED = frozenset({mavlink.MAVLINK_MSG_ID_RADIO_STATUS})


@dataclass(frozen=True)
class SigningKey:
    """The secret shared by everybody who may speak on the link; never printed."""

    secret: bytes = field(repr=False)  # 32 bytes

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """Read a key file: 32 bytes as they are, or 64 hexadecimal digits.

        Raises:
            SigningError: The file is missing, may be read by others, is not ours, or holds no key.
        """
        where = f"signing key {path}"
        remedy = f"`touchdown bridge keygen {path}` makes one"
        with open_file(path, "signing key", SigningError, TEXT_BYTES, remedy) as file:
            found = os.fstat(file.fileno())
            data = file.read(4096)
        if found.st_uid != os.geteuid():
            raise SigningError(
                f"{where}: belongs to user {found.st_uid}, not to us ({os.geteuid()}); chown {os.geteuid()} {path}"
            )
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise SigningError(f"{where}: mode is {mode:04o}, others may use it; chmod 600 {path}")
        return cls(_secret_of(data, where))


def secret_of_passphrase(passphrase: str) -> bytes:
    """The key that MAVProxy and Mission Planner make from a passphrase: its SHA-256.

    Raises:
        SigningError: It is too short: the hash is quick to try, so a short one is soon guessed.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise SigningError(f"passphrase of {len(passphrase)} characters: expected {SHORTEST_PASSPHRASE} or more")
    return hashlib.sha256(passphrase.encode("utf-8")).digest()


def _secret_of(data: bytes, where: str) -> bytes:
    if len(data) == KEY_BYTES:
        return data
    text = data.strip()
    if len(text) == 2 * KEY_BYTES:
        try:
            return bytes.fromhex(text.decode("ascii"))
        except ValueError:  # not ASCII, or not hexadecimal
            pass
    raise SigningError(
        f"{where}: holds {len(data)} bytes, expected {KEY_BYTES} bytes or {2 * KEY_BYTES} hexadecimal digits"
    )


class StampClock:
    """Gives each frame that we sign a stamp larger than every one before. Thread-safe.

    The wall clock counts once, at the start; from then on the stamp moves with our monotonic clock, so that a
    jump of the wall clock changes nothing.
    """

    def __init__(self, first: int, now_ns: Callable[[], int]) -> None:
        self._lock = threading.Lock()
        self._now_ns = now_ns
        self._base = first
        self._base_ns = now_ns()
        self._last = first

    def next(self) -> int:
        """The stamp of the next frame."""
        with self._lock:
            self._last = min(max(self._current(), self._last + 1), LARGEST_STAMP)
            return self._last

    def present(self) -> int:
        """The stamp by now; nothing is used up."""
        with self._lock:
            return max(self._current(), self._last)

    def learn(self, stamp: int) -> None:
        """A frame with a good signature was stamped so: we go on from there if it is ahead."""
        with self._lock:
            if stamp > self._current():
                self._base, self._base_ns = stamp, self._now_ns()

    def _current(self) -> int:
        return self._base + (self._now_ns() - self._base_ns) // NS_PER_STAMP


def stamp_of_unix_s(unix_s: float) -> int:
    """The stamp of a wall-clock time; 0 before 2015, as of a computer without a clock."""
    return min(max(0, round((unix_s - EPOCH_UNIX_S) * STAMPS_PER_S)), LARGEST_STAMP)


class LinkSigning:
    """Key and clock shared by all connections, and the newest stamp of every sender. Thread-safe.

    Attributes:
        accepted: Frames with a good signature.
        unsigned: Frames ignored for want of a signature.
        forged: Frames ignored for a wrong signature or a stamp that was seen or is too old.
    """

    def __init__(self, key: SigningKey, clock: StampClock) -> None:
        self._key = key
        self.clock = clock
        self._lock = threading.Lock()
        self._newest: dict[tuple[int, int, int], int] = {}
        self.accepted = 0
        self.unsigned = 0
        self.forged = 0

    def problem(self, where: str, key: Path | None) -> str:
        """Return why the link is silent although frames come; empty when it is not."""
        ignored = self.unsigned + self.forged
        if self.accepted or not ignored:
            return ""
        how = "unsigned" if self.unsigned else "signed with another key"
        return f"{where}: {ignored} frames ignored, {how}; give the autopilot the key of {key}"

    def prepare(self, packer: mavlink.MAVLink, link_id: int) -> None:
        """Have pymavlink's packer sign the next frame with a stamp of ours."""
        packer.signing.secret_key = self._key.secret
        packer.signing.sign_outgoing = True
        packer.signing.link_id = link_id
        packer.signing.timestamp = self.clock.next()

    def accepts(self, raw: bytes, message_id: int) -> bool:
        """Return whether a whole frame with a good checksum may be listened to."""
        if raw[0] != MARKER_V2 or not raw[2] & mavlink.MAVLINK_IFLAG_SIGNED:
            with self._lock:
                heard = message_id in ACCEPTED_UNSIGNED
                self.unsigned += not heard
            return heard
        expected = hashlib.sha256(self._key.secret + raw[:-6]).digest()[:6]
        genuine = hmac.compare_digest(expected, raw[-6:])
        # Only a genuine frame may move what we remember.
        with self._lock:
            if not (genuine and self._is_new(raw)):
                self.forged += 1
                return False
            self.accepted += 1
            return True

    def _is_new(self, raw: bytes) -> bool:
        sender = (raw[5], raw[6], raw[-SIGNATURE_BLOCK])
        stamp = int.from_bytes(raw[-12:-6], "little")
        newest = self._newest.get(sender)
        if newest is None:
            if stamp + NEW_STREAM_WINDOW < self.clock.present():
                return False
            if len(self._newest) >= MAX_STREAMS:
                del self._newest[min(self._newest, key=lambda s: self._newest[s])]
        elif stamp <= newest:
            return False
        self._newest[sender] = stamp
        self.clock.learn(stamp)
        return True
