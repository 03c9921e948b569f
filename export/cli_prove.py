"""`export verify`, `export bench`, `export info`: what is known and measured of a model file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from export.options import F, judging_options, size_of

RUNTIMES = ("auto", "onnxruntime", "openvino", "ncnn", "rknn", "hailo", "tensorrt")


@click.command(name="info")
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def info_command(model: str, as_json: bool) -> None:
    """Print what a model file says of itself, and what its graph holds."""
    from export.info import Info

    info = Info.of(model)
    click.echo(info.to_json() if as_json else info.describe())


def _runs(side: str) -> Callable[[F], F]:
    """The options that say what runs A or B."""

    def add(command: F) -> F:
        command = click.option(
            f"--precision-{side}",
            default="auto",
            type=click.Choice(("auto", "fp32", "bf16")),
            help=f"Of {side.upper()} in OpenVINO; auto is fp32 here.",
        )(command)
        return click.option(
            f"--runtime-{side}",
            default="auto",
            type=click.Choice(RUNTIMES),
            help=f"What runs {side.upper()}; auto: by file type.",
        )(command)

    return add


@click.command(name="verify")
@click.argument("a", metavar="A", type=click.Path(path_type=Path))
@click.argument("b", metavar="B", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of real pictures.")
@judging_options
@click.option("--part", default="val", show_default=True, help="Part of the split.")
@click.option(
    "--frames", default=0, type=click.IntRange(0, 1_000_000), help="At most so many, spread evenly; default: all."
)
@click.option(
    "--limits",
    "kind",
    default=None,
    type=click.Choice(("exact", "half", "bf16", "quantised")),
    help="Row of the table of limits; default: by the coarser one's precision.",
)
@click.option("--threads", default=0, type=click.IntRange(0, 256), help="Of each runtime; 0: its own.")
@_runs("a")
@_runs("b")
@click.option("--store/--no-store", "keep", default=True, help="Put the report into B.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify_command(a: Path, b: Path, keep: bool, as_json: bool, **choices: Any) -> None:
    """Does B decide as A does? A, B: checkpoint, ONNX, INT8 ONNX, ncnn, RKNN, Hailo or engine. Exit 1 if not.

    One file in two runtimes too: verify M.onnx M.onnx --runtime-b openvino --precision-b bf16
    """
    from export.verify import VerifyOptions, store, table, verify

    report = verify(a, b, VerifyOptions(**choices))
    click.echo(report.model_dump_json(indent=2) if as_json else table(report))
    if keep and (why_not := store(report, b, choices["precision_b"])):
        click.echo(why_not, err=True)
    click.get_current_context().exit(0 if report.passed else 1)


@click.command(name="bench")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rounds", default=50, show_default=True, type=click.IntRange(1, 100000))
@click.option("--threads", default=0, type=click.IntRange(0, 256), help="0: each runtime's own.")
@click.option("--frame", default="", metavar="WxH", help="Size of the camera's frames; default: the input's.")
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    metavar="NAME[:PRECISION]",
    help="onnxruntime, openvino:fp32, openvino:bf16; each model in each. Default: by file type.",
)
@click.option("--memory/--no-memory", default=True, help="Peak memory, in processes of their own.")
@click.option("--plot", "picture", default=None, type=click.Path(path_type=Path), help="Write a PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--submit",
    default=None,
    type=click.Path(path_type=Path),
    help="Write a file for the table of boards: also power, heat and throttling of each model run alone.",
)
@click.option("--source", default="", metavar="TEXT", help="Who measured it: shown with the figures of --submit.")
@click.option(
    "--sustain-s",
    default=20.0,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    help="So long each model runs alone for --submit.",
)
def bench_command(
    models: tuple[Path, ...],
    frame: str,
    picture: Path | None,
    as_json: bool,
    submit: Path | None,
    source: str,
    sustain_s: float,
    **choices: Any,
) -> None:
    """Latency, throughput and memory of models run in turn, next to the machine's roofline.

    For the table of boards: bench MODEL.onnx MODEL.ncnn --frame 1280x720 --submit FILE
    """
    from export.bench import BenchOptions, bench, plot
    from export.submission import measured_files, submission_of, write_submission

    if submit is not None:
        files = measured_files(models, choices["runtimes"], source)
    options = BenchOptions(frame_wh=size_of(frame, "--frame"), sustain_s=sustain_s if submit else 0.0, **choices)
    report, times = bench(models, options)
    click.echo(report.to_json() if as_json else report.table())
    if submit is not None:
        write_submission(submission_of(files, report, frame, source), submit)
        click.echo(f"wrote {submit}", err=True)
    if picture is not None:
        plot(report, times, picture)
        click.echo(f"wrote {picture}", err=True)
