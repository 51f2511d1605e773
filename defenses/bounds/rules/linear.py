"""Linear layers and matrix products."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.problem import Value
from defenses.bounds.rows import Dense, Outer, Rows, Selection
from defenses.bounds.rules.affine import Product
from defenses.bounds.rules.base import RULES, Call, Contribution, Tuner, unmirrored
from defenses.bounds.rules.contraction import coefficients_needed, relax_for_rows

SPARE = 8
"""Most functionals that a product might need are not asked for: rows look at few positions."""


class Linear(Product):
    """``x @ weight.T + bias``; any of the three may be perturbed."""

    def push(self, call: Call, position: int, x: Tensor, operands: list[Value]) -> Tensor:
        weight = operands[1]
        if position == 0 and not weight.batched:
            return F.linear(x, weight.tensor)
        return super().push(call, position, x, operands)

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        source = call.node.inputs[position]
        if position == 0:
            weight = operands[1].tensor
            if (
                isinstance(rows, Selection)
                and not operands[1].batched
                and call.node.numel == call.node.shape[-1]
            ):
                coefficients = F.embedding(rows.index, weight) * rows.scale.unsqueeze(2)
                return Dense(
                    source.shape, rows.mirrored, coefficients.view(*coefficients.shape[:2], *source.shape)
                )
            return Dense(source.shape, rows.mirrored, _times(rows.dense().coefficients, weight))
        coefficients = rows.dense().coefficients
        flat = coefficients.reshape(*coefficients.shape[:2], -1, call.node.shape[-1])
        if position == 2:
            return Dense(source.shape, rows.mirrored, flat.sum(2))
        x = operands[0].tensor if operands[0].batched else operands[0].tensor.unsqueeze(0)
        x = x.reshape(len(x), 1, -1, x.shape[-1])
        if flat.shape[2] == 1 and source.index in call.problem.regions:
            return Outer(source.shape, rows.mirrored, flat.squeeze(2), x[:, 0, 0])
        return Dense(source.shape, rows.mirrored, flat.transpose(-1, -2) @ x)

    def interval(self, call: Call) -> Interval:
        if call.positions == (0,) and not call.value(1).batched:
            x, weight = call.interval(0), call.value(1).tensor
            bias = call.value(2).tensor if len(call.node.inputs) > 2 else None
            return Interval.around(F.linear(x.centre, weight, bias), F.linear(x.radius, weight.abs()))
        if self.is_affine(call):
            return super().interval(call)
        x, w = call.interval(0), call.interval(1)
        terms = Interval.product(
            x.map(lambda t: t.unsqueeze(-2)), w.map(lambda t: _insert(t, len(call.node.shape) - 1))
        )
        total = terms.map(lambda t: t.sum(-1))
        if len(call.node.inputs) > 2:
            if 2 in call.positions:
                shift = call.interval(2).map(lambda t: _insert(t, len(call.node.shape) - 1))
            else:
                shift = Interval(call.value(2).tensor, call.value(2).tensor)
            total = Interval(total.lower + shift.lower, total.upper + shift.upper)
        return total


class Matmul(Product):
    """Matrix products with or without batch axes."""

    def backward(self, call: Call, rows: Rows, tuner: Tuner | None) -> tuple[list[Contribution], Tensor]:
        if tuner is not None and not self.is_affine(call) and _paired(call):
            dense = unmirrored(rows).dense()
            if coefficients_needed(call, dense) <= SPARE * call.problem.budget:
                return relax_for_rows(call, dense, tuner)
        return super().backward(call, rows, tuner)

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        if not _paired(call):
            return super().pull(call, position, rows, operands)
        other = operands[1 - position]
        matrix = other.tensor.transpose(-1, -2)
        if other.batched:
            matrix = matrix.unsqueeze(1)
        coefficients = rows.dense().coefficients
        product = coefficients @ matrix if position == 0 else matrix @ coefficients
        return Dense(call.node.inputs[position].shape, rows.mirrored, product)

    def interval(self, call: Call) -> Interval:
        first, second = call.node.inputs
        if self.is_affine(call) or min(len(first.shape), len(second.shape)) < 2:
            return super().interval(call)
        rank = len(call.node.shape)
        x = call.interval(0).map(lambda t: _align(t, rank).unsqueeze(-2))
        w = call.interval(1).map(lambda t: _align(t, rank).transpose(-1, -2).unsqueeze(-3))
        return Interval.product(x, w).map(lambda t: t.sum(-1))


def _paired(call: Call) -> bool:
    """Two matrices, or stacks of them in which each has its partner."""
    first, second = call.node.inputs
    return len(first.shape) == len(second.shape) >= 2 and first.shape[:-2] == second.shape[:-2]


def _align(t: Tensor, rank: int) -> Tensor:
    """``(B, *shape)`` with axes of length one put in, so that the shape has the given rank."""
    return t.reshape(len(t), *(1,) * (rank - t.ndim + 1), *t.shape[1:])


def _insert(t: Tensor, count: int) -> Tensor:
    return t.reshape(len(t), *(1,) * count, *t.shape[1:])


def _times(coefficients: Tensor, weight: Tensor) -> Tensor:
    """``(B|1, S, ..., out)`` with a weight ``(out, in)`` or ``(B, out, in)``."""
    if weight.ndim == 2:
        return coefficients @ weight
    flat = coefficients.flatten(1, -2) @ weight
    return flat.view(len(flat), *coefficients.shape[1:-1], weight.shape[-1])


aten = torch.ops.aten
RULES.add(Linear(0, 1), aten.linear.default)
RULES.add(Matmul(0, 1), aten.matmul.default, aten.mm.default, aten.bmm.default)
