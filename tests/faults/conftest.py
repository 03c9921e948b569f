"""Rows of the fault matrix are gathered while the tests run, and written at the end."""

from __future__ import annotations

import platform
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge import fake_model
from tests.faults.bench import Bench
from tests.faults.matrix import Row, save_row

ROWS = Path(__file__).resolve().parents[2] / "out" / "faults"


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_model.save(tmp_path_factory.mktemp("model") / "nearest-colour.onnx")


@pytest.fixture(scope="package", params=["shared-bench"])
def hovering(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[Callable[[], Bench]]:
    """Gives the bench that faults share which daemon and autopilot survive; a new one where they did not."""
    benches: list[Bench] = []

    def give() -> Bench:
        if not benches or any(p.poll() is not None for p in (benches[-1].daemon, benches[-1].autopilot)):
            benches.append(Bench(tmp_path_factory.mktemp("bench"), model_path).__enter__())
        return benches[-1]

    yield give
    for bench in benches:
        bench.__exit__()


@pytest.fixture
def bench(hovering: Callable[[], Bench]) -> Bench:
    """The shared bench, with everything well and targets passing."""
    shared = hovering()
    shared.signal_daemon(signal.SIGCONT)
    shared.order_camera("good")
    shared.wire.order = "good"
    shared.wait_for_targets()
    shared.since_ns = time.monotonic_ns()
    return shared


@pytest.fixture
def keep() -> Callable[[Row], None]:
    """Keeps a row, and fails when its promise was broken."""

    def kept(row: Row) -> None:
        save_row(ROWS, row)
        assert row.kept, f"{row.fault}: {row.promise}; {row.happened}, silent after {row.silence_s} s"

    return kept


def machine() -> str:
    """What the figures were measured on, in words."""
    return f"{platform.machine()}, Python {platform.python_version()}, Linux {platform.release()}"
