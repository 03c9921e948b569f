"""`touchdown sim`: land a simulated vehicle with the real daemon."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landing.errors import InvalidValueError
from landing.progress import tracked
from sim.campaign.cli import campaign, measure_errors

if TYPE_CHECKING:
    from sim.flight.plan import FlightResult

DEMO_MODEL = "models/synthetic-unet.onnx"
PATH = click.Path(path_type=Path)

option = partial(click.option, show_default=True)
Range = click.FloatRange


@click.group(name="sim", context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Land a simulated vehicle with the real daemon, and judge it by the ground truth."""


cli.add_command(campaign)
cli.add_command(measure_errors)
cli.add_command(measure_errors, "confusion")


def _start(_: click.Context, __: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        north_m, east_m = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not NORTH,EAST in metres") from None
    return north_m, east_m


def _size(_: click.Context, __: click.Parameter, value: str) -> tuple[int, int]:
    try:
        width_px, height_px = (int(part) for part in value.lower().split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not WIDTHxHEIGHT in pixels") from None
    if not (32 <= width_px <= 4096 and 32 <= height_px <= 4096):
        raise click.BadParameter(f"{value!r}: expected 32 to 4096 pixels a side")
    return width_px, height_px


def seeds_of(text: str) -> list[int]:
    """`3` or `0:20` (0 to 19) or `1,5,7`.

    Raises:
        click.BadParameter: Anything else.
    """
    try:
        if ":" in text:
            first, last = (int(part) for part in text.split(":"))
            seeds = list(range(first, last))
        else:
            seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0:
        raise click.BadParameter(f"{text!r} is not a seed (3), a range (0:20) or a list (1,5,7)")
    return seeds


@cli.command()
@option(
    "--autopilot",
    type=click.Choice(("stand-in", "ardupilot", "px4")),
    default="stand-in",
    help="Our stand-in, or the simulator that ARDUPILOT_SITL or PX4_SITL names.",
)
@option(
    "--clock",
    type=click.Choice(("auto", "real", "simulated")),
    default="auto",
    help="real: autopilot, camera and daemon as processes in real time. simulated: the same parts in this "
    "process, with a modelled computer on board, whatever load this machine has. auto: real where this "
    "machine keeps up, else simulated.",
)
@option("--authority", type=click.Choice(("advise", "guard", "land")), default="advise", help="Commands of the daemon.")
@click.option(
    "--guard-s",
    type=Range(10.0, 900.0),
    help="Time of guard for all tries of a landing, s.  [default: the daemon's, 240]",
)
@option("--world", default="procedural", help="procedural, scenes?heights=banks, photo:FILE, or a world folder.")
@click.option("--gsd-m", type=Range(0.0005, 1.0), help="Metres per pixel of a photograph.  [default: by its EXIF]")
@option("--seed", "seeds", default="0", help="Of world, start, gusts and noise; 0:20 or 1,5,7 fly several in turn.")
@click.option("--model", type=PATH, help=f"ONNX model to fly with.  [default: {DEMO_MODEL} beside the sources]")
@option("--height-m", type=Range(3.0, 120.0), default=20.0, help="Start height above ground, m.")
@click.option(
    "--start", "start_ne_m", callback=_start, metavar="NORTH,EAST", help="Start, m; by the seed if not given."
)
@option("--wind-mps", type=Range(0.0, 20.0), default=2.0, help="Steady wind, m/s.")
@option("--gust-mps", type=Range(0.0, 10.0), default=0.5, help="Standard deviation of gusts, m/s.")
@option("--attitude-noise-deg", type=Range(0.0, 5.0), default=0.0, help="Attitude error, standard deviation, deg.")
@option("--latency-ms", type=Range(0.0, 1000.0), default=0.0, help="Of the camera, ms; the daemon is told of it.")
@click.option(
    "--intruder",
    "intruder_m",
    type=Range(1.0, 100.0),
    metavar="HEIGHT_M",
    help="A person walks to the site below this height, m.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME@HEIGHT_M[:SECONDS]",
    help="A fault below a height: camera-stall, link-cut, daemon-kill, daemon-end (once it holds the vehicle up), "
    "autopilot-restart, intruder, or a failsafe of ArduPilot's: rc-loss, gcs-loss, battery-low, fence; without "
    "seconds for the rest of the flight. May be given several times.",
)
@click.option(
    "--pad",
    "pad_text",
    metavar="DICTIONARY:ID:EDGE_M[@SPEED_MPS]",
    help="A marked pad near the start, which the daemon is told to land on: apriltag_36h11:7:0.6, or with @0.5 one "
    "that moves at 0.5 m/s.",
)
@click.option("--relief/--no-relief", default=True, help="The daemon refuses ground that is shown to be uneven.")
@option("--hfov-deg", type=Range(20.0, 120.0), default=80.0, help="Horizontal field of view of the camera, degrees.")
@option("--size", default="640x480", callback=_size, metavar="WxH", help="Pictures of the camera, pixels.")
@click.option("--fps", type=Range(1.0, 60.0), help="Frame rate, Hz.  [default: 10; on the simulated clock 5]")
@option("--vehicle-radius-m", type=Range(0.1, 5.0), default=0.5, help="Landable ground around the touchdown, m.")
@option(
    "--search-s", type=Range(2.0, 600.0), default=25.0, help="The pilot gives up without a site after this time, s."
)
@option("--out", type=PATH, default=Path("out/land"), help="Folder for picture, result and logs.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def land(
    seeds: str,
    clock: str,
    model: Path | None,
    wind_mps: float,
    latency_ms: float,
    gsd_m: float | None,
    intruder_m: float | None,
    faults: tuple[str, ...],
    pad_text: str | None,
    relief: bool,
    size: tuple[int, int],
    fps: float | None,
    out: Path,
    as_json: bool,
    **same: Any,
) -> int:
    """Fly whole landings: autopilot, camera and `edge serve`.

    Standard error tells how it goes, and which clock was used and why.

    ardupilot and px4 need the simulator of that autopilot; without it the command says how to get one.

    Exit status: 0 when every flight came down on landable ground with the vehicle's radius clear and nobody within 2 m,
    by the ground truth;
    3 when at least one found no site, or was handed back in the air when guard's time was over, and none came down
    badly; 4 over a photograph without labels: a person has to look at the picture; else 1.
    """
    import signal
    import sys
    from dataclasses import replace

    from sim.flight.plan import REAL_FPS, SHARED_MACHINE, SIMULATED_FPS, Fault, FlightPlan, PlannedFault, parse_fault
    from sim.world import check_world_spec
    from sim.world.pad_place import parse_pad
    from sim.world.spec import heights_of, is_photo, photo_with

    # Whoever ends us ends what we started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    numbers = seeds_of(seeds)
    planned = tuple(parse_fault(fault) for fault in faults)  # a misspelt one is told before anything starts
    pad = None if pad_text is None else parse_pad(pad_text)
    same["world"] = photo_with(same["world"], gsd_m=gsd_m)
    check_world_spec(same["world"])
    model = model if model is not None else find_demo_model()
    click.echo("loading ...", err=True)  # takes seconds, and minutes where others have the machine
    from sim.flight.clock import ClockChoice

    in_process = is_photo(same["world"]) or heights_of(same["world"]) is not None
    if clock == "auto" and in_process and same["autopilot"] == "stand-in":
        # In real time a daemon would be shown the mirrored and the enlarged picture, and the ground would be flat.
        clock = "simulated"
    choice = ClockChoice(clock, lambda text: click.echo(text, err=True))
    results = []
    for seed in numbers:
        intruders = (PlannedFault(Fault.INTRUDER, intruder_m or 0.0, from_deg=(seed * 51.0) % 360.0),)
        plan = FlightPlan(
            model=model,
            out=out if len(numbers) == 1 else out / f"seed-{seed}",
            seed=seed,
            wind=(wind_mps, (seed * 73.0) % 360.0),
            fps=fps or SIMULATED_FPS,
            camera_latency_s=latency_ms / 1000.0,
            faults=planned if intruder_m is None else (*intruders, *planned),
            width_px=size[0],
            height_px=size[1],
            pad=pad,
            settings={"decision": {"relief": {"enabled": relief}}},
            **same,
        )
        real = replace(plan, fps=fps or REAL_FPS, settings=SHARED_MACHINE | plan.settings)
        results.append(choice.fly(real, plan))
        _tell(results[-1], as_json)
    if len(results) > 1 and not as_json:
        safe = sum(r.verdict == "landed-safe" for r in results)
        click.echo(f"{safe} of {len(results)} landed safely")
    statuses = {result.exit_status for result in results}
    return 1 if 1 in statuses else max(statuses)


def _tell(result: FlightResult, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result.to_json()))
        return
    click.echo(result.summary())
    if result.photograph:
        click.echo(f"  photograph: {result.photograph}")
    click.echo(f"  picture: {result.picture}")
    if result.flight:
        from edge.resolved import ResolvedFlight

        click.echo(f"  flight {ResolvedFlight.parse(result.flight['value']).describe()}")


def find_demo_model() -> Path:
    """Return the committed demo model, from a checkout.

    Raises:
        TouchdownError: There is none beside the sources.
    """
    for folder in (Path.cwd(), Path(__file__).resolve().parent.parent):
        if (folder / DEMO_MODEL).is_file():
            return folder / DEMO_MODEL
    raise InvalidValueError(f"no --model given and {DEMO_MODEL} is not here: run from a checkout, or give --model")


def _seed_range(_: click.Context, __: click.Parameter, value: str) -> range:
    seeds = seeds_of(value)
    if seeds != list(range(seeds[0], seeds[-1] + 1)):
        raise click.BadParameter(f"{value!r}: expected FIRST:END, such as 1000:1200")
    return range(seeds[0], seeds[-1] + 1)


@cli.command()
@click.option("--out", required=True, metavar="DIR", type=PATH, help="Folder to make.")
@option(
    "--seeds", callback=_seed_range, default="1000:1200", help="Of the worlds; those that judge landings are refused."
)
@option("--worlds", default="scenes,procedural", help="Specifications, taken in turn, with commas between.")
@option("--frames-per-world", type=click.IntRange(1, 1000), default=12, help="Pictures of each world.")
@option("--size", default="640x480", callback=_size, metavar="WxH", help="Of the pictures, pixels.")
@option("--heights-m", nargs=2, type=float, default=(2.0, 100.0), help="Above ground, m; log-uniform.")
@option("--hfov-deg", nargs=2, type=float, default=(55.0, 95.0), help="Horizontal field of view, deg.")
@option("--aim", type=Range(0.0, 1.0), default=0.4, help="Share of pictures near a person or car, from up to 35 m.")
@option(
    "--class-aim",
    type=Range(0.0, 1.0),
    default=0.0,
    help="Share of pictures above a class drawn alike of those on the world's ground.",
)
@option("--tilt-deg", type=Range(0.0, 60.0), default=20.0, help="Greatest tilt, degrees.")
@option("--jobs", type=click.IntRange(1, 256), default=2, help="Processes.")
def dataset(
    out: Path,
    seeds: range,
    worlds: str,
    frames_per_world: int,
    size: tuple[int, int],
    heights_m: tuple[float, float],
    hfov_deg: tuple[float, float],
    aim: float,
    class_aim: float,
    tilt_deg: float,
    jobs: int,
) -> None:
    """Render labelled pictures of the simulator's worlds, for the trainer.

    The camera has the faults of a campaign's: noise, blur, motion and little light.
    """
    from sim.dataset import DatasetPlan, write_dataset
    from sim.world import expand_world_spec

    specs = tuple(world for part in worlds.split(",") for world in expand_world_spec(part))
    plan = DatasetPlan(seeds, frames_per_world, *size, heights_m, tilt_deg, hfov_deg, specs, aim, class_aim)
    for _seed in tracked("rendering worlds", write_dataset(plan, out, jobs), len(seeds)):
        pass
    parts = ", ".join(f"{part} {plan.worlds_in(part)}" for part in ("train", "val", "test"))
    click.echo(f"wrote {out}: worlds {parts}")


@cli.command(name="world")
@option(
    "--spec",
    default="scenes:all",
    help="World to show: scenes, scenes:FAMILY, scenes:all, adversarial:NAME, adversarial:all, procedural, "
    "photo:FILE?gsd_m=.. or a world folder.",
)
@option(
    "--seeds",
    default="20000",
    help="Seeds of scenes and procedural worlds: 20000, 20000:20006 or 1,5,7; of scenes:all that of the first "
    "family, the others count on.",
)
@option("--out", type=PATH, default=Path("out/worlds.png"), help="PNG or JPEG to write.")
@option("--tile-px", type=click.IntRange(100, 2000), default=480, help="Side of a world on the sheet, pixels.")
@click.option("--columns", type=click.IntRange(1, 20), help="Worlds in a row; square if not given.")
@option("--time-s", type=float, default=0.0, help="World time, s.")
@click.option("--labels", is_flag=True, help="Show the true labels beside each picture.")
def show_world(
    spec: str, seeds: str, out: Path, tile_px: int, columns: int | None, time_s: float, labels: bool
) -> None:
    """Draw worlds from above, with their people and cars, on one contact sheet."""
    from sim.world import expand_world_spec, parse_world_spec
    from sim.world.sheet import contact_sheet, tile, write_picture

    tiles = []
    for number, member in enumerate(expand_world_spec(spec)):
        seeded = member.startswith(("scenes", "procedural")) and "seed=" not in member
        for seed in seeds_of(seeds) if seeded else [0]:
            shown = parse_world_spec(member, seed + number)  # seasons differ along the sheet
            tiles.append(tile(shown, tile_px, time_s, labels))
            click.echo(f"{shown.name}: {len(shown.actors)} who may move")
    write_picture(contact_sheet(tiles, columns), out)
    click.echo(f"wrote {out}: {len(tiles)} worlds")
