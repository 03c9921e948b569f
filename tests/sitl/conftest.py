"""Flies the contract's landings several at a time, and hands each test its own."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from landing.taxonomy import Taxonomy
from sim.flight.daemon import DaemonEvents
from sim.flight.fly import fly_one
from sim.flight.plan import FlightPlan, FlightResult
from sim.vehicle.failsafes import PX4_ACTIONS, Failsafe
from sim.vehicle.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from sim.vehicle.sitl.px4 import has_wind
from sim.world import procedural, save_world
from tests.edge.fake_model import build
from tests.sitl.cases import BOUNDS, BY_NAME, LOW_M, Case

TAXONOMY = Taxonomy.load("synthetic")
WIDTH_PX, HEIGHT_PX = 128, 96
SEED = 5
AT_A_TIME = int(os.environ.get("TOUCHDOWN_FLIGHTS", "4"))
"""A flight takes a fifth of a core and a minute of waiting."""

RECORDS = os.environ.get("TOUCHDOWN_CONTRACT_JSON", "")
"""File in which to keep how each autopilot flew each case."""


@dataclass(frozen=True)
class Flown:
    """A landing of the contract.

    Attributes:
        case: Its circumstance.
        result: How it ended.
        events: Of the daemon, in order.
    """

    case: Case
    result: FlightResult
    events: list[dict[str, Any]]

    def after(self, at_ns: int, *names: str) -> list[dict[str, Any]]:
        """The daemon's events of these names from a moment on."""
        return [e for e in self.events if e["event"] in names and e["mono_ns"] >= at_ns]

    @property
    def starved(self) -> bool:
        """Return True when the daemon called itself too slow for what it had to fly."""
        reasons = [t["reason"] for t in self.result.transitions]
        return bool(self.result.too_slow) or any(reason.startswith("too slow") for reason in reasons)

    @property
    def happened_ns(self) -> int:
        """When the first fault happened."""
        return int(self.result.happened[0]["mono_ns"])

    @property
    def climb_m(self) -> float:
        """Height gained again after the vehicle was below the height of the faults, m."""
        heights = self.result.heights
        below = next((i for i, h in enumerate(heights) if h < LOW_M + 0.5), len(heights))
        lowest, most = math.inf, 0.0
        for height_m in heights[below:]:
            lowest = min(lowest, height_m)
            most = max(most, height_m - lowest)
        return round(most, 2)

    def record(self) -> dict[str, Any]:
        """What differs between autopilots, for whoever compares them."""
        result = self.result
        row = {
            "verdict": result.verdict,
            "modes": result.modes,
            "version": result.version,
            "seconds": result.seconds,
            "miss_m": result.miss_m,
            "miss_estimated_m": result.miss_estimated_m,
            "climb_m": self.climb_m,
            "manual_takeovers": result.manual_takeovers,
            "heights_m": result.heights,
            "plnd": [text for text in result.texts if "PrecLand" in text],
        }
        if result.happened:
            after = [e["mono_ns"] for e in self.after(self.happened_ns, "target-stop")]
            if after:
                row["targets_stop_after_s"] = round((after[0] - self.happened_ns) * 1e-9, 2)
        return row


