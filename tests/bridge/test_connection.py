"""One contract for every transport, and what is special about each."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import termios
import threading
import time

import pytest

from firmware_bridge.connection import Endpoint, make_transport, parse_connection
from firmware_bridge.serial_port import SerialTransport, _baud_of
from firmware_bridge.sockets import MAX_CLIENTS, TcpClient, TcpServer, UdpServer
from firmware_bridge.transport import STALLED_NS, STUCK_NS, Outbox, queued_bytes
from landing.errors import LinkError
from tests.bridge.peers import PEERS, PtyPeer, free_port, make_peer, wait_for

MS, S = 1_000_000, 1_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/ttyTHS1", Endpoint("serial", device="/dev/ttyTHS1", baud=57_600)),
        ("/dev/ttyACM0,115200", Endpoint("serial", device="/dev/ttyACM0", baud=115_200)),
        ("udpin:0.0.0.0:14550", Endpoint("udpin", host="0.0.0.0", port=14_550)),
        ("udp:127.0.0.1:14550", Endpoint("udpin", host="127.0.0.1", port=14_550)),
        ("udpout:10.0.0.2:14551", Endpoint("udpout", host="10.0.0.2", port=14_551)),
        ("tcp:drone.local:5760", Endpoint("tcp", host="drone.local", port=5760)),
        ("tcpin:0.0.0.0:5760", Endpoint("tcpin", host="0.0.0.0", port=5760)),
        ("tcp:[::1]:5760", Endpoint("tcp", host="::1", port=5760)),
    ],
)
def test_strings(text, expected):
    assert parse_connection(text, baud=57_600) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ttyACM0",
        "udp",
        "udpin:14550",
        "udpin::14550",
        "tcp:host:",
        "tcp:host:abc",
        "tcp:host:70000",
        "tcp:host:0",
        "tcp:host:²",
        "udpbcast:1.2.3.4:5",
        "ws://x:1",
        "/dev/ttyACM0,fast",
        "/dev/ttyACM0,5",
        "/dev/ttyACM0:115200",
        "udp://:14540",
        "udpout://10.0.0.2:14550",
        "tcp://127.0.0.1:5760",
    ],
)
def test_bad_strings_name_the_value(text):
    with pytest.raises(LinkError) as caught:
        parse_connection(text)
    assert f"'{text}'" in str(caught.value)


@pytest.fixture(params=sorted(PEERS))
def pair(request, tmp_path):
    """An open transport and its peer, introduced to each other where the kind needs it."""
    peer = make_peer(request.param, tmp_path)
    transport = Door(make_transport(parse_connection(peer.connection)))
    transport.open()
    introduce(transport, peer)
    yield transport, peer
    transport.close()
    peer.close()


class Door:
    """A transport that writes to whom it heard last."""

    def __init__(self, transport):
        self.transport = transport
        self.open, self.close = transport.open, transport.close
        self.peer = None

    def read(self, timeout_s):
        data, peer = self.transport.read(timeout_s)
        assert (peer is not None) == (self.transport.waits and bool(data)) or not data
        if data:
            self.peer = peer
        return data

    def write(self, data):
        return self.transport.write(data, self.peer)


def introduce(transport, peer):
    """Each side says hello until both have heard the other."""
    heard = {"us": False, "them": False}

    def hello():
        transport.write(b"hello")
        heard["them"] |= bool(peer.receive(0.02))
        peer.send(b"hello")
        heard["us"] |= bool(transport.read(0.02))
        return all(heard.values())

    assert wait_for(hello)
    while transport.read(0.02) or peer.receive(0.02):
        pass


def read_all(read, size, timeout_s=3.0):
    data = b""
    deadline = time.monotonic() + timeout_s
    while len(data) < size and time.monotonic() < deadline:
        data += read(0.1)
    return data


def test_bytes_both_ways(pair):
    transport, peer = pair
    every_byte = bytes(range(256))
    peer.send(every_byte)
    assert read_all(transport.read, 256) == every_byte
    assert transport.write(every_byte)
    assert read_all(peer.receive, 256) == every_byte


def test_read_keeps_its_timeout(pair):
    transport, _ = pair
    start = time.monotonic()
    assert transport.read(0.05) == b""
    assert 0.03 < time.monotonic() - start < 1.0
    assert transport.read(0.0) == b""


def test_read_wakes_up_at_once(pair):
    transport, peer = pair
    timer = threading.Timer(0.05, peer.send, [b"x"])
    timer.start()
    start = time.monotonic()
    assert transport.read(5.0) == b"x"
    assert time.monotonic() - start < 2.0
    timer.join()


def test_a_stuck_peer_never_blocks_a_write(pair):
    """Nobody reads: frames are dropped or buffered, whole, and each call returns at once."""
    transport, _ = pair
    frame = bytes(280)
    longest = 0.0
    for _ in range(20_000):
        start = time.monotonic()
        taken = transport.write(frame)
        longest = max(longest, time.monotonic() - start)
        if not taken:
            break
    assert longest < 0.5


def test_hangup_is_noticed_or_survived_and_it_can_be_opened_again(pair):
    transport, peer = pair
    peer.hangup()
    if peer.survives_hangup:
        for _ in range(3):
            transport.write(b"into the void")
            assert transport.read(0.02) == b""
    else:
        with pytest.raises(LinkError, match=r"lost|gone|closed"):
            for _ in range(50):
                transport.read(0.05)
        assert transport.write(b"x") in (True, False)
        transport.close()
    peer.come_back()
    if not peer.survives_hangup:
        transport.open()
    introduce(transport, peer)


def test_close_twice_and_use_after(pair):
    transport, _ = pair
    transport.close()
    transport.close()
    assert transport.write(b"x") is False
    with pytest.raises(LinkError, match="not open"):
        transport.read(0.01)


def test_open_twice_is_a_reopen(pair):
    transport, peer = pair
    peer.hangup()
    peer.come_back()
    transport.open()
    introduce(transport, peer)


# --- serial ---


@pytest.mark.parametrize("baud", [57_600, 115_200, 921_600, 1_500_000])
def test_serial_sets_the_baud_rate(tmp_path, baud):
    peer = PtyPeer(tmp_path, baud)
    transport = make_transport(parse_connection(peer.connection))
    transport.open()
    assert _baud_of(peer.fileno()) == baud
    transport.close()
    peer.close()


def test_serial_refuses_a_rate_the_driver_did_not_take(tmp_path, monkeypatch):
    peer = PtyPeer(tmp_path, 921_600)
    monkeypatch.setattr("firmware_bridge.serial_port._baud_of", lambda fd: 115_200)
    with pytest.raises(LinkError, match=r"921600.*115200"):
        make_transport(parse_connection(peer.connection)).open()
    peer.close()


def test_serial_is_exclusive(tmp_path):
    peer = PtyPeer(tmp_path)
    first = make_transport(parse_connection(peer.connection))
    first.open()
    with pytest.raises(LinkError, match="in use"):
        make_transport(parse_connection(peer.connection)).open()
    first.close()
    peer.close()


def test_serial_cut_frames_are_finished_before_the_next(tmp_path):
    """However full the line was, what arrives is a sequence of whole frames."""
    peer = PtyPeer(tmp_path)
    transport = make_transport(parse_connection(peer.connection))
    transport.open()
    frames = [bytes([i % 251]) * 37 for i in range(4000)]
    taken = [frame for frame in frames if transport.write(frame)]
    assert len(taken) < len(frames)
    received = b""
    for _ in range(3):
        received += read_all(peer.receive, len(b"".join(taken)), timeout_s=0.3)
        if transport.write(b"last"):
            taken.append(b"last")
            break
    received += peer.receive(0.2)
    assert received == b"".join(taken)
    transport.close()
    peer.close()


def test_serial_errors(tmp_path):
    with pytest.raises(LinkError, match="no such device"):
        SerialTransport(str(tmp_path / "none"), 921_600).open()
    plain = tmp_path / "plain"
    plain.write_text("no port")
    with pytest.raises(LinkError, match="serial port"):
        SerialTransport(str(plain), 921_600).open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open anything")
def test_serial_permission(tmp_path):
    locked = tmp_path / "locked"
    locked.touch(mode=0o000)
    with pytest.raises(LinkError, match="dialout"):
        SerialTransport(str(locked), 921_600).open()


def test_serial_permission_text():
    error = PermissionError(13, "Permission denied")
    assert "dialout" in SerialTransport("/dev/ttyX", 921_600)._why(error)


# --- sockets ---


def test_udp_port_in_use():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(LinkError, match="in use"):
            UdpServer("127.0.0.1", other.getsockname()[1]).open()


def test_foreign_address_cannot_be_bound():
    with pytest.raises(LinkError, match="not an address of this computer"):
        UdpServer("192.0.2.1", 0).open()


def test_tcp_refused_names_the_place():
    port = free_port()
    with pytest.raises(LinkError, match=rf"tcp:127.0.0.1:{port}.*refused"):
        TcpClient("127.0.0.1", port).open()


def test_tcp_brings_nothing_that_stood_in_a_stalled_network_for_longer_than_a_second():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = make_transport(parse_connection(f"tcp:127.0.0.1:{server.getsockname()[1]}"))
        client.open()
        assert client._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 1000
        client.close()


@pytest.fixture
def sleeper():
    """Our end of a TCP connection whose other end never reads, and has little room."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        with socket.create_connection(server.getsockname()) as ours, server.accept()[0]:
            ours.setblocking(False)
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield ours


