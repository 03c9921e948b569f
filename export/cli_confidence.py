"""`export confidence`: how often sites are safe, measured and written into a finished model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.held_out import FILE, held_out
from trainer.evaluation.cli import decision_of
from trainer.options import data_choice


@click.command(name="confidence")
@click.argument("source", metavar="MODEL.ONNX", type=FILE)
@held_out("val", "all")
@click.option("-o", "--out", type=FILE, help="Default: MODEL.ONNX itself.")
@click.option("--report", type=FILE, metavar="DIR", help="Write site-confidence.png and .json here.")
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
