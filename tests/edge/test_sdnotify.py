from __future__ import annotations

import socket
import uuid
from pathlib import Path

import pytest

from edge.sdnotify import ServiceNotifier


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_what_the_service_manager_hears(kind: str, tmp_path: Path) -> None:
    name = f"touchdown-{uuid.uuid4().hex}"
    address = f"@{name}" if kind == "abstract" else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if kind == "abstract" else address)
        manager.settimeout(1.0)
        notifier = ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"})
        assert notifier.watchdog_period_ns == 1_500_000_000
        notifier.ready()
        notifier.status("active:\n 15 Hz")
        notifier.status("active: 15 Hz")
        notifier.watchdog()
        notifier.stopping()
        heard = [manager.recv(200).decode() for _ in range(4)]
    assert heard == ["READY=1", "STATUS=active: 15 Hz", "WATCHDOG=1", "STOPPING=1"]


def test_without_a_manager_nothing_happens() -> None:
    notifier = ServiceNotifier({})
    assert not notifier.enabled
    assert notifier.send("READY=1") is False
    assert notifier.watchdog_period_ns is None


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    notifier = ServiceNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "x"})
    assert notifier.send("WATCHDOG=1") is False
    assert notifier.watchdog_period_ns is None
