"""Options of `touchdown sim campaign`. What they need is imported when they are used."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
option = partial(click.option, show_default=True)
Whole, Number = click.IntRange, click.FloatRange


@click.command()
@option(
    "--out", type=click.Path(path_type=Path), default=Path("out/campaign"), help="New folder, or one to go on with."
)
@click.option("--scenes", type=Whole(1, 1_000_000), help="How many.  [default: 200; of photographs each once]")
@option("--seed", type=Whole(0), default=1, help="Of the campaign: everything random follows from it.")
@option("--split", default="train", help="train for tuning, val for comparing, test for the one report.")
@option("--worlds", default="scenes", help="Taken in turn: scenes, procedural, adversarial:all, photo:FILE or FOLDER.")
@option(
    "--looks",
    type=click.Choice(["ground", "frames"]),
    default="ground",
    help="Over photographs the network sees: the ground once from each height, or every frame (ten times slower).",
)
@click.option("--gsd-m", type=Number(0.0005, 1.0), help="Metres per pixel of photographs.  [default: by their EXIF]")
@click.option("--policy", "policies", help="Names with commas, or all; with --replay, whose.  [default: touchdown]")
@option(
    "--segmentation",
    type=click.Choice(["errors", "model", "confusion"]),
    default="errors",
    help="errors: true labels with a network's measured errors (also: confusion). model: a network on pictures.",
)
@click.option("--model", type=FILE, help="File of the network, for --segmentation model.")
@option("--runtime", default="auto", help="Of the network, as model.runtime: openvino is faster on most CPUs.")
@click.option("--errors", "--confusion", type=FILE, help="By `touchdown sim errors`.  [default: the committed ones]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.NAME=VALUE",
    help="A setting of decision, director or authority, or a parameter of the autopilot; may be given several times.",
)
@option("--network-shift", type=Number(-4.0, 4.0), default=0.0, help="Network worse than measured by so much, probits.")
@option("--fps", type=Number(4.0, 30.0), default=10.0, help="Frames of the camera a second; 5 fly a network faster.")
@option(
    "--emergency", default="", help="Failsafes in turn, with nobody at the sticks: battery, link.  [default: a pilot]"
)
@option(
    "--mistakes",
    default="",
    help="Mistakes of set-up in turn, over worlds with relief: turned, tilted, ..., or all.  [default: none]",
)
@option("--search-s", type=Number(2.0, 600.0), default=25.0, help="Hover without a site before the next step, s.")
@option("--nearer-m", type=Number(2.0, 200.0), default=15.0, help="The pilot goes down once to look, no lower than, m.")
@option(
    "--engine", type=click.Choice(["processes", "dask"]), default="processes", help="Cores of this machine, or Dask."
)
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT.")
@option("--jobs", type=Whole(1, 1024), default=2, help="Workers on this machine.")
@option("--pictures", type=Whole(0, 1000), default=24, help="Failures with a picture; each is flown again.")
@click.option("--replay", type=FOLDER, metavar="DIR", help="Fly one landing of this campaign again: picture and trace.")
@click.option("--scene", type=Whole(0), help="Scene number, for --replay.")
@click.option("--sheet", is_flag=True, help="With --replay: also what the camera saw.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def campaign(
    out: Path,
    policies: str | None,
    engine: str,
    jobs: int,
    scheduler: str | None,
    pictures: int,
    replay: Path | None,
    scene: int | None,
    sheet: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Fly landings by the hundred, faster than real time, and score them by the truth.

    All that flies runs in one process on a simulated clock, with random worlds, weather, sensors and people. The same
    options and code give the same results to the byte. A stopped campaign goes on when it is called again.
    """
    from sim.campaign.command import campaign_command, plan_from, replay_command

    if replay is not None:
        if scene is None:
            raise click.UsageError("--replay needs --scene")
        replay_command(replay, scene, policies, sheet, as_json)
        return
    campaign_command(
        plan_from(policies=policies or "touchdown", say=None if as_json else click.echo, **asked),
        out,
        engine,
        jobs,
        scheduler,
        pictures,
        as_json,
    )


@click.command(name="errors")
@click.option("--model", type=FILE, required=True, help="ONNX file of the network, of the classes of the worlds.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON file to write.")
@option("--worlds", default="scenes,procedural", help="Specifications, taken in turn, with commas between.")
@option(
    "--seeds",
    nargs=2,
    type=int,
    default=(10_000, 10_100),
    help="First and end of the seeds of the worlds; those that `touchdown sim dataset` refuses.",
)
@option("--frames", type=Whole(2, 10_000), default=200, help="Pairs of pictures in each band of heights.")
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
