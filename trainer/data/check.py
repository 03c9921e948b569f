"""Checks every file of a data set and lists all faults, not only the first."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.picture_files import read_picture_bytes
from landing.taxonomy import GUESS, Taxonomy
from trainer.data.findings import ERRORS, NOTES, DataFinding, below
from trainer.data.layouts import FoundLayout
from trainer.data.pairs import PairedFiles
from trainer.data.samples import FolderSet, Sample, decode_image
from trainer.data.splitfile import SplitTable
from trainer.data.survey import Asked, Survey, survey
from trainer.data.turns import PictureFacts
from trainer.threads import in_order

RARE_PICTURES = 3
"""A class in fewer pictures than this is hardly there."""

_COPIES_SHOWN = 5


@dataclass
class DataReport:
    """Result of a check: findings by kind and file, sizes of pictures, pixels and pictures of each class.

    `lines` say what was decided of the whole set. `unknown` has the pixels and files of each label value, or RGB
    colour, without a class. `data` reads it as it was decided; `largest` are the numbers of its samples with most of
    each class.
    """

    name: str
    taxonomy: Taxonomy
    data: FolderSet
    label_format: str
    pictures: int
    lines: tuple[str, ...] = ()
    findings: list[DataFinding] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    class_pixels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    class_pictures: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)
    largest: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of each kind that occurs."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in (*ERRORS, *NOTES) if found[kind]}

    @property
    def valid(self) -> bool:
        """True if there is no error; notes do not count."""
        return not any(finding.kind in ERRORS for finding in self.findings)

    def classes(self) -> list[dict[str, Any]]:
        """Return a row for each class: name, role, pixels, share of labelled pixels, pictures."""
        total = max(1, int(self.class_pixels[: len(self.taxonomy)].sum()))
        return [
            {
                "id": c.id,
                "name": c.name,
                "role": c.role.value + GUESS * c.guessed,
                "pixels": int(self.class_pixels[c.id]),
                "share": int(self.class_pixels[c.id]) / total,
                "pictures": int(self.class_pictures[c.id]),
            }
            for c in self.taxonomy.classes
        ]

    def to_mapping(self) -> dict[str, Any]:
        """Return the whole report, for JSON."""
        return {
            "name": self.name,
            "taxonomy": self.taxonomy.name,
            "label_format": self.label_format,
            "decisions": list(self.lines),
            "pictures": self.pictures,
            "valid": self.valid,
            "counts": self.counts,
            "findings": [vars(finding) for finding in self.findings],
            "sizes": dict(self.sizes),
            "unknown_labels": {
                value: {"pixels": pixels, "files": files} for value, (pixels, files) in self.unknown.items()
            },
            "classes": self.classes(),
        }


def check_folder(
    found: FoundLayout,
    table: SplitTable | None = None,
    asked: Asked = Asked(),  # noqa: B008  # a frozen value
    done: Callable[[], None] = lambda: None,
    *,
    threads: int = 0,
    pairs: PairedFiles | None = None,
    absent: str = "refuse",
) -> DataReport:
    """Reads every file of a data set; files that cannot be read are findings, never errors.

    With a split table, pictures in two parts or in none are findings, too. `done` is called for each pair that was
    read. Classes that no picture shows are notes if `absent` is "allow", or the taxonomy is built in.

    Raises:
        DataError: A folder cannot be read.
    """
    pairs = pairs or found.pairs()
    facts = survey(pairs, found.taxonomy, found.base, asked, found.class_list, threads=threads)
    report = _report_of(facts, found, pairs)
    digests = _decode_all(report, facts, found.base, threads, done)
    part_of = dict(table.part_of) if table is not None and table.part_of else pairs.part_of
    report.findings += _duplicates(pairs.samples, digests, part_of)
    if table is not None and table.part_of:
        names = {sample.name for sample in pairs.samples}
        listed = set(table.part_of)
        report.findings += [DataFinding("not in the split", n) for n in sorted(names - listed)]
        report.findings += [DataFinding("only in the split", n) for n in sorted(listed - names)]
    report.findings += _rare(report, facts.absent, absent)
    return report


def _report_of(facts: Survey, found: FoundLayout, pairs: PairedFiles) -> DataReport:
    """Report of what a survey saw; pictures are not decoded yet."""
    report = DataReport(
        found.base.resolve().name,
        found.taxonomy,
        FolderSet(
            found.name,
            found.taxonomy,
            pairs.samples,
            facts.reading.reading,
            unknown="ignore",
            exif_turn=facts.turn.turn,
        ),
        facts.reading.reading,
        pairs.images,
        tuple(line for line in (found.evidence, *facts.lines) if line),
        list(facts.findings),
        class_pixels=facts.class_pixels,
        class_pictures=facts.class_pictures,
        unknown=facts.unknown,
        largest=facts.largest,
    )
    report.findings += [
        DataFinding("role not confirmed", c.name, c.role.value + GUESS) for c in found.taxonomy.classes if c.guessed
    ]
    return report


def _decode_all(report: DataReport, facts: Survey, base: Path, threads: int, done: Callable[[], None]) -> list[str]:
    """Decode every picture for the report; return their digests, empty where one cannot be read."""

    def one(picture: PictureFacts) -> tuple[str, str]:
        return _decoded(picture, base)

    digests = []
    for picture, (digest, problem) in zip(facts.pictures, in_order(one, facts.pictures, threads), strict=True):
        digests.append(digest)
        if problem:
            report.findings.append(DataFinding("unreadable picture", below(picture.path, base), problem))
        elif not picture.problem:
            width, height = picture.shown_wh(facts.turn.turn)
            report.sizes[f"{width}x{height}"] += 1
        done()
    return digests


def _decoded(picture: PictureFacts, base: Path) -> tuple[str, str]:
    """Digest of a picture's bytes, and what is wrong with its pixels."""
    if picture.problem:
        return "", ""
    try:
        data = read_picture_bytes(picture.path, "picture", DataError)
        decode_image(data, below(picture.path, base))
    except DataError as error:
        return "", str(error)
    return hashlib.sha256(data).hexdigest(), ""


def _duplicates(samples: tuple[Sample, ...], digests: list[str], part_of: Mapping[str, str]) -> list[DataFinding]:
    same: dict[str, list[str]] = defaultdict(list)
    for sample, digest in zip(samples, digests, strict=True):
        if digest:
            same[digest].append(sample.name)
    findings = []
    for names in (n for n in same.values() if len(n) > 1):
        parts = sorted({part_of.get(name, "") for name in names} - {""})
        kind = "same picture in two parts" if len(parts) > 1 else "same picture twice"
        where = ", ".join(f"{n} ({part_of[n]})" if part_of.get(n) else n for n in names[1:_COPIES_SHOWN])
        where += f" and {len(names) - _COPIES_SHOWN} more" if len(names) > _COPIES_SHOWN else ""
        findings.append(DataFinding(kind, names[0], f"as {where}"))
    return findings


def _rare(report: DataReport, lacking: tuple[str, ...], absent: str) -> list[DataFinding]:
    kind = "absent class" if absent == "refuse" and not report.taxonomy.is_builtin else "class not shown"
    findings = [DataFinding(kind, name, f"0 of {report.pictures} pictures") for name in lacking]
    return findings + [
        DataFinding("class hardly there", row["name"], f"{row['pictures']} pictures, {row['pixels']} px")
        for row in report.classes()
        if row["role"] != "ignore" and 0 < row["pictures"] < min(RARE_PICTURES, report.pictures)
    ]
