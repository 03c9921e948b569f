"""What clients may take of the daemon: connections, time, answers; and what they leave behind."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession

from edge.web import door
from edge.web.door import Guest, room_for
from edge.web.server import MAX_VIEWERS
from tests.edge.test_daemon import wait_for
from tests.edge.test_web import get, watch
from tests.edge.web_rig import served

UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
STREAM = b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n"


def asked(port: int, request: bytes, source: str = "127.0.0.1") -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.bind((source, 0))
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    return client


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return not client.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextmanager
def crowd(port: int, count: int, request: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections of many addresses, as many as the machine takes without waiting."""
    with ExitStack() as stack:
        clients = []
        for number in range(count):
            client = stack.enter_context(socket.socket())
            client.bind((f"127.0.{number % 7 + 1}.1", 0))
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            clients.append(client)
        if request:
            time.sleep(0.5)
            for client in clients:
                with suppress(OSError):
                    client.send(request)
        yield clients


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_the_room_leaves_descriptors_for_the_rest() -> None:
    assert [room_for(n) for n in (64, 256, 400, 1024, 1 << 20)] == [4, 32, 64, 64, 64]
    for n in (256, 400, 1024):
        assert room_for(n) + door.RESERVED_DESCRIPTORS <= n


def test_a_guest_has_its_time() -> None:
    silent, asker = Guest("a", 10.0), Guest("a", 10.0, heard=True)
    assert not silent.overdue(10.0 + door.HEADER_S) and silent.overdue(10.1 + door.HEADER_S)
    assert not asker.overdue(10.1 + door.HEADER_S) and asker.overdue(10.1 + door.IDLE_S)
    assert not Guest("a", 0.0, heard=True, viewing=True).overdue(1e9)


def test_half_open_connections_are_few_and_do_not_keep_others_out(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (rig, server):
        wait_for(lambda: len(rig.link.targets) > 5)
        before = open_files()
        with crowd(server.port, 300) as clients:
            assert get(server.port, "/healthz")[0] == 200
            sent = len(rig.link.targets)
            time.sleep(1.5)
            assert get(server.port, "/healthz")[0] == 200
            assert open_files() - before - len(clients) <= door.MOST_CONNECTIONS
            assert len(rig.link.targets) > sent + 10
        wait_for(lambda: open_files() <= before + 2)


def test_a_request_that_never_ends_is_cut_off(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HEADER_S", 1.0)
    monkeypatch.setattr(door, "IDLE_S", 1.5)
    with served(tmp_path, model_path) as (_, server), ExitStack() as stack:
        head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        drips = stack.enter_context(asked(server.port, head))
        body = stack.enter_context(asked(server.port, head + b"Content-Length: 9999\r\n\r\n"))
        idle = stack.enter_context(asked(server.port, head + b"\r\n"))
        piped = stack.enter_context(asked(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400))
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline and not is_closed(drips):
            with suppress(OSError):
                drips.send(b"X-A: b\r\n")
            time.sleep(0.2)
        assert time.monotonic() < deadline
        wait_for(lambda: is_closed(body) and is_closed(idle))
        wait_for(lambda: server._door is not None and not server._door._guests)
        assert piped is not None


@pytest.mark.parametrize("request_line", [b"GET /live", b"HEAD /live", b"HEAD /stream.mjpg"])
def test_what_asks_for_a_view_and_takes_none_is_no_viewer(
    request_line: bytes, tmp_path: Path, model_path: Path
) -> None:
    """A connection without an end to its answer is let be for long: only one that truly looks."""
    with served(tmp_path, model_path) as (_, server), ExitStack() as stack:
        client = stack.enter_context(asked(server.port, request_line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert client.recv(65536).startswith(b"HTTP/1.1 4")
        guests = list(server._door._guests.values()) if server._door else []
        assert [guest.viewing for guest in guests] == [False] * len(guests)
        assert server._streams == 0


def test_viewers_that_do_not_read_are_cut_off(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "SEND_BYTES", 4096)
    with served(tmp_path, model_path, fps=30.0) as (rig, server), ExitStack() as stack:
        wait_for(lambda: len(rig.link.targets) > 5)
        deaf = [stack.enter_context(asked(server.port, r)) for r in (STREAM, UPGRADE)]
        wait_for(lambda: len(server._viewers) + server._streams == len(deaf))
        wait_for(lambda: not server._viewers and not server._streams)


def test_pictures_are_not_compressed_again(tmp_path: Path, model_path: Path) -> None:
    """Browsers offer it, and a dozen of them would take a share of a core from the decision."""

    async def offered(port: int) -> int:
        async with ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/live", compress=15) as live:
            return live.compress

    with served(tmp_path, model_path) as (_, server):
        assert asyncio.run(offered(server.port)) == 0


def test_viewers_are_few_and_leave_nothing_behind(
    tmp_path: Path, model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with served(tmp_path, model_path) as (rig, server), ExitStack() as stack:
        wait_for(lambda: len(rig.link.targets) > 5)
        streams = [stack.enter_context(asked(server.port, STREAM if i % 2 else UPGRADE)) for i in range(MAX_VIEWERS)]
        wait_for(lambda: len(server._viewers) + server._streams == MAX_VIEWERS)
        assert get(server.port, "/live")[0] == 503 and get(server.port, "/stream.mjpg")[0] == 503
        for client in streams:
            client.close()
        wait_for(lambda: not server._viewers and not server._streams)
        looks, _ = asyncio.run(watch(server.port, 1.0))
        assert looks
    ours = [r for r in caplog.records if r.name.startswith(("edge.web", "aiohttp", "asyncio"))]
    assert not [r for r in ours if r.exc_info or r.levelno > logging.INFO]
    assert sum("client" in r.getMessage() for r in ours) <= MAX_VIEWERS + 1


def test_what_clients_do_wrong_is_no_error_of_ours(
    tmp_path: Path, model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    requests = (
        b"\x16\x03\x01" + b"\x00" * 500,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        UPGRADE + b"\x81\xff" + b"\x00" * 200,
        UPGRADE + b"\x81\x05hello",
    )
    with served(tmp_path, model_path) as (rig, server), ExitStack() as stack:
        wait_for(lambda: len(rig.link.targets) > 5)
        for request in requests:
            client = stack.enter_context(asked(server.port, b""))
            with suppress(OSError):  # refused in the middle of it
                client.sendall(request)
        assert get(server.port, "/healthz")[0] == 200
        wait_for(lambda: not server._viewers)
    said = [r for r in caplog.records if r.name.startswith(("edge.web", "aiohttp", "asyncio"))]
    assert not [r for r in said if r.exc_info or r.levelno > logging.INFO]


def test_a_flood_of_requests_is_paced(tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REQUESTS_S", 50.0)
    monkeypatch.setattr(door, "REQUEST_BURST", 5)
    with served(tmp_path, model_path) as (rig, server), ExitStack() as stack:
        wait_for(lambda: len(rig.link.targets) > 5)
        head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        clients = [stack.enter_context(asked(server.port, head * 500)) for _ in range(4)]
        answers, sent = 0, len(rig.link.targets)
        until = time.monotonic() + 1.5
        for client in clients:
            client.settimeout(0.01)
        while time.monotonic() < until:
            for client in clients:
                with suppress(OSError):
                    answers += client.recv(65536).count(b"HTTP/1.1 200")
        assert 20 < answers < 110
        assert len(rig.link.targets) > sent + 10
