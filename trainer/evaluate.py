"""Scores a network on a set of labelled pictures.

Each picture goes in as on the drone (`landing.spec.Letterbox`, top left, padded), the most probable
class is taken at the network's resolution, the padding is cut off, the map is scaled up to the
label map's own size (nearest) and compared there. So a fine detail that the network is too coarse
for counts as an error, and figures of different input sizes can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch
from torch import nn

from landing.spec import Letterbox
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.cache import CachedSample
from trainer.data.samples import LabeledSet, Sample, UnknownPolicy
from trainer.metrics import Scores, confusion
from trainer.model import ModelConfig, normalise
from trainer.progress import Progress


def letterbox_of(image_wh: tuple[int, int], input_wh: tuple[int, int]) -> Letterbox:
    """The letterbox of the trainer: as in flight, at stride 1."""
    scale = min(input_wh[0] / image_wh[0], input_wh[1] / image_wh[1])
    valid = (
        max(1, min(input_wh[0], round(image_wh[0] * scale))),
        max(1, min(input_wh[1], round(image_wh[1] * scale))),
    )
    return Letterbox(input_wh, valid, 1)


class Evaluator:
    """Runs a network over pictures and counts.

    Args:
        network: In evaluation mode, logits (B, K, H, W) of `model.normalise`d pictures.
        config: Of the network.
        taxonomy: Of the labels.
        device: Where the network is.
        precision: "bfloat16" to compute in it.
    """

    def __init__(
        self,
        network: nn.Module,
        config: ModelConfig,
        taxonomy: Taxonomy,
        device: torch.device,
        precision: str = "float32",
    ) -> None:
        self._network = network
        self._config = config
        self._taxonomy = taxonomy
        self._device = device
        self._precision = precision

    def classes_of(self, image_bgr: ByteArray) -> ByteArray:
        """Most probable class, uint8, at network resolution, covering exactly the picture."""
        height, width = image_bgr.shape[:2]
        box = letterbox_of((width, height), self._config.input_wh)
        batch = torch.from_numpy(box.apply(image_bgr)).unsqueeze(0).to(self._device)
        with (
            torch.inference_mode(),
            torch.autocast(
                self._device.type, torch.bfloat16, enabled=self._precision == "bfloat16"
            ),
        ):
            logits = self._network(normalise(batch, self._config))
        best = logits[0].argmax(0).to(torch.uint8).cpu().numpy()
        return box.crop(best)

    def score_cached(self, samples: Sequence[CachedSample]) -> Scores:
        """Scores pictures in memory, at their cached size; for choosing a checkpoint."""
        return self._score(((s.image, s.labels) for s in samples), len(samples), "val")

    def score_files(
        self, data: LabeledSet, samples: Sequence[Sample], unknown: UnknownPolicy, title: str
    ) -> Scores:
        """Scores pictures read from their files, at the size of their label maps.

        Raises:
            DataError: A picture cannot be read.
        """
        return self._score((data.read(s, unknown) for s in samples), len(samples), title)

    def _score(
        self, pairs: Iterable[tuple[ByteArray, ByteArray]], total: int, title: str
    ) -> Scores:
        classes = len(self._taxonomy)
        matrix = np.zeros((classes, classes), dtype=np.int64)
        self._network.eval()
        with Progress(title, total) as progress:
            for image, labels in pairs:
                found = self.classes_of(image)
                if found.shape != labels.shape:
                    size = (labels.shape[1], labels.shape[0])
                    found = cv2.resize(found, size, interpolation=cv2.INTER_NEAREST_EXACT)
                matrix += confusion(labels, np.asarray(found, dtype=np.uint8), classes)
                progress.step()
        return Scores.of(matrix, self._taxonomy, total)
