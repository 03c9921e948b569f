"""The daemon in a process of its own, and a ground station that finds, tunes and stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.ftp import FtpPacket, Opcode
from firmware_bridge.stamp_file import make_key_file
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.peers import UdpOutgoingPeer, UdpWaitingPeer, wait_for
from tests.bridge.test_ground_stations import GroundStation
from tests.bridge.test_signing import KEY, SigningAutopilot
from tests.command import ROOT
from tests.edge.test_cli import events_of, write_config

SLOW_S = 60.0
"""The daemon starts within a few seconds; on a loaded machine it may take this long."""


class Serving:
    """`edge serve` with an autopilot on its link; a context manager."""

    def __init__(self, folder: Path, model: Path, extra: str, autopilot: type = FakeAutopilot, *parts: object) -> None:
        self.udp = UdpOutgoingPeer()
        self.config = write_config(folder, model, connection=self.udp.connection)
        text = self.config.read_text().replace("[log]", f"{extra}[log]")
        self.config.write_text(text)
        self.fake = autopilot(self.udp, *parts)
        self.fake.armed = False

    def __enter__(self) -> Serving:
        self.fake.__enter__()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(self.config)],
            cwd=ROOT,
            env=os.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Its log is read all the time, as a full pipe would stop it.
        self.log: list[str] = []
        assert self.process.stderr is not None
        stream = self.process.stderr
        self._reader = threading.Thread(target=lambda: self.log.extend(stream), daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.fake.__exit__()


@pytest.mark.timeout(240)
def test_a_ground_station_finds_tunes_and_stops_the_daemon(tmp_path: Path, model_path: Path) -> None:
    peer = UdpWaitingPeer()
    extra = f'ground_stations = ["{peer.connection}"]\n[expert.link]\nparameters = "kept.json"\n'
    with Serving(tmp_path, model_path, extra) as serving, GroundStation(peer) as station:
        # It finds the component by its heartbeat, and sees how its computer is.
        assert wait_for(lambda: station.of_type("HEARTBEAT", 191), SLOW_S), serving.log
        assert wait_for(lambda: station.of_type("ONBOARD_COMPUTER_STATUS", 191), SLOW_S)
        # It reads what can be set, and the file that says what it means.
        ask = mavlink.MAVLink_param_request_list_message(1, 191)
        assert station.ask_until(ask, lambda: len(station.of_type("PARAM_VALUE")) >= 13)
        names = {m.param_id for m in station.of_type("PARAM_VALUE")}
        assert {"TD_ENABLE", "TD_RADIUS_M", "TD_AUTHORITY"} <= names
        read = FtpPacket(1, 0, Opcode.OPEN_FILE_RO, 15, 0, 0, 0, b"parameters.json").pack()
        opening = mavlink.MAVLink_file_transfer_protocol_message(0, 1, 191, read)
        assert station.ask_until(opening, lambda: station.of_type("FILE_TRANSFER_PROTOCOL"))
        opened = FtpPacket.parse(bytes(station.of_type("FILE_TRANSFER_PROTOCOL")[0].payload))
        assert opened.opcode == Opcode.ACK
        # It asks for more caution, which is kept, and for less, which is refused.
        wider = mavlink.MAVLink_param_set_message(1, 191, b"TD_RADIUS_M", 0.75, 9)
        kept = tmp_path / "kept.json"
        assert station.ask_until(wider, kept.exists), serving.log
        assert json.loads(kept.read_text()) == {"TD_RADIUS_M": 0.75}
        laxer = mavlink.MAVLink_param_set_message(1, 191, b"TD_RADIUS_M", 0.25, 9)
        assert station.ask_until(laxer, lambda: station.of_type("PARAM_ERROR"))
        # It switches targets off, while armed.
        serving.fake.armed = True
        off = mavlink.MAVLink_param_set_message(1, 191, b"TD_ENABLE", 0, 6)
        assert station.ask_until(off, lambda: "TD_ENABLE" in kept.read_text())
        assert json.loads(kept.read_text()) == {"TD_RADIUS_M": 0.75, "TD_ENABLE": 0.0}
    changes = [(e["name"], e["value"]) for e in events_of(tmp_path) if e["event"] == "parameter"]
    assert changes == [("TD_RADIUS_M", 0.75), ("TD_ENABLE", 0.0)]
    assert "Traceback" not in "".join(serving.log)


@pytest.mark.timeout(240)
def test_the_daemon_on_a_signed_link(tmp_path: Path, model_path: Path) -> None:
    make_key_file(tmp_path / "link.key", KEY.secret)
    extra = 'signing_key = "link.key"\n'
    with Serving(tmp_path, model_path, extra, SigningAutopilot, KEY.secret) as serving:
        fake = serving.fake
        assert wait_for(lambda: fake.of_type("COMMAND_LONG"), SLOW_S), serving.log
        assert wait_for(lambda: fake.of_type("HEARTBEAT"), SLOW_S)
        assert all(m.get_header().incompat_flags & 1 for m in tuple(fake.received))
        # The stamp is on the disk before anything was signed.
        assert int((tmp_path / "link.key.stamp").read_text()) > 0
    secret = KEY.secret.hex()
    assert secret not in "".join(serving.log)
    assert secret not in (tmp_path / "events.jsonl").read_text()


def test_a_key_that_others_can_read_stops_the_daemon(tmp_path: Path, model_path: Path) -> None:
    make_key_file(tmp_path / "link.key", KEY.secret)
    (tmp_path / "link.key").chmod(0o644)
    with Serving(tmp_path, model_path, 'signing_key = "link.key"\n') as serving:
        assert serving.process.wait(SLOW_S) != 0
    text = "".join(serving.log)
    assert "chmod 600" in text
    assert "Traceback" not in text
