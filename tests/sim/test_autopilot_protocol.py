"""What a companion sees of the stand-in: silence, streams, parameters, commands, sockets."""

from __future__ import annotations

import json
import math
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.dialect import mavlink
from landing.errors import LinkError
from landing.geometry import multiplied, quaternion_from_euler
from sim.vehicle import Wind, rotate_back
from sim.vehicle.autopilot import AutopilotConfig, EstimatorErrors, FrameRules, Mode, StandInAutopilot
from sim.vehicle.autopilot.parameters import TABLE
from sim.vehicle.autopilot.shell import parse_listener

REPOSITORY = Path(__file__).resolve().parents[2]
PARAMETER_NAMES = [row.name for row in TABLE if row.name != "SYSID_THISMAV"]
PLND = {"PLND_ENABLED": 1, "PLND_TYPE": 1, "RNGFND1_TYPE": 100}
REAL_TIME_MAX_S = 8.0


def booted(**config: Any) -> StandInAutopilot:
    autopilot = StandInAutopilot(AutopilotConfig(**config))
    autopilot.connect("a")
    autopilot.connect("b")
    autopilot.step(4.0)
    autopilot.take_outbox()
    return autopilot


def hovering(**config: Any) -> StandInAutopilot:
    return booted(airborne_height_m=15.0, **config)


def sent(autopilot: StandInAutopilot, link: str, kind: str | None = None) -> list[Any]:
    return [m for at, m in autopilot.take_outbox() if at == link and kind in (None, m.get_type())]


def command(autopilot: StandInAutopilot, number: int, *values: float, link: str = "a") -> int:
    """Send a COMMAND_LONG and return the acknowledged result."""
    p = [*values, *[0.0] * (7 - len(values))]
    autopilot.receive(link, mavlink.MAVLink_command_long_message(1, 1, number, 0, *p))
    acks = sent(autopilot, link, "COMMAND_ACK")
    assert [a.command for a in acks] == [number]
    return int(acks[0].result)


def set_interval(autopilot: StandInAutopilot, message_id: int, interval_us: float, link: str) -> int:
    return command(autopilot, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, message_id, interval_us, link=link)


def texts(autopilot: StandInAutopilot) -> list[str]:
    return [
        m.text.rstrip("\0") if isinstance(m.text, str) else m.text.decode().rstrip("\0")
        for m in sent(autopilot, "a", "STATUSTEXT")
    ]


def look_at(autopilot: StandInAutopilot, north_m: float, east_m: float, **changes: Any) -> Any:
    v = autopilot.vehicle
    x, y, z = rotate_back(v.q, north_m - v.n_m, east_m - v.e_m, -v.d_m)
    fields: dict[str, Any] = {
        "time_usec": 0,
        "target_num": 0,
        "frame": 12,
        "angle_x": math.atan2(y, z),
        "angle_y": math.atan2(-x, z),
        "distance": math.sqrt(x * x + y * y + z * z),
        "size_x": 0,
        "size_y": 0,
        "type": 2,
        "position_valid": 0,
    }
    return mavlink.MAVLink_landing_target_message(**(fields | changes))


def land(autopilot: StandInAutopilot, north_m: float, east_m: float, seconds: float, **changes: Any) -> None:
    autopilot.receive("a", mavlink.MAVLink_set_mode_message(1, 1, Mode.LAND))
    for _ in range(int(seconds * 20)):
        if not autopilot.flight.armed:
            return
        autopilot.step(0.05)
        if autopilot.vehicle.height_m > 0.05:
            autopilot.receive("a", look_at(autopilot, north_m, east_m, **changes))


