"""Composite arithmetic written in sums, products and functions of one argument."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def divide(x: Tensor, y: Tensor | float) -> Tensor:
    """``x * (1 / y)``: a product and a convex function."""
    return x * (y.reciprocal() if isinstance(y, Tensor) else 1 / y)


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
