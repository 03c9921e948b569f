"""Rows of the fault matrix are gathered while the tests run, and written at the end."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edge import fake_model
from tests.faults.matrix import Row, save_row

ROWS = Path(__file__).resolve().parents[2] / "out" / "faults"


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_model.save(tmp_path_factory.mktemp("model") / "nearest-colour.onnx")


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
