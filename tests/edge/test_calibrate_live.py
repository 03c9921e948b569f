"""`edge calibrate --live`: the stand-in flies before the simulator's camera in simulated time; the command itself."""

from __future__ import annotations

import json
import re
import shlex
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from edge.calibrate import FlightCalibration
from edge.calibrate_live import LiveEstimate, LiveLooks
from edge.resolved import ResolvedFlight, resolve_flight
from firmware_bridge.settings import LinkSettings
from landing.camera import CameraModel
from landing.motion.calibration_result import CalibrationError
from landing.types import Frame, Pose
from sim.camera import Motion
from sim.camera.effects import Effects
from sim.camera.sensor import CameraSensor
from sim.flight.link import InProcessLink, LinkFaults
from sim.flight.loop import BOOT_NS, TICK_NS
from sim.vehicle.autopilot import AutopilotConfig, Mode, StandInAutopilot
from sim.vehicle.autopilot.core import TICK_S
from sim.world import parse_world_spec
from tests.command import call
from tests.edge.test_resolved import configuration
from tests.flight.in_process import PARAMETERS

FRAME_S, LEG_S = 0.2, 2.0
HFOV_DEG, LATE_S, RANGE_SCALE = 70.0, 0.06, 0.95
WRONG = {"hfov_deg": 72.0, "mount": {"pitch_deg": -87.0, "yaw_deg": 4.0}}
LIVELY = {"WPNAV_ACCEL": 900, "WPNAV_SPEED": 500}


class Flight:
    """A stand-in that is flown to and fro, up and down, and turned; and what a live calibration makes of it."""

    def __init__(self, flight: ResolvedFlight) -> None:
        parameters = {**PARAMETERS, **LIVELY}
        self.autopilot = StandInAutopilot(
            AutopilotConfig(parameters=parameters, airborne_height_m=11.0, airborne_mode=Mode.GUIDED)
        )
        wire = LinkFaults(2.0, range_scale=RANGE_SCALE)
        settings = LinkSettings("udpin:127.0.0.1:0")
        self.link = InProcessLink(self.autopilot, settings, wire, np.random.default_rng(0), BOOT_NS)
        self.looks = LiveLooks(flight.camera, self.link)
        self._world = parse_world_spec("procedural?layout=park", 5)
        self._shutter = CameraSensor(CameraModel.from_hfov(320, 240, HFOV_DEG), Effects(1, noise_sd=2.0))
        self._rng = np.random.default_rng(4)
        self._arriving: list[Frame] = []
        self._ticks = 0

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self._ticks += 1
            now_ns = BOOT_NS + self._ticks * TICK_NS
            if self._ticks % round(LEG_S / TICK_S) == 1:
                north, east, yaw = self._rng.uniform(-9, 9), self._rng.uniform(-9, 9), self._rng.uniform(-1.5, 1.5)
                self.autopilot.flight.fly_to(north, east, -self._rng.uniform(6, 12), yaw)
            if self._ticks % round(FRAME_S / TICK_S) == 0:
                self._arriving.append(self._picture(now_ns))
            self.autopilot.step(TICK_S)
            self.link.carry(now_ns)
            while self._arriving and self._arriving[0].captured_at_ns <= now_ns:
                self.looks.take(self._arriving.pop(0))
            self.looks.advance(now_ns)

    def _picture(self, now_ns: int) -> Frame:
        """Of the moment whose state the autopilot tells next, stamped too late."""
        v = self.autopilot.vehicle
        motion = Motion((v.vn_mps, v.ve_mps, v.vd_mps), v.rates_radps)
        pose = Pose(now_ns, v.q, (v.n_m, v.e_m, v.d_m))
        picture = self._shutter.picture(self._world, pose, 1e-9 * (now_ns - BOOT_NS), motion)
        return Frame(picture, self._ticks, now_ns + round(LATE_S * 1e9))


def settings() -> ResolvedFlight:
    camera = {"source": "v4l2:///dev/video0", "width_px": 320, "height_px": 240, **WRONG}
    return resolve_flight(configuration(camera=camera), None, {})