class TestStreams:
    def test_every_link_is_silent_but_for_the_heartbeat(self) -> None:
        autopilot = booted()
        autopilot.step(10.0)
        out = autopilot.take_outbox()
        assert {m.get_type() for _, m in out} == {"HEARTBEAT"}
        assert len([1 for link, _ in out if link == "a"]) == 10
        beat = out[0][1]
        assert beat.autopilot == mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
        assert beat.type == mavlink.MAV_TYPE_QUADROTOR

    def test_an_interval_is_honoured_on_its_link_only(self) -> None:
        autopilot = booted()
        for message_id, interval_us in (
            (mavlink.MAVLINK_MSG_ID_ATTITUDE_QUATERNION, 20_000),
            (mavlink.MAVLINK_MSG_ID_SIM_STATE, 100_000),
        ):
            assert set_interval(autopilot, message_id, interval_us, "a") == 0
        autopilot.step(2.0)
        kinds = [m.get_type() for link, m in autopilot.take_outbox() if link == "a"]
        assert kinds.count("ATTITUDE_QUATERNION") == 100
        assert kinds.count("SIM_STATE") == 20
        autopilot.step(2.0)
        assert {m.get_type() for m in sent(autopilot, "b")} == {"HEARTBEAT"}

    def test_minus_one_stops_and_unknown_is_denied(self) -> None:
        autopilot = booted()
        attitude = mavlink.MAVLINK_MSG_ID_ATTITUDE
        assert set_interval(autopilot, attitude, 50_000, "a") == 0
        assert set_interval(autopilot, attitude, -1, "a") == 0
        autopilot.step(1.0)
        assert not sent(autopilot, "a", "ATTITUDE")
        assert set_interval(autopilot, 9999, 50_000, "a") == mavlink.MAV_RESULT_DENIED

    def test_the_interval_can_be_read_back(self) -> None:
        autopilot = booted()
        message_id = mavlink.MAVLINK_MSG_ID_DISTANCE_SENSOR
        set_interval(autopilot, message_id, 40_000, "a")
        for number, values in (
            (mavlink.MAV_CMD_GET_MESSAGE_INTERVAL, (message_id,)),
            (mavlink.MAV_CMD_REQUEST_MESSAGE, (244, message_id)),
        ):
            p = [*values, *[0.0] * (7 - len(values))]
            autopilot.receive("a", mavlink.MAVLink_command_long_message(1, 1, number, 0, *p))
            (reply,) = sent(autopilot, "a", "MESSAGE_INTERVAL")
            assert (reply.message_id, reply.interval_us) == (message_id, 40_000)

    @pytest.mark.parametrize("message_id", [0, 1, 24, 30, 31, 32, 33, 49, 74, 108, 132, 148, 173, 242, 245])
    def test_each_message_can_be_requested_and_packed(self, message_id: int) -> None:
        autopilot = hovering(parameters=PLND)
        autopilot.receive(
            "a",
            mavlink.MAVLink_command_long_message(
                1, 1, mavlink.MAV_CMD_REQUEST_MESSAGE, 0, message_id, 0, 0, 0, 0, 0, 0
            ),
        )
        reply, ack = sent(autopilot, "a")
        assert reply.get_msgId() == message_id
        assert ack.result == mavlink.MAV_RESULT_ACCEPTED
        assert reply.pack(mavlink.MAVLink(None))

    def test_the_truth_and_the_estimate_differ_by_the_set_errors(self) -> None:
        autopilot = hovering(errors=EstimatorErrors(position_bias_ned_m=(1.0, -2.0, 0.0), attitude_noise_rad=0.01))
        estimate, vehicle = autopilot.flight.estimate, autopilot.vehicle
        assert estimate.n_m - vehicle.n_m == pytest.approx(1.0, abs=0.05)
        assert estimate.e_m - vehicle.e_m == pytest.approx(-2.0, abs=0.05)
        assert estimate.q != vehicle.q

    def test_a_compass_that_errs_turns_the_whole_attitude_and_nothing_else(self) -> None:
        right, wrong = hovering(), hovering(errors=EstimatorErrors(compass_rad=0.1))
        for _ in range(50):
            for autopilot in (right, wrong):
                autopilot.step(0.01)
        assert wrong.vehicle.q == right.vehicle.q
        assert wrong.flight.estimate[1:] == right.flight.estimate[1:]
        turned = multiplied(quaternion_from_euler(0.0, 0.0, 0.1), right.flight.estimate.q)
        assert wrong.flight.estimate.q == pytest.approx(turned)

    def test_timesync_is_answered_in_nanoseconds_since_boot(self) -> None:
        autopilot = booted()
        autopilot.receive("a", mavlink.MAVLink_timesync_message(0, 12345))
        (reply,) = sent(autopilot, "a")
        assert (reply.tc1, reply.ts1) == (autopilot.now_ms * 1_000_000, 12345)
        autopilot.receive("a", mavlink.MAVLink_timesync_message(7, 8))
        assert not sent(autopilot, "a")