def test_what_a_sleeping_peer_does_not_take_is_dropped_and_never_gathers(sleeper):
    """Else it would get our old targets and commands when it wakes, in their order."""
    outbox, frame, now_ns = Outbox(), bytes(280), S
    stuck_from = None
    for _ in range(4000):
        now_ns += 50 * MS
        waited = queued_bytes(sleeper.fileno())
        taken = outbox.write(sleeper.fileno(), frame, now_ns)
        if waited == 0:
            stuck_from = None
        elif stuck_from is None:
            stuck_from = now_ns
        if stuck_from is not None and now_ns - stuck_from >= STUCK_NS:
            assert not taken
        if outbox.stalled(now_ns):
            break
    assert outbox.stalled(now_ns)
    assert queued_bytes(sleeper.fileno()) <= (STUCK_NS // (50 * MS) + 2) * len(frame)


def test_a_tcp_connection_that_takes_nothing_is_given_up_with_what_waits(sleeper):
    client = TcpClient("127.0.0.1", 1)
    client._socket = sleeper.dup()
    client._outbox._stuck_ns = time.monotonic_ns() - STALLED_NS
    with pytest.raises(LinkError, match="takes nothing"):
        client.read(0.0)
    assert client._socket.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
    client.close()


def test_a_tcp_client_that_takes_nothing_is_hung_up_on():
    server = TcpServer("127.0.0.1", 0)
    server.open()
    with socket.create_connection(("127.0.0.1", server.bound_port)) as client:
        client.sendall(b"x")
        peer = wait_for(lambda: server.read(0.05).peer)
        server._clients[peer][1]._stuck_ns = time.monotonic_ns() - STALLED_NS
        server.read(0.0)
        assert not server.write(b"late", peer)
        client.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert client.recv(10) == b""
    server.close()


def test_a_serial_device_that_sleeps_wakes_to_nothing_old(tmp_path, monkeypatch):
    peer, waits, flushed = PtyPeer(tmp_path), [0], []
    line = make_transport(parse_connection(peer.connection))
    line.open()
    monkeypatch.setattr("firmware_bridge.transport.queued_bytes", lambda _fd: waits[0])
    monkeypatch.setattr("firmware_bridge.serial_port.termios.tcflush", lambda _fd, which: flushed.append(which))
    assert line.write(b"one")
    waits[0] = 3
    assert line.write(b"two")
    waits[0] = 6
    line._outbox._stuck_ns -= STUCK_NS
    assert not line.write(b"three") and not flushed
    line._outbox._stuck_ns -= STALLED_NS
    waits[0] = 0  # as the flush does
    assert line.write(b"four") and flushed == [termios.TCOFLUSH]
    monkeypatch.undo()
    line.close()
    peer.close()


def test_a_slow_line_is_given_no_more_than_it_carries_in_time(monkeypatch):
    waits, read_end = [0], os.pipe()
    monkeypatch.setattr("firmware_bridge.transport.queued_bytes", lambda _fd: waits[0])
    slow = Outbox(5760.0)
    for now_ms in range(0, 2000, 50):
        waits[0] = 1500 - now_ms // 10  # it moves, and has 0.25 s of work
        assert slow.write(read_end[1], b"x", now_ms * MS) is (waits[0] <= 1440)
    assert not slow.stalled(2 * S)
    for end in read_end:
        os.close(end)


def test_unknown_host():
    with pytest.raises(LinkError, match="not found"):
        TcpClient("no-such-host.invalid", 5760).open()


def test_udp_names_each_sender_and_writes_to_one():
    server = UdpServer("127.0.0.1", 0)
    server.open()
    to = ("127.0.0.1", server.bound_port)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as autopilot,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as station,
    ):
        for peer in (autopilot, station):
            peer.settimeout(0.2)
            peer.bind(("127.0.0.1", 0))
            peer.sendto(b"hi", to)
            assert server.read(1.0) == (b"hi", peer.getsockname())
        assert server.write(b"answer", autopilot.getsockname())
        assert autopilot.recv(100) == b"answer"
        with pytest.raises(TimeoutError):
            station.recv(100)
        assert server.write(b"to nobody") is False
    server.close()


