"""`export thresholds` and `export evaluate`: finished models on labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.held_out import FILE, held_out
from landing.progress import words_aside
from trainer.evaluation.cli import TARGETS_HELP, decision_of, echo_summary, targets_of
from trainer.options import data_choice


@click.command(name="thresholds")
@click.argument("source", metavar="MODEL.ONNX", type=FILE)
@held_out("val", "all")
@click.option("-o", "--out", type=FILE, metavar="FILE", help="Default: MODEL.ONNX itself.")
@click.option("--report", type=FILE, metavar="DIR", help="Write a report of the model before and after here.")
@click.option("--target", "targets", multiple=True, metavar="NAME=SHARE", help=TARGETS_HELP)
def thresholds_command(
    source: Path,
    folders: tuple[str, ...],
    part: str,
    out: Path | None,
    report: Path | None,
    targets: tuple[str, ...],
    height_m: float | None,
    hfov_deg: float | None,
    **values: Any,
) -> None:
    """Choose the thresholds of a finished model for landings and write them into it.

    As `trainer calibrate` does for a checkpoint: by the people and other hazards found one by one, then by the sites.
    Graph, weights, temperature and the confidence in sites stay. A gate that was passed at other thresholds is taken
    out: prove the model again with `export verify`.
    """
    settings, wanted = decision_of(values), targets_of(targets)
    choice = data_choice(folders, values)
    from export.thresholds import JudgingGround, write_thresholds
    from trainer.evaluation.calibrate import describe

    ground = JudgingGround(choice, part, height_m, hfov_deg, settings)
    point, columns = write_thresholds(source, out or source, ground, wanted, report)
    echo_summary(columns)
    click.echo(describe(point))
    click.echo(f"wrote {out or source}" + (f", {report}" if report else ""))


@click.command(name="evaluate")
@click.argument("sources", metavar="MODEL...", nargs=-1, required=True, type=FILE)
@held_out("train", "val", "test", "all")
@click.option(
    "--out", required=True, type=FILE, metavar="DIR", help="Folder for report.html, results.json and results.md."
)
@click.option("--json", "as_json", is_flag=True, help="Print what results.json holds, alone.")
def evaluate_command(
    sources: tuple[Path, ...],
    folders: tuple[str, ...],
    part: str,
    out: Path,
    as_json: bool,
    height_m: float | None,
    hfov_deg: float | None,
    **values: Any,
) -> None:
    """Judge finished models on labelled pictures, side by side, and write a report.

    At the thresholds that they fly with by default. Labels of other classes than the model's are compared by role.
    `trainer evaluate` does the same for checkpoints.
    """
    settings = decision_of(values)
    choice = data_choice(folders, values)
    from export.thresholds import JudgingGround, evaluate_models

    with words_aside(as_json):
        columns = evaluate_models(sources, JudgingGround(choice, part, height_m, hfov_deg, settings), out)
    echo_summary(columns, as_json)
    if not as_json:
        click.echo(f"wrote {out}")
