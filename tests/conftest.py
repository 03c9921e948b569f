"""Shared by all tests: the real data, log levels, and one thread for each native library."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

# One thread for each native library, before any is imported: pictures of tests are small, so more threads only wait
# for each other. Processes under test inherit it. Measured: 30 s of CPU became 13 s on two busy cores.
for _name in ("OPENCV_FOR_THREADS_NUM", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
OURS = ("edge", "firmware_bridge", "landing")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real pictures and recorded flights; the test is skipped where there is none."""
    folder = Path(os.environ.get("TOUCHDOWN_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "aeroscapes").is_dir():
        pytest.skip(f"no real data at {folder}: set TOUCHDOWN_DATA (see CONTRIBUTING.md)")
    return folder


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """A daemon or a campaign sets levels for its process; a test's one only for its test."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    for name in OURS:  # a fixture of a wider scope may have been at them
        logging.getLogger(name).setLevel(logging.NOTSET)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
