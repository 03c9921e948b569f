"""The site is built as `make docs` does it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging


def test_it_builds_without_a_warning(built: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = built
    assert done.returncode == 0, done.stdout + done.stderr
    page = (out / "index.html").read_text("utf-8")
    elsewhere = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(https?:[^\"]+)", page)
    assert not elsewhere, "the site needs other hosts"
