"""As peers' own clients see us: pymavlink's connection, and MAVProxy where it is installed.

MAVProxy is GPL and no dependency of ours: `pipx install MAVProxy` puts `mavproxy.py` on the PATH.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest
from pymavlink import mavparm, mavutil

from firmware_bridge.dialect import mavlink
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from firmware_bridge.settings import LinkSettings
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.parameter_table import SmallTable
from tests.bridge.peers import UdpOutgoingPeer, free_port, wait_for

MAVPROXY = shutil.which("mavproxy.py")


@contextmanager
def companion(table):
    """A link that works, with a ground station's port beside the autopilot's; yields the port."""
    udp = UdpOutgoingPeer()
    port = free_port(socket.SOCK_DGRAM)
    settings = LinkSettings(udp.connection, ground_stations=(f"udpout:127.0.0.1:{port}",))
    stop = threading.Event()
    with FakeAutopilot(udp) as fake, FlightLink(settings, parameters=table) as link:
        fake.armed = False

        def work():
            while not stop.wait(0.2):
                link.send_heartbeat(HealthState.OK)
                link.send_text("Landing track: a site of 3.2 m")

        worker = threading.Thread(target=work, daemon=True)
        assert link.wait_ready(20).ready
        worker.start()
        try:
            yield port
        finally:
            stop.set()
            worker.join(5)


def test_pymavlink_lists_component_health_parameters_and_messages():
    table = SmallTable()
    with companion(table) as port:
        client = mavutil.mavlink_connection(f"udpin:127.0.0.1:{port}", source_system=255, source_component=190)
        seen = {}

        def heard(name, component=191):
            message = client.recv_match(blocking=True, timeout=0.2)
            if message is not None:
                seen[message.get_type(), message.get_srcComponent()] = message
            return seen.get((name, component))

        beat = wait_for(lambda: heard("HEARTBEAT"), 20)
        assert beat.type == mavlink.MAV_TYPE_ONBOARD_CONTROLLER
        assert beat.system_status == mavlink.MAV_STATE_ACTIVE
        assert wait_for(lambda: heard("ONBOARD_COMPUTER_STATUS"), 20).ram_total > 0
        assert "site" in wait_for(lambda: heard("STATUSTEXT"), 20).text

        client.mav.param_request_list_send(1, 191)
        values = {}

        def listed():
            message = client.recv_match(type="PARAM_VALUE", blocking=True, timeout=0.2)
            if message is not None and message.get_srcComponent() == 191:
                values[message.param_id] = message.param_value
            return len(values) == len(table.parameters)

        assert wait_for(listed, 20)
        assert values == {p.name: p.default for p in table.parameters}
        client.target_system, client.target_component = 1, 191
        assert mavparm.MAVParmDict().mavset(client, "TD_RADIUS_M", 0.75, retries=10)
        assert table.get("TD_RADIUS_M") == 0.75

        # This pymavlink does not know 397, COMPONENT_METADATA, and so not who sends it.
        for message_id, key in ((148, ("AUTOPILOT_VERSION", 191)), (397, ("UNKNOWN_397", 0))):
            client.mav.command_long_send(1, 191, 512, 0, message_id, 0, 0, 0, 0, 0, 0)
            assert wait_for(lambda k=key: heard(*k), 20)
        assert seen["COMMAND_ACK", 191].result == mavlink.MAV_RESULT_ACCEPTED
        client.close()


@pytest.mark.skipif(MAVPROXY is None, reason="mavproxy.py is not on PATH; `pipx install MAVProxy` provides it")
@pytest.mark.timeout(120)
def test_mavproxy_lists_component_health_parameters_and_messages(tmp_path):
    table = SmallTable()
    with companion(table) as port:
        client = subprocess.Popen(
            [
                MAVPROXY,
                f"--master=udp:127.0.0.1:{port}",
                f"--state-basedir={tmp_path}",
                "--nowait",
                "--default-modules=link,param,misc,cmdlong",
            ],
            cwd=tmp_path,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        lines = []

        def read():
            for line in client.stdout:
                lines.append(line)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()

        def says(command, words, timeout_s=20):
            def attempt():
                if command:
                    client.stdin.write(command + "\n")
                    client.stdin.flush()
                return wait_for(lambda: words in "".join(lines), 2.0)

            assert wait_for(attempt, timeout_s), (command, words, "".join(lines)[-2000:])

        try:
            says("", "Detected vehicle 1:191", 40)
            says("vehicle 1:191", "Set vehicle 1:191")
            says("status HEARTBEAT", "HEARTBEAT {type : 18, autopilot : 8")
            says("", "AP: Landing track: a site of 3.2 m")
            says("param fetch", f"Received {len(table.parameters)} parameters")
            says("param show TD_*", "TD_NAME_OF_16_CH -3.0")
            says("status ONBOARD_COMPUTER_STATUS", "ram_total")
            says("long 512 148", "")
            says("status AUTOPILOT_VERSION", "AUTOPILOT_VERSION {capabilities")
            says("param set TD_RADIUS_M 0.75", "")
            assert wait_for(lambda: table.get("TD_RADIUS_M") == 0.75, 20)
            says("param set TD_ENABLE 0", "")
            assert wait_for(lambda: table.get("TD_ENABLE") == 0, 20)
        finally:
            client.kill()
            client.wait(10)
            client.stdin.close()
            reader.join(5)
            client.stdout.close()
