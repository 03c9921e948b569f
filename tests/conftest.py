"""Shared by all tests: the real data, log levels, and one thread for each native library."""

from __future__ import annotations

import ast
import functools
import gc
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

# One thread for each native library, before any is imported: pictures of tests are small, so more threads only wait
# for each other. Processes under test inherit it. Measured: 30 s of CPU became 13 s on two busy cores.
for _name in ("OPENCV_FOR_THREADS_NUM", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# Compiled modules are kept, whatever the shell says: else every process under test compiles all of the product anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import pytest  # noqa: E402

OUTSIDE = {
    "multiprocessing",
    "socket",
    "subprocess",
    "threading",
    "aiohttp",
    "onnx",
    "onnxruntime",
    "torch",
    "selenium",
}
"""A test file that has one of these is more than a unit test: processes, network, models, browsers."""

ROOT = Path(__file__).resolve().parent.parent
OURS = ("edge", "firmware_bridge", "landing")
PACKAGES = (*OURS, "sim", "trainer", "export", "deploy", "touchdown")

Source = list[tuple[str, ast.AST]]
"""Files of the product, from the root of the repository, and each node of their syntax."""


@pytest.fixture(scope="session", params=["shared-source"])
def source() -> Source:
    """The product's source, read where its rules are judged: not by every process that looks for tests."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    trees = [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))) for path in paths]
    return [(name, node) for name, tree in trees for node in ast.walk(tree)]


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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while a million objects of modules and tests are made, nor look at them ever after."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


SHARED = re.compile(r"shared-[a-z]+")
"""Fixtures that are dear carry such a word as parameter: one worker runs all tests that have it in their name."""

TOGETHER = (
    "tests/docs/test_how_it_decides.py",
    "tests/edge/test_blackbox.py",
    "tests/edge/test_calibrate.py",
    "tests/export/",
    "tests/flight/test_simulated_clock.py",
    "tests/sim/test_world_procedural.py",
    "tests/sim/test_world_scenes.py",
    "tests/trainer/",
)
"""Folders and files that one worker runs: their tests use the same flights, worlds, trainings and exports, and the
first export of a process costs as much as the next two."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out single tests, but those of one shared fixture, folder or file together."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = SHARED.search(nodeid)
            return shared.group() if shared else next(filter(nodeid.startswith, TOGETHER), nodeid)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of files that need no process, network, model or browser as `unit`: those of `make check`."""
    for item in items:
        module = getattr(item, "module", None)
        if module is not None and not _reaches_outside(module):
            item.add_marker(pytest.mark.unit)


@functools.cache
def _reaches_outside(module: ModuleType) -> bool:
    """Look at the names of a test module and of the helpers of `tests` that it imports."""
    for value in vars(module).values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if not isinstance(name, str) or name == module.__name__:
            continue
        if name.split(".")[0] in OUTSIDE:
            return True
        helper = sys.modules.get(name)
        if name.startswith("tests.") and helper is not None and _reaches_outside(helper):
            return True
    return False
