"""Elementwise products."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.rows import Lines, Rows
from defenses.bounds.rules.arithmetic import Scale, bounds_of, broadcast, reduce, scale_of
from defenses.bounds.rules.base import RULES, Call, Contribution, Forms, Tuner, unmirrored
from defenses.bounds.rules.elementwise import compose


class Multiply(Scale):
    """``a * b``: a scaling where one factor is unperturbed, else McCormick's planes.

    For ``a`` in ``[la, ua]`` and ``b`` in ``[lb, ub]`` both ``lb a + la b - la lb`` and ``ub a + ua b - ua
    ub`` are below the product, and both ``ub a + la b - la ub`` and ``lb a + ua b - ua lb`` above, and so are
    all mixtures of the two. By default the first of each is taken.
    """

    def is_affine(self, call: Call) -> bool:
        return len(call.positions) == 1

    def factor(self, call: Call) -> Tensor:
        (position,) = call.positions
        return scale_of(call, position)

    def keeps_boxes(self, call: Call) -> bool:
        return self.is_affine(call) and super().keeps_boxes(call)

    def unstable(self, call: Call, position: int) -> Tensor | None:
        if self.is_affine(call):
            return None
        x = call.interval(position)
        return x.upper > x.lower

    def interval(self, call: Call) -> Interval:
        if self.is_affine(call):
            return super().interval(call)
        return Interval.product(bounds_of(call, 0), bounds_of(call, 1))

    def backward(self, call: Call, rows: Rows, tuner: Tuner | None) -> tuple[list[Contribution], Tensor]:
        if self.is_affine(call):
            return super().backward(call, rows, tuner)
        rows = unmirrored(rows)
        a, b = bounds_of(call, 0), bounds_of(call, 1)
        low = high = None
        if tuner is not None:
            initial = a.lower.new_zeros(()).expand(call.problem.batch, *call.node.shape)
            low, high = (
                tuner(call.node, side, rows.local(initial), rows.values) for side in ("lower", "upper")
            )
            a, b = a.map(rows.local), b.map(rows.local)
        planes = _planes(a, b, low, high)
        pulls = []
        for position, (lower_slope, upper_slope) in enumerate(zip(planes[0], planes[1], strict=True)):
            if position == 0:
                lines = Lines(lower_slope, planes[2], upper_slope, planes[3])
            else:
                lines = Lines(lower_slope, None, upper_slope, None)
            pulls.append(rows.relax(lines) if tuner is None else rows.relax_local(lines))
        sources = call.node.inputs
        return [(p, reduce(pulls[p][0], call.node, sources[p])) for p in (0, 1)], pulls[0][1]

    def forward(self, call: Call, forms: dict[int, Forms]) -> Forms:
        if self.is_affine(call):
            return super().forward(call, forms)
        lower, upper, low, high = _planes(bounds_of(call, 0), bounds_of(call, 1), None, None)
        wide = {
            p: forms[p].each(
                lambda t: broadcast(t, call.node), lambda t: broadcast(t.unsqueeze(1), call.node).squeeze(1)
            )
            for p in (0, 1)
        }
        low_parts = [compose(lower[p], None, wide[p], upper=False) for p in (0, 1)]
        high_parts = [compose(upper[p], None, wide[p], upper=True) for p in (0, 1)]
        return Forms(
            low_parts[0][0] + low_parts[1][0],
            low_parts[0][1] + low_parts[1][1] + low,
            high_parts[0][0] + high_parts[1][0],
            high_parts[0][1] + high_parts[1][1] + high,
        )


Plane = tuple[Tensor, Tensor]


def _planes(
    a: Interval, b: Interval, low: Tensor | None, high: Tensor | None
) -> tuple[Plane, Plane, Tensor, Tensor]:
    """Slopes in both factors and constants of a lower and an upper plane, mixtures where shares are given."""

    def mix(share: Tensor | None, first: Tensor, second: Tensor) -> Tensor:
        return first if share is None else first + share * (second - first)

    lower = (mix(low, b.lower, b.upper), mix(low, a.lower, a.upper))
    upper = (mix(high, b.upper, b.lower), mix(high, a.lower, a.upper))
    low_bias = -mix(low, a.lower * b.lower, a.upper * b.upper)
    high_bias = -mix(high, a.lower * b.upper, a.upper * b.lower)
    return lower, upper, low_bias, high_bias


RULES.add(Multiply(), torch.ops.aten.mul.Tensor, torch.ops.aten.mul.Scalar)
