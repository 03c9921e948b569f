"""What the documents say exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from landing.distribution import VERSION
from touchdown.cli import cli

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "SAFETY.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "models/README.md", "deploy/README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_named_in_documents_exist(name):
    text = (ROOT / name).read_text("utf-8")
    for path in re.findall(r"`((?:tests|benchmarks|landing|models|deploy|edge)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), f"{name} names {path}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_and_options_named_in_documents_exist(name):
    """Every `touchdown ...` line: the command is there, and so is each of its options."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ {4}(touchdown .+)$", text, re.M) + re.findall(r"`(touchdown .+?)`", text)
    for line in lines:
        words = line.partition("  #")[0].split()[1:]
        command, path = cli, []
        while words and hasattr(command, "get_command"):
            found = command.get_command(None, words[0])  # type: ignore[arg-type]
            if found is None:
                break
            command, path = found, [*path, words.pop(0)]
        assert path, f"{name}: {line}"
        result = CliRunner().invoke(cli, [*path, "--help"])
        assert result.exit_code == 0, line
        for option in [w.partition("=")[0] for w in words if w.startswith("--")]:
            assert option in result.output, f"{name}: {line}: {option} is not an option"


def test_changelog_has_the_version():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## \[(?:Unreleased|{re.escape(VERSION)})\]", text, re.M)
