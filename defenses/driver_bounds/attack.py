"""The strongest member of a threat that gradient steps find, to hold against a bound."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from defenses.driver_bounds.threats import FrameThreat

AT_ONCE = 8
"""Attacks that are made together."""


def extremes(
    function: Callable[[Tensor], Tensor],
    frame: Tensor,
    threat: FrameThreat,
    radius: float,
    count: int,
    steps: int,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Least and greatest value that attacks reach, half of them in either direction.

    Each starts anywhere in the threat and takes sign-gradient steps that grow smaller (projected gradient descent,
    Madry et al. 2018); all places on the way count.

    Args:
        function: a number for each of ``(M, *SHAPE)`` frames, ``(M,)``, differentiable.
        frame: ``(1, *SHAPE)`` the clean one.
        threat: what may change.
        radius: the budget, in brightness.
        count: how many attacks.
        steps: of each.
        generator: draws where they start.
    """
    found = [float(function(frame))]
    for start in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - start)
        sign = torch.where((torch.arange(size) + start) % 2 == 0, 1.0, -1.0)
        shares = 2 * torch.rand(size, threat.size, generator=generator) - 1
        for step in range(steps):
            shares.requires_grad_(True)
            with torch.enable_grad():
                value = function(threat.apply(frame, shares, radius))
                (slope,) = torch.autograd.grad((sign * value).sum(), shares)
            found += value.tolist()
            reach = 2.0 * (1 - step / steps)
            shares = (shares.detach() + reach * slope.sign()).clamp(-1, 1)
        with torch.no_grad():
            found += function(threat.apply(frame, shares, radius)).tolist()
    return min(found), max(found)
