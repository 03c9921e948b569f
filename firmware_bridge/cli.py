"""The command line of the link. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FILE = click.Path(dir_okay=False, path_type=Path)
LINK = click.option(
    "--link",
    "-l",
    "connection",
    help="/dev/ttyACM0[,BAUD], udpin:HOST:PORT, udpout:HOST:PORT, tcp:HOST:PORT; that of --config by default.",
)
BAUD = click.option("--baud", type=click.IntRange(1200, 12_000_000), help="Serial speed.")
CONFIG = click.option(
    "--config", "-c", type=FILE, help="The daemon's configuration (TOML); its [link], [expert.link] and [log] are read."
)
EVENTS = click.option("--events", type=FILE, help="The daemon's event log; that of --config by default.")
TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.5, 300),
    help="Seconds to wait for the autopilot.",
)


@click.group(name="bridge")
def cli() -> None:
    """Examine and watch the link to the flight controller."""


@cli.command()
@LINK
@BAUD
@CONFIG
@EVENTS
@TIMEOUT
@click.option(
    "--listen",
    "listen_s",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 120),
    help="Seconds to measure the link; 0 skips it.",
)
@click.option("--fix", is_flag=True, help="Write the proposed values, and read them back.")
@click.option("--reboot", is_flag=True, help="With --fix: reboot the autopilot where a change needs it.")
@click.option("--test-target", is_flag=True, help="Send a target straight below, disarmed.")
@click.option(
    "--timed-run",
    "timed_run_s",
    type=click.FloatRange(5, 600),
    metavar="SECONDS",
    help="First run the daemon of --config for this time, to measure its latency.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--all", "show_all", is_flag=True, help="Print also the findings that are in order.")
def doctor(**given: Any) -> None:
    """Examine autopilot and link: tell what keeps the vehicle from following a landing target.

    Only --fix changes anything. Nothing is written, rebooted or tried while the vehicle is armed.

    Exit status: 0 all well, 1 warnings, 2 errors or no link, 78 bad configuration.
    """
    from firmware_bridge.doctor.command import DoctorOptions, run

    options = DoctorOptions(**given)
    if options.reboot and not options.fix:
        raise click.UsageError("--reboot belongs to --fix")
    if options.timed_run_s is not None and options.config is None:
        raise click.UsageError("--timed-run needs --config")
    raise SystemExit(run(options, click.echo))


@cli.command()
@LINK
@BAUD
@CONFIG
@EVENTS
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop after this time.")
@click.option("--passive", is_flag=True, help="Send nothing at all, not even stream requests.")
@click.option("--plain", is_flag=True, help="Lines instead of a live view.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines: one a second, and one for each text or event.")
def monitor(**given: Any) -> None:
    """Watch the link live: rates, pose, clock, mode, targets, and rejected messages with the reason.

    Give it a link of its own (a second port of the autopilot or router): a serial port or UDP port that the daemon
    holds cannot be shared. Without --link it shows the event log alone.
    """
    from firmware_bridge.monitor import MonitorOptions, run

    run(MonitorOptions(**given), click.echo)


@cli.command()
@click.argument("sites", type=FILE, required=False)
@LINK
@BAUD
@CONFIG
@TIMEOUT
@click.option("--most", default=8, show_default=True, type=click.IntRange(1, 100), help="Set at most so many of ours.")
@click.option(
    "--above-ground-m",
    type=click.FloatRange(0, 500),
    help="Height of a point above its site; 15 on ArduPilot, 0 on PX4 where left out.",
)
@click.option(
    "--rise-m",
    type=click.FloatRange(0, 500),
    help="How much higher than home the ground of the sites lies at most; needed where altitudes are not known.",
)
@click.option("--clear", is_flag=True, help="Take ours away, and leave the pilot's.")
@click.option("--memory", type=FILE, help="File that remembers which are ours; in the user's state folder by default.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def rally(**given: Any) -> None:
    """Set known sites as rally points: RTL and failsafes then fly to ground that was seen to be clear.

    SITES is GeoJSON, as `touchdown edge survey` writes it and the live page serves it at /sites.geojson. Without it
    the rally points are shown. The pilot's own points stay; an update replaces only ours.
    """
    from firmware_bridge.rally_command import RallyOptions, run

    options = RallyOptions(**given)
    if options.sites is not None and options.clear:
        raise click.UsageError("SITES and --clear do not go together")
    run(options, click.echo)


@cli.command()
@click.argument("path", type=FILE)
@click.option(
    "--passphrase",
    is_flag=True,
    help="Ask for a passphrase, and make the key from it as MAVProxy and Mission Planner do.",
)
def keygen(path: Path, passphrase: bool) -> None:
    """Write a new MAVLink 2 signing key to PATH, readable by you alone.

    Give the same key to the autopilot and the ground station (`signing setup PASSPHRASE` in MAVProxy does both), and
    name the file in link.signing_key. An existing file is never replaced.
    """
    import secrets

    from firmware_bridge.signing import KEY_BYTES, secret_of_passphrase
    from firmware_bridge.stamp_file import make_key_file
    from landing.errors import SigningError

    secret = secrets.token_bytes(KEY_BYTES)
    if passphrase:
        words = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
        secret = secret_of_passphrase(words)
    try:
        make_key_file(path, secret)
    except FileExistsError:
        raise SigningError(f"signing key {path}: there is a file already; it is kept") from None
    except OSError as error:
        raise SigningError(f"signing key {path}: {error.strerror or error}") from error
    what = "the passphrase's key" if passphrase else f"{KEY_BYTES} random bytes"
    click.echo(f"{path}: {what} in hexadecimal, mode 0600")
