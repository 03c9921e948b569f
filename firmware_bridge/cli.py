"""The command line of the link. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

import click

LINK = click.option(
    "--link",
    "-l",
    "connection",
    help="/dev/ttyACM0[,BAUD], udpin:HOST:PORT, udpout:HOST:PORT, tcp:HOST:PORT; that of --config by default.",
)
BAUD = click.option("--baud", type=click.IntRange(1200, 12_000_000), help="Serial speed.")
CONFIG = click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(dir_okay=False),
    help="The daemon's configuration (TOML), for its [link] and its log.",
)
EVENTS = click.option(
    "--events",
    "events_path",
    type=click.Path(dir_okay=False),
    help="The daemon's event log; that of --config by default.",
)
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
    """The flight-controller link: is it right, and what goes over it."""


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
    help="Seconds to measure the link; 0 leaves that out.",
)
@click.option("--fix", is_flag=True, help="Write what should be otherwise, and read it back.")
@click.option("--reboot", is_flag=True, help="With --fix: reboot the autopilot where it is needed.")
@click.option("--test-target", is_flag=True, help="Send a target straight below, disarmed.")
@click.option(
    "--timed-run",
    "timed_run_s",
    type=click.FloatRange(5, 600),
    metavar="SECONDS",
    help="Run the daemon of --config so long first, to measure its latency.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--all", "show_all", is_flag=True, help="Print what is in order, too.")
def doctor(
    connection: str | None,
    baud: int | None,
    config_path: str | None,
    events_path: str | None,
    timeout_s: float,
    listen_s: float,
    fix: bool,
    reboot: bool,
    test_target: bool,
    timed_run_s: float | None,
    as_json: bool,
    show_all: bool,
) -> None:
    """Examine the autopilot and the link: can it be led to a landing target, and if not, why?

    Nothing is changed without --fix, and nothing is ever written, rebooted or tried while armed.

    Exit status: 0 all well, 1 warnings, 2 errors or no link, 78 bad configuration.
    """
    from pathlib import Path

    from firmware_bridge.doctor.command import DoctorOptions, run

    if reboot and not fix:
        raise click.UsageError("--reboot belongs to --fix")
    if timed_run_s is not None and config_path is None:
        raise click.UsageError("--timed-run needs --config")
    options = DoctorOptions(
        connection=connection,
        baud=baud,
        config=Path(config_path) if config_path else None,
        events=Path(events_path) if events_path else None,
        timeout_s=timeout_s,
        listen_s=listen_s,
        fix=fix,
        reboot=reboot,
        test_target=test_target,
        timed_run_s=timed_run_s,
        as_json=as_json,
        show_all=show_all,
    )
    raise SystemExit(run(options, click.echo))


@cli.command()
@LINK
@BAUD
@CONFIG
@EVENTS
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop by itself after so long.")
@click.option("--passive", is_flag=True, help="Send nothing at all, not even stream requests.")
@click.option("--plain", is_flag=True, help="Lines instead of a live view.")
def monitor(
    connection: str | None,
    baud: int | None,
    config_path: str | None,
    events_path: str | None,
    seconds: float | None,
    passive: bool,
    plain: bool,
) -> None:
    """Watch the link live: rates, pose, clock, mode, targets, and what was rejected and why.

    Give it a link of its own (a second port of the autopilot or router): a serial port or UDP port that the daemon
    holds cannot be shared. Without --link it shows the event log alone.
    """
    from pathlib import Path

    from firmware_bridge.monitor import MonitorOptions, run

    options = MonitorOptions(
        connection=connection,
        baud=baud,
        config=Path(config_path) if config_path else None,
        events=Path(events_path) if events_path else None,
        seconds=seconds,
        passive=passive,
        plain=plain,
    )
    run(options, click.echo)


@cli.command()
@click.argument("path", type=click.Path(dir_okay=False))
@click.option(
    "--passphrase",
    is_flag=True,
    help="Ask for a passphrase, and make the key from it as MAVProxy and Mission Planner do.",
)
def keygen(path: str, passphrase: bool) -> None:
    """Write a new MAVLink 2 signing key to PATH, readable by you alone.

    Give the same key to the autopilot and the ground station (`signing setup PASSPHRASE` in MAVProxy does both), and
    name the file in link.signing_key. An existing file is never replaced.
    """
    import secrets
    from pathlib import Path

    from firmware_bridge.signing import KEY_BYTES, secret_of_passphrase
    from firmware_bridge.stamp_file import make_key_file
    from landing.errors import LinkError

    secret = secrets.token_bytes(KEY_BYTES)
    if passphrase:
        words = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
        secret = secret_of_passphrase(words)
    try:
        make_key_file(Path(path), secret)
    except FileExistsError:
        raise LinkError(f"signing key {path}: there is a file already; it is kept") from None
    except OSError as error:
        raise LinkError(f"signing key {path}: {error.strerror or error}") from error
    what = "the passphrase's key" if passphrase else f"{KEY_BYTES} random bytes"
    click.echo(f"{path}: {what} in hexadecimal, mode 0600")
