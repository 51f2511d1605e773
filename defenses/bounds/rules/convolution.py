"""Two-dimensional convolutions: rows of single neurons stay windows of the size of their receptive field."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.problem import Value
from defenses.bounds.rows import Dense, Patches, Rows, Selection
from defenses.bounds.rules.affine import Product
from defenses.bounds.rules.base import RULES, Call
from defenses.bounds.rules.transposed import transposed

DENSE_SHARE = 0.6
"""Windows that cover more than this share of an image are written out over the whole image."""


MATRIX_GROWTH = 16
"""A window is pulled back by one matrix product where the result has at most this many times the kernel's
pixels.
"""


def _matrix(
    window: tuple[int, int], weight: Tensor, stride: tuple[int, int], dilation: tuple[int, int], groups: int
) -> Tensor:
    """The transposed convolution of every single entry of a window: ``(C h w, C', h', w')``."""
    size = weight.shape[0] * window[0] * window[1]
    entries = torch.eye(size, dtype=weight.dtype, device=weight.device).view(size, weight.shape[0], *window)
    return F.conv_transpose2d(entries, weight, None, stride, 0, 0, groups, dilation)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


class Convolution(Product):
    """``conv2d``, strided, padded, dilated, grouped."""

    def push(self, call: Call, position: int, x: Tensor, operands: list[Value]) -> Tensor:
        if position != 0 or operands[1].batched or len(call.node.shape) != 4:
            return super().push(call, position, x, operands)
        flat = F.conv2d(x.flatten(0, 2), operands[1].tensor, None, *self._options(call))
        return flat.view(*x.shape[:2], *call.node.shape)

    def interval(self, call: Call) -> Interval:
        if call.positions != (0,) or call.value(1).batched or len(call.node.shape) != 4:
            return super().interval(call)
        x, weight = call.interval(0), call.value(1).tensor
        bias = call.value(2).tensor if len(call.node.inputs) > 2 else None
        centre = F.conv2d(x.centre.flatten(0, 1), weight, bias, *self._options(call)).unsqueeze(1)
        radius = F.conv2d(x.radius.flatten(0, 1), weight.abs(), None, *self._options(call)).unsqueeze(1)
        return Interval.around(centre, radius)

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        if position != 0 or operands[1].batched or len(call.node.shape) != 4:
            return super().pull(call, position, rows, operands)
        source, weight = call.node.inputs[0], operands[1].tensor
        if isinstance(rows, Selection):
            rows = rows.patches()
        if isinstance(rows, Patches):
            pulled = self._pull_patches(call, rows, weight)
            height, width = source.shape[2:]
            if pulled.window[0] * pulled.window[1] > DENSE_SHARE * height * width:
                return pulled.dense()
            return pulled.mask()
        stride, padding, dilation, groups = self._options(call)
        coefficients = rows.dense().coefficients
        flat = coefficients.flatten(0, 2)
        pulled_flat = transposed(flat, weight, source.shape[2:], stride, padding, dilation, groups)
        return Dense(source.shape, rows.mirrored, pulled_flat.view(*coefficients.shape[:2], *source.shape))

    def constant(self, call: Call, rows: Rows) -> Tensor:
        if isinstance(rows, Patches) and call.positions == (0,):
            if len(call.node.inputs) < 3 or call.value(2).batched:
                return rows.zeros() if len(call.node.inputs) < 3 else super().constant(call, rows)
            return rows.channels(call.value(2).tensor)
        return super().constant(call, rows)

    def _pull_patches(self, call: Call, rows: Patches, weight: Tensor) -> Patches:
        stride, padding, dilation, groups = self._options(call)
        flat = rows.blocks.flatten(0, 1)
        window = [
            (n - 1) * s + d * (k - 1) + 1
            for n, s, d, k in zip(rows.window, stride, dilation, weight.shape[2:], strict=True)
        ]
        if window[0] * window[1] <= MATRIX_GROWTH * weight.shape[2] * weight.shape[3]:
            matrix = call.cached(
                f"matrix {rows.window}", lambda: _matrix(rows.window, weight, stride, dilation, groups)
            )
            blocks = (flat.flatten(1) @ matrix.flatten(1)).view(len(flat), *matrix.shape[1:])
        else:
            blocks = transposed(flat, weight, window, stride, (0, 0), dilation, groups)
        a, b, c, d = rows.extent
        extent = (
            a * stride[0] - padding[0],
            b * stride[0] - padding[0],
            c * stride[1] - padding[1],
            d * stride[1] - padding[1],
        )
        return Patches(
            call.node.inputs[0].shape,
            rows.mirrored,
            blocks.view(*rows.blocks.shape[:2], *blocks.shape[1:]),
            rows.top * stride[0] - padding[0],
            rows.left * stride[1] - padding[1],
            extent,
        )

    def _options(self, call: Call) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]:
        """Stride, padding, dilation and groups."""
        node = call.node
        return (
            _pair(node.static(3, "stride", 1)),
            _pair(node.static(4, "padding", 0)),
            _pair(node.static(5, "dilation", 1)),
            int(node.static(6, "groups", 1)),
        )


RULES.add(Convolution(0, 1), torch.ops.aten.conv2d.default)
