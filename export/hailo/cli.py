"""`export hailo`: the command."""

from __future__ import annotations

from pathlib import Path

import click

from edge.runtimes.hailo_file import HAILO_CHIPS, HailoChip
from export.options import split_options


@click.command(name="hailo")
@click.argument("model", metavar="MODEL.ONNX", type=click.Path(path_type=Path))
@click.option("--chip", required=True, type=click.Choice(HAILO_CHIPS), help="Accelerator, as the compiler names it.")
@click.option("--calibrate", default=None, type=click.Path(path_type=Path), help="Folder of training pictures.")
@split_options
@click.option(
    "--pictures", default=64, show_default=True, type=click.IntRange(1, 100_000), help="At most so many calibrate."
)
@click.option("--hef", default=None, type=click.Path(path_type=Path), help="What the compiler made of MODEL: wrap it.")
@click.option(
    "-o",
    "--out",
    default=None,
    type=click.Path(path_type=Path),
    help="Default: the folder MODEL.CHIP; with --hef the file MODEL.CHIP.hef.",
)
def hailo_command(
    model: Path,
    chip: HailoChip,
    calibrate: Path | None,
    split: Path | None,
    split_column: str,
    pictures: int,
    hef: Path | None,
    out: Path | None,
) -> None:
    """Write what Hailo's compiler needs of a model (--calibrate), or wrap what it made (--hef).

    The compiler is for registered developers: you run compile.sh. Nodes that it refuses, or that nobody is known to
    have compiled, are named.
    """
    from export.hailo.make import HailoOptions, prepare, wrap

    if (calibrate is None) == (hef is None):
        raise click.UsageError("give --calibrate FOLDER to prepare for the compiler, or --hef FILE to wrap its result")
    if hef is not None:
        target = out or model.with_suffix(f".{chip}.hef")
        manifest = wrap(model, hef, target, chip)
        click.echo(
            f"wrote {target}, {manifest.model.name}, for {chip} and HailoRT "
            f"{'.'.join(map(str, manifest.least_runtime))}; never verified: `touchdown export verify` on the board"
        )
        return
    assert calibrate is not None
    folder = out or model.with_suffix(f".{chip}")
    prepare(model, folder, HailoOptions(chip, calibrate, split, split_column, pictures), click.echo)
    click.echo(f"wrote {folder}: run its compile.sh where Hailo's compiler is; we have not run it")
