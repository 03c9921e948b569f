"""The command line of `edge survey`. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

import click


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--model", "-m", type=click.Path(), help="Model file; a recording's own maps are used without one.")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="out/survey",
    show_default=True,
    help="Folder for sites.geojson, sites.kml and sites.plan.",
)
@click.option(
    "--height-agl-m",
    type=click.FloatRange(0.1, 1000),
    help="Height above ground, metres. From the photo's XMP where left out.",
)
@click.option(
    "--hfov-deg",
    type=click.FloatRange(1, 170, min_open=True, max_open=True),
    help="Horizontal field of view, degrees. From EXIF where left out.",
)
@click.option("--calibration", type=click.Path(), help="ROS or OpenCV calibration YAML.")
@click.option("--pitch-deg", type=click.FloatRange(-180, 90), help="Pitch of the camera; -90 looks straight down.")
@click.option("--assume-nadir", is_flag=True, help="Take a view of unknown pitch as one straight down.")
@click.option(
    "--looks", default=3, show_default=True, type=click.IntRange(1, 50), help="Photographs that must show a site clear."
)
@click.option(
    "--place-error-m",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0, 50),
    help="Greatest error of a photograph's place; 0.1 with RTK.",
)
@click.option(
    "--rally",
    "most_rally",
    default=8,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Rally points in the plan, at most.",
)
@click.option("--decision", multiple=True, metavar="KEY=VALUE", help="A [decision] setting.")
@click.option("--gsd-m", type=click.FloatRange(1e-4, 10.0), help="Metres per pixel of an orthophoto that says none.")
@click.option("--crs", help="Coordinate system of an orthophoto that says none, as EPSG:32632.")
@click.option(
    "--threads",
    default=0,
    show_default=True,
    type=click.IntRange(0, 64),
    help="Threads of one inference; 0 leaves it to the runtime.",
)
@click.option("--allow-failed-gate", is_flag=True, help="Take a model that failed its gate.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def survey(
    paths: tuple[str, ...],
    model: str | None,
    out: str,
    height_agl_m: float | None,
    hfov_deg: float | None,
    calibration: str | None,
    pitch_deg: float | None,
    assume_nadir: bool,
    looks: int,
    place_error_m: float,
    most_rally: int,
    decision: tuple[str, ...],
    gsd_m: float | None,
    crs: str | None,
    threads: int,
    allow_failed_gate: bool,
    as_json: bool,
) -> None:
    """List the landing sites of an area: GeoJSON, KML and a QGroundControl plan with rally points.

    PATHS are photographs with GPS place and heading (or folders of them), orthophotos, or .mcap files of the black box.
    Sites of overlapping photographs are joined. A place that one photograph calls bad is none.
    """
    import json
    from pathlib import Path

    from edge.look.looker import parse_decision
    from edge.look.view import Given, calibrated
    from edge.runtimes import RuntimeOptions
    from edge.survey.command import SurveyOptions, rally_count, run
    from landing.progress import say

    options = SurveyOptions(
        model=None if model is None else Path(model),
        runtime=RuntimeOptions(threads=threads, allow_failed_gate=allow_failed_gate),
        settings=parse_decision(decision),
        given=Given(height_agl_m, hfov_deg, calibrated(calibration) if calibration else None, pitch_deg, assume_nadir),
        out=Path(out),
        looks=looks,
        place_error_m=place_error_m,
        most_rally=most_rally,
        gsd_m=gsd_m,
        crs=crs,
    )
    report = run(options, [Path(p) for p in paths], (lambda line: None) if as_json else say)
    if as_json:
        click.echo(json.dumps(report.as_dict()))
        return
    for line in report.lines(rally_count(report, most_rally)):
        click.echo(line)
