"""Commands of the workstation. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

from pathlib import Path

import click

from export.ssh import SshHost, ssh_options

TARGET = click.option("--target", type=click.Choice(["aarch64", "x86-64"]), help="Processor of the drone.")
PYTHON_VERSION = click.option(
    "--python",
    "python_version",
    default="",
    metavar="3.N",
    help="Python of the drone: 3.10 on JetPack 6, 3.11 on Raspberry Pi OS 12.",
)
PRECISION = click.Choice(["fp32", "fp16", "int8"])


@click.command()
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="Private key file.")
def keygen(out: str) -> None:
    """Make a pair of keys: FILE stays on this workstation, FILE.pub goes to the drones."""
    from deploy.keys import generate

    public, key = generate(Path(out))
    click.echo(f"private key: {out} (mode 0600; whoever has it can put software onto your drones)")
    click.echo(f"public key:  {public}, id {key.key_id}")


@click.command()
@click.option(
    "--project", default=".", show_default=True, metavar="WHEEL|FOLDER", help="Wheel of touchdown, or its source."
)
@TARGET
@PYTHON_VERSION
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to fill.")
def wheels(project: str, target: str | None, python_version: str, out: str) -> None:
    """Collect the wheels a drone needs, from here, whatever its processor."""
    from deploy.manifest import Target
    from deploy.wheelhouse import collect
    from deploy.wheels import this_machine

    here = this_machine()
    wanted = Target.model_validate(
        {"architecture": target or here.architecture, "python": python_version or here.python}
    )
    found = collect(Path(project), wanted, Path(out))
    size = sum(wheel.path.stat().st_size for wheel in found)
    click.echo(
        f"{len(found)} wheels for {wanted.architecture} and Python {wanted.python} in {out}, {size / 1e6:.1f} MB"
    )


@click.command()
@click.option("--model", "-m", required=True, type=click.Path(dir_okay=False), help="ONNX file.")
@click.option("--config", "-c", required=True, type=click.Path(dir_okay=False), help="edge.toml.")
@click.option("--key", required=True, type=click.Path(dir_okay=False), help="Private key.")
@click.option("--out", required=True, metavar="NAME.tar.zst", type=click.Path(dir_okay=False))
@click.option("--camera-info", type=click.Path(dir_okay=False), help="Calibration (YAML).")
@click.option("--wheels", type=click.Path(file_okay=False), help="Folder of wheels to bring.")
@click.option(
    "--requirements", type=click.Path(dir_okay=False), help="Pinned set with hashes instead; the drone downloads it."
)
@TARGET
@PYTHON_VERSION
@click.option(
    "--samples",
    type=click.Path(file_okay=False),
    help="Folder of pictures for the self-test; generated ones by default.",
)
@click.option(
    "--sample-height-m",
    default=12.0,
    show_default=True,
    type=click.FloatRange(0.1, 1000),
    help="Height above ground they were taken from.",
)
@click.option("--engine", type=PRECISION, help="Bring the graph of a TensorRT engine, to build.")
def bundle(
    model: str,
    config: str,
    key: str,
    out: str,
    camera_info: str | None,
    wheels: str | None,
    requirements: str | None,
    target: str | None,
    python_version: str,
    samples: str | None,
    sample_height_m: float,
    engine: str | None,
) -> None:
    """Make a signed bundle. The same inputs give the same bytes.

    Without --wheels and --requirements it brings model and configuration alone (some MB, for a slow link) and runs with
    the touchdown that is on the drone already.
    """
    from deploy.bundle import BundleRequest, make_bundle
    from deploy.manifest import Target

    request = BundleRequest(
        model=Path(model),
        config=Path(config),
        key=Path(key),
        out=Path(out),
        camera_info=Path(camera_info) if camera_info else None,
        wheels=Path(wheels) if wheels else None,
        requirements=Path(requirements) if requirements else None,
        target=Target.model_validate({"architecture": target or "any", "python": _version(python_version)}),
        samples=Path(samples) if samples else None,
        sample_height_m=sample_height_m,
        engine=engine,  # type: ignore[arg-type]  # click.Choice gives one of them
    )
    make_bundle(request, click.echo)


@click.command()
@click.argument("host", metavar="USER@HOST")
@click.argument("bundle", type=click.Path(dir_okay=False))
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
    bundle: str,
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
    request = PushRequest(drone, Path(bundle), retries, install=tuple(shlex.split(install_words)))
    click.echo(f"{host}:{run(request, click.echo)}")


def _version(text: str) -> str:
    """A Python version from the command line."""
    import re

    if text and not re.fullmatch(r"3\.\d+", text):
        raise click.UsageError(f"--python {text}: expected a version, as 3.10")
    return text
