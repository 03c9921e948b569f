"""A second daemon on what a first one uses: it says who that is, ends with 78, touches nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge.claims import claims_of
from edge.config import load_config
from firmware_bridge.claims import Claims
from tests.command import call, run
from tests.edge.test_cli import write_config


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("shared", ["configuration", "link", "recordings"])
def test_a_second_daemon_ends_and_touches_nothing(tmp_path: Path, model_path: Path, shared: str) -> None:
    path = write_config(tmp_path, model_path)
    path.write_text(path.read_text() + "[expert.recorder]\nenabled = true\n")
    ring = tmp_path / "recordings" / "ring"
    ring.mkdir(parents=True)
    (ring / "live.mcap.part").write_bytes(b"the first one's live recording")
    (tmp_path / "events.jsonl").write_text('{"event":"start"}\n')
    before = everything(tmp_path)
    claims = [c for c in claims_of(path, load_config(path)) if c.kind == shared]
    with Claims() as first:
        first.take(claims)
        other_name = tmp_path / "other-name.toml"
        other_name.symlink_to(path)
        result = run("edge", "serve", "--config", other_name, "--max-seconds", 5)
    assert result.returncode == 78
    for words in (str(claims[0]), f"process {os.getpid()}", "stop it"):
        assert words in result.stderr
    assert "Traceback" not in result.stderr
    other_name.unlink()
    assert everything(tmp_path) == before


def test_check_says_who_flies_and_opens_nothing(tmp_path: Path, model_path: Path) -> None:
    path = write_config(tmp_path, model_path)
    with Claims() as first:
        first.take(claims_of(path, load_config(path)))
        result = call("edge", "check", "--config", path, "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 2
    for part in ("camera", "link"):
        assert not report[part]["ok"] and f"process {os.getpid()}" in report[part]["text"]
    assert report["model"]["ok"]