def test_a_newer_tcp_client_takes_nothing_from_an_older_one():
    server = TcpServer("127.0.0.1", 0)
    server.open()
    to = ("127.0.0.1", server.bound_port)
    clients = [socket.create_connection(to, 2) for _ in range(2)]
    for number, client in enumerate(clients):
        client.sendall(bytes([number]))
        assert wait_for(lambda: server.read(0.1).data) == bytes([number])
    older = clients[0].getsockname()
    assert server.write(b"x", older)
    assert clients[0].recv(10) == b"x"
    clients[1].close()
    server.read(0.1)
    clients[0].sendall(b"on")
    assert wait_for(lambda: server.read(0.1)) == (b"on", older)
    server.close()
    clients[0].close()


def test_a_tcp_port_full_of_speakers_turns_the_next_away():
    server = TcpServer("127.0.0.1", 0)
    server.open()
    to = ("127.0.0.1", server.bound_port)
    clients = []
    for _ in range(MAX_CLIENTS + 1):
        clients.append(socket.create_connection(to, 2))
        clients[-1].sendall(b"x")
        while server.read(0.05).data:
            pass
        server.read(0.05)
    clients[-1].settimeout(2)
    with contextlib.suppress(ConnectionError):  # its unread byte makes the end a reset
        assert clients[-1].recv(1) == b""
    clients[0].sendall(b"first")
    got = {server.read(0.1) for _ in range(2 * MAX_CLIENTS)}
    assert any(a.peer == clients[0].getsockname() and a.data.endswith(b"first") for a in got)
    server.close()
    for client in clients:
        client.close()
