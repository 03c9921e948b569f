"""CITATION.cff, by the rules of the Citation File Format 1.2.0, and in step with the package."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from landing.distribution import VERSION

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    *("abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords"),
    *("license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact"),
    *("repository-code", "title", "type", "url", "version"),
}
"""All that the format allows at the top."""
PERSON = {"family-names", "given-names", "name-particle", "name-suffix", "alias", "affiliation", "orcid", "email"}
ENTITY = {"name", "alias", "email", "orcid", "website", "date-start", "date-end", "location", "address", "city"}


def citation() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8")))


def test_it_is_valid() -> None:
    told = citation()
    assert set(told) <= KEYS and {"cff-version", "message", "title", "authors"} <= set(told)
    assert told["cff-version"] == "1.2.0" and told["type"] in ("software", "dataset")
    assert all(isinstance(told[key], str) and told[key].strip() for key in ("message", "title", "abstract"))
    assert told["authors"]
    for author in told["authors"]:
        assert set(author) <= (ENTITY if "name" in author else PERSON)
    words = told["keywords"]
    assert len(words) == len(set(words)) and all(isinstance(word, str) for word in words)
    if "date-released" in told:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(told["date-released"]))


def test_it_says_the_same_as_the_package() -> None:
    told = citation()
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert told["version"] == VERSION
    assert re.search(rf'^license = .*"{re.escape(told["license"])}"', project, re.M)
    assert told["repository-code"] == runpy.run_path(str(ROOT / "docs" / "make" / "links.py"))["REPOSITORY"]
