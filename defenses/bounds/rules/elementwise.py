"""Functions of single entries: two lines that enclose the function on the interval of every entry.

A new function needs little: :class:`Convex` or :class:`Concave` with the function and its derivative where
its curvature has one sign, :class:`defenses.bounds.rules.curved.Curved` with its inflection points otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.rows import Lines, Rows
from defenses.bounds.rules.base import RULES, Call, Contribution, Forms, Rule, Tuner, unmirrored
from simulator.world import InvalidInput

Parameters = tuple[Tensor | None, Tensor | None]
"""Positions in [0, 1] that choose the lower and the upper line; None where there is no choice."""

DEFAULT: Parameters = (None, None)
"""The default lines on both sides."""


class Elementwise(Rule):
    """A function of each entry for itself."""

    def keeps_boxes(self, call: Call) -> bool:
        return True

    def anchors(self, call: Call, x: Interval) -> tuple[Tensor, ...]:
        """What :meth:`lines` needs and is costly to find, in the shape of the interval."""
        return ()

    @abstractmethod
    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        """Enclosing lines on an interval of any shape.

        Args:
            call: the operator at its place, for its arguments.
            x: the interval.
            anchors: what :meth:`anchors` gave for it.
            chosen: which lines, as positions in [0, 1]; the default line where None.
        """

    def choices(self, call: Call, x: Interval, anchors: tuple[Tensor, ...]) -> Parameters:
        """The parameters at which :meth:`lines` gives its default lines; None for a side without a choice."""
        return DEFAULT

    def unstable(self, call: Call, position: int) -> Tensor | None:
        x = call.interval(position)
        return x.upper > x.lower

    def backward(self, call: Call, rows: Rows, tuner: Tuner | None) -> tuple[list[Contribution], Tensor]:
        (position,) = call.positions
        rows, x = unmirrored(rows), call.interval(position)
        anchors = call.cached("anchors", lambda: self.anchors(call, x))
        if tuner is not None:
            initial = call.cached("choices", lambda: self.choices(call, x, anchors))
            if any(side is not None for side in initial):
                local = x.map(rows.local)
                lower, upper = (
                    None if start is None else tuner(call.node, side, rows.local(start), rows.values)
                    for side, start in zip(("lower", "upper"), initial, strict=True)
                )
                nearby = tuple(rows.local(anchor) for anchor in anchors)
                pulled, constant = rows.relax_local(self.lines(call, local, nearby, (lower, upper)))
                return [(position, pulled)], constant
        lines = call.cached("lines", lambda: self.lines(call, x, anchors))
        pulled, constant = rows.relax(lines)
        return [(position, pulled)], constant

    def forward(self, call: Call, forms: dict[int, Forms]) -> Forms:
        (position,) = call.positions
        form, x = forms[position], call.interval(position)
        lines = self.lines(call, x, self.anchors(call, x))
        low_weight, low = compose(lines.lower_slope, lines.lower_bias, form, upper=False)
        high_weight, high = compose(lines.upper_slope, lines.upper_bias, form, upper=True)
        return Forms(low_weight, low, high_weight, high)


def compose(slope: Tensor, bias: Tensor | None, form: Forms, upper: bool) -> tuple[Tensor, Tensor]:
    """One line applied to linear functions: the slope's sign says which of the two it takes."""
    if form.exact:
        weight, constant = form.lower_weight * slope.unsqueeze(1), form.lower * slope
    elif bool((slope >= 0).all()):
        source = (form.upper_weight, form.upper) if upper else (form.lower_weight, form.lower)
        weight, constant = source[0] * slope.unsqueeze(1), source[1] * slope
    else:
        rising, falling = slope.clamp(min=0), slope.clamp(max=0)
        if upper:
            rising, falling = falling, rising
        weight = form.lower_weight * rising.unsqueeze(1) + form.upper_weight * falling.unsqueeze(1)
        constant = form.lower * rising + form.upper * falling
    return weight, constant if bias is None else constant + bias


Function = Callable[[Tensor], Tensor]


def chord(function: Function, derivative: Function, x: Interval) -> tuple[Tensor, Tensor]:
    """Slope and intercept of the line through both ends; the tangent where the ends are one."""
    width = x.upper - x.lower
    point = width <= torch.finfo(width.dtype).tiny
    safe = torch.where(point, torch.ones_like(width), width)
    low = function(x.lower)
    slope = torch.where(point, derivative(x.lower), (function(x.upper) - low) / safe)
    return slope, low - slope * x.lower


