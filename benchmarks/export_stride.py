"""Where to merge: at the network's own stride, or after scaling up? By what is decided, on val.

    python -m benchmarks.export_stride CKPT.pt --data PICTURES --labels LABELS --split CSV \
        --split-column COLUMN --json benchmarks/results/export_stride.json

The checkpoint is exported in every form, each form runs in the runtime that flies on the same
frames, and the code that flies chooses a site on every one, with the model's own thresholds:
mIoU at the labels' resolution, pixels and sites that are false-safe (`trainer.evaluation.sites`),
abstentions, and the median time from frame to maps.

smp scales logits up such that the corners' centres stay the corners' centres. Read at its own
stride, a map so lies off by (stride - 1) / 2 input pixels at the edges, and by nothing in the
middle. `own, moved` puts every map back by linear interpolation: what correcting that would bring.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import RESULTS, Figures, benchmark, table
from edge.runtimes import RuntimeOptions, load_runtime
from edge.runtimes.contract import Runtime
from export.onnx_export import OWN_STRIDE, ExportOptions, export_onnx
from export.pictures import LabelFolder, of_split, pictures_in, read_picture
from landing.model.operating import thresholds_in_force
from landing.settings import DecisionSection
from landing.taxonomy import HAZARD_ROLES
from landing.types import ByteArray, Frame, Segmentation
from trainer.evaluation.sites import SiteEvaluator
from trainer.evaluation.view import assumed_view

FORMS = {
    "own": ExportOptions(OWN_STRIDE),
    "2 px, maps scaled up": ExportOptions(2, upsample="maps"),
    "1 px, maps scaled up": ExportOptions(1, upsample="maps"),
    "1 px, logits scaled up": ExportOptions(1, upsample="logits"),
}
COLUMNS = (
    "form",
    "miou_in_truth",
    "false_safe_pixels",
    "sites",
    "with_hazard",
    "with_not_landable",
    "missed",
    "median_ms",
)
MOVED = "own, moved"
"""Not a form of export: the maps of `own`, resampled."""


class Judge:
    """Counts what one form decides."""

    def __init__(self, runtime: Runtime) -> None:
        spec = runtime.spec
        self.taxonomy, self.operating = spec.taxonomy, spec.operating
        self.view = assumed_view(spec.taxonomy)
        settings, _ = thresholds_in_force(DecisionSection(), spec.operating)
        self.settings = settings
        self.book = SiteEvaluator(spec.taxonomy, self.view, settings)
        classes = len(spec.taxonomy)
        self.confusion = np.zeros((classes, classes), np.int64)
        self.bad = self.false_safe = 0

    def add(self, name: str, seen: Segmentation, labels: ByteArray) -> None:
        classes = len(self.taxonomy)
        rows, columns = labels.shape
        found = cv2.resize(seen.class_id, (columns, rows), interpolation=cv2.INTER_NEAREST)
        known = labels < classes
        pairs = labels[known].astype(np.int64) * classes + found[known]
        self.confusion += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        safe = seen.landable >= math.ceil(self.settings.landable_probability * 255)
        for plane, role in zip(seen.hazards, HAZARD_ROLES, strict=True):
            threshold = getattr(self.settings, f"{role.value}_probability")
            safe &= plane < math.ceil(threshold * 255)
        free = cv2.resize(safe.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST)
        bad = ~self.taxonomy.landable_lut[labels] & known
        self.bad += int(np.count_nonzero(bad))
        self.false_safe += int(np.count_nonzero(free.astype(bool) & bad))
        self.book.add(name, seen, labels)

    def result(self) -> dict[str, Any]:
        right = np.diag(self.confusion)
        union = self.confusion.sum(0) + self.confusion.sum(1) - right
        present = self.confusion.sum(1) > 0
        hazards = {r: getattr(self.settings, f"{r.value}_probability") for r in HAZARD_ROLES}
        (count,) = self.book.counts(hazards, [self.settings.landable_probability])
        return {
            "miou_in_truth": float(np.mean(right[present] / union[present])),
            "false_safe_pixels": self.false_safe / max(1, self.bad),
            "sites": count.to_mapping(),
        }


def moved(seen: Segmentation, stride: int, input_wh: tuple[int, int]) -> Segmentation:
    """Maps of an own stride put where smp's scaling up puts them."""
    rows, columns = seen.shape
    width, height = input_wh[0] // stride, input_wh[1] // stride
    at = (np.mgrid[0:rows, 0:columns] * stride + (stride - 1) / 2).astype(np.float32)
    v = at[0] * (height - 1) / (height * stride - 1)
    u = at[1] * (width - 1) / (width * stride - 1)

    def sample(plane: ByteArray, how: int) -> ByteArray:
        return cv2.remap(plane, u, v, how, borderMode=cv2.BORDER_REPLICATE)

    return Segmentation(
        sample(seen.class_id, cv2.INTER_NEAREST),
        sample(seen.landable, cv2.INTER_LINEAR),
        np.stack([sample(plane, cv2.INTER_LINEAR) for plane in seen.hazards]),
        seen.captured_at_ns,
    )


