"""`export verify`, `export bench`, `export info`: what is known and measured of a model file."""

from __future__ import annotations

import click


@click.command(name="info")
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def info_command(model: str, as_json: bool) -> None:
    """Print what a model file says of itself, and what its graph holds."""
    from export.info import Info

    info = Info.of(model)
    click.echo(info.to_json() if as_json else info.describe())