@pytest.fixture(scope="module", params=["shared-calibration"])
def told() -> tuple[FlightCalibration, list[str]]:
    """Result of a flight that ends when all is told, and what was said on the way."""
    flight = settings()
    flown, words = Flight(flight), []
    estimate = LiveEstimate(flight, date(2026, 11, 29), flown.looks)
    for passed_s in range(10, 100, 10):
        flown.run(10.0)
        found, line = estimate.step(passed_s, over=passed_s == 90)
        if found is not None:
            return found, words
        words.append(line)
    raise AssertionError("it did not end with its time")


def test_the_stand_in_tells_every_number_of_a_wrong_set_up(told: tuple[FlightCalibration, list[str]]) -> None:
    found, _ = told
    latency, roll, pitch, yaw, field, scale = found.result.estimates
    assert found.complete and not found.result.missing
    assert abs(latency.value - 1000 * LATE_S) < 10
    assert abs(roll.value) < 0.5 and abs(pitch.value + 3) < 0.5 and abs(yaw.value + 4) < 0.5
    assert abs(field.value / HFOV_DEG - 1) < 0.01
    assert abs(scale.value * RANGE_SCALE - 1) < 0.02
    assert any(line.startswith('calibrated = "2026-11-29 ') for line in found.toml())


def test_progress_says_which_motion_is_missing_and_the_end_comes_with_the_last_number(
    told: tuple[FlightCalibration, list[str]],
) -> None:
    _, words = told
    assert words[0].startswith("10 s, ") and "looks of at least 24: fly across" in words[0]
    assert len(words) < 8, "it waited for its time"
    assert re.fullmatch(r".* looks: told latency.*; missing .*mount yaw.*: fly straight across.*", words[-1])


def test_without_poses_it_says_what_is_lacking_and_time_ends_it() -> None:
    flight = settings()
    looks = LiveLooks(flight.camera, Silent())
    for number in range(30):
        looks.take(Frame(np.zeros((240, 320, 3), np.uint8), number, number * 100_000_000))
        looks.advance(number * 100_000_000)
    estimate = LiveEstimate(flight, date(2026, 11, 29), looks)
    found, words = estimate.step(3.0, over=False)
    assert found is None and words == "3 s, 0 looks: no pose from the autopilot"
    with pytest.raises(CalibrationError, match="no picture with a pose"):
        estimate.step(3.0, over=True)


class Silent:
    """A link that has heard nothing."""

    def pose_at(self, at_ns: int) -> Pose | None:
        return None


def test_the_command_opens_camera_and_link_and_ends(tmp_path: Path) -> None:
    writes = "import sys, time\nwhile True:\n sys.stdout.buffer.write(bytes(320 * 240 * 3)); time.sleep(0.05)"
    source = "pipe:" + shlex.join([sys.executable, "-c", writes])
    config = written(tmp_path, source)
    done = call("edge", "calibrate", "--live", "--config", config, "--max-seconds", "1", "--out", tmp_path / "x.png")
    assert done.returncode == 2 and "0 looks at moving ground in 0 pictures" in done.stderr
    played = written(tmp_path, "file://clip.mp4")
    done = call("edge", "calibrate", "--live", "--config", played)
    assert done.returncode == 78 and "is a recording; --live needs a camera" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--live",), ("--live", ".")])
def test_a_recording_or_live_with_a_configuration(arguments: tuple[str, ...]) -> None:
    done = call("edge", "calibrate", *arguments)
    assert done.returncode == 2 and ("either FLIGHT" in done.stderr or "--config FILE" in done.stderr)


def written(folder: Path, source: str) -> Path:
    """A configuration with some camera."""
    path = folder / "edge.toml"
    lines = ["[model]", 'path = "none.onnx"', "[camera]", f"source = {json.dumps(source)}", "width_px = 320"]
    lines += ["height_px = 240", "hfov_deg = 70", "[link]", 'connection = "udpin:127.0.0.1:0"']
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
