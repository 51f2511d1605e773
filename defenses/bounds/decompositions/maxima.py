"""Maxima, minima and max pooling as tournaments of ``b + relu(a - b)``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """``b + relu(a - b)``."""
    return b + (a - b).relu()


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """``b - relu(b - a)``."""
    return b - (b - a).relu()


def _tournament(x: Tensor, dim: int) -> Tensor:
    """The maximum along an axis, by halves; the axis is kept with length 1."""
    while (size := x.shape[dim]) > 1:
        half = size // 2
        winners = maximum(x.narrow(dim, 0, half), x.narrow(dim, half, half))
        x = winners if size % 2 == 0 else torch.cat([winners, x.narrow(dim, size - 1, 1)], dim)
    return x


def amax(x: Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """The maximum along some axes, all of them where none is named."""
    axes = sorted(d % x.ndim for d in dim) if len(dim) else range(x.ndim)
    for axis in axes:
        x = _tournament(x, axis)
    return x if keepdim else x.squeeze(list(axes))


def amin(x: Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """The minimum along some axes."""
    return -amax(-x, dim, keepdim)


def max_dim(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Maximum and its place; bounds exist for the maximum."""
    return amax(x, [dim], keepdim), x.argmax(dim, keepdim)


def min_dim(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Minimum and its place; bounds exist for the minimum."""
    return amin(x, [dim], keepdim), x.argmin(dim, keepdim)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def max_pool2d(
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = (),
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Max pooling: gather the windows (a padded place repeats a place of the same window), then a tournament."""
    stride = kernel_size if stride in ((), []) else stride
    for axis, (kernel, step, pad, gap) in enumerate(
        zip(_pair(kernel_size), _pair(stride), _pair(padding), _pair(dilation), strict=True), start=x.ndim - 2
    ):
        size = x.shape[axis]
        count = size + 2 * pad - gap * (kernel - 1) - 1
        count = -(-count // step) + 1 if ceil_mode else count // step + 1
        if ceil_mode and (count - 1) * step >= size + pad:
            count -= 1
        place = torch.arange(count, device=x.device).unsqueeze(1) * step - pad
        place = place + torch.arange(kernel, device=x.device) * gap
        place = torch.where(place < 0, place % gap, place)
        beyond = (place - size).clamp(min=-1) + 1
        place = place - (beyond + gap - 1) // gap * gap
        windows = x.index_select(axis, place.flatten()).unflatten(axis, (count, kernel))
        x = _tournament(windows, axis + 1).squeeze(axis + 1)
    return x


def max_pool1d(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Tensor:
    """Max pooling along the last axis."""
    stride = stride if len(stride) else kernel_size
    y = max_pool2d(
        x.unsqueeze(-2), (1, kernel_size[0]), (1, stride[0]), (0, padding[0]), (1, dilation[0]), ceil_mode
    )
    return y.squeeze(-2)
