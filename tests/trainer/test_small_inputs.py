"""Batches of one picture and inputs below what a decoder takes: trained, or refused in one line."""

from __future__ import annotations

import pytest
import torch

from landing.errors import InvalidValueError
from trainer.model import ModelConfig, build, require_trainable


@pytest.mark.parametrize(("size", "stride"), [((128, 96), 1), ((96, 64), 4), ((64, 160), 1), ((128, 128), 1)])
def test_pan_takes_small_inputs(size: tuple[int, int], stride: int) -> None:
    config = ModelConfig(arch="pan", classes=3, width_px=size[0], height_px=size[1], output_stride=stride)
    network = build(config).train()
    picture = torch.rand(2, 3, size[1], size[0])
    logits = network(picture)
    assert logits.shape == (2, 3, size[1] // stride, size[0] // stride)
    logits.mean().backward()
    network.eval()
    other = build(config).eval()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network(picture), other(picture))


@pytest.mark.parametrize("arch", ["deeplabv3plus", "pan"])
def test_a_batch_of_one_is_refused_where_a_branch_pools_to_one_value(arch: str) -> None:
    config = ModelConfig(arch=arch, classes=3, width_px=64, height_px=64)
    network = build(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    require_trainable(network, config, 2)
    with pytest.raises(InvalidValueError, match=r"batch of one.*--batch 2"):
        require_trainable(network, config, 1)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("arch", ["unet", "pspnet"])
def test_a_batch_of_one_is_taken_where_nothing_pools_so_far(arch: str) -> None:
    config = ModelConfig(arch=arch, classes=3, width_px=64, height_px=64)
    require_trainable(build(config), config, 1)
