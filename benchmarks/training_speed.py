"""Time per training picture: our way of training against the starting point's, same model and size.

    python -m benchmarks.training_speed [--json benchmarks/results/training_speed.json]

The starting point (a published U-Net MobileNetV2 for the Semantic Drone Dataset, `704x1056`, batch 3) decodes 6000x4000
files for every picture in the training process, shrinks them by nearest neighbour, computes in float32 and has neither
loader processes nor a store. Ours is what `trainer fit --arch unet --input 1056x704 --batch 3 --precision bfloat16`
does: pictures out of the store, varied in a loader process, channels-last bfloat16, cross-entropy with Dice and class
weights. Both do whole steps, loading and the optimiser included, in turn; the ratio is per picture. Preparing the store
is timed apart: it is paid once, not per epoch.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.input_pipeline import write_pictures
from benchmarks.runner import Figures, benchmark, in_turn, ratio
from landing.taxonomy import Role
from trainer.data.layouts import open_set
from trainer.data.pictures import EpochOrder, TrainingPictures, one_thread_each
from trainer.data.rare import RarePicker
from trainer.data.store import open_or_prepare
from trainer.loss import SegmentationLoss, inverse_sqrt_weights
from trainer.model import ModelConfig, build, normalise
from trainer.recipe import DataChoice, NetworkChoice, Recipe
from trainer.task import parameter_groups

INPUT_WH = (1056, 704)
BATCH = 3


class DecodedEveryTime(Dataset):
    """The starting point's data set: decode, shrink by nearest neighbour, flip, normalise."""

    def __init__(self, samples: Any) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample = self._samples[index]
        image = cv2.cvtColor(cv2.imread(str(sample.image)), cv2.COLOR_BGR2RGB)
        labels = cv2.imread(str(sample.label), cv2.IMREAD_GRAYSCALE)
        image = cv2.resize(image, INPUT_WH, interpolation=cv2.INTER_NEAREST)
        labels = cv2.resize(labels, INPUT_WH, interpolation=cv2.INTER_NEAREST)
        if index % 2:
            image, labels = image[:, ::-1], labels[:, ::-1]
        values = (image / 255.0 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        pixels = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), np.float32))
        return pixels, torch.from_numpy(np.ascontiguousarray(labels)).long()


def starting_point(data: Any, config: ModelConfig) -> Iterator[None]:
    """Steps, for ever."""
    network = build(config).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    loss_of = torch.nn.CrossEntropyLoss()
    batches = endless(DataLoader(DecodedEveryTime(data.samples), BATCH, drop_last=True))
    while True:
        images, labels = next(batches)
        loss = loss_of(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def ours(data: Any, stored: Any, config: ModelConfig) -> Iterator[None]:
    """Steps, for ever."""
    recipe = Recipe(
        data=DataChoice(folders=("pictures",)),
        network=NetworkChoice(arch="unet"),
        batch=BATCH,
        width_px=INPUT_WH[0],
        height_px=INPUT_WH[1],
    )
    taxonomy = data.taxonomy
    pixels = stored.counts.sum(0)[: len(taxonomy)]
    pictures = TrainingPictures(
        stored, recipe, RarePicker(stored.centres, pixels, taxonomy), taxonomy.ids_of(Role.LANDABLE)
    )
    loader = DataLoader(
        pictures,
        BATCH,
        sampler=EpochOrder(len(pictures), BATCH, 0),
        num_workers=1,
        worker_init_fn=one_thread_each,
        persistent_workers=True,
        drop_last=True,
    )
    network = build(config).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(parameter_groups(network, 1e-3, 0.5))
    loss_of = SegmentationLoss(recipe.loss, inverse_sqrt_weights(pixels), taxonomy)
    batches = endless(loader)
    while True:
        images, labels, _ = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(normalise(images, config))
            loss = loss_of(logits, labels.long())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        yield


def endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


@benchmark
@click.option("--pictures", default=6, show_default=True)
@click.option("--steps", default=5, show_default=True, help="Of each way, in turn.")
def main(pictures: int, steps: int) -> Figures:
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory(prefix="training-speed-") as folder:
        root = Path(folder)
        write_pictures(root / "pictures", pictures)
        data = open_set(root / "pictures", "aeroscapes-original")
        config = ModelConfig(classes=len(data.taxonomy), width_px=INPUT_WH[0], height_px=INPUT_WH[1])
        start = time.perf_counter()
        stored = open_or_prepare(data, data.samples, (1320, 880), root / "store")
        prepare_s = time.perf_counter() - start
        ways = {"starting_point": starting_point(data, config), "ours": ours(data, stored, config)}
        times = in_turn({n: lambda _, way=way: next(way) for n, way in ways.items()}, steps, warm_up=1)
    return {
        "model": "unet/mobilenet_v2",
        "input": "x".join(map(str, INPUT_WH)),
        "batch": BATCH,
        "threads": 2,
        "seconds_per_picture": {k: round(statistics.median(v) / BATCH / 1e3, 2) for k, v in times.items()},
        "ratio": round(ratio(times["ours"], times["starting_point"]), 2),
        "ratio_least": round(min(a / b for a, b in zip(times["starting_point"], times["ours"], strict=True)), 2),
        "steps_each": steps,
        "prepare_s_per_picture_once": round(prepare_s / pictures, 2),
    }
