"""One daemon: what is claimed is held by one process, until it ends, however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware_bridge.claims import Claim, Claims, HeldError, holder_of
from firmware_bridge.cli import cli
from tests.bridge.peers import PtyPeer

ROOT = Path(__file__).resolve().parents[2]
HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from firmware_bridge.claims import Claim, Claims\n"
    "claims = Claims()\n"
    "claims.take([Claim.of_path('recordings', Path(sys.argv[1]))])\n"
    "print('held', flush=True)\n"
    "time.sleep(60)\n"
)


def link(text):
    return Claim.of_link(text, 921_600)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("udpin:0.0.0.0:14550", "udp:127.0.0.1:14550"),
        ("tcp:localhost:5760", "tcp:127.0.0.1:5760"),
        ("udpout:[::1]:14551", "udpout:127.0.0.1:14551"),
        ("tcpin:0.0.0.0:5760", "tcpin:127.0.0.1:5760"),
        ("/dev/null", "/dev/../dev/null,57600"),
    ],
)
def test_the_same_link_by_another_name(one, other):
    assert link(one) == link(other)
    assert link(one).name == link(other).name


def test_links_that_are_not_the_same():
    texts = [
        "udpin:0.0.0.0:14550",
        "udpin:0.0.0.0:14551",
        "udpout:127.0.0.1:14550",
        "tcp:127.0.0.1:14550",
        "tcpin:127.0.0.1:14550",
        "udpout:10.0.0.1:14550",
        "/dev/null",
    ]
    assert len({link(text).name for text in texts}) == len(texts)
    assert link("udpin:127.0.0.1:0") is None


def test_a_serial_device_by_its_stable_name(tmp_path):
    peer = PtyPeer(tmp_path)
    device = str((tmp_path / "autopilot").readlink())
    assert link(peer.connection) == link(device)
    peer.close()


def test_a_link_to_a_folder_is_the_folder(tmp_path):
    (tmp_path / "flights").mkdir()
    (tmp_path / "same").symlink_to(tmp_path / "flights")
    one, other = (Claim.of_path("recordings", tmp_path / n) for n in ("flights", "same"))
    with Claims() as held:
        held.take([one])
        with Claims() as second, pytest.raises(HeldError) as caught:
            second.take([other])
        assert f"process {os.getpid()}" in str(caught.value)
        assert caught.value.exit_code == 78
    assert holder_of(one) == ""


def test_what_is_taken_in_place_of_something_else(tmp_path):
    a, b, c = (Claim.of_path("recordings", tmp_path / n) for n in "abc")
    with Claims() as first, Claims() as second:
        first.take([a, b])
        second.take([c])
        with pytest.raises(HeldError):
            first.take([b, c])  # what was held stays held
        assert holder_of(a) and holder_of(b)
        first.take([b])
        assert not holder_of(a)
        second.take([a, c])
    assert not any(map(holder_of, (a, b, c)))


def test_the_holder_is_named_and_a_kill_lets_go(tmp_path):
    claim = Claim.of_path("recordings", tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert holder.stdout.readline() == b"held\n"
        with Claims() as ours, pytest.raises(HeldError) as caught:
            ours.take([claim])
        text = str(caught.value)
        assert f"process {holder.pid} for 0 min" in text
        assert str(tmp_path) in text and sys.executable in text and "stop it" in text
    finally:
        holder.kill()
        holder.wait(10)
        holder.stdout.close()
    with Claims() as ours:
        ours.take([claim])


def test_the_doctor_leaves_a_running_daemon_alone(tmp_path):
    peer = PtyPeer(tmp_path)
    with Claims() as daemon:
        daemon.take([link(peer.connection)])
        done = CliRunner().invoke(cli, ["doctor", "--link", peer.connection, "--json"])
    assert done.exit_code == 78
    assert f"process {os.getpid()}" in json.loads(done.output)["error"]
    assert peer.receive(0.1) == b""
    peer.close()
