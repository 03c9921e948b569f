"""One pass of a network over labelled pictures, and its calibration on val."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import cv2
import numpy as np
import torch

from landing.errors import DataError
from landing.model.spec import OperatingPoint
from landing.progress import Progress
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES, ClassInfo, Role, Taxonomy
from landing.types import ByteArray, Segmentation
from trainer.checkpoint import Checkpoint
from trainer.data.samples import IGNORE, LabeledSet, Sample
from trainer.evaluation.calibration import Reliability, fit_temperature, negative_log_likelihood, sample_places
from trainer.evaluation.confidence import JudgedSite, judged_sites
from trainer.evaluation.pixel_counts import PixelCounts
from trainer.evaluation.predictor import Predictor, RoleMerger, as_bytes, strips
from trainer.evaluation.sites import SiteEvaluator
from trainer.evaluation.thresholds import Targets, choose
from trainer.evaluation.view import AssumedView

_TEMPERATURE_PIXELS = 400_000
_RELIABILITY_PIXELS = 100_000


@dataclass(frozen=True)
class EvaluationSet:
    """The labelled pictures of one part ("train", "val", "test", "all"), with its split in words."""

    data: LabeledSet
    samples: tuple[Sample, ...]
    part: str = "test"
    split: str = ""
    split_column: str = ""

    def describe(self) -> str:
        """Return the pictures in words."""
        named = self.split_column not in ("", "split")  # the column's plain name
        split = f", split {self.split_column}" if named else ""
        return f"{self.part}: {len(self.samples)} pictures of {self.data.name}{split}"

    def read(self, title: str) -> Iterator[tuple[Sample, ByteArray, ByteArray]]:
        """Decodes the pictures in order, one ahead, with a progress bar.

        Raises:
            DataError: The part is empty, or a picture cannot be read.
        """
        if not self.samples:
            raise DataError(f"the {self.part} part is empty ({self.split})")
        queue = iter(self.samples)
        with ThreadPoolExecutor(1) as pool, Progress(title, len(self.samples)) as bar:

            def ask(count: int) -> list[Any]:
                return [(s, pool.submit(self.data.read, s)) for s in islice(queue, count)]

            waiting = ask(2)
            while waiting:
                sample, decoded = waiting.pop(0)
                image, labels = decoded.result()
                waiting += ask(1)
                yield sample, image, labels
                bar.step()


@dataclass(frozen=True)
class Calibration:
    """Temperature and operating point of a model.

    `nll` is the negative log-likelihood on val before and after the temperature, nats; empty if read from a checkpoint.
    """

    temperature: float
    operating: OperatingPoint
    nll: tuple[float, ...] = ()


@dataclass(frozen=True)
class SiteAssumptions:
    """Assumed view and decision settings for sites, and a cache of pictures whose true labels have a site."""

    view: AssumedView
    settings: DecisionSettings = field(default_factory=DecisionSettings)
    truths: dict[tuple[str, float], bool] = field(default_factory=dict)


@dataclass
class Measurement:
    """Result of one pass: pixel counts, maps for choosing sites, discs judged by the labels, and reliability.

    `reliability` is by "class" or "landable" and "before" or "after" the temperature.
    """

    tally: PixelCounts
    book: SiteEvaluator
    judged: list[JudgedSite] = field(default_factory=list)
    reliability: dict[str, Reliability] = field(
        default_factory=lambda: {
            f"{what}_{when}": Reliability() for what in ("class", "landable") for when in ("before", "after")
        }
    )


def require_same_classes(checkpoint: Checkpoint, data: LabeledSet) -> None:
    """Raises unless data set and checkpoint have the same classes.

    Raises:
        DataError: They differ.
    """
    ours = [c.name for c in checkpoint.taxonomy.classes]
    theirs = [c.name for c in data.taxonomy.classes]
    if ours != theirs:
        raise DataError(
            f"the data has taxonomy {data.taxonomy.name!r} ({len(theirs)} classes) but the "
            f"checkpoint was trained on {checkpoint.taxonomy.name!r} ({len(ours)} classes); give "
            "the data it was trained for, or the right --taxonomy"
        )


def measure(predictor: Predictor, pictures: EvaluationSet, temperature: float, ground: SiteAssumptions) -> Measurement:
    """Goes over pictures once and counts everything.

    Raises:
        DataError: The part is empty, or a picture cannot be read.
    """
    taxonomy = predictor.checkpoint.taxonomy
    found = Measurement(PixelCounts(taxonomy), SiteEvaluator(taxonomy, ground.view, ground.settings, ground.truths))
    merger: RoleMerger | None = None
    landable = taxonomy.landable_lut
    for sample, image, labels in pictures.read(f"looking at {pictures.part}"):
        logits, flying = predictor.both(image)
        merger = merger or RoleMerger(taxonomy, logits.device)
        size = (labels.shape[1], labels.shape[0])
        classes = np.empty(labels.shape, np.uint8)
        planes = np.empty((1 + len(HAZARD_ROLES), *labels.shape), np.uint8)
        grid = sample_places(labels.shape, _RELIABILITY_PIXELS)
        for rows, part in strips(logits, size):
            best, greatest, shares = merger.merge(part, temperature)
            classes[rows] = best.to(torch.uint8).cpu().numpy()
            planes[:, rows] = as_bytes(shares)
            picked = _rows_in(grid[0], rows, labels.shape[0])
            if not picked:
                continue
            spots = torch.tensor(picked, device=part.device)
            truth = labels[rows][picked][:, grid[1]]
            _, before, before_shares = merger.merge(part[:, spots][:, :, grid[1]], 1.0)
            known = truth != IGNORE
            right = (classes[rows][picked][:, grid[1]] == truth)[known]
            on_landable = landable[truth][known]
            for name, probability, true in (
                ("class_before", before, right),
                ("class_after", greatest[spots][:, grid[1]], right),
                ("landable_before", before_shares[0], on_landable),
                ("landable_after", shares[0][spots][:, grid[1]], on_landable),
            ):
                found.reliability[name].add(probability.cpu().numpy()[known], true)
        found.tally.add(sample.name, sample.group, labels, classes, planes)
        maps = merger.segmentation(flying, temperature)
        found.book.add(sample.name, maps, labels)
        found.judged += judged_sites(maps, labels, taxonomy, ground.view.of(sample.name), ground.settings, sample.group)
    return found


def measure_maps(
    look: Callable[[ByteArray], Segmentation], seen: Taxonomy, pictures: EvaluationSet, ground: SiteAssumptions
) -> Measurement:
    """Goes over pictures once and counts everything that a finished model's maps can tell.

    Classes are compared where model and labels have the same ones, else their roles are. Maps are enlarged to the size
    of the labels, probabilities bilinearly.

    Args:
        look: Gives the maps of a picture, BGR uint8 (H, W, 3).
        seen: Taxonomy of the maps.
        pictures: The set; its own taxonomy says what its labels mean for landing.
        ground: View, vehicle.

    Raises:
        DataError: The part is empty, or a picture cannot be read.
    """
    labelled = pictures.data.taxonomy
    same = [c.name for c in seen.classes] == [c.name for c in labelled.classes]
    compared = labelled if same else _roles_as_classes()
    label_lut, class_lut = _comparing(labelled, compared), _comparing(seen, seen if same else compared)
    book = SiteEvaluator(labelled, ground.view, ground.settings, ground.truths, seen)
    found = Measurement(PixelCounts(compared), book)
    for sample, image, labels in pictures.read(f"looking at {pictures.part}"):
        maps = look(image)
        size = (labels.shape[1], labels.shape[0])
        classes = cv2.resize(class_lut[maps.class_id], size, interpolation=cv2.INTER_NEAREST_EXACT)
        planes = np.stack([cv2.resize(plane, size) for plane in (maps.landable, *maps.hazards)]).astype(np.uint8)
        found.tally.add(sample.name, sample.group, label_lut[labels], np.asarray(classes, np.uint8), planes)
        found.book.add(sample.name, maps, labels)
        grid = sample_places(labels.shape, _RELIABILITY_PIXELS)
        truth = labels[grid]
        known = truth != IGNORE
        stated = planes[0][grid][known] / np.float32(255)
        found.reliability["landable_after"].add(stated, labelled.landable_lut[truth[known]])
        view = ground.view.of(sample.name)
        found.judged += judged_sites(maps, labels, labelled, view, ground.settings, sample.group)
    return found


def _roles_as_classes() -> Taxonomy:
    """Taxonomy with a class for each role."""
    roles = Taxonomy.load("roles")
    other = ClassInfo(id=len(roles), name="other", color_rgb=(0, 0, 0), role=Role.IGNORE)
    return roles.model_copy(update={"classes": (*roles.classes, other)})


def _comparing(taxonomy: Taxonomy, compared: Taxonomy) -> ByteArray:
    """Look-up table (256,) from a class to what it is compared as: itself, or its role's class; `IGNORE` stays."""
    lut = np.arange(256, dtype=np.uint8)
    if taxonomy.classes != compared.classes:
        for c in taxonomy.classes:
            lut[c.id] = next(r.id for r in compared.classes if r.role is c.role)
    return lut