def measure(checkpoint: Path, pictures: list[Path], label_folder: Path, threads: int, folder: Path) -> Figures:
    runtimes = {}
    for i, (name, options) in enumerate(FORMS.items()):
        report = export_onnx(checkpoint, folder / f"{i}.onnx", options)
        click.echo(f"{name}: every {report.spec.outputs.stride} px")
        runtimes[name] = load_runtime(report.path, RuntimeOptions(threads=threads))
    own = runtimes["own"]
    judges = {name: Judge(runtime) for name, runtime in runtimes.items()}
    judges[MOVED] = Judge(own)
    times: dict[str, list[float]] = {name: [] for name in runtimes}
    size = (own.spec.input.width_px, own.spec.input.height_px)
    truth = LabelFolder(label_folder, own.spec.taxonomy)
    for i, path in enumerate(pictures):
        image = read_picture(path)
        labels = truth.read(path)
        if labels is None:
            raise SystemExit(f"{path.stem} has no label map in {label_folder}")
        for name, runtime in runtimes.items():
            start = time.perf_counter()
            seen = runtime.segment(Frame(image, i, 0))
            times[name].append(1e3 * (time.perf_counter() - start))
            judges[name].add(path.stem, seen, labels)
            if name == "own":
                put_back = moved(seen, own.spec.outputs.stride, size)
                judges[MOVED].add(path.stem, put_back, labels)
    forms = {name: judge.result() for name, judge in judges.items()}
    for name, taken in times.items():
        forms[name]["median_ms"] = statistics.median(taken)
        forms[name]["stride"] = runtimes[name].spec.outputs.stride
        runtimes[name].close()
    return {
        "network": own.spec.architecture,
        "input_wh": size,
        "pictures": len(pictures),
        "checkpoint_sha256": own.spec.provenance.checkpoint_sha256,
        "view": judges["own"].view.describe(),
        "forms": forms,
    }


@benchmark
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of pictures.")
@click.option("--labels", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of label maps.")
@click.option("--split", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--split-column", required=True)
@click.option("--part", default="val", show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--add-to", type=click.Path(path_type=Path), default=RESULTS / "export_stride.json", help="Other splits.")
def main(
    checkpoint: Path, data: Path, labels: Path, split: Path, split_column: str, part: str, threads: int, add_to: Path
) -> Figures:
    pictures = of_split(pictures_in(data), split, split_column, part)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(checkpoint, pictures, labels, threads, Path(folder))
    click.echo(table([{"form": n, **f, **f["sites"]} for n, f in found["forms"].items()], COLUMNS))
    before = json.loads(add_to.read_text("utf-8"))["splits"] if add_to.exists() else {}
    return {"splits": {**before, f"{split_column} {part}": found}}
