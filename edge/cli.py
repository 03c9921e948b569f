"""The command line of the daemon. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

from typing import Literal

import click

from edge.blackbox.bag_command import record
from edge.cli_options import (
    ALLOW_FAILED_GATE,
    ASSUME_NADIR,
    CALIBRATION,
    CRS,
    DECISION,
    GSD_M,
    HEIGHT_AGL_M,
    HFOV_DEG,
    JSON,
    PITCH_DEG,
    THREADS,
)
from edge.survey.cli import survey

CONFIG = click.option(
    "--config", "-c", "config_path", type=click.Path(dir_okay=False), help="Configuration file (TOML)."
)


@click.group(name="edge")
def cli() -> None:
    """The onboard daemon: see, decide, tell the autopilot where to land."""


cli.add_command(survey)
cli.add_command(record)


@cli.command()
@click.option(
    "--config", "-c", "config_path", required=True, type=click.Path(dir_okay=False), help="Configuration file (TOML)."
)
@click.option("--max-seconds", type=click.FloatRange(min=0.1), help="Stop by itself after so long.")
def serve(config_path: str, max_seconds: float | None) -> None:
    """Run the daemon until SIGTERM.

    Exit status: 0 after a clean stop, 2 for something that is missing or broken, 70 where an inference or a driver did
    not end and was left, 78 for a bad configuration (so that systemd does not restart it), 1 after a crash.
    """
    from edge.ending import Ending

    with Ending() as ending:  # before anything slow is imported
        from pathlib import Path

        from edge.serve import serve as run

        raise SystemExit(run(Path(config_path), ending, max_seconds))


@cli.command()
@CONFIG
@click.option("--print-default", is_flag=True, help="Print a commented example and stop.")
@click.option("--print-keys", is_flag=True, help="Print every key with its default and stop.")
@click.option("--skip-camera", is_flag=True, help="Do not open the camera.")
@click.option("--skip-link", is_flag=True, help="Do not open the flight-controller link.")
@click.option(
    "--timeout",
    "timeout_s",
    default=10.0,
    show_default=True,
    type=click.FloatRange(1, 120),
    help="Seconds to wait for the autopilot.",
)
@JSON
def check(
    config_path: str | None,
    print_default: bool,
    print_keys: bool,
    skip_camera: bool,
    skip_link: bool,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Check configuration, model, camera and link without flying.

    Exit status: 0 all well, 2 something failed, 78 bad configuration.
    """
    from pathlib import Path

    from edge.check import check as run
    from edge.check import example_text, key_lines

    if print_keys:
        click.echo("\n".join(key_lines()))
        return
    if print_default:
        click.echo(example_text(), nl=False)
        return
    if config_path is None:
        raise click.UsageError("--config FILE is needed (or --print-default)")
    ok = run(
        Path(config_path),
        camera=not skip_camera,
        link=not skip_link,
        timeout_s=timeout_s,
        as_json=as_json,
        say=click.echo,
    )
    raise SystemExit(0 if ok else 2)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option(
    "--model", "-m", required=True, type=click.Path(), help="Model file (.onnx, .ncnn, .rknn, .hef, .engine)."
)
@HEIGHT_AGL_M
@HFOV_DEG
@CALIBRATION
@PITCH_DEG
@ASSUME_NADIR
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="out/look",
    show_default=True,
    help="Folder for annotated pictures and results.jsonl.",
)
@click.option("--no-pictures", is_flag=True, help="Write nothing; only print.")
@click.option("--report", is_flag=True, help="Also write report.html, which shows every picture with its answer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of text.")
@click.option("--profile", is_flag=True, help="Print how long each stage takes.")
@click.option(
    "--every", default=1, show_default=True, type=click.IntRange(min=1), help="Take every n-th picture or frame."
)
@click.option("--independent", is_flag=True, help="Decide on each video frame by itself.")
@DECISION
@THREADS
@click.option("--provider", multiple=True, help="ONNX Runtime execution provider.")
@ALLOW_FAILED_GATE
@GSD_M
@CRS
@click.option("--labels", type=click.Path(), help="Folder of label maps (NAME.png) to judge by.")
@click.option("--label-taxonomy", help="Taxonomy of those label maps (name or file).")
@click.option(
    "--labels-as",
    type=click.Choice(("index", "palette", "rgb", "binary")),
    help="Meaning of their values, where all of them together leave a doubt.",
)
@click.option(
    "--exif-turn",
    type=click.Choice(("apply", "ignore")),
    help="Of pictures with an EXIF orientation: apply, if label maps were drawn on them as shown.",
)
def look(
    paths: tuple[str, ...],
    model: str,
    height_agl_m: float | None,
    hfov_deg: float | None,
    calibration: str | None,
    pitch_deg: float | None,
    assume_nadir: bool,
    out: str,
    no_pictures: bool,
    report: bool,
    as_json: bool,
    profile: bool,
    every: int,
    independent: bool,
    decision: tuple[str, ...],
    threads: int,
    provider: tuple[str, ...],
    allow_failed_gate: bool,
    gsd_m: float | None,
    crs: str | None,
    labels: str | None,
    label_taxonomy: str | None,
    labels_as: Literal["index", "palette", "rgb", "binary"] | None,
    exif_turn: Literal["apply", "ignore"] | None,
) -> None:
    """Decide on a photo, a folder of photos, a video or an orthophoto (GeoTIFF).

    Height, field of view and pitch come from the file or from options. A view that looks less than 45 degrees down, or
    of unknown pitch, is refused. Annotated pictures (or a video) and results.jsonl are written to --out. An orthophoto
    is cut into windows as seen from --height-agl-m; its sites are written as NAME.sites.geojson too.
    """
    import json
    from pathlib import Path

    from edge.look.labels import LabelMaps
    from edge.look.looker import Looker
    from edge.look.options import LookOptions, parse_decision
    from edge.look.view import Given, calibrated
    from edge.runtimes import RuntimeOptions
    from landing.progress import say
    from landing.taxonomy import Taxonomy

    if (labels is None) != (label_taxonomy is None):
        raise click.UsageError("--labels and --label-taxonomy belong together")
    options = LookOptions(
        model=Path(model),
        runtime=RuntimeOptions(
            providers=provider or ("CPUExecutionProvider",), threads=threads, allow_failed_gate=allow_failed_gate
        ),
        settings=parse_decision(decision),
        given=Given(height_agl_m, hfov_deg, calibrated(calibration) if calibration else None, pitch_deg, assume_nadir),
        out=None if no_pictures else Path(out),
        report=report,
        every=every,
        independent=independent,
        gsd_m=gsd_m,
        crs=crs,
        labels=(
            LabelMaps(Path(labels), Taxonomy.load(label_taxonomy), labels_as, exif_turn)
            if labels and label_taxonomy
            else None
        ),
    )

    def tell(line: str) -> None:
        if not as_json:
            say(line)

    def emit(record: dict[str, object]) -> None:
        if as_json:
            say(json.dumps(record))

    summary = Looker(options, tell, emit).run([Path(p) for p in paths])
    if as_json:
        click.echo(json.dumps({"summary": summary.as_dict()}))
        return
    click.echo(f"looked at {summary.looked}: {summary.sites} with a site")
    for reason, count in summary.reasons.most_common():
        click.echo(f"  no site, {reason}: {count}")
    if summary.skipped:
        click.echo(f"  skipped: {len(summary.skipped)}")
    if summary.judged:
        click.echo(
            f"judged by labels: {summary.judged} sites, {summary.sites_with_hazard} with a hazard "
            f"in the clear disc, {summary.vehicle_discs_with_hazard} with one under the vehicle"
        )
    if options.out is not None:
        click.echo(f"pictures and results.jsonl are in {out}")
    if profile:
        for line in summary.timings.table():
            click.echo(line)


