"""Command line of the stand-in autopilot: ``python -m sim.vehicle.autopilot``."""

from __future__ import annotations

import os
import signal
import threading
import time

import click

from landing.errors import LinkError
from sim.vehicle.autopilot.config import AutopilotConfig
from sim.vehicle.autopilot.core import StandInAutopilot
from sim.vehicle.autopilot.parameters import UnknownParameterError
from sim.vehicle.autopilot.shell import Shell
from sim.vehicle.home import Home
from sim.vehicle.multicopter import Wind


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--link", "links", multiple=True, default=("tcp:127.0.0.1:5760",), help="tcp:HOST:PORT; repeatable.")
@click.option("--speedup", type=click.FloatRange(0.1, 100.0), default=1.0, help="Simulated seconds per real second.")
@click.option(
    "--airborne",
    type=click.FloatRange(0.5, 1000.0),
    metavar="HEIGHT_M",
    help="Start hovering in GUIDED, armed, at this height; otherwise on the ground, disarmed.",
)
@click.option("--start", type=(float, float), default=(0.0, 0.0), metavar="N E", help="North and east of home, m.")
@click.option("--yaw", type=float, default=0.0, help="Heading at the start, degrees.")
@click.option("--home", default=str(Home()), metavar="LAT,LON,ALT", help="Origin of the local frame.")
@click.option("--wind", type=(float, float), default=(0.0, 0.0), metavar="MPS FROM_DEG", help="Mean wind.")
@click.option("--gust-mps", type=click.FloatRange(0.0, 20.0), default=0.0, help="Standard deviation of the gusts.")
@click.option("--seed", type=int, default=0, help="Seed of the gusts.")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="In force from the first boot.")
def main(
    links: tuple[str, ...],
    speedup: float,
    airborne: float | None,
    start: tuple[float, float],
    yaw: float,
    home: str,
    wind: tuple[float, float],
    gust_mps: float,
    seed: int,
    parameters: tuple[str, ...],
) -> None:
    """A MAVLink stand-in that flies and lands like ArduCopter 4.6.2.

    Prints one JSON line {"event": "listening", "links": [...]} once its links are open, and ends on SIGTERM, SIGINT or
    when its parent process ends.
    """
    parent = os.getppid()
    try:
        config = AutopilotConfig(
            parameters=dict(_assignment(text) for text in parameters),
            home=Home.parse(home),
            start_n_m=start[0],
            start_e_m=start[1],
            start_yaw_deg=yaw,
            airborne_height_m=airborne,
            wind=Wind(*wind, gust_mps),
            seed=seed,
        )
        shell = Shell(StandInAutopilot(config), links, speedup=speedup)
    except (LinkError, UnknownParameterError) as error:
        raise click.UsageError(str(error)) from None
    signal.signal(signal.SIGTERM, lambda *_: shell.stop())
    signal.signal(signal.SIGINT, lambda *_: shell.stop())
    _end_with_parent(shell, parent)
    shell.announce()
    shell.run()


def _end_with_parent(shell: Shell, parent: int) -> None:
    """Stop once the parent process is gone.

    Polled, because Linux's parent-death signal already fires when the *thread* that started us ends, and a test runner
    may well start us from a worker thread.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        shell.stop()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _assignment(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip().upper(), float(value)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE, e.g. PLND_ENABLED=1", param_hint="--param") from None


if __name__ == "__main__":
    main(prog_name="python -m sim.vehicle.autopilot")
