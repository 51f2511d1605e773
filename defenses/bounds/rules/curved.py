"""Functions of any curvature, by their inflection points: GELU, SiLU, Mish, odd powers.

The upper line is the one that supports the graph's concave hull above the midpoint of the interval; it
touches the graph at one or two places, which are searched on a grid. Its intercept is then raised to the
greatest value of ``f(x) - slope x`` on the interval, which is attained at an end or where ``f' = slope``;
between inflection points ``f'`` is monotone, so that bisection finds every such place. The line is thus sound
whatever slope the search came upon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.rows import Lines
from defenses.bounds.rules.base import RULES, Call
from defenses.bounds.rules.elementwise import DEFAULT, Concave, Convex, Elementwise, Function, Parameters

GRID = 16
BISECTIONS = 45
ZOOMS = 12
APART = 1e-6
"""Contacts on the two sides keep this share of the interval from the midpoint."""


class Curved(Elementwise):
    """A smooth function whose curvature changes sign at known places.

    Args:
        function: the function.
        derivative: its derivative.
        inflections: where the derivative turns, ascending.
        extrema: where the derivative is zero.
    """

    def __init__(
        self,
        function: Function,
        derivative: Function,
        inflections: Sequence[float],
        extrema: Sequence[float] = (),
    ) -> None:
        self.function, self.derivative = function, derivative
        self.inflections, self.extrema = tuple(inflections), tuple(extrema)

    def interval(self, call: Call) -> Interval:
        x = call.interval(call.positions[0])
        places = [
            x.lower,
            x.upper,
            *(torch.clamp(torch.full_like(x.lower, e), x.lower, x.upper) for e in self.extrema),
        ]
        images = torch.stack([self.function(place) for place in places])
        return Interval(images.amin(0), images.amax(0))

    def anchors(self, call: Call, x: Interval) -> tuple[Tensor, ...]:
        with torch.no_grad():
            return (*self._contacts(x, 1.0), *self._contacts(x, -1.0))

    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        return Lines(
            *self._line(x, anchors[2], anchors[3], -1.0), *self._line(x, anchors[0], anchors[1], 1.0)
        )

    def _contacts(self, x: Interval, sign: float) -> tuple[Tensor, Tensor]:
        """Places left and right of the midpoint, as shares of the interval, that span the hull above it.

        Both are one half where the hull touches the graph at the midpoint.
        """
        width = x.upper - x.lower

        def height(share: Tensor) -> Tensor:
            return sign * self.function(x.lower.unsqueeze(-1) + share * width.unsqueeze(-1))

        shares = torch.linspace(0, 0.5, GRID + 1, dtype=width.dtype, device=width.device)[:-1]
        grid = shares.expand(*width.shape, GRID)
        left, right = self._best(grid, 1 - grid, height)
        step = 0.25 / GRID
        offsets = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], dtype=width.dtype, device=width.device)
        for _ in range(ZOOMS):
            near_left = (left.unsqueeze(-1) + step * offsets).clamp(0, 0.5 - APART)
            near_right = (right.unsqueeze(-1) + step * offsets).clamp(0.5 + APART, 1)
            left, right = self._best(near_left, near_right, height)
            step /= 2
        touching = self._supports(x, sign)
        half = torch.full_like(left, 0.5)
        return torch.where(touching, half, left), torch.where(touching, half, right)

    def _supports(self, x: Interval, sign: float) -> Tensor:
        """Whether the tangent at the midpoint stays on its side of the graph."""
        middle = x.centre
        slope, height = self.derivative(middle), self.function(middle)
        places = (x.lower, x.upper, *self._critical(x, slope))
        excess = torch.stack(
            [sign * (self.function(p) - height - slope * (p - middle)) for p in places]
        ).amax(0)
        return excess <= 8 * torch.finfo(height.dtype).eps * (1 + height.abs())

    @staticmethod
    def _best(left: Tensor, right: Tensor, height: Function) -> tuple[Tensor, Tensor]:
        """Of all pairs of candidate shares the one whose chord is highest at the midpoint."""
        gap = right.unsqueeze(-2) - left.unsqueeze(-1)
        weight = torch.where(
            gap > 0, (0.5 - left.unsqueeze(-1)) / gap.clamp(min=1e-30), torch.zeros_like(gap)
        )
        start, end = height(left).unsqueeze(-1), height(right).unsqueeze(-2)
        best = (start + weight * (end - start)).flatten(-2).argmax(-1, keepdim=True)
        count = right.shape[-1]
        return left.gather(-1, best // count).squeeze(-1), right.gather(-1, best % count).squeeze(-1)

    def _line(self, x: Interval, left: Tensor, right: Tensor, sign: float) -> tuple[Tensor, Tensor]:
        middle, width = x.centre, x.upper - x.lower
        fixed = x.detach()
        p = torch.where(left == 0, x.lower, fixed.lower + left * (fixed.upper - fixed.lower))
        q = torch.where(right == 1, x.upper, fixed.lower + right * (fixed.upper - fixed.lower))
        touching = (left == right) | (width <= torch.finfo(width.dtype).tiny)
        gap = torch.where(touching, torch.ones_like(width), q - p)
        slope = torch.where(touching, self.derivative(middle), (self.function(q) - self.function(p)) / gap)
        heights = [
            sign * (self.function(place) - slope * place)
            for place in (x.lower, x.upper, *self._critical(x, slope))
        ]
        return slope, sign * torch.stack(heights).amax(0)

    def _critical(self, x: Interval, slope: Tensor) -> list[Tensor]:
        """Places where the derivative is the slope, one in every piece between inflection points.

        Gradients pass through a place at an end of the interval only: at the others the height is stationary.
        """
        cuts = [torch.full_like(slope, place) for place in (-math.inf, *self.inflections, math.inf)]
        places = []
        with torch.no_grad():
            for start, end in pairwise(cuts):
                left = torch.clamp(start, x.lower, x.upper)
                right = torch.clamp(end, x.lower, x.upper)
                rising = self.derivative(right) > self.derivative(left)
                for _ in range(BISECTIONS):
                    middle = (left + right) / 2
                    before = (self.derivative(middle) < slope) == rising
                    left, right = torch.where(before, middle, left), torch.where(before, right, middle)
                places.append((left + right) / 2)
        lower, upper = x.lower, x.upper
        near = (upper - lower).detach() * 2.0**-30
        return [
            torch.where(p <= lower + near, lower, torch.where(p >= upper - near, upper, p)) for p in places
        ]


class Power(Curved):
    """Odd integer powers."""

    def __init__(self, exponent: int) -> None:
        super().__init__(lambda x: x.pow(exponent), lambda x: exponent * x.pow(exponent - 1), (0.0,))


class Variant(Elementwise):
    """A rule for each value of one argument of the operator."""

    def __init__(self, name: str, rules: Mapping[Any, Elementwise], default: Any) -> None:
        self.name, self.rules, self.default = name, dict(rules), default

    def _rule(self, call: Call) -> Elementwise:
        return self.rules[call.node.static(1, self.name, self.default)]

    def interval(self, call: Call) -> Interval:
        return self._rule(call).interval(call)

    def anchors(self, call: Call, x: Interval) -> tuple[Tensor, ...]:
        return self._rule(call).anchors(call, x)

    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        return self._rule(call).lines(call, x, anchors)


class AnyPower(Variant):
    """``x ** exponent``: convex for even integers, curved for odd ones; other exponents for positive
    arguments.
    """

    def __init__(self) -> None:
        super().__init__("exponent", {}, 1)

    def _rule(self, call: Call) -> Elementwise:
        exponent = float(call.node.static(1, "exponent", 1))
        if exponent.is_integer() and exponent > 0:
            whole = int(exponent)
            if whole % 2:
                return Power(whole)
            return Convex(lambda x: x.pow(whole), lambda x: whole * x.pow(whole - 1), least=0.0)
        rule = Concave if 0 < exponent < 1 else Convex
        return rule(
            lambda x: x.pow(exponent), lambda x: exponent * x.pow(exponent - 1), domain=(0.0, math.inf)
        )


def _normal_density(x: Tensor) -> Tensor:
    return torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)


def _gelu_slope(x: Tensor) -> Tensor:
    return (1 + torch.erf(x / math.sqrt(2))) / 2 + x * _normal_density(x)


def _silu_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _gelu_tanh_slope(x: Tensor) -> Tensor:
    scale = math.sqrt(2 / math.pi)
    t = torch.tanh(scale * (x + 0.044715 * x.pow(3)))
    return (1 + t) / 2 + x / 2 * (1 - t.square()) * scale * (1 + 3 * 0.044715 * x.square())


aten = torch.ops.aten
GELU = Curved(F.gelu, _gelu_slope, (-math.sqrt(2), math.sqrt(2)), (-0.7517915246935645,))
GELU_TANH = Curved(_gelu_tanh, _gelu_tanh_slope, (-1.4185040088246, 1.4185040088246), (-0.7524614220710162,))
RULES.add(Variant("approximate", {"none": GELU, "tanh": GELU_TANH}, "none"), aten.gelu.default)
RULES.add(
    Curved(F.silu, _silu_slope, (-2.3993572805154676, 2.3993572805154676), (-1.278464542761074,)),
    aten.silu.default,
)
RULES.add(AnyPower(), aten.pow.Tensor_Scalar)
RULES.add(Convex(F.softplus, torch.sigmoid), aten.softplus.default)
