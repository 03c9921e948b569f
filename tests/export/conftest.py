from __future__ import annotations

from pathlib import Path

import pytest
import torch

from landing.taxonomy import Taxonomy
from trainer.checkpoint import Checkpoint
from trainer.model import ModelConfig, build

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory) -> Path:
    """A small network whose BatchNorm statistics have seen something, as after training."""
    torch.manual_seed(0)
    config = ModelConfig(encoder_depth=3, decoder_channels=(16, 8, 8), classes=12, width_px=96, height_px=64)
    network = build(config).train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(4, 3, 64, 96))
        network.segmentation_head[0].weight.mul_(4)
    path = tmp_path_factory.mktemp("checkpoint") / "best.pt"
    metrics = {"test": {"miou": 0.5, "class_iou": {"road": 0.5}, "person_recall": None}}
    Checkpoint(
        config,
        Taxonomy.load("aeroscapes"),
        dict(network.state_dict()),
        3,
        {"trained_on": "toy: 9 pictures", "licence": "CC0", "recipe": "touchdown trainer fit"},
        metrics,
    ).save(path)
    return path
