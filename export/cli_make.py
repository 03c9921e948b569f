"""`export onnx`, `export adopt`, `export int8`, `export ncnn`: what makes a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.options import calibrating_options, size_of
from landing.errors import InvalidValueError
from landing.progress import Progress

_STRIDES = ("own", "1", "2", "4", "8", "16", "32")


@click.command(name="onnx")
@click.argument("source", metavar="CKPT.PT|MODEL.ONNX")
@click.option("-o", "--output", default="", metavar="FILE", help="Model file; default: CKPT.onnx beside it.")
@click.option(
    "--taxonomy",
    default="",
    metavar="NAME|FILE",
    help="Other roles for the same classes. With MODEL.ONNX: only the merge is replaced, no torch.",
)
@click.option(
    "--output-stride",
    default="own",
    show_default=True,
    type=click.Choice(_STRIDES),
    help="Input pixels per output pixel; own: as fine as the network computes, and no finer.",
)
@click.option(
    "--upsample",
    default="maps",
    show_default=True,
    type=click.Choice(("maps", "logits")),
    help="Planes to scale up where the output is finer than the network: merged maps, or logits.",
)
@click.option("--half-weights", is_flag=True, help="Store weights as float16: half the file, same speed.")
@click.option(
    "--temperature",
    default=None,
    type=click.FloatRange(0.05, 20.0),
    help="Logits are divided by it; above 1 makes the model less sure. Default: the checkpoint's.",
)
@click.option("--name", default="", help="Name in the ModelSpec; default: from the network.")
@click.option(
    "--check-images", default="", metavar="DIR", help="Pictures to compare with torch on, beside random ones."
)
def onnx_command(source: str, output: str, taxonomy: str, **choices: Any) -> None:
    """Export a checkpoint to ONNX, compared with torch before the file appears.

    Given an ONNX of ours and --taxonomy, it replaces the merge in the graph instead.
    """
    if Path(source).suffix.lower() == ".onnx":
        _retaxonomy(source, output, taxonomy, choices)
        return
    from export.onnx_export import ExportOptions, export_onnx

    stride = choices.pop("output_stride")
    options = ExportOptions(output_stride=0 if stride == "own" else int(stride), taxonomy=taxonomy, **choices)
    target = output or str(Path(source).with_suffix(".onnx"))
    with Progress("exporting"):
        report = export_onnx(source, target, options)
    click.echo(f"torch against ONNX Runtime: {report.parity.describe()}")
    if report.half_parity is not None:
        click.echo(f"half weights against full: {report.half_parity.describe()}")
    click.echo(
        f"wrote {report.path} ({report.size_bytes / 1e6:.2f} MB), {report.spec.name}, output every "
        f"{report.spec.outputs.stride} px"
    )


def _retaxonomy(source: str, output: str, taxonomy: str, choices: dict[str, Any]) -> None:
    from export.retaxonomy import retaxonomy

    if not taxonomy:
        raise InvalidValueError(f"{source} is an ONNX file already; give --taxonomy for other roles or preferences")
    context = click.get_current_context()
    typed = click.core.ParameterSource.COMMANDLINE
    set_ones = [name for name in choices if context.get_parameter_source(name) is typed]
    if set_ones:
        raise InvalidValueError(
            f"--{set_ones[0].replace('_', '-')} needs the checkpoint: {source} is an ONNX file, of "
            "which only roles, clearances and preferences can be changed"
        )
    report = retaxonomy(source, taxonomy, output or source)
    for line in report.changed or ("no role or preference is another one",):
        click.echo(line)
    click.echo(f"wrote {report.path}, merged by {report.spec.taxonomy.name}")


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if len(found) not in (1, 2):
        raise InvalidValueError(f"{option} {text!r}: expected LEAST,GREATEST, or one number")
    return found


def _three(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InvalidValueError(f"{option} {text!r}: expected three numbers as 0.485,0.456,0.406") from None


@click.command(name="adopt")
@click.argument("source", metavar="FOREIGN.ONNX")
@click.option("--taxonomy", required=True, metavar="NAME|FILE", help="Its classes, in their order.")
@click.option("-o", "--output", default="", metavar="FILE", help="Default: FOREIGN.touchdown.onnx.")
@click.option("--mean", default="0.485,0.456,0.406", show_default=True, help="Of scaled values.")
@click.option("--std", default="0.229,0.224,0.225", show_default=True, help="Of scaled values.")
@click.option("--input-scale", default="1/255", show_default=True, help="Pixel values 0..255 times this.")
@click.option("--layout", default="", type=click.Choice(("", "nchw", "nhwc")), help="Of its input.")
@click.option(
    "--colour",
    default="rgb",
    show_default=True,
    type=click.Choice(("rgb", "bgr")),
    help="Order of its channels, and of --mean and --std.",
)
@click.option(
    "--activation",
    default="logits",
    show_default=True,
    type=click.Choice(("logits", "softmax", "sigmoid", "sigmoid-logits", "labels")),
    help="Kind of its output.",
)
@click.option("--input", "input_wh", default="", metavar="WxH", help="Input size, where the file leaves it open.")
@click.option("--temperature", default=1.0, show_default=True, type=click.FloatRange(0.05, 20.0))
@click.option("--name", default="", help="Name in the ModelSpec.")
@click.option("--licence", default="", help="Terms of the weights, for the description.")
@click.option("--trained-on", default="", help="For the description.")
@click.option("--output-name", default="", help="Output to use, where there are several.")
def adopt_command(
    source: str, output: str, mean: str, std: str, input_scale: str, input_wh: str, **choices: Any
) -> None:
    """Make somebody else's segmentation ONNX fly: our input, our outputs, our description."""
    from export.import_onnx import import_onnx
    from export.onnx_probe import ImportOptions

    above, _, below = input_scale.partition("/")
    try:
        scale = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise InvalidValueError(f"--input-scale {input_scale!r}: expected a number as 1/255 or 1") from None
    options = ImportOptions(
        mean=_three(mean, "--mean"), std=_three(std, "--std"), input_scale=scale, input_wh=size_of(input_wh), **choices
    )
    with Progress("adopting"):
        report = import_onnx(source, output or str(Path(source).with_suffix(".touchdown.onnx")), options)
    for note in report.notes:
        click.echo(note)
    click.echo(f"original against adopted: {report.parity.describe()}")
    click.echo(f"wrote {report.path}, {report.spec.name}")


