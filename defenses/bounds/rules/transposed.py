"""Transposed convolutions of many images, as the fastest of several equal computations on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

FEW = 4
"""Images of so few channels are computed in blocks of neighbouring pixels: vector units want more channels."""


def transposed(
    rows: Tensor,
    weight: Tensor,
    size: Sequence[int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> Tensor:
    """The gradient of a convolution in its input.

    Args:
        rows: ``(N, C_out, h, w)``.
        weight: the convolution's, ``(C_out, C_in / groups, k, l)``.
        size: height and width of the input.
        stride: of the convolution, as are padding, dilation and groups.

    Returns:
        ``(N, C_in, *size)``.
    """
    if groups == 1 and dilation == (1, 1) and weight.shape[1] <= FEW:
        return _in_blocks(rows, weight, size, stride, padding)
    if groups == 1 and tuple(weight.shape[2:]) == (1, 1) and padding == (0, 0):
        image = rows.new_zeros(len(rows), weight.shape[1], *size)
        image[:, :, :: stride[0], :: stride[1]] = F.conv2d(rows, weight.transpose(0, 1))
        return image
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    margin = [r - p for r, p in zip(reach, padding, strict=True)]
    if stride == (1, 1) and groups == 1 and min(margin) >= 0:
        turned = weight.flip(2, 3).transpose(0, 1)
        return F.conv2d(rows, turned, None, 1, margin, dilation)
    rest = [
        full - ((n - 1) * s - 2 * p + r + 1)
        for full, n, s, p, r in zip(size, rows.shape[2:], stride, padding, reach, strict=True)
    ]
    return F.conv_transpose2d(rows, weight, None, stride, padding, rest, groups, dilation)


def _in_blocks(
    rows: Tensor, weight: Tensor, size: Sequence[int], stride: tuple[int, int], outer: tuple[int, int]
) -> Tensor:
    """One convolution whose channels are the pixels of a block, and a shuffle of the blocks into the image."""
    down, across = (
        _Axis.of(size[i], rows.shape[2 + i], weight.shape[2 + i], stride[i], outer[i]) for i in (0, 1)
    )
    kernel = torch.einsum("rtk,qul,oikl->irqotu", down.taps.to(weight), across.taps.to(weight), weight)
    padding = [0, 0]
    if all(before == after >= 0 for before, after in (down.margin, across.margin)):
        padding = [down.margin[0], across.margin[0]]
    else:
        rows = F.pad(rows, (*across.margin, *down.margin))
    blocks = F.conv2d(rows, kernel.flatten(0, 2), None, (down.step, across.step), padding)
    blocks = blocks.view(len(rows), -1, down.block, across.block, down.count, across.count)
    image = blocks.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
    return image[:, :, : size[0], : size[1]]


@dataclass(frozen=True)
class _Axis:
    """How blocks lie along one axis: pixel ``r`` of block ``b`` receives row ``step b + t`` by entry ``k`` of the
    kernel where ``stride t = r + padding - k``.

    Attributes:
        block: pixels of a block.
        count: of blocks.
        step: from block to block, in rows.
        margin: zeros before the first row and after the last; negative for rows that reach no pixel.
        taps: ``(block, T, kernel)``, one where an entry brings a row to a pixel.
    """

    block: int
    count: int
    step: int
    margin: tuple[int, int]
    taps: Tensor

    @classmethod
    def of(cls, size: int, rows: int, kernel: int, stride: int, padding: int) -> _Axis:
        """For an image of a size, and a number of rows, along the axis."""
        block = stride * max(1, 2 // stride)
        step, count = block // stride, ceil(size / block)
        found = [
            (r, (r + padding - k) // stride, k)
            for r in range(block)
            for k in range(kernel)
            if (r + padding - k) % stride == 0
        ]
        first, last = (choose(t for _, t, _ in found) for choose in (min, max))
        taps = torch.zeros(block, last - first + 1, kernel)
        for r, t, k in found:
            taps[r, t - first, k] = 1
        return cls(block, count, step, (-first, step * (count - 1) + last - (rows - 1)), taps)
