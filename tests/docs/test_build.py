"""The site is built as `make docs` does it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.packaging


def build(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Build with the options of the Makefile's target."""
    line = re.search(r"-m (sphinx .+) docs out/docs$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert line
    command = [sys.executable, "-m", *line[1].split(), *more, "docs", str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "index.html").read_text("utf-8")
    elsewhere = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(https?:[^\"]+)", page)
    assert not elsewhere, "the site needs other hosts"
