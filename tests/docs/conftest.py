from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


@pytest.fixture(scope="session", params=["shared-site"])
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The site as `make docs` builds it, and what the build said."""
    pytest.importorskip("sphinx")
    line = re.search(r"-m (sphinx .+) docs out/docs$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert line
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", *line[1].split(), "docs", str(out)]
    return out, subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
