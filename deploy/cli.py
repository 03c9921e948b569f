"""The command line of bundles. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

import click

from deploy.cli_drone import install, list_command, prune, rollback, settle
from deploy.cli_workstation import bundle, first_day, keygen, push, wheels


@click.group(name="deploy")
def cli() -> None:
    """Put model, configuration and software onto a drone: signed, whole or not at all.

    Workstation: keygen once, then wheels, bundle, push; first-day rehearses. Drone: install, list, rollback, prune.
    """


for command in (keygen, wheels, bundle, first_day, push, install, list_command, rollback, prune, settle):
    cli.add_command(command)
