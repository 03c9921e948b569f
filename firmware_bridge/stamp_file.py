"""The file in which the signing stamp survives a restart: replaced whole, and ahead of time."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from pathlib import Path

from firmware_bridge.signing import LARGEST_STAMP, STAMPS_PER_S, LinkSigning, SigningKey, StampClock, stamp_of_unix_s
from landing.errors import LinkError
from landing.reading import read_text, take_name

log = logging.getLogger(__name__)

PERIOD_S = 1.0
# The written stamp is so far ahead that a crash before the next write never repeats a stamp. Each crash adds it to our
# lead over the wall clock, so it is short: after the ten quick restarts that systemd allows (StartLimitBurst), others
# are still heard within the one-minute window.
AHEAD = 3 * STAMPS_PER_S


class StampFile:
    """The stamp before which nothing will be signed any more."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """The stamp of the last run; 0 when there is none or it is damaged."""
        if not os.path.lexists(self._path):
            return 0
        try:
            text = read_text(self._path, "signing stamp", LinkError, encoding="ascii").strip()
        except LinkError as error:
            log.warning("%s", error)
            return 0
        if not text.isdecimal() or int(text) > LARGEST_STAMP:
            log.warning("signing stamp %s: '%.40s' is none; the clock is taken", self._path, text)
            return 0
        return int(text)

    def write(self, stamp: int) -> None:
        """Replace the file in one step, after its bytes are on the disk.

        Raises:
            OSError: It cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("w", encoding="ascii") as file:
            file.write(f"{stamp}\n")
            file.flush()
            os.fsync(file.fileno())
        take_name(draft, self._path)


class StampWriter:
    """Writes the stamp every second in a thread of its own: a slow card delays nobody."""

    def __init__(self, file: StampFile, clock: StampClock) -> None:
        self._file = file
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False

    def start(self) -> None:
        """Write now, before anything is signed, and from then on."""
        self._write(AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signing-stamp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and write the first stamp that was not used: nothing may be signed any more.

        A thread that hangs on its disk may still write; its stamp is the larger one.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join(5.0)
            self._write(AHEAD if thread.is_alive() else 1)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._write(AHEAD)

    def _write(self, ahead: int) -> None:
        try:
            self._file.write(min(self._clock.present() + ahead, LARGEST_STAMP))
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("signing stamp is not kept: %s; make its folder writable", error)
            self._failed = True


def load_signing(key_file: Path, stamp_file: Path) -> tuple[LinkSigning, StampWriter]:
    """Key, clock and the keeper of its stamp, which is yet to be started.

    Raises:
        LinkError: The key file cannot be used.
    """
    key = SigningKey.read(key_file)
    kept = StampFile(stamp_file)
    # The protocol's stamps count from a date, so the wall clock is asked, once: see StampClock.
    today = stamp_of_unix_s(time.time())  # noqa: TID251
    clock = StampClock(max(kept.read(), today), time.monotonic_ns)
    return LinkSigning(key, clock), StampWriter(kept, clock)


def make_key_file(path: Path, secret: bytes) -> None:
    """Write a new key in hexadecimal digits, readable by us alone. An old one is never replaced.

    Raises:
        FileExistsError: There is a file of that name.
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
