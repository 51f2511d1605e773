"""Operators that are affine in one operand at a time: the machinery that needs the operator itself only.

Where the perturbed operands enter affinely together, bounds pass without loss. Where two factors are both
perturbed (attention scores, a layer whose weights move), backward rows take McCormick's planes through the
lower corner of the first factor, ``x w >= l_w x + l_x w - l_x l_w`` and ``x w <= u_w x + l_x w - l_x u_w``.
Forward functions expand about the centres ``c`` of both, ``x w = c_w x + c_x w - c_x c_w + (x - c_x)(w -
c_w)``, whose last term is at most the product of the radii: the mean of McCormick's planes on either side,
which needs no signs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.problem import Value, sampled
from defenses.bounds.rows import Dense, Rows, flattened
from defenses.bounds.rules.base import (
    RULES,
    Call,
    Contribution,
    Forms,
    Rule,
    Tuner,
    UnsupportedOperator,
    as_plain,
    unmirrored,
)


class Affine(Rule):
    """An operator that is affine in each operand; by default the Jacobian is found by automatic
    differentiation.
    """

    factors: tuple[int, int] | None = None
    """Two operands whose product the result is, None where the operator is affine in all operands together.
    """

    def is_affine(self, call: Call) -> bool:
        return self.factors is None or not all(factor in call.positions for factor in self.factors)

    def unstable(self, call: Call, position: int) -> Tensor | None:
        if self.is_affine(call) or self.factors is None or position not in self.factors:
            return None
        interval = call.interval(position)
        return interval.upper > interval.lower

    def push(self, call: Call, position: int, x: Tensor, operands: list[Value]) -> Tensor:
        """The linear part in one operand applied to ``(B|1, K, *shape_in)``: ``(B|1, K, *shape)``."""
        function = _partial(call, position)
        zero = x.new_zeros(call.node.inputs[position].shape)

        def linear(stack: Tensor, *others: Tensor) -> Tensor:
            base = function(zero, *others)
            return torch.vmap(lambda entry: function(entry, *others) - base)(stack)

        return _batched(linear, x, _others(operands, position))

    def spread(self, call: Call, position: int, radius: Tensor, operands: list[Value]) -> Tensor:
        """As :meth:`push`, with the absolute values of all coefficients: the width that widths of the operand
        give.
        """
        source = call.node.inputs[position]
        rows = torch.eye(call.node.numel, dtype=radius.dtype, device=radius.device)
        identity = Dense(call.node.shape, False, rows.view(1, -1, *call.node.shape))
        jacobian = self.pull(call, position, identity, operands).dense().coefficients.abs()
        result = torch.matmul(flattened(radius, 2), flattened(jacobian, 2).transpose(1, 2))
        assert radius.shape[2:] == source.shape
        return result.view(*result.shape[:2], *call.node.shape)

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        """Rows over the result as rows over one operand: the transposed linear part."""
        function = _partial(call, position)
        source = call.node.inputs[position]
        coefficients = rows.dense().coefficients
        zero = coefficients.new_zeros(source.shape)

        def transpose(stack: Tensor, *others: Tensor) -> Tensor:
            back = torch.func.vjp(lambda x: function(x, *others), zero)[1]
            return torch.vmap(lambda row: back(row)[0])(stack)

        return Dense(
            source.shape, rows.mirrored, _batched(transpose, coefficients, _others(operands, position))
        )

    def interval(self, call: Call) -> Interval:
        operands = self._centred(call)
        substitutes = {p: sampled(call.interval(p).centre) for p in call.positions}
        centre = call.evaluate(substitutes)
        radius = torch.zeros_like(centre)
        for position in call.positions:
            spread = self.spread(call, position, call.interval(position).radius.unsqueeze(1), operands)
            radius = radius + spread.squeeze(1)
        if not self.is_affine(call):
            radius = radius + self._remainder(call)
        return Interval.around(centre, radius)

    def backward(self, call: Call, rows: Rows, tuner: Tuner | None) -> tuple[list[Contribution], Tensor]:
        if not self.is_affine(call):
            dense = unmirrored(rows).dense()
            if tuner is None:
                return self._corner_planes(call, dense)
            zero = dense.coefficients.new_zeros(()).expand(call.problem.batch, 1, *call.node.shape)
            share = tuner(call.node, "lower", zero, dense.coefficients)
            return _sum(
                self._corner_planes(call, dense.with_values(dense.coefficients * (1 - share))),
                self._corner_planes(call, dense.with_values(dense.coefficients * share), opposite=True),
            )
        operands = self._centred(call)
        contributions = [(p, self.pull(call, p, rows, operands)) for p in call.positions]
        return contributions, as_plain(rows, self.constant(call, rows))

    def _corner_planes(
        self, call: Call, rows: Dense, opposite: bool = False
    ) -> tuple[list[Contribution], Tensor]:
        """McCormick's planes through the lower corner of one factor, or the upper one, for unmirrored rows."""
        assert self.factors is not None
        first, second = self.factors
        x, w = call.interval(first), call.interval(second)
        if opposite:
            x, w = x.turned, w.turned
        positive = replace(rows, coefficients=rows.coefficients.clamp(min=0))
        negative = replace(rows, coefficients=rows.coefficients.clamp(max=0))

        def at(corner: Tensor) -> list[Value]:
            operands = call.values({second: sampled(corner)})
            operands[first] = sampled(x.lower)
            return operands

        to_first = self.pull(call, first, positive, at(w.lower))
        to_first = to_first.plus(self.pull(call, first, negative, at(w.upper)))
        contributions: list[Contribution] = [(first, to_first)]
        contributions += [(p, self.pull(call, p, rows, at(w.lower))) for p in call.positions if p != first]

        def product(corner: Tensor) -> Tensor:
            return call.evaluate({first: sampled(x.lower), second: sampled(corner)}) - offset

        offset = call.cached("offset", lambda: call.evaluate({}))
        low = call.cached(f"low corner {opposite}", lambda: product(w.lower))
        high = call.cached(f"high corner {opposite}", lambda: product(w.upper))
        return contributions, rows.dot(offset) - positive.dot(low) - negative.dot(high)

    def constant(self, call: Call, rows: Rows) -> Tensor:
        """Unmirrored rows applied to what the result is apart from its linear part."""
        offset = self.shift(call)
        return rows.zeros() if offset is None else rows.dot(offset)

    def shift(self, call: Call) -> Tensor | None:
        """What the result is apart from its linear part, ``(B|1, *shape)``; None for nothing."""
        shift: Tensor | None = call.cached("apart", lambda: _nonzero(self._offset(call)))
        return shift

    def forward(self, call: Call, forms: dict[int, Forms]) -> Forms:
        operands = self._centred(call)
        offset = self._offset(call)
        if all(form.exact for form in forms.values()) and self.is_affine(call):
            weight, bias = torch.zeros((), dtype=offset.dtype), offset
            for position, form in forms.items():
                weight = weight + self.push(call, position, form.lower_weight, operands)
                bias = bias + self.push(call, position, form.lower.unsqueeze(1), operands).squeeze(1)
            return Forms(weight, bias, weight, bias)
        low = high = torch.zeros((), dtype=offset.dtype)
        low_bias = high_bias = offset
        for position, form in forms.items():
            # about the mean of both functions: two pushes instead of four
            middle = self.push(call, position, form.lower_weight.lerp(form.upper_weight, 0.5), operands)
            span = self.spread(call, position, form.upper_weight - form.lower_weight, operands)
            low, high = low + middle.sub(span, alpha=0.5), high + middle.add(span, alpha=0.5)
            bias, width = form.lower.lerp(form.upper, 0.5), form.upper - form.lower
            middle = self.push(call, position, bias.unsqueeze(1), operands).squeeze(1)
            span = self.spread(call, position, width.unsqueeze(1), operands).squeeze(1)
            low_bias, high_bias = low_bias + middle - span / 2, high_bias + middle + span / 2
        if not self.is_affine(call):
            loss = self._remainder(call)
            low_bias, high_bias = low_bias - loss, high_bias + loss
        return Forms(low, low_bias, high, high_bias)

    def _centred(self, call: Call) -> list[Value]:
        """All operands; the perturbed ones at their centres where the operator is a product of two of them,
        else zero.
        """
        if self.is_affine(call):
            return call.cached("operands", lambda: call.values({}))
        return call.cached(
            "operands", lambda: call.values({p: sampled(call.interval(p).centre) for p in call.positions})
        )

    def _offset(self, call: Call) -> Tensor:
        """The result minus its linear parts, ``(B|1, *shape)``."""
        if self.is_affine(call):
            return call.evaluate({})
        operands = self._centred(call)
        offset = call.evaluate({p: operands[p] for p in call.positions})
        for position in call.positions:
            centre = call.interval(position).centre.unsqueeze(1)
            offset = offset - self.push(call, position, centre, operands).squeeze(1)
        return offset

    def _remainder(self, call: Call) -> Tensor:
        """The greatest value of the product of both deviations."""
        assert self.factors is not None
        first, second = self.factors
        operands = call.values({second: sampled(call.interval(second).radius)})
        return self.push(call, first, call.interval(first).radius.unsqueeze(1), operands).squeeze(1)


