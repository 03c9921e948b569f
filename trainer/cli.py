"""The trainer's commands. Torch is imported inside them, so help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from landing.errors import InvalidValueError
from trainer.augment_cli import augment_command
from trainer.data.choice import require_folders
from trainer.data_cli import data
from trainer.evaluation.cli import calibrate_command, evaluate_command, predict_command
from trainer.options import SIZE, checked, data_choice, given, model_options, split_options, training_options
from trainer.presets import PRESETS
from trainer.recipe import LossChoice, NetworkChoice, Recipe, RunLimits, Variation

_GROUPS = {"network": NetworkChoice, "variation": Variation, "loss": LossChoice}


@click.group(name="trainer")
def cli() -> None:
    """Train a ground segmentation network and evaluate it."""


@cli.command(name="fit")
@click.option(
    "--data", "folders", multiple=True, metavar="DIR", help="Folder of labelled pictures; several are merged by role."
)
@click.option("--out", default="", metavar="DIR", help="Where checkpoints and logs go.")
@click.option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    default=None,
    help="Network and input that were measured (benchmarks/results); other options win.",
)
@click.option(
    "--resume",
    "resume_from",
    default="",
    metavar="LAST.PT",
    help="Go on with this run, by its own recipe (other recipe options are refused).",
)
@click.option(
    "--input",
    "input_wh",
    type=SIZE,
    default=None,
    help="Network input, pixels; multiples of 2**depth.  [default: 512x512]",
)
@click.option(
    "--crop",
    "crop_wh",
    type=SIZE,
    default=None,
    help="Training pictures, cut out at the scale of the input.  [default: the input]",
)
@training_options
@split_options
@model_options(NetworkChoice)
@model_options(Recipe, without=("crop_wh",))
@model_options(LossChoice)
@model_options(Variation)
@model_options(RunLimits)
@click.pass_context
def fit_command(
    ctx: click.Context, /, folders: tuple[str, ...], out: str, preset: str | None, resume_from: str, **values: Any
) -> None:
    """Train a network; best.pt is chosen on val, test is not looked at."""
    limits = given(RunLimits, values)
    if resume_from:
        _refuse_recipe_options(ctx, {"folders", "also", "out", "resume_from", *RunLimits.model_fields})
        run_limits = checked(RunLimits, out=out or str(Path(resume_from).parent), **limits)
        from trainer.fit import resume

        resume(resume_from, run_limits, folders, values["also"])
        return
    if not (folders or values["images"]) or not out:
        raise click.UsageError("--data DIR and --out DIR are needed (or --resume last.pt)")
    run_limits = checked(RunLimits, out=out, **limits)
    recipe = recipe_of(folders, preset, values)
    require_folders(recipe.data)  # torch takes seconds to import
    from trainer.fit import fit

    fit(recipe, run_limits)


def recipe_of(folders: tuple[str, ...], preset: str | None, values: dict[str, Any]) -> Recipe:
    """The recipe of a command line: the preset, with what was given instead."""
    fields: dict[str, Any] = {"data": data_choice(folders, values)}
    ours = dict(PRESETS[preset].options) if preset else {}
    ours |= {name: value for name, value in values.items() if value is not None}
    for name, model in _GROUPS.items():
        fields[name] = checked(model, **given(model, ours))
    input_wh = ours.pop("input_wh", None)
    if input_wh:
        fields["width_px"], fields["height_px"] = input_wh
    recipe: Recipe = checked(Recipe, **fields, **ours)
    return recipe


def _refuse_recipe_options(ctx: click.Context, allowed: set[str]) -> None:
    for name in ctx.params:
        is_given = ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if is_given and name not in allowed:
            raise InvalidValueError(
                f"--{name.replace('_', '-')} cannot be changed on --resume: the run goes on by the "
                "recipe in its checkpoint"
            )


cli.add_command(augment_command)
cli.add_command(data)
cli.add_command(evaluate_command)
cli.add_command(calibrate_command)
cli.add_command(predict_command)
