"""Softmax and attention as ``1 / sum_j exp(x_j - x_i)``.

Every input occurs with its difference to the others only, and no maximum is needed; attention masks are factors of the
exponentials and never minus infinity.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
