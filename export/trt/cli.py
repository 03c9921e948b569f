"""`export trt`. TensorRT, onnx and torch are imported when they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from export.ssh import SshHost, ssh_options
from landing.model.manifest import Precision


@click.command(name="trt")
@click.argument("source", metavar="CKPT.PT|MODEL.ONNX")
@click.option("-o", "--out", default="", metavar="FILE", help="Engine; default: SOURCE.engine.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="fp32, fp16 (the default) or int8 (an ONNX of `export int8 --for tensorrt`).",
)
@click.option("--dla", type=click.IntRange(0, 7), help="Deep learning accelerator core to use.")
@click.option("--workspace-mb", type=click.IntRange(1), help="Most GPU memory of a layer, MiB.")
@click.option(
    "--timing-cache",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Timings kept from build to build on one machine: the next one takes seconds.",
)
@click.option(
    "--check-only",
    is_flag=True,
    help="Parse and build, then throw the engine away; tensorrt_rtx needs no GPU for this.",
)
@click.option("--host", default="", metavar="USER@JETSON", help="Build there, over ssh.")
@click.option(
    "--remote-python",
    default="python3",
    show_default=True,
    metavar="PATH",
    help="Python there that has touchdown and TensorRT.",
)
@ssh_options
@click.option(
    "--build-timeout",
    default=3600.0,
    show_default=True,
    type=click.FloatRange(10),
    help="Seconds the build may take there.",
)
def trt_command(
    source: str,
    out: str,
    precision: Precision | None,
    dla: int | None,
    workspace_mb: int | None,
    timing_cache: str | None,
    check_only: bool,
    host: str,
    remote_python: str,
    ssh_port: int | None,
    ssh_identity: Path | None,
    ssh_config: Path | None,
    build_timeout: float,
) -> None:
    """Build a TensorRT engine, with a manifest beside it that says what it runs on.

    An engine runs only on the GPU model and the TensorRT version it was built with, so it is built where it flies: on
    the Jetson, or from here with --host.
    """
    from export.trt.make import EngineRequest, make_engine
    from export.trt.remote import Remote
    from landing.model.manifest import BuilderOptions
    from landing.progress import Progress

    if host and check_only:
        raise click.UsageError("--check-only throws the engine away, --host brings it home")
    remote = None
    if host:
        remote = Remote(SshHost(host, ssh_port, ssh_identity, ssh_config), remote_python, build_timeout)
    request = EngineRequest(
        source=Path(source),
        out=Path(out) if out else Path(source).with_suffix(".engine"),
        precision=precision,
        options=BuilderOptions(workspace_mb=workspace_mb, dla_core=dla),
        timing_cache=Path(timing_cache) if timing_cache else None,
        check_only=check_only,
        remote=remote,
    )
    with Progress("building the engine"):
        lines = make_engine(request, lambda text: click.echo(text, err=True))
    for line in lines:
        click.echo(line)
