"""`trainer fit` and `trainer eval`. Torch is imported inside the commands, so help is instant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from landing.errors import InvalidValueError
from trainer.options import Numbers, Size, checked, data_choice, options, split_options
from trainer.recipe import Recipe, RunLimits

_recipe_options = options(
    click.option("--arch", default="unet", show_default=True,
                 help="Decoder of segmentation-models-pytorch."),
    click.option("--encoder", default="mobilenet_v2", show_default=True,
                 help="Encoder of segmentation-models-pytorch; tu-NAME for timm's."),
    click.option("--encoder-depth", default=5, show_default=True, type=click.IntRange(3, 5),
                 help="Encoder stages; 4 is lighter and sees less context."),
    click.option("--decoder-channels", type=Numbers(int), default=None,
                 help="Channels per decoder stage, coarse to fine; default: the architecture's."),
    click.option("--input", "input_wh", type=Size(), default="512x512", show_default=True,
                 help="Network input, pixels; multiples of 2**depth."),
    click.option("--encoder-weights", default="none", show_default=True,
                 metavar="imagenet|none|FILE",
                 help="Start of the encoder: downloaded, random, or a torchvision-named file."),
    click.option("--normalisation", default="auto", show_default=True,
                 type=click.Choice(("auto", "imagenet", "half")),
                 help="Of the input; auto: what the encoder weights were trained with."),
    click.option("--epochs", default=30, show_default=True, help="Passes over the pictures."),
    click.option("--batch", default=8, show_default=True, help="Pictures per step."),
    click.option("--repeat", default=1, show_default=True,
                 help="Varied copies of each picture per epoch."),
    click.option("--lr", default=1e-3, show_default=True, help="Peak learning rate."),
    click.option("--encoder-lr-factor", default=1.0, show_default=True,
                 help="Learning rate of the encoder, as a share of --lr; 0 to 1."),
    click.option("--weight-decay", default=1e-2, show_default=True, help="Of AdamW."),
    click.option("--clip-norm", default=1.0, show_default=True, help="Greatest gradient norm."),
    click.option("--dice", default=0.0, show_default=True,
                 help="Weight of the soft Dice loss beside cross-entropy."),
    click.option("--class-weights", default="none", show_default=True,
                 type=click.Choice(("none", "auto")),
                 help="auto: one over the root of a class's frequency, clipped."),
    click.option("--zoom", type=Numbers(float), default="0.8,2.0", show_default=True,
                 help="Least and greatest scale of training pictures against a full fit."),
    click.option("--tilt-deg", default=15.0, show_default=True,
                 help="Turn of training pictures beyond quarter turns, degrees."),
    click.option("--light", default=1.0, show_default=True,
                 help="Strength of light and colour changes, 0 to 2."),
    click.option("--faults", default=0.15, show_default=True,
                 help="Probability of blur, of noise and of JPEG artefacts, 0 to 1."),
    click.option("--focus", default=0.3, show_default=True,
                 help="Probability to centre on a person, vehicle or water, 0 to 1."),
    click.option("--markings", default=0.0, show_default=True,
                 help="Probability of lane lines and arrows painted on landable ground, 0 to 1."),
    click.option("--seed", default=0, show_default=True, help="Of everything random."),
    click.option("--precision", default="auto", show_default=True,
                 type=click.Choice(("auto", "float32", "bfloat16")),
                 help="auto: bfloat16 on a GPU, else float32. bfloat16 is quicker on CPUs that "
                      "have it."),
)  # fmt: skip

_limit_options = options(
    click.option("--workers", default=1, show_default=True, help="Loader processes; 0 for none."),
    click.option("--threads", default=0, show_default=True,
                 help="Torch's threads; 0 for its own choice."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1."),
    click.option("--time-limit-min", default=0.0, show_default=True, metavar="MIN",
                 help="Shorten the plan to what fits, minutes; 0 for no limit."),
    click.option("--stop-after", default=0, show_default=True, metavar="EPOCH",
                 help="Stop after this epoch, to go on later with --resume; 0 for never."),
)  # fmt: skip


@click.group(name="trainer")
def cli() -> None:
    """Train a ground segmentation network and score it."""


@cli.command(name="fit")
@click.option("--data", "folder", default="", metavar="DIR", help="Folder of labelled pictures.")
@click.option("--out", default="", metavar="DIR", help="Where best.pt, last.pt, metrics.json go.")
@click.option(
    "--resume",
    "resume_from",
    default="",
    metavar="LAST.PT",
    help="Go on with this run, by its own recipe (other recipe options are refused).",
)
@split_options
@_recipe_options
@_limit_options
@click.pass_context
def fit_command(
    ctx: click.Context, /, folder: str, out: str, resume_from: str, **options: Any
) -> None:
    """Train a network; best.pt is chosen on val, test is only reported."""
    limits = {name: options.pop(name) for name in RunLimits.model_fields if name in options}
    if resume_from:
        _refuse_recipe_options(ctx, {"folder", "out", "resume_from", *limits})
        run_limits = checked(RunLimits, out=out or str(Path(resume_from).parent), **limits)
        from trainer.fit import resume

        resume(resume_from, run_limits, folder)
        return
    if not folder or not out:
        raise click.UsageError("--data DIR and --out DIR are needed (or --resume last.pt)")
    choice = data_choice(folder, options)
    width, height = options.pop("input_wh")
    recipe = checked(Recipe, data=choice, width_px=width, height_px=height, **options)
    run_limits = checked(RunLimits, out=out, **limits)
    from trainer.fit import fit

    fit(recipe, run_limits)


@cli.command(name="eval")
@click.argument("checkpoint", metavar="CKPT.PT")
@click.option("--data", "folder", required=True, metavar="DIR", help="Labelled pictures.")
@click.option(
    "--part",
    default="test",
    show_default=True,
    type=click.Choice(("train", "val", "test", "all")),
    help="Part of the split.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@split_options
def eval_command(
    checkpoint: str, folder: str, part: str, device: str, as_json: bool, **options: Any
) -> None:
    """Score a checkpoint on labelled pictures, at the resolution of their labels."""
    choice = data_choice(folder, options)
    from trainer.fit import evaluate

    scores = evaluate(checkpoint, choice, part, device)
    click.echo(json.dumps(scores.to_mapping(), indent=2) if as_json else scores.table())


def _refuse_recipe_options(ctx: click.Context, allowed: set[str]) -> None:
    for name in ctx.params:
        given = ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name not in allowed:
            raise InvalidValueError(
                f"--{name.replace('_', '-')} cannot be changed on --resume: the run goes on by the "
                "recipe in its checkpoint"
            )
