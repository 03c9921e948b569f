"""Writes an export as a data set: `images/`, `labels/`, `taxonomy.toml`, and `split.csv` where the tool has parts.

The folder appears whole or not at all. Pictures are linked (hard links) where the file system can, else copied; those
with an EXIF turn, and kinds that training does not read, are written anew.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.picture_files import (
    decode,
    format_of,
    orientation_of,
    read_header,
    read_picture_bytes,
    require_picture,
    size_of,
    upright,
)
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.known_layouts import sequence_of
from trainer.data.layouts import SPLIT_FILE, TAXONOMY_FILE
from trainer.data.samples import IGNORE, Sample, decode_image
from trainer.data.splitfile import write_split_file
from trainer.importers.canvas import VOID, LabelCanvas, Outline, Patch, Region
from trainer.importers.export import first_of
from trainer.importers.foreign import ForeignSet
from trainer.importers.plan import ImportChoice, ImportPlan, PlannedPicture, renumbered
from trainer.threads import in_order

_SUFFIX_OF = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif"}
"""Kinds of pictures that training reads as they are."""


@dataclass
class ImportReport:
    """Figures of an import.

    Attributes:
        taxonomy: Classes.
        pixels: Of each class, (256,).
        pictures: With each class, (256,).
        written: Pictures by how they were taken: "linked", "copied", "written anew".
        turned: Pictures that were turned as their EXIF says.
        unlabelled: Pixels that nobody labelled.
        empty: Pictures without anything labelled, left out.
        missing: Pictures that were not there, left out.
        covered: Pixels of a class (first) drawn over by another one (second).
        notes: Sentences for the user.
    """

    taxonomy: Taxonomy
    pixels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    pictures: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    written: Counter[str] = field(default_factory=Counter)
    turned: int = 0
    unlabelled: int = 0
    empty: int = 0
    missing: int = 0
    covered: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Drawn:
    """One picture that was converted; `how` is empty for one with nothing labelled."""

    how: str = ""
    turned: bool = False
    unlabelled: int = 0
    counts: npt.NDArray[np.int64] | None = None
    covered: Counter[tuple[int, int]] = field(default_factory=Counter)


def convert(
    foreign: ForeignSet,
    plan: ImportPlan,
    out: Path,
    choice: ImportChoice,
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> ImportReport:
    """Draw all label maps and write the data set; `done` is called for each picture.

    Raises:
        DataError: A picture or its labels cannot be taken, or the folder cannot be written.
    """
    report = ImportReport(plan.taxonomy, empty=plan.empty, missing=plan.missing, notes=list(foreign.notes))
    problems: list[str] = []
    kept: list[PlannedPicture] = []
    with _new_folder(out) as folder:
        job = _Job(foreign, plan, folder, choice)

        def one(picture: PlannedPicture) -> _Drawn | DataError:
            try:
                return job.convert(picture)
            except DataError as error:
                return error

        for picture, drawn in zip(plan.pictures, in_order(one, plan.pictures, threads), strict=True):
            done()
            if isinstance(drawn, DataError):
                problems.append(str(drawn))
            elif _counted(report, drawn):
                kept.append(picture)
        if problems:
            more = f" (and {len(problems) - 1} more pictures have problems)" if len(problems) > 1 else ""
            raise DataError(problems[0] + more)
        if not kept:
            raise DataError("nothing is labelled in any picture, but for background")
        if not choice.taxonomy:
            _drop_absent(report, folder)
        (folder / TAXONOMY_FILE).write_text(report.taxonomy.to_toml(), "utf-8")
        if any(p.foreign.part or p.foreign.group for p in kept):
            samples = [Sample(p.name, p.foreign.group or sequence_of(p.name), out, out) for p in kept]
            write_split_file(folder / SPLIT_FILE, samples, {p.name: p.foreign.part for p in kept})
    return report


def _counted(report: ImportReport, drawn: _Drawn) -> bool:
    if drawn.counts is None:
        report.empty += 1
        return False
    report.written[drawn.how] += 1
    report.turned += drawn.turned
    report.unlabelled += drawn.unlabelled
    report.pixels += drawn.counts
    report.pictures += drawn.counts > 0
    names = report.taxonomy.classes
    for (under, over), pixels in drawn.covered.items():
        report.covered[names[under].name, names[over].name] += pixels
    return True


def _drop_absent(report: ImportReport, folder: Path) -> None:
    """Take classes that no picture shows out of a taxonomy of guesses, and number the others anew."""
    kept = [c for c in report.taxonomy.classes if report.pixels[c.id]]
    absent = [c.name for c in report.taxonomy.classes if not report.pixels[c.id]]
    if not absent:
        return
    report.notes.append(f"{len(absent)} classes that no picture shows are left out: {first_of(absent, 8)}")
    table = np.full(256, IGNORE, np.uint8)
    table[[c.id for c in kept]] = range(len(kept))
    report.taxonomy = renumbered(report.taxonomy, kept)
    for counts in (report.pixels, report.pictures):
        counts[: len(kept)] = counts[[c.id for c in kept]]
        counts[len(kept) :] = 0
    for path in (folder / "labels").iterdir():
        ids = decode(path.read_bytes(), cv2.IMREAD_UNCHANGED)
        assert ids is not None
        path.write_bytes(cv2.imencode(".png", table[ids])[1].tobytes())


def require_new(out: Path) -> None:
    """Refuse a folder that has anything in it.

    Raises:
        DataError: It has, or it is no folder.
    """
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise DataError(f"{out} exists and is not overwritten: choose another --out, or remove it first")


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Yield a hidden folder that takes its name when all is well."""
    require_new(out)
    folder = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}")
    try:
        for part in ("images", "labels"):
            (folder / part).mkdir(parents=True)
        yield folder
        if out.exists():
            out.rmdir()
        folder.rename(out)
    except OSError as error:
        raise DataError(f"folder {out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Job:
    """Converts single pictures; used by several threads."""

    def __init__(self, foreign: ForeignSet, plan: ImportPlan, folder: Path, choice: ImportChoice) -> None:
        self._foreign = foreign
        self._plan = plan
        self._folder = folder
        self._exif = choice.exif_turn
        self._skips_shapeless = "shapeless" in choice.skip

    def convert(self, picture: PlannedPicture) -> _Drawn:
        """Write one picture and its label map.

        Raises:
            DataError: It cannot be taken.
        """
        source = _SourcePicture(picture)
        turned = self._is_turned(source, picture.foreign.size_wh)
        canvas = LabelCanvas(
            source.size_wh[::-1] if turned and source.orientation > 4 else source.size_wh, self._plan.id_of
        )
        for region in picture.foreign.regions:
            region.draw(canvas)
        ids = canvas.ids
        if not self._skips_shapeless:
            _require_all_shown(picture.foreign.regions, ids, self._plan.id_of, source.origin)
        if not (ids < VOID).any():
            return _Drawn()
        unlabelled = ids == IGNORE
        ids[unlabelled] = self._plan.unlabelled_id
        ids[ids == VOID] = IGNORE
        counts = np.bincount(ids.reshape(-1), minlength=256)
        counts[VOID:] = 0
        ok, png = cv2.imencode(".png", ids)
        (self._folder / "labels" / f"{picture.name}.png").write_bytes(png.tobytes() if ok else b"")
        how = source.write(self._folder / "images" / picture.name, turned)
        return _Drawn(how, turned, int(np.count_nonzero(unlabelled)), counts, canvas.covered)

    def _is_turned(self, source: _SourcePicture, said_wh: tuple[int, int] | None) -> bool:
        """Tell whether labels fit the picture as its EXIF turns it, by their size, the form, or the user."""
        stored = source.size_wh
        shown = stored[::-1] if source.orientation > 4 else stored
        said = said_wh or shown
        if said not in (stored, shown):
            also = f", {shown[0]}x{shown[1]} as its EXIF turns it" if shown != stored else ""
            raise DataError(
                f"{source.origin} has {stored[0]}x{stored[1]} pixels{also}, its labels are for {said[0]}x{said[1]}: "
                "give the pictures that were labelled, at their size"
            )
        if source.orientation == 1:
            return False
        if shown != stored and said_wh is not None:
            return said == shown
        way = {"apply": True, "ignore": False, None: self._foreign.shown_turned}[self._exif]
        if way is None:
            raise DataError(
                f"{source.origin} is to be turned by its EXIF (orientation {source.orientation}), and nothing says "
                "whether its labels are for the turned picture: say --exif-turn apply, or --exif-turn ignore"
            )
        return way


def _require_all_shown(regions: Sequence[Region], ids: ByteArray, id_of: Mapping[str, int], origin: str) -> None:
    """Refuse a label map that has no pixel of a class of which objects were drawn.

    Raises:
        DataError: They lie below others, outside of the picture, or between the middles of pixels.
    """
    drawn = [region.label for region in regions if isinstance(region, (Outline, Patch))]
    shown = set(np.flatnonzero(np.bincount(ids.reshape(-1), minlength=256)).tolist())
    lost = [label for label in dict.fromkeys(drawn) if id_of[label] < VOID and id_of[label] not in shown]
    if lost:
        raise DataError(
            f"{origin}: {drawn.count(lost[0])} objects of {lost[0]!r} have no pixel: they lie wholly below others, "
            "outside, or are smaller than a pixel; bring them to the front in the tool, or give --skip shapeless"
        )


class _SourcePicture:
    """A picture of the export: a file, or bytes in the annotations."""

    def __init__(self, picture: PlannedPicture) -> None:
        self._path = picture.path
        self._data = b""
        self.origin = f"picture {picture.path or picture.foreign.said}"
        if picture.path is not None:
            head = read_header(picture.path, "picture", DataError)
        else:
            assert picture.foreign.embedded is not None
            head = self._data = picture.foreign.embedded()
            require_picture(head, self.origin, DataError)
        self.size_wh = size_of(head)
        self.orientation = orientation_of(head)
        self._suffix = _SUFFIX_OF.get(format_of(head), "")

    def write(self, stem: Path, turned: bool) -> str:
        """Write the picture under a path without suffix; returns the way it was taken."""
        target = stem.with_name(stem.name + (self._suffix or ".png"))
        if self._suffix and self.orientation == 1:
            if self._path is None:
                target.write_bytes(self._data)
                return "copied"
            return _link(self._path.resolve(), target)
        data = self._data or read_picture_bytes(self._path or "", "picture", DataError)
        image = decode_image(data, self.origin.removeprefix("picture "))
        if turned:
            image = upright(image, self.orientation)
        ok, encoded = cv2.imencode(target.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        if not ok:
            raise DataError(f"{self.origin} cannot be written as {target.suffix[1:]}")
        target.write_bytes(encoded.tobytes())
        return "written anew"


def _link(source: Path, target: Path) -> str:
    try:
        os.link(source, target)
        return "linked"
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
        return "copied"
