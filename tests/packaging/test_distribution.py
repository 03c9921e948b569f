"""The distribution's own name: whoever follows an install line gets this program and no other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from landing.distribution import DISTRIBUTION, install_command
from touchdown.cli import MISSING_EXTRAS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
STRANGER = re.compile(
    r"""\btouchdown(?:\[[a-z]|==|>=|-\d|-\*\.whl)"""
    r"""|\bpip3? (?:install|uninstall|wheel|download|compile)\b[^\n`]*[ '"]touchdown(?![\w./-])"""
    r"""|\bversion\(['"]touchdown['"]"""
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    kinds = {".py", ".md", ".toml", ".service", ".json", ".jinja", ".html", ""}
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.suffix in kinds or path.name.startswith("Dockerfile")]


def test_no_install_line_names_the_program_of_somebody_else():
    found = []
    for path in tracked():
        if path == Path(__file__) or not path.is_file():
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if STRANGER.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:160]}")
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        'pip install "touchdown[deploy]"',
        "pip install touchdown",
        "pip install --no-index --find-links wheels 'touchdown'",
        "touchdown==0.1.0",
        "ls /wheels/touchdown-*.whl",
        'metadata.version("touchdown")',
    ],
)
def test_a_line_of_the_old_name_is_seen(line):
    assert STRANGER.search(line)


def test_every_extra_that_an_install_line_names_exists():
    known = set(PROJECT["optional-dependencies"])
    named = set()
    for path in tracked():
        if path.is_file():
            for group in re.findall(rf"{DISTRIBUTION}\[([a-z,]+)\]", path.read_text("utf-8")):
                named |= set(group.split(","))
    assert {"train", "deploy", "openvino", "ncnn"} <= named <= known
    assert set(MISSING_EXTRAS.values()) <= known
    assert install_command("train") == 'pip install "touchdown-landing[train]"'


def test_the_project_has_the_name():
    assert PROJECT["name"] == DISTRIBUTION
