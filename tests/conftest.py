"""What every test may use: the real data where it is, and a fresh random order each run."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real pictures and recorded flights; the test is skipped where there is none."""
    folder = Path(os.environ.get("TOUCHDOWN_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "aeroscapes").is_dir():
        pytest.skip(f"no real data at {folder}: set TOUCHDOWN_DATA (see CONTRIBUTING.md)")
    return folder


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """A daemon sets the level of all logging, for its process; a test's daemon, for its test."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