class TestParameters:
    def test_read_set_and_list(self) -> None:
        autopilot = booted()
        autopilot.receive("a", mavlink.MAVLink_param_request_read_message(1, 1, b"PLND_STRICT", -1))
        (value,) = sent(autopilot, "a")
        assert (value.param_value, value.param_type) == (1.0, 2)
        autopilot.receive("a", mavlink.MAVLink_param_set_message(1, 1, b"PLND_STRICT", 2.0, 9))
        assert [link for link, m in autopilot.take_outbox()] == ["a", "b"]
        assert autopilot.parameters["PLND_STRICT"] == 2.0
        autopilot.receive("a", mavlink.MAVLink_param_request_list_message(1, 1))
        autopilot.step(1.0)
        values = sent(autopilot, "a", "PARAM_VALUE")
        assert [v.param_index for v in values] == list(range(values[0].param_count))

    def test_unknown_names_are_silently_ignored(self) -> None:
        autopilot = booted()
        autopilot.receive("a", mavlink.MAVLink_param_request_read_message(1, 1, b"NO_SUCH", -1))
        autopilot.receive("a", mavlink.MAVLink_param_set_message(1, 1, b"NO_SUCH", 2.0, 9))
        assert not autopilot.take_outbox()

    def test_the_type_of_precision_landing_needs_a_reboot(self) -> None:
        autopilot = booted(parameters={"RNGFND1_TYPE": 100, "PLND_ENABLED": 1})
        autopilot.receive("a", mavlink.MAVLink_param_set_message(1, 1, b"PLND_TYPE", 1.0, 2))
        assert autopilot.parameters["PLND_TYPE"] == 0.0
        assert command(autopilot, mavlink.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN, 1) == 0
        autopilot.step(5.0)
        assert autopilot.parameters["PLND_TYPE"] == 1.0

    def test_reboot_is_silent_then_forgets_streams_and_keeps_parameters(self) -> None:
        autopilot = booted()
        set_interval(autopilot, mavlink.MAVLINK_MSG_ID_ATTITUDE, 100_000, "a")
        assert command(autopilot, mavlink.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN, 1) == 0
        autopilot.step(1.9)
        autopilot.receive("a", mavlink.MAVLink_timesync_message(0, 1))
        assert not autopilot.take_outbox()
        autopilot.step(2.0)
        assert {m.get_type() for m in sent(autopilot, "a")} == {"HEARTBEAT"}
        assert autopilot.now_ms < 2500


