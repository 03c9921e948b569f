"""`python -m export`."""

import sys

import click

from export.cli import cli
from landing.errors import TouchdownError
from landing.problems import with_code

if __name__ == "__main__":
    try:
        cli(prog_name="export")
    except TouchdownError as error:
        click.echo(f"error: {with_code(str(error), error.problem.value)}", err=True)
        sys.exit(error.exit_code)
