"""Convolutions around a change of scale, computed at the coarse scale: fewer operations, same sums.

A 3x3 convolution that reads a picture enlarged twofold by repetition sees each coarse pixel up to four times. Which
taps fall on the same pixel depends only on whether row and column are even or odd, so each of the four cases is a 2x2
convolution of the coarse picture: 4 taps instead of 9. (Shi et al., "Is the deconvolution layer the same as a
convolutional layer?", 2016.) The other way round, a mean over squares of what a convolution gives is one larger
convolution with a stride.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import conv2d, pad, relu

_TAPS = {0: ((0,), (1, 2)), 1: ((0, 1), (2,))}
"""By the parity of a fine row: which of three taps fall on the first and the second coarse row."""


class EnlargedConvolution(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy
    """A 3x3 convolution, without bias, of what is first enlarged twofold by repetition.

    Args:
        weight: Shape (to, from, 3, 3).
    """

    def __init__(self, weight: Any) -> None:
        super().__init__()
        self.parts = nn.ParameterList([_part(weight, a, b) for a in (0, 1) for b in (0, 1)])

    def forward(self, coarse: Any) -> Any:
        """From (1, from, h, w) to (1, to, 2 h, 2 w)."""
        _, _, height, width = coarse.shape
        sums = [conv2d(pad(coarse, (1 - i % 2, i % 2, 1 - i // 2, i // 2)), part) for i, part in enumerate(self.parts)]
        channels = sums[0].shape[1]
        # Columns first, then rows: moving five axes at once takes ONNX Runtime four times as long.
        columns = torch.cat(sums, 1).view(2, 2, channels * height * width).transpose(1, 2)
        rows = columns.reshape(2, channels * height, 2 * width).transpose(0, 1)
        return rows.reshape(1, channels, 2 * height, 2 * width)


class SubpixelBlock(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """smp's U-Net decoder block with the enlarged half of its first convolution done coarsely.

    Args:
        block: smp's UnetDecoderBlock, in evaluation mode.
        channels: That come from the coarser level; the others skip the levels below.
    """

    def __init__(self, block: Any, channels: int) -> None:
        super().__init__()
        weight, bias = _with_norm(block.conv1[0], block.conv1[1])
        skipped = weight.shape[1] - channels
        coarse, fine = weight.split([channels, skipped], dim=1)
        self.enlarged = EnlargedConvolution(coarse)
        self.fine = nn.Parameter(fine) if skipped else None
        self.bias = nn.Parameter(bias)
        self.block = block

    def forward(self, feature_map: Any, target_height: int, target_width: int, skip_connection: Any = None) -> Any:
        """The block's output; by the block itself where the target is not of twice the size."""
        if (target_height, target_width) != tuple(2 * side for side in feature_map.shape[2:]):
            return self.block(feature_map, target_height, target_width, skip_connection)
        total = self.enlarged(feature_map)
        if self.fine is None:
            total = total + self.bias.view(1, -1, 1, 1)
        else:
            total = total + conv2d(skip_connection, self.fine, self.bias, padding=1)
        return self.block.conv2(relu(total))


class SubpixelSum(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """A 3x3 convolution of an FPN's level, itself the enlarged coarser one plus what skips it.

    What skips goes through a 1x1 convolution first: both are one 3x3 convolution of fewer channels. Its bias is added
    to the coarser level, where zero padding cuts it off as before.

    Args:
        level: smp's FPNBlock that enlarges by repetition.
        convolution: 3x3, without bias, of what that gives.
    """

    def __init__(self, level: Any, convolution: Any) -> None:
        super().__init__()
        skip = level.skip_conv
        self.enlarged = EnlargedConvolution(convolution.weight)
        with torch.no_grad():
            joined = torch.einsum("omyx,mi->oiyx", convolution.weight, skip.weight[:, :, 0, 0])
        self.fine = nn.Parameter(joined)
        self.bias = nn.Parameter(skip.bias.detach().clone().view(1, -1, 1, 1))

    def forward(self, coarse: Any, skip: Any) -> Any:
        """The convolution's output for the level, which need not be computed for it."""
        return self.enlarged(coarse + self.bias) + conv2d(skip, self.fine, padding=1)


def _part(weight: Any, row: int, column: int) -> Any:
    """The 2x2 convolution that gives the fine pixels of one parity."""
    rows = [sum(weight[:, :, t] for t in taps) for taps in _TAPS[row]]
    cells = [[sum(one[:, :, t] for t in taps) for taps in _TAPS[column]] for one in rows]
    return nn.Parameter(torch.stack([torch.stack(line, dim=-1) for line in cells], dim=-2))


def _with_norm(convolution: Any, norm: Any) -> tuple[Any, Any]:
    """Weight and bias of a convolution with the normalisation behind it."""
    with torch.no_grad():
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        bias = convolution.bias if convolution.bias is not None else 0.0
        shifted = (bias - norm.running_mean) * factor + norm.bias
        return convolution.weight * factor.view(-1, 1, 1, 1), shifted


def pooled(convolution: Any, pool: int) -> Any:
    """A convolution followed by a mean over squares, as one convolution with a stride.

    Args:
        convolution: Of stride 1, that keeps the size of a picture.
        pool: Side of the squares, px; the picture's sides are multiples of it.
    """
    rows, columns = convolution.kernel_size
    joined = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        (rows + pool - 1, columns + pool - 1),
        stride=pool,
        padding=convolution.padding,
        bias=convolution.bias is not None,
    )
    with torch.no_grad():
        joined.weight.zero_()
        for row in range(pool):
            for column in range(pool):
                view = joined.weight[:, :, row : row + rows, column : column + columns]
                view += convolution.weight / pool**2
        if convolution.bias is not None:
            joined.bias.copy_(convolution.bias)
    return joined
