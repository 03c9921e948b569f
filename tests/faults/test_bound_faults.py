"""Strangers at the live page take what they can get: what is promised, and that it is kept."""

from __future__ import annotations

import resource
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.bench import Bench, wait_for
from tests.faults.matrix import Row
from tests.faults.measure import Keep, goes_on, resident_mb

pytestmark = [pytest.mark.flight, pytest.mark.timeout(200)]

DESCRIPTORS = 1024
HALF_OPEN = 2000
SILENT_VIEWERS = 40
STREAM = b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n"


def usual_limit() -> None:
    """As a service gets it where nobody says otherwise."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def may_open(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def descriptors(bench: Bench) -> int:
    return sum(1 for _ in Path(f"/proc/{bench.daemon.pid}/fd").iterdir())


def knock(stack: ExitStack, port: int, number: int, request: bytes = b"") -> socket.socket:
    client = stack.enter_context(socket.socket())
    client.bind((f"127.0.{number % 40 + 1}.1", 0))
    client.settimeout(0.5)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if not request:
        client.setblocking(False)
    client.connect_ex(("127.0.0.1", port))
    if request:
        client.sendall(request)
    return client


def test_half_open_connections(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    may_open(HALF_OPEN + 500)
    with Bench(tmp_path, model_path, preexec=usual_limit) as bench, ExitStack() as stack:
        bench.wait_for_targets()
        log_bytes = (tmp_path / "daemon.log").stat().st_size
        began = time.monotonic()
        for number in range(HALF_OPEN):
            knock(stack, bench.preview_port, number)
        count, gap_s = goes_on(bench, 3.0)
        most = descriptors(bench)
        bench.order_camera("gone")
        wait_for(lambda: bench.events("camera-failed"), 10, bench.said)
        bench.order_camera("good")
        good_ns = time.monotonic_ns()
        wait_for(lambda: bench.events("camera-back"), 20, bench.said)
        back_ns = int(bench.events("camera-back")[0]["mono_ns"])
        wait_for(lambda: bench.targets_after(back_ns), 20, bench.said)
        first_ns = next(t.at_ns for t in bench.wire.targets if t.at_ns > back_ns)
        recovery_s = (first_ns - good_ns) * 1e-9
        seconds = time.monotonic() - began
        grown = (tmp_path / "daemon.log").stat().st_size - log_bytes
        assert "Traceback" not in bench.said()
    keep(
        Row(
            40,
            f"{HALF_OPEN} half-open connections to the live page, then the camera restarts",
            "goes on; the camera is opened again as ever",
            f"{count} targets in 3 s, longest gap {gap_s:.2f} s; {most} of {DESCRIPTORS} "
            f"descriptors; log {grown / seconds / 1e3:.1f} kB/s",
            None,
            recovery_s,
            count > 40 and gap_s < 1.0 and most < DESCRIPTORS // 4 and recovery_s < 5.0 and grown / seconds < 2000,
        )
    )


def test_viewers_that_never_read(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path, preexec=usual_limit) as bench, ExitStack() as stack:
        bench.wait_for_targets()
        before_mb = resident_mb(bench.daemon.pid)
        for number in range(SILENT_VIEWERS):
            knock(stack, bench.preview_port, number, STREAM)
        count, gap_s = goes_on(bench, 5.0)
        grown_mb = resident_mb(bench.daemon.pid) - before_mb
        most = descriptors(bench)
        asked_at = time.monotonic()
        bench.signal_daemon(signal.SIGTERM)
        status = bench.daemon.wait(20)
        stopped_s = time.monotonic() - asked_at
        assert "Traceback" not in bench.said()
    keep(
        Row(
            41,
            f"{SILENT_VIEWERS} viewers of the live page that never read",
            "goes on; a few may look, the others are refused",
            f"{count} targets in 5 s, longest gap {gap_s:.2f} s; {most} descriptors, "
            f"{grown_mb:.0f} MB more; stopped in {stopped_s:.1f} s, exit status {status}",
            None,
            None,
            count > 60
            and gap_s < 1.0
            and most < DESCRIPTORS // 4
            and grown_mb < 40
            and status == 0
            and stopped_s < 2.5,
        )
    )
