"""The blocks marked `run:` of every page, each name in one bash and in a folder of its own that is empty at first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, all_blocks

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

TIMES = ROOT / "out" / "docs-times.txt"
RUNS: dict[tuple[str, str], list[Block]] = {}
for _block in all_blocks():
    if _block.kind == "run":
        RUNS.setdefault((_block.page, _block.about), []).append(_block)


def script(blocks: list[Block]) -> str:
    """One bash script; each line that stops it is named by its page and line."""
    lines = ["set -euo pipefail"]
    for block in blocks:
        lines.append(f"trap 'echo \"{block.place}: line $((LINENO - {len(lines) + 1})) of the block failed\" >&2' ERR")
        text = block.text.rstrip("\n")
        if block.language == "python":
            text = f"python - <<'END-OF-BLOCK'\n{text}\nEND-OF-BLOCK"
        lines += re.sub(r"^\$ ", "", text, flags=re.M).split("\n")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands of an installation, run by this environment."""
    folder = tmp_path_factory.mktemp("bin")
    entry = "import touchdown.cli as c; import sys; sys.argv[0] = {0!r}; c.{1}()"
    for name, words in (
        ("python", ""),
        ("python3", ""),
        ("touchdown", f' -c "{entry.format("touchdown", "main")}"'),
        ("trainer", f' -c "{entry.format("trainer", "trainer")}"'),
        ("edge", f' -c "{entry.format("edge", "edge")}"'),
    ):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable}{words} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("run", list(RUNS), ids=[f"{page}:{name}" for page, name in RUNS])
def test_it_runs_as_written(run: tuple[str, str], commands: Path, tmp_path: Path) -> None:
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(home), "PYTHONSAFEPATH": "1"}
    environment |= {"XDG_CACHE_HOME": str(home / "cache"), "OMP_NUM_THREADS": "2"}
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", script(RUNS[run])],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Traceback" not in said, f"{run[0]} {run[1]}: status {done.returncode}\n{said}"
    TIMES.parent.mkdir(exist_ok=True)
    with TIMES.open("a", encoding="utf-8") as times:
        times.write(f"{time.monotonic() - began:.1f} s  {run[0]}  {run[1]}\n")


def test_a_failing_line_is_named() -> None:
    blocks = [Block("p.md", 4, "bash", "true\nfalse\n", "run", "x")]
    done = subprocess.run(["bash", "-c", script(blocks)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "p.md:4: line 2 of the block failed" in done.stderr
