"""What is computed at the coarse scale is what would be computed at the fine one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from export.graph import without_upsampling
from export.rewrite import rewritten, with_pooled_head
from export.subpixel import SubpixelBlock, SubpixelSum, pooled
from trainer.model import ModelConfig, build
from trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()  # whichever test comes first imports smp, some of them directly


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    config = ModelConfig(arch="unet", encoder="mobilenet_v2", classes=7, width_px=96, height_px=64)
    network = build(config)
    for module in network.modules():  # norms that do something
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


@torch.inference_mode()
def test_a_split_unet_is_the_same_function(unet):
    faster = rewritten(unet)
    split = [isinstance(block, SubpixelBlock) for block in faster.decoder.blocks]
    assert split == [True, True, True, True, False]  # the last has 32 channels: not worth it
    assert not any(isinstance(b, SubpixelBlock) for b in unet.decoder.blocks)  # a copy
    picture = torch.randn(1, 3, 64, 96)
    expected = unet(picture)
    assert expected.std() > 0.05
    assert torch.allclose(faster(picture), expected, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("skipped", [0, 5])
def test_a_block_alone_borders_included(skipped):
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock

    torch.manual_seed(1)
    block = UnetDecoderBlock(8, skipped, 6).eval()
    block.conv1[1].running_mean.normal_()
    fast = SubpixelBlock(block, 8)
    coarse = torch.randn(1, 8, 5, 7)
    skip = torch.randn(1, skipped, 10, 14) if skipped else None
    expected = block(coarse, 10, 14, skip)
    assert torch.allclose(fast(coarse, 10, 14, skip), expected, atol=1e-5)
    if not skipped:  # another factor: as the block itself does it
        assert torch.equal(fast(coarse, 15, 21), block(coarse, 15, 21))


@torch.inference_mode()
def test_the_finest_level_of_a_pyramid_borders_included():
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNBlock

    torch.manual_seed(3)
    level, convolution = FPNBlock(8, 5), nn.Conv2d(8, 6, 3, padding=1, bias=False)
    nn.init.normal_(level.skip_conv.bias)
    coarse, skip = torch.randn(1, 8, 5, 7), torch.randn(1, 5, 10, 14)
    expected = convolution(level(coarse, skip))
    assert torch.allclose(SubpixelSum(level, convolution)(coarse, skip), expected, atol=1e-5)


@torch.inference_mode()
def test_a_wide_pyramid_is_the_same_function():
    import segmentation_models_pytorch as smp

    torch.manual_seed(5)
    network = smp.FPN("mobilenet_v2", encoder_weights=None, classes=3).eval()
    faster, picture = rewritten(network), torch.randn(1, 3, 64, 96)
    assert isinstance(faster.decoder.finest, SubpixelSum)
    assert torch.allclose(faster(picture), network(picture), atol=1e-5)


@torch.inference_mode()
def test_a_pyramid_enlarged_otherwise_is_summed_all_the_same():
    import segmentation_models_pytorch as smp

    torch.manual_seed(4)
    network = smp.FPN("mobilenet_v2", encoder_weights=None, classes=3, decoder_interpolation="bilinear").eval()
    faster, picture = rewritten(network), torch.randn(1, 3, 64, 96)
    assert faster.decoder.finest is None
    assert torch.allclose(faster(picture), network(picture), atol=1e-5)


def test_blocks_that_do_more_are_left_alone():
    import segmentation_models_pytorch as smp

    for options in (
        {"decoder_attention_type": "scse"},
        {"decoder_interpolation": "bilinear"},
        {"decoder_use_norm": "layernorm"},
    ):
        network = smp.Unet("mobilenet_v2", encoder_weights=None, classes=3, **options)
        blocks = rewritten(network).decoder.blocks
        assert not any(isinstance(block, SubpixelBlock) for block in blocks), options


@torch.inference_mode()
@pytest.mark.parametrize("pool", [2, 4])
@pytest.mark.parametrize("side", [1, 3])
def test_a_mean_inside_a_convolution(pool, side):
    torch.manual_seed(2)
    convolution = nn.Conv2d(4, 3, side, padding=side // 2)
    picture = torch.randn(1, 4, 16, 24)
    expected = nn.functional.avg_pool2d(convolution(picture), pool)
    assert torch.allclose(pooled(convolution, pool)(picture), expected, atol=1e-6)


@torch.inference_mode()
def test_a_head_with_its_mean_inside(unet):
    picture = torch.randn(1, 3, 64, 96)
    expected = nn.functional.avg_pool2d(unet(picture), 2)
    assert torch.allclose(with_pooled_head(unet, 2)(picture), expected, atol=1e-5)


def test_heads_that_do_more_are_left_alone(unet):
    assert with_pooled_head(nn.Conv2d(3, 3, 1), 2) is None  # no smp network
    enlarging = copy.deepcopy(unet)
    enlarging.segmentation_head[1] = nn.UpsamplingBilinear2d(scale_factor=2)
    assert with_pooled_head(enlarging, 2) is None
    assert with_pooled_head(without_upsampling(enlarging)[0], 2) is not None
    enlarging.segmentation_head[1] = nn.Softmax(dim=1)
    assert with_pooled_head(enlarging, 2) is None
