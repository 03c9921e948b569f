"""Programs beside the daemon: they hear its target, and switch it off and on by the messages of MAVSDK and MAVROS.

The autopilot is a fake that passes on what comes, as ArduPilot and PX4 do between their ports.
"""

from __future__ import annotations

import os
import re
import runpy
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from edge.config import parse_config
from edge.keys import to_file
from edge.log import EventLog
from edge.parameters import DaemonParameters
from edge.resolved import resolve_flight
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from landing.types import LandingTarget
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.peers import UdpOutgoingPeer, free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]


class PassesOn:
    """The autopilot's forwarding: all that we send goes to a program, all that it sends comes to us."""

    def __init__(self, autopilot: FakeAutopilot, port: int) -> None:
        self._autopilot, self._to = autopilot, ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.01)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PassesOn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        passed = 0
        while not self._stop.is_set():
            for message in tuple(self._autopilot.received)[passed:]:
                passed += 1
                self._socket.sendto(bytes(message.get_msgbuf()), self._to)
            with suppress(OSError):
                self._autopilot.peer.send(self._socket.recv(65_535))


def test_a_program_hears_targets_and_switches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peer, port = UdpOutgoingPeer(), free_port(socket.SOCK_DGRAM)
    data = {
        "model": {"path": "model.onnx"},
        "camera": {"source": "v4l2:///dev/video0", "width_px": 64, "height_px": 48, "hfov_deg": 70.0},
        "link": {"connection": peer.connection},
        "expert": {"link": {"parameters": str(tmp_path / "kept.json")}},
    }
    tables = to_file({name: table for name, table in data.items() if name != "expert"})
    config = parse_config({**tables, "expert": data["expert"]}, tmp_path / "edge.toml")
    flight = resolve_flight(config, None, {})
    with EventLog(tmp_path / "events.jsonl") as events, FakeAutopilot(peer) as autopilot:
        parameters = DaemonParameters(config, flight, flight, {}, events)
        with FlightLink(flight.link, parameters=parameters) as link, PassesOn(autopilot, port):
            parameters.connect(link.withhold, lambda period_s: None)
            done = threading.Event()

            def fly() -> None:
                while not done.wait(0.05):
                    now_ns = time.monotonic_ns()
                    link.send_target(LandingTarget((1.0, 2.0, 10.0), (1.0, 2.0, 0.0), now_ns, now_ns))
                    link.send_heartbeat(HealthState.OK)

            flying = threading.Thread(target=fly, daemon=True)
            flying.start()
            try:
                assert wait_for(lambda: autopilot.of_type("LANDING_TARGET"), 10.0)
                monkeypatch.setattr("sys.argv", ["switch_over_mavlink", f"udpin:127.0.0.1:{port}"])
                runpy.run_path(str(ROOT / "examples" / "switch_over_mavlink.py"))
            finally:
                done.set()
                flying.join(5)
    counts = re.findall(r"TD_ENABLE (\d): (\d+) targets", capsys.readouterr().out)
    assert [value for value, _ in counts] == ["1", "0", "1"]
    first, off, last = (int(count) for _, count in counts)
    assert first > 5 and last > 5 and off <= 3, counts  # those that were on their way


def test_a_program_of_the_graph_hears_the_target(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedds", reason="needs the extra ros2")
    quiet = {
        "CYCLONEDDS_URI": "<General><Interfaces><NetworkInterface name='lo' multicast='true'/></Interfaces></General>",
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 230),
        "PYTHONPATH": str(ROOT),
    }
    sender = (
        "import time\nfrom edge.dds.graph import RosNode, reliable\nfrom edge.dds import messages as m\n"
        "from edge.ros import answers\nnode = RosNode('touchdown', '/touchdown')\n"
        "send = node.writer('/touchdown/target', m.RosPoseWithCovarianceStamped, reliable())\n"
        "while True:\n    send(answers.place((3.0, 4.0, 0.5), 0.5, 0, 'map'))\n    time.sleep(0.05)\n"
    )
    environment = {**os.environ, **quiet}
    example = ROOT / "examples" / "hear_target_ros2.py"
    with subprocess.Popen([sys.executable, "-c", sender], env=environment) as node:
        try:
            heard = subprocess.run(
                [sys.executable, example, "4"], env=environment, capture_output=True, text=True, timeout=60, check=True
            )
        finally:
            node.kill()
    assert "land 4.0 m east, 3.0 m north, -0.5 m up in map" in heard.stdout
