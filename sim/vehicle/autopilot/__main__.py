"""Command line of the stand-in autopilot: ``python -m sim.vehicle.autopilot``."""

from __future__ import annotations

import math
import os
import signal
import threading
import time

import click

from sim.vehicle import Wind
from sim.vehicle.autopilot.core import AutopilotConfig, StandInAutopilot
from sim.vehicle.autopilot.flight import EstimatorErrors, Mode
from sim.vehicle.autopilot.parameters import UnknownParameterError
from sim.vehicle.autopilot.precision_landing import FrameRules
from sim.vehicle.autopilot.shell import LinkError, LinkSpec, Shell
from sim.vehicle.home import Home


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--link",
    "links",
    multiple=True,
    default=("tcp:127.0.0.1:5760",),
    show_default=True,
    help="tcp:HOST:PORT listens, udp:HOST:PORT sends there; may be given several times.",
)
@click.option(
    "--speedup",
    type=click.FloatRange(0.1, 100.0),
    default=1.0,
    show_default=True,
    help="Simulated seconds per real second.",
)
@click.option(
    "--airborne",
    type=click.FloatRange(0.5, 1000.0),
    metavar="HEIGHT_M",
    help="Start hovering, armed, this high; otherwise on the ground, disarmed.",
)
@click.option(
    "--mode",
    type=click.Choice(["GUIDED", "LOITER"]),
    default="GUIDED",
    show_default=True,
    help="FlightController mode of an airborne start.",
)
@click.option("--start-n", type=float, default=0.0, help="Start north of home, m.")
@click.option("--start-e", type=float, default=0.0, help="Start east of home, m.")
@click.option("--yaw", type=float, default=0.0, help="Heading at the start, degrees.")
@click.option(
    "--home",
    default="-35.3632621,149.1652374,584",
    show_default=True,
    metavar="LAT,LON,ALT",
    help="Origin of the local frame, degrees and metres.",
)
@click.option(
    "--wind", default="0,0", metavar="MPS,FROM_DEG", show_default=True, help="Steady wind and where it comes from."
)
@click.option("--gust-mps", type=click.FloatRange(0.0, 20.0), default=0.0, help="Standard deviation of the gusts.")
@click.option("--seed", type=int, default=0, help="Seed of gusts and estimator noise.")
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="ParameterRow in force from the first boot; may be given several times.",
)
@click.option(
    "--ready-after",
    type=click.FloatRange(0.0, 120.0),
    default=3.0,
    show_default=True,
    help="Seconds after boot until there is a position estimate (real SITL: 41).",
)
@click.option(
    "--position-wander-m",
    type=click.FloatRange(0.0, 10.0),
    default=0.0,
    help="Slow error of the position estimate, standard deviation.",
)
@click.option(
    "--attitude-noise-deg",
    type=click.FloatRange(0.0, 10.0),
    default=0.0,
    help="Error of the attitude estimate, standard deviation.",
)
@click.option("--height-error-m", type=float, default=0.0, help="The height estimate reads this much too high.")
@click.option(
    "--rules",
    type=click.Choice([r.value for r in FrameRules]),
    default="4.6",
    show_default=True,
    help="Whose rules on LANDING_TARGET frames.",
)
def main(  # one parameter per option
    links: tuple[str, ...],
    speedup: float,
    airborne: float | None,
    mode: str,
    start_n: float,
    start_e: float,
    yaw: float,
    home: str,
    wind: str,
    gust_mps: float,
    seed: int,
    parameters: tuple[str, ...],
    ready_after: float,
    position_wander_m: float,
    attitude_noise_deg: float,
    height_error_m: float,
    rules: str,
) -> None:
    """A MAVLink stand-in that flies and lands like ArduCopter 4.6.2.

    Prints one JSON line {"event": "listening", "links": [...]} once its links are open, and ends on SIGTERM, SIGINT or
    when its parent process ends.
    """
    lat, lon, alt = _numbers(home, 3, "--home")
    wind_mps, wind_from_deg = _numbers(wind, 2, "--wind")
    config = AutopilotConfig(
        parameters=dict(_assignment(text) for text in parameters),
        home=Home(lat, lon, alt),
        start_n_m=start_n,
        start_e_m=start_e,
        start_yaw_deg=yaw,
        airborne_height_m=airborne,
        airborne_mode=Mode[mode],
        ready_after_ms=round(1000.0 * ready_after),
        wind=Wind(wind_mps, wind_from_deg, gust_mps),
        seed=seed,
        errors=EstimatorErrors(
            position_bias_ned_m=(0.0, 0.0, -height_error_m),
            position_wander_m=position_wander_m,
            attitude_noise_rad=math.radians(attitude_noise_deg),
        ),
        frame_rules=FrameRules(rules),
    )
    parent = os.getppid()
    try:
        shell = Shell(StandInAutopilot(config), [LinkSpec.parse(text) for text in links], speedup=speedup)
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


def _numbers(text: str, count: int, option: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise click.BadParameter(f"{text!r} is not {count} numbers with commas", param_hint=option)
    return values


def _assignment(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip().upper(), float(value)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE, e.g. PLND_ENABLED=1", param_hint="--param") from None


if __name__ == "__main__":
    main(prog_name="python -m sim.vehicle.autopilot")
