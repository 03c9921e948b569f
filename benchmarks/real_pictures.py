"""The decision on real pictures: `edge look` with the model trained on AeroScapes.

    python -m benchmarks.real_pictures --data ../shared/data [--json FILE] [--out FOLDER]

AeroScapes sequence 001101 was never trained on and chose nothing: class IoU, person recall and the number of chosen
sites that hold a hazard pixel by its labels. Brighton and Caliterra have no
labels: how many sites, and why none, and the pictures to look at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import REAL_DATA, ROOT, Figures, benchmark
from edge.look.labels import LabelMaps
from edge.look.looker import Looker, LookOptions, parse_decision
from edge.look.view import Given
from edge.runtimes import RuntimeOptions, load_runtime
from landing.taxonomy import Taxonomy
from landing.types import Frame
from trainer.metrics import Scores, confusion

AEROSCAPES_HEIGHT_M, AEROSCAPES_HFOV_DEG = 14.0, 77.0
"""Not in the files: from lane width and motorbike length in sequence 001101."""


def look(pictures: list[Path], options: LookOptions) -> dict[str, Any]:
    looker = Looker(options, lambda _line: None, lambda _record: None)
    return looker.run(pictures).as_dict()


def scores(pictures: list[Path], labels: Path, model: Path, taxonomy: Taxonomy) -> Scores:
    """Through the very runtime that flies, at the labels' resolution."""
    counts = np.zeros((len(taxonomy), len(taxonomy)), np.int64)
    with load_runtime(model, RuntimeOptions(threads=1)) as runtime:
        for number, path in enumerate(pictures):
            image = cv2.imread(str(path))
            truth = cv2.imread(str(labels / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
            result = runtime.segment(Frame(image, number, 0))
            size = (truth.shape[1], truth.shape[0])
            predicted = cv2.resize(result.class_id, size, interpolation=cv2.INTER_NEAREST)
            counts += confusion(truth, predicted, len(taxonomy))
    return Scores.of(counts, taxonomy, len(pictures))


@benchmark
@click.option("--data", type=click.Path(path_type=Path), default=REAL_DATA)
@click.option("--model", type=click.Path(path_type=Path), default=ROOT / "models" / "aeroscapes-unet.onnx")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "out" / "real")
def main(data: Path, model: Path, out: Path) -> Figures:
    taxonomy = Taxonomy.load("aeroscapes")
    aeroscapes = data / "aeroscapes"
    held_out = sorted((aeroscapes / "images").glob("001101_*.jpg"))
    trained_on = sorted((aeroscapes / "images").glob("04*.jpg"))

    def options(folder: str, height_m: float | None, hfov_deg: float | None, judged: bool) -> Any:
        return LookOptions(
            model=model,
            runtime=RuntimeOptions(threads=1),
            settings=parse_decision(()),
            given=Given(height_m, hfov_deg, assume_nadir=True),
            out=out / folder,
            labels=LabelMaps(aeroscapes / "labels", taxonomy) if judged else None,
        )

    view = (AEROSCAPES_HEIGHT_M, AEROSCAPES_HFOV_DEG)
    return {
        "network_on_001101": scores(held_out, aeroscapes / "labels", model, taxonomy).to_mapping(),
        "look": {
            "aeroscapes 001101 (held out)": look(held_out, options("held-out", *view, True)),
            "aeroscapes 040001 and 041007 (trained on)": look(trained_on, options("trained-on", *view, True)),
            "brighton": look([data / "brighton"], options("brighton", 40.0, None, False)),
            "caliterra": look([data / "caliterra"], options("caliterra", 80.0, None, False)),
        },
    }