class TestCommands:
    def test_unknown_commands_are_unsupported(self) -> None:
        assert command(booted(), 31999) == mavlink.MAV_RESULT_UNSUPPORTED

    def test_commands_to_others_are_not_answered(self) -> None:
        autopilot = booted()
        for system, component in ((2, 1), (1, 191)):
            autopilot.receive(
                "a",
                mavlink.MAVLink_command_long_message(
                    system, component, mavlink.MAV_CMD_NAV_LAND, 0, 0, 0, 0, 0, 0, 0, 0
                ),
            )
        assert not autopilot.take_outbox()

    def test_refusals(self) -> None:
        autopilot = booted()
        arm, take_off = mavlink.MAV_CMD_COMPONENT_ARM_DISARM, mavlink.MAV_CMD_NAV_TAKEOFF
        assert command(autopilot, take_off, 0, 0, 0, 0, 0, 0, 10) == mavlink.MAV_RESULT_FAILED
        assert command(autopilot, mavlink.MAV_CMD_DO_SET_MODE, 1, 99) == mavlink.MAV_RESULT_FAILED
        assert command(autopilot, mavlink.MAV_CMD_DO_SET_MODE, 0, 4) == mavlink.MAV_RESULT_DENIED
        assert command(autopilot, mavlink.MAV_CMD_DO_SET_MODE, 1, Mode.LAND) == 0
        assert command(autopilot, arm, 1) == mavlink.MAV_RESULT_FAILED
        flying = hovering()
        assert command(flying, arm, 0) == mavlink.MAV_RESULT_FAILED
        reboot = mavlink.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN
        assert command(flying, reboot, 1) == mavlink.MAV_RESULT_FAILED

    def test_arming_waits_for_the_position_estimate(self) -> None:
        autopilot = booted(ready_after_ms=6000)
        arm, mode = mavlink.MAV_CMD_COMPONENT_ARM_DISARM, mavlink.MAV_CMD_DO_SET_MODE
        assert command(autopilot, mode, 1, Mode.GUIDED) == mavlink.MAV_RESULT_FAILED
        assert command(autopilot, arm, 1) == mavlink.MAV_RESULT_FAILED
        autopilot.step(2.5)
        autopilot.take_outbox()
        assert command(autopilot, mode, 1, Mode.GUIDED) == 0
        assert command(autopilot, arm, 1) == 0

    def test_take_off_fly_to_return_and_land(self) -> None:
        autopilot = booted()
        assert command(autopilot, mavlink.MAV_CMD_DO_SET_MODE, 1, Mode.GUIDED) == 0
        assert command(autopilot, mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) == 0
        assert command(autopilot, mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 10) == 0
        autopilot.step(15.0)
        assert autopilot.vehicle.height_m == pytest.approx(10.0, abs=0.2)
        autopilot.receive(
            "a",
            mavlink.MAVLink_set_position_target_local_ned_message(
                0, 1, 1, mavlink.MAV_FRAME_LOCAL_NED, 0b110111111000, 8.0, -6.0, -12.0, 0, 0, 0, 0, 0, 0, 0, 0
            ),
        )
        autopilot.step(15.0)
        v = autopilot.vehicle
        assert (v.n_m, v.e_m, v.height_m) == pytest.approx((8.0, -6.0, 12.0), abs=0.2)
        assert command(autopilot, mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH) == 0
        autopilot.step(70.0)
        assert not autopilot.flight.armed
        assert math.hypot(v.n_m, v.e_m) < 0.3

    def test_offset_targets_are_about_the_vehicle(self) -> None:
        autopilot = hovering()
        v = autopilot.vehicle
        wanted = (v.n_m + 2.0, v.e_m - 1.0, v.height_m - 3.0)
        autopilot.receive(
            "a",
            mavlink.MAVLink_set_position_target_local_ned_message(
                0, 1, 1, mavlink.MAV_FRAME_LOCAL_OFFSET_NED, 0b110111111000, 2.0, -1.0, 3.0, 0, 0, 0, 0, 0, 0, 0, 0
            ),
        )
        autopilot.step(15.0)
        assert (v.n_m, v.e_m, v.height_m) == pytest.approx(wanted, abs=0.2)

    def test_velocity_targets_lapse(self) -> None:
        autopilot = hovering()
        autopilot.receive(
            "a",
            mavlink.MAVLink_set_position_target_local_ned_message(
                0, 1, 1, mavlink.MAV_FRAME_LOCAL_NED, 0b110111000111, 0, 0, 0, 2.0, 0, 0, 0, 0, 0, 0, 0
            ),
        )
        autopilot.step(2.5)
        assert autopilot.vehicle.vn_mps == pytest.approx(2.0, abs=0.3)
        autopilot.step(5.0)
        assert autopilot.vehicle.vn_mps == pytest.approx(0.0, abs=0.1)

    def test_the_pilots_stick_ends_precision_landing(self) -> None:
        autopilot = hovering(parameters=PLND)
        land(autopilot, 4.0, 3.0, 5.0)
        autopilot.receive("a", mavlink.MAVLink_rc_channels_override_message(1, 1, 1500, 1900, 0, 0, 0, 0, 0, 0))
        before_m = autopilot.vehicle.n_m
        land(autopilot, 4.0, 3.0, 60.0)
        assert not autopilot.flight.armed
        assert autopilot.vehicle.n_m < before_m - 1.0


