"""Every benchmark runs through the one runner, can be imported, and has its line in benchmarks/README.md."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NO_BENCHMARK = {"__init__", "runner", "simulated_soak", "verdicts", "real_page", "real_flights", "real_figures"}
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in NO_BENCHMARK)
OPTIONS = """
import importlib, json, sys
print(json.dumps({n: [p.name for p in importlib.import_module(f"benchmarks.{n}").main.params] for n in sys.argv[1:]}))
"""


def test_each_is_a_command_of_the_runner() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPTIONS, *NAMES], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    options = json.loads(done.stdout.splitlines()[-1])
    assert len(options) > 20
    assert not [name for name, found in options.items() if "path" not in found], "no --json: not of the runner"


def test_each_is_in_the_list() -> None:
    listed = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    assert not [name for name in NAMES if f"| `{name}.py` |" not in listed]