def tangent(function: Function, derivative: Function, place: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and intercept of the line that touches at a place."""
    slope = derivative(place)
    return slope, function(place) - slope * place


class Convex(Elementwise):
    """A convex function: the chord above, a tangent below.

    Args:
        function: monotone on each side of its least place.
        derivative: its derivative.
        least: where the function is least, None if it is monotone.
        domain: open interval on which it is defined.
        reach: how far above the lower end the default tangent may touch, None for the midpoint always.
    """

    def __init__(
        self,
        function: Function,
        derivative: Function,
        least: float | None = None,
        domain: tuple[float, float] | None = None,
        reach: float | None = None,
    ) -> None:
        self.function, self.derivative = function, derivative
        self.least, self.domain, self.reach = least, domain, reach

    def interval(self, call: Call) -> Interval:
        x = call.interval(call.positions[0])
        _check_domain(call, x, self.domain)
        ends = Interval(self.function(x.lower), self.function(x.upper))
        high = torch.maximum(ends.lower, ends.upper)
        if self.least is None:
            return Interval(torch.minimum(ends.lower, ends.upper), high)
        nearest = torch.minimum(torch.maximum(x.lower, torch.full_like(x.lower, self.least)), x.upper)
        return Interval(self.function(nearest), high)

    def choices(self, call: Call, x: Interval, anchors: tuple[Tensor, ...]) -> Parameters:
        share = torch.full_like(x.lower, 0.5)
        if self.reach is not None:
            share = torch.minimum(
                share, self.reach / (x.upper - x.lower).clamp(min=torch.finfo(share.dtype).tiny)
            )
        return share, None

    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        share = self.choices(call, x, anchors)[0] if chosen[0] is None else chosen[0]
        assert share is not None
        place = x.lower + share * (x.upper - x.lower)
        return Lines(
            *tangent(self.function, self.derivative, place),
            *chord(self.function, self.derivative, x),
        )


class Concave(Convex):
    """A concave, increasing function: the chord below, a tangent above."""

    def choices(self, call: Call, x: Interval, anchors: tuple[Tensor, ...]) -> Parameters:
        return None, torch.full_like(x.lower, 0.5)

    def lines(
        self, call: Call, x: Interval, anchors: tuple[Tensor, ...], chosen: Parameters = DEFAULT
    ) -> Lines:
        share = 0.5 if chosen[1] is None else chosen[1]
        place = x.lower + share * (x.upper - x.lower)
        return Lines(
            *chord(self.function, self.derivative, x),
            *tangent(self.function, self.derivative, place),
        )


def _check_domain(call: Call, x: Interval, domain: tuple[float, float] | None) -> None:
    if domain is None:
        return
    low, high = domain
    # a value is finite even where its bound has grown to infinity
    if bool((x.lower <= low).any()) or (high < infinity and bool((x.upper >= high).any())):
        raise InvalidInput(
            f"{call.node.described} may leave its domain "
            f"({low}, {high}): its argument lies in [{float(x.lower.min())}, {float(x.upper.max())}] as far as is "
            "known. Shrink the perturbation, or choose a method with tighter intermediate bounds."
        )


aten, infinity = torch.ops.aten, float("inf")
RULES.add(Convex(torch.exp, torch.exp, reach=0.99), aten.exp.default)
RULES.add(Convex(torch.expm1, torch.exp, reach=0.99), aten.expm1.default)
RULES.add(Convex(torch.square, lambda x: 2 * x, least=0.0), aten.square.default)
RULES.add(
    Convex(torch.reciprocal, lambda x: -x.reciprocal().square(), domain=(0.0, infinity)),
    aten.reciprocal.default,
)
RULES.add(Convex(torch.rsqrt, lambda x: -0.5 * x.rsqrt() / x, domain=(0.0, infinity)), aten.rsqrt.default)
RULES.add(Concave(torch.log, torch.reciprocal, domain=(0.0, infinity)), aten.log.default)
RULES.add(Concave(torch.log1p, lambda x: (1 + x).reciprocal(), domain=(-1.0, infinity)), aten.log1p.default)
RULES.add(Concave(torch.sqrt, lambda x: 0.5 * x.rsqrt(), domain=(0.0, infinity)), aten.sqrt.default)
