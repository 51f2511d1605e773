"""Increasing functions that are convex left of zero, concave right of it, and symmetric about their value
there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.rows import Lines
from defenses.bounds.rules.base import RULES, Call
from defenses.bounds.rules.elementwise import DEFAULT, Elementwise, Function, Parameters, chord, tangent


class SShaped(Elementwise):
    """Sigmoid, tanh and their like.

    The upper line touches the concave part at or beyond the point ``d`` at which the tangent passes through
    the lower end of the graph; where there is no such point below the upper end, it is the chord. By default
    it touches above the midpoint of the interval where it can, which encloses the least area. The lower line
    is its mirror image.
    """

    def __init__(self, function: Function, derivative: Function) -> None:
        self.function, self.derivative = function, derivative

    def interval(self, call: Call) -> Interval:
        return call.interval(call.positions[0]).map(self.function)

    def anchors(self, call: Call, x: Interval) -> tuple[Tensor, ...]:
        with torch.no_grad():
            # both sides at once: many small steps, of which each costs more than its numbers
            low, high = torch.cat([x.lower, -x.upper]), torch.cat([x.upper, -x.lower])
            above, below = self._touch(low, high).chunk(2)
            return above, below

    def choices(self, call: Call, x: Interval, anchors: tuple[Tensor, ...]) -> Parameters:
        above, below = anchors
        return _share(-x.upper, -x.lower, below), _share(x.lower, x.upper, above)

    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        above, below = anchors
        high_slope, high = self._upper(x, above, chosen[1])
        low_slope, mirrored = self._upper(Interval(-x.upper, -x.lower), below, chosen[0])
        return Lines(low_slope, 2 * self.function(torch.zeros_like(mirrored)) - mirrored, high_slope, high)

    def _touch(self, low: Tensor, high: Tensor) -> Tensor:
        """The least place at which a tangent passes above the lower end; the upper end where there is none."""
        left, right = low.clamp(min=0), high.clamp(min=0)
        start = self.function(low)
        for _ in range(2 - int(math.log2(torch.finfo(low.dtype).eps))):
            middle = (left + right) / 2
            beneath = self.derivative(middle) * (middle - low) > self.function(middle) - start
            left, right = torch.where(beneath, middle, left), torch.where(beneath, right, middle)
        return torch.where(low >= 0, low, torch.minimum(right, high))

    def _upper(self, x: Interval, touch: Tensor, share: Tensor | None) -> tuple[Tensor, Tensor]:
        chord_slope, chord_bias = chord(self.function, self.derivative, x)
        concave = x.lower >= 0
        if share is None:
            middle = (x.lower + x.upper) / 2
            slope, bias = tangent(self.function, self.derivative, torch.maximum(middle, touch))
            steep, steep_bias = chord(
                self.function, self.derivative, Interval(x.lower, torch.maximum(touch, x.lower))
            )
            through = ~concave & (touch > middle) & (touch < x.upper)
            slope, bias = torch.where(through, steep, slope), torch.where(through, steep_bias, bias)
        else:
            slope, bias = tangent(self.function, self.derivative, touch + share * (x.upper - touch))
        straight = ~concave & (touch >= x.upper)
        return torch.where(straight, chord_slope, slope), torch.where(straight, chord_bias, bias)


def _share(low: Tensor, high: Tensor, touch: Tensor) -> Tensor:
    """Where the default tangent touches, between the least admissible place and the upper end."""
    place = torch.maximum((low + high) / 2, touch)
    return ((place - touch) / (high - touch).clamp(min=torch.finfo(low.dtype).tiny)).clamp(0, 1)


def _tanh_slope(x: Tensor) -> Tensor:
    shrunk = torch.exp(-2 * x.abs())
    return 4 * shrunk / (1 + shrunk).square()


def _sigmoid_slope(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * torch.sigmoid(-x)


aten = torch.ops.aten
RULES.add(SShaped(torch.sigmoid, _sigmoid_slope), aten.sigmoid.default)
RULES.add(SShaped(torch.tanh, _tanh_slope), aten.tanh.default)
RULES.add(SShaped(torch.atan, lambda x: (1 + x.square()).reciprocal()), aten.atan.default)
RULES.add(SShaped(torch.erf, lambda x: 2 / math.sqrt(math.pi) * torch.exp(-x.square())), aten.erf.default)