FLIGHT = click.argument("flight", nargs=-1, required=True, type=click.Path(exists=True), metavar="FLIGHT...")


@cli.command()
@FLIGHT
@click.option("--model", "-m", type=click.Path(), help="Segment the pictures with another model.")
@click.option("--config", "-c", "config_path", type=click.Path(), help="Decide by another one.")
@THREADS
@ALLOW_FAILED_GATE
@JSON
def replay(
    flight: tuple[str, ...],
    model: str | None,
    config_path: str | None,
    threads: int,
    allow_failed_gate: bool,
    as_json: bool,
) -> None:
    """Decide a recorded flight again and print what is different.

    FLIGHT is an .mcap file of the black box or a folder of them. Without --model and --config every decision comes out
    the same to the last digit with the build that flew.

    Exit status: 0 all the same (or another model or configuration was asked for), 1 differences.
    """
    import json
    from contextlib import ExitStack
    from pathlib import Path

    from edge.blackbox.opened import opened
    from edge.blackbox.replay import Replacement, Replay
    from edge.config import load_config
    from edge.runtimes import RuntimeOptions, load_runtime

    with ExitStack() as stack:
        runtime = None
        if model is not None:
            options = RuntimeOptions(threads=threads, allow_failed_gate=allow_failed_gate)
            runtime = stack.enter_context(load_runtime(Path(model), options))
            runtime.warm_up()
        config = None if config_path is None else load_config(Path(config_path))
        recording = stack.enter_context(opened(flight))
        replayed = Replay(recording, Replacement(runtime, config))
        result = replayed.run()
    if as_json:
        click.echo(json.dumps({**result.as_dict(), "flight": replayed.flies.report()}))
    else:
        click.echo(f"flight {replayed.flies.describe()}")
        for line in result.lines():
            click.echo(line)
    asked = model is not None or config_path is not None
    raise SystemExit(0 if asked or result.same else 1)