@click.command(name="range")
@click.argument("source", metavar="MODEL.ONNX|MODEL.ENGINE", type=click.Path(path_type=Path))
@click.option(
    "--ground-width-m",
    default="",
    metavar="LEAST,GREATEST",
    help="Ground across the training pictures, m. Default: that of the data set, where it is known.",
)
@click.option(
    "--heights-m", default="", metavar="LEAST,GREATEST", help="Instead: heights above ground they were taken from, m."
)
@click.option("--hfov-deg", default="", metavar="LEAST,GREATEST", help="With --heights-m: field of view of the camera.")
@click.option("--zoom", default="", metavar="LEAST,GREATEST", help="Of `trainer fit`. Default: that of the recipe.")
@click.option("--picture", default="", metavar="WxH", help="Of the training pictures. Default: shaped as the input.")
@click.option("-o", "--out", default=None, type=click.Path(path_type=Path), help="Default: MODEL.ONNX itself.")
def range_command(
    source: Path, ground_width_m: str, heights_m: str, hfov_deg: str, zoom: str, picture: str, out: Path | None
) -> None:
    """Write into a finished model from how near and how far it was trained to see the ground.

    From higher up its answer is then "descend first". Weights and proofs stay.
    """
    from export.ground_range import RangeChoice, write_range
    from trainer.data.ground import GroundWidth

    if bool(heights_m) != bool(hfov_deg) or (heights_m and ground_width_m):
        raise InvalidValueError("give --ground-width-m, or --heights-m and --hfov-deg")
    width = GroundWidth.given(_numbers(ground_width_m, "--ground-width-m"), "given") if ground_width_m else None
    if heights_m:
        width = GroundWidth.seen_from(_numbers(heights_m, "--heights-m"), _numbers(hfov_deg, "--hfov-deg"))
    least_greatest = _numbers(zoom, "--zoom") if zoom else None
    between = None if least_greatest is None else (least_greatest[0], least_greatest[-1])
    spec = write_range(source, out or source, RangeChoice(width, between, size_of(picture, "--picture")))
    assert spec.ground_range is not None
    click.echo(f"a pixel of its input shows {spec.ground_range.describe()} of ground; {spec.ground_range.source}")
    click.echo(f"wrote {out or source}")