class Fleet:
    """All flights of a test run, begun when the first of an autopilot is asked for."""

    def __init__(self, folder: Path, wanted: set[tuple[str, str]]) -> None:
        self._folder = folder
        self._wanted = wanted
        self._pool = ThreadPoolExecutor(AT_A_TIME)
        self._recording = threading.Lock()
        self._futures: dict[tuple[str, str], Future[Flown]] = {}
        self._model = folder / "nearest-colour.onnx"

    def flown(self, autopilot: str, case: str) -> Flown:
        """Waits for a flight."""
        if not self._futures:
            self._prepare()
        if (autopilot, case) not in self._futures:
            for key in sorted(k for k in self._wanted if k[0] == autopilot):
                self._futures[key] = self._pool.submit(self._fly, *key)
        return self._futures[autopilot, case].result()

    def fly_again(self, autopilot: str, case: str) -> None:
        """Begins a flight anew: a test that is judged again judges another flight."""
        self._futures[autopilot, case] = self._pool.submit(self._fly, autopilot, case)

    def _prepare(self) -> None:
        """Network and worlds: some seconds that a skipped test need not wait for."""
        onnx.save(build(TAXONOMY, width_px=WIDTH_PX, height_px=HEIGHT_PX), str(self._model))
        quiet = replace(procedural(SEED), actors=())
        save_world(quiet, self._folder / "quiet")
        water = next(c.id for c in TAXONOMY.classes if c.name == "water")
        save_world(replace(quiet, labels=np.full_like(quiet.labels, water)), self._folder / "sea")

    def _fly(self, autopilot: str, name: str) -> Flown:
        case = BY_NAME[name]
        plan = FlightPlan(
            model=self._model,
            out=self._folder / autopilot / name,
            autopilot=autopilot,
            world=str(self._folder / case.world),
            seed=SEED,
            height_m=BOUNDS[autopilot].height_m,
            painted=True,
            effects={},
            width_px=WIDTH_PX,
            height_px=HEIGHT_PX,
            timeout_s=300.0,
            wind=(0.0, 0.0),
            gust_mps=0.0,
            start_ne_m=START_NE_M,
            # The autopilots are compared, not pilots: nobody takes over.
            lands_anyway=True,
        )
        plan = replace(plan, **case.plan)
        if autopilot == "px4":
            plan = as_px4(plan)
        elif plan.ordered_by is not None:
            plan = replace(plan, parameters={"BATT_MONITOR": 4})
        result = fly_one(plan)
        tail = DaemonEvents(plan.out / "events.jsonl")
        flown = Flown(case, result, tail.read())
        if RECORDS:
            self._record(autopilot, name, flown)
        return flown

    def _record(self, autopilot: str, name: str, flown: Flown) -> None:
        path = Path(RECORDS)
        with self._recording:
            rows = json.loads(path.read_text("utf-8")) if path.exists() else {}
            rows.setdefault(name, {})[autopilot] = flown.record()
            path.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", "utf-8")

    def land_all(self) -> None:
        """Waits for what is in the air."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def as_px4(plan: FlightPlan) -> FlightPlan:
    """Return the plan for PX4's simulator, whose wind is steady and whose battery measures no current."""
    plan = replace(plan, gust_mps=0.0)
    if plan.ordered_by is None and not any(planned.fault.value in FAILSAFES for planned in plan.faults):
        return plan
    told_s = BATTERY_S if plan.ordered_by is Failsafe.GCS_LOSS else None
    ignored = () if _px4_lands_by_target_at_home() else ("RTL_PLD_MD",)  # and an error to the doctor
    actions = {name: value for name, value in PX4_ACTIONS.items() if name not in ignored}
    return replace(plan, parameters=actions, battery_left_s=told_s)


FAILSAFES = frozenset(failsafe.value for failsafe in Failsafe)
BATTERY_S = 700.0
START_NE_M = (-9.0, -2.0)
"""Over the road of the quiet world's seed, with lawn within a few metres."""


def why_not(autopilot: str, case: str) -> str:
    """Return why a case is not flown on an autopilot; empty where it is."""
    if autopilot == "px4" and not BY_NAME[case].windless and not _px4_has_wind():
        return "PX4's SIH has no wind before 1.18"
    if autopilot == "px4" and BY_NAME[case].plan.get("gimbal"):
        return "PX4's SIH has no gimbal"
    if autopilot == "px4" and BY_NAME[case].plan.get("ordered_by") and not _px4_lands_by_target_at_home():
        return "PX4 1.15 ignores RTL_PLD_MD: its way home follows no target"
    if BY_NAME[case].only and autopilot not in BY_NAME[case].only:
        return f"flown on {' and '.join(BY_NAME[case].only)}"
    return ""


def _px4_has_wind() -> bool:
    try:
        return has_wind(find_simulator("px4"))
    except MissingSimulatorError:
        return False


def _px4_lands_by_target_at_home() -> bool:
    """Return whether it is newer than 1.15, whose start-up files alone take no parameter from outside."""
    try:
        started = find_simulator("px4").parent.parent / "etc" / "init.d-posix" / "rcS"
    except MissingSimulatorError:
        return True
    return "PX4_PARAM_" in started.read_text("utf-8", "replace")


@pytest.fixture(scope="session", params=["shared-fleet"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    wanted = set()
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        pair = parameters.get("autopilot"), parameters.get("case")
        if None not in pair and not why_not(*pair):
            wanted.add(pair)
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), wanted)
    yield fleet
    fleet.land_all()


@pytest.fixture
def flown(request: pytest.FixtureRequest, fleet: Fleet, autopilot: str, case: str) -> Flown:
    """The landing of one case on one autopilot; skipped where its simulator is missing."""
    if why_not(autopilot, case):
        pytest.skip(why_not(autopilot, case))
    if autopilot in SIMULATORS:
        try:
            find_simulator(autopilot)
        except MissingSimulatorError as error:
            if os.environ.get(SIMULATORS[autopilot].variable):
                raise
            pytest.skip(str(error))
    if getattr(request.node, "execution_count", 1) > 1:
        fleet.fly_again(autopilot, case)
    flown = fleet.flown(autopilot, case)
    if autopilot in SIMULATORS and flown.starved:
        pytest.skip("the daemon did not get its share of the machine: the flight says nothing")
    return flown
