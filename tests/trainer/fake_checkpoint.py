"""A checkpoint that needs no training: the class whose colour is nearest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from landing.taxonomy import Taxonomy
from trainer.checkpoint import Checkpoint
from trainer.model import ModelConfig

GRASS, HOUSE, PERSON = 0, 1, 2


class NearestColour(nn.Module):
    """Logits by distance to each class's colour; `blind` classes are never seen."""

    def __init__(self, taxonomy: Taxonomy, stride: int, blind: tuple[int, ...] = ()) -> None:
        super().__init__()
        colours = torch.tensor([c.color_rgb for c in taxonomy.classes], dtype=torch.float32) / 255
        self.register_buffer("colours", colours)
        self.stride = stride
        self.blind = list(blind)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rgb = nn.functional.avg_pool2d(x, self.stride)
        scores = -12 * ((rgb[:, None] - self.colours[None, :, :, None, None]) ** 2).sum(2)
        scores[:, self.blind] = -1e4
        return scores


@dataclass(frozen=True)
class FakeCheckpoint(Checkpoint):
    stride: int = 1
    blind: tuple[int, ...] = ()

    def network(self) -> nn.Module:
        return NearestColour(self.taxonomy, self.stride, self.blind)


def checkpoint(
    taxonomy: Taxonomy, wh: tuple[int, int] = (96, 64), stride: int = 1, blind=(), metrics=None
) -> FakeCheckpoint:
    config = ModelConfig(classes=len(taxonomy), width_px=wh[0], height_px=wh[1], mean_rgb=(0, 0, 0), std_rgb=(1, 1, 1))
    return FakeCheckpoint(config, taxonomy, {}, metrics=metrics or {}, stride=stride, blind=blind)
