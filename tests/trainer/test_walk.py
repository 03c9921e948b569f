"""ARCHITECTURE.md tells one picture's way from disk to checkpoint as a list of functions: a real run takes it."""

from __future__ import annotations

import importlib
import re
import sys
import threading
from pathlib import Path
from types import CodeType

from tests.trainer.tiny import TINY, run

ROOT = Path(__file__).resolve().parents[2]
HEADING = "### One picture, from disk to checkpoint"


def told() -> list[str]:
    """Names of the list's functions, in order."""
    section = (ROOT / "ARCHITECTURE.md").read_text("utf-8").split(HEADING + "\n", 1)[1]
    return re.findall(r"^\d+\. `(trainer\.[\w.]+)`: \w", re.split(r"^#", section, maxsplit=1, flags=re.M)[0], re.M)


def code_of(name: str) -> CodeType:
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found.__code__
    raise AssertionError(name)


def test_a_run_calls_the_told_functions_in_the_told_order(toy, tmp_path):
    names = told()
    assert 10 <= len(names) <= 20
    wanted = {code_of(name): name for name in names}
    assert len(wanted) == len(names)
    called: dict[str, None] = {}

    def note(frame, event, _argument):
        if event == "call" and frame.f_code in wanted:
            called.setdefault(wanted[frame.f_code])

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        out = tmp_path / "run"
        run("fit", "--data", toy, *TINY, "--limit", "4", "--epochs", "1", "--out", out, "--cache", tmp_path / "cache")
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    assert list(called) == names
    assert (out / "best.pt").is_file()
