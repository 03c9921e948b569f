"""`trainer data`: check, split, prepare and shard labelled pictures. No torch here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import click
import cv2

from landing.errors import DataError
from landing.progress import Progress, say
from landing.terminal import printable
from trainer.data.choice import asked_of, open_and_split, open_data
from trainer.data.findings import ERRORS, NOTES
from trainer.data.layouts import SPLIT_FILE, FoundLayout, find_folder_pair, find_layout
from trainer.data.prepared import prepare
from trainer.data.samples import LabeledSet
from trainer.data.shards import ShardedSet, is_sharded
from trainer.data.splitfile import PARTS, SplitTable, read_split_file, write_split_file
from trainer.import_cli import import_command
from trainer.options import SIZE, data_choice, reading_options, split_options
from trainer.recipe import DataChoice

REMEDIES = ERRORS | NOTES

_SHOWN = 10
"""Findings of each kind that are printed."""

_folders = click.argument("folders", nargs=-1, metavar="DIR...")


@click.group(name="data")
def data() -> None:
    """Labelled pictures: find what is wrong, split, decode once, cut into shards."""


data.add_command(import_command)


@data.command(name="check")
@_folders
@click.option("--threads", default=0, show_default=True, help="Reading threads; 0: one per core.")
@click.option("--all", "show_all", is_flag=True, help=f"Print all findings, not {_SHOWN} a kind.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--pictures", "sheets", default="", metavar="PNG|DIR", help="Write contact sheets: masks over pictures, each class."
)
@split_options
def check_command(
    folders: tuple[str, ...], threads: int, show_all: bool, as_json: bool, sheets: str, **options: Any
) -> int:
    """Read every file and list all that is wrong, with its remedy; exit 2 if something is.

    Missing partners, wrong sizes, turned pictures, labels without a class, absent classes, unreadable, compressed and
    cut-off files, pictures with nothing labelled, the same picture in two parts, and how often each class occurs. The
    first lines say how label maps are read, and from what evidence.
    """
    from trainer.data.check import check_folder

    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # a damaged file is a finding, not a line of OpenCV's
    reports = []
    choice = data_choice(folders, dict(options))
    for opened, table in _to_check(choice):
        pairs = opened.pairs()
        with Progress(f"checking {opened.base.name}", len(pairs.samples)) as progress:
            report = check_folder(
                opened,
                table,
                asked_of(choice),
                progress.step,
                threads=threads,
                pairs=pairs,
                absent=choice.absent_classes,
            )
            reports.append(report)
    pages = []
    for number, report in enumerate(reports, 1):
        if sheets:
            from trainer.contact_sheet import write_sheets

            target = Path(sheets)
            pages += write_sheets(
                report, target.with_name(f"{target.stem}-of-{number}{target.suffix}") if number > 1 else target
            )
    if as_json:
        click.echo(json.dumps([report.to_mapping() for report in reports], indent=2))
    else:
        for report in reports:
            for line in _lines(report, None if show_all else _SHOWN):
                click.echo(printable(line))
        if pages:
            click.echo(f"contact sheets: {', '.join(map(str, pages))}")
    return 0 if all(report.valid for report in reports) else 2


def _to_check(choice: DataChoice) -> list[tuple[FoundLayout, SplitTable | None]]:
    folders = choice.folders
    tables = [read_split_file(Path(path), choice.split_column) for path in choice.split_files]
    if tables and len(tables) != len(folders) + bool(choice.images):
        raise DataError("give one --split for each folder to check")
    for folder in folders:
        if is_sharded(folder):
            opened = ShardedSet(folder)
            raise DataError(
                f"{folder} holds shards of {opened.name}, checked when written: check what they are made of"
            )
    found = [find_layout(Path(folder), choice.layout, choice.taxonomy, guesses=True) for folder in folders]
    if choice.images:
        found.append(find_folder_pair(Path(choice.images), Path(choice.labels), choice.taxonomy))
    if not found:
        raise click.UsageError("name at least one folder to check")
    pairs: list[tuple[FoundLayout, SplitTable | None]] = []
    for number, item in enumerate(found):
        table = tables[number] if tables else None
        if table is None and os.path.lexists(item.base / SPLIT_FILE):
            table = read_split_file(item.base / SPLIT_FILE)
        pairs.append((item, table))
    return pairs


def _lines(report: Any, shown: int | None) -> list[str]:
    sizes = ", ".join(f"{size} ({count})" for size, count in report.sizes.most_common(4))
    lines = [
        f"{report.name}: {report.pictures} pictures, taxonomy {report.taxonomy.name}, labels by "
        f"{report.label_format}; sizes {sizes or 'unknown'}"
    ]
    lines += report.lines
    for kind, count in report.counts.items():
        lines.append(f"{kind}: {count}; {REMEDIES[kind]}")
        same = [finding for finding in report.findings if finding.kind == kind]
        lines += [f"  {f.file}" + (f": {f.detail}" if f.detail else "") for f in same[:shown]]
        if shown is not None and count > shown:
            lines.append(f"  ... and {count - shown} more (--all)")
    strays = sorted(report.unknown.items(), key=lambda item: -item[1][0])
    lines += [f"label {value} has no class: {pixels} px in {files} files" for value, (pixels, files) in strays[:shown]]
    if shown is not None and len(strays) > shown:
        lines.append(f"... and {len(strays) - shown} more labels without a class (--all)")
    lines.append(f"{'class':<20} {'role':<9} {'pixels':>13} {'share':>7} {'pictures':>9}")
    lines += [
        f"{row['name']:<20} {row['role']:<9} {row['pixels']:>13} {row['share']:>7.2%} {row['pictures']:>9}"
        for row in report.classes()
    ]
    lines.append("valid" if report.valid else "NOT valid: see above")
    return lines


def _say_remarks(opened: LabeledSet) -> None:
    for line in opened.remarks:
        say(line)


def _shares(_ctx: Any, _param: Any, value: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in value.split(","))
    except ValueError:
        shares = ()
    if len(shares) != 3:
        raise click.BadParameter(f"{value!r}: expected three shares, such as 0.75,0.1,0.15")
    return shares


@data.command(name="split")
@_folders
@click.option("--out", required=True, metavar="CSV", help="File to write: id, split, group.")
@click.option(
    "--shares", default="0.75,0.1,0.15", show_default=True, callback=_shares, help="Shares of train, val and test."
)
@click.option(
    "--groups", default="", metavar="CSV", help="Columns id and group (or scene_group), instead of the layout's."
)
@click.option("--seed", default=0, show_default=True, help="Another one gives another split.")
@click.option(
    "--random", "random_", is_flag=True, help="Draw single pictures, not whole scenes: this leaks, and flatters."
)
@reading_options
@click.option("--layout", default="auto", show_default=True, help="As for trainer fit.")
@click.option("--taxonomy", default="", metavar="NAME|FILE", help="As for trainer fit.")
def split_command(
    folders: tuple[str, ...],
    out: str,
    shares: tuple[float, float, float],
    groups: str,
    seed: int,
    random_: bool,
    **options: Any,
) -> None:
    """Split pictures into train, val and test, in whole scenes, and write that to a file."""
    from trainer.data.splits import Split, assign

    if Path(out).exists():
        raise DataError(f"{out} exists; splits are not overwritten, choose another --out")
    opened = open_data(data_choice(folders, options))
    _say_remarks(opened)
    samples = opened.samples
    if groups:
        table = read_split_file(Path(groups), "")
        lacking = [s.name for s in samples if not table.group_of.get(s.name)]
        if lacking:
            raise DataError(f"{groups} has no group for {len(lacking)} pictures, as {lacking[0]}")
        samples = table.regrouped(samples)
    part_of = assign(samples, shares, seed, by_group=not random_)
    write_split_file(Path(out), samples, part_of)
    train, val, test = (tuple(sample for sample in samples if part_of[sample.name] == part) for part in PARTS)
    say(f"wrote {out}: {Split(train, val, test, unused=0).describe()}")
    if random_:
        say(
            "warning: a random split leaks: neighbouring frames of one scene are in training and "
            "test, so figures on it flatter; report a scene split first"
        )


@data.command(name="prepare")
@_folders
@click.option("--out", required=True, metavar="DIR", help="Folder of the prepared data set.")
@click.option("--size", type=SIZE, required=True, help="Greatest size kept, pixels: 1.25 times the network's input.")
@click.option("--threads", default=0, show_default=True, help="Decoding threads; 0: one per core.")
@split_options
def prepare_command(folders: tuple[str, ...], out: str, size: tuple[int, int], threads: int, **options: Any) -> None:
    """Decode and shrink every picture once, into a folder of the plain layout that --data opens.

    Goes on where it was interrupted, and does again only what has changed.
    """
    choice = data_choice(folders, options)
    opened = open_data(choice)
    _say_remarks(opened)
    with Progress("preparing", len(opened.samples)) as progress:
        prepare(opened, Path(out), size, progress.step, threads)
    used = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    loose = [w for s in opened.samples if (w := opened.ground_width(s)) is not None and w.least_m != w.greatest_m]
    if loose:
        least_m, greatest_m = min(w.least_m for w in loose), max(w.greatest_m for w in loose)
        say(f"a copy states no assumed ground: train with --ground-width-m {least_m:g},{greatest_m:g}")
    say(
        f"{out}: {len(opened.samples)} pictures of {opened.name} up to {size[0]}x{size[1]}, "
        f"{used / 1e9:.2f} GB; train with --data {out}"
    )


@data.command(name="shard")
@_folders
@click.option("--out", required=True, metavar="DIR", help="Folder of the shards.")
@click.option("--size", type=SIZE, required=True, help="Greatest size kept, pixels.")
@click.option("--shard-mb", default=256.0, show_default=True, help="Size of a shard, 10^6 bytes.")
@click.option(
    "--picture",
    type=click.Choice(("jpg", "png")),
    default="jpg",
    show_default=True,
    help="jpg at quality 95, or png without loss.",
)
@click.option("--threads", default=0, show_default=True, help="Encoding threads; 0: one per core.")
@split_options
def shard_command(
    folders: tuple[str, ...],
    out: str,
    size: tuple[int, int],
    shard_mb: float,
    picture: Literal["jpg", "png"],
    threads: int,
    **options: Any,
) -> None:
    """Cut the parts of a split into WebDataset shards, to be streamed in training."""
    from trainer.data.shards import write_shards

    choice = data_choice(folders, options)
    opened, split = open_and_split(choice)
    _say_remarks(opened)
    total = len(split.train) + len(split.val) + len(split.test)
    with Progress("sharding", total) as progress:
        shards = write_shards(
            opened, split, Path(out), size, shard_mb=shard_mb, picture=picture, done=progress.step, threads=threads
        )
    counts = ", ".join(f"{part} {count}" for part, count in shards.items())
    say(f"{out}: {total} pictures, shards: {counts}; train with --data {out}")
