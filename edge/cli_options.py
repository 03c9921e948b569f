"""Options that several commands of `edge` share. Only click is imported: `--help` must be quick."""

from __future__ import annotations

import click

HEIGHT_AGL_M = click.option(
    "--height-agl-m",
    type=click.FloatRange(0.1, 1000),
    help="Height above ground, metres. From the photo's XMP where left out.",
)
HFOV_DEG = click.option(
    "--hfov-deg",
    type=click.FloatRange(1, 170, min_open=True, max_open=True),
    help="Horizontal field of view, degrees. From EXIF where left out.",
)
CALIBRATION = click.option("--calibration", type=click.Path(), help="ROS or OpenCV calibration YAML.")
PITCH_DEG = click.option(
    "--pitch-deg",
    type=click.FloatRange(-180, 90),
    help="Pitch of the camera, degrees; -90 looks straight down. From the photo's XMP where left out.",
)
ASSUME_NADIR = click.option("--assume-nadir", is_flag=True, help="Take a view of unknown pitch as one straight down.")
DECISION = click.option("--decision", multiple=True, metavar="KEY=VALUE", help="A [decision] setting.")
GSD_M = click.option(
    "--gsd-m", type=click.FloatRange(1e-4, 10.0), help="Metres per pixel of an orthophoto that says none."
)
CRS = click.option("--crs", help="Coordinate system of an orthophoto that says none, as EPSG:32632.")
THREADS = click.option(
    "--threads",
    default=0,
    show_default=True,
    type=click.IntRange(0, 64),
    help="Threads of one inference; 0 leaves it to the runtime.",
)
ALLOW_FAILED_GATE = click.option("--allow-failed-gate", is_flag=True, help="Take a model that failed its gate.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
