"""ONBOARD_COMPUTER_STATUS: real figures of /proc and /sys, and "unknown" where there are none."""

from __future__ import annotations

import threading
import time

import pytest

from firmware_bridge.computer import UNKNOWN_I8, UNKNOWN_I16, UNKNOWN_U8, UNKNOWN_U32, ComputerMonitor
from firmware_bridge.computer_sender import ComputerStatusSender
from firmware_bridge.dialect import mavlink
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.peers import UdpOutgoingPeer, wait_for
from tests.bridge.test_link import now, settings


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def stat(*cores):
    lines = ["cpu  1 2 3 4 5 6 7 8 9 10"]
    lines += [f"cpu{i} {user} 0 0 {idle} 0 0 0 0 0 0" for i, (user, idle) in enumerate(cores)]
    return "\n".join([*lines, "intr 5", ""])


@pytest.fixture
def jetson(tmp_path):
    """Files as a Jetson has them."""
    write(tmp_path, "proc/stat", stat((100, 900), (0, 0)))
    write(tmp_path, "proc/meminfo", "MemTotal:  8000000 kB\nMemFree: 1 kB\nMemAvailable: 6000000 kB\n")
    write(tmp_path, "proc/uptime", "123.45 678.90\n")
    for number, (kind, temperature) in enumerate(
        [
            ("CPU-therm", "45500"),
            ("GPU-therm", "41000"),
            ("Tboard_tegra", "38000"),
            ("PMIC-Die", "100000"),
            ("cv0-thermal", ""),
        ]
    ):
        write(tmp_path, f"sys/class/thermal/thermal_zone{number}/type", f"{kind}\n")
        write(tmp_path, f"sys/class/thermal/thermal_zone{number}/temp", temperature)
    write(tmp_path, "sys/devices/platform/gpu.0/load", "375\n")
    write(tmp_path, "sys/class/hwmon/hwmon2/fan1_input", "3200\n")
    return tmp_path


def sent(message):
    (heard,) = mavlink.MAVLink(None).parse_buffer(message.pack(mavlink.MAVLink(None)))
    return heard


def test_figures_of_a_jetson(jetson):
    monitor = ComputerMonitor(jetson, jetson)
    first = sent(monitor.message(5_000_000_000))
    assert list(first.cpu_cores) == [UNKNOWN_U8] * 8  # a share needs two readings
    write(jetson, "proc/stat", stat((130, 970), (100, 0)))
    status = sent(monitor.message(6_000_000_000))
    assert list(status.cpu_cores) == [30, 100, *[UNKNOWN_U8] * 6]
    assert status.cpu_combined[0] == 65
    assert list(status.gpu_cores) == [38, *[UNKNOWN_U8] * 3]
    assert (status.ram_usage, status.ram_total) == (1953, 7812)
    assert status.uptime == 123_450
    assert status.time_usec == 6_000_000
    assert list(status.temperature_core[:3]) == [46, 41, UNKNOWN_I8]
    assert status.temperature_board == 38
    assert list(status.fan_speed) == [3200, *[UNKNOWN_I16] * 3]
    assert 0 < status.storage_usage[0] < status.storage_total[0]
    assert list(status.storage_usage[1:]) == [UNKNOWN_U32] * 3


def test_what_cannot_be_read_is_unknown_never_zero(tmp_path):
    monitor = ComputerMonitor(tmp_path, tmp_path / "gone")
    for _ in range(2):
        status = sent(monitor.message(1))
    for field in ("cpu_cores", "cpu_combined", "gpu_cores", "gpu_combined"):
        assert set(getattr(status, field)) == {UNKNOWN_U8}
    assert set(status.temperature_core) == {UNKNOWN_I8}
    assert status.temperature_board == UNKNOWN_I8
    assert set(status.fan_speed) == {UNKNOWN_I16}
    for field in (
        "storage_type",
        "storage_usage",
        "storage_total",
        "link_type",
        "link_tx_rate",
        "link_rx_rate",
        "link_tx_max",
        "link_rx_max",
    ):
        assert set(getattr(status, field)) == {UNKNOWN_U32}
    assert (status.ram_usage, status.ram_total) == (UNKNOWN_U32, UNKNOWN_U32)


@pytest.mark.parametrize("text", ["", "garbage", "cpu0 1", "cpu0 a b c d e f g h"])
def test_strange_files_do_not_raise(jetson, text):
    for path in (
        "proc/stat",
        "proc/meminfo",
        "proc/uptime",
        "sys/devices/platform/gpu.0/load",
        "sys/class/thermal/thermal_zone0/temp",
    ):
        write(jetson, path, text)
    monitor = ComputerMonitor(jetson, jetson)
    for _ in range(2):
        sent(monitor.message(1))


def test_this_computer():
    monitor = ComputerMonitor()
    monitor.message(1)
    time.sleep(0.05)
    status = sent(monitor.message(2))
    assert 0 < status.ram_usage < status.ram_total < UNKNOWN_U32
    assert 0 < status.storage_total[0] < UNKNOWN_U32
    assert all(share <= 100 or share == UNKNOWN_U8 for share in status.cpu_cores)


def test_it_follows_the_heartbeat_and_stops_with_it():
    udp = UdpOutgoingPeer()
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        assert wait_for(lambda: link.status(now()).alive, 10)
        assert fake.of_type("ONBOARD_COMPUTER_STATUS") == []
        for count in range(1, 4):
            link.send_heartbeat(HealthState.OK)
            assert wait_for(lambda n=count: len(fake.of_type("ONBOARD_COMPUTER_STATUS")) == n)
        time.sleep(0.1)
        assert len(fake.of_type("ONBOARD_COMPUTER_STATUS")) == 3
    assert not [t for t in threading.enumerate() if t.name == "computer-status"]


def test_a_slow_sensor_delays_nobody():
    class Slow(ComputerMonitor):
        def message(self, now_ns):
            time.sleep(0.2)
            return super().message(now_ns)

    taken = []
    sender = ComputerStatusSender(Slow(), taken.append)
    sender.start()
    started = time.monotonic()
    for _ in range(100):
        sender.wake()
    assert time.monotonic() - started < 0.2
    assert wait_for(lambda: taken)
    sender.close()
    sender.close()
    assert len(taken) <= 3
