"""Output of `touchdown edge calibrate`: words and lines, or JSON, and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge.blackbox.opened import opened
from edge.calibrate import of_recording
from landing.progress import say, words_aside


def calibrate(flight: tuple[str, ...], config_path: str | None, max_seconds: float, out: str, as_json: bool) -> None:
    """Calibrates, writes the picture, and prints words and lines, or one JSON object.

    Args:
        flight: Files or folders of the black box; none of them calibrates live.
        config_path: Of the configuration, for a live calibration.
        max_seconds: See `edge.calibrate_live.calibrate_live`.
        out: Picture to write.
        as_json: One JSON object.

    Raises:
        TouchdownError: Nothing can be told, and why.
    """
    if flight or config_path is None:
        with opened(flight) as recording:
            found = of_recording(recording)
    else:
        from edge.calibrate_live import calibrate_live

        with words_aside():
            found = calibrate_live(Path(config_path), max_seconds, say)
    found.write_picture(Path(out))
    if as_json:
        click.echo(json.dumps({**found.as_dict(), "picture": out}))
        return
    for line in [*found.lines(), f"picture: {out}", "", *found.toml()]:
        click.echo(line)