class Monotone(Affine):
    """An affine operator of one operand whose coefficients are not negative: averages, interpolations, sums."""

    def spread(self, call: Call, position: int, radius: Tensor, operands: list[Value]) -> Tensor:
        return self.push(call, position, radius, operands)

    def interval(self, call: Call) -> Interval:
        (position,) = call.positions
        return call.at_ends({position: call.interval(position)})


class Product(Affine):
    """An operator whose every coefficient in one factor is an entry of the other factor."""

    def __init__(self, first: int = 0, second: int = 1) -> None:
        self.factors = (first, second)

    def spread(self, call: Call, position: int, radius: Tensor, operands: list[Value]) -> Tensor:
        assert self.factors is not None
        if position not in self.factors:
            return self.push(call, position, radius, operands)
        other = self.factors[1] if position == self.factors[0] else self.factors[0]
        absolute = list(operands)
        absolute[other] = Value(operands[other].tensor.abs(), operands[other].batched)
        return self.push(call, position, radius, absolute)


class Einsum(Product):
    """Sums of products of two operands, or of more of which one is perturbed."""

    def interval(self, call: Call) -> Interval:
        if len(call.positions) > 1 and len(call.node.inputs) > 2:
            raise UnsupportedOperator(
                f"{call.node.described} multiplies {len(call.node.inputs)} operands, of which "
                f"{len(call.positions)} are perturbed; multiply two at a time"
            )
        return super().interval(call)

    def spread(self, call: Call, position: int, radius: Tensor, operands: list[Value]) -> Tensor:
        return self.push(call, position, radius, [Value(one.tensor.abs(), one.batched) for one in operands])


