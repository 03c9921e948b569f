"""`export onnx` and `export info`. Torch is imported inside the command that needs it."""

from __future__ import annotations

from pathlib import Path

import click

from landing.spec import ModelSpec


@click.group(name="export")
def cli() -> None:
    """Turn a checkpoint into a model file for the drone."""


@cli.command(name="onnx")
@click.argument("checkpoint", metavar="CKPT.PT")
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Model file; default: CKPT.onnx beside it."
)
@click.option(
    "--output-stride",
    default="1",
    show_default=True,
    type=click.Choice(("1", "2", "4")),
    help="Input pixels per output pixel.",
)
@click.option(
    "--half-weights", is_flag=True, help="Store weights as float16: half the file, same speed."
)
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.05, 20.0),
    help="Logits are divided by it; above 1 makes the model less sure.",
)
@click.option("--name", default="", help="Name in the ModelSpec; default: from the network.")
@click.option(
    "--check-images",
    default="",
    metavar="DIR",
    help="Pictures to compare with torch on, beside random ones.",
)
def onnx_command(
    checkpoint: str,
    output: str,
    output_stride: str,
    half_weights: bool,
    temperature: float,
    name: str,
    check_images: str,
) -> None:
    """Export a checkpoint to ONNX, compared with torch before the file appears."""
    from export.onnx_export import ExportOptions, export_onnx

    options = ExportOptions(int(output_stride), half_weights, temperature, name, check_images)
    target = output or str(Path(checkpoint).with_suffix(".onnx"))
    report = export_onnx(checkpoint, target, options)
    click.echo(f"torch against ONNX Runtime: {report.parity.describe()}")
    if report.half_parity is not None:
        click.echo(f"half weights against full: {report.half_parity.describe()}")
    click.echo(f"wrote {report.path} ({report.size_bytes / 1e6:.2f} MB), {report.spec.name}")


@cli.command(name="info")
@click.argument("model", metavar="MODEL.ONNX")
@click.option("--json", "as_json", is_flag=True, help="Print the whole ModelSpec as JSON.")
def info_command(model: str, as_json: bool) -> None:
    """Print what a model file says of itself."""
    from export.runtime import read_spec

    spec = read_spec(model)
    click.echo(spec.model_dump_json(indent=2) if as_json else summary(spec))


def summary(spec: ModelSpec) -> str:
    """A model's description for people."""
    source, own = spec.input, spec.provenance
    lines = [
        f"name          {spec.name}",
        f"architecture  {spec.architecture}",
        f"input         {source.name}: {source.dtype} {source.height_px}x{source.width_px}x3 "
        f"{source.color_order}",
        f"outputs       every {spec.outputs.stride} px: class_id, landable, hazards",
        f"temperature   {spec.temperature:g}",
        f"taxonomy      {spec.taxonomy.name}:",
    ]
    lines += [f"  {c.id:3d} {c.name:<16} {c.role.value}" for c in spec.taxonomy.classes]
    for title, text in (
        ("trained on", own.trained_on),
        ("recipe", own.recipe),
        ("licence", own.licence),
        ("touchdown", own.touchdown_version),
        ("checkpoint", own.checkpoint_sha256),
    ):
        lines.append(f"{title:<14}{text or '(not said)'}")
    lines += [f"  {name} {value:.4f}" for name, value in sorted(own.metrics.items())]
    return "\n".join(lines)
