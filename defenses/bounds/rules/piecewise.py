"""Piecewise linear activations."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.rows import Lines
from defenses.bounds.rules.base import RULES, Call
from defenses.bounds.rules.elementwise import DEFAULT, Elementwise, Parameters, chord


class Kink(Elementwise):
    """``left * x`` below zero and ``right * x`` above.

    Where the kink lies inside the interval, the chord is on one side of it, and on the other a line through
    the origin whose slope is free between the two; by default the slope of the longer side (adaptive CROWN).
    """

    def slopes(self, call: Call) -> tuple[float, float]:
        """The slope left and right of zero."""
        return 0.0, 1.0

    def interval(self, call: Call) -> Interval:
        x, (left, right) = call.interval(call.positions[0]), self.slopes(call)
        image = x.map(lambda t: right * t.clamp(min=0) + left * t.clamp(max=0))
        if min(left, right) >= 0:
            return image
        low, high = torch.minimum(image.lower, image.upper), torch.maximum(image.lower, image.upper)
        inside = (x.lower < 0) & (x.upper > 0)
        zero = torch.zeros_like(low)
        return Interval(
            torch.where(inside, torch.minimum(low, zero), low),
            torch.where(inside, torch.maximum(high, zero), high),
        )

    def unstable(self, call: Call, position: int) -> Tensor | None:
        x = call.interval(position)
        return (x.lower < 0) & (x.upper > 0)

    def choices(self, call: Call, x: Interval, anchors: tuple[Tensor, ...]) -> Parameters:
        longer = (x.upper > -x.lower).to(x.lower.dtype)
        left, right = self.slopes(call)
        return (longer, None) if right >= left else (None, longer)

    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        left, right = self.slopes(call)
        below, above = x.lower.clamp(max=0), x.upper.clamp(min=0)
        share = above / (above - below).clamp(min=torch.finfo(above.dtype).tiny)
        chord_slope, chord_bias = left + (right - left) * share, (left - right) * share * below
        turn = chosen[0] if right >= left else chosen[1]
        if turn is None:
            turn = (above > -below).to(above.dtype)
        else:
            stable = (x.lower >= 0) | (x.upper <= 0)
            turn = torch.where(stable, share, turn)
        free = turn if (left, right) == (0.0, 1.0) else left + (right - left) * turn
        if right >= left:
            return Lines(free, None, chord_slope, chord_bias)
        return Lines(chord_slope, chord_bias, free, None)


class LeakyKink(Kink):
    """Leaky ReLU with the slope of its call."""

    def slopes(self, call: Call) -> tuple[float, float]:
        return float(call.node.static(1, "negative_slope", 0.01)), 1.0


class Absolute(Kink):
    """``|x|``."""

    def slopes(self, call: Call) -> tuple[float, float]:
        return -1.0, 1.0


class Clamp(Elementwise):
    """``min(max(x, low), high)``: a convex kink at ``low`` and a concave one at ``high``.

    The lower line passes below the convex hull: through the point at the upper end and the kink at ``low``,
    or flat. The free parameter turns it between the two; likewise above.
    """

    def limits(self, call: Call) -> tuple[float, float]:
        """The bounds of the result."""
        low, high = call.node.static(1, "min", None), call.node.static(2, "max", None)
        return (-float("inf") if low is None else float(low)), (float("inf") if high is None else float(high))

    def interval(self, call: Call) -> Interval:
        low, high = self.limits(call)
        return call.interval(call.positions[0]).map(lambda t: t.clamp(low, high))

    def unstable(self, call: Call, position: int) -> Tensor | None:
        x, (low, high) = call.interval(position), self.limits(call)
        return ((x.lower < low) & (x.upper > low)) | ((x.lower < high) & (x.upper > high))

    def choices(self, call: Call, x: Interval, anchors: tuple[Tensor, ...]) -> Parameters:
        low, high = self.limits(call)
        dtype = x.lower.dtype
        longer_right = (x.upper.clamp(max=high) - low > low - x.lower).to(dtype)
        longer_left = (high - x.lower.clamp(min=low) > x.upper - high).to(dtype)
        return longer_right, longer_left

    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        low, high = self.limits(call)
        default = self.choices(call, x, anchors)
        lower, upper = (own if given is None else given for own, given in zip(default, chosen, strict=True))
        assert lower is not None
        assert upper is not None

        def clamp(t: Tensor) -> Tensor:
            return t.clamp(low, high)

        def one(t: Tensor) -> Tensor:
            return ((t > low) & (t < high)).to(t.dtype)

        slope, bias = chord(clamp, one, x)
        cut_low, cut_high = (x.lower < low) & (x.upper > low), (x.lower < high) & (x.upper > high)
        tiny = torch.finfo(slope.dtype).tiny
        from_low = (clamp(x.upper) - low) / (x.upper - low).clamp(min=tiny) if low > -float("inf") else slope
        from_high = (
            (high - clamp(x.lower)) / (high - x.lower).clamp(min=tiny) if high < float("inf") else slope
        )
        rising, falling = lower * from_low, upper * from_high
        return Lines(
            torch.where(cut_low, rising, slope),
            torch.where(cut_low, _anchor(low, rising), bias),
            torch.where(cut_high, falling, slope),
            torch.where(cut_high, _anchor(high, falling), bias),
        )


def _anchor(place: float, slope: Tensor) -> Tensor:
    """The intercept of a line through ``(place, place)``; unused where there is no such place."""
    return torch.zeros_like(slope) if place in (float("inf"), -float("inf")) else place * (1 - slope)


aten = torch.ops.aten
RULES.add(Kink(), aten.relu.default)
RULES.add(LeakyKink(), aten.leaky_relu.default)
RULES.add(Absolute(), aten.abs.default)
RULES.add(Clamp(), aten.clamp.default, aten.clamp_min.default)
