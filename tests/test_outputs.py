"""Files to write may be something else: a device, FIFO or socket of that name stays, and the answer is a line."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.durable import write_file
from export.files import replacing
from firmware_bridge.stamp_file import StampFile
from landing.errors import TouchdownError
from landing.reading import take_name
from sim.campaign.store import replace_text
from tests.command import call
from trainer.files import whole_file


def write_whole(path: Path) -> None:
    with whole_file(path) as stream:
        stream.write(b"new")


def write_replacing(path: Path) -> None:
    with replacing(path) as partial:
        partial.write_bytes(b"new")


def write_draft(path: Path) -> None:
    draft = path.with_name("draft")
    draft.write_bytes(b"new")
    take_name(draft, path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "trainer": write_whole,
    "export": write_replacing,
    "deploy": lambda path: write_file(path, b"new"),
    "campaign": lambda path: replace_text(path, "new"),
    "stamp": lambda path: StampFile(path).write(3),
    "draft": write_draft,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_no_file_stays(writer: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as door:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's address is short
        try:
            door.bind("socket")
        finally:
            os.chdir(here)
        (tmp_path / "link").symlink_to("fifo")
        before = {path.name: stat.S_IFMT(path.lstat().st_mode) for path in tmp_path.iterdir()}
        for name in ("fifo", "socket", "link"):
            with pytest.raises((OSError, TouchdownError)):
                WRITERS[writer](tmp_path / name)
        assert {path.name: stat.S_IFMT(path.lstat().st_mode) for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_is_replaced(writer: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    WRITERS[writer](tmp_path / "old")
    assert (tmp_path / "old").read_text() in ("new", "3\n") and len(list(tmp_path.iterdir())) == 1


def test_a_key_without_a_name_is_refused_in_a_line() -> None:
    done = call("deploy", "keygen", "--out", "")
    assert done.returncode == 2 and done.stderr.startswith("error: --out") and done.stderr.count("\n") == 1
