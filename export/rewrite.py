"""Networks put into a form that computes the same in less time, where smp's own form costs some."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from export.subpixel import SubpixelBlock, SubpixelSum, pooled

_SPLIT_FROM_CHANNELS, _SUM_FROM_CHANNELS = 64, 128
"""Of a U-Net's block and an FPN's level. With fewer, putting parts together costs what it saves."""


class SummedPyramid(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """smp's FPN decoder with one enlargement at the end instead of one per level.

    The three coarse branches all end at half the resolution of the fine one and are enlarged and added; enlarging is
    linear, so they are added first. And a sum of four tensors is three additions, not a stack of all and a reduction
    over it. Together some 15 % of an FPN's time on ONNX Runtime. And the finest level, half of all multiplications of a
    wide pyramid, is convolved without being made (`SubpixelSum`): another 15 %.

    Args:
        decoder: smp's FPNDecoder with merge policy "add".
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder
        self.finest = None
        wide = decoder.p2.skip_conv.out_channels >= _SUM_FROM_CHANNELS
        if wide and decoder.p2.interpolation_mode == "nearest":
            self.finest = SubpixelSum(decoder.p2, decoder.seg_blocks[3].block[0].block[0])

    def forward(self, features: Any) -> Any:
        """The decoder's output for the encoder's features, in evaluation mode."""
        own = self.decoder
        c2, c3, c4, c5 = features[-4:]
        p5 = own.p5(c5)
        p4 = own.p4(p5, c4)
        p3 = own.p3(p4, c3)
        fine = own.seg_blocks[3].block[0].block
        fine = fine(own.p2(p3, c2)) if self.finest is None else fine[2](fine[1](self.finest(p3, c2)))
        coarse = None
        for block, level in zip(own.seg_blocks[:3], (p5, p4, p3), strict=True):
            *enlarging, last = block.block
            for step in enlarging:
                level = step(level)
            level = last.block(level)
            coarse = level if coarse is None else coarse + level
        enlarged = nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=True)
        return fine + enlarged


def rewritten(network: Any) -> Any:
    """The network, or a copy of it that computes the same in less time."""
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    decoder = getattr(network, "decoder", None)
    if isinstance(decoder, FPNDecoder) and decoder.merge.policy == "add":
        faster = copy.deepcopy(network)
        faster.decoder = SummedPyramid(faster.decoder)
        return faster.eval()
    if isinstance(decoder, UnetDecoder):
        faster = copy.deepcopy(network).eval()
        _split_blocks(faster.decoder.blocks, faster.encoder.out_channels[-1])
        return faster
    return network


def _split_blocks(blocks: Any, channels: int) -> None:
    """Puts a `SubpixelBlock` in place of each U-Net block, from the coarsest on, where that saves time."""
    for i, block in enumerate(blocks):
        attention = [block.attention1.attention, block.attention2.attention]
        plain = (
            block.interpolation_mode == "nearest"
            and all(isinstance(one, nn.Identity) for one in attention)
            and isinstance(block.conv1[1], nn.BatchNorm2d)
            and isinstance(block.conv1[2], nn.ReLU)
        )
        if plain and channels >= _SPLIT_FROM_CHANNELS:
            blocks[i] = SubpixelBlock(block, channels)
        channels = block.conv2[0].out_channels


def with_pooled_head(network: Any, pool: int) -> Any | None:
    """The network with a mean over squares of side `pool` inside its last convolution, or None."""
    head = getattr(network, "segmentation_head", None)
    if not isinstance(head, nn.Sequential) or not isinstance(head[0], nn.Conv2d):
        return None
    plain = all(
        isinstance(one, nn.Identity) or isinstance(getattr(one, "activation", None), nn.Identity)
        for one in list(head)[1:]
    )
    last = head[0]
    if not plain or last.groups != 1 or set(last.stride + last.dilation) != {1}:
        return None
    if last.padding_mode != "zeros" or last.padding != tuple(side // 2 for side in last.kernel_size):
        return None
    faster = copy.deepcopy(network)
    faster.segmentation_head[0] = pooled(last, pool)
    return faster.eval()
