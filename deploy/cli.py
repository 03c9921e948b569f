"""The command line of bundles. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from deploy.trial import Supervision

ROOT = click.option(
    "--root", default="/opt/touchdown", show_default=True, type=click.Path(file_okay=False),
    help="Folder of releases on this machine.",
)  # fmt: skip
TARGET = click.option(
    "--target", type=click.Choice(["aarch64", "x86-64"]), help="Processor of the drone."
)
PYTHON_VERSION = click.option(
    "--python", "python_version", default="", metavar="3.N",
    help="Python of the drone: 3.10 on JetPack 6, 3.11 on Raspberry Pi OS 12.",
)  # fmt: skip
PRECISION = click.Choice(["fp32", "fp16", "int8"])


@click.group(name="deploy")
def cli() -> None:
    """Put model, configuration and software onto a drone: signed, whole or not at all.

    Workstation: keygen once, then wheels, bundle, push. Drone: install, list, rollback, prune.
    """


def watching(command: click.decorators.FC) -> click.decorators.FC:
    """Options of every command that restarts the daemon."""
    options = (
        click.option(
            "--service", default="auto", show_default=True, metavar="auto|none|UNIT",
            help="What is restarted and watched; auto: the unit, where systemd runs.",
        ),
        click.option(
            "--watch", "hold_s", default=20.0, show_default=True, type=click.FloatRange(0, 3600),
            help="Seconds it must stay healthy.",
        ),
        click.option(
            "--ready-within", "ready_s", default=90.0, show_default=True,
            type=click.FloatRange(0, 3600), help="Seconds it may take to become healthy.",
        ),
        click.option(
            "--ready-url", default="", metavar="URL",
            help="The daemon's /readyz on this machine, to be asked as well.",
        ),
        click.option(
            "--systemd", is_flag=True,
            help="Link unit, user and device rules of the release into /etc (as root).",
        ),
        click.option("--etc", default="/etc", hidden=True, type=click.Path(file_okay=False)),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="Private key file.")
def keygen(out: str) -> None:
    """Make a pair of keys: FILE stays on this workstation, FILE.pub goes to the drones."""
    from pathlib import Path

    from deploy.keys import generate

    public, key = generate(Path(out))
    click.echo(f"private key: {out} (mode 0600; whoever has it can put software onto your drones)")
    click.echo(f"public key:  {public}, id {key.key_id}")


@cli.command()
@click.option(
    "--project", default=".", show_default=True, metavar="WHEEL|FOLDER",
    help="Wheel of touchdown, or its source.",
)  # fmt: skip
@TARGET
@PYTHON_VERSION
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to fill.")
def wheels(project: str, target: str | None, python_version: str, out: str) -> None:
    """Collect the wheels a drone needs, from here, whatever its processor."""
    from pathlib import Path

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
        f"{len(found)} wheels for {wanted.architecture} and Python {wanted.python} in {out}, "
        f"{size / 1e6:.1f} MB"
    )


@cli.command()
@click.option("--model", "-m", required=True, type=click.Path(dir_okay=False), help="ONNX file.")
@click.option("--config", "-c", required=True, type=click.Path(dir_okay=False), help="edge.toml.")
@click.option("--key", required=True, type=click.Path(dir_okay=False), help="Private key.")
@click.option("--out", required=True, metavar="NAME.tar.zst", type=click.Path(dir_okay=False))
@click.option("--camera-info", type=click.Path(dir_okay=False), help="Calibration (YAML).")
@click.option("--wheels", type=click.Path(file_okay=False), help="Folder of wheels to bring.")
@click.option(
    "--requirements", type=click.Path(dir_okay=False),
    help="Pinned set with hashes instead; the drone downloads it.",
)  # fmt: skip
@TARGET
@PYTHON_VERSION
@click.option(
    "--samples", type=click.Path(file_okay=False),
    help="Folder of pictures for the self-test; generated ones by default.",
)  # fmt: skip
@click.option(
    "--sample-height-m", default=12.0, show_default=True, type=click.FloatRange(0.1, 1000),
    help="Height above ground they were taken from.",
)  # fmt: skip
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

    Without --wheels and --requirements it brings model and configuration alone (some MB, for a
    slow link) and runs with the touchdown that is on the drone already.
    """
    from pathlib import Path

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
        target=Target.model_validate(
            {"architecture": target or "any", "python": _version(python_version)}
        ),
        samples=Path(samples) if samples else None,
        sample_height_m=sample_height_m,
        engine=engine,  # type: ignore[arg-type]  # click.Choice gives one of them
    )
    make_bundle(request, click.echo)


