"""`python -m export`."""

import sys

import click

from landing.errors import TouchdownError
from export.cli import cli

if __name__ == "__main__":
    try:
        cli(prog_name="export")
    except TouchdownError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
