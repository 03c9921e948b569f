"""`trainer data import`: takes the exports of labelling tools. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from landing.progress import Progress, say
from landing.terminal import printable_lines
from trainer.importers.convert import ImportReport, convert, require_new
from trainer.importers.export import ExportFolder, first_of
from trainer.importers.forms import FORMS, form_of
from trainer.importers.plan import ImportChoice, make_plan

_COVERED_SHOWN = 4
_LEAST_COVERED = 0.001
"""Share of the labelled pixels from which overlaps of two classes are worth a line."""


@click.command(name="import")
@click.argument("form", type=click.Choice(("auto", *FORMS)))
@click.argument("export", metavar="FOLDER")
@click.option("--out", required=True, metavar="DIR", help="Folder of the new data set; it must not exist.")
@click.option("--images", default="", metavar="DIR", help="Where the pictures are, if not in FOLDER.")
@click.option(
    "--taxonomy", default="", metavar="NAME|FILE", help="Take classes, ids and roles from here, by name; no guesses."
)
@click.option(
    "--unlabelled", default="", metavar="CLASS", help="Class of what nobody labelled; without it, it is left out."
)
@click.option(
    "--exif-turn",
    type=click.Choice(("apply", "ignore")),
    help="Labels fit pictures as their EXIF turns them, or as stored.",
)
@click.option(
    "--skip",
    multiple=True,
    type=click.Choice(("missing", "shapeless")),
    help="Leave out pictures that are missing, or objects without an area (points, lines) or a pixel (hidden).",
)
@click.option("--threads", default=0, show_default=True, help="Threads; 0: one per core.")
def import_command(
    form: str,
    export: str,
    out: str,
    images: str,
    taxonomy: str,
    unlabelled: str,
    exif_turn: Literal["apply", "ignore"] | None,
    skip: tuple[str, ...],
    threads: int,
) -> None:
    """Make a data set of a labelling tool's export: draw the labels, guess each class's role.

    FORM: cvat (CVAT for images 1.1), voc (masks with labelmap.txt, as CVAT's Segmentation mask 1.1), coco, labelme,
    roboflow, label-studio, supervisely, or auto. FOLDER is the unpacked export.

    Pictures are linked (hard links) where the file system can, else copied; what EXIF turns is written anew, upright.

    Roles are guessed from names and marked with `?` in taxonomy.toml. Training refuses guesses: look at the pictures
    (`trainer data check DIR --pictures`), correct the roles, and take each `?` away.
    """
    target = Path(out)
    require_new(target)
    choice = ImportChoice(taxonomy, unlabelled, exif_turn, skip)
    opened = ExportFolder(Path(export), Path(images) if images else None)
    name, file = form_of(form, opened)
    if form == "auto":
        say(f"{export} is taken for {FORMS[name].title}, by {file}")
    foreign = FORMS[name].read(opened)
    plan = make_plan(foreign, opened, target.absolute().name, choice)
    with Progress("importing", len(plan.pictures)) as progress:
        report = convert(foreign, plan, target, choice, progress.step, threads)
    for line in import_lines(report, choice, out):
        click.echo(printable_lines(line))


def import_lines(report: ImportReport, choice: ImportChoice, out: str) -> list[str]:
    """Return the lines of a report."""
    written = ", ".join(f"{count} {how}" for how, count in sorted(report.written.items()))
    lines = [f"{out}: {report.written.total()} pictures, {written}"]
    if report.turned:
        lines.append(f"{report.turned} of them are turned as their EXIF says, and so are their labels")
    if report.empty:
        lines.append(f"{report.empty} pictures have nothing labelled and are left out")
    if report.missing:
        lines.append(f"{report.missing} pictures are not there and are left out")
    lines += report.notes
    total = int(report.pixels.sum()) + (0 if choice.unlabelled else report.unlabelled)
    share = report.unlabelled / max(1, total)
    fate = (
        f"they are {choice.unlabelled!r}" if choice.unlabelled else "left out of training; --unlabelled CLASS says so"
    )
    lines.append(f"not labelled: {share:.1%} of the pixels, {fate}")
    overlaps = [
        f"{over} over {under} {pixels} px"
        for (under, over), pixels in report.covered.most_common(_COVERED_SHOWN)
        if pixels >= _LEAST_COVERED * total
    ]
    if overlaps:
        lines.append(f"objects that lie on each other: {', '.join(overlaps)}")
    lines.append(f"{'class':<20} {'role':<10} {'pixels':>13} {'share':>7} {'pictures':>9}")
    for c in report.taxonomy.classes:
        pixels = int(report.pixels[c.id])
        lines.append(
            f"{c.name:<20} {c.role.value + '?' * c.guessed:<10} {pixels:>13} {pixels / max(1, total):>7.2%} "
            f"{int(report.pictures[c.id]):>9}"
        )
    guesses = [c.name for c in report.taxonomy.classes if c.guessed]
    if guesses:
        lines.append(
            f"roles with ? are guesses, of {first_of(guesses)}: look at `touchdown trainer data check {out} --pictures "
            f"{out}-sheet`, correct the roles in {out}/taxonomy.toml, take each ? away, then train"
        )
    return lines
