"""The blocks marked `run:`, each name in one bash and in a folder of its own that is empty at first.

Those of the chapters that a newcomer follows run in `test_newcomer.py`, one after the other.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.docs.clean_machine import environment, install
from tests.docs.pages import ROOT, Block, blocks, pages
from tests.docs.running import named_runs, run_blocks, script
from tests.docs.test_newcomer import chapter_pages

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

TIMES = ROOT / "out" / "docs-times.txt"
RUNS = {
    (page.relative_to(ROOT).as_posix(), name): run
    for page in pages()
    if page not in chapter_pages()
    for name, run in named_runs(blocks(page)).items()
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands of an installation, run by this environment."""
    return install(tmp_path_factory.mktemp("bin"))


@pytest.mark.parametrize("run", list(RUNS), ids=[f"{page}:{name}" for page, name in RUNS])
def test_it_runs_as_written(run: tuple[str, str], commands: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    began = time.monotonic()
    done = run_blocks(RUNS[run], work, environment(ROOT, commands, tmp_path / "home"))
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Traceback" not in said, f"{run[0]} {run[1]}: status {done.returncode}\n{said}"
    TIMES.parent.mkdir(exist_ok=True)
    with TIMES.open("a", encoding="utf-8") as times:
        times.write(f"{time.monotonic() - began:.1f} s  {run[0]}  {run[1]}\n")


def test_a_failing_line_is_named() -> None:
    failing = [Block("p.md", 4, "bash", "true\nfalse\n", "run", "x")]
    done = subprocess.run(["bash", "-c", script(failing)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "p.md:4: line 2 of the block failed" in done.stderr
