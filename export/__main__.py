"""`python -m export`."""

import sys

import click

from export.cli import cli
from landing.errors import TouchdownError

if __name__ == "__main__":
    try:
        cli(prog_name="export")
    except TouchdownError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
