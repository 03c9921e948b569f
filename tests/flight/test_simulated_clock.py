"""Whole landings on the simulated clock: the daemon's parts in this process, same bytes always."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from landing.taxonomy import Taxonomy
from sim.cli import cli
from sim.flight.clock import ClockChoice, Pace
from sim.flight.fly import fly_one
from sim.flight.plan import Fault, FlightPlan, FlightResult, PlannedFault
from sim.vehicle.failsafes import Failsafe
from sim.vehicle.processes import FlightError
from sim.world import World, procedural, save_world
from tests.edge.fake_model import build

TAXONOMY = Taxonomy.load("synthetic")
GRASS, WATER = (next(c.id for c in TAXONOMY.classes if c.name == n) for n in ("grass", "water"))


@pytest.fixture(scope="module")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that needs no training: every pixel is the class of the nearest colour."""
    path = tmp_path_factory.mktemp("model") / "nearest-colour.onnx"
    onnx.save(build(TAXONOMY, width_px=160, height_px=120), str(path))
    return path


@cache
def place() -> World:
    return procedural(5)


def saved(folder: Path, labels: np.ndarray) -> str:
    """A world in the plain colours of its labels, so that the network is never wrong."""
    world = place()
    colours = TAXONOMY.palette_bgr[labels]
    save_world(replace(world, labels=labels, ortho_bgr=colours, detail_seed=None, actors=()), folder)
    return str(folder)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ground of many kinds, some of it landable."""
    return saved(tmp_path_factory.mktemp("ground") / "world", place().labels)


@pytest.fixture(scope="module")
def lawn(tmp_path_factory: pytest.TempPathFactory) -> str:
    labels = np.full_like(place().labels, GRASS)
    return saved(tmp_path_factory.mktemp("lawn") / "world", labels)


def plan(model: Path, out: Path, world: str, **changes: object) -> FlightPlan:
    base = FlightPlan(
        model=model,
        out=out,
        world=world,
        seed=5,
        clock="simulated",
        fps=5.0,
        height_m=12.0,
        width_px=320,
        height_px=240,
        painted=True,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def events(result: FlightResult, name: str) -> list[dict]:
    lines = (Path(result.picture).parent / "events.jsonl").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["event"] == name]


def test_lands_safely_and_writes_the_same_bytes_again(tmp_path: Path, colour_model: Path, ground: str) -> None:
    names = ("events.jsonl", "result.json", "landing.png", "edge.toml", "daemon.log")
    out = tmp_path / "out"
    the_plan = plan(colour_model, out, ground)
    seen = []
    for _ in range(2):
        result = fly_one(the_plan)
        seen.append({name: (out / name).read_bytes() for name in names})
    assert seen[0] == seen[1]
    assert result.verdict == "landed-safe" and result.exit_status == 0, result.reason
    assert result.clock == "simulated" and result.too_slow == ""
    assert result.miss_m is not None and result.miss_m < 0.5
    assert any("PrecLand: Target Found" in text for text in result.texts)
    states = [t["to_state"] for t in result.transitions]
    assert states[:3] == ["confirm", "track", "descend"] and states[-1] == "commit"
    assert result.daemon["decisions"] > 50 and result.daemon["stale_frames"] == 0
    assert result.daemon["targets_sent"] > 50
    picture = cv2.imread(result.picture)
    assert picture is not None and picture.shape[0] == 900


def test_ground_without_a_site_is_no_site_with_its_reason(tmp_path: Path, colour_model: Path) -> None:
    sea = saved(tmp_path / "sea", np.full_like(place().labels, WATER))
    result = fly_one(plan(colour_model, tmp_path / "out", sea, search_s=5.0, start_ne_m=(0.0, 0.0)))
    assert result.verdict == "no-site" and result.exit_status == 3
    assert "nothing-landable" in result.reason and "water" in result.reason
    assert result.daemon["targets_sent"] == 0


def test_a_person_who_walks_in_is_not_landed_on(tmp_path: Path, colour_model: Path, lawn: str) -> None:
    walks_in = (PlannedFault(Fault.INTRUDER, below_m=9.0),)
    result = fly_one(plan(colour_model, tmp_path / "out", lawn, authority="guard", faults=walks_in))
    assert result.verdict == "landed-safe", result.reason
    assert result.person_m is not None and result.person_m > 2.0
    commands = [e["command"] for e in events(result, "command")]
    assert commands[0] == "Hold" and commands[-1] == "Land"


def test_a_daemon_with_authority_to_land_lands(tmp_path: Path, colour_model: Path, lawn: str) -> None:
    result = fly_one(plan(colour_model, tmp_path / "out", lawn, authority="land"))
    assert result.verdict == "landed-safe", result.reason
    assert [e["command"] for e in events(result, "command")][-1] == "Land"


FAILSAFES = {failsafe.value for failsafe in Failsafe}


NEEDS_MORE = (Fault.INTRUDER, Fault.DAEMON_END, Fault.SWITCHED_OFF)


def test_a_switch_that_this_daemon_has_not_is_refused(tmp_path: Path, colour_model: Path, lawn: str) -> None:
    switched_off = (PlannedFault(Fault.SWITCHED_OFF, below_m=8.0, for_s=2.0),)
    with pytest.raises(FlightError, match="--clock real"):
        fly_one(plan(colour_model, tmp_path / "out", lawn, faults=switched_off))


@pytest.mark.parametrize("fault", [m for m in Fault if m not in NEEDS_MORE])
def test_a_fault_happens_as_it_does_to_processes(tmp_path: Path, colour_model: Path, lawn: str, fault: Fault) -> None:
    lasts_s = None if fault is Fault.DAEMON_KILL else 2.0
    result = fly_one(
        plan(colour_model, tmp_path / "out", lawn, faults=(PlannedFault(fault, below_m=8.0, for_s=lasts_s),))
    )
    assert result.verdict == "landed-safe", result.reason
    assert [h["fault"] for h in result.happened] == [fault.value]
    if fault.value in FAILSAFES:  # targets go on
        mode = "LAND" if fault is Fault.BATTERY_LOW else "RTL"
        assert result.modes[-1][1] == mode, result.modes
        return
    stops = events(result, "target-stop")
    if fault is Fault.DAEMON_KILL:
        assert not events(result, "stop")
        return
    after_s = (stops[0]["mono_ns"] - result.happened[0]["mono_ns"]) * 1e-9
    # A cut link says nothing of itself: pose and heartbeat grow old.
    assert 0.0 < after_s < (1.0 if fault is Fault.CAMERA_STALL else 3.5)
    assert events(result, "target-start")[-1]["mono_ns"] > stops[0]["mono_ns"]


def test_a_daemon_that_is_told_to_end_in_a_hold_lets_the_failsafes_landing_go_on(
    tmp_path: Path, colour_model: Path, lawn: str
) -> None:
    ends = plan(
        colour_model,
        tmp_path / "out",
        lawn,
        authority="guard",
        ordered_by=Failsafe.GCS_LOSS,
        parameters={"BATT_MONITOR": 4},
        settings={"authority": {"failsafe": "guard"}},
        faults=(PlannedFault(Fault.DAEMON_END, below_m=8.0),),
    )
    result = fly_one(ends)
    [ended] = result.happened
    assert ended["fault"] == "daemon-end" and ended["height_m"] < 4.0
    assert [e["command"] for e in events(result, "command") if e["mono_ns"] >= ended["mono_ns"]] == ["Land"]
    assert len(events(result, "stop")) == 1 and result.modes[-1][1] == "LAND", result.modes
    assert result.touchdown_ne_m is not None, result.reason


def test_a_photo_flown_from_the_command_line_with_several_seeds(tmp_path: Path, colour_model: Path) -> None:
    meadow = np.full((1200, 1200, 3), TAXONOMY.palette_bgr[GRASS], np.int16)
    meadow += np.random.default_rng(0).integers(-8, 9, meadow.shape, dtype=np.int16)
    cv2.imwrite(str(tmp_path / "meadow.png"), np.clip(meadow, 0, 255).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "labels.png"), np.full((1200, 1200), GRASS, np.uint8))
    world = f"photo:{tmp_path}/meadow.png?gsd_m=0.04&labels={tmp_path}/labels.png&taxonomy=synthetic"
    done = CliRunner().invoke(
        cli,
        [
            "land",
            "--clock",
            "simulated",
            "--world",
            world,
            "--model",
            str(colour_model),
            "--seed",
            "1,2",
            "--height-m",
            "6",
            "--size",
            "160x120",
            "--out",
            str(tmp_path / "out"),
            "--json",
        ],
        standalone_mode=False,
    )
    assert done.exception is None and done.return_value == 0, done.output
    assert "clock: simulated" in done.stderr and "m up: " in done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["seed"] for r in results] == [1, 2]
    assert all(r["verdict"] == "landed-safe" and r["clock"] == "simulated" for r in results)
    assert (tmp_path / "out/seed-2/landing.png").is_file()


SLOW_NETWORK = """
import time
from edge.runtimes.onnxruntime import OnnxRuntime

