"""The parts of a flight on a real autopilot's simulator that need none."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sitl_landings
from benchmarks.runner import describe
from benchmarks.sitl_landings import STARVED, load, store
from docs.make import results
from firmware_bridge.dialect import mavlink
from landing.errors import DataError
from landing.types import Pose
from sim.camera.orders import OrderTail, Stall, give_order
from sim.camera.shake import Shake
from sim.camera.truth_link import truth_from_hil_state
from sim.flight.daemon import site_led_to
from sim.flight.link_proxy import LinkProxy
from sim.flight.plan import FlightPlan, FlightResult
from sim.vehicle.autopilot_process import AUTOPILOTS, StartConditions
from sim.vehicle.autopilots import make_autopilot
from sim.vehicle.ground_station import Estimate, GroundStation, TruthSample
from sim.vehicle.home import Home
from sim.vehicle.processes import FlightError
from sim.vehicle.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from sim.vehicle.sitl.namespace import loopback_only
from sim.vehicle.sitl.px4 import set_parameters, start_place, wind_parameters
from sim.world import visit

ROOT = Path(__file__).resolve().parents[2]
NO_CAPABILITY = os.geteuid() != 0


def namespace() -> Path:
    """Which network this thread is in."""
    return Path("/proc/thread-self/ns/net").readlink()


@pytest.fixture
def no_simulators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for simulator in SIMULATORS.values():
        monkeypatch.delenv(simulator.variable, raising=False)


@pytest.mark.usefixtures("no_simulators")
class TestFindingASimulator:
    @pytest.mark.parametrize("kind", SIMULATORS)
    def test_missing_is_said_with_the_command_that_provides_it(self, kind: str):
        with pytest.raises(MissingSimulatorError) as error:
            find_simulator(kind)
        simulator = SIMULATORS[kind]
        assert simulator.variable in str(error.value) and simulator.command in str(error.value)
        assert error.value.exit_code == 2

    def test_on_path(self, tmp_path: Path):
        program = tmp_path / "arducopter"
        program.write_text("#!/bin/sh\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        assert find_simulator("ardupilot") == program.resolve()

    def test_a_variable_that_names_no_program_is_an_error_even_with_one_on_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (tmp_path / "px4").write_text("")
        (tmp_path / "px4").chmod(0o755)
        monkeypatch.setenv("PX4_SITL", str(tmp_path / "nothing"))
        with pytest.raises(MissingSimulatorError, match="nothing is not a program"):
            find_simulator("px4")

    @pytest.mark.parametrize("name", [name for name in AUTOPILOTS if name != "stand-in"])
    def test_an_autopilot_without_its_simulator_cannot_be_made(self, name: str, tmp_path: Path):
        with pytest.raises(MissingSimulatorError):
            make_autopilot(name, StartConditions((0.0, 0.0), 10.0, 0.0), tmp_path)


def test_px4_refuses_wind_that_its_simulator_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "px4"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PX4_SITL", str(program))
    windy = StartConditions((0.0, 0.0), 10.0, 0.0, wind=(3.0, 90.0))
    with pytest.raises(FlightError, match=r"no wind, PX4 has it from 1\.18 on"):
        make_autopilot("px4", windy, tmp_path)
    program.write_bytes(b"\0SIH_WIND_N\0SIH_WIND_E\0")
    assert make_autopilot("px4", windy, tmp_path).name == "px4"
    with pytest.raises(FlightError, match="no gusts"):
        make_autopilot("px4", replace(windy, gust_mps=0.5), tmp_path)


def test_px4s_wind_is_told_by_where_it_comes_from():
    """SIH adds it to the velocity that the air is met with (read in 1.18)."""
    assert wind_parameters(6.0, 90.0) == pytest.approx({"SIH_WIND_N": 0.0, "SIH_WIND_E": 6.0})
    assert wind_parameters(4.0, 180.0)["SIH_WIND_N"] == pytest.approx(-4.0)
    assert wind_parameters(0.0, 90.0) == {}


def test_px4_takes_each_parameter_or_the_flight_says_which_it_does_not(tmp_path: Path):
    program = tmp_path / "px4"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n[ "$4" = RTL_PLD_MD ] && echo "not found" && exit 1\nexit 0\n'
    )
    program.chmod(0o755)
    set_parameters(program, 3, {"NAV_DLL_ACT": 2, "SIH_WIND_N": -4.0})
    assert (tmp_path / "told").read_text().splitlines() == [
        "--instance 3 set NAV_DLL_ACT 2",
        "--instance 3 set SIH_WIND_N -4",
    ]
    with pytest.raises(FlightError, match=r"PX4 does not take parameter RTL_PLD_MD = 2: not found"):
        set_parameters(program, 0, {"RTL_PLD_MD": 2})


@pytest.mark.skipif(NO_CAPABILITY, reason="a network namespace takes root")
class TestLoopbackOnly:
    def test_takes_along_one_thread_and_comes_back(self):
        home = namespace()
        elsewhere: list[Path] = []
        with loopback_only() as private:
            assert private
            assert namespace() != home
            other = threading.Thread(target=lambda: elsewhere.append(namespace()))
            other.start()
            other.join()
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection(server.getsockname(), timeout=2.0).close()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, pytest.raises(OSError):
                out.connect(("192.0.2.1", 9))  # no way out, not even to an address of no one
        assert elsewhere[0] != home  # what it starts is in there, too
        assert namespace() == home

    def test_comes_back_after_an_error(self):
        home = namespace()
        with pytest.raises(RuntimeError), loopback_only():
            raise RuntimeError
        assert namespace() == home


class TestCable:
    def test_passes_both_ways_drops_while_cut_and_closes_with_the_other_side(self):
        with socket.create_server(("127.0.0.1", 0)) as autopilot:
            proxy = LinkProxy(f"tcp:127.0.0.1:{autopilot.getsockname()[1]}")
            proxy.start()
            try:
                host, _, port = proxy.connection.removeprefix("tcp:").rpartition(":")
                with socket.create_connection((host, int(port)), timeout=5.0) as daemon:
                    far, _ = autopilot.accept()
                    far.settimeout(5.0)
                    daemon.sendall(b"down")
                    assert far.recv(64) == b"down"
                    far.sendall(b"up")
                    assert daemon.recv(64) == b"up"
                    proxy.cut()
                    daemon.sendall(b"lost")
                    far.sendall(b"lost")
                    time.sleep(0.3)
                    proxy.mend()
                    daemon.sendall(b"again")
                    assert far.recv(64) == b"again"
                    far.close()
                    assert daemon.recv(64) == b""
            finally:
                proxy.close()

    def test_answers_who_sends_it_datagrams(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        proxy = LinkProxy(f"udpin:127.0.0.1:{port}")
        proxy.start()
        try:
            host, _, tcp = proxy.connection.removeprefix("tcp:").rpartition(":")
            with (
                socket.create_connection((host, int(tcp)), timeout=5.0) as daemon,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as px4,
            ):
                px4.settimeout(5.0)
                px4.sendto(b"hello", ("127.0.0.1", port))
                assert daemon.recv(64) == b"hello"
                daemon.sendall(b"target")
                assert px4.recv(64) == b"target"
        finally:
            proxy.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("param set SIH_LOC_LAT0 ${PX4_HOME_LAT}", {"PX4_HOME_LAT": "473977420", "PX4_HOME_LON": "85455940"}),
        (
            "param set SIH_LOC_H0 ${PX4_HOME_ALT}",
            {"PX4_HOME_LAT": "47.3977420", "PX4_HOME_LON": "8.5455940", "PX4_HOME_ALT": "32.34"},
        ),
    ],
)
def test_px4_is_told_where_it_starts_in_the_units_of_its_version(tmp_path: Path, line: str, told: dict[str, str]):
    """1.15 takes 1e-7 degrees; from 1.16 on degrees, and a height."""
    (tmp_path / "init.d-posix").mkdir()
    (tmp_path / "init.d-posix" / "px4-rc.sihsim").write_text(line + "\n")
    assert start_place(tmp_path, 47.397742, 8.545594) == told


class TestOrders:
    def test_are_read_once_each_and_only_when_whole(self, tmp_path: Path):
        path = tmp_path / "orders.jsonl"
        tail = OrderTail(path)
        assert list(tail.read()) == []
        walker = visit("person", (1.0, -2.0), 30.0, from_rad=math.pi / 2, walk_m=7.0, stay_s=4.0)
        give_order(path, walker)
        give_order(path, Stall(123))
        assert list(tail.read()) == [walker, Stall(123)]
        with path.open("a") as stream:
            stream.write('{"stall": ')
            stream.flush()
            assert list(tail.read()) == []
            stream.write('{"until_ns": 5}}\n')
        assert list(tail.read()) == [Stall(5)]

    def test_a_line_that_is_no_order_is_named(self, tmp_path: Path):
        path = tmp_path / "orders.jsonl"
        path.write_text('{"dance": {}}\n')
        with pytest.raises(DataError, match="dance"):
            list(OrderTail(path).read())

    def test_a_visitor_arrives_when_told_and_from_where_told(self):
        person = visit("person", (10.0, 5.0), 100.0, from_rad=0.0, walk_m=7.0)
        there = person.at(100.0)
        assert (there.north_m, there.east_m) == pytest.approx((10.0, 5.0))
        before = person.at(97.5)
        assert before.north_m == pytest.approx(10.0 + 2.5 * 1.4)
        assert person.at(1000.0).north_m == pytest.approx(10.0)


class TestShake:
    @staticmethod
    def angles_deg(sd_deg: float, seed: int) -> np.ndarray:
        shake = Shake(sd_deg, seed)
        poses = [Pose(i * 100_000_000, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)) for i in range(4000)]
        quaternions = np.array([shake.applied(pose).ned_from_frd for pose in poses])
        return np.degrees(2.0 * quaternions[:, 1:])

    def test_has_the_deviation_it_was_asked_for_and_forgets(self):
        angles = self.angles_deg(0.5, 7)
        assert np.allclose(angles.std(axis=0), 0.5, rtol=0.15)
        assert np.abs(angles.mean(axis=0)).max() < 0.1
        roll = angles[:, 0]
        assert np.corrcoef(roll[:-1], roll[1:])[0, 1] == pytest.approx(math.exp(-1 / 3), abs=0.1)

    def test_follows_from_its_seed(self):
        assert np.array_equal(self.angles_deg(0.5, 7), self.angles_deg(0.5, 7))
        assert not np.array_equal(self.angles_deg(0.5, 7), self.angles_deg(0.5, 8))


class TestPx4Truth:
    HOME = Home(alt_m=32.34)

    def message(self, **changes):
        lat, lon = self.HOME.global_from_ned(12.0, -3.0)
        fields = {
            "time_usec": 1,
            "attitude_quaternion": [0.8, 0.0, 0.0, 0.6],
            "rollspeed": 0.1,
            "pitchspeed": 0.2,
            "yawspeed": 0.3,
            "lat": round(lat * 1e7),
            "lon": round(lon * 1e7),
            "alt": 52_340,
            "vx": 150,
            "vy": -20,
            "vz": 5,
            "ind_airspeed": 0,
            "true_airspeed": 0,
            "xacc": 0,
            "yacc": 0,
            "zacc": 0,
        }
        return mavlink.MAVLink_hil_state_quaternion_message(**{**fields, **changes})

    def test_is_read_in_metres_about_the_home(self):
        truth = truth_from_hil_state(self.message(), self.HOME, 99)
        assert truth is not None
        assert truth.position_ned_m == pytest.approx((12.0, -3.0, -20.0), abs=0.02)
        assert truth.motion.velocity_ned_mps == pytest.approx((1.5, -0.2, 0.05))
        assert truth.ned_from_frd == pytest.approx((0.8, 0.0, 0.0, 0.6))

    @pytest.mark.parametrize("changes", [{"attitude_quaternion": [0.0, 0.0, 0.0, 0.0]}, {"yawspeed": math.nan}])
    def test_what_no_vehicle_can_be_is_none(self, changes):
        assert truth_from_hil_state(self.message(**changes), self.HOME, 99) is None


def test_a_program_on_the_leash_dies_with_who_started_it(tmp_path: Path):
    started = tmp_path / "pid"
    script = (
        "import subprocess, sys, time\n"
        "from sim.vehicle.sitl.leash import leashed\n"
        f"child = subprocess.Popen(leashed(['{shutil.which('sleep')}', '60']))\n"
        f"open({str(started)!r}, 'w').write(str(child.pid) + chr(10))\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    deadline_s = time.monotonic() + 30.0
    while not (started.exists() and started.read_text().endswith("\n")):
        assert parent.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.02)
    child = Path(f"/proc/{started.read_text().strip()}")
    while "sleep" not in (child / "cmdline").read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    while child.exists() and "Z" not in (child / "stat").read_text().rpartition(")")[2]:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


class TestSiteLedTo:
    @staticmethod
    def site(north_m: float, event: str = "site-chosen") -> dict:
        return {"event": event, "site": {"position_ned_m": [north_m, 0.0, 0.0]}}

    START, STOP = {"event": "target-start"}, {"event": "target-stop"}

    def north_m(self, *events: dict) -> float | None:
        site = site_led_to(events)
        return None if site is None else site["position_ned_m"][0]

    def test_is_the_one_for_which_targets_were_sent_last(self):
        assert self.north_m(self.site(1), self.START) == 1
        assert self.north_m(self.site(1), self.START, self.site(2, "site-changed")) == 2

    def test_is_not_one_chosen_after_the_targets_had_stopped(self):
        events = (self.site(1), self.START, self.STOP, self.site(2, "site-changed"))
        assert self.north_m(*events) == 1
        assert self.north_m(*events, self.START) == 2

    def test_is_none_where_nothing_was_sent(self):
        assert self.north_m() is None
        assert self.north_m(self.site(1)) is None


def test_the_estimate_of_a_touchdown_is_of_its_moment_not_of_the_standing_after():
    station = GroundStation("tcp:127.0.0.1:1", Home())
    assert station.touchdown_estimate() is None
    for tick in range(100):
        at_s = 0.1 * tick
        station.track.append(TruthSample(at_s, 0.0, 0.0, max(5.0 - at_s, 0.0)))
        station.estimates.append(Estimate(at_s, 0.01 * tick, 0.0, 0.0))
    estimate = station.touchdown_estimate()
    assert estimate is not None and estimate.boot_s == pytest.approx(4.9, abs=0.11)


def test_a_flight_of_one_autopilot_leaves_the_others_flights_and_their_day(tmp_path, monkeypatch):
    path, old = tmp_path / "sitl.json", {"date": "2026-01-01", "commit": "abc"}
    not_landed = dict.fromkeys(("miss_m", "miss_estimated_m", "person_m", "seconds"))
    row = {"seed": 1, "verdict": "no-site", "manual_takeovers": 0, **not_landed}
    kept = {"machine": old, "flights": [row]}
    path.write_text(json.dumps({"series": {"ardupilot": kept}}), "utf-8")
    store(path, "px4", row)
    series = load(path)["series"]
    assert series["ardupilot"] == kept
    assert series["px4"]["summary"]["verdicts"] == {"no-site": 1}
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert results.day_of(path.name, "ardupilot") == "2026-01-01, `abc`"
    assert results.day_of(path.name, "px4") == f"{series['px4']['machine']['date']}, `{describe()['commit']}`"


def test_a_flight_that_is_flown_again_leaves_its_end(tmp_path: Path):
    path = tmp_path / "sitl.json"
    not_landed = dict.fromkeys(("miss_m", "miss_estimated_m", "person_m", "seconds"))
    for verdict in ("failed", STARVED, "landed-safe"):
        store(path, "landings", {"seed": 1, "verdict": verdict, "manual_takeovers": 0, **not_landed})
    (row,) = load(path)["series"]["landings"]["flights"]
    assert row["before"] == ["failed", STARVED]
    summary = load(path)["series"]["landings"]["summary"]
    assert (summary["verdicts"], summary["flown_again"]) == ({"landed-safe": 1}, ["failed", STARVED])


@pytest.mark.parametrize(
    ("verdict", "counted"), [("landed-unsafe", "landed-unsafe"), ("struck", "struck"), ("landed-safe", STARVED)]
)
def test_a_starved_flight_that_ends_badly_counts(
    verdict: str, counted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sitl_landings, "fly_one", lambda plan: FlightResult("drawn", 1, verdict, too_slow="too slow"))
    row, _ = sitl_landings.fly_for_result(FlightPlan(tmp_path / "model.onnx", tmp_path))
    assert row["verdict"] == counted


def test_the_world_goes_before_a_daemon_at_real_time_priority():
    now = "os.sched_getscheduler(0) == os.SCHED_RR, os.sched_getparam(0).sched_priority"
    script = f"import os; from sim.vehicle.processes import go_first; print({now}); go_first(); print({now})"

    def run(*before: str) -> list[str]:
        command = [*before, sys.executable, "-c", script]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()

    assert run("nice") == ["False 0"] * 2 or os.sched_getscheduler(0) != os.SCHED_OTHER
    if shutil.which("chrt") and subprocess.run(["chrt", "-r", "1", "true"], check=False).returncode == 0:
        assert run("chrt", "-r", "1") == ["True 1", "True 2"]
