"""Composite operators written in simpler ones, chosen so that their relaxation is tight.

Every entry is exact in real arithmetic and numerically safe for finite arguments. The forms matter: softmax
becomes ``1 / sum_j exp(x_j - x_i)``, in which every input occurs with its difference to the others only and
which needs no maximum; attention masks are factors of the exponentials and never minus infinity; a maximum is
``b + relu(a - b)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from defenses.bounds.recurrent import (
    gru,
    gru_cell,
    lstm,
    lstm_cell,
    rnn_relu,
    rnn_relu_cell,
    rnn_tanh,
    rnn_tanh_cell,
)

aten = torch.ops.aten


def divide(x: Tensor, y: Tensor | float) -> Tensor:
    """``x * (1 / y)``: a product and a convex function."""
    return x * (y.reciprocal() if isinstance(y, Tensor) else 1 / y)


def _differences(x: Tensor, dim: int) -> Tensor:
    """``x_j - x_i`` with j along a new axis directly after axis i."""
    dim = dim % x.ndim
    return x.unsqueeze(dim) - x.unsqueeze(dim + 1)


def _exponential_sums(x: Tensor, dim: int, weight: Tensor | None = None) -> Tensor:
    """``sum_j weight_j exp(x_j - x_i)`` at every place i; the term ``j = i`` is ``weight_i`` exactly."""
    dim = dim % x.ndim
    size = x.shape[dim]
    others = 1 - torch.eye(size, dtype=x.dtype, device=x.device)
    others = others.reshape(size, size, *(1,) * (x.ndim - dim - 1))
    factor = others if weight is None else others * weight.unsqueeze(dim - x.ndim - 1)
    total = (_differences(x, dim).exp() * factor).sum(dim + 1)
    return total + (1 if weight is None else weight)


def softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """``1 / sum_j exp(x_j - x_i)``."""
    x = x if dtype is None else x.to(dtype)
    return _exponential_sums(x, dim).reciprocal()


def log_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """``-log sum_j exp(x_j - x_i)``."""
    x = x if dtype is None else x.to(dtype)
    return -_exponential_sums(x, dim).log()


def logsumexp(x: Tensor, dim: list[int], keepdim: bool = False) -> Tensor:
    """``log sum exp(x)`` over the given axes."""
    return x.exp().sum(dim, keepdim).log()


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention with its mask as a factor of the exponentials: weights ``m_i / sum_j m_j exp(s_j - s_i)``."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    scores = (query * scale) @ key.transpose(-1, -2)
    factor = None
    if is_causal:
        factor = torch.ones(scores.shape[-2:], dtype=scores.dtype, device=scores.device).tril()
    elif attn_mask is not None:
        factor = attn_mask.to(scores.dtype) if attn_mask.dtype == torch.bool else attn_mask.exp()
    weights = _exponential_sums(scores, -1, factor).reciprocal()
    return (weights if factor is None else weights * factor) @ value


def _normalise(x: Tensor, dims: list[int], eps: float) -> Tensor:
    centred = x - x.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """Centre, divide by the deviation, scale, shift."""
    y = _normalise(x, list(range(-len(normalized_shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(
    x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root of the mean square."""
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    y = x * (x.square().mean(list(range(-len(normalized_shape), 0)), keepdim=True) + eps).rsqrt()
    return y if weight is None else y * weight


