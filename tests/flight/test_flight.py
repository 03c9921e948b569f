"""Whole landings in separate processes, in real time: stand-in autopilot, camera, `edge serve`.

One landing serves two tests: it ends on safe ground, and a stranger finds no bad frame on the wire.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edge.blackbox.recording import Recording
from edge.blackbox.records import Topic
from landing.taxonomy import Taxonomy
from sim.flight.daemon import DaemonEvents, daemon_config
from sim.flight.fly import fly_one
from sim.flight.plan import SHARED_MACHINE, FlightPlan, FlightResult
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.standin import PLND_PARAMETERS
from sim.world import procedural, save_world
from tests.bridge.citizenship import complaints
from tests.edge.fake_model import build

pytestmark = [pytest.mark.flight, pytest.mark.timeout(400)]
TAXONOMY = Taxonomy.load("synthetic")
ROOT = Path(__file__).resolve().parents[2]
RECORDER = {"ring_s": 600.0, "before_s": 600.0, "after_s": 60.0}
"""Keeps the whole flight, from the daemon's start to its end."""


@pytest.fixture(scope="module")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that needs no training: every pixel is the class of the nearest colour."""
    path = tmp_path_factory.mktemp("model") / "nearest-colour.onnx"
    onnx.save(build(TAXONOMY, width_px=256, height_px=192), str(path))
    return path


def painted_world(seed: int, folder: Path) -> Path:
    """A procedural world in the plain colours of its labels, so that the network is never wrong."""
    world = procedural(seed)
    colours = TAXONOMY.palette_bgr[world.labels]
    save_world(replace(world, ortho_bgr=colours, detail_seed=None, actors=()), folder)
    return folder


@pytest.fixture(scope="module", params=["shared-landing"])
def landed(tmp_path_factory: pytest.TempPathFactory, colour_model: Path) -> tuple[FlightResult, Path]:
    """A landing with its recording, and the flight's folder."""
    folder = tmp_path_factory.mktemp("landed")
    world = painted_world(5, folder / "painted")
    settings = {**SHARED_MACHINE, "recorder": RECORDER}
    plan = FlightPlan(model=colour_model, out=folder / "out", world=str(world), seed=5, settings=settings)
    return fly_one(plan), plan.out


def test_lands_on_safe_ground_where_straight_down_is_not(landed: tuple[FlightResult, Path]) -> None:
    result, out = landed
    assert result.straight_down_ok is False
    assert result.verdict == "landed-safe", result.reason
    assert result.exit_status == 0
    assert result.miss_m is not None and result.miss_m < 0.5
    assert result.manual_takeovers == 0
    states = [t["to_state"] for t in result.transitions]
    assert states[0] == "confirm" and "descend" in states and "commit" in states
    # What the autopilot was told, it has accepted by its own rules.
    assert any("PrecLand: Target Found" in text for text in result.texts)
    picture = cv2.imread(result.picture)
    assert picture is not None and picture.shape[0] == 900
    assert json.loads((out / "result.json").read_text())["verdict"] == "landed-safe"


def test_a_landings_capture_has_no_malformed_or_misaddressed_packet(landed: tuple[FlightResult, Path]) -> None:
    result, out = landed
    (kept,) = (out / "recordings" / "flights").iterdir()
    recorded = Recording(kept)
    sent = [(e.at_ns, e.data) for e in recorded.entries(Topic.SENT.value)]
    assert complaints(sent) == []
    targets = [raw for _, raw in sent if int.from_bytes(raw[7:10], "little") == 149]
    assert len(targets) == result.daemon["targets_sent"] > 50
    heard = [e.data for e in recorded.entries(Topic.RECEIVED.value)]
    assert len(heard) > 1000
    assert all(raw[0] in (0xFD, 0xFE) for raw in heard)


def test_world_without_safe_ground_is_an_abstention_with_its_reason(tmp_path, colour_model):
    world = procedural(5)
    water = next(c.id for c in TAXONOMY.classes if c.name == "water")
    labels = np.full_like(world.labels, water)
    save_world(
        replace(world, labels=labels, ortho_bgr=TAXONOMY.palette_bgr[labels], detail_seed=None, actors=()),
        tmp_path / "sea",
    )
    plan = FlightPlan(
        model=colour_model,
        out=tmp_path / "out",
        world=str(tmp_path / "sea"),
        seed=1,
        start_ne_m=(0.0, 0.0),
        search_s=6.0,
        settings=SHARED_MACHINE,
    )
    result = fly_one(plan)
    assert result.verdict == "no-site" and result.exit_status == 3
    assert "nothing-landable" in result.reason and "water" in result.reason
    assert result.daemon["targets_sent"] == 0


def test_targets_stop_when_the_autopilot_vanishes_and_resume_when_it_returns(tmp_path, colour_model):
    """The autopilot's process is stopped for 4 s, as by a crash: its link stays open, silent."""
    grass = np.full((48, 64, 3), TAXONOMY.palette_bgr[1], np.uint8)
    picture = tmp_path / "grass.npy"
    np.save(picture, grass)
    with ExitStack() as stack:
        command = [sys.executable, "-m", "sim.vehicle.autopilot", "--airborne", "12"]
        for _ in range(2):
            command += ["--link", "tcp:127.0.0.1:0"]
        for name, value in PLND_PARAMETERS.items():
            command += ["--param", f"{name}={value}"]
        autopilot = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        stack.callback(_end, autopilot)
        assert autopilot.stdout is not None
        links = json.loads(autopilot.stdout.readline())["links"]
        plan = FlightPlan(model=colour_model, out=tmp_path, width_px=64, height_px=48)
        camera = f"pipe:{sys.executable} {ROOT / 'tests/edge/raw_camera.py'} 64 48 10 --picture"
        plan = replace(plan, settings={"camera": {"source": f"{camera} {picture}"}})
        config = tmp_path / "edge.toml"
        config.write_text(daemon_config(plan, tmp_path, links[0], links[1]))
        daemon = subprocess.Popen(
            [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(config)], cwd=ROOT
        )
        stack.callback(_end, daemon)
        tail = DaemonEvents(tmp_path / "events.jsonl")

        def wait_for(event: str, after_ns: int, timeout_s: float) -> dict:
            deadline = time.monotonic() + timeout_s
            while time.monotonic() < deadline:
                tail.read()
                found = [e for e in tail.events if e["event"] == event and e["mono_ns"] >= after_ns]
                if found:
                    return found[0]
                assert daemon.poll() is None
                time.sleep(0.02)
            raise AssertionError(f"no {event}; {tail.events[-5:]}")

        wait_for("target-start", 0, 60)
        stopped_ns = time.monotonic_ns()
        autopilot.send_signal(signal.SIGSTOP)
        stop = wait_for("target-stop", stopped_ns, 5)
        assert (stop["mono_ns"] - stopped_ns) * 1e-9 < 0.5
        assert "pose" in stop["reason"]
        time.sleep(4.0)
        tail.read()
        assert not [e for e in tail.events if e["event"] == "target-start" and e["mono_ns"] > stopped_ns]
        resumed_ns = time.monotonic_ns()
        autopilot.send_signal(signal.SIGCONT)
        wait_for("target-start", resumed_ns, 15)


def _end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    if process.stdout is not None:
        process.stdout.close()


def test_ground_station_refuses_a_dead_link():
    from landing.errors import LinkError
    from sim.vehicle.home import Home

    with pytest.raises(LinkError), GroundStation("tcp:127.0.0.1:1", Home()) as station:
        station.wait_for_autopilot(0.5)
