"""Checks every file of a data set and lists all faults, not only the first."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.pictures import read_picture_bytes
from landing.taxonomy import GUESS, Taxonomy
from landing.types import ByteArray
from trainer.data.layouts import FoundLayout
from trainer.data.pairs import PairedFiles
from trainer.data.samples import IGNORE, LabelFormat, Sample, decode_image, decode_labels, stored_labels
from trainer.data.splitfile import SplitTable

ERRORS = (
    "no pictures",
    "picture without label map",
    "label map without picture",
    "name used twice",
    "unreadable picture",
    "unreadable label map",
    "label map of another size",
    "unknown labels",
    "nothing labelled",
    "role not confirmed",
    "same picture in two parts",
    "not in the split",
    "only in the split",
)
NOTES = ("same picture twice", "class hardly there")
"""Kinds of findings that need not be wrong: they do not make the check fail."""

RARE_PICTURES = 3
"""A class in fewer pictures than this is hardly there."""


@dataclass(frozen=True)
class DataFinding:
    """One finding: its kind (`ERRORS` or `NOTES`), the file, class or picture, and a detail."""

    kind: str
    file: str
    detail: str = ""


@dataclass
class DataReport:
    """Result of a check: findings by kind and file, sizes of pictures, pixels and pictures of each class.

    `unknown` has the pixels and files of each label value, or RGB colour, without a class.
    """

    name: str
    taxonomy: Taxonomy
    label_format: str
    pictures: int
    findings: list[DataFinding] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    class_pixels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    class_pictures: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    unknown: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

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


@dataclass(frozen=True)
class _PairCheck:
    """Result for one pair of files."""

    findings: tuple[DataFinding, ...] = ()
    size: str = ""
    sha256: str = ""
    counts: npt.NDArray[np.int64] | None = None
    unknown: tuple[tuple[str, int], ...] = ()


def check_folder(
    found: FoundLayout,
    table: SplitTable | None = None,
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
    pairs: PairedFiles | None = None,
) -> DataReport:
    """Reads every file of a data set; files that cannot be read are findings, never errors.

    With a split table, pictures in two parts or in none are findings, too. `done` is called for each pair that was
    read.
    """
    pairs = pairs or found.pairs()
    label_format = found.label_format(pairs.samples)
    report = DataReport(found.base.resolve().name, found.taxonomy, label_format, pairs.images)
    report.findings += _unpaired(pairs, found.base)
    report.findings += [
        DataFinding("role not confirmed", c.name, f"'{c.role.value}?': take the ? away, or name another role")
        for c in found.taxonomy.classes
        if c.guessed
    ]

    def one(sample: Sample) -> _PairCheck:
        return _check_pair(sample, found.taxonomy, label_format, found.base)

    looks = []
    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        for look in pool.map(one, pairs.samples):
            looks.append(look)
            _add(report, look)
            done()
    part_of = dict(table.part_of) if table is not None and table.part_of else pairs.part_of
    report.findings += _duplicates(pairs.samples, looks, part_of)
    if table is not None and table.part_of:
        names = {sample.name for sample in pairs.samples}
        listed = set(table.part_of)
        report.findings += [DataFinding("not in the split", n) for n in sorted(names - listed)]
        report.findings += [DataFinding("only in the split", n) for n in sorted(listed - names)]
    report.findings += _rare(report)
    return report


def _add(report: DataReport, look: _PairCheck) -> None:
    report.findings += look.findings
    if look.size:
        report.sizes[look.size] += 1
    if look.counts is not None:
        report.class_pixels += look.counts
        report.class_pictures += look.counts > 0
    for value, pixels in look.unknown:
        report.unknown[value][0] += pixels
        report.unknown[value][1] += 1


def _check_pair(sample: Sample, taxonomy: Taxonomy, label_format: LabelFormat, base: Path) -> _PairCheck:
    findings: list[DataFinding] = []
    image: ByteArray | None = None
    image_name, label_name = _below(sample.image, base), _below(sample.label, base)
    data = b""
    try:
        data = read_picture_bytes(sample.image, "picture", DataError)
        image = decode_image(data, image_name)
    except (DataError, OSError) as error:
        findings.append(DataFinding("unreadable picture", image_name, _text(error)))
    sha256 = hashlib.sha256(data).hexdigest() if data else ""
    size = _size(image) if image is not None else ""
    try:
        content = read_picture_bytes(sample.label, "label map", DataError)
        stored = stored_labels(content, Path(label_name), label_format)
        labels = decode_labels(content, Path(label_name), taxonomy, label_format, "ignore")
    except (DataError, OSError) as error:
        findings.append(DataFinding("unreadable label map", label_name, _text(error)))
        return _PairCheck(tuple(findings), size, sha256)
    if size and size != _size(labels):
        findings.append(DataFinding("label map of another size", label_name, f"{_size(labels)}, picture {size}"))
    unknown = _unknown_values(stored, labels, taxonomy)
    if unknown:
        pixels = sum(count for _, count in unknown)
        worst = ", ".join(f"{value} ({count})" for value, count in unknown[:4])
        findings.append(DataFinding("unknown labels", label_name, f"{pixels} of {labels.size} px: {worst}"))
    counts = np.bincount(labels.ravel(), minlength=256)
    if not counts[:IGNORE].any() and not unknown:
        findings.append(DataFinding("nothing labelled", label_name))
    counts[len(taxonomy) :] = 0
    return _PairCheck(tuple(findings), size, sha256, counts, unknown)


def _unknown_values(stored: ByteArray, labels: ByteArray, taxonomy: Taxonomy) -> tuple[tuple[str, int], ...]:
    """Label values without a class, with their pixels, most frequent first."""
    if stored.ndim == 2:
        counts = np.bincount(stored.ravel(), minlength=256)
        counts[: len(taxonomy)] = 0
        counts[[IGNORE, taxonomy.ignore_index]] = 0
        values = [(str(v), int(counts[v])) for v in np.flatnonzero(counts)]
    else:
        red, green, blue = stored[labels == IGNORE].astype(np.uint32).T
        colours, pixels = np.unique(red << 16 | green << 8 | blue, return_counts=True)
        values = [
            (f"rgb({c >> 16},{c >> 8 & 255},{c & 255})", int(count))
            for c, count in zip(colours.tolist(), pixels, strict=True)
        ]
    return tuple(sorted(values, key=lambda item: -item[1]))


def _unpaired(pairs: PairedFiles, base: Path) -> list[DataFinding]:
    kinds = (
        ("picture without label map", pairs.lonely_images),
        ("label map without picture", pairs.lonely_labels),
        ("name used twice", pairs.doubles),
    )
    findings = [DataFinding(kind, _below(path, base)) for kind, paths in kinds for path in paths]
    return findings if pairs.images else [DataFinding("no pictures", base.name), *findings]


def _duplicates(samples: tuple[Sample, ...], looks: list[_PairCheck], part_of: Mapping[str, str]) -> list[DataFinding]:
    same: dict[str, list[str]] = defaultdict(list)
    for sample, look in zip(samples, looks, strict=True):
        if look.sha256:
            same[look.sha256].append(sample.name)
    findings = []
    for names in (n for n in same.values() if len(n) > 1):
        parts = sorted({part_of.get(name, "") for name in names} - {""})
        kind = "same picture in two parts" if len(parts) > 1 else "same picture twice"
        where = ", ".join(f"{n} ({part_of[n]})" if part_of.get(n) else n for n in names[1:])
        findings.append(DataFinding(kind, names[0], f"as {where}"))
    return findings


def _rare(report: DataReport) -> list[DataFinding]:
    return [
        DataFinding("class hardly there", row["name"], f"{row['pictures']} pictures, {row['pixels']} px")
        for row in report.classes()
        if row["role"] != "ignore" and row["pictures"] < min(RARE_PICTURES, report.pictures)
    ]


def _size(picture: ByteArray) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"


def _below(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)


def _text(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
