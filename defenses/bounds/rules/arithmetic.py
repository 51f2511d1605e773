"""Sums and differences, products with unperturbed factors, batch normalisation, reductions."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from defenses.bounds.graph import Node
from defenses.bounds.interval import Interval
from defenses.bounds.problem import Value
from defenses.bounds.rows import Dense, Patches, Rows, Selection
from defenses.bounds.rules.affine import Affine, Monotone
from defenses.bounds.rules.base import RULES, Call
from simulator.world import InvalidInput


class Sum(Affine):
    """``a + alpha b``, ``a - alpha b`` and ``alpha`` times the first operand from the second, with
    broadcasting.
    """

    def __init__(self, *signs: float, scaled: int | None = 1) -> None:
        self.signs = signs
        self.scaled = scaled

    def factor(self, call: Call, position: int) -> float:
        """The coefficient of an operand."""
        args, kwargs = call.node.arguments
        tensors = [i for i, arg in enumerate(args) if not isinstance(arg, int | float | bool)]
        place = tensors[position]
        alpha = float(kwargs.get("alpha", args[2] if len(args) > 2 else 1)) if place == self.scaled else 1.0
        return self.signs[place] * alpha

    def keeps_boxes(self, call: Call) -> bool:
        return len(call.positions) == 1 and call.node.inputs[call.positions[0]].numel == call.node.numel

    def interval(self, call: Call) -> Interval:
        # end by end: a small number added to a wide interval would be lost between its midpoint and half its width
        return call.at_ends(
            {
                p: call.interval(p) if self.factor(call, p) >= 0 else call.interval(p).turned
                for p in call.positions
            }
        )

    def push(self, call: Call, position: int, x: Tensor, operands: list[Value]) -> Tensor:
        return broadcast(self.factor(call, position) * x, call.node)

    def spread(self, call: Call, position: int, radius: Tensor, operands: list[Value]) -> Tensor:
        return broadcast(abs(self.factor(call, position)) * radius, call.node)

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        return reduce(rows, call.node, call.node.inputs[position]).scaled(self.factor(call, position))


class Scale(Affine):
    """An operator that multiplies the entries of one operand by unperturbed numbers and may add others."""

    def factor(self, call: Call) -> Tensor:
        """The factors ``(B|1, *shape)``, with axes of length one where they broadcast."""
        raise NotImplementedError

    def _factor(self, call: Call) -> Tensor:
        return call.cached("factor", lambda: self.factor(call))

    def keeps_boxes(self, call: Call) -> bool:
        return call.node.inputs[call.positions[0]].numel == call.node.numel

    def interval(self, call: Call) -> Interval:
        (position,) = call.positions
        factor, shift = self._factor(call), self.shift(call)
        # a bound may be infinite; nothing is left of it where the factor is zero
        ends = bounds_of(call, position).map(lambda t: torch.nan_to_num(t * factor, 0.0, math.inf, -math.inf))
        ends = ends if shift is None else ends.map(lambda t: t + shift)
        return Interval(torch.minimum(ends.lower, ends.upper), torch.maximum(ends.lower, ends.upper))

    def push(self, call: Call, position: int, x: Tensor, operands: list[Value]) -> Tensor:
        return broadcast(x, call.node) * self._factor(call).unsqueeze(1)

    def spread(self, call: Call, position: int, radius: Tensor, operands: list[Value]) -> Tensor:
        return broadcast(radius, call.node) * self._factor(call).abs().unsqueeze(1)

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        factor = self._factor(call)
        if factor.numel() == 1:
            scaled = rows.scaled(factor.view(()))
        elif isinstance(rows, Patches) and factor.shape[-2:] == (1, 1):
            scaled = replace(rows, blocks=rows.blocks * factor)
        else:
            scaled = rows.times(factor.expand(len(factor), *call.node.shape))
        return reduce(scaled, call.node, call.node.inputs[position])


class Negation(Scale):
    """``-x``."""

    def factor(self, call: Call) -> Tensor:
        (position,) = call.positions
        return -call.interval(position).lower.new_ones(1, *(1,) * len(call.node.shape))


class Normalisation(Scale):
    """Batch normalisation with running statistics."""

    def factor(self, call: Call) -> Tensor:
        node = call.node
        eps = float(node.static(6, "eps", 1e-5))
        if call.positions != (0,):
            raise InvalidInput(
                f"batch normalisation {node.path} is bounded with unperturbed scale and shift; perturb the "
                "layers around it"
            )
        tensors = {i: self._parameter(call, i) for i in (1, 4)}
        variance = tensors[4]
        assert variance is not None
        scale = (variance + eps).rsqrt()
        if tensors[1] is not None:
            scale = scale * tensors[1]
        return scale.view(1, 1, -1, *(1,) * (len(node.shape) - 2))

    def constant(self, call: Call, rows: Rows) -> Tensor:
        if isinstance(rows, Patches):
            return rows.channels(call.cached("shift", lambda: self._offset(call)[0, 0, :, 0, 0]))
        return super().constant(call, rows)

    def _parameter(self, call: Call, argument: int) -> Tensor | None:
        slot = call.node.arguments[0][argument]
        return None if slot is None else call.value(slot.position).tensor


class Reduction(Monotone):
    """Sums and means over some axes."""

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        source, node = call.node.inputs[position], call.node
        dims = node.static(1, "dim", None)
        if dims is None or dims == []:
            dims = range(len(source.shape))
        axes = sorted(d % len(source.shape) for d in ([dims] if isinstance(dims, int) else dims))
        coefficients = rows.dense().coefficients
        shape = [1 if axis in axes else size for axis, size in enumerate(source.shape)]
        wide = coefficients.reshape(*coefficients.shape[:2], *shape)
        if "mean" in str(node.target):
            wide = wide * (node.numel / source.numel)
        return Dense(source.shape, rows.mirrored, wide.expand(*coefficients.shape[:2], *source.shape))


def broadcast(x: Tensor, node: Node) -> Tensor:
    """``(B|1, K, *operand shape)`` to ``(B|1, K, *node shape)``."""
    missing = len(node.shape) - (x.ndim - 2)
    return x.reshape(*x.shape[:2], *(1,) * missing, *x.shape[2:]).expand(*x.shape[:2], *node.shape)


def reduce(rows: Rows, node: Node, source: Node) -> Rows:
    """Rows over a broadcast operand: coefficients of copies are summed."""
    if source.shape == node.shape:
        return rows
    if source.numel == node.numel and isinstance(rows, Selection):
        return replace(rows, shape=source.shape)
    if isinstance(rows, Selection):
        places = torch.arange(source.numel).view(source.shape).expand(node.shape).flatten()
        return replace(rows, shape=source.shape, index=places[rows.index])
    coefficients = rows.dense().coefficients
    missing = len(node.shape) - len(source.shape)
    axes = [*range(2, 2 + missing)]
    axes += [
        axis + 2 + missing
        for axis, size in enumerate(source.shape)
        if size == 1 and node.shape[axis + missing] > 1
    ]
    if axes:
        coefficients = coefficients.sum(axes, keepdim=True)
    return Dense(source.shape, rows.mirrored, coefficients.reshape(*coefficients.shape[:2], *source.shape))


def scale_of(call: Call, position: int) -> Tensor:
    """The unperturbed operand of an elementwise product, laid out against the result: ``(B|1, *shape)``."""
    args, _ = call.node.arguments
    numbers = [arg for arg in args[:2] if isinstance(arg, int | float)]
    if numbers:
        like = call.interval(position).lower
        return like.new_full((1, *(1,) * len(call.node.shape)), float(numbers[0]))
    value = call.value(1 - position)
    tensor = value.tensor if value.batched else value.tensor.unsqueeze(0)
    missing = len(call.node.shape) - (tensor.ndim - 1)
    return tensor.reshape(len(tensor), *(1,) * missing, *tensor.shape[1:])


def bounds_of(call: Call, position: int) -> Interval:
    """The interval of an operand, broadcast to the shape of the result."""
    return call.interval(position).map(lambda t: broadcast(t.unsqueeze(1), call.node).squeeze(1))


aten = torch.ops.aten
RULES.add(Sum(1.0, 1.0), aten.add.Tensor, aten.add.Scalar)
RULES.add(Sum(1.0, -1.0), aten.sub.Tensor, aten.sub.Scalar)
RULES.add(Sum(-1.0, 1.0, scaled=0), aten.rsub.Scalar, aten.rsub.Tensor)
RULES.add(Negation(), aten.neg.default)
RULES.add(Normalisation(), aten._native_batch_norm_legit_no_training.default)
RULES.add(Reduction(), aten.sum.dim_IntList, aten.sum.default, aten.mean.dim, aten.mean.default)