@click.command(name="int8")
@click.argument("model", metavar="MODEL.ONNX", type=click.Path(path_type=Path))
@click.option("--calibrate", required=True, type=click.Path(path_type=Path), help="Folder of training pictures.")
@click.option(
    "--for",
    "target",
    default="cpu",
    show_default=True,
    type=click.Choice(("cpu", "openvino", "tensorrt")),
    help="cpu, openvino: uint8 by int8, judged in ONNX Runtime or OpenVINO; tensorrt: int8 by int8, biases in float.",
)
@click.option(
    "-o",
    "--out",
    default=None,
    type=click.Path(path_type=Path),
    help="Default: MODEL.int8.onnx, or MODEL.int8-trt.onnx.",
)
@calibrating_options()
@click.option("--tries", default=8, show_default=True, type=click.IntRange(1, 32))
def int8_command(model: Path, out: Path | None, **choices: Any) -> None:
    """Quantise a model; layers stay in float until the gate passes. Exit 1 if it never does.

    With --split its train part calibrates and its val part judges.
    """
    from export.int8 import Int8Options, quantise
    from export.limits import PAYS

    suffix = ".int8-trt.onnx" if choices["target"] == "tensorrt" else ".int8.onnx"
    options = Int8Options(**choices)
    report = quantise(model, out or model.with_suffix(suffix), options, click.echo)
    if report.path is None:
        click.echo(
            f"no file was written: the gate did not pass within {len(report.tried)} tries. Fly the "
            "float model, or train longer and try again",
            err=True,
        )
        click.get_current_context().exit(1)
    for name in report.in_float:
        click.echo(f"in float: {name}")
    click.echo(
        f"wrote {report.path}: {report.layers - len(report.in_float)} of {report.layers} layers in "
        f"8 bits; {report.speedup:.2f} times as fast as float32 in ONNX Runtime here"
    )
    if choices["target"] != "tensorrt" and report.speedup < PAYS:
        other = "; OpenVINO may gain more (--for openvino)" if choices["target"] == "cpu" else ""
        click.echo(f"that is below {PAYS:g}: on this machine the float model is the better choice{other}")


@click.command(name="ncnn")
@click.argument("model", metavar="MODEL.ONNX", type=click.Path(path_type=Path))
@click.option("-o", "--out", default=None, type=click.Path(path_type=Path), help="Default: MODEL.ncnn.")
@click.option(
    "--precision",
    default="fp16",
    show_default=True,
    type=click.Choice(("fp16", "fp32")),
    help="Of the stored weights; computed with in float32.",
)
def ncnn_command(model: Path, out: Path | None, precision: str) -> None:
    """Convert a model for ncnn, which runs on small boards; compared with the ONNX before the file appears.

    It flies after `export verify MODEL.onnx MODEL.ncnn` found that it decides the same.
    """
    from export.ncnn import make_ncnn

    with Progress("converting"):
        made = make_ncnn(model, out or model.with_suffix(".ncnn"), precision)
    click.echo(f"ONNX Runtime against ncnn: {made.parity.describe()}")
    size = made.path.stat().st_size
    click.echo(f"wrote {made.path} ({size / 1e6:.2f} MB), {made.manifest.model.name}, {made.manifest.weights} weights")