class TestNonsense:
    KINDS = (
        mavlink.MAVLink_landing_target_message,
        mavlink.MAVLink_command_long_message,
        mavlink.MAVLink_command_int_message,
        mavlink.MAVLink_set_mode_message,
        mavlink.MAVLink_param_set_message,
        mavlink.MAVLink_param_request_read_message,
        mavlink.MAVLink_timesync_message,
        mavlink.MAVLink_set_position_target_local_ned_message,
        mavlink.MAVLink_set_position_target_global_int_message,
        mavlink.MAVLink_rc_channels_override_message,
        mavlink.MAVLink_heartbeat_message,
    )
    COMMANDS = (20, 21, 22, 115, 176, 192, 400, 510, 511, 512, 520, 31000)
    FLOATS = (math.nan, math.inf, -math.inf, 0.0, 1.0, -1.0, 1e30, 30.0, 511.0)

    @pytest.mark.parametrize("seed", range(4))
    def test_no_message_kills_it_or_makes_it_send_what_cannot_be_packed(self, seed: int) -> None:
        rng = random.Random(seed)
        autopilot = hovering(parameters=PLND)
        mav = mavlink.MAVLink(None)
        for _ in range(3000):
            autopilot.receive("a", self.message(rng))
            autopilot.step(0.01)
            for _, out in autopilot.take_outbox():
                out.pack(mav)
        v = autopilot.vehicle
        assert all(map(math.isfinite, (v.n_m, v.e_m, v.d_m, *v.q)))

    def message(self, rng: random.Random) -> Any:
        kind = rng.choice(self.KINDS)
        fields: dict[str, Any] = {}
        for name, wire in zip(kind.fieldnames, kind.fieldtypes, strict=True):
            if name in ("target_system", "target_component"):
                fields[name] = 1
            elif name == "command":
                fields[name] = rng.choice(self.COMMANDS)
            elif name == "param_id":
                fields[name] = rng.choice(PARAMETER_NAMES).encode()
            elif name == "q":
                fields[name] = [1.0, 0.0, 0.0, 0.0]
            elif wire in ("float", "double"):
                fields[name] = rng.choice(self.FLOATS)
            else:
                fields[name] = rng.choice((0, 1, 2, 3, 6, 12, 20, 100))
        return kind(**fields)


class TestLandingTarget:
    @pytest.mark.parametrize(
        ("changes", "rules", "used"),
        [
            ({}, FrameRules.V4_6, True),
            ({"frame": 0}, FrameRules.V4_6, True),
            ({"frame": 0}, FrameRules.V4_7, False),
            ({"distance": 0.0}, FrameRules.V4_6, True),
            ({"position_valid": 1, "distance": 0.0}, FrameRules.V4_6, False),
            ({"position_valid": 1, "frame": 1}, FrameRules.V4_6, False),
            ({"angle_x": math.nan}, FrameRules.V4_6, False),
        ],
    )
    def test_what_is_used(self, changes: dict[str, Any], rules: FrameRules, used: bool) -> None:
        autopilot = hovering(parameters=PLND, frame_rules=rules)
        land(autopilot, 1.0, 0.5, 4.0, **changes)
        assert ("PrecLand: Init Complete" in texts(autopilot)) == used

    def test_a_moving_target_is_landed_on_in_gusts(self) -> None:
        autopilot = hovering(parameters=PLND | {"PLND_OPTIONS": 1}, wind=Wind(5.0, 270.0, 1.0), seed=3)
        autopilot.receive("a", mavlink.MAVLink_set_mode_message(1, 1, Mode.LAND))
        north_m = 0.0
        while autopilot.flight.armed:
            autopilot.step(0.05)
            north_m += 0.05 * 0.5
            if autopilot.vehicle.height_m > 0.05:
                autopilot.receive("a", look_at(autopilot, north_m, 2.0))
            else:
                north_m -= 0.05 * 0.5  # compare with where it was at the touch
        assert autopilot.vehicle.n_m == pytest.approx(north_m, abs=0.5)

    def test_seeds_repeat(self) -> None:
        ends = set()
        for _ in range(2):
            autopilot = hovering(parameters=PLND, wind=Wind(4.0, 90.0, 2.0), seed=9)
            land(autopilot, 2.0, -1.0, 60.0)
            ends.add((autopilot.vehicle.n_m, autopilot.vehicle.e_m))
        assert len(ends) == 1