quick = OnnxRuntime._finish

def slow(self):
    time.sleep(0.7)
    return quick(self)

OnnxRuntime._finish = slow
"""


@pytest.mark.flight
@pytest.mark.timeout(300)
def test_a_starved_daemon_is_named_and_the_landing_flown_on_the_simulated_clock(
    tmp_path: Path, colour_model: Path, lawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each decision of the real daemon waits 0.7 s, as for a core that others have."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_NETWORK, "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(Path.cwd()))))
    said: list[str] = []
    flown: list[FlightResult] = []

    def fly(the_plan: FlightPlan, say: object) -> FlightResult:
        flown.append(fly_one(the_plan))
        return flown[-1]

    choice = ClockChoice("auto", said.append, lambda _model, _threads: Pace(50.0, 0.0, 2), fly)
    simulated = plan(colour_model, tmp_path / "out", lawn)
    result = choice.fly(replace(simulated, fps=10.0), simulated)
    assert [r.clock for r in flown] == ["real", "simulated"]
    starved = flown[0]
    assert starved.verdict == "no-site" and starved.exit_status == 3
    assert starved.reason == starved.too_slow
    assert re.fullmatch(r"too slow: [01]\.\d decisions/s, needs [\d.]+; inference \d{3,4} ms.*", starved.reason)
    assert any(starved.reason in line for line in said)
    assert result.verdict == "landed-safe", result.reason


def test_guards_own_end_is_flown_seen_and_written(tmp_path: Path, colour_model: Path) -> None:
    labels = np.full_like(place().labels, WATER)
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    world = procedural(5)
    column, row = world.origin_px
    labels[np.hypot(rows - row, columns - column) * world.gsd_m < 6.0] = GRASS
    island = saved(tmp_path / "island", labels)
    result = fly_one(
        plan(
            colour_model,
            tmp_path / "out",
            island,
            start_ne_m=(0.0, 0.0),
            authority="guard",
            guard_s=10.0,
            faults=(PlannedFault(Fault.INTRUDER, below_m=9.0),),
        )
    )
    assert result.verdict == "handed-back", result.reason
    assert "10 s are over; holds in GUIDED, take over" in result.reason and result.exit_status == 3
    assert result.seconds is not None and result.seconds < 60
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["verdict"] == "handed-back" and Path(result.picture).stat().st_size > 1000
    ended = [e for e in events(result, "authority") if e["to_state"] == "ended"]
    assert len(ended) == 1


def test_a_flight_that_takes_too_long_has_a_result_and_a_picture(tmp_path: Path, colour_model: Path, lawn: str) -> None:
    result = fly_one(plan(colour_model, tmp_path / "out", lawn, timeout_s=6.0))
    assert (result.verdict, result.exit_status) == ("timeout", 1)
    assert result.reason == "not landed after 6 s"
    assert (tmp_path / "out" / "result.json").exists() and Path(result.picture).exists()
    assert plan(colour_model, tmp_path, lawn, authority="guard").limit_s == 480.0
