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
@click.option("--scenes", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="How many scenes.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Of the campaign: everything random follows from it.",
)
@click.option(
    "--split", default="train", show_default=True, help="train for tuning, val for comparing, test for the one report."
)
@click.option(
    "--worlds",
    default="scenes",
    show_default=True,
    help="Specifications, taken in turn: scenes, procedural, adversarial:all, photo:FILE?...",
)
@click.option(
    "--policy", "policies", help="Names with commas, or all; with --replay, whose landing.  [default: touchdown]"
)
@click.option(
    "--segmentation",
    type=click.Choice(["errors", "model", "confusion"]),
    default="errors",
    show_default=True,
    help="errors: true labels with a network's measured errors (also: confusion). model: a network on pictures.",
)
@click.option(
    "--model", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="ONNX file, for --segmentation model."
)
@click.option(
    "--errors",
    "--confusion",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measured errors, by `touchdown sim errors`.  [default: the committed ones]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.NAME=VALUE",
    help="A setting of decision, director or authority, or a parameter of the autopilot; may be given several times.",
)
@click.option(
    "--network-shift",
    type=click.FloatRange(-4.0, 4.0),
    default=0.0,
    show_default=True,
    help="How much worse the network is than measured, probits; better when negative.",
)
@click.option(
    "--search-s",
    type=click.FloatRange(2.0, 600.0),
    default=25.0,
    show_default=True,
    help="So long the pilot hovers without a site before looking from nearer or giving up, s.",
)
@click.option(
    "--nearer-m",
    type=click.FloatRange(2.0, 200.0),
    default=15.0,
    show_default=True,
    help="The pilot goes down to half the height once to look from nearer, no lower than this, m.",
)
@click.option(
    "--engine",
    type=click.Choice(["processes", "dask"]),
    default="processes",
    show_default=True,
    help="Cores of this machine, or Dask distributed.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=2, show_default=True, help="Workers on this machine.")
@click.option(
    "--pictures",
    type=click.IntRange(0, 1000),
    default=24,
    show_default=True,
    help="Failures that get a picture in the report; each is flown again.",
)
@click.option(
    "--replay",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Fly one landing of this campaign again: picture and trace.",
)
@click.option("--scene", type=click.IntRange(0), help="Which, for --replay.")
@click.option("--sheet", is_flag=True, help="With --replay: also what the camera saw.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def campaign(
    out: Path,
    scenes: int,
    seed: int,
    split: str,
    worlds: str,
    policies: str | None,
    segmentation: str,
    model: Path | None,
    errors: Path | None,
    settings: tuple[str, ...],
    network_shift: float,
    search_s: float,
    nearer_m: float,
    engine: str,
    scheduler: str | None,
    jobs: int,
    pictures: int,
    replay: Path | None,
    scene: int | None,
    sheet: bool,
    as_json: bool,
) -> None:
    """Fly landings by the hundred, faster than real time, and score them by the truth.

    Everything that flies runs in one process on a simulated clock, with random worlds, weather, sensors and people. The
    same options and the same code give the same results to the byte. A campaign that was stopped goes on when it is
    called again.
    """
    from sim.campaign.command import campaign_command, plan_from, replay_command

    if replay is not None:
        if scene is None:
            raise click.UsageError("--replay needs --scene")
        replay_command(replay, scene, policies, sheet, as_json)
        return
    plan = plan_from(
        scenes,
        seed,
        split,
        worlds,
        policies or "touchdown",
        "errors" if segmentation == "confusion" else segmentation,
        model,
        errors,
        settings,
        search_s,
        network_shift,
        nearer_m,
    )
    campaign_command(plan, out, engine, jobs, scheduler, pictures, as_json)


@click.command(name="errors")
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="ONNX file of the network, of the classes of the worlds.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON file to write.")
@click.option(
    "--worlds",
    default="scenes,procedural",
    show_default=True,
    help="Specifications, taken in turn, with commas between.",
)
@click.option(
    "--seeds",
    nargs=2,
    type=int,
    default=(10_000, 10_100),
    show_default=True,
    help="First and end of the seeds of the worlds; those that `touchdown sim dataset` refuses.",
)
@click.option(
    "--frames",
    type=click.IntRange(2, 10_000),
    default=200,
    show_default=True,
    help="Pairs of pictures in each band of heights, spread over the worlds.",
)
def measure_errors(model: Path, out: Path, worlds: str, seeds: tuple[int, int], frames: int) -> None:
    """Measure a network's errors on rendered pictures, for `touchdown sim campaign`."""
    from sim.campaign.measure import measure, write_measured
    from sim.flight.sensor import load_network
    from sim.world import expand_world_spec

    specs = tuple(world for part in worlds.split(",") for world in expand_world_spec(part))
    with load_network(model) as network:
        found = measure(network, specs, range(*seeds), frames, model.name)
        for words, measured in found:
            click.echo(words)
            if measured is not None:
                write_measured(measured, out)
    click.echo(f"wrote {out}")
