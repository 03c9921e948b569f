"""`touchdown models`: what is shipped, where it is, and its card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from landing.ground.scale import metres_down
from landing.reading import take_name
from landing.terminal import printable
from touchdown.models import store
from touchdown.models.registry import LENS_DEG, ShippedModel, load_registry


@click.group(name="models")
def cli() -> None:
    """Shipped models: which there are, may I sell with them, and where their files are."""


@cli.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_models(as_json: bool) -> None:
    """List the shipped models."""
    found = [(entry, store.find(entry)) for entry in load_registry().models]
    if as_json:
        rows = [{**entry.model_dump(mode="json"), "path": None if path is None else str(path)} for entry, path in found]
        click.echo(json.dumps({"models": rows}, indent=2))
        return
    table: list[tuple[str, ...]] = [("name", "may I sell?", "input", "up to", "size", "file", "for")]
    table += [_words(entry, path) for entry, path in found]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    click.echo(f"up to: height above ground with a lens of {LENS_DEG:g} degrees that looks straight down")


def _words(entry: ShippedModel, path: Path | None) -> tuple[str, ...]:
    facts = entry.known()
    width_px, height_px = facts.input_px
    return (
        entry.name,
        entry.sell,
        f"{width_px}x{height_px}",
        "not said" if facts.highest_m is None else f"{metres_down(facts.highest_m)} m",
        f"{facts.size_bytes / 1e6:.1f} MB",
        f"touchdown models get {entry.name}" if path is None else printable(str(path)),
        entry.use,
    )


@cli.command()
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the file.")
@click.option("--from", "base", metavar="URL", help="Folder of the assets, https; default: this version's release.")
@click.option(
    "--limit-s", default=600.0, show_default=True, type=click.FloatRange(1, 86400), help="Longest time, seconds."
)
def get(name: str, out: Path | None, base: str | None, limit_s: float) -> None:
    """Print the path of a model's file; download it where it is not on this machine.

    A file in a checkout or in the user's folder (~/.local/share/touchdown/models) is taken when its digest is right.
    """
    registry = load_registry()
    entry = registry.entry(name)
    target = None if out is None else out / entry.file
    path = store.find(entry, out)
    if path is None:
        path = target or store.user_folder() / entry.file
        address = store.address_of(entry, registry, base)
        store.download(entry, address, path, lambda line: click.echo(printable(line), err=True), limit_s)
    elif target is not None and target.resolve() != path.resolve():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(path, part)
        take_name(part, target)
        path = target
    click.echo(path)
    if entry.sell == "no":
        click.echo(
            f"note: {entry.name} may not be used in what you sell: `touchdown models card {entry.name}`", err=True
        )


@cli.command()
@click.argument("name")
def card(name: str) -> None:
    """Print a model's card: what it is for, what it is bad at, its licence and its figures."""
    click.echo(load_registry().entry(name).card(), nl=False)
