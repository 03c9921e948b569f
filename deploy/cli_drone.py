"""Commands of the drone. They import what they need when they run: `--help` must be quick."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from deploy.trial import Supervision

PRECISION = click.Choice(["fp32", "fp16", "int8"])
ROOT = click.option(
    "--root",
    default="/opt/touchdown",
    show_default=True,
    type=click.Path(file_okay=False),
    callback=lambda _context, _option, value: Path(value).absolute(),
    help="Folder of releases on this machine.",
)
_SECONDS = click.FloatRange(0, 3600)
_WATCHING = {
    "service": click.option(
        "--service",
        default="auto",
        show_default=True,
        metavar="auto|none|UNIT",
        help="Unit to restart and watch; auto: the daemon's, where systemd runs.",
    ),
    "hold_s": click.option(
        "--watch", "hold_s", default=20.0, show_default=True, type=_SECONDS, help="Seconds it must stay healthy."
    ),
    "ready_s": click.option(
        "--ready-within",
        "ready_s",
        default=90.0,
        show_default=True,
        type=_SECONDS,
        help="Seconds it may take to become healthy.",
    ),
    "ready_url": click.option(
        "--ready-url", default="", metavar="URL", help="The daemon's /readyz on this machine, to be asked as well."
    ),
    "systemd": click.option(
        "--systemd", is_flag=True, help="Link unit, user and device rules of the release into /etc (as root)."
    ),
    "etc": click.option(
        "--etc", default="/etc", hidden=True, type=click.Path(file_okay=False, path_type=Path), help="For tests."
    ),
}


def watching(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of a command that restarts the daemon; the command gets them in one dict, `watch`.

    It goes on where the terminal it was typed in goes away.
    """

    @functools.wraps(command)
    def gathered(**values: Any) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            command(watch={name: values.pop(name) for name in _WATCHING}, **values)
        finally:
            signal.signal(signal.SIGHUP, before)

    for option in reversed(_WATCHING.values()):
        gathered = option(gathered)
    return gathered


@click.command()
@click.argument("bundle", type=click.Path(dir_okay=False, path_type=Path))
@ROOT
@click.option(
    "--trusted-key",
    "trusted",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PUB",
    help="Public key that must have signed the bundle, or one of several; by default those in /etc/touchdown/keys.",
)
@click.option("--python", default=sys.executable, metavar="PROGRAM", help="For the release; this one's own.")
@click.option("--engine", type=PRECISION, help="Build a TensorRT engine and fly it.")
@click.option(
    "--system-site-packages/--isolated",
    default=None,
    help="Let the release see the system's packages; with --engine it does.",
)
@click.option("--check-camera", "camera", is_flag=True, help="Open the camera before the switch.")
@click.option("--check-link", "link", is_flag=True, help="Open the autopilot's port before the switch.")
@watching
def install(
    root: Path,
    trusted: tuple[Path, ...],
    engine: Any,
    system_site_packages: bool | None,
    watch: dict[str, Any],
    **choices: Any,
) -> None:
    """Verify, unpack, check, switch, restart, watch; go back if it is not healthy.

    On the ground, disarmed: the daemon is restarted. Exit status 0: the new release flies and is healthy. Otherwise 2,
    with the reason, and what flew before still does.
    """
    from deploy.install import InstallRequest
    from deploy.install import install as run
    from deploy.keys import standing_keys

    isolated = not engine if system_site_packages is None else not system_site_packages
    request = InstallRequest(
        root=root,
        trusted_keys=trusted or standing_keys(watch["etc"]),
        engine=engine,
        system_site_packages=not isolated,
        **choices,
    )
    supervision = _supervision(root, **watch)
    click.echo(f"{run(request, supervision, click.echo)} flies")
    if supervision.service is None:
        current = root / "current"
        click.echo(
            "nothing was restarted (--service none, or no systemd here); by hand: "
            f"{current}/venv/bin/touchdown edge serve --config {current}/edge.toml"
        )


@click.command()
@ROOT
@click.option("--to", metavar="NAME", help="Release; the last healthy one by default.")
@watching
def rollback(root: Path, to: str | None, watch: dict[str, Any]) -> None:
    """Go back to the release that flew before."""
    from deploy.trial import rollback as run

    click.echo(f"{run(root, to, _supervision(root, **watch), click.echo)} flies")


@click.command()
@ROOT
@watching
def settle(root: Path, watch: dict[str, Any]) -> None:
    """End a trial that a power cut interrupted: watch what flies, or go back.

    The unit touchdown-settle.service runs this at boot.
    """
    from deploy.trial import settle as run

    name = run(root, _supervision(root, **watch), click.echo)
    click.echo(f"{name} flies and is healthy" if name else "no release is under trial")


@click.command(name="list")
@ROOT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_command(root: Path, as_json: bool) -> None:
    """Show the releases on this machine, and which one flies."""
    import json

    from deploy.listing import lines_of, listing

    found = listing(root)
    click.echo(json.dumps(found) if as_json else "\n".join(lines_of(found)))


@click.command()
@ROOT
@click.option("--keep", default=3, show_default=True, type=click.IntRange(1), help="Releases.")
def prune(root: Path, keep: int) -> None:
    """Remove old releases, never the one that flies nor the one to go back to."""
    from deploy.install import prune as run

    if not run(root, keep, click.echo):
        click.echo("nothing to remove")


def _supervision(
    root: Path, service: str, hold_s: float, ready_s: float, ready_url: str, systemd: bool, etc: Path
) -> Supervision:
    """The service to restart and the probes to watch, from the options."""
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
            place_units(Root(root), etc, run if etc == Path("/etc") else None, click.echo)

    return Supervision(manager, probes, Patience(ready_s, hold_s), place)