@cli.command()
@click.argument("bundle", type=click.Path(dir_okay=False))
@ROOT
@click.option(
    "--trusted-key", "trusted", multiple=True, type=click.Path(dir_okay=False), metavar="PUB",
    help="Public key that must have signed the bundle, or one of several; by default those in "
    "/etc/touchdown/keys.",
)  # fmt: skip
@click.option("--python", default="", metavar="PROGRAM", help="For the release; this one's own.")
@click.option("--engine", type=PRECISION, help="Build a TensorRT engine and fly it.")
@click.option(
    "--system-site-packages/--isolated", default=None,
    help="Whether the release sees the system's packages; with --engine it does.",
)  # fmt: skip
@click.option("--check-camera", is_flag=True, help="Open the camera before the switch.")
@click.option("--check-link", is_flag=True, help="Open the autopilot's port before the switch.")
@watching
def install(
    bundle: str,
    root: str,
    trusted: tuple[str, ...],
    python: str,
    engine: str | None,
    system_site_packages: bool | None,
    check_camera: bool,
    check_link: bool,
    service: str,
    hold_s: float,
    ready_s: float,
    ready_url: str,
    systemd: bool,
    etc: str,
) -> None:
    """Verify, unpack, check, switch, restart, watch; go back if it is not healthy.

    On the ground, disarmed: the daemon is restarted. Exit status 0: the new release flies and is
    healthy. Otherwise 2, with the reason, and what flew before still does.
    """
    import sys
    from pathlib import Path

    from deploy.install import InstallRequest
    from deploy.install import install as run
    from deploy.keys import standing_keys

    request = InstallRequest(
        bundle=Path(bundle),
        root=Path(root).absolute(),
        trusted_keys=tuple(Path(path) for path in trusted) or standing_keys(Path(etc)),
        python=python or sys.executable,
        engine=engine,  # type: ignore[arg-type]  # click.Choice gives one of them
        system_site_packages=bool(engine) if system_site_packages is None else system_site_packages,
        camera=check_camera,
        link=check_link,
    )
    supervision = _supervision(root, service, hold_s, ready_s, ready_url, systemd, etc)
    name = run(request, supervision, click.echo)
    click.echo(f"{name} flies")
    if supervision.service is None:
        current = Path(root).absolute() / "current"
        click.echo(
            "nothing was restarted (--service none, or no systemd here); by hand: "
            f"{current}/venv/bin/touchdown edge serve --config {current}/edge.toml"
        )


@cli.command()
@ROOT
@click.option("--to", metavar="NAME", help="Release; the last healthy one by default.")
@watching
def rollback(
    root: str,
    to: str | None,
    service: str,
    hold_s: float,
    ready_s: float,
    ready_url: str,
    systemd: bool,
    etc: str,
) -> None:
    """Go back to the release that flew before."""
    from pathlib import Path

    from deploy.trial import rollback as run

    supervision = _supervision(root, service, hold_s, ready_s, ready_url, systemd, etc)
    click.echo(f"{run(Path(root).absolute(), to, supervision, click.echo)} flies")


