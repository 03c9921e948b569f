"""Log records reach the journal with their fields; a journal that is gone costs nothing."""

from __future__ import annotations

import io
import logging
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.journal import JournalHandler, encoded, is_the_journal

ROOT = Path(__file__).resolve().parents[2]


def decoded(datagram: bytes) -> dict[str, str]:
    """Reads the protocol as its description says, not as we write it."""
    fields: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            fields[name.decode()] = value.decode()
            datagram = rest
        else:
            (length,) = struct.unpack("<Q", rest[:8])
            fields[name.decode()] = rest[8 : 8 + length].decode("utf-8", "replace")
            assert rest[8 + length : 9 + length] == b"\n"
            datagram = rest[9 + length :]
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(tmp_path / "journal"))
        door.settimeout(20)
        yield door


@pytest.fixture
def log(tmp_path: Path, journal: socket.socket) -> Iterator[logging.Logger]:
    handler = JournalHandler(str(tmp_path / "journal"), io.StringIO())
    logger = logging.Logger("edge.test")
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_a_record_has_fields(log: logging.Logger, journal: socket.socket) -> None:
    log.warning("camera lost: %d ms", 1200, extra={"event": "camera-failed"})
    fields = decoded(journal.recv(65536))
    assert fields["MESSAGE"] == "camera lost: 1200 ms"
    assert fields["PRIORITY"] == "4" and fields["LOGGER"] == "edge.test"
    assert fields["TOUCHDOWN_EVENT"] == "camera-failed"
    assert fields["CODE_FUNC"] == "test_a_record_has_fields"
    assert 0 <= time.monotonic_ns() - int(fields["TOUCHDOWN_MONO_NS"]) < 60e9


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", "7"), ("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2")]
)
def test_levels(log: logging.Logger, journal: socket.socket, level: str, priority: str) -> None:
    getattr(log, level)("x")
    assert decoded(journal.recv(65536))["PRIORITY"] == priority


def test_a_message_of_several_lines_is_one_entry(log: logging.Logger, journal: socket.socket) -> None:
    try:
        raise ValueError("line one\nPRIORITY=0")
    except ValueError:
        log.exception("crash")
    fields = decoded(journal.recv(65536))
    assert fields["MESSAGE"].startswith("crash\nTraceback") and fields["PRIORITY"] == "3"
    assert "PRIORITY=0" in fields["MESSAGE"], "a message cannot forge a field"


def test_a_message_without_end_is_cut(log: logging.Logger, journal: socket.socket) -> None:
    log.error("x" * 10_000_000)
    assert len(decoded(journal.recv(200_000))["MESSAGE"]) == 32 * 1024


def test_a_journal_that_is_gone_or_full_never_stops_the_flight(tmp_path: Path, journal: socket.socket) -> None:
    text = io.StringIO()
    handler = JournalHandler(str(tmp_path / "nobody"), text)
    logger = logging.Logger("edge")
    logger.addHandler(handler)
    logger.error("still flying")
    assert text.getvalue() == "<3>still flying\n"
    handler.close()
    handler = JournalHandler(str(tmp_path / "journal"), text)
    logger.handlers = [handler]
    for number in range(5000):  # nobody reads: the socket fills up, and nobody waits for it
        logger.info("line %d", number)
    assert "<6>line 4999\n" in text.getvalue()
    handler.close()


def test_only_the_journals_own_stream_counts(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert is_the_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_the_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:1"})
        assert not is_the_journal(stream, {})
    assert not is_the_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_fields_without_text() -> None:
    assert encoded({"MESSAGE": ""}) == b"MESSAGE=\n"


def test_the_daemon_writes_text_elsewhere(tmp_path: Path) -> None:
    """A terminal or a file gets the lines for people, with the time."""
    code = (
        "import logging\nfrom edge.log import set_up_text_log\n"
        "set_up_text_log('info')\nlogging.getLogger('edge').info('hello')"
    )
    environment = {**os.environ, "JOURNAL_STREAM": "1:2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert "INFO    edge: hello" in done.stderr


def test_the_daemon_writes_fields_where_systemd_listens(tmp_path: Path, journal: socket.socket) -> None:
    address = str(tmp_path / "journal")
    code = (
        "import functools, logging\nimport edge.log as log\n"
        f"log.JournalHandler = functools.partial(log.JournalHandler, {address!r})\n"
        "log.set_up_text_log('info')\nlogging.getLogger('edge').info('hello')"
    )
    with (tmp_path / "stderr").open("w") as stream:
        found = os.fstat(stream.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, stderr=stream, timeout=60, check=True)
    assert decoded(journal.recv(65536))["MESSAGE"] == "hello"
    assert (tmp_path / "stderr").read_text() == ""
