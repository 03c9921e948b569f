"""A newcomer's evening: Start, Train your own and Operate, each block as written, one after the other, each timed."""

from __future__ import annotations

import resource
import statistics
import time
from pathlib import Path

import pytest

from tests.docs.clean_machine import clone, environment
from tests.docs.pages import ROOT, blocks
from tests.docs.running import named_runs, run_blocks, toctree

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

CHAPTERS = [name for name in ("start", "train", "operate") if (ROOT / "docs" / name / "index.md").is_file()]
LONGEST_CPU_S = 180.0
"""Of the whole evening, on a core that adds up `SUMMANDS` numbers in `ADDED_S`: load of others does not count."""

SUMMANDS, ADDED_S = 2_000_000, 0.1


def chapter_pages() -> list[Path]:
    """Pages of the chapters in the order of their tables of contents."""
    indexes = [ROOT / "docs" / chapter / "index.md" for chapter in CHAPTERS]
    return [page for index in indexes for page in (index, *toctree(index))]


def test_a_newcomer_gets_through(tmp_path: Path) -> None:
    here = clone(tmp_path / "touchdown")
    logged_in = environment(here, here / ".venv" / "bin", tmp_path / "home")
    lines, spent_s, slowness = [], 0.0, [1.0]
    for page in chapter_pages():
        for name, run in named_runs(blocks(page)).items():
            slowness.append(added_s() / ADDED_S)
            began, cpu_s = time.monotonic(), children_s()
            done = run_blocks(run, here, logged_in)
            used_s = children_s() - cpu_s
            spent_s += used_s
            place = f"{page.relative_to(ROOT / 'docs').as_posix()}: {name}"
            lines.append(f"{time.monotonic() - began:6.1f} s  {used_s:6.1f} s of processor  {place}")
            print(lines[-1], flush=True)
            said = done.stdout + done.stderr
            assert done.returncode == 0 and "Traceback" not in said, f"{place}: status {done.returncode}\n{said}"
    assert {line.rpartition("  ")[2].partition("/")[0] for line in lines} == set(CHAPTERS), lines
    assert spent_s < LONGEST_CPU_S * max(1.0, statistics.median(slowness)), "\n".join(lines)


def added_s() -> float:
    """Processor time that adding up `SUMMANDS` numbers takes here, s."""
    began_s, total = time.process_time(), 0
    for number in range(SUMMANDS):
        total += number
    return time.process_time() - began_s


def children_s() -> float:
    """Processor time of the processes that have ended, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