class Client:
    """A MAVLink peer on a real socket, with a deadline on every wait."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.mav: Any = mavlink.MAVLink(None, srcSystem=1, srcComponent=191)
        self.mav.robust_parsing = True

    def send(self, message: Any) -> None:
        self.socket.sendall(message.pack(self.mav))

    def ask(self, message: Any, kind: str) -> Any:
        for _ in range(10):
            self.send(message)
            try:
                return self.wait(kind, 0.5)
            except TimeoutError:
                continue
        raise TimeoutError(f"no {kind} after 10 requests")

    def wait(self, kind: str, within_s: float = REAL_TIME_MAX_S) -> Any:
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            ready, _, _ = select.select([self.socket], [], [], 0.2)
            if not ready:
                continue
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed")
            for message in self.mav.parse_buffer(data) or []:
                if message.get_type() == kind:
                    return message
        raise TimeoutError(f"no {kind} within {within_s} s")


def start(*options: str) -> tuple[subprocess.Popen[str], list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.vehicle.autopilot", *options], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    event = json.loads(process.stdout.readline())
    assert event["event"] == "listening"
    return process, event["links"]


def connect(link: str) -> Client:
    host, port = link.split(":")[1:]
    return Client(socket.create_connection((host, int(port)), timeout=REAL_TIME_MAX_S))


class TestShell:
    def test_two_links_garbage_reconnect_reboot_and_sigterm(self) -> None:
        process, links = start("--link", "tcp:127.0.0.1:0", "--link", "tcp:127.0.0.1:0", "--speedup", "4")
        try:
            other = connect(links[1])
            other.wait("HEARTBEAT")
            first = connect(links[0])
            first.wait("HEARTBEAT")
            noise = random.Random(1)
            first.socket.sendall(noise.randbytes(20_000))
            other.socket.sendall(noise.randbytes(2_000))
            first.socket.close()
            second = connect(links[0])
            interval = mavlink.MAVLink_command_long_message(
                1, 1, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, 0, 108, 100_000, 0, 0, 0, 0, 0
            )
            # Noise may end in what looks like the start of a long frame, which then swallows what follows; so a command
            # is repeated until it is answered, as any companion must.
            assert other.ask(interval, "SIM_STATE").alt == pytest.approx(584.0, abs=0.1)
            second.send(
                mavlink.MAVLink_command_long_message(
                    1, 1, mavlink.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN, 0, 1, 0, 0, 0, 0, 0, 0
                )
            )
            assert second.wait("COMMAND_ACK").result == 0
            with pytest.raises(ConnectionError):
                second.wait("TIMESYNC")
            third = connect(links[0])
            third.wait("HEARTBEAT")
            third.socket.close()
            other.socket.close()
            second.socket.close()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(REAL_TIME_MAX_S) == 0
            assert process.stdout is not None
            process.stdout.close()

    @pytest.mark.skipif(sys.platform == "win32", reason="parent death is told by POSIX means")
    def test_it_ends_with_its_parent(self) -> None:
        code = (
            "import subprocess, sys, time\n"
            "p = subprocess.Popen([sys.executable, '-m', 'sim.vehicle.autopilot', '--link', 'tcp:127.0.0.1:0'],"
            " stdout=subprocess.PIPE)\np.stdout.readline()\n"
            "print(p.pid, flush=True)\ntime.sleep(60)\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait(REAL_TIME_MAX_S)
        parent.stdout.close()
        end_s = time.monotonic() + REAL_TIME_MAX_S
        while _alive(child) and time.monotonic() < end_s:
            time.sleep(0.05)
        assert not _alive(child)

    @pytest.mark.parametrize(
        "text", ["serial:/dev/ttyS0", "tcp:5760", "tcp:0.0.0.0:5760", "udp:127.0.0.1:5760", "tcp:::99999"]
    )
    def test_links_that_are_refused(self, text: str) -> None:
        with pytest.raises(LinkError):
            parse_listener(text)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # An orphan whose new parent does not reap it stays as a zombie, which has ended.
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