def _sum(
    one: tuple[list[Contribution], Tensor], other: tuple[list[Contribution], Tensor]
) -> tuple[list[Contribution], Tensor]:
    return [
        (position, rows.plus(more)) for (position, rows), (_, more) in zip(one[0], other[0], strict=True)
    ], one[1] + other[1]


def _partial(call: Call, position: int) -> Callable[..., Tensor]:
    """The operator as a function of one operand, followed by the others in order."""

    def function(x: Tensor, *others: Tensor) -> Tensor:
        return call.node.function(*others[:position], x, *others[position:])

    return function


def _others(operands: list[Value], position: int) -> list[Value]:
    return operands[:position] + operands[position + 1 :]


def _batched(function: Callable[..., Tensor], stack: Tensor, others: list[Value]) -> Tensor:
    """Apply ``function(stack of one sample, *others of the sample)`` to ``(B|1, K, ...)``."""
    tensors = [other.tensor for other in others]
    if not any(other.batched for other in others):
        flat = function(stack.flatten(0, 1), *tensors)
        return flat.view(*stack.shape[:2], *flat.shape[1:])
    batch = max(len(other.tensor) for other in others if other.batched)
    stack = stack.expand(max(batch, len(stack)), *stack.shape[1:])
    sized = [
        other.tensor.expand(len(stack), *other.tensor.shape[1:]) if other.batched else other.tensor
        for other in others
    ]
    return torch.vmap(function, in_dims=(0, *(0 if other.batched else None for other in others)))(
        stack, *sized
    )


def _nonzero(offset: Tensor) -> Tensor | None:
    return offset if offset.requires_grad or bool(offset.any()) else None


aten = torch.ops.aten
RULES.add(
    Monotone(),
    aten.avg_pool1d.default,
    aten.avg_pool2d.default,
    aten.adaptive_avg_pool1d.default,
    aten.adaptive_avg_pool2d.default,
    aten.upsample_bilinear2d.vec,
    aten.upsample_linear1d.vec,
    aten.cumsum.default,
)
RULES.add(Affine(), aten.upsample_bicubic2d.vec, aten.im2col.default)
RULES.add(Product(0, 1), aten.conv1d.default, aten.conv3d.default)
RULES.add(Einsum(0, 1), aten.einsum.default)
RULES.add(Product(0, 1), aten.conv_transpose1d.default, aten.conv_transpose2d.input)
