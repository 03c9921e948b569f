"""Whole landings in worlds of their own: those of `benchmarks.sitl_landings`, on seeds that nobody chose for them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sitl_landings import STARVED, fly, plan_of
from sim.vehicle.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from tests.sitl.conftest import AT_A_TIME

pytestmark = [pytest.mark.sitl, pytest.mark.timeout(2400)]

RECORDS = os.environ.get("TOUCHDOWN_SITL_RECORDS", "")
"""Folder in which to keep the landings, in `landings.json`."""

FLIGHTS = [*(("landings", seed) for seed in range(33_000, 33_003)), *(("hazard", seed) for seed in (34_000, 34_001))]
Flights = dict[tuple[str, tuple[str, int]], "Future[dict[str, Any]]"]


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flights, Path, ThreadPoolExecutor]]:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {}, tmp_path_factory.mktemp("landings"), pool


@pytest.mark.parametrize("autopilot", SIMULATORS)
@pytest.mark.parametrize(("series", "seed"), FLIGHTS)
def test_lands_safely_and_on_nobody(flights, autopilot: str, series: str, seed: int) -> None:
    futures, folder, pool = flights
    try:
        find_simulator(autopilot)
    except MissingSimulatorError as error:
        if os.environ.get(SIMULATORS[autopilot].variable):
            raise
        pytest.skip(str(error))
    if not any(key[0] == autopilot for key in futures):
        for each in FLIGHTS:
            futures[autopilot, each] = pool.submit(lambda e=each: fly(plan_of(autopilot, *e, folder)))
    row = futures[autopilot, (series, seed)].result()
    if RECORDS:
        path = Path(RECORDS) / "landings.json"
        rows = json.loads(path.read_text("utf-8")) if path.exists() else []
        path.write_text(json.dumps([*rows, {**row, "series": series}], indent=1) + "\n", "utf-8")
    if row["verdict"] == STARVED:
        pytest.skip("the daemon did not get its share of the machine: the flight says nothing")
    assert row["verdict"] == "landed-safe", row["reason"]
    assert row["person_m"] is None or row["person_m"] > 2.0
