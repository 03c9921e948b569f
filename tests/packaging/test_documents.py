"""What the documents say exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from landing.distribution import VERSION

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "SAFETY.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "models/README.md", "deploy/README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_named_in_documents_exist(name):
    text = (ROOT / name).read_text("utf-8")
    for path in re.findall(r"`((?:tests|benchmarks|landing|models|deploy|edge)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), f"{name} names {path}"


def test_changelog_has_the_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## \[(?:Unreleased|{re.escape(VERSION)})\]", text, re.M)
