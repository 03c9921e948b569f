"""Commands of the workstation. They import what they need when they run: `--help` must be quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deploy.boards import BOARDS, RUNTIMES, Board
from export.ssh import SshHost, ssh_options

TARGET = click.option(
    "--target",
    "board",
    type=click.Choice(list(BOARDS)),
    help="Processor of the drone, or its board: then its Python too.",
)
PYTHON_VERSION = click.option(
    "--python", default="", metavar="3.N", help="Python of the drone: 3.10 on JetPack 6, 3.11 on Raspberry Pi OS 12."
)
_FILE, _FOLDER = click.Path(dir_okay=False, path_type=Path), click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--out", required=True, type=_FILE, help="Private key file.")
def keygen(out: Path) -> None:
    """Make a pair of keys: FILE stays on this workstation, FILE.pub goes to the drones."""
    from deploy.keys import generate

    public, key = generate(out)
    click.echo(f"private key: {out} (mode 0600; whoever has it can put software onto your drones)")
    click.echo(f"public key:  {public}, id {key.key_id}")


@click.command()
@click.option(
    "--project",
    default=".",
    show_default=True,
    metavar="WHEEL|FOLDER",
    type=click.Path(path_type=Path),
    help="Wheel of touchdown, or its source.",
)
@TARGET
@PYTHON_VERSION
@click.option(
    "--runtime", "runtimes", multiple=True, type=click.Choice(RUNTIMES), help="Bring it too; pi5 brings ncnn by itself."
)
@click.option("--out", required=True, type=_FOLDER, help="Folder to fill.")
def wheels(project: Path, board: str | None, python: str, runtimes: tuple[str, ...], out: Path) -> None:
    """Collect the wheels a drone needs, from here, whatever its processor. Needs uv."""
    from deploy.manifest import Target
    from deploy.wheelhouse import collect
    from deploy.wheels import this_machine

    here = this_machine()
    asked = BOARDS[board] if board else Board(here.architecture)
    wanted = Target(architecture=asked.architecture, python=_version(python) or asked.python or here.python)
    found = collect(project, wanted, out, tuple(dict.fromkeys([*asked.runtimes, *runtimes])))
    size = sum(wheel.path.stat().st_size for wheel in found)
    click.echo(
        f"{len(found)} wheels for {wanted.architecture} and Python {wanted.python} in {out}, {size / 1e6:.1f} MB"
    )


@click.command()
@click.option(
    "--model", "-m", required=True, type=_FILE, help="ONNX or ncnn file; RKNN or Hailo with its ONNX beside it."
)
@click.option("--config", "-c", required=True, type=_FILE, help="edge.toml.")
@click.option("--key", required=True, type=_FILE, help="Private key.")
@click.option("--out", required=True, metavar="NAME.tar.zst", type=_FILE)
@click.option("--camera-info", type=_FILE, help="Calibration (YAML).")
@click.option("--wheels", type=_FOLDER, help="Folder of wheels to bring.")
@click.option("--requirements", type=_FILE, help="Pinned set with hashes instead; the drone downloads it.")
@TARGET
@PYTHON_VERSION
@click.option("--samples", type=_FOLDER, help="Folder of pictures for the self-test; generated ones by default.")
@click.option(
    "--sample-height-m",
    default=12.0,
    show_default=True,
    type=click.FloatRange(0.1, 1000),
    help="Height above ground they were taken from.",
)
@click.option(
    "--engine", type=click.Choice(["fp32", "fp16", "int8"]), help="Bring the graph of a TensorRT engine, to build."
)
def bundle(board: str | None, python: str, **choices: Any) -> None:
    """Make a signed bundle. The same inputs give the same bytes.

    Without --wheels and --requirements it brings model and configuration alone (some MB, for a slow link) and runs with
    the touchdown that is on the drone already.
    """
    from deploy.bundle import BundleRequest, make_bundle
    from deploy.manifest import Target
    from landing.progress import Progress, say

    asked = BOARDS[board] if board else Board("any")
    if choices["engine"] and not asked.has_tensorrt:
        raise click.UsageError(f"--engine: there is no TensorRT on a {board}. Leave it out")
    target = Target(architecture=asked.architecture, python=_version(python))
    with Progress("making the bundle"):
        make_bundle(BundleRequest(target=target, npus=asked.npus, **choices), say)


@click.command()
@click.argument("host", metavar="USER@HOST")
@click.argument("bundle", type=_FILE)
@ssh_options
@click.option("--retries", default=5, show_default=True, type=click.IntRange(0), help="Of a lost connection.")
@click.option(
    "--install",
    "install_words",
    default="",
    metavar="COMMAND",
    help="Run there with the bundle's path at its end, as "
    "'sudo touchdown deploy install --trusted-key /etc/touchdown/fleet.pub'.",
)
def push(
    host: str,
    bundle: Path,
    ssh_port: int | None,
    ssh_identity: Path | None,
    ssh_config: Path | None,
    retries: int,
    install_words: str,
) -> None:
    """Copy a bundle to a drone over ssh; a broken transfer goes on where it broke."""
    import shlex

    from deploy.push import PushRequest
    from deploy.push import push as run

    drone = SshHost(host, ssh_port, ssh_identity, ssh_config)
    request = PushRequest(drone, bundle, retries, install=tuple(shlex.split(install_words)))
    click.echo(f"{host}:{run(request, click.echo)}")


@click.command(name="first-day")
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=_FILE)
@click.option("--root", "system", required=True, type=_FOLDER, help="Root folder of the board's system.")
@click.option("--wheels", required=True, type=_FOLDER, help="What `deploy wheels` collected for the board.")
@click.option("--trusted-key", required=True, type=_FILE, metavar="PUB", help="Public key that signed the bundles.")
@click.option("--disk", type=_FOLDER, help="Keep here what the board writes; an empty folder.")
@click.option("--link", default="", metavar="CONNECTION", help="Of an autopilot or a simulator on this network.")
@click.option("--json", "report", type=_FILE, help="Write the steps here.")
def first_day(disk: Path | None, report: Path | None, **choices: Any) -> None:
    """Rehearse a new board's first day, without the board: install, serve, open the page, crash, update, go back.

    On a root of the board's system, which is entered by bubblewrap; qemu runs another processor's programs. Each step
    is timed. Of several bundles each is installed in turn, then the last one is rolled back.
    """
    import json
    import tempfile

    from deploy.durable import write_file
    from deploy.first_day import DayRequest
    from deploy.first_day import first_day as run

    with tempfile.TemporaryDirectory(prefix="touchdown-day-") as scratch:
        day = run(DayRequest(disk=(disk or Path(scratch)).resolve(), **choices), click.echo)
    if report is not None:
        write_file(report.resolve(), json.dumps(day.figures(), indent=1).encode() + b"\n")


def _version(text: str) -> str:
    """A Python version from the command line."""
    import re

    if text and not re.fullmatch(r"3\.\d+", text):
        raise click.UsageError(f"--python {text}: expected a version, as 3.10")
    return text
