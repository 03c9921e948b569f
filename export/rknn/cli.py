"""`export rknn`: the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge.runtimes.rknn_file import CHIPS
from export.options import calibrating_options
from export.rknn import ALGORITHMS, GATE_PICTURES, PICTURES


@click.command(name="rknn")
@click.argument("model", metavar="MODEL.ONNX", type=click.Path(path_type=Path))
@click.option("--board", required=True, type=click.Choice(CHIPS), help="Chip that it is compiled for.")
@click.option(
    "--python",
    required=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Python of an environment with rknn-toolkit2, which you install: its package has no licence text.",
)
@click.option(
    "--calibrate",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of pictures: training ones calibrate 8 bits, others judge.",
)
@click.option("-o", "--out", default=None, type=click.Path(path_type=Path), help="Default: MODEL.BOARD.rknn.")
@click.option("--precision", default="fp16", show_default=True, type=click.Choice(("fp16", "int8")))
@click.option(
    "--algorithm",
    default="normal",
    show_default=True,
    type=click.Choice(ALGORITHMS),
    help="Of 8 bits; mmse is the most exact and takes long.",
)
@calibrating_options(PICTURES, GATE_PICTURES)
def rknn_command(model: Path, out: Path | None, **choices: Any) -> None:
    """Compile a model for the NPU of a Rockchip chip, and judge it in the toolkit's simulator.

    Layers stay in float16 until the gate passes. Exit 1, and no file, if it never does.
    """
    from export.rknn.make import RknnOptions, make_rknn

    options = RknnOptions(**choices)
    report = make_rknn(model, out or model.with_suffix(f".{options.board}.rknn"), options, click.echo)
    if report.path is None:
        click.echo("no file was written: the gate did not pass. Fly --precision fp16, or the ONNX file", err=True)
        click.get_current_context().exit(1)
    size = report.path.stat().st_size
    click.echo(f"wrote {report.path} ({size / 1e6:.2f} MB), {report.manifest.model.name}, for {options.board}")
