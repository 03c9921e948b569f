"""The one umbrella command. Sub-commands are imported only when they are used."""

from __future__ import annotations

import errno
import importlib
import io
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any

import click
from click.shell_completion import CompletionItem

from landing.distribution import install_command
from landing.errors import TouchdownError
from landing.problems import Problem, with_code
from landing.redaction import redact
from landing.terminal import printable, printable_lines
from touchdown.finite import with_finite_numbers

SUBCOMMANDS = {
    "trainer": ("trainer.cli", "Train and judge a segmentation model (workstation)."),
    "export": ("export.cli", "Turn a checkpoint into a model that flies, and check it."),
    "edge": ("edge.cli", "The onboard daemon: serve, check, look."),
    "bridge": ("firmware_bridge.cli", "The flight-controller link: doctor, monitor."),
    "deploy": ("deploy.cli", "Bundle, sign, install on the drone, roll back."),
    "sim": ("sim.cli", "Land a simulated vehicle with the real daemon."),
    "models": ("touchdown.models.cli", "Shipped models: list, get, card; may I sell with one?"),
    "safety-case": ("touchdown.safety.cli", "Write the safety case of a configuration, for a reviewer."),
    "explain": ("touchdown.explain", "Tell what an error's code means, and what to do."),
    "ros2": ("touchdown.ros2", "Be a node of a ROS 2 graph: serve, calibration."),
    "completion": ("touchdown.completion", "Print what makes a shell complete our commands."),
    "report": ("touchdown.report", "Gather what somebody needs to help, without secrets, in one file."),
}
MISSING_EXTRAS = {
    "torch": "train",
    "segmentation_models_pytorch": "train",
    "lightning": "train",
    "torchmetrics": "train",
    "webdataset": "train",
    "safetensors": "train",
    "jinja2": "train",
    "matplotlib": "train",
    "rich": "tools",
    "onnx": "export",
    "onnxscript": "export",
    "cryptography": "deploy",
    "zstandard": "deploy",
    "cyclonedds": "ros2",
    "rosbags": "ros2",
}
OUR_PACKAGES = {"touchdown", "landing", "firmware_bridge", "edge", "trainer", "export", "sim", "deploy"}


class LazyGroup(click.Group):
    """A group that knows its sub-commands by name and help, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work: train, export, fly, simulate."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the module that holds the sub-command."""
        if cmd_name not in SUBCOMMANDS:
            return None
        return with_finite_numbers(importlib.import_module(SUBCOMMANDS[cmd_name][0]).cli)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of sub-commands for a shell, without importing any."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(n, help=text) for n, (_, text) in SUBCOMMANDS.items() if n.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the sub-commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in SUBCOMMANDS.items()])


def _print_version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from touchdown.version import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version and the runtimes found, and stop.",
)
def cli() -> None:
    """Segment the ground below a drone, choose a clean landing site, send it over MAVLink.

    Workstation: trainer fit, then export onnx. Drone: edge serve. Try it: sim land.
    """


def run(command: click.Command, name: str, arguments: list[str] | None = None) -> None:
    """Runs a command; errors a user can act on become one or two lines and an exit status."""
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged pictures, which are refused in a line
    try:
        result: Any = command.main(args=arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(file=shown)
        click.echo(printable_lines(redact(shown.getvalue())), nl=False, err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except TouchdownError as error:
        _refuse(str(error), error.problem)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        reason = str(error.strerror or error)
        _refuse(f"{where}{reason}; free it, or name another path", Problem.FILE)
        sys.exit(TouchdownError.exit_code)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OUR_PACKAGES or not package:
            raise
        install = install_command(MISSING_EXTRAS.get(package))
        needs = f"{error.name} is not installed for {sys.executable}, and this command needs it: {install}"
        _refuse(needs, Problem.NOT_INSTALLED)
        sys.exit(TouchdownError.exit_code)
    sys.exit(result if isinstance(result, int) else 0)


def _refuse(text: str, problem: Problem) -> None:
    click.echo(printable(redact(f"error: {with_code(text, problem.value)}")), err=True)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints the traceback of a bug, without secrets."""
    if isinstance(error, Exception):
        words = "this is a fault of Touchdown, not of what it was given; please report it"
        click.echo(with_code(words, Problem.FAULT.value), err=True)
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        _crashed(args.exc_type, args.exc_value, args.exc_traceback)


def main() -> None:
    """Entry point of ``touchdown``."""
    run(cli, "touchdown")


def trainer() -> None:
    """Entry point of ``trainer``, alone."""
    run(importlib.import_module("trainer.cli").cli, "trainer")


def edge() -> None:
    """Entry point of ``edge``, alone."""
    run(importlib.import_module("edge.cli").cli, "edge")