def fit_calibration(
    predictor: Predictor, pictures: EvaluationSet, ground: SiteAssumptions, targets: Targets | None = None
) -> tuple[Calibration, Measurement]:
    """Fits the temperature and chooses the operating point; returns them and the measurement at that temperature.

    Raises:
        DataError: The part is empty, has no labelled pixel, or a picture cannot be read.
    """
    logits, labels = _labelled_pixels(predictor, pictures)
    if not len(labels):
        raise DataError(f"no pixel of the {len(pictures.samples)} pictures of val is labelled")
    temperature = round(fit_temperature(logits, labels), 4)
    nll = tuple(negative_log_likelihood(logits, labels, t) for t in (1.0, temperature))
    measured = measure(predictor, pictures, temperature, ground)
    operating = choose(measured.tally, measured.book, pictures.describe(), targets)
    return Calibration(temperature, operating, nll), measured


def _labelled_pixels(predictor: Predictor, pictures: EvaluationSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, K) and labels (n,) of a regular grid of pixels of all pictures."""
    most = max(64, _TEMPERATURE_PIXELS // max(1, len(pictures.samples)))
    logits, labels = [], []
    for _sample, image, truth in pictures.read("fitting the temperature"):
        rows, columns = sample_places(truth.shape, most)
        wanted = truth[rows, columns]
        size = (truth.shape[1], truth.shape[0])
        low = predictor.logits(image)
        parts = []
        for part_rows, part in strips(low, size):
            picked = _rows_in(rows, part_rows, truth.shape[0])
            if picked:
                parts.append(part[:, picked][:, :, columns])
        known = torch.from_numpy(wanted != IGNORE)
        logits.append(torch.cat(parts, 1).cpu()[:, known].T)
        labels.append(torch.from_numpy(wanted)[known])
    return torch.cat(logits), torch.cat(labels)


def _rows_in(grid: slice, strip: slice, height: int) -> list[int]:
    """Rows of a grid that lie in a strip, counted from its first."""
    return [row - strip.start for row in range(*grid.indices(height)) if strip.start <= row < strip.stop]