@cli.command()
@ROOT
@watching
def settle(
    root: str,
    service: str,
    hold_s: float,
    ready_s: float,
    ready_url: str,
    systemd: bool,
    etc: str,
) -> None:
    """End a trial that a power cut interrupted: watch what flies, or go back.

    The unit touchdown-settle.service runs this at boot.
    """
    from pathlib import Path

    from deploy.trial import settle as run

    supervision = _supervision(root, service, hold_s, ready_s, ready_url, systemd, etc)
    name = run(Path(root).absolute(), supervision, click.echo)
    click.echo(f"{name} flies and is healthy" if name else "no release is under trial")


@cli.command(name="list")
@ROOT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_command(root: str, as_json: bool) -> None:
    """Show the releases on this machine, and which one flies."""
    import json
    from pathlib import Path

    from deploy.listing import lines_of, listing

    found = listing(Path(root).absolute())
    click.echo(json.dumps(found) if as_json else "\n".join(lines_of(found)))


@cli.command()
@ROOT
@click.option("--keep", default=3, show_default=True, type=click.IntRange(1), help="Releases.")
def prune(root: str, keep: int) -> None:
    """Remove old releases, never the one that flies nor the one to go back to."""
    from pathlib import Path

    from deploy.install import prune as run

    if not run(Path(root).absolute(), keep, click.echo):
        click.echo("nothing to remove")


@cli.command()
@click.argument("host", metavar="USER@HOST")
@click.argument("bundle", type=click.Path(dir_okay=False))
@click.option("--ssh-port", type=click.IntRange(1, 65535), help="Port of the ssh server there.")
@click.option("--ssh-identity", type=click.Path(dir_okay=False), help="Private key for ssh.")
@click.option("--ssh-config", type=click.Path(dir_okay=False), help="Configuration for ssh.")
@click.option(
    "--retries", default=5, show_default=True, type=click.IntRange(0), help="Of a lost connection."
)
@click.option(
    "--install", "install_words", default="", metavar="COMMAND",
    help="Run there with the bundle's path at its end, as "
    "'sudo touchdown deploy install --trusted-key /etc/touchdown/fleet.pub'.",
)  # fmt: skip
def push(
    host: str,
    bundle: str,
    ssh_port: int | None,
    ssh_identity: str | None,
    ssh_config: str | None,
    retries: int,
    install_words: str,
) -> None:
    """Copy a bundle to a drone over ssh; a broken transfer goes on where it broke."""
    import shlex
    from pathlib import Path

    from deploy.push import PushRequest
    from deploy.push import push as run
    from deploy.ssh import Machine

    machine = Machine(
        host,
        ssh_port,
        Path(ssh_identity) if ssh_identity else None,
        Path(ssh_config) if ssh_config else None,
    )
    request = PushRequest(machine, Path(bundle), retries, install=tuple(shlex.split(install_words)))
    click.echo(f"{host}:{run(request, click.echo)}")


def _supervision(
    root: str,
    service: str,
    hold_s: float,
    ready_s: float,
    ready_url: str,
    systemd: bool,
    etc: str,
) -> Supervision:
    """What restarts and watches the daemon, from the options."""
    from pathlib import Path

    from deploy.environment import run
    from deploy.layout import Root
    from deploy.service import Patience, Probe, ReadyPage, Systemd, has_systemd
    from deploy.trial import Supervision
    from deploy.units import UNIT_NAME, place_units

    unit = {"auto": UNIT_NAME if has_systemd() else "none"}.get(service, service)
    manager = None if unit == "none" else Systemd(unit)
    probes: list[Probe] = [] if manager is None else [manager]
    if ready_url:
        probes.append(ReadyPage(ready_url))

    def place() -> None:
        if systemd:
            place_units(Root(Path(root).absolute()), Path(etc), run, click.echo)

    return Supervision(manager, probes, Patience(ready_s, hold_s), place)


def _version(text: str) -> str:
    """A Python version from the command line."""
    import re

    if text and not re.fullmatch(r"3\.\d+", text):
        raise click.UsageError(f"--python {text}: expected a version, as 3.10")
    return text