def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Normalise groups of channels of every sample."""
    groups = x.reshape(x.shape[0], num_groups, -1)
    y = _normalise(groups, [-1], eps).reshape(x.shape)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def instance_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """Normalise every channel by its own or by the running statistics."""
    if use_input_stats or running_mean is None or running_var is None:
        return group_norm(x, x.shape[1], weight, bias, eps)
    return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)


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


def power(x: Tensor, exponent: float) -> Tensor:
    """Powers with a form of their own; the others keep ``pow``."""
    named: dict[float, Callable[[Tensor], Tensor]] = {
        1.0: lambda t: t,
        2.0: torch.square,
        0.5: torch.sqrt,
        -0.5: torch.rsqrt,
        -1.0: torch.reciprocal,
    }
    if float(exponent) in named:
        return named[float(exponent)](x)
    return NotImplemented


def softplus(x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """``softplus(beta x) / beta``."""
    return NotImplemented if beta == 1 else F.softplus(beta * x) / beta


def variance(
    x: Tensor, dim: Sequence[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> Tensor:
    """The mean square of the centred values, with the correction for the degrees of freedom."""
    dims = list(range(x.ndim)) if dim is None else list(dim)
    count = 1
    for d in dims:
        count *= x.shape[d]
    square = (x - x.mean(dims, keepdim=True)).square().sum(dims, keepdim)
    return square / (count - (1 if correction is None else correction))


def masked_fill(x: Tensor, mask: Tensor, value: Tensor | float) -> Tensor:
    """Keep the unmasked entries and add the constant elsewhere."""
    filler = torch.where(mask, value, torch.zeros((), dtype=x.dtype, device=x.device))
    return x * (~mask).to(x.dtype) + filler


def where(mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Select by a mask that is not perturbed."""
    return a * mask.to(a.dtype) + b * (~mask).to(b.dtype)


def addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * bias + alpha * a @ b``."""
    return beta * bias + alpha * (a @ b)


def lerp(a: Tensor, b: Tensor, weight: Tensor | float) -> Tensor:
    """``a + weight * (b - a)``."""
    return a + weight * (b - a)


def decomposition_table() -> dict[Any, Callable[..., Any]]:
    """Which operators are rewritten, for ``ExportedProgram.run_decompositions``."""
    return {
        aten.div.Tensor: divide,
        aten.softmax.int: softmax,
        aten._softmax.default: lambda x, dim, half: softmax(x, dim),
        aten.log_softmax.int: log_softmax,
        aten._log_softmax.default: lambda x, dim, half: log_softmax(x, dim),
        aten.logsumexp.default: logsumexp,
        aten.scaled_dot_product_attention.default: scaled_dot_product_attention,
        aten.layer_norm.default: layer_norm,
        aten.rms_norm.default: rms_norm,
        aten.group_norm.default: group_norm,
        aten.instance_norm.default: instance_norm,
        aten.maximum.default: maximum,
        aten.max.other: maximum,
        aten.minimum.default: minimum,
        aten.min.other: minimum,
        aten.amax.default: amax,
        aten.amin.default: amin,
        aten.max.default: amax,
        aten.min.default: amin,
        aten.max.dim: max_dim,
        aten.min.dim: min_dim,
        aten.max_pool2d.default: max_pool2d,
        aten.max_pool1d.default: max_pool1d,
        aten.pow.Tensor_Scalar: power,
        aten.softplus.default: softplus,
        aten.var.correction: variance,
        aten.var.dim: lambda x, dim, unbiased=True, keepdim=False: variance(
            x, dim, correction=int(unbiased), keepdim=keepdim
        ),
        aten.std.dim: lambda x, dim, unbiased=True, keepdim=False: variance(
            x, dim, correction=int(unbiased), keepdim=keepdim
        ).sqrt(),
        aten.std.correction: lambda x, dim=None, **options: variance(x, dim, **options).sqrt(),
        aten.masked_fill.Scalar: masked_fill,
        aten.masked_fill.Tensor: masked_fill,
        aten.where.self: where,
        aten.addmm.default: addmm,
        aten.baddbmm.default: addmm,
        aten.lerp.Scalar: lerp,
        aten.lerp.Tensor: lerp,
        aten.addcmul.default: lambda x, a, b, *, value=1: x + value * a * b,
        aten.lstm.input: lstm,
        aten.gru.input: gru,
        aten.rnn_tanh.input: rnn_tanh,
        aten.rnn_relu.input: rnn_relu,
        aten.lstm_cell.default: lstm_cell,
        aten.gru_cell.default: gru_cell,
        aten.rnn_tanh_cell.default: rnn_tanh_cell,
        aten.rnn_relu_cell.default: rnn_relu_cell,
        aten.hardswish.default: lambda x: x * F.hardsigmoid(x),
        aten.hardsigmoid.default: lambda x: (x / 6 + 0.5).clamp(0, 1),
        aten.hardtanh.default: lambda x, low=-1, high=1: x.clamp(low, high),
        aten.relu6.default: lambda x: x.clamp(0, 6),
    }
