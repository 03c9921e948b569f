"""The command line of `edge survey`. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

import click

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


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--model", "-m", type=click.Path(), help="Model file; a recording's own maps are used without one.")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="out/survey",
    show_default=True,
    help="Folder for the lists: sites.geojson, sites.kml, sites.plan.",
)
@HEIGHT_AGL_M
@HFOV_DEG
@CALIBRATION
@PITCH_DEG
@ASSUME_NADIR
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
@click.option(
    "--rise-m",
    type=click.FloatRange(0, 500),
    help="How much higher than home the ground of the sites lies at most: writes the plan too.",
)
@DECISION
@GSD_M
@CRS
@THREADS
@ALLOW_FAILED_GATE
@JSON
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
    rise_m: float | None,
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

    from edge.look.options import parse_decision
    from edge.look.view import Given, calibrated
    from edge.runtimes import RuntimeOptions
    from edge.survey.command import SurveyOptions, run
    from landing.progress import say
    from landing.terminal import printable

    options = SurveyOptions(
        model=None if model is None else Path(model),
        runtime=RuntimeOptions(threads=threads, allow_failed_gate=allow_failed_gate),
        settings=parse_decision(decision),
        given=Given(height_agl_m, hfov_deg, calibrated(calibration) if calibration else None, pitch_deg, assume_nadir),
        out=Path(out),
        looks=looks,
        place_error_m=place_error_m,
        most_rally=most_rally,
        rise_m=rise_m,
        gsd_m=gsd_m,
        crs=crs,
    )
    report = run(options, [Path(p) for p in paths], (lambda line: None) if as_json else say)
    if as_json:
        click.echo(json.dumps(report.as_dict()))
        return
    for line in report.lines():
        click.echo(printable(line))
