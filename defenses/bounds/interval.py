"""Elementwise bounds on a value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 64
"""Bounds are computed without directed rounding. Over random graphs they were never wrong by so many units in the last
place (tests/defenses/bounds/test_random_graphs.py); that is a measured allowance, not a proof."""


def at_least(bound: Tensor) -> Tensor:
    """Lower bounds, with minus infinity where they overflowed: differences of infinities are no numbers."""
    return torch.where(bound < math.inf, bound, -math.inf)


@dataclass(frozen=True)
class Interval:
    """``lower <= value <= upper``, both ``(B, *shape)``, or ``(1, *shape)`` where all samples agree."""

    lower: Tensor
    upper: Tensor

    @property
    def centre(self) -> Tensor:
        """The midpoint."""
        return (self.lower + self.upper) / 2

    @property
    def radius(self) -> Tensor:
        """Half the width."""
        return (self.upper - self.lower) / 2

    @property
    def turned(self) -> Interval:
        """The bounds exchanged: where a decreasing function takes its least and its greatest value."""
        return Interval(self.upper, self.lower)

    @property
    def shape(self) -> torch.Size:
        """Shape of the bounds, batch axis first."""
        return self.lower.shape

    def map(self, function: Callable[[Tensor], Tensor]) -> Interval:
        """The same function on both bounds, for functions that do not decrease in any entry."""
        return Interval(function(self.lower), function(self.upper))

    def expand(self, batch: int) -> Interval:
        """With the batch axis at its full length."""
        return self.map(lambda t: t.expand(batch, *t.shape[1:]))

    def detach(self) -> Interval:
        """Cut from the autograd graph."""
        return self.map(Tensor.detach)

    def outward(self, usual: float = 1.0) -> Interval:
        """Wider by what rounding may have cost: ``ROUNDING`` units in the last place.

        Args:
            usual: size of the numbers that the value is made from; one for most networks.
        """
        unit = ROUNDING * torch.finfo(self.lower.dtype).eps
        low, high = (unit * (usual + bound.abs()) for bound in (self.lower, self.upper))
        return Interval(self.lower - low, self.upper + high)

    def intersect(self, other: Interval) -> Interval:
        """The common part of two sound intervals; where rounding makes them cross, both take the upper
        bound's place.
        """
        one, two = self.known(), other.known()
        upper = torch.minimum(one.upper, two.upper)
        return Interval(torch.minimum(torch.maximum(one.lower, two.lower), upper), upper)

    def known(self) -> Interval:
        """What is left where numbers grew too large: a bound that is no number, or infinite on its own side, says
        nothing.
        """
        return Interval(at_least(self.lower), -at_least(-self.upper))

    @staticmethod
    def around(centre: Tensor, radius: Tensor) -> Interval:
        """From midpoint and half width."""
        return Interval(centre - radius, centre + radius)

    @staticmethod
    def product(x: Interval, y: Interval) -> Interval:
        """The exact range of elementwise products."""
        corners = (x.lower * y.lower, x.lower * y.upper, x.upper * y.lower, x.upper * y.upper)
        low = torch.minimum(torch.minimum(corners[0], corners[1]), torch.minimum(corners[2], corners[3]))
        high = torch.maximum(torch.maximum(corners[0], corners[1]), torch.maximum(corners[2], corners[3]))
        return Interval(low, high)
