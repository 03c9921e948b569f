"""Survey of a data set: every label map and every picture's header read once, and what follows from them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from landing.labels.maps import MaskFacts, Reading, UnknownPolicy, read_mask_facts
from landing.labels.reading import LabelReading, class_reader, decide
from landing.taxonomy import Taxonomy
from trainer.data.class_lists import ClassList, compare
from trainer.data.findings import DataFinding, below, of_mask, of_pairs, value_text, wrong_suffix
from trainer.data.pairs import PairedFiles
from trainer.data.samples import ExifTurn, Sample, absent_classes
from trainer.data.turns import PictureFacts, TurnDecision, decide_turn, read_picture_facts
from trainer.threads import in_order

LARGEST = 8
"""Samples that are kept as those with most of a class."""


@dataclass(frozen=True)
class Asked:
    """The user's word on how a set is to be read; None where the set's evidence decides."""

    labels_as: Reading | None = None
    exif_turn: ExifTurn | None = None
    unknown: UnknownPolicy = "refuse"


@dataclass(frozen=True)
class Survey:
    """Result of a survey.

    Attributes:
        reading: How its label maps are to be read.
        turn: What becomes of EXIF orientations.
        pictures: Facts of each picture, in order of the samples.
        findings: All that is wrong, but for what only decoding the pictures shows.
        class_pixels: Pixels of each class, int64 (256,).
        class_pictures: Pictures with each class, int64 (256,).
        unknown: Pixels and files of each stored value without a class.
        absent: Names of classes that no label map has.
        largest: Numbers of the samples with the largest shares of each class, by its id, the largest first.
    """

    reading: LabelReading
    turn: TurnDecision
    pictures: tuple[PictureFacts, ...]
    findings: tuple[DataFinding, ...]
    class_pixels: npt.NDArray[np.int64]
    class_pictures: npt.NDArray[np.int64]
    unknown: dict[str, tuple[int, int]]
    absent: tuple[str, ...]
    largest: dict[int, tuple[int, ...]]

    @property
    def lines(self) -> tuple[str, ...]:
        """Decisions, a line each."""
        return tuple(line for line in (str(self.reading), self.turn.line) if line)


def survey(
    pairs: PairedFiles,
    taxonomy: Taxonomy,
    base: Path,
    asked: Asked,
    class_list: ClassList | None = None,
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> Survey:
    """Read the facts of a whole set; what is wrong with its files is in `findings`, never raised.

    `done` is called for each pair.
    """
    pictures, masks = [], []
    for picture, mask in in_order(_facts, pairs.samples, threads):
        pictures.append(picture)
        masks.append(mask)
        done()
    reading = decide(masks, taxonomy, asked.labels_as)
    turn = decide_turn(list(zip(pictures, masks, strict=True)), asked.exif_turn, base)
    findings = of_pairs(pairs, base)
    if class_list is not None:
        by_colour = reading.reading in ("palette", "rgb")
        findings += compare(class_list, taxonomy, by_colour, below(class_list.path, base))
    if reading.doubt:
        findings.append(DataFinding("uncertain reading", base.name, reading.doubt))
    findings += turn.findings
    counts, files, unknown, largest = _counted(masks, reading, taxonomy)
    class_of = class_reader(reading.reading, taxonomy)
    for picture, mask in zip(pictures, masks, strict=True):
        findings += _of_pair(picture, mask, turn.turn, base)
        findings += [
            finding
            for finding in of_mask(mask, class_of, reading, taxonomy, base)
            if asked.unknown == "refuse" or finding.kind not in ("unknown labels", "near-miss colours")
        ]
    absent = absent_classes(taxonomy, counts) if masks else ()
    return Survey(reading, turn, tuple(pictures), tuple(findings), counts, files, unknown, absent, largest)


def _facts(sample: Sample) -> tuple[PictureFacts, MaskFacts]:
    return read_picture_facts(sample.image), read_mask_facts(sample.label)


def _of_pair(picture: PictureFacts, mask: MaskFacts, turn: ExifTurn, base: Path) -> list[DataFinding]:
    """Findings of sizes and kinds of one pair."""
    if picture.problem:
        return [DataFinding("unreadable picture", below(picture.path, base), picture.problem)]
    findings = wrong_suffix(picture.path, picture.format, base)
    if mask.kind is None:
        return findings
    findings += wrong_suffix(mask.path, mask.format, base)
    expected = picture.shown_wh(turn)
    if mask.size_wh != expected and not (picture.orientation >= 5 and mask.size_wh == picture.size_wh[::-1]):
        sizes = f"{mask.size_wh[0]}x{mask.size_wh[1]}, picture {expected[0]}x{expected[1]}"
        findings.append(DataFinding("label map of another size", below(mask.path, base), sizes))
    return findings


def _counted(
    masks: list[MaskFacts], reading: LabelReading, taxonomy: Taxonomy
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, tuple[int, int]], dict[int, tuple[int, ...]]]:
    """Pixels and files of each class, and of each stored value without one; files with the largest shares of each."""
    class_of = class_reader(reading.reading, taxonomy)
    pixels, files = np.zeros(256, np.int64), np.zeros(256, np.int64)
    unknown: dict[str, tuple[int, int]] = {}
    shares: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for number, mask in enumerate(masks):
        found: dict[int, int] = defaultdict(int)
        for atom, count in zip(mask.atoms.tolist(), mask.pixels.tolist(), strict=True):
            class_id = class_of(atom)
            if class_id is None:
                if not mask.crowded:
                    before = unknown.get(value_text(atom), (0, 0))
                    unknown[value_text(atom)] = before[0] + count, before[1] + 1
            else:
                pixels[class_id] += count
                found[class_id] += count
        files[list(found)] += 1
        for class_id, count in found.items():
            shares[class_id] = sorted([*shares[class_id], (-count / max(1, mask.pixels.sum()), number)])[:LARGEST]
    pixels[len(taxonomy) :] = files[len(taxonomy) :] = 0
    largest = {class_id: tuple(number for _, number in best) for class_id, best in shares.items()}
    return pixels, files, unknown, largest
