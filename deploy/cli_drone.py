"""Commands of the drone. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from deploy.trial import Supervision

ROOT = click.option(
    "--root",
    default="/opt/touchdown",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder of releases on this machine.",
)
PRECISION = click.Choice(["fp32", "fp16", "int8"])


def watching(command: click.decorators.FC) -> click.decorators.FC:
    """Options of every command that restarts the daemon."""
    options = (
        click.option(
            "--service",
            default="auto",
            show_default=True,
            metavar="auto|none|UNIT",
            help="What is restarted and watched; auto: the unit, where systemd runs.",
        ),
        click.option(
            "--watch",
            "hold_s",
            default=20.0,
            show_default=True,
            type=click.FloatRange(0, 3600),
            help="Seconds it must stay healthy.",
        ),
        click.option(
            "--ready-within",
            "ready_s",
            default=90.0,
            show_default=True,
            type=click.FloatRange(0, 3600),
            help="Seconds it may take to become healthy.",
        ),
        click.option(
            "--ready-url", default="", metavar="URL", help="The daemon's /readyz on this machine, to be asked as well."
        ),
        click.option(
            "--systemd", is_flag=True, help="Link unit, user and device rules of the release into /etc (as root)."
        ),
        click.option("--etc", default="/etc", hidden=True, type=click.Path(file_okay=False)),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("bundle", type=click.Path(dir_okay=False))
@ROOT
@click.option(
    "--trusted-key",
    "trusted",
    multiple=True,
    type=click.Path(dir_okay=False),
    metavar="PUB",
    help="Public key that must have signed the bundle, or one of several; by default those in /etc/touchdown/keys.",
)
@click.option("--python", default="", metavar="PROGRAM", help="For the release; this one's own.")
@click.option("--engine", type=PRECISION, help="Build a TensorRT engine and fly it.")
@click.option(
    "--system-site-packages/--isolated",
    default=None,
    help="Whether the release sees the system's packages; with --engine it does.",
)
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

    On the ground, disarmed: the daemon is restarted. Exit status 0: the new release flies and is healthy. Otherwise 2,
    with the reason, and what flew before still does.
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


@click.command()
@ROOT
@click.option("--to", metavar="NAME", help="Release; the last healthy one by default.")
@watching
def rollback(
    root: str, to: str | None, service: str, hold_s: float, ready_s: float, ready_url: str, systemd: bool, etc: str
) -> None:
    """Go back to the release that flew before."""
    from pathlib import Path

    from deploy.trial import rollback as run

    supervision = _supervision(root, service, hold_s, ready_s, ready_url, systemd, etc)
    click.echo(f"{run(Path(root).absolute(), to, supervision, click.echo)} flies")


@click.command()
@ROOT
@watching
def settle(root: str, service: str, hold_s: float, ready_s: float, ready_url: str, systemd: bool, etc: str) -> None:
    """End a trial that a power cut interrupted: watch what flies, or go back.

    The unit touchdown-settle.service runs this at boot.
    """
    from pathlib import Path

    from deploy.trial import settle as run

    supervision = _supervision(root, service, hold_s, ready_s, ready_url, systemd, etc)
    name = run(Path(root).absolute(), supervision, click.echo)
    click.echo(f"{name} flies and is healthy" if name else "no release is under trial")


@click.command(name="list")
@ROOT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_command(root: str, as_json: bool) -> None:
    """Show the releases on this machine, and which one flies."""
    import json
    from pathlib import Path

    from deploy.listing import lines_of, listing

    found = listing(Path(root).absolute())
    click.echo(json.dumps(found) if as_json else "\n".join(lines_of(found)))


@click.command()
@ROOT
@click.option("--keep", default=3, show_default=True, type=click.IntRange(1), help="Releases.")
def prune(root: str, keep: int) -> None:
    """Remove old releases, never the one that flies nor the one to go back to."""
    from pathlib import Path

    from deploy.install import prune as run

    if not run(Path(root).absolute(), keep, click.echo):
        click.echo("nothing to remove")


def _supervision(
    root: str, service: str, hold_s: float, ready_s: float, ready_url: str, systemd: bool, etc: str
) -> Supervision:
    """What restarts and watches the daemon, from the options."""
    from pathlib import Path

    from deploy.environment import run
    from deploy.layout import Root
    from deploy.service import Patience, Probe, ReadyPage, Systemd
    from deploy.trial import Supervision
    from deploy.units import UNIT_NAME, has_systemd, place_units

    unit = {"auto": UNIT_NAME if has_systemd() else "none"}.get(service, service)
    manager = None if unit == "none" else Systemd(unit)
    probes: list[Probe] = [] if manager is None else [manager]
    if ready_url:
        probes.append(ReadyPage(ready_url))

    def place() -> None:
        if systemd:
            own = run if etc == "/etc" else None
            place_units(Root(Path(root).absolute()), Path(etc), own, click.echo)

    return Supervision(manager, probes, Patience(ready_s, hold_s), place)
