"""Options of `touchdown sim campaign`. What they need is imported when they are used."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out/campaign"),
    show_default=True,
    help="Folder of the campaign; one that was begun is gone on with.",
)
@click.option(
    "--scenes",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="How many scenes.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Of the campaign: everything random follows from it.",
)
@click.option(
    "--split",
    default="train",
    show_default=True,
    help="train for tuning, val for comparing, test for the one report.",
)
@click.option(
    "--worlds",
    default="scenes",
    show_default=True,
    help="Specifications, taken in turn: scenes, procedural, worst:all, photo:FILE?...",
)
@click.option(
    "--policy",
    "policies",
    default="ours",
    show_default=True,
    help="Names with commas between, or all.",
)
@click.option(
    "--segmentation",
    type=click.Choice(["confusion", "model"]),
    default="confusion",
    show_default=True,
    help="Measured mistakes on the truth, or a network on pictures.",
)
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="ONNX file, for --segmentation model.",
)
@click.option(
    "--confusion",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measured mistakes, by `touchdown sim confusion`.  [default: the committed ones]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.NAME=VALUE",
    help="A setting of decision, director or authority; may be given several times.",
)
@click.option(
    "--search-s",
    type=click.FloatRange(2.0, 600.0),
    default=25.0,
    show_default=True,
    help="The pilot gives up hovering without a site after this time, s.",
)
@click.option(
    "--engine",
    type=click.Choice(["processes", "dask"]),
    default="processes",
    show_default=True,
    help="Cores of this machine, or Dask distributed.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    default=2,
    show_default=True,
    help="Workers on this machine.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def campaign(
    out: Path, scenes: int, seed: int, split: str, worlds: str, policies: str, segmentation: str,
    model: Path | None, confusion: Path | None, settings: tuple[str, ...], search_s: float,
    engine: str, scheduler: str | None, jobs: int, as_json: bool,
) -> None:  # fmt: skip
    """Fly landings by the hundred, faster than real time, and score them by the truth.

    Everything that flies runs in one process on a simulated clock, with random worlds, weather,
    sensors and people. The same options and the same code give the same results to the byte. A
    campaign that was stopped goes on when it is called again.
    """
    from sim.campaign.command import campaign_command, plan_from

    plan = plan_from(
        scenes, seed, split, worlds, policies, segmentation, model, confusion, settings, search_s
    )
    campaign_command(plan, out, engine, jobs, scheduler, as_json)
