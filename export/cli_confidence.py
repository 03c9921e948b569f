"""`export confidence`: how often sites are safe, measured and written into a finished model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trainer.evaluation.cli import decision_of, view_options
from trainer.options import data_choice, split_options


@click.command(name="confidence")
@click.argument("source", metavar="MODEL.ONNX", type=click.Path(path_type=Path))
@click.option("--data", "folders", multiple=True, metavar="DIR", help="Labelled pictures that did not train it.")
@click.option(
    "--part",
    default="val",
    show_default=True,
    type=click.Choice(("val", "all")),
    help="Part of the split; all: of a set that trained nothing.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Default: MODEL.ONNX itself.")
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="DIR", help="Write site-confidence.png and .json here."
)
@view_options
@split_options
def confidence_command(
    source: Path,
    folders: tuple[str, ...],
    part: str,
    out: Path | None,
    report: Path | None,
    height_m: float | None,
    hfov_deg: float | None,
    **values: Any,
) -> None:
    """Measure how often sites are safe, by their score, and write it into a finished model.

    The labels judge, by the roles of their own taxonomy. Graph, weights and proofs stay. `trainer calibrate` does the
    same for a checkpoint.
    """
    from export.confidence import write_confidence

    settings = decision_of(values)
    choice = data_choice(folders, values)
    curve = write_confidence(source, out or source, choice, part, height_m, hfov_deg, settings, report)
    click.echo(curve.describe())
    for step in curve.steps:
        click.echo(f"  score from {step.score_from:.3f}: {curve.at(step.score_from).text}")
    click.echo(f"wrote {out or source}" + (f", {report}" if report else ""))
