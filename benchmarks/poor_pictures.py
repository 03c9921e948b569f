"""People found, and hazards called landable, in pictures as they are, in fog, and without colour.

    python -m benchmarks.poor_pictures FOLDER --model models/semantic-drone-fast.onnx --split SPLIT.csv --column COLUMN

The reason for `landing.picture.usable.murky`, which refuses such pictures: each kind's row says how many it refuses,
and what the network would have answered. People are found as `trainer.evaluation.instances` counts them, from
`LEAST_M2` on, by the thresholds of flight. A hazard is called landable where a pixel reaches the probability that all
frames together must reach. Only pictures of val are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.picture_checks import fogged
from benchmarks.runner import Figures, benchmark
from edge.runtimes import RuntimeOptions, load_runtime
from landing.model.operating import thresholds_in_force
from landing.picture.usable import STILL, fault, grey_of, thumbnail
from landing.settings import DecisionSection
from landing.taxonomy import HAZARD_ROLES, Role
from landing.types import ByteArray, Frame
from sim.campaign.wilson import share
from trainer.data.choice import open_and_split
from trainer.evaluation.instances import LEAST_M2, instances_of
from trainer.evaluation.view import assumed_view
from trainer.recipe import DataChoice

KINDS: dict[str, Callable[[ByteArray, int], ByteArray]] = {
    "as they are": lambda image, _: image,
    "in fog that leaves 50 % of the contrast": lambda image, seed: fogged(image, 0.5, seed),
    "in fog that leaves 25 % of the contrast": lambda image, seed: fogged(image, 0.25, seed),
    "in fog that leaves 12 % of the contrast": lambda image, seed: fogged(image, 0.12, seed),
    "without colour": lambda image, _: np.asarray(cv2.cvtColor(grey_of(image), cv2.COLOR_GRAY2BGR), np.uint8),
}


@benchmark
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--split", type=click.Path(path_type=Path, exists=True), required=True, help="Table of the parts.")
@click.option("--column", required=True, help="Of the table.")
def main(folder: Path, model: Path, split: Path, column: str) -> Figures:
    data, parts = open_and_split(
        DataChoice(folders=(str(folder),), split_files=(str(split),), split_column=column, absent_classes="allow")
    )
    runtime = load_runtime(model, RuntimeOptions(threads=1, backend="openvino"))
    settings, _ = thresholds_in_force(DecisionSection(), runtime.spec.operating)
    view = assumed_view(data.taxonomy)
    hazards = [i for role in HAZARD_ROLES for i in data.taxonomy.ids_of(role)]
    counts = {kind: {"refused": 0, "people": 0, "found": 0, "hazard_px": 0, "landable_px": 0} for kind in KINDS}
    for number, sample in enumerate(parts.val):
        image, labels = data.read(sample)
        for kind, changed in KINDS.items():
            poor, row = changed(image, number), counts[kind]
            row["refused"] += fault(thumbnail(poor), STILL) is not None
            maps = runtime.segment(Frame(np.ascontiguousarray(poor), number, number))
            seen = instances_of(sample.name, maps, labels, data.taxonomy, view, settings)
            people = [i.byte for i in seen if i.role is Role.PERSON and i.area_m2 >= LEAST_M2]
            row["people"] += len(people)
            row["found"] += sum(byte >= 255 * settings.hazard_thresholds[Role.PERSON] for byte in people)
            size = (maps.shape[1], maps.shape[0])
            there = np.isin(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), hazards)
            row["hazard_px"] += int(there.sum())
            row["landable_px"] += int((there & (maps.landable >= 255 * settings.landable_probability)).sum())
    return {
        "pictures": len(parts.val),
        "model": model.name,
        "kinds": {
            kind: {
                "refused": row["refused"],
                "people found": asdict(share(row["found"], row["people"])),
                "hazards called landable": row["landable_px"] / row["hazard_px"],
            }
            for kind, row in counts.items()
        },
    }
