"""`trainer evaluate`, `calibrate` and `predict`. Torch is imported inside the commands."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landing.errors import InvalidValueError
from landing.progress import words_aside
from landing.settings import DecisionSettings
from trainer.options import checked, data_choice, options, split_options

if TYPE_CHECKING:
    from trainer.evaluation.thresholds import Targets

TARGETS_HELP = (
    "Target of the operating point on val: share found of the ground under person, vehicle, obstacle, water (0.98); at "
    "most lost_people (0.03), false_safe (0.04) and site_false_safe (0)."
)
_FILE = click.Path(path_type=Path)

_machine_options = options(
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1."),
    click.option(
        "--precision",
        default="float32",
        show_default=True,
        type=click.Choice(("float32", "bfloat16")),
        help="Precision of the network; bfloat16 is quicker on a GPU and on CPUs that have it.",
    ),
)

view_options = options(
    click.option(
        "--height-m",
        type=click.FloatRange(1.0, 500.0),
        default=None,
        help="Height of the camera above the ground, m.  [default: assumed by the data set, stated in the report]",
    ),
    click.option(
        "--hfov-deg",
        type=click.FloatRange(2.0, 160.0),
        default=None,
        help="Horizontal field of view of the pictures, degrees.  [default: likewise]",
    ),
    click.option(
        "--vehicle-radius-m",
        type=float,
        default=None,
        help="Radius of the circle that holds the vehicle, m.  [default: 0.5]",
    ),
    click.option("--margin-m", type=float, default=None, help="Extra radius of a site, m.  [default: 0.5]"),
)


@click.command(name="evaluate")
@click.argument("checkpoints", metavar="CKPT.PT...", nargs=-1, required=True, type=_FILE)
@click.option("--data", "folders", multiple=True, metavar="DIR", help="Labelled pictures.")
@click.option(
    "--part",
    default="test",
    show_default=True,
    type=click.Choice(("train", "val", "test", "all")),
    help="Part of the split.",
)
@click.option(
    "--out", required=True, type=_FILE, metavar="DIR", help="Where report.html, results.json and results.md go."
)
@click.option(
    "--also",
    multiple=True,
    type=_FILE,
    metavar="RESULTS.JSON",
    help="Earlier results to put beside, such as those of another split.",
)
@click.option(
    "--recalibrate",
    is_flag=True,
    help="Choose temperature and thresholds on val anew; else only where a checkpoint has none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what results.json holds, alone.")
@_machine_options
@view_options
@split_options
def evaluate_command(
    checkpoints: tuple[Path, ...],
    folders: tuple[str, ...],
    part: str,
    out: Path,
    also: tuple[Path, ...],
    recalibrate: bool,
    as_json: bool,
    device: str,
    precision: str,
    height_m: float | None,
    hfov_deg: float | None,
    **values: Any,
) -> None:
    """Evaluate checkpoints on labelled pictures, side by side, and write a report."""
    settings = decision_of(values)
    choice = data_choice(folders, values)
    from trainer.evaluation.evaluate import evaluate

    with words_aside(as_json):
        columns = evaluate(
            checkpoints,
            choice,
            out,
            part=part,
            device=device,
            precision=precision,
            recalibrate=recalibrate,
            height_m=height_m,
            hfov_deg=hfov_deg,
            settings=settings,
            also=also,
        )
    echo_summary(columns, as_json)


@click.command(name="calibrate")
@click.argument("checkpoint", metavar="CKPT.PT", type=_FILE)
@click.option("--data", "folders", multiple=True, metavar="DIR", help="Labelled pictures.")
@click.option(
    "-o", "--output", default=None, type=_FILE, metavar="FILE", help="Write here instead of over the checkpoint."
)
@click.option("--target", "targets", multiple=True, metavar="NAME=SHARE", help=TARGETS_HELP)
@_machine_options
@view_options
@split_options
def calibrate_command(
    checkpoint: Path,
    folders: tuple[str, ...],
    output: Path | None,
    targets: tuple[str, ...],
    device: str,
    precision: str,
    height_m: float | None,
    hfov_deg: float | None,
    **values: Any,
) -> None:
    """Fit the temperature, the thresholds and the confidence in sites on val; the checkpoint keeps them."""
    settings = decision_of(values)
    choice = data_choice(folders, values)
    wanted = targets_of(targets)
    from trainer.checkpoint import Checkpoint
    from trainer.data.choice import open_and_split
    from trainer.evaluation.calibrate import calibrate_checkpoint
    from trainer.evaluation.measure import SiteAssumptions
    from trainer.evaluation.report import require_folder
    from trainer.evaluation.view import view_of

    taxonomy = Checkpoint.load(checkpoint).taxonomy
    require_folder((output or checkpoint).parent, "--output")
    data, split = open_and_split(choice)
    view = view_of(data, split.val, taxonomy, height_m, hfov_deg)
    calibrate_checkpoint(
        checkpoint,
        data,
        split,
        device,
        precision=precision,
        split_column=choice.split_column if choice.split_files else "",
        ground=SiteAssumptions(view, settings),
        targets=wanted,
        output=output,
    )
    click.echo(f"wrote {output or checkpoint}")


@click.command(name="predict")
@click.argument("checkpoint", metavar="CKPT.PT", type=_FILE)
@click.argument("source", metavar="INPUT", type=_FILE)
@click.option("--out", required=True, type=_FILE, metavar="DIR", help="Where overlays go.")
@click.option(
    "--opacity",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0.0, 1.0),
    help="Opacity of the classes' colours over the picture.",
)
@click.option("--masks", is_flag=True, help="Write the class ids as PNG files, too.")
@click.option("--every", default=1, show_default=True, type=click.IntRange(1), help="Take every n-th picture or frame.")
@_machine_options
def predict_command(
    checkpoint: Path, source: Path, out: Path, opacity: float, masks: bool, every: int, device: str, precision: str
) -> None:
    """Draw the classes that a checkpoint finds over a picture, a folder of pictures, or a video."""
    from trainer.evaluation.predict import predict

    predict(checkpoint, source, out, device=device, precision=precision, opacity=opacity, masks=masks, every=every)


def echo_summary(columns: list[dict[str, Any]], as_json: bool = False) -> None:
    """Print the summary table, one column of the report after the other, or all figures as JSON."""
    from trainer.evaluation.results import as_json as json_of
    from trainer.evaluation.results import summary, title

    if as_json:
        click.echo(json_of(columns))
        return
    for k, column in enumerate(columns):
        click.echo(title(column))
        for row in summary(columns):
            if row.heading:
                click.echo(f"  {row.label}")
            else:
                click.echo(f"    {row.label:<30}{row.cells[k]}")


def decision_of(values: dict[str, Any]) -> DecisionSettings:
    """Takes the vehicle's size out of a command's options."""
    names = ("vehicle_radius_m", "margin_m")
    given = {n: v for n in names if (v := values.pop(n)) is not None}
    settings: DecisionSettings = checked(DecisionSettings, **given)
    return settings


def targets_of(pairs: tuple[str, ...]) -> Targets:
    """Parses the values of `--target`.

    Raises:
        InvalidValueError: No such target, or no share.
    """
    from trainer.evaluation.thresholds import Targets

    known = [field.name for field in fields(Targets)]
    wanted: dict[str, float] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if name not in known or not 0 <= share <= 1:
            raise InvalidValueError(
                f"--target {pair!r}: expected NAME=SHARE with a share from 0 to 1 and a name of {', '.join(known)}"
            )
        wanted[name] = share
    return Targets(**wanted)