@cli.command()
@FLIGHT
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to write them to.")
@click.option("--count", default=50, show_default=True, type=click.IntRange(min=1), help="At most so many.")
@click.option(
    "--apart-s",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="Least time between two of them, s.",
)
@JSON
def mine(flight: tuple[str, ...], out: str, count: int, apart_s: float, as_json: bool) -> None:
    """Take the frames of a recorded flight that are worth labelling.

    Those where the network knew least, contradicted itself, or nearly went wrong; written in the trainer's layout, with
    the network's own maps as proposals to correct, and as projects for CVAT and Label Studio; OUT/README.txt says how.
    """
    import json
    from dataclasses import asdict
    from pathlib import Path

    from edge.blackbox.mine import mine as run
    from edge.blackbox.opened import opened

    with opened(flight) as recording:
        chosen = run(recording, Path(out), count, apart_s, ", ".join(flight))
    if as_json:
        click.echo(json.dumps({"folder": out, "frames": [{**asdict(frame), "why": frame.why} for frame in chosen]}))
        return
    for frame in chosen:
        click.echo(f"{frame.at_s:8.1f} s  {frame.why:<13} score {frame.score:.2f}")
    click.echo(f"{len(chosen)} frames in {out}; correct them with CVAT or Label Studio ({out}/README.txt), then train")


@cli.command()
@FLIGHT
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write.")
def tlog(flight: tuple[str, ...], out: str) -> None:
    """Write a recorded flight's MAVLink as a telemetry log (.tlog)."""
    from pathlib import Path

    from edge.blackbox.opened import opened
    from edge.blackbox.tlog import write_tlog

    with opened(flight) as recording:
        count = write_tlog(recording, Path(out))
    click.echo(f"{count} frames in {out}")


@cli.command()
@click.argument("flight", nargs=-1, type=click.Path(exists=True), metavar="[FLIGHT...]")
@click.option("--live", is_flag=True, help="From camera and link of --config instead of a recorded flight.")
@CONFIG
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=1.0),
    default=180.0,
    show_default=True,
    help="With --live: end after so long with what is told by then.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    default="out/calibration.png",
    show_default=True,
    help="Picture of what set-up leaves unexplained, before and after.",
)
@JSON
def calibrate(
    flight: tuple[str, ...], live: bool, config_path: str | None, max_seconds: float, out: str, as_json: bool
) -> None:
    """Estimate latency, mount, field of view and rangefinder scale from a flight: recorded, or live.

    The flight must move: across, up and down, turning and leaning. Each number has its standard error; one without
    evidence is not told, and the motion that would tell it is named. The lines for edge.toml come last. --live ends
    when all is told; the daemon must not run meanwhile.
    """
    if live == bool(flight):
        raise click.UsageError("give either FLIGHT, a recording, or --live")
    if live and config_path is None:
        raise click.UsageError("--live needs --config FILE")
    from edge.calibrate_command import calibrate as run

    run(flight, config_path, max_seconds, out, as_json)
