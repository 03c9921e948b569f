"""Flies the contract's landings several at a time, and hands each test its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from landing.taxonomy import Taxonomy
from sim.daemon_process import EventTail
from sim.flight_plan import FlightPlan, FlightResult
from sim.runs import fly_one
from sim.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from sim.world import procedural, save_world
from tests.edge.fake_model import build
from tests.sitl.cases import BOUNDS, BY_NAME, Case

TAXONOMY = Taxonomy.load("synthetic")
WIDTH_PX, HEIGHT_PX = 128, 96
SEED = 5
AT_A_TIME = 4
"""A flight takes a fifth of a core and a minute of waiting."""


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
    def happened_ns(self) -> int:
        """When the first mishap happened."""
        return int(self.result.happened[0]["mono_ns"])


class Fleet:
    """All flights of a test run, begun when the first of an autopilot is asked for."""

    def __init__(self, folder: Path, wanted: set[tuple[str, str]]) -> None:
        self._folder = folder
        self._wanted = wanted
        self._pool = ThreadPoolExecutor(AT_A_TIME)
        self._futures: dict[tuple[str, str], Future[Flown]] = {}
        self._model = folder / "nearest-colour.onnx"
        onnx.save(build(TAXONOMY, width_px=WIDTH_PX, height_px=HEIGHT_PX), str(self._model))
        quiet = replace(procedural(SEED), actors=())
        save_world(quiet, folder / "quiet")
        water = next(c.id for c in TAXONOMY.classes if c.name == "water")
        save_world(replace(quiet, labels=np.full_like(quiet.labels, water)), folder / "sea")

    def flown(self, autopilot: str, case: str) -> Flown:
        """Waits for a flight."""
        if (autopilot, case) not in self._futures:
            for key in sorted(k for k in self._wanted if k[0] == autopilot):
                self._futures[key] = self._pool.submit(self._fly, *key)
        return self._futures[autopilot, case].result()

    def _fly(self, autopilot: str, name: str) -> Flown:
        case = BY_NAME[name]
        plan = FlightPlan(
            model=self._model, out=self._folder / autopilot / name, autopilot=autopilot,
            world=str(self._folder / case.world), seed=SEED, height_m=BOUNDS[autopilot].height_m,
            painted=True, effects={}, width_px=WIDTH_PX, height_px=HEIGHT_PX, timeout_s=300.0,
            wind=(0.0, 0.0), gust_mps=0.0, start_ne_m=START_NE_M,
        )  # fmt: skip
        plan = replace(plan, **case.plan)
        result = fly_one(plan)
        tail = EventTail(plan.out / "events.jsonl")
        return Flown(case, result, tail.read())

    def land_all(self) -> None:
        """Waits for what is in the air."""
        self._pool.shutdown(wait=True, cancel_futures=True)


START_NE_M = (-9.0, -2.0)
"""Over the road of the quiet world's seed, with lawn within a few metres."""


@pytest.fixture(scope="session")
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    wanted = set()
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "autopilot" in parameters and "case" in parameters:
            wanted.add((parameters["autopilot"], parameters["case"]))
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), wanted)
    yield fleet
    fleet.land_all()


@pytest.fixture
def flown(fleet: Fleet, autopilot: str, case: str) -> Flown:
    """The landing of one case on one autopilot; skipped where its simulator is missing."""
    if autopilot in SIMULATORS:
        try:
            find_simulator(autopilot)
        except MissingSimulatorError as error:
            if os.environ.get(SIMULATORS[autopilot].variable):
                raise
            pytest.skip(str(error))
        if autopilot == "px4" and not BY_NAME[case].windless:
            pytest.skip("PX4's SIH has no wind")
    return fleet.flown(autopilot, case)
