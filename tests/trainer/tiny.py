"""A network and a run as small as they can be, for tests that train."""

from __future__ import annotations

import sys
from pathlib import Path

from click.testing import CliRunner

from trainer.cli import cli

TINY = [
    *("--arch", "unet", "--input", "64x32", "--encoder-depth", "3", "--decoder-channels", "16,8,8"),
    *("--batch", "4", "--workers", "0", "--threads", "1", "--faults", "0.5", "--logger", "none"),
]

STOPPED = [*TINY, "--epochs", "3", "--seed", "5", "--ema", "0.9"]
"""Recipe of the fixture `stopped`, which ends after the first epoch."""


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "touchdown", "trainer", *(str(a) for a in arguments)]


def train_stopped(toy: Path, out: Path) -> Path:
    run("fit", "--data", toy, *STOPPED, "--out", out, "--stop-after", "1")
    return out
